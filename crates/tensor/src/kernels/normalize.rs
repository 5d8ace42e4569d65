//! Normalizations: sums over groups of elements, and passes that scale and shift every element.
//!
//! All loops go over lines, `groups · columns` neighbouring elements, with a number for each place of
//! a line. Sums are taken place by place in the element type, in float64 from [`ROWS`] lines on, and
//! only then over the places of a group.

use std::ops::Range;

use crate::dtype::Float;
use crate::kernels::simd::{Loop, vectorized};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::storage::Buffer;

/// Places of a line that are summed side by side.
const LANES: usize = 64;
/// Lines that are summed before the sums become float64.
const ROWS: usize = 32;
/// Elements of a task; small enough that the second pass of it finds them in the cache.
const TASK: usize = CHUNK / 2;

/// The groups of a tensor `[outer, rows, groups, columns]`: each has `rows · columns` elements.
#[derive(Clone, Copy)]
pub(crate) struct Groups {
    pub(crate) outer: usize,
    pub(crate) rows: usize,
    pub(crate) groups: usize,
    pub(crate) columns: usize,
}

/// How the work is split: some outer indices together, or the rows of each in parts.
struct Split {
    together: usize,
    rows: usize,
    parts: usize,
}

/// What a task of [`Groups::gradient`] sums.
struct Sums {
    /// For each of its outer indices and groups the sums of `h` and of `h · (x - mean)`, where `h` is the gradient of the
    /// normalized elements.
    groups: Vec<[f64; 2]>,
    /// For each place of a line the parts of the gradients of `gamma` and `beta`.
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

/// Mean and variance of each group, `[outer, groups]`.
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
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
        let lines = (TASK / self.line()).max(1);
        if self.rows <= lines {
            return Split { together: lines / self.rows, rows: self.rows, parts: 1 };
        }
        let rows = self.rows.div_ceil(self.rows.div_ceil(lines));
        Split { together: 1, rows, parts: self.rows.div_ceil(rows) }
    }

    /// `f(outer indices, rows)` for every task, in order: the parts of one outer index follow one another.
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

    /// Calls `f(outer index, start, part)` for parts of `out`, which has the elements of all lines; the part
    /// begins with element `start`.
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

    /// How many places loops go over together: whole lines, which fill lanes where that is no detour.
    fn width(&self) -> usize {
        let line = self.line();
        (1..=LANES).map(|lines| lines * line).find(|width| width.is_multiple_of(LANES)).unwrap_or(line)
    }

    /// Room for a number at every place.
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

    /// For each place of a line the sums of `terms(x, y, centre)` over all lines.
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

    /// Mean and variance (divisor `n`) of each group; there is at least one element. The deviations are from the mean of each
    /// task, so that nothing cancels, and tasks are combined as Chan et al. (1979) do.
    pub(crate) fn statistics<T: Float>(&self, x: &[T]) -> Statistics {
        let parts = self.tasks(|outer, rows| {
            let (mut centre, mut totals) = (self.places::<T>(), [self.places(), self.places()]);
            let count = (rows.len() * self.columns) as f64;
            let mut moments = Vec::with_capacity(outer.len() * self.groups);
            for index in outer {
                let x = &x[self.elements(index, &rows)];
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
        let mut statistics = Statistics { mean: Vec::new(), variance: Vec::new() };
        for index in 0..self.outer {
            for group in 0..self.groups {
                let of = |part: usize| parts[(index * count + part) * self.groups + group];
                let [all, mean, squares] = (1..count).map(of).fold(of(0), |[n, mean, squares], [m, other, more]| {
                    let (all, apart) = (n + m, other - mean);
                    [all, mean + apart * m / all, squares + more + apart * apart * n * m / all]
                });
                statistics.mean.push(mean);
                statistics.variance.push(squares.max(0.0) / all);
            }
        }
        statistics
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

    /// The gradients of `x`, and for each place of a line those of `gamma` and `beta`, given that of the result.
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
    /// `1 / √(variance + epsilon)`.
    fn scales(&self, epsilon: f64) -> Vec<f64> {
        self.variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect()
    }
}

/// The sum in eight independent chains.
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

/// Adds to `totals`, place by place, the terms of all lines.
struct SumLoop<'a, T, F> {
    x: &'a [T],
    y: &'a [T],
    centre: &'a [T],
    terms: F,
    totals: [&'a mut [f64]; 2],
}

impl<T: Float, F: Fn(T, T, T) -> [T; 2]> Loop for SumLoop<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let width = self.centre.len();
        for (x, y) in self.x.chunks(ROWS * width).zip(self.y.chunks(ROWS * width)) {
            for start in (0..width).step_by(LANES) {
                let end = (start + LANES).min(width);
                let mut sums = [[T::zero(); LANES]; 2];
                for (x, y) in x.chunks(width).zip(y.chunks(width)) {
                    // The last lines may be fewer.
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

/// Writes the term of each element, with the numbers of its place.
struct MapLoop<'a, T, F> {
    x: &'a [T],
    y: &'a [T],
    places: [&'a [T]; 4],
    term: F,
    out: &'a mut [T],
}

impl<T: Float, F: Fn([T; 2], [T; 4]) -> T> Loop for MapLoop<'_, T, F> {
    type Output = ();

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
