//! The forward pass.

use std::ops::Range;

use super::blocks::{Attention, Block, KEYS, LANES, Places, QUERIES, Sizes, carve, units_per_task};
use super::exponential::exponential;
use super::mask::Allowed;
use super::pack::{self, Target, padded};
use crate::kernels::math::{Fused, MultiplyAdd, Separate};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::{Shared, for_each};
use crate::kernels::tile::Tiled;
use crate::layout::Layout;
use crate::storage::Buffer;

impl<T: Tiled> Attention<'_, T> {
    /// The result, `[batch, queries, size]` in the given layout, whose columns are contiguous; and what the gradient
    /// needs of the softmax, `[batch, 2, queries]`: the largest score of each query and the reciprocal of the sum of
    /// exponentials relative to it. Both are 0 for a query without keys.
    pub(crate) fn forward(&self, layout: &Layout) -> [Buffer; 2] {
        let Sizes { queries, keys, width, size } = self.sizes;
        let count = self.batch.size();
        let mut out = Buffer::new::<T>(count * queries * size);
        let mut statistics = Buffer::new::<T>(count * 2 * queries);
        let shared = Shared::of(out.as_mut_slice::<T>());
        let result = Target { shared, places: Places::new(layout, &self.batch, [queries, size]) };
        let of_rows = Shared::of(statistics.as_mut_slice::<T>());
        let blocks = queries.div_ceil(QUERIES);
        let work = QUERIES.min(queries).saturating_mul(keys).saturating_mul(width + size);
        let group = units_per_task(count * blocks, work);
        for_each((count * blocks).div_ceil(group), &|task| {
            let columns = padded(queries.min(QUERIES));
            let sizes = Scratch::<T>::sizes(self.sizes, columns);
            let mut memory = Buffer::new::<T>(sizes.iter().sum());
            let mut scratch = Scratch::new(memory.as_mut_slice(), sizes);
            for unit in task * group..(count * blocks).min((task + 1) * group) {
                let (number, block) = (unit / blocks, unit % blocks);
                let rows = block * QUERIES..queries.min((block + 1) * QUERIES);
                result.prefetch(number, rows.clone(), size);
                self.attend(number, &rows, &mut scratch);
                let at = number * 2 * queries + rows.start;
                // SAFETY: each unit writes the rows of its own queries, which are below `queries`, in its own matrix, which
                // is below `count`.
                unsafe {
                    result.write(number, rows.start, &scratch.rows[..rows.len() * padded(size)], padded(size), size);
                    of_rows.part(at, rows.len()).copy_from_slice(&scratch.top[..rows.len()]);
                    of_rows.part(at + queries, rows.len()).copy_from_slice(&scratch.sum[..rows.len()]);
                }
            }
        });
        [out, statistics]
    }

    /// Computes the results of some queries for all keys: `scratch.rows`, and the statistics.
    fn attend(&self, number: usize, queries: &Range<usize>, scratch: &mut Scratch<T>) {
        let Sizes { keys, width, size, .. } = self.sizes;
        let (count, columns) = (queries.len(), padded(queries.len()));
        let Scratch { rows, query: packed, scores, result, top, sum, factor } = scratch;
        let query = self.query.matrix(number, queries.start);
        pack::rows(&query, [count, width], |_| Some(self.scale), rows, padded(width));
        pack::transposed(rows, padded(width), [count, width], packed, columns);
        let (packed, result) = (&packed[..width * columns], &mut result[..size * columns]);
        let [top, sum, factor] = [top, sum, factor].map(|row| &mut row[..columns]);
        top.fill(T::neg_infinity());
        sum.fill(T::zero());
        let mut started = false;
        for block in self.blocks(number, queries) {
            let allowed = self.allowed(&block);
            if allowed == Allowed::None {
                continue;
            }
            let scores = &mut scores[..block.keys.len() * columns];
            self.scores(&block, allowed, packed, scores);
            vectorized(Exponentials { columns, scores, top, sum, factor });
            if started && factor.iter().any(|&factor| factor != T::one()) {
                vectorized(ScaleColumns { rows: result, factors: factor });
            }
            let value = self.value.matrix(number, block.keys.start);
            self.over_keys(&block, (&value, size), scores, result, started);
            started = true;
        }
        if !started {
            result.fill(T::zero());
        }
        for (top, sum) in top.iter_mut().zip(&mut *sum) {
            // A query without keys. If nothing is masked, all its scores have overflowed.
            let none = *sum == T::zero() && (self.is_masked() || keys == 0);
            *sum = if none { T::zero() } else { sum.recip() };
            *top = if *top == T::neg_infinity() { T::zero() } else { *top };
        }
        vectorized(ScaleColumns { rows: result, factors: sum });
        pack::transposed(result, columns, [size, count], rows, padded(size));
    }

    /// The scores of a block, `[keys, columns]`: products of keys and packed queries. Those that do not count are minus
    /// infinity.
    pub(super) fn scores(&self, block: &Block, allowed: Allowed, packed: &[T], scores: &mut [T]) {
        let key = self.key.matrix(block.number, block.keys.start);
        self.for_keys(block, &key, packed, self.sizes.width, scores);
        if allowed == Allowed::Some {
            self.restrict(block, scores, padded(block.queries.len()));
        }
    }
}

/// The memory of a task.
struct Scratch<'a, T> {
    /// Rows of queries, then of results.
    rows: &'a mut [T],
    /// The transposed queries, `[width, columns]`.
    query: &'a mut [T],
    /// `[keys, columns]`.
    scores: &'a mut [T],
    /// The transposed results, `[size, columns]`.
    result: &'a mut [T],
    /// The largest score of each query so far.
    top: &'a mut [T],
    /// The sum of the exponentials so far, relative to that of the largest score.
    sum: &'a mut [T],
    /// By what earlier sums and results must be multiplied because the largest score has changed.
    factor: &'a mut [T],
}

impl<'a, T: Tiled> Scratch<'a, T> {
    fn sizes(Sizes { keys, width, size, .. }: Sizes, columns: usize) -> [usize; 7] {
        let rows = columns * padded(width.max(size));
        [rows, width * columns, keys.min(KEYS) * columns, size * columns, columns, columns, columns]
    }

    fn new(memory: &'a mut [T], sizes: [usize; 7]) -> Scratch<'a, T> {
        let [rows, query, scores, result, top, sum, factor] = carve(memory, sizes);
        Scratch { rows, query, scores, result, top, sum, factor }
    }
}

/// One step of the online softmax: replaces scores by exponentials relative to the largest score of each column so far,
/// and updates the largest scores and the sums.
struct Exponentials<'a, T> {
    columns: usize,
    scores: &'a mut [T],
    top: &'a mut [T],
    sum: &'a mut [T],
    factor: &'a mut [T],
}

impl<T: Tiled> Loop for Exponentials<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.step::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.step::<Fused>();
    }
}

impl<T: Tiled> Exponentials<'_, T> {
    #[inline(always)]
    fn step<M: MultiplyAdd>(self) {
        let Exponentials { columns, scores, top, sum, factor } = self;
        let larger = |a: T, b: T| if b > a { b } else { a };
        let of_columns = top.as_chunks_mut::<LANES>().0.iter_mut().zip(sum.as_chunks_mut::<LANES>().0);
        for (part, ((top, sum), factor)) in of_columns.zip(factor.as_chunks_mut::<LANES>().0).enumerate() {
            let before = *top;
            let mut largest = before;
            for rows in scores.chunks(4 * columns) {
                let mut of_rows = [T::neg_infinity(); LANES];
                for row in rows.chunks_exact(columns) {
                    let x = &row.as_chunks::<LANES>().0[part];
                    for k in 0..LANES {
                        of_rows[k] = larger(of_rows[k], x[k]);
                    }
                }
                for k in 0..LANES {
                    largest[k] = larger(largest[k], of_rows[k]);
                }
            }
            *top = largest;
            for k in 0..LANES {
                // Before the first key, minus infinity: the exponential is 0, and so are sums and results.
                let change = exponential::<M, T>(before[k] - largest[k]);
                factor[k] = if before[k] == largest[k] { T::one() } else { change };
                // Minus infinity minus itself would be NaN.
                largest[k] = if largest[k] == T::neg_infinity() { T::zero() } else { largest[k] };
            }
            let mut added = [T::zero(); LANES];
            for row in scores.chunks_exact_mut(columns) {
                let x = &mut row.as_chunks_mut::<LANES>().0[part];
                for k in 0..LANES {
                    x[k] = exponential::<M, T>(x[k] - largest[k]);
                    added[k] += x[k];
                }
            }
            for k in 0..LANES {
                sum[k] = sum[k] * factor[k] + added[k];
            }
        }
    }
}

/// Multiplies each row by the factors, one for each column.
pub(super) struct ScaleColumns<'a, T> {
    pub(super) rows: &'a mut [T],
    pub(super) factors: &'a [T],
}

impl<T: Tiled> Loop for ScaleColumns<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let ScaleColumns { rows, factors } = self;
        for row in rows.chunks_exact_mut(factors.len()) {
            row.iter_mut().zip(factors).for_each(|(x, &factor)| *x *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets::{self, plain_on, vectorized_on};

    /// The bits of two steps of an online softmax by `plain_on` or `vectorized_on`.
    macro_rules! bits {
        ($T:ty, $columns:expr, $rows:expr, |$loop:ident| $run:expr) => {{
            let (columns, rows): (usize, usize) = ($columns, $rows);
            let value = |k: usize| ((k * 7919) % 1009) as $T * 0.013 - 7.0;
            let value = |k: usize| if k % 5 == 0 || k % columns == 3 { <$T>::NEG_INFINITY } else { value(k) };
            let (mut top, mut sum, mut factor) =
                (vec![<$T>::NEG_INFINITY; columns], vec![0.0; columns], vec![0.0; columns]);
            let mut bits = Vec::new();
            for step in 0..2 {
                let mut scores: Vec<$T> = (0..rows * columns).map(|k| value(k) * (1 + step) as $T).collect();
                let (scores, top, sum, factor) = (&mut scores[..], &mut top[..], &mut sum[..], &mut factor[..]);
                let $loop = Exponentials {
                    columns,
                    scores: &mut *scores,
                    top: &mut *top,
                    sum: &mut *sum,
                    factor: &mut *factor,
                };
                $run;
                let all = scores.iter().chain(&*top).chain(&*sum).chain(&*factor);
                bits.extend(all.map(|x| f64::from(*x).to_bits()));
                assert!(scores.iter().all(|x| (0.0..=1.0).contains(x)));
                assert!(sum[3] == 0.0 && top[3] == <$T>::NEG_INFINITY);
            }
            bits
        }};
    }

    #[test]
    fn steps_give_the_bits_of_plain_code_on_every_instruction_set() {
        for set in sets::available() {
            for (columns, rows) in [16, 48, 64].into_iter().flat_map(|n| [1, 3, 4, 7, 130].map(|rows| (n, rows))) {
                let compare =
                    |found: Vec<u64>, expected: Vec<u64>| assert_eq!(found, expected, "{set}, {rows} × {columns}");
                compare(
                    bits!(f32, columns, rows, |l| vectorized_on(set, l)),
                    bits!(f32, columns, rows, |l| plain_on(set, l)),
                );
                compare(
                    bits!(f64, columns, rows, |l| vectorized_on(set, l)),
                    bits!(f64, columns, rows, |l| plain_on(set, l)),
                );
            }
        }
    }
}
