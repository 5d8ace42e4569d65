//! The gradients of [`functions`](super::functions), as types of the same names.

use std::f64::consts::FRAC_2_SQRT_PI;

use crate::dtype::Float;
use crate::kernels::elementwise::PairFunction;
use crate::kernels::functions::SELU;
use crate::kernels::math;

/// Each row defines the type of a gradient and its value, given the gradient of the result and the result `y` or the
/// operand `x`.
macro_rules! gradients {
    ($($name:ident($g:ident, $saved:ident) = $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl<T: Float> PairFunction<T> for $name {
            #[inline(always)]
            fn of(&self, $g: T, $saved: T) -> T {
                $value
            }
        }
    )*};
}

gradients! {
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
    Selu(g, x) = exponential_below(g, x, T::from_f64(SELU.0), T::from_f64(SELU.0 * SELU.1));
    Silu(g, x) = g * T::from_f64(math::silu_slope::<T>(x.to_f64()));
    Softplus(g, x) = g * T::from_f64(math::sigmoid::<T>(x.to_f64()));
    Erf(g, x) = g * T::from_f64(FRAC_2_SQRT_PI * math::exp::<T>(-(x.to_f64() * x.to_f64())));
    Gelu(g, x) = g * T::from_f64(math::gelu_slope::<T>(x.to_f64()));
    GeluTanh(g, x) = g * T::from_f64(math::gelu_tanh_slope::<T>(x.to_f64()));
}

/// `g · below · eˣ` for `x ≤ 0`, and `g · above` otherwise.
#[inline(always)]
fn exponential_below<T: Float>(g: T, x: T, above: T, below: T) -> T {
    let slope = below * T::from_f64(math::exp::<T>(x.to_f64()));
    g * if x <= T::zero() { slope } else { above }
}

/// The gradient of ELU with this `alpha`.
pub(crate) struct Elu<T> {
    pub(crate) alpha: T,
}

impl<T: Float> PairFunction<T> for Elu<T> {
    #[inline(always)]
    fn of(&self, g: T, x: T) -> T {
        exponential_below(g, x, T::one(), self.alpha)
    }
}
