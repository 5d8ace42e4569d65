//! Losses without settings: a table with one row per loss, which gives a function and an object.

/// A row has the documentation, the name of the function, the name of the object, and the formula of the losses for
/// targets, which have the shape and type of the predictions, and predictions. `logits: true` marks losses of scores
/// whose sign decides.
macro_rules! plain_losses {
    ($($(#[doc = $doc:literal])+ $function:ident $object:ident |$t:ident, $p:ident| $losses:expr $(, logits: $logits:literal)?;)*) => {$(
        $(#[doc = $doc])+
        ///
        /// Targets and predictions `[…, n]` give `[…]`.
        ///
        /// # Errors
        /// Returns an error if shapes or types do not fit, or there are no samples.
        #[track_caller]
        pub fn $function(targets: &tensor::Tensor, predictions: &tensor::Tensor) -> tensor::Result<tensor::Tensor> {
            $crate::losses::checks::checked_loss(stringify!($function), targets, predictions, || {
                let ($t, $p) = (&$crate::losses::checks::match_targets(targets, predictions)?, predictions);
                $losses
            })
        }

        #[doc = concat!("[`", stringify!($function), "`] as a [`Loss`](super::Loss).")]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $object;

        impl $crate::losses::loss::Loss for $object {
            #[track_caller]
            fn loss(&self, targets: &tensor::Tensor, predictions: &tensor::Tensor) -> tensor::Result<tensor::Tensor> {
                $function(targets, predictions)
            }

            fn takes_logits(&self) -> bool {
                false $(|| $logits)?
            }

            fn name(&self) -> &str {
                stringify!($function)
            }
        }
    )*};
}

pub(super) use plain_losses;
