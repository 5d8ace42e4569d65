//! Reductions of broadcast views, which read each repeated element only once.

use crate::dtype::{DType, Float};
use crate::ops::elementwise::map;
use crate::ops::{Reduce, Reduction};
use crate::tensor::Tensor;

impl Reduce {
    /// The reduction of `x`, computed by `reduce` from the view in which each repeated element occurs once.
    pub(super) fn of_repeated(&self, x: &Tensor, once: &Tensor, reduce: impl Fn(&Reduce) -> Tensor) -> Tensor {
        let repeated = self.axes.iter().filter(|&&axis| x.layout().is_repeated(axis));
        let times: usize = repeated.map(|&axis| x.shape()[axis]).product();
        let reduction = match self.reduction {
            // `times · S / (times · n - correction)`
            Reduction::Var { correction } => Reduction::Var { correction: correction / times as f64 },
            Reduction::Sum | Reduction::Prod | Reduction::Mean | Reduction::LogSumExp | Reduction::Norm => {
                self.reduction
            }
            Reduction::Max | Reduction::Min | Reduction::ArgMax | Reduction::ArgMin => self.reduction,
            Reduction::Any | Reduction::All => self.reduction,
        };
        let reduced = reduce(&Reduce { reduction, axes: self.axes.clone(), keepdims: true });
        let reduced = match reduced.dtype() {
            DType::F32 => self.float_times::<f32>(reduced, times),
            DType::F64 => self.float_times::<f64>(reduced, times),
            DType::I64 | DType::U8 | DType::Bool => self.integer_times(reduced, times, x, once),
        };
        // Repeat the result along the repeated axes that are not reduced.
        let kept = x.shape().reduced(&self.axes, true);
        let kept = reduced.with_layout(reduced.layout().broadcast(&kept).expect("axes of size 1 broadcast"));
        if self.keepdims { kept } else { kept.reshaped(x.shape().reduced(&self.axes, false)) }
    }

    /// Turns the reduction of one repetition into that of `times` repetitions.
    fn float_times<T: Float>(&self, reduced: Tensor, times: usize) -> Tensor {
        let count = times as f64;
        let scaled = |factor: f64| {
            let factor = T::from_f64(factor);
            map(&reduced, move |x: T| x * factor)
        };
        match self.reduction {
            Reduction::Sum => scaled(count),
            Reduction::Norm => scaled(count.sqrt()),
            Reduction::LogSumExp => {
                let logarithm = T::from_f64(count.ln());
                map(&reduced, move |x: T| x + logarithm)
            }
            Reduction::Prod => map(&reduced, move |x: T| T::from_f64(x.to_f64().powf(count))),
            Reduction::Mean | Reduction::Var { .. } | Reduction::Max | Reduction::Min => reduced,
            Reduction::ArgMax | Reduction::ArgMin | Reduction::Any | Reduction::All => reduced,
        }
    }

    /// Like [`Reduce::float_times`], for integer and bool results.
    fn integer_times(&self, reduced: Tensor, times: usize, x: &Tensor, once: &Tensor) -> Tensor {
        match self.reduction {
            Reduction::Sum => map(&reduced, move |x: i64| x.wrapping_mul(times as i64)),
            Reduction::Prod => map(&reduced, move |x: i64| power(x, times)),
            Reduction::ArgMax | Reduction::ArgMin if self.axes.len() > 1 => {
                // The first of equal elements has index 0 along every repeated axis.
                let place = |index: i64| {
                    let (mut rest, mut place, mut step) = (index, 0, 1);
                    for &axis in self.axes.iter().rev() {
                        let size = once.shape()[axis] as i64;
                        place += rest % size * step;
                        rest /= size;
                        step *= x.shape()[axis] as i64;
                    }
                    place
                };
                map(&reduced, place)
            }
            Reduction::ArgMax | Reduction::ArgMin | Reduction::Max | Reduction::Min => reduced,
            Reduction::Any | Reduction::All => reduced,
            // Not reached: the results of these reductions are floating-point.
            Reduction::Mean | Reduction::Var { .. } | Reduction::LogSumExp | Reduction::Norm => reduced,
        }
    }
}

/// `xⁿ`, wrapping.
fn power(x: i64, mut n: usize) -> i64 {
    let (mut square, mut power) = (x, 1i64);
    while n > 0 {
        if n % 2 == 1 {
            power = power.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        n /= 2;
    }
    power
}
