//! Losses of how far two masks overlap, for segmentation.

use tensor::{IntoIntegers, Result, Tensor};

use super::checks::{EPSILON, checked_loss, match_targets};
use super::loss::Loss;

/// `1 - 2 Σ t p / (Σ t + Σ p + 1e-7)` over all elements (Milletari et al. 2016, without their squares):
/// targets and predictions from 0 to 1, of one shape, give a scalar. As in Keras, two empty masks
/// give 1.
///
/// # Errors
/// If shapes or types do not fit, or there is no sample.
#[track_caller]
pub fn dice(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
    Dice::default().loss(targets, predictions)
}

/// `1 - Σ t p / (Σ t p + alpha Σ t (1 - p) + beta Σ (1 - t) p + 1e-7)` over all elements (Salehi et al.
/// 2017): targets and predictions from 0 to 1, of one shape, give a scalar. As in Keras, alpha weighs
/// what the prediction misses and beta what it adds (the paper has them the other way round); both
/// one half make it the Dice loss. Two empty masks give 1.
///
/// # Errors
/// If shapes or types do not fit, or there is no sample.
#[track_caller]
pub fn tversky(targets: &Tensor, predictions: &Tensor, alpha: f64, beta: f64) -> Result<Tensor> {
    Tversky::new(alpha, beta).loss(targets, predictions)
}

/// [`dice`] as a [`Loss`]: over all elements by default.
#[derive(Clone, Debug, Default)]
pub struct Dice {
    axes: Option<Vec<isize>>,
}

impl Dice {
    /// Over these axes alone: `[1, 2, 3]` gives one loss for each of a batch of images.
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

    fn has_finite_derivatives(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        "dice"
    }
}

/// [`tversky`] as a [`Loss`]: over all elements, with alpha and beta one half by default.
#[derive(Clone, Debug)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    axes: Option<Vec<isize>>,
}

impl Tversky {
    /// With a given weight `alpha` of what a prediction misses and `beta` of what it adds.
    pub fn new(alpha: f64, beta: f64) -> Tversky {
        Tversky { alpha, beta, axes: None }
    }

    /// Over these axes alone: `[1, 2, 3]` gives one loss for each of a batch of images.
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

    fn has_finite_derivatives(&self) -> bool {
        true
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
