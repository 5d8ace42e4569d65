//! A picture of the training as it goes on.

use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use super::Callback;
use crate::error::{Result, TrainError};
use crate::training::Training;

/// Draws the history into an SVG or PNG file after each epoch, in place of the picture before: loss and metrics, of
/// training and validation, as [`Plot`](crate::Plot) does.
///
/// ```
/// use train::{Fit, SavePlot};
///
/// let fit = Fit::epochs(50).callback(SavePlot::new("training.svg").log_scale("loss"));
/// ```
#[derive(Clone, Debug)]
pub struct SavePlot {
    path: PathBuf,
    logarithmic: Vec<String>,
}

impl SavePlot {
    /// Draws into this file, whose folder must be there.
    pub fn new(path: impl Into<PathBuf>) -> SavePlot {
        SavePlot { path: path.into(), logarithmic: Vec::new() }
    }

    /// Draws the loss or the metric of this name on a logarithmic axis.
    #[must_use]
    pub fn log_scale(mut self, name: impl Into<String>) -> SavePlot {
        self.logarithmic.push(name.into());
        self
    }
}

impl Callback for SavePlot {
    fn name(&self) -> &str {
        "save_plot"
    }

    /// A folder that is not there is told before an epoch is trained for nothing.
    fn on_begin(&mut self, _training: &mut Training<'_>) -> Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if folder.is_dir() {
            return Ok(());
        }
        Err(TrainError::file(&self.path, IoError::new(ErrorKind::NotFound, "its folder does not exist")))
    }

    fn on_epoch_end(&mut self, training: &mut Training<'_>, _values: &[(String, f64)]) -> Result<()> {
        let plot = training.history().plot();
        self.logarithmic.iter().fold(plot, |plot, name| plot.log_scale(name)).save(&self.path)
    }
}
