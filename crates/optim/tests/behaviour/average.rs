//! Moving averages of weights.

use std::panic::{AssertUnwindSafe, catch_unwind};

use autograd::Variable;
use optim::WeightAverage;
use tensor::{DType, tensor};

use super::message;

fn value(variable: &Variable) -> f64 {
    variable.value().item().unwrap()
}

/// The averages for the weights 1, 2 and 4.
fn after_three(mut average: WeightAverage) -> WeightAverage {
    for x in [1.0, 2.0, 4.0] {
        average.update(&[Variable::new(tensor![x])]).unwrap();
    }
    average
}

#[test]
fn the_average_starts_with_the_first_weights() {
    let values = after_three(WeightAverage::new(0.75)).values().unwrap();
    // 1, 1.25, 0.75 · 1.25 + 0.25 · 4.
    assert_eq!(values[0].item().unwrap(), 1.9375);
}

#[test]
fn the_bias_correction_gives_a_weighted_mean() {
    let values = after_three(WeightAverage::new(0.5).bias_corrected()).values().unwrap();
    // Weights 1/8, 1/4 and 1/2, which add up to 7/8.
    let expected = (1.0 / 8.0 + 2.0 / 4.0 + 4.0 / 2.0) / (7.0 / 8.0);
    assert!((values[0].item().unwrap() - expected).abs() < 1e-6);
}

#[test]
fn weights_are_restored_after_during() {
    let (average, w) = (after_three(WeightAverage::new(0.75)), [Variable::new(tensor![8.0])]);
    assert_eq!(average.during(&w, || value(&w[0])).unwrap(), 1.9375);
    assert_eq!(value(&w[0]), 8.0);
    let panicked = catch_unwind(AssertUnwindSafe(|| average.during(&w, || panic!("in the evaluation"))));
    assert!(panicked.is_err());
    assert_eq!(value(&w[0]), 8.0);
    average.assign_to(&w).unwrap();
    assert_eq!(value(&w[0]), 1.9375);
}

#[test]
fn invalid_arguments_are_errors_and_change_nothing() {
    let w = [Variable::new(tensor![8.0]).with_name("w")];
    let fresh = WeightAverage::new(0.5);
    assert_eq!(message(fresh.assign_to(&w)), "weight_average: there is no average before the first update");
    assert_eq!(
        message(WeightAverage::new(1.0).update(&w)),
        "weight_average: decay is 1.0; it must be a number from 0 up to but not including 1"
    );
    let mut average = after_three(WeightAverage::new(0.75));
    let two = [w[0].clone(), Variable::new(tensor![1.0])];
    assert_eq!(message(average.update(&two)), "weight_average: there are averages of 1 weights, not of 2");
    assert_eq!(message(average.assign_to(&two)), "weight_average: there are averages of 1 weights, not of 2");
    let longer = [Variable::new(tensor![1.0, 2.0]).with_name("longer")];
    assert_eq!(
        message(average.during(&longer, || ())),
        "longer: weight_average: shape [2]: must be that of the average, [1]"
    );
    w[0].cast(DType::F64).unwrap();
    assert!(
        message(average.update(&w)).starts_with("w: weight_average: float64 and float32 differ; cast the float64 one")
    );
    assert_eq!(average.state().steps, 3);
    assert_eq!(value(&w[0]), 8.0);
    let count = [Variable::new(tensor![1]).with_name("count")];
    let error = message(WeightAverage::new(0.5).update(&count));
    assert_eq!(error, "weight_average: count: update: int64 is not a floating type");
}
