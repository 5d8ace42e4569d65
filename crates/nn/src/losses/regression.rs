//! Losses of the difference between prediction and target: the mean over the last axis of one
//! function of it.

use tensor::{Error, Result, Tensor};

use super::{Loss, alike, named};

/// The mean over the last axis of `f(prediction - target)`.
fn of_difference(
    name: &str,
    targets: &Tensor,
    predictions: &Tensor,
    f: impl FnOnce(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    named(name, targets, predictions, || f(predictions.try_sub(&alike(targets, predictions)?)?)?.mean_axes(-1))
}

/// Rows: function, object and function of the difference, with documentation.
macro_rules! losses_without_settings {
    ($($(#[doc = $doc:literal])+ $function:ident $object:ident |$d:ident| $f:expr;)*) => {$(
        $(#[doc = $doc])+
        /// The mean is over the last axis: targets and predictions `[…, n]` give `[…]`.
        ///
        /// # Errors
        /// If shapes or types do not fit, or there is no sample.
        pub fn $function(targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
            of_difference(stringify!($function), targets, predictions, |$d| $f)
        }

        #[doc = concat!("[`", stringify!($function), "`] as a [`Loss`].")]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $object;

        impl Loss for $object {
            fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
                $function(targets, predictions)
            }

            fn name(&self) -> &str {
                stringify!($function)
            }
        }
    )*};
}

losses_without_settings! {
    /// The mean of `d²`, d being prediction less target.
    mean_squared_error MeanSquaredError |d| Ok(d.square());
    /// The mean of `|d|`, d being prediction less target; its derivative at 0 is 0.
    mean_absolute_error MeanAbsoluteError |d| Ok(d.abs());
    /// The mean of `ln cosh d`, d being prediction less target: `d²/2` for small differences and
    /// `|d| - ln 2` for large ones, without overflow.
    log_cosh LogCosh |d| {
        // ln cosh d = d + softplus(-2d) - ln 2
        d.try_add(d.try_mul(-2)?.softplus())?.try_sub(std::f64::consts::LN_2)
    };
}

/// The mean of `d²/2` where `|d| < delta` and `delta (|d| - delta/2)` elsewhere, d being prediction
/// less target (Huber 1964).
/// The mean is over the last axis: targets and predictions `[…, n]` give `[…]`.
///
/// # Errors
/// If shapes or types do not fit, there is no sample, or `delta` is not positive.
pub fn huber(targets: &Tensor, predictions: &Tensor, delta: f64) -> Result<Tensor> {
    of_difference("huber", targets, predictions, |d| {
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::argument("delta", format!("{delta:?} must be positive")));
        }
        let size = d.abs();
        let linear = size.try_sub(delta / 2.0)?.try_mul(delta)?;
        size.less(delta)?.select(d.square().try_mul(0.5)?, linear)
    })
}

/// [`huber`] as a [`Loss`]; `delta` is 1 by default.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// With a given width of the quadratic part, in the unit of the predictions.
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
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        huber(targets, predictions, self.delta)
    }

    fn name(&self) -> &str {
        "huber"
    }
}
