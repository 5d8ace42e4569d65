//! `+ - * /` and unary minus, between tensors, references and numbers.
//!
//! They panic with the error message where their fallible forms (`try_add`, …) return an error.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::operand::{Number, Operand};
use crate::ops::apply::apply;
use crate::ops::{Binary, Unary};
use crate::tensor::Tensor;

/// Unwraps the result of an operator. Panics with the error message.
#[track_caller]
fn unwrap(result: crate::Result<Tensor>) -> Tensor {
    match result {
        Ok(tensor) => tensor,
        Err(error) => panic!("{error}"),
    }
}

/// `number ∘ tensor`.
fn reversed(number: Number, op: Binary, tensor: &Tensor) -> crate::Result<Tensor> {
    let dtype = if op == Binary::Div { tensor.dtype().to_float() } else { tensor.dtype() };
    let number = number.to_tensor(dtype, op.name())?;
    if dtype == tensor.dtype() { apply(op, &[&number, tensor]) } else { apply(op, &[&number, &tensor.cast(dtype)]) }
}

macro_rules! operator {
    ($($trait:ident $method:ident),*) => {$(
        impl<O: Operand> $trait<O> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: O) -> Tensor {
                unwrap(self.binary(Binary::$trait, other.argument()))
            }
        }

        impl<O: Operand> $trait<O> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: O) -> Tensor {
                unwrap(self.binary(Binary::$trait, other.argument()))
            }
        }

    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);

macro_rules! number_on_the_left {
    ($($trait:ident $method:ident $number:ty, $tensor:ty;)*) => {$(
        impl $trait<$tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, tensor: $tensor) -> Tensor {
                unwrap(reversed(self.into(), Binary::$trait, &tensor))
            }
        }
    )*};
}

number_on_the_left! {
    Add add f64, Tensor; Add add f64, &Tensor; Add add i64, Tensor; Add add i64, &Tensor;
    Sub sub f64, Tensor; Sub sub f64, &Tensor; Sub sub i64, Tensor; Sub sub i64, &Tensor;
    Mul mul f64, Tensor; Mul mul f64, &Tensor; Mul mul i64, Tensor; Mul mul i64, &Tensor;
    Div div f64, Tensor; Div div f64, &Tensor; Div div i64, Tensor; Div div i64, &Tensor;
}

impl Tensor {
    /// `-x`; the fallible form of the unary `-`. Integers wrap.
    ///
    /// # Errors
    /// Returns an error if the tensor is of type bool.
    #[track_caller]
    pub fn try_neg(&self) -> crate::Result<Tensor> {
        apply(Unary::Neg, &[self])
    }
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        unwrap(self.try_neg())
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}
