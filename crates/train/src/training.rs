//! Where a training stands.

use nn::Layer;
use optim::Optimizer;

use crate::callbacks::Callback;
use crate::error::Result;
use crate::fit::BatchEnd;
use crate::history::History;

/// Where a training stands: what callbacks see, and what they may change.
///
/// [`Trainer::fit`](crate::Trainer::fit) makes one. A loop written by hand makes its own, and has the same
/// callbacks:
///
/// ```
/// use autograd::GradientTape;
/// use data::{ArrayDataset, Dataset, Samples};
/// use nn::{Dense, Layer, Loss, MeanSquaredError, Mode, Sequential};
/// use optim::Sgd;
/// use tensor::tensor;
/// use train::{EarlyStopping, Training};
///
/// let samples = ArrayDataset::from_tensors(&tensor![[0.0], [1.0]], &tensor![[1.0], [3.0]])?.shuffle(1);
/// let model = Sequential::new().add(Dense::new(1, 1));
/// let mut optimizer = Sgd::new(0.1);
///
/// let stopping = EarlyStopping::new("loss").patience(2).min_delta(1e-4);
/// let mut training = Training::new(&model, &mut optimizer).callback(stopping);
/// training.begin()?;
/// while training.stopped().is_none() && training.epoch() < 1000 {
///     let mut sum = 0.0;
///     for batch in samples.batch(1).epoch(training.epoch() as u64)? {
///         let batch = batch?;
///         let tape = GradientTape::new();
///         let loss = MeanSquaredError.mean(&batch.targets, &model.forward(&batch.features, Mode::Training)?)?;
///         let weights = model.trainable_weights();
///         training.optimizer.apply(&weights, &tape.gradient(&loss, &weights)?)?;
///         sum += loss.item()?;
///     }
///     training.end_epoch(&[("loss".into(), sum / 2.0)])?;
/// }
/// training.end()?;
/// assert!(training.stopped().unwrap().starts_with("early_stopping: loss was best in epoch"));
/// assert!(training.history().last("loss").unwrap() < 1e-3);
/// # Ok::<(), train::Error>(())
/// ```
pub struct Training<'a> {
    /// The model.
    pub model: &'a dyn Layer,
    /// The optimizer.
    pub optimizer: &'a mut dyn Optimizer,
    pub(crate) history: History,
    pub(crate) epoch: usize,
    /// How many batches of this epoch were trained on.
    pub(crate) batch: usize,
    pub(crate) stop: Option<String>,
    /// Whether it goes on from a checkpoint.
    pub(crate) resumed: bool,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl<'a> Training<'a> {
    /// A training that has not begun.
    pub fn new(model: &'a dyn Layer, optimizer: &'a mut dyn Optimizer) -> Training<'a> {
        let (history, callbacks) = (History::default(), Vec::new());
        Training { model, optimizer, history, epoch: 0, batch: 0, stop: None, resumed: false, callbacks }
    }

    /// Adds a callback, given or lent (`&mut callback`).
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Training<'a> {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// The epoch that runs, or comes next, from 0.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The epochs that have ended.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Asks for the end: of [`Trainer::fit`](crate::Trainer::fit) after the batch in which it is asked. The first
    /// reason given stays.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop.get_or_insert_with(|| reason.into());
    }

    /// Why the training is to end before its last epoch, if it is.
    pub fn stopped(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    /// Tells callbacks that the training begins.
    ///
    /// # Errors
    /// What callbacks report.
    pub fn begin(&mut self) -> Result<()> {
        self.each(|callback, training| callback.on_begin(training))
    }

    /// Tells callbacks that an epoch begins.
    ///
    /// # Errors
    /// What callbacks report.
    pub fn begin_epoch(&mut self) -> Result<()> {
        self.each(|callback, training| callback.on_epoch_begin(training))
    }

    /// Tells callbacks that a batch was trained on.
    ///
    /// # Errors
    /// What callbacks report.
    pub fn end_batch(&mut self, end: &BatchEnd) -> Result<()> {
        self.batch += 1;
        self.each(|callback, training| callback.on_batch_end(training, end))
    }

    /// Appends an epoch to the history, tells callbacks, and goes on to the next.
    ///
    /// # Errors
    /// If the names are not those of the epochs before, and what callbacks report.
    pub fn end_epoch(&mut self, values: &[(String, f64)]) -> Result<()> {
        self.history.push(values)?;
        self.each(|callback, training| callback.on_epoch_end(training, values))?;
        (self.epoch, self.batch) = (self.epoch + 1, 0);
        Ok(())
    }

    /// Tells callbacks that the training has ended.
    ///
    /// # Errors
    /// What callbacks report.
    pub fn end(&mut self) -> Result<()> {
        self.each(|callback, training| callback.on_end(training))
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Callback, &mut Self) -> Result<()>) -> Result<()> {
        let mut callbacks = std::mem::take(&mut self.callbacks);
        let told = callbacks
            .iter_mut()
            .try_for_each(|callback| tell(&mut **callback, self).map_err(|error| error.context(callback.name())));
        self.callbacks = callbacks;
        told
    }
}
