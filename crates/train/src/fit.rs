//! How to fit.

use data::Dataset;

use crate::progress::Verbose;

/// What is called after each step.
type OnBatch<'a> = Box<dyn FnMut(&BatchEnd) + 'a>;

/// What [`Trainer::fit`](crate::Trainer::fit) is to do.
///
/// ```
/// use train::Fit;
///
/// let fit = Fit::epochs(5).batch_size(128).shuffle(0).on_batch(|end| {
///     if end.batch % 100 == 0 {
///         println!("batch {} loss {:.2}", end.batch, end.loss);
///     }
/// });
/// ```
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) shuffle: Option<u64>,
    pub(crate) validation: Option<&'a dyn Dataset>,
    pub(crate) verbose: Verbose,
    pub(crate) on_batch: Option<OnBatch<'a>>,
}

impl<'a> Fit<'a> {
    /// This many passes over the data set, in its order, in batches of 32.
    pub fn epochs(epochs: usize) -> Fit<'a> {
        Fit { epochs, batch_size: 32, shuffle: None, validation: None, verbose: Verbose::Auto, on_batch: None }
    }

    /// Sets how many samples a step sees; 32 by default, as in Keras. The last batch of an epoch
    /// is smaller where this does not divide the number of samples.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Fit<'a> {
        Fit { batch_size, ..self }
    }

    /// Puts the samples into a new order for each epoch; the orders follow from the seed alone.
    #[must_use]
    pub fn shuffle(self, seed: u64) -> Fit<'a> {
        Fit { shuffle: Some(seed), ..self }
    }

    /// Evaluates the model on another data set after each epoch.
    #[must_use]
    pub fn validation(self, dataset: &'a dyn Dataset) -> Fit<'a> {
        Fit { validation: Some(dataset), ..self }
    }

    /// Sets what is shown meanwhile.
    #[must_use]
    pub fn verbose(self, verbose: Verbose) -> Fit<'a> {
        Fit { verbose, ..self }
    }

    /// Calls a function after each step.
    #[must_use]
    pub fn on_batch(self, on_batch: impl FnMut(&BatchEnd) + 'a) -> Fit<'a> {
        Fit { on_batch: Some(Box::new(on_batch)), ..self }
    }
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchEnd {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The batch of this epoch, from 0.
    pub batch: usize,
    /// The number of batches of an epoch.
    pub batches: usize,
    /// The mean loss of this batch, before the step.
    pub loss: f64,
}
