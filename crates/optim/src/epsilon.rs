//! Where a small number keeps a root from zero.

use tensor::Float;

/// What is added to a mean square before or after its root is taken.
#[derive(Clone, Copy)]
pub(crate) enum Epsilon {
    /// `√(v + ε)`, as in Keras.
    InsideRoot(f64),
    /// `√v + ε`, as in PyTorch.
    OutsideRoot(f64),
}

impl Epsilon {
    pub(crate) fn value(self) -> f64 {
        match self {
            Epsilon::InsideRoot(epsilon) | Epsilon::OutsideRoot(epsilon) => epsilon,
        }
    }

    /// The root of `v`, kept from zero.
    #[inline(always)]
    pub(crate) fn root<T: Float>(self, v: T) -> T {
        match self {
            Epsilon::InsideRoot(epsilon) => (v + T::from_f64(epsilon)).sqrt(),
            Epsilon::OutsideRoot(epsilon) => v.sqrt() + T::from_f64(epsilon),
        }
    }
}
