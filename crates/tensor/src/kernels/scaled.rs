//! Rescaling by powers of two of groups of elements whose squares overflow or underflow the element type.

use std::borrow::Cow;

use crate::dtype::Float;
use crate::kernels::lanes::Vectorized;
use crate::kernels::normalize::{Groups, Statistics};

/// Whether a mean of squares, to which `epsilon` is added, and the results computed from it have the full precision of
/// the element type: no square overflowed, and none lost digits to underflow that matter beside `epsilon`.
pub(crate) fn is_ordinary<T: Float>(mean_of_squares: f64, epsilon: f64) -> bool {
    let least = T::min_positive_value().to_f64() / T::epsilon().to_f64();
    mean_of_squares <= 1.0 / least && (mean_of_squares >= least || epsilon >= least)
}

/// The largest absolute value of a row, to divide the row by; 1 if it is 0 or not finite.
pub(crate) fn magnitude<T: Float>(row: &[T]) -> T {
    let largest = row.iter().fold(T::zero(), |largest, x| if x.abs() > largest { x.abs() } else { largest });
    if largest > T::zero() && largest.is_finite() { largest } else { T::one() }
}

impl Groups {
    /// Multiplies groups whose squares overflow or underflow by powers of two. Returns the elements, borrowed if none
    /// changed, and their statistics, with the powers in [`Statistics::factors`].
    pub(crate) fn in_range<'a, T: Vectorized>(
        &self,
        x: &'a [T],
        statistics: Statistics,
        epsilon: f64,
    ) -> (Cow<'a, [T]>, Statistics) {
        let is_wrong = |group: usize| {
            !statistics.mean[group].is_finite() || !is_ordinary::<T>(statistics.variance[group], epsilon)
        };
        let groups = 0..statistics.mean.len();
        if !groups.clone().any(is_wrong) {
            return (Cow::Borrowed(x), statistics);
        }
        let wrong: Vec<bool> = groups.map(is_wrong).collect();
        let mut largest = vec![0.0; wrong.len()];
        self.for_columns(|group, columns| {
            if wrong[group] {
                let here = x[columns].iter().map(|&x| x.to_f64().abs());
                largest[group] = here.fold(largest[group], |a: f64, b| if b > a || b.is_nan() { b } else { a });
            }
        });
        let factor = |&largest: &f64| match largest > 0.0 && largest.is_finite() {
            // Powers of two whose reciprocals float64 represents as well.
            true => (-largest.log2().floor()).clamp(-1000.0, 1000.0).exp2(),
            false => 1.0,
        };
        let mut factors: Vec<f64> = largest.iter().map(factor).collect();
        let mut scaled = x.to_vec();
        self.for_columns(|group, columns| {
            if factors[group] != 1.0 {
                scaled[columns].iter_mut().for_each(|x| *x = T::from_f64(x.to_f64() * factors[group]));
            }
        });
        let mut of_scaled = self.statistics(&scaled);
        for group in (0..wrong.len()).filter(|&group| !wrong[group]) {
            of_scaled.mean[group] = statistics.mean[group];
            of_scaled.variance[group] = statistics.variance[group];
        }
        // A constant group is not scaled: its deviations are 0, and its scale would overflow or underflow.
        let constant: Vec<bool> =
            (0..wrong.len()).map(|group| wrong[group] && of_scaled.variance[group] == 0.0).collect();
        self.for_columns(|group, columns| {
            if constant[group] {
                scaled[columns.clone()].copy_from_slice(&x[columns]);
            }
        });
        for group in (0..wrong.len()).filter(|&group| constant[group]) {
            of_scaled.mean[group] /= factors[group];
            factors[group] = 1.0;
        }
        (Cow::Owned(scaled), Statistics { factors, ..of_scaled })
    }

    /// Multiplies the elements of each group by its factor.
    pub(crate) fn multiply<T: Float>(&self, x: &mut [T], factors: &[f64]) {
        if factors.iter().all(|&factor| factor == 1.0) {
            return;
        }
        self.for_columns(|group, columns| {
            if factors[group] != 1.0 {
                x[columns].iter_mut().for_each(|x| *x = T::from_f64(x.to_f64() * factors[group]));
            }
        });
    }

    /// Calls `f(group, elements)` for every line and group, where `elements` are those of the line that belong to the
    /// group. Groups are counted over all outer indices.
    fn for_columns(&self, mut f: impl FnMut(usize, std::ops::Range<usize>)) {
        for (line, group) in
            (0..self.outer * self.rows).flat_map(|line| (0..self.groups).map(move |group| (line, group)))
        {
            let start = (line * self.groups + group) * self.columns;
            f(line / self.rows * self.groups + group, start..start + self.columns);
        }
    }
}
