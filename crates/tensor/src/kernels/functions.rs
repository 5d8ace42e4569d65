//! The functions of one element that elementwise operations apply. Each is a type, so the compiler inlines it into its
//! loop whatever its size, which it does not guarantee for closures.
//!
//! The functions of [`math`] compute in float64 for all types.

use crate::dtype::Float;
use crate::kernels::elementwise::Function;
use crate::kernels::math;

/// SELU's scale and alpha (Klambauer et al. 2017, appendix).
pub(super) const SELU: (f64, f64) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);

/// Each row defines a type and its value at `x`. If `|x|` exceeds an optional limit, a float64 function computes the
/// value instead.
macro_rules! functions {
    ($($name:ident($x:ident) = $value:expr $(, beyond $limit:expr => $exact:expr)?;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl<T: Float> Function<T, T> for $name {
            #[inline(always)]
            fn of(&self, $x: T) -> T {
                $value
            }
            $(
                #[inline(always)]
                fn is_rare(&self, x: T) -> bool {
                    x.abs() > T::from_f64($limit)
                }

                fn rare(&self, x: T) -> T {
                    T::from_f64($exact(x.to_f64()))
                }
            )?
        }
    )*};
}

functions! {
    Exp(x) = T::from_f64(math::exp::<T>(x.to_f64()));
    Expm1(x) = T::from_f64(math::expm1::<T>(x.to_f64()));
    Log(x) = T::from_f64(math::log::<T>(x.to_f64()));
    Log1p(x) = T::from_f64(math::log1p::<T>(x.to_f64()));
    Sqrt(x) = x.sqrt();
    Rsqrt(x) = x.sqrt().recip();
    Reciprocal(x) = x.recip();
    Sin(x) = T::from_f64(math::sin::<T>(x.to_f64())), beyond math::REDUCIBLE => libm::sin;
    Cos(x) = T::from_f64(math::cos::<T>(x.to_f64())), beyond math::REDUCIBLE => libm::cos;
    Tan(x) = T::from_f64(math::tan::<T>(x.to_f64())), beyond math::REDUCIBLE => libm::tan;
    Tanh(x) = T::from_f64(math::tanh::<T>(x.to_f64()));
    Sigmoid(x) = T::from_f64(math::sigmoid::<T>(x.to_f64()));
    Relu(x) = if x <= T::zero() { T::zero() } else { x };
    Selu(x) = {
        let (scale, alpha) = (T::from_f64(SELU.0), T::from_f64(SELU.1));
        let below = scale * alpha * T::from_f64(math::expm1::<T>(x.to_f64()));
        if x > T::zero() { scale * x } else { below }
    };
    Silu(x) = T::from_f64(math::silu::<T>(x.to_f64()));
    Softplus(x) = T::from_f64(math::softplus::<T>(x.to_f64()));
    Erf(x) = T::from_f64(math::erf::<T>(x.to_f64()));
    Floor(x) = x.floor();
    Ceil(x) = x.ceil();
    Round(x) = round_half_even(x);
    Gelu(x) = T::from_f64(math::gelu::<T>(x.to_f64()));
    GeluTanh(x) = T::from_f64(math::gelu_tanh::<T>(x.to_f64()));
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
    fn of(&self, x: T) -> T {
        let below = self.alpha * T::from_f64(math::expm1::<T>(x.to_f64()));
        if x > T::zero() { x } else { below }
    }
}
