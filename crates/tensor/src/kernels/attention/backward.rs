//! The gradients.
//!
//! A task takes the keys of one matrix, or every so-many-th block of them, through all blocks of queries. It computes the
//! weights of a block again from the saved statistics. Gradients of keys and values are sums over queries, which the task
//! accumulates; those of queries are sums over keys. If several tasks share the keys of a matrix, each writes its own part
//! of these sums, and the parts are then added in order.

use super::blocks::{
    Attention, Block, KEYS, LANES, Places, QUERIES, Sizes, Stack, carve, parts, parts_of_unit, units_per_task,
};
use super::mask::Allowed;
use super::pack::{self, Target, padded};
use super::products::{is_finite, multiply};
use crate::kernels::math::{self, Fused, MultiplyAdd, Separate};
use crate::kernels::matrices::Matrix;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::sparse::Sparse;
use crate::kernels::threads::{CHUNK, Shared, for_chunks, for_each};
use crate::kernels::tile::Tiled;
use crate::layout::{Layout, View};
use crate::shape::Shape;
use crate::storage::Buffer;

/// What the forward pass returned, and the gradient of its result.
pub(crate) struct Gradients<'a, T> {
    pub(crate) attention: Attention<'a, T>,
    pub(crate) gradient: View<'a, T>,
    pub(crate) result: View<'a, T>,
    pub(crate) statistics: View<'a, T>,
}

/// Where the gradients go.
struct Targets<T> {
    /// One for each part of the sums over keys.
    query: Vec<Target<T>>,
    key: Target<T>,
    value: Target<T>,
    mask: Option<Target<T>>,
}

impl<T: Tiled> Gradients<'_, T> {
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
            places: Places::new(layout, attention.batch, [rows, columns]),
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
            let all = Block { number, queries: rows.clone(), keys: 0..keys };
            let started = self.block_of_queries(&all, [first, step], scratch, targets);
            let columns = padded(rows.len());
            let of_query = &mut scratch.of_query[..width * columns];
            if started {
                let scale = T::from_f64(attention.scale);
                of_query.iter_mut().for_each(|x| *x *= scale);
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

    /// Adds the contributions of a block of queries to the gradients of keys and values, and computes their own before the
    /// scale, transposed. Returns whether there are any.
    fn block_of_queries(
        &self,
        all: &Block,
        [first, step]: [usize; 2],
        scratch: &mut Scratch<T>,
        targets: &Targets<T>,
    ) -> bool {
        let attention = &self.attention;
        let Sizes { width, size, .. } = attention.sizes;
        let (count, columns) = (all.queries.len(), padded(all.queries.len()));
        let (keys, values) = (attention.keys(), attention.values());
        let masked = attention.is_masked();
        let mut packed = None;
        let mut started = false;
        for (k, keys_of_block) in parts(all.keys.end, KEYS).skip(first).step_by(step).enumerate() {
            let block = Block { keys: keys_of_block, ..all.clone() };
            let allowed = attention.allowed(&block);
            if allowed == Allowed::None {
                continue;
            }
            let finite = *packed.get_or_insert_with(|| self.pack(all, scratch));
            let Scratch { query, gradient, query_rows, gradient_rows, scores, slopes, .. } = scratch;
            let [top, offset] = [&*scratch.top, &*scratch.offset].map(|row| &row[..columns]);
            let scores = &mut scores[..block.keys.len() * columns];
            let slopes = &mut slopes[..block.keys.len() * columns];
            attention.scores(&keys, &block, &query[..width * columns], scores, allowed);
            let value = values.matrix(all.number, block.keys.start);
            let of_scores = [block.keys.len(), columns, size];
            multiply(&value, &gradient[..size * columns], of_scores, slopes, false, None);
            vectorized(Slopes { columns, weights: scores, slopes, top, offset, masked });
            // Where all keys are allowed, no zero is to be skipped.
            let sparse = |finite: bool, side: Sparse| {
                if finite || allowed == Allowed::All { None } else { Some(side) }
            };
            for (left, right, sums, width, finite) in [
                (&*scores, &*gradient_rows, &mut *scratch.of_values, size, finite[1]),
                (&*slopes, &*query_rows, &mut *scratch.of_keys, width, finite[0]),
            ] {
                let width = padded(width);
                let left = Matrix { data: left, start: 0, strides: [columns as isize, 1] };
                let sums = &mut sums[k * KEYS * width..][..block.keys.len() * width];
                let sizes = [block.keys.len(), width, count];
                multiply(&left, &right[..count * width], sizes, sums, true, sparse(finite, Sparse::Left));
            }
            let key = keys.matrix(all.number, block.keys.start);
            let finite = allowed == Allowed::All || is_finite(&key, [block.keys.len(), width]);
            let of_query = &mut scratch.of_query[..width * columns];
            let sizes = [width, columns, block.keys.len()];
            multiply(&key.transposed(), slopes, sizes, of_query, started, sparse(finite, Sparse::Right));
            started = true;
            if let Some(target) = &targets.mask {
                self.write_mask(&block, slopes, scratch.rows, target);
            }
        }
        started
    }

    /// Packs queries, the gradients of their results, and what belongs to them. Returns whether the queries and the
    /// gradients are finite.
    fn pack(&self, all: &Block, scratch: &mut Scratch<T>) -> [bool; 2] {
        let attention = &self.attention;
        let Sizes { queries, width, size, .. } = attention.sizes;
        let (count, columns) = (all.queries.len(), padded(all.queries.len()));
        let Scratch { query, gradient, query_rows, gradient_rows, scores: result, rows, top, offset, .. } = scratch;
        let result = &mut result[..size.max(1) * columns];
        let of_results = |view| Stack::new(view, attention.batch, [queries, size]);
        let statistics = Stack::new(self.statistics, attention.batch, [2, queries]);
        let statistics = statistics.matrix(all.number, 0);
        let scale = T::from_f64(attention.scale);
        let from = attention.queries().matrix(all.number, all.queries.start);
        pack::rows(&from, [count, width], |_| Some(scale), query_rows, padded(width));
        pack::transposed(query_rows, padded(width), [count, width], query, columns);
        // The gradients carry the reciprocals of the sums of exponentials, so no weight has to. A query without keys has
        // no gradient.
        let reciprocal = |row: usize| {
            let reciprocal = statistics.at(1, all.queries.start + row);
            (reciprocal != T::zero()).then_some(reciprocal)
        };
        let from = of_results(self.gradient).matrix(all.number, all.queries.start);
        pack::rows(&from, [count, size], reciprocal, gradient_rows, padded(size));
        pack::transposed(gradient_rows, padded(size), [count, size], gradient, columns);
        let from = of_results(self.result).matrix(all.number, all.queries.start);
        pack::rows(&from, [count, size], |_| Some(T::one()), rows, padded(size));
        pack::transposed(rows, padded(size), [count, size], result, columns);
        let offset = &mut offset[..columns];
        vectorized(Offsets { gradient: &gradient[..size * columns], result: &result[..size * columns], offset });
        top[..columns].fill(T::zero());
        for (row, top) in top[..count].iter_mut().enumerate() {
            *top = statistics.at(0, all.queries.start + row);
        }
        let finite = |rows: &[T], width: usize| {
            let rows = Matrix { data: rows, start: 0, strides: [padded(width) as isize, 1] };
            !attention.is_masked() || is_finite(&rows, [count, width])
        };
        [finite(query_rows, width), finite(gradient_rows, size)]
    }

    /// The gradient of an added mask is that of the scores.
    fn write_mask(&self, block: &Block, slopes: &[T], rows: &mut [T], target: &Target<T>) {
        let (keys, columns) = (block.keys.len(), padded(block.queries.len()));
        let width = padded(keys);
        let rows = &mut rows[..block.queries.len() * width];
        pack::transposed(slopes, columns, [keys, block.queries.len()], rows, width);
        for (query, row) in block.queries.clone().zip(rows.chunks_exact(width)) {
            let at = target.places.at(block.number, query, block.keys.start);
            // SAFETY: only this share writes these keys of this matrix; they are below the number of keys, and the query is
            // below that of queries.
            unsafe { target.shared.part(at, keys) }.copy_from_slice(&row[..keys]);
        }
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
                for k in 0..LANES {
                    let score = weights[k];
                    let weight = math::exp_of_negative::<M, T>(score - top[k]);
                    weights[k] = if MASKED && score == T::neg_infinity() { T::zero() } else { weight };
                }
                for k in 0..LANES {
                    let slope = weights[k] * (slopes[k] - offset[k]);
                    slopes[k] = if MASKED && weights[k] == T::zero() { T::zero() } else { slope };
                }
            }
        }
    }
}
