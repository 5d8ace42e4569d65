//! The functions of one element that elementwise operations apply. Each is a type, so the compiler inlines it into its
//! loop whatever its size, which it does not guarantee for closures.

use crate::dtype::Float;
use crate::kernels::elementwise::Function;
use crate::kernels::math::{self, MultiplyAdd};

/// SELU's scale and alpha (Klambauer et al. 2017, appendix).
pub(super) const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);

/// Each row defines a type and its value at `x`, where `M` is how float32 multiplies and adds. If `|x|` exceeds an
/// optional limit, a float64 function computes the value instead.
macro_rules! functions {
    ($M:ident: $($name:ident($x:ident) = $value:expr $(, beyond $limit:expr => $exact:expr)?;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl<T: Float> Function<T, T> for $name {
            #[inline(always)]
            fn of<$M: MultiplyAdd>(&self, $x: T) -> T {
                $value
            }
            $(
                const HAS_RARE: bool = true;

                #[inline(always)]
                fn is_rare(&self, x: T) -> bool {
                    x.abs() > T::from_f64($limit)
                }

                fn rare<$M: MultiplyAdd>(&self, x: T) -> T {
                    T::from_f64($exact(x.to_f64()))
                }
            )?
        }
    )*};
}

functions! { M:
    Exp(x) = math::exp::<M, T>(x);
    Expm1(x) = math::expm1::<M, T>(x);
    Log1p(x) = math::log1p::<M, T>(x);
    Sqrt(x) = x.sqrt();
    Rsqrt(x) = x.sqrt().recip();
    Reciprocal(x) = x.recip();
    Sin(x) = math::sin(x), beyond math::REDUCIBLE => libm::sin;
    Cos(x) = math::cos(x), beyond math::REDUCIBLE => libm::cos;
    Tan(x) = math::tan(x), beyond math::REDUCIBLE => libm::tan;
    Tanh(x) = math::tanh::<M, T>(x);
    Sigmoid(x) = math::sigmoid::<M, T>(x);
    Relu(x) = if x <= T::zero() { T::zero() } else { x };
    Selu(x) = {
        let (scale, alpha) = (T::from_f64(SELU.0), T::from_f64(SELU.1));
        let below = scale * alpha * math::expm1::<M, T>(x);
        if x > T::zero() { scale * x } else { below }
    };
    Silu(x) = math::silu::<M, T>(x);
    Softplus(x) = math::softplus::<M, T>(x);
    Erf(x) = math::erf::<M, T>(x);
    Floor(x) = x.floor();
    Ceil(x) = x.ceil();
    Round(x) = round_half_even(x);
    Gelu(x) = math::gelu::<M, T>(x);
    GeluTanh(x) = math::gelu_tanh::<M, T>(x);
}

/// The logarithm. What it takes to handle 0, negative, subnormal, infinite numbers and NaN is as much as the rest.
#[derive(Clone, Copy)]
pub(crate) struct Log;

impl<T: Float> Function<T, T> for Log {
    const HAS_RARE: bool = true;

    #[inline(always)]
    fn of<M: MultiplyAdd>(&self, x: T) -> T {
        math::log_of_normal::<M, T>(x)
    }

    #[inline(always)]
    fn is_rare(&self, x: T) -> bool {
        !(x >= T::min_positive_value() && x <= T::max_value())
    }

    #[inline(always)]
    fn rare<M: MultiplyAdd>(&self, x: T) -> T {
        math::log::<M, T>(x)
    }
}

#[inline(always)]
fn round_half_even<T: Float>(x: T) -> T {
    let rounded = x.round();
    let half = T::from_f64(0.5);
    if (x - x.trunc()).abs() == half { (x * half).round() * T::from_f64(2.0) } else { rounded }
}

/// `x` where positive, `alpha · (exp(x) - 1)` elsewhere.
pub(crate) struct Elu<T> {
    pub(crate) alpha: T,
}

impl<T: Float> Function<T, T> for Elu<T> {
    #[inline(always)]
    fn of<M: MultiplyAdd>(&self, x: T) -> T {
        let below = self.alpha * math::expm1::<M, T>(x);
        if x > T::zero() { x } else { below }
    }
}
