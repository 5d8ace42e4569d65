//! The gradients of [`functions`](super::functions), as types of the same names.

use crate::dtype::Float;
use crate::kernels::elementwise::PairFunction;
use crate::kernels::functions::SELU;
use crate::kernels::math::{self, MultiplyAdd};

/// Each row defines the type of a gradient and its value, given the gradient of the result and the result `y` or the
/// operand `x`; `M` is how float32 multiplies and adds.
macro_rules! gradients {
    ($M:ident: $($name:ident($g:ident, $saved:ident) = $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl<T: Float> PairFunction<T> for $name {
            #[inline(always)]
            fn of<$M: MultiplyAdd>(&self, $g: T, $saved: T) -> T {
                $value
            }
        }
    )*};
}

gradients! { M:
    Abs(g, x) = {
        let sign = if x > T::zero() { T::one() } else { -T::one() };
        g * if x == T::zero() || x.is_nan() { x } else { sign }
    };
    Square(g, x) = g * (T::from_f64(2.0) * x);
    Log1p(g, x) = g / (x + T::one());
    Expm1(g, y) = g * (y + T::one());
    Sqrt(g, y) = g / (y * T::from_f64(2.0));
    Rsqrt(g, y) = g * (y * y * y) * T::from_f64(-0.5);
    Reciprocal(g, y) = -(g * (y * y));
    Tan(g, y) = g * (y * y + T::one());
    Tanh(g, y) = g * (T::one() - y * y);
    Sigmoid(g, y) = g * (y * (T::one() - y));
    Relu(g, y) = if y <= T::zero() { T::zero() } else { g };
    Selu(g, x) = exponential_below::<M, T>(g, x, T::from_f64(SELU.0), T::from_f64(SELU.0 * SELU.1));
    Silu(g, x) = g * math::silu_slope::<M, T>(x);
    Softplus(g, x) = g * math::sigmoid::<M, T>(x);
    Erf(g, x) = g * math::erf_slope::<M, T>(x);
    Gelu(g, x) = g * math::gelu_slope::<M, T>(x);
    GeluTanh(g, x) = g * math::gelu_tanh_slope::<M, T>(x);
}

/// `g · below · eˣ` for `x ≤ 0`, and `g · above` otherwise.
#[inline(always)]
fn exponential_below<M: MultiplyAdd, T: Float>(g: T, x: T, above: T, below: T) -> T {
    let slope = below * math::exp::<M, T>(x);
    g * if x <= T::zero() { slope } else { above }
}

/// The gradient of ELU with this `alpha`.
pub(crate) struct Elu<T> {
    pub(crate) alpha: T,
}

impl<T: Float> PairFunction<T> for Elu<T> {
    #[inline(always)]
    fn of<M: MultiplyAdd>(&self, g: T, x: T) -> T {
        exponential_below::<M, T>(g, x, T::one(), self.alpha)
    }
}
