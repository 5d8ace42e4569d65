//! A run that is saved and restored gives the same bits as a run without interruption.

use autograd::Variable;
use optim::schedules::{Cosine, Exponential};
use optim::{Adam, GradientAccumulator, Optimizer, Sgd, WeightAverage};
use tensor::{Generator, Tensor, tensor};

use super::{bits, message, zoo};

const SHAPES: [&[usize]; 4] = [&[3, 4], &[5], &[2, 3, 2], &[]];

fn gradients(step: u64) -> Vec<Tensor> {
    let mut generator = Generator::new(step);
    SHAPES.iter().map(|&shape| generator.normal(shape, 0.0, 1.0).unwrap()).collect()
}

fn variables() -> Vec<Variable> {
    gradients(100).into_iter().map(Variable::new).collect()
}

fn copies(variables: &[Variable]) -> Vec<Variable> {
    variables.iter().map(|variable| Variable::new(variable.value())).collect()
}

/// Five steps with the first, then five with both in turn.
fn continues(mut first: Box<dyn Optimizer>, mut second: Box<dyn Optimizer>) {
    let name = first.name();
    let weights = variables();
    (0..5).for_each(|step| first.apply(&weights, &gradients(step)).unwrap());
    let others = copies(&weights);
    second.restore(&others, first.state(&weights)).unwrap();
    let before = bits(&weights);
    for step in 5..10 {
        assert_eq!(first.learning_rate(), second.learning_rate(), "{name}");
        first.apply(&weights, &gradients(step)).unwrap();
        second.apply(&others, &gradients(step)).unwrap();
        assert_eq!(bits(&weights), bits(&others), "{name}, step {step}");
    }
    assert_ne!(bits(&weights), before, "{name}");
}

#[test]
fn every_optimizer_continues() {
    let rate = || Cosine::new(0.1, 20);
    for (first, second) in zoo::optimizers(rate()).into_iter().zip(zoo::optimizers(rate())) {
        continues(first.weight_decay(0.1).clip_global_norm(2.0), second.weight_decay(0.1).clip_global_norm(2.0));
    }
}

#[test]
fn every_schedule_continues() {
    for rate in zoo::schedules() {
        continues(Box::new(Sgd::new(rate()).momentum(0.9)), Box::new(Sgd::new(rate()).momentum(0.9)));
    }
}

#[test]
fn a_rate_set_by_hand_is_part_of_the_state() {
    let weights = variables();
    let mut first = Sgd::new(Exponential::new(0.5, 1, 0.5));
    first.apply(&weights, &gradients(0)).unwrap();
    assert_eq!((first.learning_rate(), first.state(&weights).learning_rate), (0.25, None));
    first.set_learning_rate(0.75).unwrap();
    let mut second = Sgd::new(Exponential::new(0.5, 1, 0.5));
    second.restore(&weights, first.state(&weights)).unwrap();
    assert_eq!(second.learning_rate(), 0.75);
}

#[test]
fn a_state_with_a_schedule_needs_a_schedule() {
    let weights = variables();
    let state = Adam::new(Cosine::new(0.1, 5)).state(&weights);
    assert_eq!(
        message(Adam::new(0.1).restore(&weights, state)),
        "adam: restore: the state was taken with a learning rate schedule; this optimizer has the constant rate 0.1"
    );
}

#[test]
fn the_weight_average_continues() {
    for make in [|| WeightAverage::new(0.9), || WeightAverage::new(0.9).bias_corrected()] {
        let (weights, mut first, mut second) = (variables(), make(), make());
        let follow = |average: &mut WeightAverage, step: u64| {
            weights.iter().zip(gradients(step)).for_each(|(weight, value)| weight.assign(value).unwrap());
            average.update(&weights).unwrap();
        };
        (0..5).for_each(|step| follow(&mut first, step));
        second.restore(first.state());
        (5..10).for_each(|step| follow(&mut first, step));
        (5..10).for_each(|step| follow(&mut second, step));
        let values = |average: &WeightAverage| -> Vec<Vec<f32>> {
            average.values().unwrap().iter().map(|value| value.to_vec().unwrap()).collect()
        };
        assert_eq!(values(&first), values(&second));
    }
}

#[test]
fn the_accumulator_continues() {
    let mut first = GradientAccumulator::new(3);
    assert!(first.add(&[tensor![1.0]]).unwrap().is_none());
    let mut second = GradientAccumulator::new(3);
    second.restore(first.state());
    for accumulator in [&mut first, &mut second] {
        assert!(accumulator.add(&[tensor![2.0]]).unwrap().is_none());
        let mean = accumulator.add(&[tensor![6.0]]).unwrap().unwrap();
        assert_eq!(mean[0].to_vec::<f32>().unwrap(), [3.0]);
        assert_eq!(accumulator.state().count, 0);
    }
}
