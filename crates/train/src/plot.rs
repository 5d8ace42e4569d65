//! Pictures of a history.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::history::History;

/// Width and height of a panel, and the height of the legend above all of them, in pixels.
const PANEL: (u32, u32) = (480, 320);
const HEADER: u32 = 40;

/// Told apart by those who see few colours too (Okabe and Ito 2008).
const TRAINING: RGBColor = RGBColor(0, 114, 178);
const VALIDATION: RGBColor = RGBColor(213, 94, 0);

/// So many epochs at most have a dot each.
const MOST_DOTS: usize = 50;

/// A picture of a [`History`]: a panel for the loss and one for each metric, with a line for the
/// training and one for the validation over the epochs. Where a value is NaN or infinite, or not
/// positive on a logarithmic axis, the line has a gap.
///
/// ```no_run
/// # let history = train::History::default();
/// history.plot().log_scale("loss").save("history.svg")?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Plot<'h> {
    history: &'h History,
    logarithmic: Vec<String>,
}

impl History {
    /// A picture of it.
    pub fn plot(&self) -> Plot<'_> {
        Plot { history: self, logarithmic: Vec::new() }
    }
}

impl Plot<'_> {
    /// Draws the loss or the metric of this name on a logarithmic axis.
    pub fn log_scale(mut self, name: impl Into<String>) -> Self {
        self.logarithmic.push(name.into());
        self
    }

    /// Writes the picture as an SVG file, whole or not at all.
    ///
    /// # Errors
    /// As [`Plot::to_svg`], and if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let svg = self.to_svg()?;
        Ok(data::write_atomically(path, |file| file.write_all(svg.as_bytes()))?)
    }

    /// The picture as the text of an SVG file.
    ///
    /// # Errors
    /// If the history has no epochs, or nothing of a name that is to be logarithmic.
    pub fn to_svg(&self) -> Result<String> {
        if self.history.epochs() == 0 {
            return Err(Error::Trainer("plot: the history has no epochs".into()));
        }
        if let Some(name) = self.logarithmic.iter().find(|name| self.history.get(name).is_none()) {
            let names: Vec<&str> = self.history.names().collect();
            return Err(Error::Trainer(format!("plot: there is no {name} in the history, only {}", names.join(", "))));
        }
        let panels = self.panels();
        let columns = panels.len().min(2);
        let rows = panels.len().div_ceil(columns);
        let size = (PANEL.0 * columns as u32, HEADER + PANEL.1 * rows as u32);
        let mut svg = String::new();
        // Drawing into a text fails only if a panel had no area.
        draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area(), &panels, (rows, columns))
            .map_err(|error| Error::Trainer(format!("plot: {error}")))?;
        Ok(svg)
    }

    /// One of each name that is not the validation of another.
    fn panels(&self) -> Vec<Panel<'_>> {
        let names = self.history.names();
        let main = |name: &&str| name.strip_prefix("val_").is_none_or(|trained| self.history.get(trained).is_none());
        let panel = |name| Panel {
            name,
            training: self.history.get(name).unwrap_or_default(),
            validation: self.history.get(&format!("val_{name}")),
            logarithmic: self.logarithmic.iter().any(|other| other == name),
        };
        names.filter(main).map(panel).collect()
    }
}

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// All panels, and above them the legend that they share.
fn draw(area: &Area<'_>, panels: &[Panel<'_>], grid: (usize, usize)) -> Drawn {
    area.fill(&WHITE)?;
    let (header, body) = area.split_vertically(HEADER);
    let validated = panels.iter().any(|panel| panel.validation.is_some());
    let entries = [("training", TRAINING), ("validation", VALIDATION)];
    for ((name, color), left) in entries.into_iter().take(1 + usize::from(validated)).zip([64, 184]) {
        header.draw(&PathElement::new([(left, 22), (left + 28, 22)], color.stroke_width(2)))?;
        header.draw(&Circle::new((left + 14, 22), 3, color.filled()))?;
        header.draw(&Text::new(name, (left + 36, 15), ("sans-serif", 15)))?;
    }
    for (panel, area) in panels.iter().zip(body.split_evenly(grid)) {
        panel.draw(&area)?;
    }
    Ok(area.present()?)
}

/// What is drawn of one name.
struct Panel<'h> {
    name: &'h str,
    training: &'h [f64],
    validation: Option<&'h [f64]>,
    logarithmic: bool,
}

impl Panel<'_> {
    /// The place of a value on the vertical axis, in powers of ten if that is logarithmic; not finite
    /// if it has none, for which values so large count whose differences may be infinite.
    fn place(&self, value: f64) -> f64 {
        match value {
            _ if value.abs() > 1e300 => f64::NAN,
            _ if self.logarithmic => value.log10(),
            _ => value,
        }
    }

    /// The range of the vertical axis, and about how many ticks it has.
    fn range(&self) -> (Range<f64>, usize) {
        let values = self.training.iter().chain(self.validation.unwrap_or_default());
        let places = values.map(|value| self.place(*value)).filter(|place| place.is_finite());
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        if low > high {
            return (0.0..1.0, 2);
        }
        if self.logarithmic {
            // A power of ten at each end.
            let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
            return (low..high, (high - low).min(6.0) as usize + 1);
        }
        // Enough for ticks that differ.
        let size = high.abs().max(low.abs());
        let margin = if size == 0.0 { 1.0 } else { ((high - low) * 0.05).max(1e-3 * size).max(1e-300) };
        (low - margin..high + margin, 6)
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        // One epoch has a place on an axis too.
        let last = self.training.len().saturating_sub(1).max(1);
        let (range, ticks) = self.range();
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0..last, range)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(8)
            .y_labels(ticks)
            .x_desc("epoch")
            .y_desc(self.name)
            .y_label_formatter(&|place| tick(if self.logarithmic { 10f64.powf(*place) } else { *place }))
            .axis_desc_style(("sans-serif", 15))
            .label_style(("sans-serif", 13))
            .draw()?;
        for (values, color) in [(Some(self.training), TRAINING), (self.validation, VALIDATION)] {
            let places = values.unwrap_or_default().iter().map(|value| self.place(*value));
            let points: Vec<(usize, f64)> = places.enumerate().collect();
            for run in points.split(|point| !point.1.is_finite()) {
                chart.draw_series(LineSeries::new(run.iter().copied(), color.stroke_width(2)))?;
                if points.len() <= MOST_DOTS || run.len() == 1 {
                    chart.draw_series(run.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
                }
            }
        }
        Ok(())
    }
}

/// A number of an axis, without digits that say nothing.
fn tick(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:e}").split_once('e').map_or_else(String::new, |(mantissa, exponent)| {
            let mantissa = mantissa.parse().map_or(mantissa.into(), |m: f64| ((m * 1e3).round() / 1e3).to_string());
            format!("{mantissa}e{exponent}")
        });
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(columns: &[(&str, &[f64])]) -> History {
        let columns = columns.iter().map(|(name, values)| (name.to_string(), values.to_vec()));
        History::of_columns(columns.collect()).unwrap()
    }

    #[test]
    fn a_picture_has_a_panel_for_each_name_and_lines_with_gaps() {
        let nan = f64::NAN;
        let history = history(&[
            ("loss", &[2.0, 1.0, 0.5, 0.2]),
            ("mae <&>", &[2.0, 1.0, 0.5, 0.2]),
            ("val_loss", &[2.0, 1.0, nan, 0.2]),
            ("val_rate", &[1.0, 0.0, 1.0, 1.0]),
        ]);
        let svg = history.plot().log_scale("val_rate").to_svg().unwrap();
        for (text, count) in [
            ("\nepoch\n", 3),
            ("\nloss\n", 1),
            ("\nmae &lt;&amp;&gt;\n", 1),
            ("\nval_rate\n", 1),
            ("\ntraining\n", 1),
            ("\nvalidation\n", 1),
            // A dot for each finite value, and one in the legend.
            ("fill=\"#0072B2\"", 4 + 4 + 3 + 1),
            ("fill=\"#D55E00\"", 3 + 1),
        ] {
            assert_eq!(svg.matches(text).count(), count, "{text}");
        }
    }

    #[test]
    fn no_values_are_too_odd_to_draw() {
        let columns: [(&str, &[f64]); 8] = [
            ("loss", &[1e-308, 1e308]),
            ("range", &[5e-324, 1e300]),
            ("neighbours", &[1.0, 1.0 + f64::EPSILON]),
            ("large neighbours", &[1e16, 1e16 + 2.0]),
            ("small", &[1e-320, 2e-320]),
            ("zeros", &[0.0, -0.0]),
            ("extremes", &[f64::MIN, f64::MAX]),
            ("nothing", &[f64::NAN, f64::INFINITY]),
        ];
        let history = history(&columns);
        history.plot().to_svg().unwrap();
        columns.iter().fold(history.plot(), |plot, (name, _)| plot.log_scale(*name)).to_svg().unwrap();
    }

    #[test]
    fn what_is_not_there_cannot_be_drawn() {
        let message = |plot: Plot<'_>| plot.to_svg().unwrap_err().to_string();
        assert_eq!(message(history(&[("loss", &[])]).plot()), "plot: the history has no epochs");
        let message = message(history(&[("loss", &[1.0])]).plot().log_scale("mae"));
        assert_eq!(message, "plot: there is no mae in the history, only loss");
    }

    #[test]
    fn ticks_have_no_digits_that_say_nothing() {
        let ticks = [0.0, 1.0, 0.25, -0.30000000000000004, 100_000.0, 2.5e-7, 99_999.5].map(tick);
        assert_eq!(ticks, ["0", "1", "0.25", "-0.3", "1e5", "2.5e-7", "99999.5"]);
    }
}
