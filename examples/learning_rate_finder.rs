//! The learning rate range test of Smith, "Cyclical learning rates for training neural networks" (2017): the rate grows
//! from batch to batch, and the loss falls, levels off and diverges. A good rate is well below the one with the lowest
//! loss.
//!
//! The loss is smoothed by a bias-corrected exponential mean. The suggested rate is a tenth of the rate at its minimum.
//!
//! ```text
//! cargo run --release --example learning_rate_finder -- --output learning_rates.svg
//! ```

mod say;

use std::error::Error as StdError;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use facade::data;
use facade::prelude::*;
use facade::train::TrainError;
use plotters::prelude::*;

use say::{complain, say};

/// Finds a learning rate in one sweep, draws the curve, and trains with this rate and with one 30 times smaller
#[derive(Parser)]
struct Options {
    /// The rate of the first batch
    #[arg(long, default_value_t = 1e-5)]
    from: f64,
    /// The rate of the last batch, unless the loss diverges earlier
    #[arg(long, default_value_t = 10.0)]
    to: f64,
    /// Batches of the sweep
    #[arg(long, default_value_t = 300)]
    batches: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// The fraction of the smoothed loss that is kept in each batch
    #[arg(long, default_value_t = 0.9)]
    smoothing: f64,
    /// Train only on the first N images
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// SVG file for the plot of the loss over the rates
    #[arg(long, value_name = "PATH", default_value = "learning_rates.svg")]
    output: PathBuf,
}

/// The loss counts as diverged when it is this many times the lowest.
const BURST: f64 = 4.0;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::result::Result<(), Box<dyn StdError>> {
    if !(0.0 < options.from && options.from < options.to && options.to.is_finite()) {
        return Err(
            format!("--from {} --to {}: must be above 0, and --from below --to", options.from, options.to).into()
        );
    }
    if !(0.0..1.0).contains(&options.smoothing) {
        return Err(format!("--smoothing {}: must be at least 0 and below 1", options.smoothing).into());
    }
    let Mnist { train_images, train_labels, test_images, test_labels } = mnist::load()?;
    let samples = |images: &Tensor, labels: &Tensor, count: usize| -> Result<Pipeline> {
        let count = count.min(labels.size());
        Ok(ArrayDataset::from_tensors(&images.slice(..count)?, &labels.slice(..count)?)?.divide_features(255.0))
    };
    let train = samples(&train_images, &train_labels, options.images)?.shuffle(options.seed);
    let test = samples(&test_images, &test_labels, usize::MAX)?;

    let curve = sweep(options, &train)?;
    let lowest = curve.iter().min_by(|a, b| a.1.total_cmp(&b.1)).ok_or("--batches 0: must be at least 1")?;
    let suggested = lowest.0 / 10.0;
    say!("{} batches, rates up to {:.1e}, loss lowest at {:.1e}", curve.len(), curve[curve.len() - 1].0, lowest.0);
    let svg = picture(&curve, suggested)?;
    data::write_atomically(&options.output, |file| file.write_all(svg.as_bytes()))?;
    say!("drawn into {}", options.output.display());

    say!("one epoch each:");
    for (name, rate) in [("suggested", suggested), ("30 times smaller", suggested / 30.0)] {
        let model = model(options);
        let mut trainer = trainer(&model, rate);
        trainer.fit(&train, Fit::epochs(1).batch_size(options.batch_size).verbose(Verbose::Silent))?;
        say!("{name:16}  rate {rate:.1e}  test {}", trainer.evaluate(&test)?);
    }
    Ok(())
}

fn model(options: &Options) -> Sequential {
    random::seed(options.seed);
    Sequential::new()
        .add(Flatten)
        .add(Dense::new(28 * 28, 128).activation(Activation::Relu))
        .add(Dense::new(128, 10).activation(Activation::Softmax))
}

fn trainer(model: &Sequential, learning_rate: f64) -> Trainer<'_> {
    let optimizer = Sgd::new(learning_rate).momentum(0.9);
    Trainer::new(model, SparseCategoricalCrossentropy::default(), optimizer).metric(Accuracy::default())
}

/// The rate of each batch and the smoothed loss, until the loss diverges.
fn sweep(options: &Options, train: &Pipeline) -> Result<Vec<(f64, f64)>> {
    let factor = (options.to / options.from).powf(1.0 / options.batches.saturating_sub(1).max(1) as f64);
    let (mut curve, mut mean, mut lowest) = (Vec::new(), 0.0, f64::INFINITY);
    let raise = OnBatchEnd::new(|training, end| {
        let rate = training.optimizer.learning_rate();
        mean = options.smoothing * mean + (1.0 - options.smoothing) * end.loss;
        let smoothed = mean / (1.0 - options.smoothing.powi(curve.len() as i32 + 1));
        curve.push((rate, smoothed));
        lowest = smoothed.min(lowest);
        if smoothed > BURST * lowest {
            training.stop("the loss diverged");
        } else if curve.len() == options.batches {
            training.stop("all rates were tried");
        }
        training.optimizer.set_learning_rate(rate * factor)
    });
    let model = model(options);
    // An epoch has at least one batch, so the callback stops the fit before the epochs run out.
    let fit = Fit::epochs(options.batches).batch_size(options.batch_size).verbose(Verbose::Silent).callback(raise);
    match trainer(&model, options.from).fit(train, fit) {
        Ok(_) => Ok(curve),
        // A loss that is not finite also ends the sweep.
        Err(error) if matches!(error.downcast_ref::<TrainError>(), Some(TrainError::Loss { .. })) => Ok(curve),
        Err(error) => Err(error),
    }
}

/// The loss over the rates, and the suggested rate, as SVG.
fn picture(curve: &[(f64, f64)], suggested: f64) -> std::result::Result<String, Box<dyn StdError>> {
    let rates = curve[0].0.min(suggested)..curve[curve.len() - 1].0;
    // The scale ignores how high the loss rises when it diverges.
    let top = 1.2 * curve.iter().take(curve.len().div_ceil(4)).map(|place| place.1).fold(0.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (720, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(rates.log_scale(), 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("learning rate")
            .y_desc("smoothed loss")
            .x_label_formatter(&|rate| format!("{rate:.0e}"))
            .draw()?;
        chart.draw_series(LineSeries::new(curve.iter().copied(), BLUE.stroke_width(2)))?;
        chart.draw_series(LineSeries::new([(suggested, 0.0), (suggested, top)], RED.stroke_width(2)))?;
        let label = format!("suggested: {suggested:.1e}");
        chart.draw_series([Text::new(label, (suggested * 1.1, top * 0.97), ("sans-serif", 15))])?;
        area.present()?;
    }
    Ok(svg)
}
