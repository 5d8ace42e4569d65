//! Random programs of 5 to 15 rows of the table, each applied to earlier results. Gradients of the whole program are compared
//! with central differences, up to the second order. A program that fails is reduced to a small one.
//!
//! Program `n` is drawn with the seed `n`, from 0 on; `PROGRAMS=20000 cargo test -p autograd --test
//! rules programs` is the long run.

use autograd::tensor::{DType, Tensor};
use autograd::{Result, Tolerance, gradcheck, gradgradcheck};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::table::{Row, Sampler, rows};

/// The number of programs if `PROGRAMS` is not set.
const PROGRAMS: u64 = 256;

/// Results with more elements are not used.
const LARGEST: usize = 36;

/// A step as drawn: the row, the seed of its operands, and how many steps back the value is whose shape it takes.
type Draw = (usize, u64, usize);

/// An operand of a step.
enum Operand {
    /// As the row drew it: an index, a mask.
    Drawn(Tensor),
    /// An earlier value, for a row that takes any.
    Value(usize),
    /// The drawn operand plus the sine of an earlier value (or of its mean, if the shapes differ), scaled to stay within
    /// the distance to the next kink.
    Moved { drawn: Tensor, room: f64, by: usize },
}

impl Operand {
    fn resolve(&self, values: &[Tensor]) -> Result<Tensor> {
        match self {
            Operand::Drawn(drawn) => Ok(drawn.clone()),
            Operand::Value(k) => Ok(values[*k].clone()),
            Operand::Moved { drawn, room, by } => {
                let by = &values[*by];
                let by = if by.shape() == drawn.shape() { by.clone() } else { by.mean() };
                drawn.try_add(by.sin().try_mul(*room)?)
            }
        }
    }
}

/// A step with its operands.
struct Step<'a> {
    row: &'a Row,
    attrs: Value,
    operands: Vec<Operand>,
    /// The divisor that keeps the values of the result below 1. Without it slopes would grow with each step until
    /// difference quotients are meaningless.
    scale: f64,
}

impl Step<'_> {
    fn run(&self, values: &[Tensor]) -> Result<Tensor> {
        let operands: Vec<Tensor> =
            self.operands.iter().map(|operand| operand.resolve(values)).collect::<Result<_>>()?;
        (self.row.apply)(&operands, &self.attrs)?.try_div(self.scale)
    }
}

/// The steps of a program with these inputs. A row is left out if it does not support the shape, or if its result cannot be
/// used.
fn decide<'a>(rows: &'a [Row], draws: &[Draw], inputs: &[Tensor]) -> Result<Vec<Step<'a>>> {
    let (mut values, mut steps) = (inputs.to_vec(), Vec::new());
    for &(row, seed, back) in draws {
        let first = values.len() - 1 - back % values.len();
        let mut sampler = Sampler::new(values[first].shape(), seed);
        let Some((drawn, attrs)) = (rows[row].sample)(&mut sampler) else { continue };
        // With a small step, the difference quotient of a rounding to float32 is meaningless.
        if !attrs["step"].is_null() {
            continue;
        }
        let room = sampler.room;
        let mut operand = |(k, drawn): (usize, Tensor)| {
            let by = (first + k) % values.len();
            if !drawn.dtype().is_float() {
                Operand::Drawn(drawn)
            } else if room == Sampler::ANYWHERE && values[by].shape() == drawn.shape() {
                Operand::Value(by)
            } else {
                Operand::Moved { drawn, room, by }
            }
        };
        let operands = drawn.into_iter().enumerate().map(&mut operand).collect();
        let mut step = Step { row: &rows[row], attrs, operands, scale: 1.0 };
        let value = step.run(&values)?;
        if value.dtype() == DType::F64 && (1..=LARGEST).contains(&value.size()) {
            step.scale = value.abs().max()?.item()?.max(1.0);
            values.push(value.try_div(step.scale)?);
            steps.push(step);
        }
    }
    Ok(steps)
}

/// The mean of all values of a program including the inputs, so each contributes.
fn run(steps: &[Step], inputs: &[Tensor]) -> Result<Tensor> {
    let mut values = inputs.to_vec();
    for step in steps {
        values.push(step.run(&values)?);
    }
    let means: Vec<Tensor> = values.iter().map(Tensor::mean).collect();
    Tensor::stack(&means.iter().collect::<Vec<_>>(), 0)
}

fn listing(steps: &[Step]) -> String {
    let operand = |operand: &Operand| match operand {
        Operand::Drawn(drawn) => format!("{drawn}"),
        Operand::Value(k) => format!("v{k}"),
        Operand::Moved { drawn, room, by } => format!("{drawn} + {room} sin(v{by})"),
    };
    let line = |(n, step): (usize, &Step)| {
        let operands: Vec<String> = step.operands.iter().map(operand).collect();
        format!("v{} = {} {} of {}", n + 2, step.row.name, step.attrs, operands.join(", "))
    };
    steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn values() -> impl Strategy<Value = Tensor> {
    prop::collection::vec(-1.5..1.5f64, 6).prop_map(|x| Tensor::from_vec(x, [2, 3]).expect("six numbers"))
}

fn check(rows: &[Row], draws: &[Draw], inputs: [Tensor; 2]) -> std::result::Result<(), TestCaseError> {
    let fail = |error: autograd::Error| TestCaseError::fail(error.to_string());
    let steps = decide(rows, draws, &inputs).map_err(fail)?;
    let f = |inputs: &[Tensor]| run(&steps, inputs);
    let fail = |error: autograd::Error| TestCaseError::fail(format!("{error}\n{}", listing(&steps)));
    gradcheck(f, &inputs, Tolerance { step: 1e-5, error: 1e-7 }).map_err(fail)?;
    gradgradcheck(f, &inputs, Tolerance { step: 1e-5, error: 1e-5 }).map_err(fail)
}

#[test]
fn the_gradient_of_a_program_agrees_with_central_differences() {
    let count = std::env::var("PROGRAMS").map_or(PROGRAMS, |count| count.parse().expect("PROGRAMS is a number"));
    let rows = rows();
    let draw = (0..rows.len(), any::<u64>(), 0..4usize);
    let program = (prop::collection::vec(draw, 5..=15), values(), values());
    let config = ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() };
    for seed in 0..count {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let result =
            TestRunner::new_with_rng(config.clone(), rng).run(&program, |(draws, x, y)| check(&rows, &draws, [x, y]));
        if let Err(error) = result {
            panic!("program {seed}: {error}");
        }
    }
}
