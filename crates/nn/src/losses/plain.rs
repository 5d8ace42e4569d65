//! Losses without settings: function and object from one row.

/// Rows: function, object, the losses of targets (brought to shape and type of the predictions) and predictions, and
/// `logits: true` for margins, whose sign decides; with documentation.
macro_rules! plain_losses {
    ($($(#[doc = $doc:literal])+ $function:ident $object:ident |$t:ident, $p:ident| $losses:expr $(, logits: $logits:literal)?;)*) => {$(
        $(#[doc = $doc])+
        ///
        /// Targets and predictions `[…, n]` give `[…]`.
        ///
        /// # Errors
        /// If shapes or types do not fit, or there is no sample.
        #[track_caller]
        pub fn $function(targets: &tensor::Tensor, predictions: &tensor::Tensor) -> tensor::Result<tensor::Tensor> {
            super::named(stringify!($function), targets, predictions, || {
                let ($t, $p) = (&super::alike(targets, predictions)?, predictions);
                $losses
            })
        }

        #[doc = concat!("[`", stringify!($function), "`] as a [`Loss`](super::Loss).")]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $object;

        impl super::Loss for $object {
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
