//! A batch that was trained on.

/// What callbacks receive after each batch of the training data.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchEnd {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The batch of this epoch, from 0.
    pub batch: usize,
    /// The number of batches of an epoch, if it is known in advance.
    pub batches: Option<usize>,
    /// The mean loss of this batch, before the step.
    pub loss: f64,
}
