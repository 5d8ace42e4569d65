//! Every rule against central differences in float64: random shapes, views, broadcasts, axes and
//! attributes, first and second order.

use autograd::tensor::Tensor;
use autograd::{Tolerance, gradcheck, gradgradcheck};
use proptest::prelude::*;

use crate::table::{Row, Sampler, rows};

/// Shapes of rank 0 to 3 with sizes 0 to 3.
fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1 => Just(0usize), 2 => Just(1), 4 => Just(2), 4 => Just(3)], 0..4)
}

fn check(row: &Row, shape: &[usize], seed: u64) -> Result<(), TestCaseError> {
    let Some((inputs, attrs)) = (row.sample)(&mut Sampler::new(shape, seed)) else { return Ok(()) };
    let f = |x: &[Tensor]| (row.apply)(x, &attrs);
    let output = f(&inputs).map_err(|error| TestCaseError::fail(format!("{}: {error}", row.name)))?;
    if !output.dtype().is_float() || !inputs.iter().any(|input| input.dtype().is_float()) {
        return Ok(());
    }
    let step = attrs["step"].as_f64().unwrap_or(1e-5);
    let describe = |order: &str, error: autograd::Error| {
        let shapes: Vec<_> = inputs.iter().map(Tensor::shape).collect();
        TestCaseError::fail(format!("{} {attrs} of {shapes:?}, {order}: {error}", row.name))
    };
    gradcheck(f, &inputs, Tolerance { step, error: 1e-7 }).map_err(|error| describe("first order", error))?;
    gradgradcheck(f, &inputs, Tolerance { step, error: 1e-6 }).map_err(|error| describe("second order", error))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_agrees_with_central_differences(shape in shapes(), seed in any::<u64>()) {
        for row in rows() {
            check(&row, &shape, seed)?;
        }
    }
}
