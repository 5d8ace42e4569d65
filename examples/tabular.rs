//! Classifies penguins by species, from a table of measurements with missing values.
//!
//! The rows are split, stratified by species, into training, validation and test rows. The preprocessing is fitted on
//! the training rows only and saved with the weights. `--predict` loads both and classifies the penguins in another
//! file, which may have missing values and unknown islands.
//!
//! ```text
//! cargo run --release --example tabular
//! cargo run --release --example tabular -- --predict examples/data/new_penguins.csv
//! ```

mod say;

use std::path::{Path, PathBuf};

use clap::Parser;
use facade::prelude::*;
use facade::train::{load_weights, save_weights};

use say::say;

const PENGUINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/penguins.csv");

/// The files in the folder of a model.
const WEIGHTS: &str = "weights.safetensors";
const PREPROCESSING: &str = "preprocessing.json";

/// Trains a network to classify penguins, or predicts with it
#[derive(Parser)]
struct Options {
    /// The file to train on
    #[arg(long, default_value = PENGUINS)]
    data: PathBuf,
    /// Maximum number of epochs; training ends when the validation loss has not improved for 20 epochs
    #[arg(long, default_value_t = 200)]
    epochs: usize,
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder in which the model is saved, or from which it is loaded
    #[arg(long, default_value = "target/penguins")]
    model: PathBuf,
    /// Predict the species of the penguins in this file with the saved model
    #[arg(long)]
    predict: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    match &options.predict {
        Some(file) => predict(&options, file),
        None => train(&options),
    }
}

/// The network, which maps features to probabilities of the species.
fn network(preprocessing: &Preprocessing) -> Sequential {
    Sequential::new()
        .add(Dense::new(preprocessing.feature_names().len(), 16).activation(Activation::Relu))
        .add(Dense::new(16, preprocessing.classes().len()).activation(Activation::Softmax))
}

fn train(options: &Options) -> Result<()> {
    random::seed(options.seed);
    let penguins = Csv::new(&options.data).read()?;
    say!("{}\n", penguins.summary()?);
    let (rest, test) = penguins.split_by("species", Split::fraction(0.7).shuffle(options.seed))?;
    let (train, validation) = rest.split_by("species", Split::fraction(0.8).shuffle(options.seed))?;
    say!("{} rows to train on, {} to validate, {} to test", train.rows(), validation.rows(), test.rows());

    let measurements = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
    let preprocessing = Features::new()
        .numeric(measurements, Numeric::standardize().missing(Missing::Median))
        .categorical(["island", "sex"], Categorical::one_hot())
        .target_class("species")
        .fit(&train)?;
    say!("features: {}", preprocessing.feature_names().join(", "));

    let model = network(&preprocessing);
    let loss = SparseCategoricalCrossentropy::default();
    let mut trainer = Trainer::new(&model, loss, Adam::new(options.learning_rate)).metric(Accuracy::default());
    let samples = preprocessing.dataset(&train)?.shuffle(options.seed);
    let validation = preprocessing.dataset(&validation)?;
    let fit = Fit::epochs(options.epochs)
        .batch_size(options.batch_size)
        .validation(&validation)
        .callback(EarlyStopping::new("val_loss").patience(20).restore_best_weights())
        .verbose(Verbose::Silent);
    say!("trained for {} epochs", trainer.fit(&samples, fit)?.epochs());

    say!("test: {}", trainer.evaluate(&preprocessing.dataset(&test)?)?);
    let (majority, _) = train.column("species")?.categories()?.counts()[0];
    let same = test.column("species")?.categories()?.iter().filter(|species| *species == Some(majority)).count();
    say!("always {majority}: accuracy {:.4}", same as f64 / test.rows() as f64);

    let folder = &options.model;
    std::fs::create_dir_all(folder).map_err(|error| Error::other(error).context(folder.display().to_string()))?;
    save_weights(&model, folder.join(WEIGHTS))?;
    preprocessing.save(folder.join(PREPROCESSING))?;
    say!("saved in {}", folder.display());
    Ok(())
}

fn predict(options: &Options, file: &Path) -> Result<()> {
    let preprocessing = Preprocessing::load(options.model.join(PREPROCESSING))?;
    let model = network(&preprocessing);
    load_weights(&model, options.model.join(WEIGHTS))?;

    let penguins = Csv::new(file).columns(preprocessing.columns()).read()?;
    say!("{penguins}\n");
    let chances = model.forward(&preprocessing.transform(&penguins)?, Mode::Inference)?;
    let (likeliest, species) = (chances.max_axis(1)?.to_vec::<f32>()?, chances.argmax_axis(1)?.to_vec::<i64>()?);
    for (row, (chance, species)) in likeliest.iter().zip(species).enumerate() {
        say!("row {row}: {}, {:.1} %", preprocessing.classes()[species as usize], 100.0 * chance);
    }
    Ok(())
}
