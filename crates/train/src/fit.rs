//! Options of a training.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use data::DataSource;
use nn::Visitable;
use optim::{Optimizer, WeightAverage};

use crate::batch_end::BatchEnd;
use crate::callbacks::{Callback, OnBatchEnd};
use crate::checkpoints::Checkpoints;
use crate::progress::Verbose;
use crate::tracked::Tracked;

/// The options of [`Trainer::fit`](crate::Trainer::fit), and of a [`Training`](crate::Training) in a hand-written loop.
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
    pub(crate) validation: Option<&'a dyn DataSource>,
    pub(crate) verbose: Verbose,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) tracked: Tracked<'a>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) stop: Option<Box<dyn Deref<Target = AtomicBool> + 'a>>,
}

impl<'a> Fit<'a> {
    /// Trains for this many epochs, in batches of 32. Samples come in the order of the data source;
    /// `data.shuffle(seed)` changes the order in each epoch.
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
            tracked: Tracked::default(),
            checkpoints: None,
            resume: None,
            stop: None,
        }
    }

    /// Starts with this epoch instead of 0. The number of epochs is still counted from 0, as in Keras. To continue
    /// exactly where another training stopped, [resume](Fit::resume) it instead.
    #[must_use]
    pub fn initial_epoch(self, initial_epoch: usize) -> Fit<'a> {
        Fit { initial_epoch, ..self }
    }

    /// Sets the number of samples of a batch; 32 by default, as in Keras. The last batch of an epoch is smaller if the
    /// batch size does not divide the number of samples.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Fit<'a> {
        Fit { batch_size, ..self }
    }

    /// Ends each epoch after at most this many batches, for endless data or to validate more often. The next epoch
    /// starts over with the data, so shuffle it: in a fixed order, the samples after these batches are never used.
    #[must_use]
    pub fn steps_per_epoch(self, steps_per_epoch: usize) -> Fit<'a> {
        Fit { steps_per_epoch: Some(steps_per_epoch), ..self }
    }

    /// Makes one step of the optimizer for this many batches, with the mean of their gradients; the last step of an
    /// epoch may have fewer. This is equivalent to larger batches, in the memory of one, if all batches have the same
    /// size and samples do not interact, as they do in batch normalization.
    ///
    /// The trainable weights must stay the same from one step to the next.
    #[must_use]
    pub fn accumulate(self, batches: usize) -> Fit<'a> {
        Fit { accumulate: batches, ..self }
    }

    /// Evaluates the model on other data after each epoch, always on epoch 0 of this data source. `data.split(…)`
    /// splits off a part of a data set.
    #[must_use]
    pub fn validation(self, source: &'a dyn DataSource) -> Fit<'a> {
        Fit { validation: Some(source), ..self }
    }

    /// Sets how progress is shown.
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

    /// Adds a callback, by value or as `&mut callback`. Callbacks are called in the order in which they were added.
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

    /// Stores something besides the model in checkpoints: another model, a [variable](autograd::Variable), which may
    /// hold any number or tensor of a loop, a [random stream](nn::RandomStream), or a `Vec` of these. Its state at the
    /// end of the batch or epoch is stored, and [`resume`](Fit::resume) restores it.
    ///
    /// All optimizers of the training, including its own, may step these weights as well as those of the model. Lazy
    /// weights must be built before the training begins. Names must be unique; dots in them become underscores. A
    /// checkpoint with other names than those of the training is refused.
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
        self.tracked.add_part(name, part);
        self
    }

    /// Stores the state of another optimizer in checkpoints. It may step weights of the model and weights given to
    /// [`keep`](Fit::keep). The loop must end its borrow before the batch ends.
    #[must_use]
    pub fn keep_optimizer(mut self, name: &str, optimizer: &'a RefCell<dyn Optimizer>) -> Fit<'a> {
        self.tracked.add_optimizer(name, optimizer);
        self
    }

    /// Stores an average of weights in checkpoints. The loop must end its borrow before the batch ends. Whether a
    /// restored average fits the weights is checked at its next update, because an average does not know its weights.
    #[must_use]
    pub fn keep_average(mut self, name: &str, average: &'a RefCell<WeightAverage>) -> Fit<'a> {
        self.tracked.add_average(name, average);
        self
    }

    /// Continues from a checkpoint: model, optimizer, random streams, callbacks, history and everything
    /// [kept](Fit::keep) are restored, and the training ends with the same bits as if it had never stopped. Model,
    /// optimizer, data and callbacks must be constructed as before, because a checkpoint holds no code.
    #[must_use]
    pub fn resume(self, checkpoint: impl Into<PathBuf>) -> Fit<'a> {
        Fit { resume: Some(checkpoint.into()), ..self }
    }

    /// Ends the training when the flag is true, after the current batch or validation, and writes a checkpoint if the
    /// fit has [`checkpoints`](Fit::checkpoints). The flag is a reference or an `Arc`, and is reset to false. Ctrl-C
    /// sets the flag of [`interrupted`](crate::interrupted).
    #[must_use]
    pub fn stop_when(self, flag: impl Deref<Target = AtomicBool> + 'a) -> Fit<'a> {
        Fit { stop: Some(Box::new(flag)), ..self }
    }
}
