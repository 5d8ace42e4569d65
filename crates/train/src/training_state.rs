//! The state of a training, which callbacks change and checkpoints store.

use nn::Layer;
use optim::Optimizer;

use crate::accumulation::Accumulation;
use crate::history::History;
use crate::meter::Meter;
use crate::tracked::Tracked;

/// The state of a [`Training`](crate::Training): what [callbacks](crate::Callback) see and may change, and what
/// [checkpoints](crate::Checkpoint) store.
pub struct TrainingState<'a> {
    /// The model.
    pub model: &'a dyn Layer,
    /// The optimizer.
    pub optimizer: &'a mut dyn Optimizer,
    pub(crate) tracked: Tracked<'a>,
    pub(crate) accumulation: Accumulation,
    pub(crate) meter: Meter<'a>,
    pub(crate) history: History,
    pub(crate) epoch: usize,
    /// The number of batches of this epoch that were trained on.
    pub(crate) batch: usize,
    /// The number of samples of this epoch that were drawn.
    pub(crate) drawn: usize,
    pub(crate) stop_reason: Option<String>,
    /// Whether a flag stopped the training. Checkpoints do not store it, unlike the reason: a resumed training is not
    /// interrupted.
    pub(crate) interrupted: bool,
    /// Whether the training continues from a checkpoint.
    pub(crate) resumed: bool,
}

impl TrainingState<'_> {
    /// The current epoch, or the next one between two epochs, from 0.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The epochs that have ended.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Asks for the end of the training; [`Trainer::fit`](crate::Trainer::fit) then ends after the current batch. If
    /// called more than once, the first reason stays.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop_reason.get_or_insert_with(|| reason.into());
    }

    /// Why the training ends before its last epoch; `None` if it does not.
    pub fn stopped(&self) -> Option<&str> {
        self.stop_reason.as_deref().or(self.interrupted.then_some("interrupted"))
    }
}
