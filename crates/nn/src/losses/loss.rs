//! The trait of all losses.

use tensor::{Result, Tensor};

use super::class_weighted::ClassWeighted;
use super::reduction::{Reduction, Weighting, aligned};

/// Measures how far predictions are from targets. Every function or closure of targets and predictions is a loss. (A
/// boxed loss is not, because a box could also be such a function: wrap it in a closure.)
///
/// ```
/// use nn::{Loss, mean_squared_error};
/// use tensor::{Result, Tensor, tensor};
///
/// fn doubled(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
///     mean_squared_error(targets, predictions)?.try_mul(2)
/// }
///
/// let (targets, predictions) = (tensor![[1.0], [2.0]], tensor![[1.0], [4.0]]);
/// assert_eq!(doubled.loss(&targets, &predictions)?.to_vec::<f32>()?, [0.0, 8.0]);
/// assert_eq!(doubled.mean(&targets, &predictions)?.item()?, 4.0);
/// # Ok::<(), tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss",
    label = "expected a loss such as `MeanSquaredError` or `SparseCategoricalCrossentropy::default()`",
    note = "functions and closures `Fn(&Tensor, &Tensor) -> Result<Tensor>` of targets and predictions are losses",
    note = "a boxed loss is not: wrap it in a closure `move |targets: &Tensor, predictions: &Tensor| loss.loss(targets, predictions)`"
)]
pub trait Loss: Send + Sync {
    /// The loss of each sample.
    ///
    /// # Errors
    /// Returns an error if shapes or types do not fit.
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor>;

    /// Which of the losses that [`Loss::loss`] returned for these targets count in a mean: a bool tensor of their shape,
    /// or `None` if all of them do.
    ///
    /// # Errors
    /// Returns an error if the targets do not fit the losses.
    fn counted(&self, _targets: &Tensor, _losses: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Whether all derivatives are finite where the loss is finite, as they are by default. Those of `√|error|`, for example,
    /// are not: at an error of 0 the derivative is infinite. If this is false, [`Loss::reduce`] computes the loss a second
    /// time when samples have weight 0, without gradients for these samples; the loss of a sample must then not depend on
    /// other samples.
    fn has_finite_derivatives(&self) -> bool {
        true
    }

    /// Multiplies the losses by the weights of their samples and reduces them. Weights have the shape of the losses or
    /// of its leading axes; without them all are 1. A sample of weight 0 contributes neither to the result nor to
    /// gradients, even if its loss is NaN or infinite (see [`Loss::has_finite_derivatives`]). Its label must still be a class.
    ///
    /// ```
    /// # use nn::{Loss, MeanSquaredError, Reduction};
    /// # use tensor::tensor;
    /// let (targets, predictions) = (tensor![[1.0], [2.0]], tensor![[2.0], [4.0]]);
    /// let weights = tensor![3.0, 1.0];
    /// let loss = |reduction| MeanSquaredError.reduce(&targets, &predictions, Some(&weights), reduction)?.item();
    /// assert_eq!(loss(Reduction::Sum)?, 3.0 * 1.0 + 1.0 * 4.0);
    /// assert_eq!(loss(Reduction::SumOverBatchSize)?, 7.0 / 2.0);
    /// assert_eq!(loss(Reduction::MeanWithSampleWeight)?, 7.0 / 4.0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns the errors of [`Loss::loss`], and an error if the weights do not fit the losses.
    fn reduce(
        &self,
        targets: &Tensor,
        predictions: &Tensor,
        sample_weights: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let losses = self.loss(targets, predictions)?;
        let counted = self.counted(targets, &losses)?;
        let weights = sample_weights.map(|weights| aligned(weights, &losses)).transpose();
        let weights = weights.map_err(|error| error.context(self.name()))?;
        let (counted, weights) = (counted.as_ref(), weights.as_ref());
        let weighting = Weighting { counted, weights, finite_derivatives: self.has_finite_derivatives() };
        let losses = weighting.effective(losses, |detached| self.loss(&detached(targets)?, &detached(predictions)?))?;
        reduction.apply(losses, counted, weights).map_err(|error| error.context(self.name()))
    }

    /// The mean over all samples that count, a scalar: what training minimizes.
    ///
    /// # Errors
    /// Returns the errors of [`Loss::loss`].
    fn mean(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self.reduce(targets, predictions, None, Reduction::SumOverBatchSize)
    }

    /// This loss with a weight for each class, starting with class 0. Targets are class numbers, one per loss, or rows
    /// with a number per class, of which the largest determines the class.
    ///
    /// ```
    /// # use nn::{Loss, SparseCategoricalCrossentropy};
    /// # use tensor::tensor;
    /// let loss = SparseCategoricalCrossentropy::from_logits().class_weights([1.0, 10.0]);
    /// let losses = loss.loss(&tensor![0, 1], &tensor![[2.0, 2.0], [2.0, 2.0]])?.to_vec::<f32>()?;
    /// assert_eq!(losses[1], 10.0 * losses[0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// As in Keras, they act as weights of samples, so they do not change the divisor of the [mean](Loss::mean).
    /// [`Reduction::MeanWithSampleWeight`] divides by their sum, as PyTorch does. [`Loss::loss`] returns an error for a
    /// class without a weight.
    fn class_weights(self, weights: impl Into<Vec<f64>>) -> ClassWeighted<Self>
    where
        Self: Sized,
    {
        ClassWeighted::new(self, weights.into())
    }

    /// Whether predictions are logits, or other scores whose sign decides, rather than probabilities. A trainer tells
    /// its metrics, so that those with a threshold use 0 instead of 0.5. False by default, also for closures.
    fn takes_logits(&self) -> bool {
        false
    }

    /// The loss's name in errors and histories.
    fn name(&self) -> &str {
        "loss"
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> Loss for F {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self(targets, predictions)
    }
}
