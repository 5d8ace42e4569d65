//! Losses that measure the overlap of two masks, for segmentation.

use tensor::{IntoIntegers, Result, Tensor};

use super::checks::{EPSILON, checked_loss, match_targets};
use super::loss::Loss;

/// `1 - 2 Σ t p / (Σ t + Σ p + 1e-7)` over all elements (Milletari et al. 2016, without the squares):
/// targets and predictions from 0 to 1, of one shape, give a scalar. As in Keras, two empty masks
/// give 1.
///
/// # Errors
/// Returns an error if shapes or types do not fit, or there are no samples.
#[track_caller]
pub fn dice(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    Dice::default().loss(targets, predictions)
}

/// `1 - Σ t p / (Σ t p + alpha Σ t (1 - p) + beta Σ (1 - t) p + 1e-7)` over all elements (Salehi et al.
/// 2017): targets and predictions from 0 to 1, of one shape, give a scalar. As in Keras, alpha weights
/// false negatives and beta false positives (the paper has them the other way round). With both one half it is the Dice
/// loss. Two empty masks give 1.
///
/// # Errors
/// Returns an error if shapes or types do not fit, or there are no samples.
#[track_caller]
pub fn tversky(targets: &Tensor, predictions: &Tensor, alpha: f64, beta: f64) -> Result<Tensor> {
    Tversky::new(alpha, beta).loss(targets, predictions)
}

/// [`dice`] as a [`Loss`], by default over all elements.
#[derive(Clone, Debug, Default)]
pub struct Dice {
    axes: Option<Vec<isize>>,
}

impl Dice {
    /// Sums over these axes only: `[1, 2, 3]` gives one loss for each image of a batch.
    #[must_use]
    pub fn axes(self, axes: impl IntoIntegers) -> Dice {
        Dice { axes: Some(axes.into_integers().into_vec()) }
    }
}

impl Loss for Dice {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(self.name(), targets, predictions, || {
            let t = match_targets(targets, predictions)?;
            let sum = |x: &Tensor| sum_over(x, self.axes.as_deref());
            let sizes = sum(&t)?.try_add(sum(predictions)?)?.try_add(EPSILON)?;
            Ok(1.0 - sum(&t.try_mul(predictions)?)?.try_mul(2.0)?.try_div(sizes)?)
        })
    }

    fn name(&self) -> &str {
        "dice"
    }
}

/// [`tversky`] as a [`Loss`], by default over all elements with alpha and beta one half.
#[derive(Clone, Debug)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    axes: Option<Vec<isize>>,
}

impl Tversky {
    /// With the weights `alpha` of false negatives and `beta` of false positives.
    pub fn new(alpha: f64, beta: f64) -> Tversky {
        Tversky { alpha, beta, axes: None }
    }

    /// Sums over these axes only: `[1, 2, 3]` gives one loss for each image of a batch.
    #[must_use]
    pub fn axes(self, axes: impl IntoIntegers) -> Tversky {
        Tversky { axes: Some(axes.into_integers().into_vec()), ..self }
    }
}

impl Default for Tversky {
    fn default() -> Tversky {
        Tversky::new(0.5, 0.5)
    }
}

impl Loss for Tversky {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(self.name(), targets, predictions, || {
            let t = match_targets(targets, predictions)?;
            let sum = |x: &Tensor| sum_over(x, self.axes.as_deref());
            let common = sum(&t.try_mul(predictions)?)?;
            let missed = sum(&t.try_mul(1.0 - predictions)?)?.try_mul(self.alpha)?;
            let added = sum(&(1.0 - &t).try_mul(predictions)?)?.try_mul(self.beta)?;
            Ok(1.0 - common.try_div(common.try_add(missed)?.try_add(added)?.try_add(EPSILON)?)?)
        })
    }

    fn name(&self) -> &str {
        "tversky"
    }
}

/// The sum over some axes, or over all.
fn sum_over(x: &Tensor, axes: Option<&[isize]>) -> Result<Tensor> {
    match axes {
        Some(axes) => x.sum_axis(axes),
        None => Ok(x.sum()),
    }
}
