//! The panels of a plot.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

/// Width and height of a panel, and the height of the legend above all of them, in pixels.
pub(super) const PANEL: (u32, u32) = (480, 320);
pub(super) const HEADER: u32 = 40;

/// Distinguishable with colour vision deficiency (Okabe and Ito 2008).
const TRAINING: RGBColor = RGBColor(0, 114, 178);
const VALIDATION: RGBColor = RGBColor(213, 94, 0);

/// The maximum number of epochs that are drawn with dots.
const MOST_DOTS: usize = 50;

type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Draws all panels, and the common legend above them.
pub(super) fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    panels: &[Panel<'_>],
    grid: (usize, usize),
) -> Drawn<B> {
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
    area.present()
}

/// The panel of one name.
pub(super) struct Panel<'h> {
    pub(super) name: &'h str,
    pub(super) training: &'h [f64],
    pub(super) validation: Option<&'h [f64]>,
    pub(super) logarithmic: bool,
}

impl Panel<'_> {
    /// The position of a value on the vertical axis, in powers of ten if it is logarithmic. Not finite if the value
    /// cannot be drawn, as for values so large that their differences may be infinite.
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
        // Wide enough for distinct ticks.
        let size = high.abs().max(low.abs());
        let margin = if size == 0.0 { 1.0 } else { ((high - low) * 0.05).max(1e-3 * size).max(1e-300) };
        (low - margin..high + margin, 6)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        // A single epoch also needs an axis of positive length.
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
            .y_desc(data::escaped(self.name).to_string())
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

/// Formats the number of a tick, without superfluous digits.
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

    #[test]
    fn ticks_have_no_superfluous_digits() {
        let ticks = [0.0, 1.0, 0.25, -0.30000000000000004, 100_000.0, 2.5e-7, 99_999.5].map(tick);
        assert_eq!(ticks, ["0", "1", "0.25", "-0.3", "1e5", "2.5e-7", "99999.5"]);
    }
}
