//! Weights and reductions of the losses of samples.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::indices::out_of_range;

/// How the losses of samples become one number, under Keras' names.
///
/// Ignored losses, such as those of an ignored class, are 0 and do not contribute to a divisor. If the divisor
/// is 0, the result is 0. A sample of weight 0 contributes nothing to sums and gradients, even if its loss is NaN or
/// infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// The weighted losses themselves.
    None,
    /// Their sum.
    Sum,
    /// Their sum over the number of losses that count, whatever the weights: the mean.
    #[default]
    SumOverBatchSize,
    /// Their sum over the sum of the weights of those that count.
    MeanWithSampleWeight,
}

impl Reduction {
    /// Reduces losses `[…]`. Those count where `counted`, of the same shape, is true; without it all do. Weights are
    /// arguments of [`aligned`]; without them all are 1.
    pub(super) fn apply(self, losses: Tensor, counted: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
        let weights = weights.map(|weights| aligned(weights, &losses)).transpose()?;
        let counting = |x: Tensor| match counted {
            Some(counted) => counted.select(&x, 0.0),
            None => Ok(x),
        };
        let weighted = counting(match &weights {
            Some(weights) => losses.try_mul(weights)?,
            None => losses,
        })?;
        match (self, counted, weights) {
            (Reduction::None, ..) => Ok(weighted),
            (Reduction::Sum, ..) => Ok(weighted.sum()),
            (Reduction::MeanWithSampleWeight, _, Some(weights)) => {
                quotient(weighted.sum(), counting(weights.expand(weighted.shape())?)?.sum())
            }
            (_, Some(counted), _) => quotient(weighted.sum(), counted.sum().cast(weighted.dtype())),
            (_, None, _) => Ok(weighted.mean()),
        }
    }
}

/// The samples that count, for [`effective`](Weighting::effective) losses.
pub(super) struct Weighting<'t> {
    /// Bool, in the shape of the losses; `None` if all count.
    pub(super) counted: Option<&'t Tensor>,
    /// As [`aligned`] returns them; `None` if all are 1.
    pub(super) weights: Option<&'t Tensor>,
    /// [`Loss::has_finite_derivatives`](super::Loss::has_finite_derivatives).
    pub(super) finite_derivatives: bool,
}

impl Weighting<'_> {
    /// The losses, in which samples that do not count contribute neither NaN nor infinity to values and gradients.
    ///
    /// It is not enough to multiply a loss by 0, or to replace it by 0: if a derivative of the loss is NaN or infinite,
    /// its product with a gradient of 0 is NaN. So `again` computes the losses a second time, from targets and
    /// predictions that the given function detaches: samples that do not count get no gradient there, and zeros in
    /// place of their values if their loss is not finite. `again` runs only if there are such samples.
    pub(super) fn effective(
        &self,
        losses: Tensor,
        again: impl FnOnce(&dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.counted.is_none() && self.weights.is_none() || self.finite_derivatives && losses.all_finite() {
            return Ok(losses);
        }
        let non_finite = losses.isfinite().logical_not()?;
        let mut excluded = Tensor::full_of(losses.shape(), 0.0, DType::Bool);
        if let Some(weights) = self.weights {
            excluded = excluded.logical_or(&weights.equal(0)?)?;
        }
        if let Some(counted) = self.counted {
            excluded = excluded.logical_or(&counted.logical_not()?)?;
        }
        if self.finite_derivatives {
            excluded = excluded.logical_and(&non_finite)?;
        }
        if !excluded.to_vec::<bool>()?.contains(&true) {
            return Ok(losses);
        }
        let losses = again(&|x| {
            if !x.shape().starts_with(losses.shape()) {
                return Ok(x.clone());
            }
            let ones = std::iter::repeat_n(1, x.rank() - losses.rank());
            let shape: Shape = losses.shape().iter().copied().chain(ones).collect();
            let values = non_finite.reshape(&shape)?.select(Tensor::full_of([], 0.0, x.dtype()), x.stop_gradient())?;
            excluded.reshape(&shape)?.select(values, x)
        })?;
        // A finite loss keeps its value, which is the gradient of its weight.
        excluded.logical_and(&non_finite)?.select(0.0, losses)
    }
}

fn quotient(total: Tensor, divisor: Tensor) -> Result<Tensor> {
    if divisor.item()? == 0.0 { total.try_mul(0.0) } else { total.try_div(divisor) }
}

/// Weights in a shape and type that multiply losses `[…]`: a weight for each loss, or for each entry of the leading
/// axes, which applies to all losses of that entry. Trailing axes of size 1 are ignored.
pub(super) fn aligned(weights: &Tensor, losses: &Tensor) -> Result<Tensor> {
    let (shape, dtype) = (weights.shape(), losses.dtype());
    if weights.dtype().is_float() && weights.dtype() != dtype {
        return Err(Error::dtypes("weights and losses", weights.dtype(), dtype));
    }
    let significant = shape.iter().rposition(|&size| size != 1).map_or(0, |last| last + 1);
    let leading = &shape[..significant];
    if !losses.shape().starts_with(leading) {
        let expected = format!("must be that of the losses, {}, or of its leading axes", losses.shape());
        return Err(Error::shape("weights", shape, expected));
    }
    let mut sizes = leading.to_vec();
    sizes.resize(losses.rank(), 1);
    weights.cast(dtype).reshape(&sizes[..])
}

/// The name of class weights in errors.
pub(super) const CLASS_WEIGHTS: &str = "class_weights";

/// The weight of each sample's class, in the type of the losses. Targets are class numbers in the shape of the losses
/// (or with a last axis of size 1), or rows with one number per class, of which the largest determines the class. Losses
/// that do not count get the weight of class 0.
pub(super) fn of_classes(
    weights: &[f64],
    targets: &Tensor,
    losses: &Tensor,
    counted: Option<&Tensor>,
) -> Result<Tensor> {
    let classes = weights.len();
    let labels = if targets.size() == losses.size() {
        targets.round().cast(DType::I64).reshape(losses.shape())?
    } else {
        match targets.shape().split_last() {
            Some((&width, rest)) if *rest == losses.shape()[..] => {
                if width != classes {
                    let message = format!("targets of {width} classes need as many weights, not {classes}");
                    return Err(Error::argument(CLASS_WEIGHTS, message));
                }
                targets.argmax_axis(-1)?
            }
            _ => {
                let expected = format!("must be {} for class numbers, or that and {classes} for rows", losses.shape());
                return Err(Error::shape("targets", targets.shape(), expected).context(CLASS_WEIGHTS));
            }
        }
    };
    let labels = match counted {
        Some(counted) => counted.select(&labels, 0)?,
        None => labels,
    };
    let weights = Tensor::from_vec(weights.to_vec(), [classes])?.cast(losses.dtype());
    weights.take(&labels, 0).map_err(|error| {
        out_of_range(error, &labels, |label, place| {
            let message =
                format!("class {label} {place} has no weight; there are {classes} weights, starting with class 0");
            Error::argument(CLASS_WEIGHTS, message)
        })
    })
}
