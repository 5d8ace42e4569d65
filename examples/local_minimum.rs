//! A loss with a local and a global minimum. Plain gradient descent stops in the local one; descent with momentum
//! passes it. Draws both paths into an SVG file.
//!
//! ```text
//! cargo run --release --example local_minimum -- --output local_minimum.svg
//! ```

mod say;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use facade::prelude::{GradientTape, Tensor, Variable};
use facade::tensor;
use plotters::prelude::*;

use say::{complain, say};

/// Descends into a local minimum without momentum, and past it with momentum.
#[derive(Parser)]
struct Options {
    /// SVG file for the plot of the loss and both paths
    #[arg(long, value_name = "PATH", default_value = "local_minimum.svg")]
    output: PathBuf,
    /// Learning rate
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    learning_rate: f64,
    /// The fraction of the velocity that the second descent keeps in each step
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    momentum: f64,
    /// Steps of each descent
    #[arg(long, default_value_t = 150)]
    steps: usize,
}

/// The start of both descents.
const START: f64 = -1.7;
/// The zeros of the slope `4w (w² - 1) - 0.4`, computed by Newton's method.
const LOCAL: f64 = -0.945_649_3;
const GLOBAL: f64 = 1.046_680_5;

/// `(w² - 1)² - 0.4 w + 0.41`: two valleys; the right one is deeper, with a minimum of about 0.
fn loss(w: &Tensor) -> tensor::Result<Tensor> {
    w.square().try_sub(1.0)?.square().try_sub(w.try_mul(0.4)?)?.try_add(0.41)
}

fn loss_at(w: f64) -> tensor::Result<f64> {
    loss(&Tensor::scalar(w).cast(tensor::DType::F64))?.item()
}

/// The path of a descent from [`START`]: every point with its loss.
///
/// With momentum 0 this is plain gradient descent.
fn descend(learning_rate: f64, momentum: f64, steps: usize) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let w = Variable::new(Tensor::scalar(START).cast(tensor::DType::F64));
    let mut velocity = 0.0;
    let mut path = Vec::new();
    for step in 0..=steps {
        let tape = GradientTape::new();
        let place = w.value();
        let loss = loss(&place)?;
        let gradient = tape.gradient(&loss, &w)?.item()?;
        path.push((place.item()?, loss.item()?));
        if !gradient.is_finite() {
            return Err(format!("the gradient is not finite in step {step}; lower --learning-rate").into());
        }
        velocity = momentum * velocity - learning_rate * gradient;
        w.assign_add(velocity)?;
    }
    Ok(path)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (rate, momentum) = (options.learning_rate, options.momentum);
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(format!("--learning-rate {rate}: must be above 0").into());
    }
    if !(0.0..1.0).contains(&momentum) {
        return Err(format!("--momentum {momentum}: must be at least 0 and below 1").into());
    }
    let plain = descend(rate, 0.0, options.steps)?;
    let moved = descend(rate, momentum, options.steps)?;
    say!("local minimum    w = {LOCAL:7.4}  loss = {:.4}", loss_at(LOCAL)?);
    say!("global minimum   w = {GLOBAL:7.4}  loss = {:.4}", loss_at(GLOBAL)?);
    for (name, path) in [("without momentum", &plain), ("with momentum", &moved)] {
        let (w, loss) = path[path.len() - 1];
        say!("{name:16} w = {w:7.4}  loss = {loss:.4}  {}", place_of(w));
    }
    save(&options.output, &picture(&plain, &moved)?)?;
    say!("drawn into {}", options.output.display());
    Ok(())
}

/// Describes where a descent ended.
fn place_of(w: f64) -> &'static str {
    if (w - LOCAL).abs() < 0.05 {
        "in the local minimum"
    } else if (w - GLOBAL).abs() < 0.05 {
        "in the global minimum"
    } else {
        "in neither minimum; more --steps may help"
    }
}

/// The loss with every point of both paths, as SVG.
fn picture(plain: &[(f64, f64)], moved: &[(f64, f64)]) -> Result<String, Box<dyn Error>> {
    let places = || plain.iter().chain(moved);
    let left = places().map(|place| place.0).fold(-1.8, f64::min);
    let right = places().map(|place| place.0).fold(1.75, f64::max);
    let top = loss_at(left)?.max(loss_at(right)?);
    let curve = (0..=400).map(|k| left + (right - left) * f64::from(k) / 400.0);
    let curve = curve.map(|w| Ok((w, loss_at(w)?))).collect::<tensor::Result<Vec<_>>>()?;

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (720, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Momentum passes a local minimum", ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(left..right, 0.0..top * 1.05)?;
        chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("parameter w").y_desc("loss").draw()?;
        chart.draw_series(LineSeries::new(curve, BLACK.mix(0.6)))?;

        // Both paths lie on the curve: the one with momentum has rings, so that the dots of the other stay visible.
        chart
            .draw_series(moved.iter().map(|&place| Circle::new(place, 6, BLUE)))?
            .label("with momentum")
            .legend(|(x, y)| Circle::new((x + 8, y), 6, BLUE));
        chart
            .draw_series(plain.iter().map(|&place| Circle::new(place, 3, RED.filled())))?
            .label("without momentum")
            .legend(|(x, y)| Circle::new((x + 8, y), 3, RED.filled()));
        for (name, w) in [("local minimum", LOCAL), ("global minimum", GLOBAL)] {
            let place = (w - 0.25, loss_at(w)? + top * 0.2);
            chart.draw_series([Text::new(name, place, ("sans-serif", 14))])?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// Writes a file atomically: to a temporary file next to it, which is then renamed.
fn save(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let Some(name) = path.file_name() else {
        return Err(format!("--output {}: not a file name", path.display()).into());
    };
    let mut name = name.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // The file may not exist; report the first error only.
        let _ = std::fs::remove_file(&part);
        format!("{}: {error}", path.display()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_passes_the_local_minimum() {
        let end = |momentum| *descend(0.01, momentum, 150).unwrap().last().unwrap();
        let (plain, moved) = (end(0.0), end(0.9));
        assert!((plain.0 - LOCAL).abs() < 0.01, "{plain:?}");
        assert!((moved.0 - GLOBAL).abs() < 0.01, "{moved:?}");
        assert!(moved.1 < 0.01 && plain.1 > 0.7, "{moved:?} {plain:?}");
    }

    #[test]
    fn the_minima_are_where_the_slope_is_zero() {
        for w in [LOCAL, GLOBAL] {
            assert!((4.0 * w * (w * w - 1.0) - 0.4).abs() < 1e-5, "{w}");
        }
    }
}
