//! Masks, states and directions of recurrent layers.

use autograd::GradientTape;
use nn::layers::{CellStep, GruCell, LstmCell, Recurrent, RecurrentCell, SimpleRnnCell};
use nn::{Activation, Bidirectional, Gru, Initializer, Layer, Lstm, Mode, SimpleRnn};
use tensor::{DType, Generator, Result, Tensor, random, tensor};

fn sequence(shape: &[usize]) -> Tensor {
    Generator::new(5).normal(shape, 0.0, 1.0).unwrap()
}

fn assert_equal(a: &Tensor, b: &Tensor) {
    assert!(a.allclose(b, 0.0, 1e-6).unwrap(), "{a:?}\n{b:?}");
}

#[test]
fn masked_steps_change_nothing() -> Result<()> {
    random::seed(1);
    let (x, layer) = (sequence(&[2, 4, 3]), Lstm::units(5).return_sequences());
    // The first sample has two steps, the second starts late.
    let mask = tensor![[true, true, false, false], [false, true, true, true]];
    let (y, states) = layer.run(&x, &[], Some(&mask), Mode::Inference)?;
    let (short, after_two) = layer.run(&x.slice((0..1, 0..2))?, &[], None, Mode::Inference)?;
    let (late, after_three) = layer.run(&x.slice((1..2, 1..4))?, &[], None, Mode::Inference)?;
    for k in 0..2 {
        assert_equal(&states[k], &Tensor::concat(&[&after_two[k], &after_three[k]], 0)?);
    }
    assert_equal(&y.slice((0..1, 0..2))?, &short);
    assert_equal(&y.at(0, 0)?.at(3, 0)?, &after_two[0].at(0, 0)?);
    assert_equal(&y.at(1, 0)?.at(0, 0)?, &Tensor::zeros([5]));
    assert_equal(&y.slice((1..2, 1..4))?, &late);

    let wrong = |mask: &Tensor| layer.run(&x, &[], Some(mask), Mode::Inference).unwrap_err().to_string();
    assert_eq!(
        wrong(&tensor![[true]]),
        "lstm: shape [1, 1]: a mask must be [batch, time], here of a sequence [2, 4, 3]"
    );
    assert_eq!(wrong(&Tensor::ones([2, 4])), "lstm: float32 is not bool, as a mask must be");
    Ok(())
}

#[test]
fn a_sequence_in_two_parts_is_the_whole() -> Result<()> {
    random::seed(2);
    let (x, layer) = (sequence(&[2, 5, 3]), Gru::units(4).return_sequences());
    let (whole, last) = layer.run(&x, &[], None, Mode::Inference)?;
    let (first, states) = layer.run(&x.slice((.., 0..2))?, &[], None, Mode::Inference)?;
    let (second, end) = layer.run(&x.slice((.., 2..5))?, &[&states[0]], None, Mode::Inference)?;
    assert_equal(&whole, &Tensor::concat(&[&first, &second], 1)?);
    assert_equal(&last[0], &end[0]);
    assert_equal(&last[0], &whole.at(-1, 1)?);
    Ok(())
}

#[test]
fn backwards_is_the_reversed_sequence() -> Result<()> {
    let x = sequence(&[2, 4, 3]);
    let layer = |backwards: bool| {
        random::seed(3);
        let layer = SimpleRnn::new(3, 2).return_sequences();
        if backwards { layer.go_backwards() } else { layer }
    };
    let forward = layer(false).forward(&x.flip(1)?, Mode::Inference)?;
    assert_equal(&layer(true).forward(&x, Mode::Inference)?, &forward);

    // The last step of one direction and the first of the other: the output without `return_sequences`.
    let both = Bidirectional::new(Lstm::new(3, 2).return_sequences());
    let (y, states) = both.run(&x, &[], None, Mode::Inference)?;
    assert_equal(&y.at(-1, 1)?.slice((.., 0..2))?, &states[0]);
    assert_equal(&y.at(0, 1)?.slice((.., 2..4))?, &states[2]);
    Ok(())
}

#[test]
fn a_gru_that_resets_before_follows_its_formula() -> Result<()> {
    let value = |numbers: [f32; 3]| Initializer::Value(Tensor::from_vec(numbers.to_vec(), [1, 3]).unwrap());
    let bias = Initializer::Value(tensor![0.1, -0.2, 0.3]);
    let layer = Gru::new(1, 1).reset_before().kernel_initializer(value([0.5, -1.0, 2.0]));
    let layer = layer.recurrent_initializer(value([1.5, 0.7, -0.6])).bias_initializer(bias);
    layer.cast(DType::F64)?;
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, inputs) = (0.0, [0.8, -0.4, 1.2]);
    for x in inputs {
        let z = sigmoid(0.5 * x + 1.5 * h + 0.1);
        let r = sigmoid(-x + 0.7 * h - 0.2);
        h = z * h + (1.0 - z) * (2.0 * x - 0.6 * (r * h) + 0.3).tanh();
    }
    let x = Tensor::from_vec(inputs.to_vec(), [1, 3, 1])?;
    // The weights are float32 numbers.
    assert!((layer.forward(&x, Mode::Inference)?.item()? - h).abs() < 1e-7);
    Ok(())
}

#[test]
fn initial_weights_are_those_of_keras() -> Result<()> {
    random::seed(4);
    let layer = Lstm::new(2, 3);
    let bias = layer.weight("bias")?.value().to_vec::<f32>()?;
    assert_eq!(bias, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let recurrent = layer.weight("recurrent_kernel")?.value();
    assert_equal(&recurrent.matmul(recurrent.t()?)?, &Tensor::eye(3));
    let plain = Lstm::new(2, 3).without_unit_forget_bias().bias_initializer(Initializer::Constant(0.5));
    assert_eq!(plain.weight("bias")?.value().to_vec::<f32>()?, [0.5; 12]);
    assert_eq!(Lstm::units(3).describe(), "Lstm ?→3");
    Ok(())
}

#[test]
fn activations_are_used() -> Result<()> {
    let ones = || Initializer::Ones;
    let layer = SimpleRnn::new(1, 1).kernel_initializer(ones()).recurrent_initializer(ones());
    let layer = layer.activation(Activation::Linear);
    let sum = layer.forward(&tensor![[[1.0], [2.0], [4.0]]], Mode::Inference)?;
    assert_eq!(sum.to_vec::<f32>()?, [7.0]);
    // At 0 all gates are 1/2 and c is 0; at 3 they are 1, and c and h are the candidate, 3.
    let layer = Lstm::new(1, 1).kernel_initializer(ones()).without_unit_forget_bias();
    let layer = layer.recurrent_initializer(Initializer::Zeros).activation(Activation::Linear);
    let layer = layer.recurrent_activation(Activation::HardSigmoid);
    let output = layer.forward(&tensor![[[0.0], [3.0]]], Mode::Inference)?;
    assert_eq!(output.to_vec::<f32>()?, [3.0]);
    Ok(())
}

#[test]
fn impossible_numbers_of_units_are_errors() {
    let message =
        |units: usize| Lstm::units(units).forward(&sequence(&[1, 2, 3]), Mode::Inference).unwrap_err().to_string();
    assert_eq!(message(0), "lstm: the number of units is 0; it must be at least 1");
    for units in [usize::MAX / 4 + 1, usize::MAX] {
        assert!(message(units).contains("is larger than memory"), "{}", message(units));
    }
}

/// Outputs, states and gradients of the weights of a layer on a masked sequence from given states.
fn pass<C: RecurrentCell>(layer: &Recurrent<C>) -> Result<Vec<Tensor>> {
    let (x, state) = (sequence(&[3, 4, 2]), sequence(&[3, 5]));
    let mask = tensor![[true, true, false, true], [false, true, true, true], [true, true, true, false]];
    let tape = GradientTape::new();
    let (y, states) = layer.run(&x, &vec![&state; C::STATES], Some(&mask), Mode::Training)?;
    let target = y.square().sum() + Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)?.sum();
    let gradients = tape.gradient(&target, &layer.trainable_weights())?;
    Ok([y].into_iter().chain(states).chain(gradients).collect())
}

/// With a rate so small that nothing is dropped, every step consists of several operations.
#[test]
fn the_fused_operation_equals_the_steps() -> Result<()> {
    fn check<C: RecurrentCell + Default>(change: fn(Recurrent<C>) -> Recurrent<C>) -> Result<()> {
        let layer = |rate: f64| {
            random::seed(6);
            change(Recurrent::<C>::new(2, 5)).bias_initializer(normal()).recurrent_dropout(rate)
        };
        let (fused, steps) = (pass(&layer(0.0))?, pass(&layer(1e-300))?);
        assert_eq!(fused.len(), steps.len());
        fused.iter().zip(&steps).for_each(|(a, b)| assert!(a.allclose(b, 1e-5, 1e-6).unwrap(), "{a:?}\n{b:?}"));
        Ok(())
    }
    fn normal() -> Initializer {
        Initializer::Normal { mean: 0.0, std: 0.5 }
    }
    check::<SimpleRnnCell>(Recurrent::return_sequences)?;
    check::<LstmCell>(Recurrent::return_sequences)?;
    check::<LstmCell>(Recurrent::go_backwards)?;
    check::<GruCell>(Recurrent::return_sequences)?;
    check::<GruCell>(|layer| layer.go_backwards().return_sequences())
}

/// Without a bias the product does not have one either.
#[test]
fn a_bias_of_zeros_equals_no_bias() -> Result<()> {
    let x = sequence(&[2, 4, 3]);
    let layer = |biased: bool| {
        random::seed(7);
        let layer = Gru::new(3, 4);
        if biased { layer } else { layer.without_bias() }
    };
    assert_equal(&layer(true).forward(&x, Mode::Training)?, &layer(false).forward(&x, Mode::Training)?);
    Ok(())
}

#[test]
fn the_last_of_several_inputs_may_be_a_mask() -> Result<()> {
    let (x, h) = (sequence(&[2, 3, 2]), sequence(&[2, 4]));
    let mask = tensor![[true, false, true], [true, true, false]];
    let layer = Gru::new(2, 4);
    let (expected, _) = layer.run(&x, &[&h], Some(&mask), Mode::Inference)?;
    assert_equal(&layer.forward_many(&[&x, &h, &mask], Mode::Inference)?, &expected);
    let both = Bidirectional::new(layer);
    let (expected, _) = both.run(&x, &[], Some(&mask), Mode::Inference)?;
    assert_equal(&both.forward_many(&[&x, &mask], Mode::Inference)?, &expected);
    Ok(())
}

#[test]
fn dropout_is_the_same_in_all_steps_of_a_sequence() -> Result<()> {
    let ones = || Initializer::Ones;
    let layer = SimpleRnn::new(100, 1).kernel_initializer(ones()).recurrent_initializer(Initializer::Zeros);
    let layer = layer.activation(Activation::Linear).return_sequences().dropout(0.5).seed(1);
    let x = Tensor::ones([20, 3, 100]);
    assert_eq!(layer.forward(&x, Mode::Inference)?.to_vec::<f32>()?, [100.0; 60]);
    let sums = layer.forward(&x, Mode::Training)?.to_vec::<f32>()?;
    let sequences: Vec<&[f32]> = sums.chunks(3).collect();
    assert!(sequences.iter().all(|steps| steps[0] == steps[1] && steps[0] == steps[2] && steps[0] % 2.0 == 0.0));
    assert!(sums.iter().all(|sum| (50.0..150.0).contains(sum)), "100 of 200, each with probability 1/2: {sums:?}");
    assert!(sequences.iter().any(|steps| steps[0] != sums[0]));

    // The state doubles, or is lost at the first step.
    let layer = SimpleRnn::new(1, 1).kernel_initializer(Initializer::Zeros).recurrent_initializer(ones());
    let layer = layer.activation(Activation::Linear).recurrent_dropout(0.5).seed(2);
    let (x, state) = (Tensor::ones([64, 3, 1]), Tensor::ones([64, 1]));
    assert_eq!(layer.forward_many(&[&x, &state], Mode::Inference)?.to_vec::<f32>()?, [1.0; 64]);
    let last = layer.forward_many(&[&x, &state], Mode::Training)?.to_vec::<f32>()?;
    assert!(last.iter().all(|&h| h == 0.0 || h == 8.0) && last.contains(&0.0) && last.contains(&8.0), "{last:?}");
    Ok(())
}

#[test]
fn dropout_rates_must_be_probabilities() {
    let x = sequence(&[1, 2, 3]);
    let message = |layer: Lstm| layer.forward(&x, Mode::Training).unwrap_err().to_string();
    assert_eq!(message(Lstm::new(3, 2).dropout(1.5)), "lstm: the rate 1.5 must lie between 0 and 1");
    assert_eq!(message(Lstm::new(3, 2).recurrent_dropout(-0.5)), "lstm: the rate -0.5 must lie between 0 and 1");
}

/// A cell whose results contradict its constants.
#[derive(Clone, Debug, Default)]
struct Careless;

impl RecurrentCell for Careless {
    const KIND: &'static str = "Careless";
    const NAME: &'static str = "careless";
    const GATES: usize = 3;
    const STATES: usize = 2;

    fn step(&self, step: &CellStep) -> Result<Vec<Tensor>> {
        step.product(&step.states[0], 0..1).map(|h| vec![h])
    }
}

#[test]
fn cells_with_wrong_numbers_of_states_or_gates_are_errors() {
    let refused = Recurrent::<Careless>::new(1, 2).forward(&Tensor::ones([1, 3, 1]), Mode::Inference).unwrap_err();
    assert_eq!(refused.to_string(), "careless: a step gives 1 states, and was given 2");

    #[derive(Clone, Debug, Default)]
    struct Inventive;
    impl RecurrentCell for Inventive {
        const KIND: &'static str = "Inventive";
        const NAME: &'static str = "inventive";
        const GATES: usize = 3;
        const STATES: usize = 1;
        fn step(&self, step: &CellStep) -> Result<Vec<Tensor>> {
            step.product(&step.states[0], 1..4).map(|h| vec![h])
        }
    }
    let layer = Recurrent::<Inventive>::new(1, 2);
    for layer in [layer, Recurrent::<Inventive>::new(1, 2).recurrent_dropout(0.5)] {
        let refused = layer.forward(&Tensor::ones([1, 3, 1]), Mode::Training).unwrap_err();
        assert_eq!(refused.to_string(), "product: the gates 1..4 must be a range within 0..3, not empty");
    }
}
