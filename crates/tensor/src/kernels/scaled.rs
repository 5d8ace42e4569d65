//! Groups of elements whose squares leave the range of the element type: brought into it by a power of two.

use std::borrow::Cow;

use crate::dtype::Float;
use crate::kernels::normalize::{Groups, Statistics};

/// Whether a mean of squares, to which `epsilon` is added, and what is computed with it are as exact as the element type is:
/// neither did squares overflow, nor did so many digits of them underflow that it matters beside `epsilon`.
pub(crate) fn is_ordinary<T: Float>(mean_of_squares: f64, epsilon: f64) -> bool {
    let least = T::min_positive_value().to_f64() / T::epsilon().to_f64();
    mean_of_squares <= 1.0 / least && (mean_of_squares >= least || epsilon >= least)
}

/// The largest absolute value, by which a row may be divided; 1 if it is 0 or not finite.
pub(crate) fn magnitude<T: Float>(row: &[T]) -> T {
    let largest = row.iter().fold(T::zero(), |largest, x| if x.abs() > largest { x.abs() } else { largest });
    if largest > T::zero() && largest.is_finite() { largest } else { T::one() }
}

impl Groups {
    /// The elements, and the statistics of what is returned: groups whose squares left the range are multiplied by powers of
    /// two, which [`Statistics::factors`] holds. Elements in range come back as they are.
    pub(crate) fn in_range<'a, T: Float>(
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
            // The exponents that float64 has on both sides.
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
        // A constant group stays as it is: its deviations are 0, and its scale would leave the range.
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

    /// Calls `f(group, elements)` for the elements of each line that belong to each group; groups are counted over all
    /// outer indices.
    fn for_columns(&self, mut f: impl FnMut(usize, std::ops::Range<usize>)) {
        for (line, group) in
            (0..self.outer * self.rows).flat_map(|line| (0..self.groups).map(move |group| (line, group)))
        {
            let start = (line * self.groups + group) * self.columns;
            f(line / self.rows * self.groups + group, start..start + self.columns);
        }
    }
}
