//! How to fit.

use data::Samples;

use crate::progress::Verbose;

/// What is called after each step.
type OnBatch<'a> = Box<dyn FnMut(&BatchEnd) + 'a>;

/// What [`Trainer::fit`](crate::Trainer::fit) is to do.
///
/// ```
/// use train::Fit;
///
/// let fit = Fit::epochs(5).batch_size(128).on_batch(|end| {
///     if end.batch % 100 == 0 {
///         println!("batch {} loss {:.2}", end.batch, end.loss);
///     }
/// });
/// ```
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) validation: Option<&'a dyn Samples>,
    pub(crate) verbose: Verbose,
    pub(crate) on_batch: Option<OnBatch<'a>>,
}

impl<'a> Fit<'a> {
    /// This many passes over the data, of the numbers from 0 on, in batches of 32. The order is that of the data:
    /// `data.shuffle(seed)` has another one in each pass.
    pub fn epochs(epochs: usize) -> Fit<'a> {
        Fit { epochs, batch_size: 32, validation: None, verbose: Verbose::Auto, on_batch: None }
    }

    /// Sets how many samples a step sees; 32 by default, as in Keras. The last batch of an epoch
    /// is smaller where this does not divide the number of samples.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Fit<'a> {
        Fit { batch_size, ..self }
    }

    /// Evaluates the model on other data, its pass 0, after each epoch.
    #[must_use]
    pub fn validation(self, samples: &'a dyn Samples) -> Fit<'a> {
        Fit { validation: Some(samples), ..self }
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
    /// The number of batches of an epoch, if it is known before its end.
    pub batches: Option<usize>,
    /// The mean loss of this batch, before the step.
    pub loss: f64,
}
