//! Where epsilon is added to a root mean square.

use tensor::Float;

/// Epsilon, added to a mean square before or after the root.
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

    /// The root of `v` with epsilon.
    #[inline(always)]
    pub(crate) fn root<T: Float>(self, v: T) -> T {
        match self {
            Epsilon::InsideRoot(epsilon) => (v + T::from_f64(epsilon)).sqrt(),
            Epsilon::OutsideRoot(epsilon) => v.sqrt() + T::from_f64(epsilon),
        }
    }
}
