//! Regression losses: means over the last axis of a function of target and prediction.

use tensor::{Error, Result, Tensor};

use super::checks::{EPSILON, checked_loss, match_targets};
use super::loss::Loss;
use super::plain::plain_losses;

plain_losses! {
    /// The mean of `(p - t)²` over the last axis.
    mean_squared_error MeanSquaredError |t, p| p.try_sub(t)?.square().mean_axis(-1);
    /// The mean of `|p - t|` over the last axis; the derivative is 0 where both are equal.
    mean_absolute_error MeanAbsoluteError |t, p| p.try_sub(t)?.abs().mean_axis(-1);
    /// The mean of `100 |p - t| / max(|t|, 1e-7)` over the last axis, in percent; the derivative is 0 where
    /// both are equal.
    mean_absolute_percentage_error MeanAbsolutePercentageError |t, p| {
        let relative = p.try_sub(t)?.abs().try_div(t.abs().clamp(EPSILON, None)?)?;
        relative.mean_axis(-1)?.try_mul(100.0)
    };
    /// The mean of `(ln(1 + p) - ln(1 + t))²` over the last axis. As in Keras, values below 1e-7,
    /// such as negative ones, are replaced by 1e-7 and get no gradient.
    mean_squared_logarithmic_error MeanSquaredLogarithmicError |t, p| {
        let logarithm = |x: &Tensor| Ok::<_, Error>(x.clamp(EPSILON, None)?.log1p());
        logarithm(p)?.try_sub(logarithm(t)?)?.square().mean_axis(-1)
    };
    /// The mean of `ln cosh(p - t)` over the last axis: `d²/2` for small differences d and
    /// `|d| - ln 2` for large ones, without overflow.
    log_cosh LogCosh |t, p| {
        // ln cosh d = d + softplus(-2d) - ln 2
        let d = p.try_sub(t)?;
        d.try_add(d.try_mul(-2)?.softplus())?.try_sub(std::f64::consts::LN_2)?.mean_axis(-1)
    };
    /// The mean of `p - t ln(p + 1e-7)` over the last axis: the negative log-likelihood of
    /// counts t under Poisson distributions with rates p, without the term `ln t!`. It may be negative, and is NaN for
    /// negative rates.
    poisson Poisson |t, p| p.try_sub(t.try_mul(p.try_add(EPSILON)?.log())?)?.mean_axis(-1);
}

/// The mean of `d²/2` where `|d| < delta` and `delta (|d| - delta/2)` elsewhere, where d is the
/// prediction minus the target (Huber 1964). The mean is over the last axis: targets and predictions `[…, n]` give `[…]`.
///
/// # Errors
/// Returns an error if shapes or types do not fit, there are no samples, or `delta` is not positive.
#[track_caller]
pub fn huber(targets: &Tensor, predictions: &Tensor, delta: f64) -> Result<Tensor> {
    checked_loss("huber", targets, predictions, || {
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::argument("delta", format!("{delta:?} must be positive")));
        }
        let d = predictions.try_sub(&match_targets(targets, predictions)?)?;
        let size = d.abs();
        let linear = size.try_sub(delta / 2.0)?.try_mul(delta)?;
        size.less(delta)?.select(d.square().try_mul(0.5)?, linear)?.mean_axis(-1)
    })
}

/// [`huber`] as a [`Loss`]; `delta` is 1 by default.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// With this half-width of the quadratic part, in the unit of the predictions.
    pub fn new(delta: f64) -> Huber {
        Huber { delta }
    }
}

impl Default for Huber {
    fn default() -> Huber {
        Huber::new(1.0)
    }
}

impl Loss for Huber {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        huber(targets, predictions, self.delta)
    }

    fn name(&self) -> &str {
        "huber"
    }
}
