//! Normalizations: sums over groups of elements, and passes that scale and shift every element.
//!
//! All loops go over lines, `groups · columns` contiguous elements, with a coefficient for each place of a line. Sums
//! are first taken place by place, over some lines in the element type and beyond that in float64, and then over the places
//! of a group.

use std::ops::Range;

use crate::dtype::Float;
use crate::kernels::lanes::{Vectorized, run_vector_loop};
use crate::kernels::normalize_loops::{Gradient, Normalized, Sums};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::storage::Buffer;

/// Places of a line that are summed at a time.
const LANES: usize = 64;
/// The maximum number of places of lines that are taken together: more would cost more than the lanes that are empty at
/// the end of a line.
const TOGETHER: usize = 2048;
/// The centre of a task's deviations is the mean of the first of its lines, one in this many.
const HEAD: usize = 8;

/// The groups of a tensor `[outer, rows, groups, columns]`: each has `rows · columns` elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups {
    pub(crate) outer: usize,
    pub(crate) rows: usize,
    pub(crate) groups: usize,
    pub(crate) columns: usize,
}

/// How the work is split: several outer indices per task, or the rows of each outer index in several parts.
struct Split {
    together: usize,
    rows: usize,
    parts: usize,
}

/// The sums of one task of [`Groups::gradient`].
struct TaskSums {
    /// The sums of `h` and of `h · (x - mean)` for each of its outer indices and groups, where `h` is the gradient of
    /// the normalized elements.
    groups: Vec<[f64; 2]>,
    /// The contributions to the gradients of `gamma` and `beta`, for each place of a line.
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

/// Mean and variance of each group, `[outer, groups]`, and the factor by which its elements were multiplied beforehand.
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    pub(crate) factors: Vec<f64>,
}

impl Groups {
    /// The elements of a line.
    fn line(&self) -> usize {
        self.groups * self.columns
    }

    /// The elements of a group.
    fn count(&self) -> f64 {
        (self.rows * self.columns) as f64
    }

    fn split(&self) -> Split {
        let lines = (CHUNK / self.line()).max(1);
        if self.rows <= lines {
            return Split { together: lines / self.rows, rows: self.rows, parts: 1 };
        }
        let rows = self.rows.div_ceil(self.rows.div_ceil(lines));
        Split { together: 1, rows, parts: self.rows.div_ceil(rows) }
    }

    /// The results of `f(outer indices, rows)` for all tasks, in order: those for the parts of one outer index are
    /// consecutive.
    fn tasks<R: Send>(&self, f: impl Fn(Range<usize>, Range<usize>) -> R + Sync) -> Vec<R> {
        let Split { together, rows, parts } = self.split();
        let mut results: Vec<Option<R>> = Vec::new();
        results.resize_with(self.outer.div_ceil(together) * parts, || None);
        for_chunks(&mut results, 1, |task, result| {
            let (first, row) = (task / parts * together, task % parts * rows);
            let outer = first..(first + together).min(self.outer);
            result[0] = Some(f(outer, row..(row + rows).min(self.rows)));
        });
        results.into_iter().flatten().collect()
    }

    /// Calls `f(outer index, start, part)` for parts of `out`, which has the elements of all lines; `start` is the
    /// index of the part's first element.
    fn for_parts<T: Float>(&self, out: &mut [T], f: impl Fn(usize, usize, &mut [T]) + Sync) {
        let Split { together, rows, .. } = self.split();
        let size = self.rows * self.line();
        for_chunks(out, together * size, |first, out| {
            for (start, out) in (first..).step_by(size).zip(out.chunks_mut(size)) {
                for_chunks(out, rows * self.line(), |row, out| f(start / size, start + row, out));
            }
        });
    }

    /// The elements of some rows of an outer index.
    fn elements(&self, outer: usize, rows: &Range<usize>) -> Range<usize> {
        let line = |row: usize| (outer * self.rows + row) * self.line();
        line(rows.start)..line(rows.end)
    }

    /// The number of places that loops process at a time: the fewest whole lines that fill all lanes, or one long line.
    fn width(&self) -> usize {
        let line = self.line();
        let mut widths = (1..=LANES).map(|lines| lines * line).take_while(|&width| width <= TOGETHER);
        widths.find(|width| width.is_multiple_of(LANES)).unwrap_or(line)
    }

    /// Zeros for all places.
    fn places<T: Float>(&self) -> Vec<T> {
        vec![T::zero(); self.width()]
    }

    /// Fills places with `f(group, place of a line)`.
    fn fill<T: Float>(&self, places: &mut [T], f: impl Fn(usize, usize) -> f64) {
        let (line, rest) = places.split_at_mut(self.line());
        for (group, columns) in line.chunks_mut(self.columns).enumerate() {
            for (column, out) in columns.iter_mut().enumerate() {
                *out = T::from_f64(f(group, group * self.columns + column));
            }
        }
        rest.chunks_mut(line.len()).for_each(|next| next.copy_from_slice(line));
    }

    /// Sums deviations from a centre and their squares, or factors `g` and their products with the deviations, over all
    /// lines, for each place of a line.
    fn sums<T: Vectorized>(&self, g: Option<&[T]>, x: &[T], centre: &[T], totals: &mut [Vec<f64>; 2]) {
        totals.iter_mut().for_each(|totals| totals.fill(0.0));
        let [first, second] = totals;
        run_vector_loop(Sums { g, x, centre, totals: [&mut first[..], &mut second[..]] });
        for totals in [first, second] {
            let (line, rest) = totals.split_at_mut(self.line());
            for next in rest.chunks(line.len()) {
                line.iter_mut().zip(next).for_each(|(sum, next)| *sum += next);
            }
        }
    }

    /// The sum over the places of a group.
    fn of_group(&self, line: &[f64], group: usize) -> f64 {
        match &line[group * self.columns..(group + 1) * self.columns] {
            [only] => *only,
            values => sum(values),
        }
    }

    /// Mean and variance (divisor `n`) of each group, which has at least one element. Deviations are taken from the mean of
    /// the first lines of each task. This avoids cancellation: whatever the elements are, the mean of their squares is at
    /// most `1 + HEAD` times the variance. Tasks are combined as in Chan et al. (1979).
    pub(crate) fn statistics<T: Vectorized>(&self, x: &[T]) -> Statistics {
        let parts = self.tasks(|outer, rows| {
            let (mut centre, mut totals) = (self.places::<T>(), [self.places(), self.places()]);
            let count = (rows.len() * self.columns) as f64;
            let head = rows.len().div_ceil(HEAD);
            let mut moments = Vec::with_capacity(outer.len() * self.groups);
            for index in outer {
                let x = &x[self.elements(index, &rows)];
                centre.fill(T::zero());
                self.sums(None, &x[..head * self.line()], &centre, &mut totals);
                let first = (head * self.columns) as f64;
                let means: Vec<f64> = (0..self.groups).map(|group| self.of_group(&totals[0], group) / first).collect();
                self.fill(&mut centre, |group, _| means[group]);
                self.sums(None, x, &centre, &mut totals);
                for group in 0..self.groups {
                    let [rest, squares] = [0, 1].map(|k| self.of_group(&totals[k], group));
                    // The centre is rounded to the element type.
                    let centre = centre[group * self.columns].to_f64();
                    moments.push([count, centre + rest / count, squares - rest * rest / count]);
                }
            }
            moments
        });
        let parts = parts.concat();
        let Split { parts: count, .. } = self.split();
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for index in 0..self.outer {
            for group in 0..self.groups {
                let of = |part: usize| parts[(index * count + part) * self.groups + group];
                let [all, mean, squares] = (1..count).map(of).fold(of(0), |[n, mean, squares], [m, other, more]| {
                    let (all, apart) = (n + m, other - mean);
                    [all, mean + apart * m / all, squares + more + apart * apart * n * m / all]
                });
                means.push(mean);
                // Not `max`, which would turn NaN into 0.
                variances.push(if squares < 0.0 { 0.0 } else { squares / all });
            }
        }
        Statistics::new(means, variances)
    }

    /// `(x - mean) / √(variance + epsilon) · gamma + beta`, with a line of `gamma` and one of `beta`.
    pub(crate) fn forward<T: Vectorized>(
        &self,
        x: &[T],
        [gamma, beta]: [&[T]; 2],
        statistics: &Statistics,
        epsilon: f64,
    ) -> Buffer {
        let scales = statistics.scales(epsilon);
        let mut out = Buffer::new::<T>(x.len());
        self.for_parts(out.as_mut_slice::<T>(), |index, start, out| {
            let [mut mean, mut factor, mut shift] = [self.places::<T>(), self.places(), self.places()];
            let of = |group: usize| index * self.groups + group;
            self.fill(&mut mean, |group, _| statistics.mean[of(group)]);
            self.fill(&mut factor, |group, place| scales[of(group)] * gamma[place].to_f64());
            self.fill(&mut shift, |_, place| beta[place].to_f64());
            let x = &x[start..start + out.len()];
            run_vector_loop(Normalized { x, mean: &mean, factor: &factor, shift: &shift, out });
        });
        out
    }

    /// The gradients of `x` and, for each place of a line, of `gamma` and `beta`, given the gradient of the result.
    pub(crate) fn gradient<T: Vectorized>(
        &self,
        [g, x]: [&[T]; 2],
        gamma: &[T],
        statistics: &Statistics,
        epsilon: f64,
    ) -> [Buffer; 3] {
        let scales = statistics.scales(epsilon);
        let of = |index: usize, group: usize| index * self.groups + group;
        let parts = self.tasks(|outer, rows| {
            let (mut mean, mut totals) = (self.places::<T>(), [self.places(), self.places()]);
            let line = vec![0.0; self.line()];
            let mut sums = TaskSums { groups: Vec::new(), gamma: line.clone(), beta: line };
            for index in outer {
                let elements = self.elements(index, &rows);
                self.fill(&mut mean, |group, _| statistics.mean[of(index, group)]);
                self.sums(Some(&g[elements.clone()]), &x[elements], &mean, &mut totals);
                let [of_g, of_products] = &mut totals;
                for group in 0..self.groups {
                    let places = group * self.columns..(group + 1) * self.columns;
                    let scale = scales[of(index, group)];
                    for place in places {
                        sums.beta[place] += of_g[place];
                        sums.gamma[place] += scale * of_products[place];
                        of_g[place] *= gamma[place].to_f64();
                        of_products[place] *= gamma[place].to_f64();
                    }
                    sums.groups.push([self.of_group(of_g, group), self.of_group(of_products, group)]);
                }
            }
            sums
        });
        // The means of `h` and of `h · (x - mean)` for each outer index and group.
        let Split { parts: count, .. } = self.split();
        let mut of_h = vec![[0.0; 2]; self.outer * self.groups];
        let sums = parts.iter().flat_map(|part| part.groups.chunks(self.groups));
        for (k, sums) in sums.enumerate() {
            let index = k / count;
            for (total, sums) in of_h[index * self.groups..][..self.groups].iter_mut().zip(sums) {
                total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum / self.count());
            }
        }
        let mut out = Buffer::new::<T>(x.len());
        self.for_parts(out.as_mut_slice::<T>(), |index, start, out| {
            let [mut mean, mut factor] = [self.places::<T>(), self.places()];
            let [mut shift, mut slope] = [self.places::<T>(), self.places()];
            let scale = |group: usize| scales[of(index, group)];
            self.fill(&mut mean, |group, _| statistics.mean[of(index, group)]);
            self.fill(&mut factor, |group, place| scale(group) * gamma[place].to_f64());
            self.fill(&mut shift, |group, _| scale(group) * of_h[of(index, group)][0]);
            self.fill(&mut slope, |group, _| scale(group).powi(3) * of_h[of(index, group)][1]);
            let [g, x] = [g, x].map(|values| &values[start..start + out.len()]);
            let (mean, factor) = (&mean[..], &factor[..]);
            run_vector_loop(Gradient { g, x, mean, factor, shift: &shift, slope: &slope, out });
        });
        let line = |of: fn(&TaskSums) -> &[f64]| {
            let mut line = vec![0.0; self.line()];
            for part in &parts {
                line.iter_mut().zip(of(part)).for_each(|(sum, part)| *sum += part);
            }
            Buffer::from_vec(line.into_iter().map(T::from_f64).collect())
        };
        [out, line(|sums| &sums.gamma), line(|sums| &sums.beta)]
    }
}

impl Statistics {
    /// Statistics of elements that were not multiplied.
    pub(crate) fn new(mean: Vec<f64>, variance: Vec<f64>) -> Statistics {
        let factors = vec![1.0; mean.len()];
        Statistics { mean, variance, factors }
    }

    /// Mean and variance of the elements before they were multiplied.
    pub(crate) fn of_elements(&self) -> [Vec<f64>; 2] {
        let pairs = |values: &[f64], f: fn(f64, f64) -> f64| {
            values.iter().zip(&self.factors).map(|(&value, &factor)| f(value, factor)).collect()
        };
        [pairs(&self.mean, |mean, factor| mean / factor), pairs(&self.variance, |v, factor| v / factor / factor)]
    }

    /// `1 / √(variance + epsilon)` of the multiplied elements, where `epsilon` refers to the original ones.
    pub(super) fn scales(&self, epsilon: f64) -> Vec<f64> {
        let pairs = self.variance.iter().zip(&self.factors);
        pairs.map(|(variance, factor)| 1.0 / (variance + epsilon * factor * factor).sqrt()).collect()
    }
}

/// The sum, in eight independent chains of additions.
fn sum(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for k in 0..8 {
            sums[k] += chunk[k];
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_together_only_if_they_are_short() {
        let width = |columns: usize| Groups { outer: 1, rows: 1, groups: 1, columns }.width();
        assert_eq!([1, 5, 48, 64, 5001, 20_001].map(width), [64, 320, 192, 64, 5001, 20_001]);
    }

    /// Compares with plain float64 sums: lines of one and of several groups, fewer and more lines than a task takes,
    /// and widths that fill the lanes or do not.
    #[test]
    fn every_split_agrees_with_the_formula() {
        for [outer, rows, groups, columns] in [
            [2, 1, 1, 130],
            [700, 1, 1, 64],
            [1, 5000, 10, 1],
            [1, 1100, 16, 1],
            [2, 400, 3, 50],
            [3, 2, 2, 1],
            [1, 3, 2, 9000],
        ] {
            let sizes = Groups { outer, rows, groups, columns };
            let line = groups * columns;
            let size = outer * rows * line;
            let number = |k: usize| ((k * 7919 + k / 13) % 1009) as f64 / 500.0;
            // Far from 0: the mean of the squares minus the square of the mean would have no correct digits.
            let x: Vec<f32> = (0..size).map(|k| (1000.0 + number(k)) as f32).collect();
            let g: Vec<f32> = (0..size).map(|k| (number(3 * k + 1) - 1.0) as f32).collect();
            let gamma: Vec<f32> = (0..line).map(|k| 1.0 + (k % 5) as f32).collect();
            let beta: Vec<f32> = (0..line).map(|k| (k % 3) as f32).collect();
            let statistics = sizes.statistics(&x);
            let general = [sizes.forward(&x, [&gamma, &beta], &statistics, 0.5)];
            let general = general.into_iter().chain(sizes.gradient([&g, &x], &gamma, &statistics, 0.5));
            let mut results: Vec<Vec<Buffer>> = vec![general.collect()];
            if let Some([y, mean, variance]) = sizes.lines_forward(&x, [&gamma, &beta], 0.5) {
                let moments = [mean.as_slice::<f32>(), variance.as_slice::<f32>()];
                let gradients = sizes.lines_gradient([&g, &x], &gamma, moments, 0.5).unwrap();
                results.push([y].into_iter().chain(gradients).collect());
            }
            assert_eq!(results.len(), if [rows, groups] == [1, 1] { 2 } else { 1 });
            let (mut all_gamma, mut all_beta) = (vec![0.0; line], vec![0.0; line]);
            for (o, group) in (0..outer).flat_map(|o| (0..groups).map(move |group| (o, group))) {
                let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, group * columns + column)));
                let places: Vec<(usize, usize)> =
                    places.map(|(row, place)| ((o * rows + row) * line + place, place)).collect();
                let count = places.len() as f64;
                let average =
                    |f: &dyn Fn(usize, usize) -> f64| places.iter().map(|&(k, p)| f(k, p)).sum::<f64>() / count;
                let mean = average(&|k, _| f64::from(x[k]));
                let scale = 1.0 / (average(&|k, _| (f64::from(x[k]) - mean).powi(2)) + 0.5).sqrt();
                let n = |k: usize| (f64::from(x[k]) - mean) * scale;
                let h = |k: usize, p: usize| f64::from(g[k]) * f64::from(gamma[p]);
                let (of_h, of_products) = (average(&h), average(&|k, p| h(k, p) * n(k)));
                // The mean, about 1000, has an error of up to half a unit in the last place of float32, 3e-5.
                for &(k, p) in &places {
                    let of_y = n(k) * f64::from(gamma[p]) + f64::from(beta[p]);
                    let of_x = scale * (h(k, p) - of_h - n(k) * of_products);
                    for (result, expected) in results.iter().flat_map(|result| result.iter().zip([of_y, of_x])) {
                        let found = f64::from(result.as_slice::<f32>()[k]);
                        assert!((found - expected).abs() < 5e-4, "{k} of {sizes:?}: {found}, not {expected}");
                    }
                    all_gamma[p] += f64::from(g[k]) * n(k);
                    all_beta[p] += f64::from(g[k]);
                }
            }
            for place in 0..line {
                let most = 1e-4 * (outer * rows) as f64;
                for result in &results {
                    let [of_gamma, of_beta] = [2, 3].map(|k| f64::from(result[k].as_slice::<f32>()[place]));
                    assert!((of_gamma - all_gamma[place]).abs() < most);
                    assert!((of_beta - all_beta[place]).abs() < most / 10.0);
                }
            }
        }
    }
}
