//! From the losses of samples to what training makes small, with weights.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::indices::out_of_range;

/// How the losses of samples become one number, under Keras' names.
///
/// Losses that do not count, such as those of an ignored class, are 0 and no part of a divisor. A
/// divisor of 0 gives 0. A sample of weight 0 adds nothing to sums and gradients, even if its loss is NaN or infinite.
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
    /// Losses `[…]` of which those count where `counted`, of the same shape, is true, all without
    /// it; and weights as [`aligned`] wants them, 1 without them.
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

/// The losses, with 0 in place of those that are NaN or infinite but have weight 0 or do not count.
///
/// A product with 0 is not enough, nor is one that takes 0 · ∞ for 0: the derivatives of such a loss are NaN or infinite
/// too, and 0 times these is NaN in the gradients of predictions. So `again` computes the losses of targets and
/// predictions in which those samples are 0, given the function that puts the zeros there. It runs only if there are
/// such samples. `weights` are [`aligned`].
pub(super) fn effective(
    losses: Tensor,
    counted: Option<&Tensor>,
    weights: Option<&Tensor>,
    again: impl FnOnce(&dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    if counted.is_none() && weights.is_none() || losses.all_finite() {
        return Ok(losses);
    }
    let mut absent = Tensor::full_of([], 0.0, DType::Bool);
    if let Some(weights) = weights {
        absent = absent.logical_or(&weights.equal(0)?)?;
    }
    if let Some(counted) = counted {
        absent = absent.logical_or(&counted.logical_not()?)?;
    }
    let absent = losses.isfinite().logical_not()?.logical_and(&absent)?;
    if !absent.to_vec::<bool>()?.contains(&true) {
        return Ok(losses);
    }
    let losses = again(&|x| {
        if !x.shape().starts_with(losses.shape()) {
            return Ok(x.clone());
        }
        let below = std::iter::repeat_n(1, x.rank() - losses.rank());
        let absent = absent.reshape(losses.shape().iter().copied().chain(below).collect::<Shape>())?;
        absent.select(Tensor::full_of([], 0.0, x.dtype()), x)
    })?;
    absent.select(0.0, losses)
}

fn quotient(total: Tensor, divisor: Tensor) -> Result<Tensor> {
    if divisor.item()? == 0.0 { total.try_mul(0.0) } else { total.try_div(divisor) }
}

/// Weights in a shape and type that multiply losses `[…]`: a weight for each loss, or for each entry
/// of the leading axes, which counts for all losses below it. Last axes of size 1 are ignored.
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

/// What errors call the weights of classes.
pub(super) const CLASS_WEIGHTS: &str = "class_weights";

/// The weight of the class of each sample, in the type of the losses: targets are class numbers in
/// the shape of the losses (or with a last axis of size 1), or rows of one number a class beside
/// them, of which the largest decides. Losses that do not count get the weight of class 0.
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
            let message = format!("class {label} {place} has none; there are {classes}, for the classes from 0 on");
            Error::argument(CLASS_WEIGHTS, message)
        })
    })
}
