//! Recording a function, and its gradients.

use tensor::{Error, Result, Tensor};

use super::inputs::Inputs;
use crate::gradients::{GradientOptions, Unconnected};
use crate::tape::{GradientTape, PersistentTape};

/// The inputs with new identities, by a reshape to their own shape. Tapes that already run record the reshape. A new tape
/// can tell the inputs from the same tensors captured by the function.
pub(super) fn with_new_ids<I: Inputs + ?Sized>(inputs: &I, operation: &str) -> Result<Vec<Tensor>> {
    let renew = |(k, x): (usize, &Tensor)| {
        if !x.dtype().is_float() {
            let expected = format!(
                "a floating type, as input {k} must be; cast it, as in `x.cast(DType::F32)`, or let the function capture it"
            );
            return Err(Error::dtype(operation, x.dtype(), expected));
        }
        x.reshape(x.shape())
    };
    inputs.tensors().iter().enumerate().map(renew).collect()
}

/// Calls `f` with these tensors.
fn call<I: Inputs + ?Sized>(f: impl FnOnce(&I) -> Result<Tensor>, x: &[Tensor]) -> Result<Tensor> {
    f(I::borrow(&I::arrange(x.to_vec())?))
}

/// Records `f`. Returns the tape and the value.
pub(super) fn record<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    x: &[Tensor],
) -> Result<(PersistentTape, Tensor)> {
    let tape = GradientTape::persistent();
    x.iter().for_each(|x| tape.watch(x));
    let y = call(f, x)?;
    tape.stop();
    Ok((tape, y))
}

/// The value and the gradients of `f`, whose value must have one element.
pub(super) fn scalar_value_and_gradients<I: Inputs + ?Sized>(
    f: impl FnOnce(&I) -> Result<Tensor>,
    x: &[Tensor],
    operation: &str,
    unconnected: Unconnected,
) -> Result<(Tensor, Vec<Tensor>)> {
    let tape = GradientTape::new();
    x.iter().for_each(|x| tape.watch(x));
    let y = call(f, x)?;
    if y.size() != 1 {
        let expected = "the function must return one number; take the sum, or use `jacobian`";
        return Err(Error::shape(operation, y.shape(), expected));
    }
    let options = GradientOptions::default().unconnected(unconnected);
    let gradients = tape.gradient_with(&y, x, options).map_err(|error| error.context(operation))?;
    Ok((y, gradients))
}

/// `Jᵀu` for the value of a recorded function; zeros for an input that it does not depend on.
pub(super) fn pull_back(tape: &PersistentTape, y: &Tensor, x: &[Tensor], u: &Tensor) -> Result<Vec<Tensor>> {
    let options = GradientOptions::default().output_gradient(u).unconnected(Unconnected::Zeros);
    tape.gradient_with(y, x, options)
}
