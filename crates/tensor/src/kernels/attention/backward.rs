//! The gradients.
//!
//! A task takes the keys of one matrix, or every so-many-th block of them, through all blocks of queries. It computes the
//! weights of a block again from the saved statistics. Gradients of keys and values are sums over queries, which the task
//! accumulates; those of queries are sums over keys. If several tasks share the keys of a matrix, each writes its own part
//! of these sums, and the parts are then added in order.

use std::ops::Range;

use super::blocks::{
    Attention, Block, KEYS, LANES, Places, QUERIES, Sizes, Stack, carve, parts, parts_of_unit, units_per_task,
};
use super::exponential::exponential;
use super::mask::Allowed;
use super::pack::{self, Target, padded};
use super::products::multiply;
use crate::kernels::finite::rows_are_finite;
use crate::kernels::math::{Fused, MultiplyAdd, Separate};
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::sparse::Sparse;
use crate::kernels::threads::{CHUNK, Shared, for_chunks, for_each};
use crate::kernels::tile::Tiled;
use crate::layout::{Layout, View};
use crate::shape::Shape;
use crate::storage::Buffer;

/// The number of keys up to which their gradients are prefetched: more do not stay in the cache until they are written.
const PREFETCHED: usize = 512;

/// Attention, the gradient of its result, the result itself and the statistics that the forward pass returned.
pub(crate) struct Gradients<'a, T> {
    attention: Attention<'a, T>,
    gradient: Stack<'a, T>,
    result: Stack<'a, T>,
    statistics: Stack<'a, T>,
}

/// Where the gradients go.
struct Targets<T> {
    /// One for each part of the sums over keys.
    query: Vec<Target<T>>,
    key: Target<T>,
    value: Target<T>,
    mask: Option<Target<T>>,
}

impl<'a, T: Tiled> Gradients<'a, T> {
    pub(crate) fn new(
        attention: Attention<'a, T>,
        gradient: View<'a, T>,
        result: View<'a, T>,
        statistics: View<'a, T>,
    ) -> Self {
        let Sizes { queries, size, .. } = attention.sizes;
        let of_results = |view| Stack::new(view, &attention.batch, [queries, size]);
        let (gradient, result) = (of_results(gradient), of_results(result));
        let statistics = Stack::new(statistics, &attention.batch, [2, queries]);
        Gradients { attention, gradient, result, statistics }
    }

    /// The gradients of queries, keys and values in the given layouts, whose columns are contiguous; and that of the mask,
    /// `[batch, queries, keys]`, if `of_mask` is set. All have the axes of the batch, also if an operand was broadcast.
    pub(crate) fn compute(&self, layouts: [&Layout; 3], of_mask: bool) -> Vec<Buffer> {
        let attention = &self.attention;
        let Sizes { queries, keys, width, size } = attention.sizes;
        let count = attention.batch.size();
        let per_matrix = queries.saturating_mul(keys).saturating_mul(width + size);
        let shares = parts_of_unit(count, per_matrix).min(keys.div_ceil(KEYS)).max(1);
        let mut of_queries: Vec<Buffer> = (0..shares).map(|_| Buffer::new::<T>(count * queries * width)).collect();
        let [mut of_keys, mut of_values] = [width, size].map(|width| Buffer::new::<T>(count * keys * width));
        let mut of_mask = of_mask.then(|| Buffer::filled(count * queries * keys, T::zero()));
        let target = |buffer: &mut Buffer, layout: &Layout, rows: usize, columns: usize| Target {
            shared: Shared::of(buffer.as_mut_slice::<T>()),
            places: Places::new(layout, &attention.batch, [rows, columns]),
        };
        let of_scores: Shape = attention.batch.iter().copied().chain([queries, keys]).collect();
        let targets = Targets {
            query: of_queries.iter_mut().map(|buffer| target(buffer, layouts[0], queries, width)).collect(),
            key: target(&mut of_keys, layouts[1], keys, width),
            value: target(&mut of_values, layouts[2], keys, size),
            mask: of_mask.as_mut().map(|buffer| target(buffer, &Layout::row_major(of_scores), queries, keys)),
        };
        let units = count * shares;
        let group = units_per_task(units, per_matrix / shares);
        for_each(units.div_ceil(group), &|task| {
            let sizes = Scratch::<T>::sizes(attention.sizes, shares);
            let mut memory = Buffer::new::<T>(sizes.iter().sum());
            let mut scratch = Scratch::new(memory.as_mut_slice(), sizes);
            for unit in task * group..units.min((task + 1) * group) {
                self.share(unit / shares, [unit % shares, shares], &mut scratch, &targets);
            }
        });
        let mut of_queries = of_queries.into_iter();
        let mut sum = of_queries.next().expect("at least one share");
        for part in of_queries {
            let part = part.as_slice::<T>();
            for_chunks(sum.as_mut_slice::<T>(), CHUNK, |start, sum| {
                sum.iter_mut().zip(&part[start..]).for_each(|(sum, &x)| *sum += x);
            });
        }
        [sum, of_keys, of_values].into_iter().chain(of_mask).collect()
    }

    /// Computes the share of the gradients of one matrix that belongs to the blocks of keys `first`, `first + step` and so
    /// on.
    fn share(&self, number: usize, [first, step]: [usize; 2], scratch: &mut Scratch<T>, targets: &Targets<T>) {
        let attention = &self.attention;
        let Sizes { queries, keys, width, size } = attention.sizes;
        let Scratch { of_keys, of_values, .. } = scratch;
        of_keys.fill(T::zero());
        of_values.fill(T::zero());
        for rows in parts(queries, QUERIES) {
            targets.query[first].prefetch(number, rows.clone(), width);
            if rows.end == queries && keys <= PREFETCHED {
                targets.key.prefetch(number, 0..keys, width);
                targets.value.prefetch(number, 0..keys, size);
            }
            let started = self.some_queries(number, &rows, [first, step], scratch, targets);
            let columns = padded(rows.len());
            let of_query = &mut scratch.of_query[..width * columns];
            if started {
                of_query.iter_mut().for_each(|x| *x *= attention.scale);
            } else {
                of_query.fill(T::zero());
            }
            pack::transposed(of_query, columns, [width, rows.len()], scratch.rows, padded(width));
            // SAFETY: these queries of this matrix are written in this share only, which has a target of its own.
            unsafe {
                let of_rows = &scratch.rows[..rows.len() * padded(width)];
                targets.query[first].write(number, rows.start, of_rows, padded(width), width);
            }
        }
        for (k, block) in parts(keys, KEYS).skip(first).step_by(step).enumerate() {
            for (target, sums, width) in
                [(&targets.key, &scratch.of_keys, width), (&targets.value, &scratch.of_values, size)]
            {
                let sums = &sums[k * KEYS * padded(width)..][..block.len() * padded(width)];
                // SAFETY: these keys of this matrix belong to this share only.
                unsafe { target.write(number, block.start, sums, padded(width), width) };
            }
        }
    }

    /// Adds the contributions of some queries to the gradients of keys and values, and computes their own before the
    /// scale, transposed. Returns whether there are any.
    fn some_queries(
        &self,
        number: usize,
        queries: &Range<usize>,
        [first, step]: [usize; 2],
        scratch: &mut Scratch<T>,
        targets: &Targets<T>,
    ) -> bool {
        let attention = &self.attention;
        let Sizes { width, size, .. } = attention.sizes;
        let (count, columns) = (queries.len(), padded(queries.len()));
        let masked = attention.is_masked();
        let mut packed = None;
        let mut started = false;
        for (k, block) in attention.blocks(number, queries).skip(first).step_by(step).enumerate() {
            let allowed = attention.allowed(&block);
            if allowed == Allowed::None {
                continue;
            }
            let finite = *packed.get_or_insert_with(|| self.pack(number, queries, scratch));
            let keys = block.keys.len();
            let [scores, slopes] =
                [&mut *scratch.scores, &mut *scratch.slopes].map(|block| &mut block[..keys * columns]);
            attention.scores(&block, allowed, &scratch.query[..width * columns], scores);
            let value = attention.value.matrix(number, block.keys.start);
            attention.for_keys(&block, &value, &scratch.gradient[..size * columns], size, slopes);
            let [top, offset] = [&*scratch.top, &*scratch.offset].map(|row| &row[..columns]);
            vectorized(Slopes { columns, weights: scores, slopes, top, offset, masked });
            for (left, right, sums, width, finite) in [
                (&*scores, &*scratch.gradient_rows, &mut *scratch.of_values, size, finite[1]),
                (&*slopes, &*scratch.query_rows, &mut *scratch.of_keys, width, finite[0]),
            ] {
                let width = padded(width);
                let left = Matrix { data: left, start: 0, strides: [columns as isize, 1] };
                let sums = &mut sums[k * KEYS * width..][..keys * width];
                let sparse = (!finite).then_some(Sparse::Left);
                multiply(&left, &right[..count * width], [keys, width, count], sums, true, sparse);
            }
            let key = attention.key.matrix(number, block.keys.start);
            let of_query = &mut scratch.of_query[..width * columns];
            attention.over_keys(&block, (&key, width), slopes, of_query, started);
            started = true;
            if let Some(target) = &targets.mask {
                write_of_mask(&block, slopes, scratch.rows, target);
            }
        }
        started
    }

    /// Packs queries, the gradients of their results, and what belongs to them. Returns whether the queries and the
    /// gradients are finite.
    fn pack(&self, number: usize, queries: &Range<usize>, scratch: &mut Scratch<T>) -> [bool; 2] {
        let attention = &self.attention;
        let Sizes { width, size, .. } = attention.sizes;
        let (count, columns) = (queries.len(), padded(queries.len()));
        let Scratch { query, gradient, query_rows, gradient_rows, scores: result, rows, top, offset, .. } = scratch;
        let statistics = self.statistics.matrix(number, 0);
        let from = attention.query.matrix(number, queries.start);
        pack::rows(&from, [count, width], |_| Some(attention.scale), query_rows, padded(width));
        pack::transposed(query_rows, padded(width), [count, width], query, columns);
        // The gradients carry the reciprocals of the sums of exponentials, so no weight has to. A query without keys has
        // no gradient.
        let reciprocal = |row: usize| {
            let reciprocal = statistics.at(1, queries.start + row);
            (reciprocal != T::zero()).then_some(reciprocal)
        };
        let from = self.gradient.matrix(number, queries.start);
        pack::rows(&from, [count, size], reciprocal, gradient_rows, padded(size));
        pack::transposed(gradient_rows, padded(size), [count, size], gradient, columns);
        let from = self.result.matrix(number, queries.start);
        pack::rows(&from, [count, size], |_| Some(T::one()), rows, padded(size));
        pack::transposed(rows, padded(size), [count, size], result, columns);
        let (gradient, result) = (&gradient[..size * columns], &result[..size * columns]);
        vectorized(Offsets { gradient, result, offset: &mut offset[..columns] });
        top[..columns].fill(T::zero());
        for (row, top) in top[..count].iter_mut().enumerate() {
            *top = statistics.at(0, queries.start + row);
        }
        let finite = |rows: &[T], width: usize| {
            let rows = Matrix { data: rows, start: 0, strides: [padded(width) as isize, 1] };
            !attention.is_masked() || rows_are_finite(&rows, [count, width])
        };
        [finite(query_rows, width), finite(gradient_rows, size)]
    }
}

/// Writes the gradient of an added mask, which is that of the scores.
fn write_of_mask<T: Tiled>(block: &Block, slopes: &[T], rows: &mut [T], target: &Target<T>) {
    let (keys, columns) = (block.keys.len(), padded(block.queries.len()));
    let rows = &mut rows[..block.queries.len() * padded(keys)];
    pack::transposed(slopes, columns, [keys, block.queries.len()], rows, padded(keys));
    for (query, row) in block.queries.clone().zip(rows.chunks_exact(padded(keys))) {
        let at = target.places.at(block.number, query, block.keys.start);
        // SAFETY: only one task takes this block of this matrix; its keys and queries are below the numbers of keys and
        // queries.
        unsafe { target.shared.part(at, keys) }.copy_from_slice(&row[..keys]);
    }
}

/// The memory of a task.
struct Scratch<'a, T> {
    rows: &'a mut [T],
    /// The scaled queries and the gradients of their results, as rows and transposed.
    query_rows: &'a mut [T],
    query: &'a mut [T],
    gradient_rows: &'a mut [T],
    gradient: &'a mut [T],
    /// `[keys, columns]`: scores, then weights.
    scores: &'a mut [T],
    /// `[keys, columns]`: gradients of weights, then of scores.
    slopes: &'a mut [T],
    /// The transposed gradients of queries.
    of_query: &'a mut [T],
    /// The sums for all keys of a share.
    of_keys: &'a mut [T],
    of_values: &'a mut [T],
    /// The largest score of each query.
    top: &'a mut [T],
    /// The product of the result of each query and its gradient.
    offset: &'a mut [T],
}

impl<'a, T: Tiled> Scratch<'a, T> {
    fn sizes(Sizes { queries, keys, width, size }: Sizes, shares: usize) -> [usize; 12] {
        let columns = padded(queries.min(QUERIES));
        let scores = keys.min(KEYS) * columns;
        let of_keys = (keys.div_ceil(KEYS).div_ceil(shares) * KEYS).min(keys);
        let rows = columns * padded(width.max(size).max(keys.min(KEYS)));
        [
            rows,
            columns * padded(width),
            columns * width,
            columns * padded(size),
            columns * size,
            scores.max(size.max(1) * columns),
            scores,
            columns * width,
            of_keys * padded(width),
            of_keys * padded(size),
            columns,
            columns,
        ]
    }

    fn new(memory: &'a mut [T], sizes: [usize; 12]) -> Scratch<'a, T> {
        let parts = carve(memory, sizes);
        let [
            rows,
            query_rows,
            query,
            gradient_rows,
            gradient,
            scores,
            slopes,
            of_query,
            of_keys,
            of_values,
            top,
            offset,
        ] = parts;
        Scratch {
            rows,
            query_rows,
            query,
            gradient_rows,
            gradient,
            scores,
            slopes,
            of_query,
            of_keys,
            of_values,
            top,
            offset,
        }
    }
}

/// The products of results and their gradients, summed over rows in the order of a tile: a weight of 1 then has exactly
/// the gradient 0.
struct Offsets<'a, T> {
    gradient: &'a [T],
    result: &'a [T],
    offset: &'a mut [T],
}

impl<T: Tiled> Loop for Offsets<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.sum(|a, b, sum| a * b + sum);
    }

    #[inline(always)]
    fn run_fused(self) {
        self.sum(|a, b, sum| a.mul_add(b, sum));
    }
}

impl<T: Tiled> Offsets<'_, T> {
    #[inline(always)]
    fn sum(self, multiply_add: impl Fn(T, T, T) -> T) {
        let Offsets { gradient, result, offset } = self;
        let columns = offset.len();
        offset.fill(T::zero());
        for (gradient, result) in gradient.chunks_exact(columns).zip(result.chunks_exact(columns)) {
            for ((offset, &g), &y) in offset.iter_mut().zip(gradient).zip(result) {
                *offset = multiply_add(g, y, *offset);
            }
        }
    }
}

/// Replaces scores by exponentials relative to the largest score of each column, and gradients of weights by those of
/// scores.
struct Slopes<'a, T> {
    columns: usize,
    weights: &'a mut [T],
    slopes: &'a mut [T],
    top: &'a [T],
    offset: &'a [T],
    /// Whether scores of minus infinity do not count: weight and gradient are 0, also if everything else is NaN.
    masked: bool,
}

impl<T: Tiled> Loop for Slopes<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        if self.masked { self.slopes::<Separate, true>() } else { self.slopes::<Separate, false>() }
    }

    #[inline(always)]
    fn run_fused(self) {
        if self.masked { self.slopes::<Fused, true>() } else { self.slopes::<Fused, false>() }
    }
}

impl<T: Tiled> Slopes<'_, T> {
    #[inline(always)]
    fn slopes<M: MultiplyAdd, const MASKED: bool>(self) {
        let Slopes { columns, weights, slopes, top, offset, .. } = self;
        let (top, offset) = (top.as_chunks::<LANES>().0, offset.as_chunks::<LANES>().0);
        for (weights, slopes) in weights.chunks_exact_mut(columns).zip(slopes.chunks_exact_mut(columns)) {
            let each = weights.as_chunks_mut::<LANES>().0.iter_mut().zip(slopes.as_chunks_mut::<LANES>().0);
            for ((weights, slopes), (top, offset)) in each.zip(top.iter().zip(offset)) {
                let (scores, gradients) = (*weights, *slopes);
                let [mut of_weights, mut of_scores] = [[T::zero(); LANES]; 2];
                for k in 0..LANES {
                    let weight = exponential::<M, T>(scores[k] - top[k]);
                    of_weights[k] = if MASKED && scores[k] == T::neg_infinity() { T::zero() } else { weight };
                    let slope = of_weights[k] * (gradients[k] - offset[k]);
                    of_scores[k] = if MASKED && of_weights[k] == T::zero() { T::zero() } else { slope };
                }
                (*weights, *slopes) = (of_weights, of_scores);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets::{self, plain_on, vectorized_on};

    macro_rules! bits {
        ($T:ty, $masked:expr, |$loop:ident| $run:expr) => {{
            let (columns, masked): (usize, bool) = (48, $masked);
            let value = |k: usize| ((k * 7919) % 1009) as $T * 0.013 - 14.0;
            let score = |k: usize| if k % 5 == 0 { <$T>::NEG_INFINITY } else { value(k) };
            let mut weights: Vec<$T> = (0..7 * columns).map(score).collect();
            let mut slopes: Vec<$T> =
                (0..7 * columns).map(|k| if k % 10 == 0 { <$T>::NAN } else { value(k) }).collect();
            let [top, offset] = [[0.5 as $T; 48], [0.7; 48]];
            let (top, offset) = (&top[..], &offset[..]);
            let $loop = Slopes { columns, weights: &mut weights, slopes: &mut slopes, top, offset, masked };
            $run;
            // The product of 0 and NaN is NaN, unless the score does not count.
            assert!(slopes.iter().enumerate().all(|(k, x)| x.is_nan() == (k % 10 == 0 && !masked)));
            weights.iter().chain(&slopes).map(|x| f64::from(*x).to_bits()).collect::<Vec<_>>()
        }};
    }

    #[test]
    fn slopes_have_the_bits_of_plain_code_on_every_instruction_set() {
        for (set, masked) in sets::available().flat_map(|set| [(set, false), (set, true)]) {
            let compare = |found: Vec<u64>, expected: Vec<u64>| assert_eq!(found, expected, "{set}");
            compare(bits!(f32, masked, |l| vectorized_on(set, l)), bits!(f32, masked, |l| plain_on(set, l)));
            compare(bits!(f64, masked, |l| vectorized_on(set, l)), bits!(f64, masked, |l| plain_on(set, l)));
        }
    }
}
