//! A hand-written training loop with everything that `fit` has: callbacks, metrics, a progress bar, checkpoints,
//! accumulated gradients, Ctrl-C. Keras users override `train_step` for changes that are a line of the loop here.
//!
//! For half of the digits, only a few images are kept; class weights compensate for this. The loop clips the gradients
//! itself, so it can log their norm.
//!
//! ```text
//! cargo run --release --example custom_loop -- --folder run
//! ```

mod say;

use std::path::PathBuf;

use clap::Parser;
use facade::optim::Norm;
use facade::prelude::*;

use say::say;

/// Trains on digits half of which are rare, with a custom loop: class weights, clipped gradients, logged norms
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Batches per step of Adam
    #[arg(long, default_value_t = 2)]
    accumulate: usize,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// The largest allowed norm of the gradients
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Train only on the first N images
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Keep one of every N images of the digits 5 to 9
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    rare: u16,
    /// Use the same weight for all images
    #[arg(long)]
    unweighted: bool,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for a table and a plot of the epochs, and for checkpoints; a training resumes from the latest checkpoint
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<()> {
    run(&Options::parse())
}

fn run(options: &Options) -> Result<()> {
    let Mnist { train_images, train_labels, test_images, test_labels } = mnist::load()?;
    let test = ArrayDataset::from_tensors(&test_images, &test_labels)?.divide_features(255.0);
    let digits = train_labels.slice(..options.images.min(train_labels.size()))?.cast(DType::I64).to_vec::<i64>()?;
    let kept = (0..digits.len()).filter(|&k| digits[k] < 5 || k.is_multiple_of(options.rare.into()));
    let kept: Vec<usize> = kept.collect();
    let mut counts = [0.0; 10];
    kept.iter().for_each(|&k| counts[digits[k] as usize] += 1.0);
    // Weights as if all classes were equally frequent.
    let balance = |count: f64| kept.len() as f64 / (10.0 * count.max(1.0));
    let balanced = counts.map(|count| if options.unweighted { 1.0 } else { balance(count) });
    let train = ArrayDataset::from_tensors(&train_images, &train_labels)?.select(kept)?;
    let train = train.divide_features(255.0).shuffle(options.seed).prefetch(2);

    random::seed(options.seed);
    let model = Sequential::new()
        .add(Flatten)
        .add(Dense::new(28 * 28, 128).activation(Activation::Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(128, 10));
    let loss = SparseCategoricalCrossentropy::from_logits();
    let weighted_loss = loss.class_weights(balanced);
    let mut optimizer = Adam::new(options.learning_rate);

    // The sum and the number of gradient norms in the current epoch. Checkpoints keep them.
    let norms = Variable::new(Tensor::from([0.0, 0.0]));
    let mut fit = Fit::epochs(options.epochs)
        .batch_size(options.batch_size)
        .accumulate(options.accumulate)
        .validation(&test)
        .callback(EarlyStopping::new("val_loss").patience(2).restore_best_weights())
        .keep("norms", &norms)
        .stop_when(interrupted()?);
    if let Some(folder) = &options.folder {
        fit = fit.checkpoints(Checkpoints::in_folder(folder).every_batches(100).keep_last(2));
        if let Some(latest) = Checkpoints::latest(folder)? {
            fit = fit.resume(latest);
        }
        fit = fit.callback(TensorBoard::create(folder)?);
        fit = fit.callback(CsvLog::append(folder.join("epochs.csv"))?);
        fit = fit.callback(SavePlot::new(folder.join("epochs.svg")));
    }

    let mut training = Training::new(&model, &mut optimizer, fit).metric(Accuracy::default());
    'training: while let Some(batches) = training.next_epoch(&train)? {
        for batch in batches {
            let batch = batch?;
            let tape = GradientTape::new();
            let logits = model.forward(&batch.features, Mode::Training)?;
            let loss = weighted_loss.mean(&batch.targets, &logits)?;
            let value = training.loss(&batch, &loss)?;
            let weights = model.trainable_weights();
            let mut gradients = tape.gradient(&loss, &weights)?;

            let norm = Norm::L2.of(&gradients)?;
            if norm > options.clip {
                gradients.iter_mut().for_each(|gradient| *gradient = &*gradient * (options.clip / norm));
            }
            norms.assign_add(Tensor::from([norm, 1.0]))?;
            training.apply(&weights, &gradients)?;
            training.end_batch(&batch, &logits, value)?;
            if training.stopped().is_some() {
                break 'training;
            }
        }
        for batch in training.validation()? {
            let batch = batch?;
            let logits = model.forward(&batch.features, Mode::Inference)?;
            let loss = loss.mean(&batch.targets, &logits)?;
            training.end_validation_batch(&batch, &logits, loss.item()?)?;
        }
        let sums = norms.value().to_vec::<f64>()?;
        norms.assign(Tensor::from([0.0, 0.0]))?;
        training.end_epoch(&[("gradient_norm", sums[0] / sums[1])])?;
    }
    let history = training.end()?;
    say!("{history}\n{}", history.stopped().unwrap_or("all epochs done"));

    let mut matrix = metrics::ConfusionMatrix::default();
    for batch in test.batch(1000).epoch(0)? {
        let batch = batch?;
        matrix.update(&batch.targets, &model.forward(&batch.features, Mode::Inference)?, None)?;
    }
    let report = matrix.report();
    let rare = report.classes[5..].iter().map(|class| class.recall).sum::<f64>() / 5.0;
    say!("test accuracy {:.4}, recall of the rare digits {rare:.4}", report.accuracy);
    Ok(())
}
