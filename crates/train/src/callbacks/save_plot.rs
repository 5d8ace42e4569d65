//! A plot of the history during a training.

use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use super::Callback;
use crate::error::{Result, TrainError};
use crate::training_state::TrainingState;

/// Draws the history into an SVG or PNG file after each epoch, replacing the file: loss and metrics of training and
/// validation, as [`Plot`](crate::Plot) draws them.
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
    /// Draws into this file. Its folder must exist.
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

    /// Checks the folder before an epoch is trained in vain.
    fn on_begin(&mut self, _training: &mut TrainingState<'_>) -> Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if folder.is_dir() {
            return Ok(());
        }
        Err(TrainError::file(&self.path, IoError::new(ErrorKind::NotFound, "its folder does not exist")))
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, _values: &[(String, f64)]) -> Result<()> {
        let plot = training.history().plot();
        self.logarithmic.iter().fold(plot, |plot, name| plot.log_scale(name)).save(&self.path)
    }
}
