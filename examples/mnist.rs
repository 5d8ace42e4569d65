//! The first network of *Deep Learning with Python*: 784 → 512 relu → 10 softmax, trained and tested on MNIST.
//!
//! `cargo run --release --example mnist` is the chapter's run: plain gradient descent with learning rate 0.001, ten
//! epochs in batches of 128 in file order, and initial weights uniform from 0 to 0.1.

mod say;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use facade::prelude::*;

use say::{complain, say};

/// Trains a small network on MNIST and tests it.
#[derive(Parser)]
struct Options {
    /// Passes over the 60,000 training images.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Images per step.
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// The optimizer.
    #[arg(long, value_enum, default_value_t = Choice::Sgd)]
    optimizer: Choice,
    /// Learning rate.
    #[arg(long, default_value_t = 1e-3, allow_negative_numbers = true)]
    learning_rate: f64,
    /// Seed of the initial weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of threads; all cores by default. The result does not depend on it.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Folder with the four files of MNIST or of a data set in the same format; by default those in this library.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The initial weights.
    #[arg(long, value_enum, default_value_t = Init::Chapter)]
    init: Init,
    /// Profiles twenty steps after the first ten and prints the table; with a file name, also writes a trace for
    /// chrome://tracing and ui.perfetto.dev.
    #[arg(long, value_name = "TRACE")]
    profile: Option<Option<PathBuf>>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Sgd,
    /// Gradient descent with momentum 0.9.
    Momentum,
    Adagrad,
    Rmsprop,
    Adam,
}

#[derive(Clone, Copy, ValueEnum)]
enum Init {
    /// Uniform from 0 to 0.1, as in the chapter.
    Chapter,
    /// As Keras does by default.
    Glorot,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.threads {
        None => run(&options),
        Some(threads) => match rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build() {
            Ok(pool) => pool.install(|| run(&options)),
            Err(error) => {
                complain!("error: cannot start {threads} threads: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mnist = match &options.data {
        Some(directory) => mnist::load_from(directory)?,
        None => mnist::load()?,
    };
    let train = flat(&mnist.train_images, &mnist.train_labels)?;
    let test = flat(&mnist.test_images, &mnist.test_labels)?;

    random::seed(options.seed);
    let initializer = || match options.init {
        Init::Chapter => Initializer::Uniform { low: 0.0, high: 0.1 },
        Init::Glorot => Initializer::GlorotUniform,
    };
    let model = Sequential::new()
        .add(Dense::new(28 * 28, 512).activation(Activation::Relu).kernel_initializer(initializer()))
        .add(Dense::new(512, 10).activation(Activation::Softmax).kernel_initializer(initializer()));

    let mut trainer =
        Trainer::new(&model, SparseCategoricalCrossentropy::default(), optimizer(options)).metric(Accuracy::default());
    let (mut step, mut profiler, mut profile) = (0, None, None);
    let fit = Fit::epochs(options.epochs).batch_size(options.batch_size).verbose(Verbose::Silent).on_batch(|end| {
        if end.batch == 0 {
            say!("epoch {}", end.epoch);
        }
        if end.batch % 100 == 0 {
            say!("batch {} loss {:.2}", end.batch, end.loss);
        }
        step += 1;
        match step {
            10 if options.profile.is_some() => profiler = Some(Profiler::start()),
            30 => profile = profiler.take().map(Profiler::stop),
            _ => {}
        }
    });
    trainer.fit(&train, fit)?;
    if let Some(profile) = profile.or_else(|| profiler.map(Profiler::stop)) {
        say!("{profile}");
        if let Some(Some(path)) = &options.profile {
            profile.write_trace(path)?;
        }
    }
    let score = trainer.evaluate(&test)?;
    say!("test accuracy {:.4}", score.get("accuracy").unwrap_or(f64::NAN));
    say!("weights {:016x}", fingerprint(&model)?);
    Ok(())
}

/// Images as rows of 784 bytes; each batch is converted to float32 from 0 to 1.
fn flat(images: &Tensor, labels: &Tensor) -> Result<Pipeline> {
    let rows = images.reshape([-1, 28 * 28])?;
    Ok(ArrayDataset::from_tensors(&rows, labels)?.divide_features(255.0))
}

fn optimizer(options: &Options) -> Box<dyn Optimizer> {
    let rate = options.learning_rate;
    match options.optimizer {
        Choice::Sgd => Box::new(Sgd::new(rate)),
        Choice::Momentum => Box::new(Sgd::new(rate).momentum(0.9)),
        Choice::Adagrad => Box::new(Adagrad::new(rate)),
        Choice::Rmsprop => Box::new(RmsProp::new(rate)),
        Choice::Adam => Box::new(Adam::new(rate)),
    }
}

/// The 64-bit FNV-1a hash of the bits of all weights in order, to compare runs.
fn fingerprint(model: &Sequential) -> Result<u64> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for weight in model.weights() {
        for value in weight.value().to_vec::<f32>()? {
            for byte in value.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    Ok(hash)
}
