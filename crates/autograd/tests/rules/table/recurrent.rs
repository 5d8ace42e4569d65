//! The rows of recurrent layers over whole sequences.

use autograd::Result;
use autograd::tensor::Tensor;
use autograd::tensor::ops::{Cell, Sequence};
use serde_json::{Value, json};

use super::sampler::Sampler;
use super::{Row, Sample, row};

/// All states after each step, concatenated.
fn states(cell: Cell, x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let sequence = Sequence { cell, backwards: attrs["backwards"] == true };
    let states = sequence.states(&sequence.operands(x)?)?;
    Tensor::concat(&states.iter().collect::<Vec<_>>(), -1)
}

/// Operands for a batch whose size is drawn, up to a size that is split into several tasks.
fn operands(cell: Cell, s: &mut Sampler) -> Sample {
    let large = s.shape.iter().product::<usize>() >= 1000;
    let batch = s.shape.first().map_or(2, |&batch| batch.min(21));
    let (time, units) = if large { (5, 40) } else { (1 + s.below(4), 1 + s.below(3)) };
    let width = cell.gates() * units;
    let shapes = [vec![batch, time, width], vec![units, width], vec![width]];
    let states = std::iter::repeat_n(vec![batch, units], cell.states());
    let mut inputs: Vec<Tensor> = shapes.into_iter().chain(states).map(|shape| s.within(&shape, -1.0, 1.0)).collect();
    if s.coin() {
        inputs.push(s.mask(&[batch, time]));
    }
    Some((inputs, json!({"backwards": s.coin()})))
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("simple_rnn", |x, a| states(Cell::SimpleRnn, x, a), |s| operands(Cell::SimpleRnn, s)),
        row("lstm", |x, a| states(Cell::Lstm, x, a), |s| operands(Cell::Lstm, s)),
        row("gru", |x, a| states(Cell::Gru, x, a), |s| operands(Cell::Gru, s)),
    ]
}

/// The fused operation agrees with the formulas of the cell, also for sizes at which the kernels use several panels.
#[test]
fn the_operation_is_the_composed_form() -> Result<()> {
    for cell in [Cell::SimpleRnn, Cell::Lstm, Cell::Gru] {
        for seed in 0..8 {
            let Some((inputs, attrs)) = operands(cell, &mut Sampler::new(&[13, 100], seed)) else { continue };
            let composed = Sequence { cell, backwards: attrs["backwards"] == true }.composed(&inputs)?;
            let composed = Tensor::concat(&composed.iter().collect::<Vec<_>>(), -1)?;
            assert!(states(cell, &inputs, &attrs)?.allclose(&composed, 0.0, 1e-13)?, "{cell:?} {attrs}");
        }
    }
    Ok(())
}
