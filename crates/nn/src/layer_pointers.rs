//! References, boxes and shared pointers to layers are layers too.

use std::sync::Arc;

use tensor::{Result, Tensor};

use crate::layer::{Layer, Visitor};
use crate::mode::Mode;

/// Forwards the required and overridable methods to the layer behind a pointer. A blanket implementation over `Deref`
/// would forbid layers that implement `Deref` themselves.
macro_rules! layer_behind {
    ($($pointer:ty),*) => {$(
        impl<L: Layer + ?Sized> Layer for $pointer {
            fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
                (**self).forward(input, mode)
            }
            fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
                (**self).forward_many(inputs, mode)
            }
            fn forward_masked(
                &self,
                input: &Tensor,
                mask: Option<&Tensor>,
                mode: Mode,
            ) -> Result<(Tensor, Option<Tensor>)> {
                (**self).forward_masked(input, mask, mode)
            }
            fn visit(&self, visitor: &mut Visitor) {
                (**self).visit(visitor);
            }
            fn kind(&self) -> &'static str {
                (**self).kind()
            }
            fn describe(&self) -> String {
                (**self).describe()
            }
        }
    )*};
}

layer_behind!(&L, Box<L>, Arc<L>);
