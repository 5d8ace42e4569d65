//! Operations with gradients of a user's own.

use std::sync::Arc;

use tensor::ops::apply;
use tensor::{Op, Result, Tensor};

pub use tensor::ops::CustomOp;

/// Applies a user-defined operation. Tapes show it under its name and call its `backward`.
///
/// The gradient need not be that of the forward function. Three that are not, in common use:
/// `stop_gradient` (a method of [`Tensor`]) passes none; a straight-through estimator rounds and
/// passes the gradient as if it had not; gradient reversal turns its sign.
///
/// ```
/// use autograd::{CustomOp, GradientTape, Result, custom};
/// use tensor::{Tensor, tensor};
///
/// #[derive(Debug)]
/// struct StraightThroughRound;
///
/// impl CustomOp for StraightThroughRound {
///     fn name(&self) -> &str {
///         "straight_through_round"
///     }
///
///     fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
///         Ok(inputs[0].round())
///     }
///
///     fn backward(&self, _: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
///         Ok(vec![Some(gradient.clone())])
///     }
/// }
///
/// #[derive(Debug)]
/// struct ReverseGradient;
///
/// impl CustomOp for ReverseGradient {
///     fn name(&self) -> &str {
///         "reverse_gradient"
///     }
///
///     fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
///         Ok(inputs[0].clone())
///     }
///
///     fn backward(&self, _: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
///         Ok(vec![Some(gradient.try_neg()?)])
///     }
/// }
///
/// let x = tensor![0.4, 1.6];
/// let tape = GradientTape::persistent();
/// tape.watch(&x);
/// let rounded = custom(StraightThroughRound, &[&x])?;
/// let reversed = custom(ReverseGradient, &[&x])?;
/// assert_eq!(rounded.to_vec::<f32>()?, [0.0, 2.0]);
/// assert_eq!(tape.gradient(&rounded, &x)?.to_vec::<f32>()?, [1.0, 1.0]);
/// assert_eq!(tape.gradient(&reversed, &x)?.to_vec::<f32>()?, [-1.0, -1.0]);
/// assert!(tape.to_string().contains("reverse_gradient(%0)"));
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// # Errors
/// What the operation's `forward` returns.
#[track_caller]
pub fn custom(operation: impl CustomOp + 'static, inputs: &[&Tensor]) -> Result<Tensor> {
    apply(Op::Custom(Arc::new(operation)), inputs)
}
