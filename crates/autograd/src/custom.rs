//! User-defined operations with user-defined gradients.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use tensor::ops::apply;
use tensor::recorder::is_watched;
use tensor::{Error, Op, Result, Tensor};

use crate::captures::{Captures, find_captures, is_listening};
use crate::recorder::is_any_running;
use crate::variable::name_of;

pub use tensor::ops::CustomOp;

/// Applies a user-defined operation. Tapes show it by its name and call its `backward`.
///
/// The gradient need not be that of the forward function. Common examples are a straight-through estimator, which
/// rounds and passes the gradient as if it had not, and gradient reversal, which changes the sign of the gradient. To
/// pass no gradient at all, use the method `stop_gradient` of [`Tensor`].
///
/// The operands must include everything that a gradient is needed for: `backward` has no gradient for a variable or
/// watched tensor that `forward` takes from elsewhere.
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
/// Returns the error of `forward`. Returns an error if `forward` uses a variable, or a value, that is not an operand and
/// that a tape of this thread watches.
#[track_caller]
pub fn custom(operation: impl CustomOp + 'static, inputs: &[&Tensor]) -> Result<Tensor> {
    if !is_any_running() {
        return apply(Op::Custom(Arc::new(operation)), inputs);
    }
    let place = Location::caller();
    let observed = Arc::new(Observed { operation, captures: Mutex::default() });
    let output = apply(Op::Custom(observed.clone()), inputs)?;
    observed.check_captures().map_err(|error| error.at(place))?;
    Ok(output)
}

/// A user-defined operation, and what its `forward` depended on besides the operands.
struct Observed<O> {
    operation: O,
    captures: Mutex<Captures>,
}

impl<O: CustomOp> Observed<O> {
    fn check_captures(&self) -> Result<()> {
        let Captures { reads, values, .. } =
            std::mem::take(&mut *self.captures.lock().unwrap_or_else(PoisonError::into_inner));
        for value in reads.iter().chain(&values) {
            if is_watched(value) {
                return Err(self.captured(value));
            }
            if is_listening() {
                // A tape outside may watch it: the function around this operation depends on it too.
                value.reshape(value.shape())?;
            }
        }
        Ok(())
    }

    fn captured(&self, value: &Tensor) -> Error {
        let id = value.value_id();
        let (what, remedy) = match (id.leaf(), id.origin()) {
            (Some((variable, _)), _) => {
                let remedy = "as in `&w.value()`, or use `w.value().stop_gradient()` as a constant";
                (name_of(variable), remedy)
            }
            (None, origin) => {
                let origin = match origin {
                    Some((variable, _)) => format!("computed from {}", name_of(variable)),
                    None => "that a tape watches".to_string(),
                };
                (format!("a tensor of shape {} {origin}", value.shape()), "or use its `stop_gradient()` as a constant")
            }
        };
        Error::argument(
            self.name(),
            format!(
                "uses {what}, which is not an operand, so the gradient for it would be lost; pass it as an operand, \
                 {remedy}"
            ),
        )
    }
}

impl<O: fmt::Debug> fmt::Debug for Observed<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation.fmt(f)
    }
}

impl<O: CustomOp> CustomOp for Observed<O> {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let forward = |inputs: &[Tensor]| self.operation.forward(&inputs.iter().collect::<Vec<_>>());
        let (output, captures) = find_captures(forward, inputs)?;
        *self.captures.lock().unwrap_or_else(PoisonError::into_inner) = captures;
        Ok(output)
    }

    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        self.operation.backward(inputs, output, gradient)
    }
}
