//! Gradient accumulation.

use autograd::{GradientTape, Variable};
use optim::{Adam, GradientAccumulator, Optimizer};
use tensor::{Generator, Tensor, tensor};

use super::{bits, message};

#[test]
fn two_halves_of_a_batch_equal_the_whole() {
    let mut generator = Generator::new(1);
    let x = generator.normal([8, 4], 0.0, 1.0).unwrap();
    let (whole, halves) = (Variable::new(Tensor::ones([4, 1])), Variable::new(Tensor::ones([4, 1])));
    let gradient = |w: &Variable, x: &Tensor| {
        let tape = GradientTape::new();
        tape.gradient(x.matmul(w).unwrap().square().mean(), w).unwrap()
    };
    let (mut a, mut b, mut accumulator) = (Adam::new(0.1), Adam::new(0.1), GradientAccumulator::new(2));
    for _ in 0..3 {
        a.apply(std::slice::from_ref(&whole), &[gradient(&whole, &x)]).unwrap();
        for half in [x.slice(0..4).unwrap(), x.slice(4..8).unwrap()] {
            if let Some(mean) = accumulator.add(&[gradient(&halves, &half)]).unwrap() {
                b.apply(std::slice::from_ref(&halves), &mean).unwrap();
            }
        }
        let difference = whole.value().try_sub(&halves).unwrap().abs().max().unwrap().item().unwrap();
        assert!(difference < 1e-6, "{difference}");
    }
}

#[test]
fn the_same_batches_give_the_same_bits() {
    let run = || {
        let mut accumulator = GradientAccumulator::new(7);
        let mut generator = Generator::new(3);
        let mut means = None;
        for _ in 0..7 {
            means = accumulator.add(&[generator.normal([1000], 0.0, 1.0).unwrap()]).unwrap();
        }
        bits(&means.unwrap().into_iter().map(Variable::new).collect::<Vec<_>>())
    };
    assert_eq!(run(), run());
}

#[test]
fn the_remaining_batches_can_be_taken() {
    let mut accumulator = GradientAccumulator::new(4);
    assert!(accumulator.take().unwrap().is_none());
    accumulator.add(&[tensor![1.0]]).unwrap();
    accumulator.add(&[tensor![4.0]]).unwrap();
    assert_eq!(accumulator.take().unwrap().unwrap()[0].item().unwrap(), 2.5);
    assert!(accumulator.take().unwrap().is_none());
}

#[test]
fn invalid_gradients_are_errors_and_add_nothing() {
    let mut accumulator = GradientAccumulator::new(3);
    accumulator.add(&[tensor![1.0], tensor![1.0, 2.0]]).unwrap();
    assert_eq!(
        message(accumulator.add(&[tensor![1.0]])),
        "gradient_accumulator: 1 gradients, but the batch before had 2"
    );
    assert_eq!(
        message(accumulator.add(&[tensor![1.0], tensor![1.0]])),
        "gradient_accumulator: shape [1]: must be that of gradient 1 of the batch before, [2]"
    );
    assert_eq!(accumulator.state().count, 1);
    assert_eq!(accumulator.state().sums[0].item().unwrap(), 1.0);
    assert_eq!(
        message(GradientAccumulator::new(0).add(&[tensor![1.0]])),
        "gradient_accumulator: batches is 0; it must be at least 1"
    );
}
