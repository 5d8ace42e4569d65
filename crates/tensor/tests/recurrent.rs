//! Recurrent cells over whole sequences: rejected operands, and steps that a mask leaves out. The tests of gradient
//! rules compare values and derivatives with the composed form, PyTorch and finite differences.

mod sets;

use tensor::ops::{Cell, Recurrent, Sequence, SequenceOperands, apply_all};
use tensor::{DType, Result, Tensor, tensor};

const LSTM: Sequence = Sequence { cell: Cell::Lstm, backwards: false };

fn operands() -> [Tensor; 5] {
    let zeros = |shape: &[usize]| Tensor::zeros(shape);
    [zeros(&[2, 3, 8]), zeros(&[2, 8]), zeros(&[8]), zeros(&[2, 2]), zeros(&[2, 2])]
}

/// The error message when one operand is replaced or added.
fn message(place: usize, other: Tensor) -> String {
    let mut operands = operands().to_vec();
    if place < operands.len() {
        operands[place] = other
    } else {
        operands.push(other)
    }
    let operands: Vec<&Tensor> = operands.iter().collect();
    apply_all(Recurrent::States(LSTM), &operands).unwrap_err().to_string()
}

#[test]
fn unsuitable_operands_are_errors() {
    let cases = [
        (
            0,
            Tensor::zeros([2, 8]),
            "lstm: [2, 8] × [2, 8]: needs [batch, time, gates · units] and [units, gates · units]",
        ),
        (0, Tensor::zeros([2, 0, 8]), "lstm: shape [2, 0, 8]: needs at least one step"),
        (1, Tensor::zeros([0, 8]), "lstm: shape [0, 8]: a recurrent kernel needs at least one unit"),
        (
            1,
            Tensor::zeros([2, 6]),
            "lstm: [2, 3, 8] × [2, 6]: both need 4 times as many columns as the recurrent kernel has rows",
        ),
        (2, Tensor::zeros([4]), "lstm: shape [4]: the recurrent bias must be [8]"),
        (4, Tensor::zeros([3, 2]), "lstm: shape [3, 2]: a state must be [2, 2]"),
        (5, tensor![[true]], "lstm: shape [1, 1]: a mask must be [batch, time], here [2, 3]"),
        (5, Tensor::zeros([2, 3]), "lstm: float32 is not bool, as a mask must be"),
        (
            3,
            Tensor::zeros([2, 2]).cast(DType::F64),
            "lstm: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`",
        ),
    ];
    for (place, other, expected) in cases {
        assert_eq!(message(place, other), expected);
    }
    let few = apply_all(Recurrent::States(LSTM), &[&Tensor::zeros([1])]).unwrap_err().to_string();
    assert_eq!(few, "lstm: takes 5 operands, or one more with a mask, not 1");
    let few = apply_all(Recurrent::Gradient(LSTM), &[]).unwrap_err().to_string();
    assert_eq!(few, "lstm_gradient: takes more operands than 0");
}

/// Masked steps may hold any number, even infinity.
#[test]
fn masked_steps_are_ignored() -> Result<()> {
    let x = tensor![[[0.5], [f32::INFINITY], [-1.0]]];
    let (kernel, bias, states) = (tensor![[0.3]], tensor![0.1], &[tensor![[0.2]]]);
    let mask = tensor![[true, false, true]];
    for backwards in [false, true] {
        let sequence = Sequence { cell: Cell::SimpleRnn, backwards };
        let operands = SequenceOperands { projected: &x, kernel: &kernel, bias: &bias, states, mask: Some(&mask) };
        let found = sequence.states(&operands)?[0].to_vec::<f32>()?;
        let step = |x: f64, h: f64| (x + 0.3 * h + 0.1).tanh();
        let first = step(if backwards { -1.0 } else { 0.5 }, 0.2);
        let second = step(if backwards { 0.5 } else { -1.0 }, first);
        let expected = if backwards { [second, first, first] } else { [first, first, second] };
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-7, "{found} instead of {expected}");
        }
    }
    Ok(())
}

/// Rows are independent: a batch gives the results of its samples, whatever the tasks and tiles.
#[test]
fn a_batch_gives_the_results_of_its_samples() -> Result<()> {
    let mut draw = tensor::Generator::new(3);
    let mut normal = |shape: &[usize]| draw.normal(shape, 0.0, 0.3);
    for cell in [Cell::SimpleRnn, Cell::Lstm, Cell::Gru] {
        let width = cell.gates() * 40;
        let (x, kernel, bias) = (normal(&[19, 30, width])?, normal(&[40, width])?, normal(&[width])?);
        let states = vec![normal(&[19, 40])?; cell.states()];
        let sequence = Sequence { cell, backwards: false };
        let whole = sequence.states(&SequenceOperands {
            projected: &x,
            kernel: &kernel,
            bias: &bias,
            states: &states,
            mask: None,
        })?;
        for row in [0isize, 7, 8, 18] {
            let states: Vec<Tensor> = states.iter().map(|state| state.slice(row..row + 1)).collect::<Result<_>>()?;
            let x = x.slice(row..row + 1)?;
            let one = sequence.states(&SequenceOperands {
                projected: &x,
                kernel: &kernel,
                bias: &bias,
                states: &states,
                mask: None,
            })?;
            for (one, whole) in one.iter().zip(&whole) {
                assert_eq!(one.to_vec::<f32>()?, whole.slice(row..row + 1)?.to_vec::<f32>()?, "{cell:?}, row {row}");
            }
        }
    }
    Ok(())
}

#[test]
fn narrower_instruction_sets_pass_these_tests() {
    sets::run_again_with_narrower_sets("narrower_instruction_sets_pass_these_tests");
}
