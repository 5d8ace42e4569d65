//! Reductions of bytes and truth values: by sums of integers, which are exact, and without a converted copy of the operand,
//! which would take eight times its memory.

use crate::dtype::{DType, Element};
use crate::kernels::fold::Fold;
use crate::ops::elementwise::{map, zip};
use crate::ops::unary::converted;
use crate::ops::{Reduce, Reduction};
use crate::tensor::Tensor;

impl Reduce {
    /// The reduction of bytes or truth values, if it computes with them as numbers.
    pub(super) fn of_bytes(&self, x: &Tensor) -> Tensor {
        let count = self.count(x);
        let sums = || match x.dtype() {
            DType::Bool => self.sums(x, |x: bool| i64::from(x)),
            _ => self.sums(x, |x: u8| i64::from(x)),
        };
        let squares = || match x.dtype() {
            DType::Bool => sums(),
            _ => self.sums(x, |x: u8| i64::from(x) * i64::from(x)),
        };
        match self.reduction {
            Reduction::Sum => sums(),
            Reduction::Prod if x.dtype() == DType::Bool => {
                let all = Fold { neutral: true, lift: |x: bool| x, combine: |a: bool, b: bool| a & b };
                converted(&self.fold(x, &all), DType::I64).into_owned()
            }
            Reduction::Prod => {
                self.fold(x, &Fold { neutral: 1, lift: |x: u8| i64::from(x), combine: i64::wrapping_mul })
            }
            Reduction::Mean => map(&sums(), move |sum: i64| (sum as f64 / count as f64) as f32),
            Reduction::Norm => map(&squares(), |sum: i64| (sum as f64).sqrt() as f32),
            Reduction::Var { correction } => {
                let (count, divisor) = (count as f64, (count as f64 - correction).max(0.0));
                let (sums, squares) = (sums(), squares());
                zip(sums.shape().clone(), &sums, &squares, move |sum: i64, squares: i64| {
                    // n Σ (x - mean)²
                    let deviations = i128::from(squares) * count as i128 - i128::from(sum) * i128::from(sum);
                    (deviations as f64 / count / divisor) as f32
                })
            }
            Reduction::LogSumExp => match x.dtype() {
                DType::Bool => self.by_row(x, |row: &[bool]| log_sum_exp(row, usize::from)),
                _ => self.by_row(x, |row: &[u8]| log_sum_exp(row, usize::from)),
            },
            Reduction::Max
            | Reduction::Min
            | Reduction::ArgMax
            | Reduction::ArgMin
            | Reduction::Any
            | Reduction::All => unreachable!("{} compares elements", self.name()),
        }
    }

    fn sums<T: Element>(&self, x: &Tensor, lift: impl Fn(T) -> i64 + Sync) -> Tensor {
        self.fold(x, &Fold { neutral: 0, lift, combine: i64::wrapping_add })
    }
}

/// `ln Σ eˣ` by how often each number stands in the row.
fn log_sum_exp<T: Copy>(row: &[T], number: impl Fn(T) -> usize) -> f32 {
    let mut counts = [0u64; 256];
    row.iter().for_each(|&x| counts[number(x)] += 1);
    let Some(top) = counts.iter().rposition(|&count| count > 0) else { return f32::NEG_INFINITY };
    let term = |k: usize| counts[k] as f64 * (k as f64 - top as f64).exp();
    (top as f64 + (0..=top).map(term).sum::<f64>().ln()) as f32
}
