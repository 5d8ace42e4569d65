//! Plots of a history.

mod panel;
#[cfg(feature = "png")]
mod png;

use std::io::Write;
use std::path::Path;

use plotters::prelude::*;

use self::panel::{HEADER, PANEL, Panel, draw};
use crate::error::{Result, TrainError};
use crate::history::{History, listed};

/// A plot of a [`History`]: a panel for the loss and for each metric, with lines for training and validation over the
/// epochs. A line has a gap where a value is NaN or infinite, or not positive on a logarithmic axis.
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
    /// A plot of the history.
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

    /// Writes the plot [atomically](data::write_atomically): as PNG if the name ends with `.png`, which needs the
    /// feature `png`, and otherwise as SVG.
    ///
    /// # Errors
    /// Returns an error as [`Plot::to_svg`] does, if the file cannot be written, or if PNG is not supported.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("png") => {
                #[cfg(feature = "png")]
                let bytes = self.to_png()?;
                #[cfg(not(feature = "png"))]
                let bytes = Err(TrainError::trainer(format!("plot: {}: PNG needs the feature `png`", path.display())))?;
                bytes
            }
            _ => self.to_svg()?.into_bytes(),
        };
        data::write_atomically(path, |file| file.write_all(&bytes))
    }

    /// The plot as the text of an SVG file.
    ///
    /// # Errors
    /// Returns an error if the history has no epochs, or no value with the name of a logarithmic axis.
    pub fn to_svg(&self) -> Result<String> {
        let sheet = self.sheet()?;
        let mut svg = String::new();
        sheet.draw(SVGBackend::with_string(&mut svg, sheet.size()))?;
        Ok(svg)
    }

    /// The panels and their layout.
    fn sheet(&self) -> Result<Sheet<'_>> {
        if self.history.epochs() == 0 {
            return Err(TrainError::trainer("plot: the history has no epochs".into()));
        }
        if let Some(name) = self.logarithmic.iter().find(|name| self.history.get(name).is_none()) {
            let (name, names) = (data::escaped(name), listed(self.history.names()));
            return Err(TrainError::trainer(format!("plot: there is no {name} in the history, only {names}")));
        }
        let panels = self.panels();
        let columns = panels.len().min(2);
        Ok(Sheet { rows: panels.len().div_ceil(columns), columns, panels })
    }

    /// A panel for each name that is not the validation of another.
    fn panels(&self) -> Vec<Panel<'_>> {
        let names = self.history.names();
        let main = |name: &&str| name.strip_prefix("val_").is_none_or(|trained| self.history.get(trained).is_none());
        let panel = |name| {
            let validation = format!("val_{name}");
            Panel {
                name,
                training: self.history.get(name).unwrap_or_default(),
                validation: self.history.get(&validation),
                logarithmic: self.logarithmic.iter().any(|other| other == name || *other == validation),
            }
        };
        names.filter(main).map(panel).collect()
    }
}

/// The panels in rows and columns.
struct Sheet<'h> {
    panels: Vec<Panel<'h>>,
    rows: usize,
    columns: usize,
}

impl Sheet<'_> {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32) {
        (PANEL.0 * self.columns as u32, HEADER + PANEL.1 * self.rows as u32)
    }

    /// Draws on a surface, which must have this size.
    fn draw(&self, surface: impl DrawingBackend) -> Result<()> {
        // Drawing into memory fails only for panels without area.
        draw(&surface.into_drawing_area(), &self.panels, (self.rows, self.columns))
            .map_err(|error| TrainError::trainer(format!("plot: {error}")))
    }
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
    fn validation_has_the_axis_of_training() {
        let history = history(&[("loss", &[2.0, 1.0]), ("val_loss", &[3.0, 0.1])]);
        let svg = |name: &str| history.plot().log_scale(name).to_svg().unwrap();
        assert_eq!(svg("val_loss"), svg("loss"));
        assert_ne!(svg("loss"), history.plot().to_svg().unwrap());
    }

    #[test]
    fn extreme_values_can_be_drawn() {
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
    fn missing_values_cannot_be_drawn() {
        let message = |plot: Plot<'_>| plot.to_svg().unwrap_err().to_string();
        assert_eq!(message(history(&[("loss", &[])]).plot()), "plot: the history has no epochs");
        let message = message(history(&[("loss", &[1.0])]).plot().log_scale("mae"));
        assert_eq!(message, "plot: there is no mae in the history, only loss");
    }

    #[cfg(not(feature = "png"))]
    #[test]
    fn png_needs_a_feature() {
        let error = history(&[("loss", &[1.0])]).plot().save("loss.PNG").unwrap_err();
        assert_eq!(error.to_string(), "plot: loss.PNG: PNG needs the feature `png`");
        assert!(!std::path::Path::new("loss.PNG").exists());
    }
}
