//! Log files as callbacks.

use super::Callback;
use crate::csv_log::CsvLog;
use crate::error::Result;
use crate::json_lines::JsonLines;
use crate::tensorboard::TensorBoard;
use crate::training::Training;

/// The row of an epoch, with the learning rate. A training that is resumed logs the epochs after its checkpoint again, so
/// the log forgets them first.
macro_rules! logs {
    ($($log:ty: $name:literal;)*) => {$(
        impl Callback for $log {
            fn name(&self) -> &str {
                $name
            }

            fn on_begin(&mut self, training: &mut Training<'_>) -> Result<()> {
                if training.resumed { self.rewind(training.epoch()) } else { Ok(()) }
            }

            fn on_epoch_end(&mut self, training: &mut Training<'_>, values: &[(String, f64)]) -> Result<()> {
                let rate = ("learning_rate", training.optimizer.learning_rate());
                let row: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), *value)).chain([rate]).collect();
                self.write(training.epoch(), &row)
            }
        }
    )*};
}

logs!(CsvLog: "csv_log"; JsonLines: "json_lines"; TensorBoard: "tensorboard";);
