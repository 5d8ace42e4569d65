//! The programs of the design, with the prelude alone.

use facade::prelude::*;

fn one_training_step(model: &Sequential, images: &Tensor, labels: &Tensor) -> Result<f64> {
    let tape = GradientTape::new();
    let predictions = model.forward(images, Mode::Training)?;
    let loss = sparse_categorical_crossentropy(labels, &predictions)?.mean();
    let weights = model.trainable_weights();
    let gradients = tape.gradient(&loss, &weights)?;
    for (weight, gradient) in weights.iter().zip(&gradients) {
        weight.assign_sub(gradient * 1e-3)?;
    }
    loss.item()
}

fn chapter() -> Sequential {
    random::seed(0);
    Sequential::new()
        .add(Dense::new(28 * 28, 512).activation(Activation::Relu))
        .add(Dense::new(512, 10).activation(Activation::Softmax))
}

#[test]
fn tapes_and_tensors() -> Result<()> {
    let x = Variable::new(Tensor::scalar(0.0));
    let tape = GradientTape::new();
    let y = 2.0 * &x + 3.0;
    assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);

    let a = tensor![[1.0, 2.0], [3.0, 4.0]];
    let b = (2.0 * a.matmul(&a)?).relu() + 1.0;
    assert_eq!(b.to_vec::<f32>()?, [15.0, 21.0, 31.0, 45.0]);
    Ok(())
}

/// The loop of the chapter, hand-written and with `Trainer`, ends with the same bits.
#[test]
fn the_trainer_takes_the_steps_of_the_chapter() -> Result<()> {
    let images = Generator::new(1).uniform([300, 784], 0.0..1.0)?;
    let labels = Generator::new(2).integers([300], 0..10)?;

    let model = chapter();
    assert_eq!(model.weights().len(), 4);
    let mut losses = Vec::new();
    let train = ArrayDataset::from_tensors(&images, &labels)?;
    for batch in train.batch(128).epoch(0)? {
        let Batch { features, targets, .. } = batch?;
        losses.push(one_training_step(&model, &features, &targets)?);
    }

    let (other, mut seen) = (chapter(), Vec::new());
    let mut trainer =
        Trainer::new(&other, SparseCategoricalCrossentropy::default(), Sgd::new(1e-3)).metric(Accuracy::default());
    let options = Fit::epochs(1).batch_size(128).verbose(Verbose::Silent).on_batch(|end| seen.push(end.loss));
    let history = trainer.fit(&train, options)?;
    assert_eq!((seen, history.epochs()), (losses, 1));
    for (mine, theirs) in model.weights().iter().zip(other.weights()) {
        assert_eq!(mine.value().to_vec::<f32>()?, theirs.value().to_vec::<f32>()?);
    }
    Ok(())
}
