//! Reductions of uint8 and bool tensors. Integer sums are exact, and need no converted copy of the operand, which would
//! take eight times its memory.

use crate::dtype::Element;
use crate::kernels::fold::Fold;
use crate::ops::Reduce;
use crate::ops::elementwise::{map, zip};
use crate::ops::reduce::Arithmetic;
use crate::tensor::Tensor;

impl Reduce {
    /// The arithmetic reduction of a uint8 or bool tensor.
    pub(super) fn of_bytes<T: Element>(&self, x: &Tensor, arithmetic: &Arithmetic) -> Tensor {
        let count = self.count(x);
        let sums = || self.fold(x, &Fold { neutral: 0, lift: T::to_i64, combine: i64::wrapping_add });
        let square = |x: T| x.to_i64() * x.to_i64();
        let squares = || self.fold(x, &Fold { neutral: 0, lift: square, combine: i64::wrapping_add });
        match *arithmetic {
            Arithmetic::Sum => sums(),
            Arithmetic::Prod => self.fold(x, &Fold { neutral: 1, lift: T::to_i64, combine: i64::wrapping_mul }),
            Arithmetic::Mean => map(&sums(), move |sum: i64| (sum as f64 / count as f64) as f32),
            Arithmetic::Norm => map(&squares(), |sum: i64| (sum as f64).sqrt() as f32),
            Arithmetic::Var { correction } => {
                let (count, divisor) = (count as f64, (count as f64 - correction).max(0.0));
                let (sums, squares) = (sums(), squares());
                zip(sums.shape().clone(), &sums, &squares, move |sum: i64, squares: i64| {
                    // n Σ (x - mean)²
                    let deviations = i128::from(squares) * count as i128 - i128::from(sum) * i128::from(sum);
                    (deviations as f64 / count / divisor) as f32
                })
            }
            Arithmetic::LogSumExp => self.by_row(x, |row: &[T]| log_sum_exp(row)),
        }
    }
}

/// `ln Σ eˣ` from a histogram of the row.
fn log_sum_exp<T: Element>(row: &[T]) -> f32 {
    let mut counts = [0u64; 256];
    row.iter().for_each(|&x| counts[x.to_i64() as usize] += 1);
    let Some(top) = counts.iter().rposition(|&count| count > 0) else { return f32::NEG_INFINITY };
    let term = |k: usize| counts[k] as f64 * (k as f64 - top as f64).exp();
    (top as f64 + (0..=top).map(term).sum::<f64>().ln()) as f32
}
