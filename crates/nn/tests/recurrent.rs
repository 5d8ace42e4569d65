//! What recurrent layers do with masks, states and directions.

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
    assert_eq!(wrong(&tensor![[true]]), "lstm: shape [1, 1]: a mask must be [batch, time], here [2, 4]");
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

    // The last step of the one direction, the first of the other: what the layer gives without sequences.
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
fn weights_begin_as_in_keras() -> Result<()> {
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
