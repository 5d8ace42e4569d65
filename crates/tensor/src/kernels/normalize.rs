//! Normalizations: sums over groups of elements, and passes that scale and shift every element.
//!
//! All loops go over lines, `groups · columns` contiguous elements, with a coefficient for each place of a line. Sums
//! are first taken place by place, up to [`ROWS`] lines in the element type and beyond that in float64, and then over
//! the places of a group.

use std::ops::Range;

use crate::dtype::Float;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::storage::Buffer;

/// Places of a line that are summed at a time.
const LANES: usize = 64;
/// Lines that are summed in the element type before the sums are added in float64.
const ROWS: usize = 32;
/// Elements per task: few enough that its second pass finds them in the cache.
const TASK: usize = CHUNK / 2;

/// The groups of a tensor `[outer, rows, groups, columns]`: each has `rows · columns` elements.
#[derive(Clone, Copy)]
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
struct Sums {
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

    /// Whether every group is a line. Then its mean and scale are the same at all places, and `gamma` and `beta` are
    /// the same for all groups.
    fn is_line(&self) -> bool {
        self.groups == 1 && self.rows == 1
    }

    fn split(&self) -> Split {
        let lines = (TASK / self.line()).max(1);
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

    /// The number of places that loops process at a time: the fewest whole lines that fill all lanes.
    fn width(&self) -> usize {
        let line = self.line();
        (1..=LANES).map(|lines| lines * line).find(|width| width.is_multiple_of(LANES)).unwrap_or(line)
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

    /// Sums `terms(x, y, centre)` over all lines, for each place of a line.
    fn sums<T: Float>(
        &self,
        [x, y]: [&[T]; 2],
        centre: &[T],
        terms: impl Fn(T, T, T) -> [T; 2],
        totals: &mut [Vec<f64>; 2],
    ) {
        totals.iter_mut().for_each(|totals| totals.fill(0.0));
        let [first, second] = totals;
        vectorized(SumLoop { x, y, centre, terms, totals: [&mut first[..], &mut second[..]] });
        for totals in [first, second] {
            let (line, rest) = totals.split_at_mut(self.line());
            for next in rest.chunks(line.len()) {
                line.iter_mut().zip(next).for_each(|(sum, next)| *sum += next);
            }
        }
    }

    /// The sum over the places of a group.
    fn of_group(&self, line: &[f64], group: usize) -> f64 {
        sum(&line[group * self.columns..(group + 1) * self.columns])
    }

    /// Mean and variance (divisor `n`) of each group, which has at least one element. Deviations are taken from the
    /// mean of each task, which avoids cancellation; tasks are combined as in Chan et al. (1979).
    pub(crate) fn statistics<T: Float>(&self, x: &[T]) -> Statistics {
        let parts = self.tasks(|outer, rows| {
            let (mut centre, mut totals) = (self.places::<T>(), [self.places(), self.places()]);
            let count = (rows.len() * self.columns) as f64;
            let mut moments = Vec::with_capacity(outer.len() * self.groups);
            for index in outer {
                let x = &x[self.elements(index, &rows)];
                if self.is_line() {
                    let mean = T::from_f64(vectorized(Total([x, x, x], |[x, ..]: [T; 3]| x)) / count);
                    let rest = vectorized(Total([x, x, x], |[x, ..]: [T; 3]| x - mean));
                    let squares = vectorized(Total([x, x, x], |[x, ..]: [T; 3]| (x - mean) * (x - mean)));
                    moments.push([count, mean.to_f64() + rest / count, squares - rest * rest / count]);
                    continue;
                }
                centre.fill(T::zero());
                self.sums([x, x], &centre, |x, _, _| [x, T::zero()], &mut totals);
                let means: Vec<f64> = (0..self.groups).map(|group| self.of_group(&totals[0], group) / count).collect();
                self.fill(&mut centre, |group, _| means[group]);
                self.sums([x, x], &centre, |x, _, centre| [x - centre, (x - centre) * (x - centre)], &mut totals);
                for group in 0..self.groups {
                    let [rest, squares] = [0, 1].map(|k| self.of_group(&totals[k], group));
                    // The centre is the mean rounded to the element type.
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
    pub(crate) fn forward<T: Float>(
        &self,
        x: &[T],
        [gamma, beta]: [&[T]; 2],
        statistics: &Statistics,
        epsilon: f64,
    ) -> Buffer {
        let scales = statistics.scales(epsilon);
        let mut out = Buffer::new::<T>(x.len());
        self.for_parts(out.as_mut_slice::<T>(), |index, start, out| {
            if self.is_line() {
                let [mean, scale] = [statistics.mean[index], scales[index]].map(T::from_f64);
                let term = |[x, _]: [T; 2], [gamma, beta, ..]: [T; 4]| (x - mean) * scale * gamma + beta;
                let x = &x[start..start + out.len()];
                return vectorized(MapLoop { x, y: x, places: [gamma, beta, beta, beta], term, out });
            }
            let [mut mean, mut factor, mut shift] = [self.places::<T>(), self.places(), self.places()];
            let of = |group: usize| index * self.groups + group;
            self.fill(&mut mean, |group, _| statistics.mean[of(group)]);
            self.fill(&mut factor, |group, place| scales[of(group)] * gamma[place].to_f64());
            self.fill(&mut shift, |_, place| beta[place].to_f64());
            let x = &x[start..start + out.len()];
            let term = |[x, _]: [T; 2], [mean, factor, shift, _]: [T; 4]| (x - mean) * factor + shift;
            vectorized(MapLoop { x, y: x, places: [&mean, &factor, &shift, &shift], term, out });
        });
        out
    }

    /// The gradients of `x` and, for each place of a line, of `gamma` and `beta`, given the gradient of the result.
    pub(crate) fn gradient<T: Float>(
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
            let mut sums = Sums { groups: Vec::new(), gamma: line.clone(), beta: line };
            for index in outer {
                let elements = self.elements(index, &rows);
                if self.is_line() {
                    let (g, x) = (&g[elements.clone()], &x[elements]);
                    let mean = T::from_f64(statistics.mean[index]);
                    let weighted = |[g, _, gamma]: [T; 3]| g * gamma;
                    let products = |[g, x, gamma]: [T; 3]| g * gamma * (x - mean);
                    let h = [vectorized(Total([g, x, gamma], weighted)), vectorized(Total([g, x, gamma], products))];
                    sums.groups.push(h);
                    let totals = [&mut sums.beta[..], &mut sums.gamma[..]];
                    vectorized(WeightLoop { g, x, mean, scale: scales[index], totals });
                    continue;
                }
                self.fill(&mut mean, |group, _| statistics.mean[of(index, group)]);
                let terms = |g: T, x: T, mean: T| [g, g * (x - mean)];
                self.sums([&g[elements.clone()], &x[elements]], &mean, terms, &mut totals);
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
        let Split { parts: count, .. } = self.split();
        let groups: Vec<[f64; 2]> = parts.iter().flat_map(|part| part.groups.iter().copied()).collect();
        let of_h = |index: usize, group: usize, k: usize| {
            let of = |part: usize| groups[(index * count + part) * self.groups + group][k];
            (0..count).map(of).sum::<f64>() / self.count()
        };
        let mut out = Buffer::new::<T>(x.len());
        self.for_parts(out.as_mut_slice::<T>(), |index, start, out| {
            if self.is_line() {
                let (mean, scale) = (statistics.mean[index], scales[index]);
                let (shift, slope) = (scale * of_h(index, 0, 0), scale.powi(3) * of_h(index, 0, 1));
                let [mean, scale, shift, slope] = [mean, scale, shift, slope].map(T::from_f64);
                let term = |[g, x]: [T; 2], [gamma, ..]: [T; 4]| g * gamma * scale - (shift + (x - mean) * slope);
                let [g, x] = [g, x].map(|values| &values[start..start + out.len()]);
                return vectorized(MapLoop { x: g, y: x, places: [gamma; 4], term, out });
            }
            let [mut mean, mut factor] = [self.places::<T>(), self.places()];
            let [mut shift, mut slope] = [self.places::<T>(), self.places()];
            let scale = |group: usize| scales[of(index, group)];
            let per_group = |f: &dyn Fn(usize) -> f64| (0..self.groups).map(f).collect::<Vec<f64>>();
            let shifts = per_group(&|group| scale(group) * of_h(index, group, 0));
            let slopes = per_group(&|group| scale(group).powi(3) * of_h(index, group, 1));
            self.fill(&mut mean, |group, _| statistics.mean[of(index, group)]);
            self.fill(&mut factor, |group, place| scale(group) * gamma[place].to_f64());
            self.fill(&mut shift, |group, _| shifts[group]);
            self.fill(&mut slope, |group, _| slopes[group]);
            let [g, x] = [g, x].map(|values| &values[start..start + out.len()]);
            let term = |[g, x]: [T; 2], [mean, factor, shift, slope]: [T; 4]| g * factor - (shift + (x - mean) * slope);
            vectorized(MapLoop { x: g, y: x, places: [&mean, &factor, &shift, &slope], term, out });
        });
        let line = |of: fn(&Sums) -> &[f64]| {
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
    fn scales(&self, epsilon: f64) -> Vec<f64> {
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

/// The sum of the terms of a line.
struct Total<'a, T, F>([&'a [T]; 3], F);

impl<T: Float, F: Fn([T; 3]) -> T> Loop for Total<'_, T, F> {
    type Output = f64;
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) -> f64 {
        const CHAINS: usize = 16;
        let Total([a, b, c], term) = self;
        let mut total = 0.0;
        let blocks = a.chunks(CHAINS * ROWS).zip(b.chunks(CHAINS * ROWS)).zip(c.chunks(CHAINS * ROWS));
        for ((a, b), c) in blocks {
            let ((a, a_rest), (b, b_rest), (c, c_rest)) =
                (a.as_chunks::<CHAINS>(), b.as_chunks::<CHAINS>(), c.as_chunks::<CHAINS>());
            let mut sums = [T::zero(); CHAINS];
            for ((a, b), c) in a.iter().zip(b).zip(c) {
                for k in 0..CHAINS {
                    sums[k] += term([a[k], b[k], c[k]]);
                }
            }
            for (k, ((&a, &b), &c)) in a_rest.iter().zip(b_rest).zip(c_rest).enumerate() {
                sums[k] += term([a, b, c]);
            }
            let mut half = CHAINS / 2;
            while half > 0 {
                for k in 0..half {
                    sums[k] += sums[k + half];
                }
                half /= 2;
            }
            total += sums[0].to_f64();
        }
        total
    }
}

/// Adds the contribution of a line to the gradients of `beta` and `gamma`.
struct WeightLoop<'a, T> {
    g: &'a [T],
    x: &'a [T],
    mean: T,
    scale: f64,
    totals: [&'a mut [f64]; 2],
}

impl<T: Float> Loop for WeightLoop<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let WeightLoop { g, x, mean, scale, totals: [beta, gamma] } = self;
        for (((&g, &x), beta), gamma) in g.iter().zip(x).zip(beta).zip(gamma) {
            *beta += g.to_f64();
            *gamma += (g * (x - mean)).to_f64() * scale;
        }
    }
}

/// Adds the terms of all lines to `totals`, place by place.
struct SumLoop<'a, T, F> {
    x: &'a [T],
    y: &'a [T],
    centre: &'a [T],
    terms: F,
    totals: [&'a mut [f64]; 2],
}

impl<T: Float, F: Fn(T, T, T) -> [T; 2]> Loop for SumLoop<'_, T, F> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(mut self) {
        let width = self.centre.len();
        for (x, y) in self.x.chunks(ROWS * width).zip(self.y.chunks(ROWS * width)) {
            for start in (0..width).step_by(LANES) {
                let end = (start + LANES).min(width);
                let mut sums = [[T::zero(); LANES]; 2];
                for (x, y) in x.chunks(width).zip(y.chunks(width)) {
                    // The last chunk may have fewer lines.
                    let lanes = start.min(x.len())..end.min(x.len());
                    add(&mut sums, &x[lanes.clone()], &y[lanes], &self.centre[start..end], &self.terms);
                }
                for (totals, sums) in self.totals.iter_mut().zip(&sums) {
                    totals[start..end].iter_mut().zip(sums).for_each(|(total, &sum)| *total += sum.to_f64());
                }
            }
        }
    }
}

#[inline(always)]
fn add<T: Float>(sums: &mut [[T; LANES]; 2], x: &[T], y: &[T], centre: &[T], terms: &impl Fn(T, T, T) -> [T; 2]) {
    let whole = |values| <&[T; LANES]>::try_from(values);
    let [first, second] = sums;
    if let (Ok(x), Ok(y), Ok(centre)) = (whole(x), whole(y), whole(centre)) {
        for k in 0..LANES {
            let [a, b] = terms(x[k], y[k], centre[k]);
            first[k] += a;
            second[k] += b;
        }
        return;
    }
    for (k, ((&x, &y), &centre)) in x.iter().zip(y).zip(centre).enumerate() {
        let [a, b] = terms(x, y, centre);
        first[k] += a;
        second[k] += b;
    }
}

/// Writes the term of each element, computed with the coefficients of its place.
struct MapLoop<'a, T, F> {
    x: &'a [T],
    y: &'a [T],
    places: [&'a [T]; 4],
    term: F,
    out: &'a mut [T],
}

impl<T: Float, F: Fn([T; 2], [T; 4]) -> T> Loop for MapLoop<'_, T, F> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let width = self.places[0].len();
        for ((x, y), out) in self.x.chunks(width).zip(self.y.chunks(width)).zip(self.out.chunks_mut(width)) {
            let places = self.places.map(|places| places.chunks(LANES));
            let [a, b, c, d] = places;
            let lanes = x.chunks(LANES).zip(y.chunks(LANES)).zip(out.chunks_mut(LANES)).zip(a.zip(b).zip(c.zip(d)));
            for (((x, y), out), ((a, b), (c, d))) in lanes {
                map(x, y, [a, b, c, d], &self.term, out);
            }
        }
    }
}

#[inline(always)]
fn map<T: Float>(x: &[T], y: &[T], [a, b, c, d]: [&[T]; 4], term: &impl Fn([T; 2], [T; 4]) -> T, out: &mut [T]) {
    let whole = |values| <&[T; LANES]>::try_from(values);
    if let (Ok(x), Ok(y), Ok(a), Ok(b), Ok(c), Ok(d), Ok(out)) =
        (whole(x), whole(y), whole(a), whole(b), whole(c), whole(d), <&mut [T; LANES]>::try_from(&mut *out))
    {
        for k in 0..LANES {
            out[k] = term([x[k], y[k]], [a[k], b[k], c[k], d[k]]);
        }
        return;
    }
    for (k, out) in out.iter_mut().enumerate() {
        *out = term([x[k], y[k]], [a[k], b[k], c[k], d[k]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let y = sizes.forward(&x, [&gamma, &beta], &statistics, 0.5);
            let [dx, dgamma, dbeta] = sizes.gradient([&g, &x], &gamma, &statistics, 0.5);
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
                    let expected = n(k) * f64::from(gamma[p]) + f64::from(beta[p]);
                    assert!((f64::from(y.as_slice::<f32>()[k]) - expected).abs() < 5e-4, "{k} of {:?}", x.len());
                    let expected = scale * (h(k, p) - of_h - n(k) * of_products);
                    assert!((f64::from(dx.as_slice::<f32>()[k]) - expected).abs() < 5e-4, "{k} of {:?}", x.len());
                    all_gamma[p] += f64::from(g[k]) * n(k);
                    all_beta[p] += f64::from(g[k]);
                }
            }
            for place in 0..line {
                let most = 1e-4 * (outer * rows) as f64;
                assert!((f64::from(dgamma.as_slice::<f32>()[place]) - all_gamma[place]).abs() < most);
                assert!((f64::from(dbeta.as_slice::<f32>()[place]) - all_beta[place]).abs() < most / 10.0);
            }
        }
    }
}
