//! How to fit.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use data::Samples;
use nn::Visitable;
use optim::{Optimizer, WeightAverage};

use crate::callbacks::{Callback, OnBatchEnd};
use crate::checkpoints::Checkpoints;
use crate::kept::Kept;
use crate::progress::Verbose;

/// What [`Trainer::fit`](crate::Trainer::fit), or a [`Training`](crate::Training) with a loop of its own, is to do.
///
/// ```
/// use train::{EarlyStopping, Fit};
///
/// let fit = Fit::epochs(50)
///     .batch_size(128)
///     .on_batch(|end| {
///         if end.batch % 100 == 0 {
///             println!("batch {} loss {:.2}", end.batch, end.loss);
///         }
///     })
///     .callback(EarlyStopping::new("loss").patience(3));
/// ```
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) initial_epoch: usize,
    pub(crate) batch_size: usize,
    pub(crate) steps_per_epoch: Option<usize>,
    pub(crate) accumulate: usize,
    pub(crate) validation: Option<&'a dyn Samples>,
    pub(crate) verbose: Verbose,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) kept: Kept<'a>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) stop: Option<Box<dyn Deref<Target = AtomicBool> + 'a>>,
}

impl<'a> Fit<'a> {
    /// This many passes over the data, of the numbers from 0 on, in batches of 32. The order is that of the data:
    /// `data.shuffle(seed)` has another one in each pass.
    pub fn epochs(epochs: usize) -> Fit<'a> {
        Fit {
            epochs,
            initial_epoch: 0,
            batch_size: 32,
            steps_per_epoch: None,
            accumulate: 1,
            validation: None,
            verbose: Verbose::Auto,
            callbacks: Vec::new(),
            kept: Kept::default(),
            checkpoints: None,
            resume: None,
            stop: None,
        }
    }

    /// Begins with a later epoch, the number of epochs being counted from 0 all the same, as in Keras. A training
    /// that goes on exactly where another one stopped is [resumed](Fit::resume).
    #[must_use]
    pub fn initial_epoch(self, initial_epoch: usize) -> Fit<'a> {
        Fit { initial_epoch, ..self }
    }

    /// Sets how many samples a batch has; 32 by default, as in Keras. The last batch of an epoch
    /// is smaller where this does not divide the number of samples.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Fit<'a> {
        Fit { batch_size, ..self }
    }

    /// Ends each epoch after so many batches, if its pass has as many: for data without end, or to be validated more
    /// often. The next epoch begins the next pass, so that data in a fixed order beyond these batches is never seen:
    /// shuffle it.
    #[must_use]
    pub fn steps_per_epoch(self, steps_per_epoch: usize) -> Fit<'a> {
        Fit { steps_per_epoch: Some(steps_per_epoch), ..self }
    }

    /// Lets the optimizer step once in so many batches, with the mean of their gradients, and at the end of an epoch
    /// with that of what is left: as batches so many times as large would, in the memory of one, if all are of one size
    /// and their samples do not meet, as in batch normalization.
    #[must_use]
    pub fn accumulate(self, batches: usize) -> Fit<'a> {
        Fit { accumulate: batches, ..self }
    }

    /// Evaluates the model on other data, its pass 0, after each epoch. `data.split(…)` sets a part of one's data
    /// aside.
    #[must_use]
    pub fn validation(self, samples: &'a dyn Samples) -> Fit<'a> {
        Fit { validation: Some(samples), ..self }
    }

    /// Sets what is shown meanwhile.
    #[must_use]
    pub fn verbose(self, verbose: Verbose) -> Fit<'a> {
        Fit { verbose, ..self }
    }

    /// Calls a function after each batch.
    #[must_use]
    pub fn on_batch(self, mut on_batch: impl FnMut(&BatchEnd) + 'a) -> Fit<'a> {
        self.callback(OnBatchEnd::new(move |_, end| {
            on_batch(end);
            Ok(())
        }))
    }

    /// Adds a callback, given or lent (`&mut callback`); they are called in the order in which they were added.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Fit<'a> {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Writes checkpoints.
    #[must_use]
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Fit<'a> {
        Fit { checkpoints: Some(checkpoints), ..self }
    }

    /// Has checkpoints keep something besides the model: another model, a [variable](autograd::Variable), which may be
    /// any number or tensor of a loop's own, a [random stream](nn::RandomStream), or a `Vec` of these. It is kept as it
    /// is when a batch or an epoch ends, and [resumed](Fit::resume) with everything else.
    ///
    /// All optimizers of the training, its own too, then go on with what is kept as with the weights of the model.
    /// Weights that wait for a first input to know their shape must be made before the training begins. A name is
    /// given once; dots in it become underscores. A checkpoint that keeps other things than the training is refused.
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// use autograd::Variable;
    /// use nn::{Dense, Sequential};
    /// use optim::Adam;
    /// use tensor::Tensor;
    /// use train::{Checkpoints, Fit};
    ///
    /// let generator = Sequential::new().add(Dense::new(16, 784));
    /// let generator_optimizer = RefCell::new(Adam::new(1e-4));
    /// let rounds = Variable::new(Tensor::scalar(0.0));
    /// let fit = Fit::epochs(10)
    ///     .keep("generator", &generator)
    ///     .keep_optimizer("generator", &generator_optimizer)
    ///     .keep("rounds", &rounds)
    ///     .checkpoints(Checkpoints::in_folder("run"));
    /// ```
    #[must_use]
    pub fn keep(mut self, name: &str, part: &'a dyn Visitable) -> Fit<'a> {
        self.kept.part(name, part);
        self
    }

    /// Has checkpoints [keep](Fit::keep) the state of another optimizer, which steps weights of the model or of what is
    /// kept. The loop borrows it for each step, and lets go of it before the batch ends.
    #[must_use]
    pub fn keep_optimizer(mut self, name: &str, optimizer: &'a RefCell<dyn Optimizer>) -> Fit<'a> {
        self.kept.optimizer(name, optimizer);
        self
    }

    /// Has checkpoints [keep](Fit::keep) an average of weights. Who updates it borrows it, and lets go of it before the
    /// batch ends. Whether it suits the weights is checked when it is next updated, as it alone does not know them.
    #[must_use]
    pub fn keep_average(mut self, name: &str, average: &'a RefCell<WeightAverage>) -> Fit<'a> {
        self.kept.average(name, average);
        self
    }

    /// Goes on from a checkpoint: model, optimizer, random streams, callbacks, what is kept and history become what they
    /// were, and the training ends with the same bits as if it had never stopped. It takes the same model, optimizer,
    /// data and callbacks, which are code.
    #[must_use]
    pub fn resume(self, checkpoint: impl Into<PathBuf>) -> Fit<'a> {
        Fit { resume: Some(checkpoint.into()), ..self }
    }

    /// Ends the training, after the batch or the validation in which the flag became true, with a checkpoint if there
    /// are any; the flag, lent or in an `Arc`, is then false again. See [`interrupted`](crate::interrupted) for one that
    /// Ctrl-C sets.
    #[must_use]
    pub fn stop_when(self, flag: impl Deref<Target = AtomicBool> + 'a) -> Fit<'a> {
        Fit { stop: Some(Box::new(flag)), ..self }
    }
}

/// A batch that was trained on.
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
