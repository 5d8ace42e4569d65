//! Models learn.

use autograd::GradientTape;
use nn::{
    Activation, Dense, Dropout, Layer, Loss, Mode, Sequential, SparseCategoricalCrossentropy, Variable, Visitor,
    binary_crossentropy, mean_squared_error, sparse_categorical_crossentropy,
};
use tensor::{Generator, Result, Tensor, random, tensor};

fn step(model: &dyn Layer, rate: f64, loss: impl Fn() -> Result<Tensor>) -> Result<f64> {
    let tape = GradientTape::new();
    let loss = loss()?;
    let weights = model.trainable_weights();
    for (weight, gradient) in weights.iter().zip(&tape.gradient(&loss, &weights)?) {
        weight.assign_sub(gradient * rate)?;
    }
    loss.item()
}

#[test]
fn the_chapters_model_learns_which_of_three_sums_is_largest() -> Result<()> {
    random::seed(1);
    let mut generator = Generator::new(2);
    let images = generator.uniform([96, 12], 0.0..1.0)?;
    let labels = images.reshape([96, 3, 4])?.sum_axis(-1)?.argmax_axis(-1)?;
    let model = Sequential::new()
        .add(Dense::new(12, 32).activation(Activation::Relu))
        .add(Dense::new(32, 3).activation(Activation::Softmax));
    let losses: Vec<f64> = (0..200)
        .map(|_| {
            step(&model, 0.5, || {
                let predictions = model.forward(&images, Mode::Training)?;
                Ok(sparse_categorical_crossentropy(&labels, &predictions)?.mean())
            })
        })
        .collect::<Result<_>>()?;
    assert!((0.9..1.5).contains(&losses[0]), "begins near ln 3: {}", losses[0]);
    assert!(losses[199] < 0.3, "ends at {}", losses[199]);
    let predictions = model.forward(&images, Mode::Inference)?;
    let right = predictions.argmax_axis(-1)?.equal(&labels)?.mean().item()?;
    assert!(right > 0.93, "{right}");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bits_with_dropout() -> Result<()> {
    let run = || {
        random::seed(9);
        let x = Generator::new(3).normal([16, 5], 0.0, 1.0)?;
        let labels = Generator::new(4).integers([16], 0..4)?;
        let model = Sequential::new()
            .add(Dense::units(8).activation(Activation::Gelu))
            .add(Dropout::new(0.5))
            .add(Dense::units(4));
        let loss = SparseCategoricalCrossentropy::from_logits();
        for _ in 0..5 {
            step(&model, 0.1, || loss.mean(&labels, &model.forward(&x, Mode::Training)?))?;
        }
        Ok::<_, tensor::Error>(model.weights().iter().map(|w| w.value().to_vec::<f32>().unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(run()?, run()?);
    Ok(())
}

/// The chapter's NaiveDense, written with variables only.
struct Line {
    slope: Variable,
    offset: Variable,
}

impl Layer for Line {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        input.matmul(&self.slope)?.try_add(&self.offset)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("slope", &self.slope);
        visitor.weight("offset", &self.offset);
    }
}

#[test]
fn a_model_of_plain_variables_finds_a_line() -> Result<()> {
    let line = Line { slope: Variable::new(Tensor::zeros([1, 1])), offset: Variable::new(Tensor::zeros([1])) };
    line.name_weights();
    assert_eq!(line.weights()[0].name(), "slope");
    let x = Tensor::linspace(-1.0, 1.0, 9).reshape([9, 1])?;
    let y = 3.0 * &x - 0.5;
    for _ in 0..200 {
        step(&line, 0.3, || Ok(mean_squared_error(&y, &line.forward(&x, Mode::Training)?)?.mean()))?;
    }
    assert!((line.slope.value().item()? - 3.0).abs() < 1e-4 && (line.offset.value().item()? + 0.5).abs() < 1e-4);
    Ok(())
}

#[test]
fn a_frozen_layer_stays() -> Result<()> {
    random::seed(2);
    let model = Sequential::new()
        .add(Dense::new(2, 3).activation(Activation::Tanh))
        .add(Dense::new(3, 1).activation(Activation::Sigmoid));
    let (x, y) = (tensor![[0.0, 1.0], [1.0, 0.0]], tensor![1, 0]);
    model.layer("dense")?.set_trainable(false);
    let before = model.weights().iter().map(|w| w.value().to_vec::<f32>()).collect::<Result<Vec<_>>>()?;
    step(&model, 1.0, || Ok(binary_crossentropy(&y, &model.forward(&x, Mode::Training)?)?.mean()))?;
    let after = model.weights().iter().map(|w| w.value().to_vec::<f32>()).collect::<Result<Vec<_>>>()?;
    assert_eq!(before[..2], after[..2]);
    assert!(before[2] != after[2] && before[3] != after[3]);
    Ok(())
}
