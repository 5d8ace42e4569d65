//! Folds of rows and of columns, in an order that depends on the shape alone.

use std::ops::Range;

use crate::dtype::{DType, Element, Float};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_chunks;

/// Independent partial results of a row.
const LANES: usize = 16;
/// Elements of a row that are combined pairwise into one per lane. This shortens the chain of dependent operations in a
/// lane.
const GROUP: usize = 8 * LANES;
/// Groups that are added to the lanes one after the other; the lanes of this many are then added to those of the row.
const GROUPS: usize = 8;
/// Elements of a row per block. A block is folded lane by lane; blocks are combined pairwise.
pub(crate) const BLOCK: usize = 4 * GROUPS * GROUP;
/// Rows per block in a fold of columns. A block is folded column by column; blocks are combined pairwise.
pub(crate) const BLOCK_ROWS: usize = 64;
/// Rows that are combined pairwise in one pass over the results.
const TOGETHER: usize = 4;

/// An associative operation with its neutral element. It is applied to `lift(x)` for every element `x`.
#[derive(Clone, Copy)]
pub(crate) struct Fold<A, L, C> {
    pub(crate) neutral: A,
    pub(crate) lift: L,
    pub(crate) combine: C,
}

/// An associative operation on two values.
pub(crate) trait Combine<A>: Sync {
    /// Whether [`Combine::of`] propagates NaN, but [`Combine::of_numbers`] does not.
    const FINDS_NAN: bool = false;

    /// Combines `a` and `b`.
    fn of(&self, a: A, b: A) -> A;

    /// As [`Combine::of`], if neither is NaN.
    #[inline(always)]
    fn of_numbers(&self, a: A, b: A) -> A {
        self.of(a, b)
    }
}

impl<A, F: Fn(A, A) -> A + Sync> Combine<A> for F {
    #[inline(always)]
    fn of(&self, a: A, b: A) -> A {
        self(a, b)
    }
}

/// The larger of two; NaN wins.
#[derive(Clone, Copy)]
pub(crate) struct Larger;

impl<T: Element> Combine<T> for Larger {
    const FINDS_NAN: bool = T::DTYPE.is_float();

    #[inline(always)]
    fn of(&self, a: T, b: T) -> T {
        larger(a, b)
    }

    #[inline(always)]
    fn of_numbers(&self, a: T, b: T) -> T {
        if a > b { a } else { b }
    }
}

/// The smaller of two; NaN wins.
#[derive(Clone, Copy)]
pub(crate) struct Smaller;

impl<T: Element> Combine<T> for Smaller {
    const FINDS_NAN: bool = T::DTYPE.is_float();

    #[inline(always)]
    fn of(&self, a: T, b: T) -> T {
        smaller(a, b)
    }

    #[inline(always)]
    fn of_numbers(&self, a: T, b: T) -> T {
        if a < b { a } else { b }
    }
}

/// The sum. (All callers share this fold, because each instantiation costs compile time.)
pub(crate) fn sum<T: Float>() -> Fold<T, impl Fn(T) -> T + Copy + Sync, impl Fn(T, T) -> T + Copy + Sync> {
    sum_of(|x| x)
}

/// The sum of `lift(x)` for all elements.
pub(crate) fn sum_of<T: Float, L: Fn(T) -> T>(lift: L) -> Fold<T, L, impl Fn(T, T) -> T + Copy + Sync> {
    Fold { neutral: T::zero(), lift, combine: |a, b| a + b }
}

/// The largest element.
pub(crate) fn largest<T: Element>() -> Fold<T, impl Fn(T) -> T + Copy + Sync, Larger> {
    // The conversion saturates, except for `bool`.
    let least = if T::DTYPE == DType::Bool { T::from_i64(0) } else { T::from_f64(f64::NEG_INFINITY) };
    Fold { neutral: least, lift: |x| x, combine: Larger }
}

/// The smallest element.
pub(crate) fn smallest<T: Element>() -> Fold<T, impl Fn(T) -> T + Copy + Sync, Smaller> {
    Fold { neutral: T::from_f64(f64::INFINITY), lift: |x| x, combine: Smaller }
}

/// The larger of two; NaN, which is not equal to itself, wins.
#[inline(always)]
#[allow(clippy::eq_op)]
pub(crate) fn larger<T: Element>(a: T, b: T) -> T {
    // A single maximum instruction, which returns `b` if either is NaN, and a correction.
    let larger = if a > b { a } else { b };
    if a != a { a } else { larger }
}

/// The smaller of two; NaN wins.
#[inline(always)]
#[allow(clippy::eq_op)]
fn smaller<T: Element>(a: T, b: T) -> T {
    let smaller = if a < b { a } else { b };
    if a != a { a } else { smaller }
}

impl<A: Element, L, C: Combine<A>> Fold<A, L, C> {
    /// The fold of a row.
    pub(crate) fn row<T: Element>(&self, row: &[T]) -> A
    where
        L: Fn(T) -> A,
    {
        let mut out = [self.neutral];
        self.rows(row, row.len(), &mut out);
        out[0]
    }

    /// The folds of contiguous rows of `width` elements.
    pub(crate) fn rows<T: Element>(&self, rows: &[T], width: usize, out: &mut [A])
    where
        L: Fn(T) -> A,
    {
        if width <= BLOCK {
            return vectorized(RowLoop { fold: self, rows, width, out });
        }
        // Split at a multiple of the block: all leaves but the last are whole blocks.
        let half = (width / 2).next_multiple_of(BLOCK);
        for (row, out) in rows.chunks(width).zip(out) {
            *out = self.combine.of(self.row(&row[..half]), self.row(&row[half..]));
        }
    }

    /// Combines partial results (at least one) pairwise.
    pub(crate) fn pairwise(&self, partial: &[A]) -> A {
        match partial {
            [only] => *only,
            _ => {
                let (left, right) = partial.split_at(partial.len() / 2);
                self.combine.of(self.pairwise(left), self.pairwise(right))
            }
        }
    }

    /// The folds of the columns of row-major rows that start `stride` apart and are as wide as `out`.
    pub(crate) fn columns<T: Element>(&self, rows: &[T], stride: usize, out: &mut [A])
    where
        L: Fn(T) -> A,
    {
        let blocks = rows.len().div_ceil(stride).div_ceil(BLOCK_ROWS);
        // Scratch space for the right half of the rows on each level of recursion.
        let mut room = vec![self.neutral; blocks.next_power_of_two().ilog2() as usize * out.len()];
        self.columns_within(rows, stride, out, &mut room);
    }

    /// As [`Fold::columns`], to the same bits, with tasks of at most `most` rows (or one block of them).
    pub(crate) fn columns_by_tasks<T: Element>(&self, rows: &[T], stride: usize, out: &mut [A], most: usize)
    where
        L: Fn(T) -> A + Sync,
    {
        let count = rows.len().div_ceil(stride);
        let parts = parts(0..count, most);
        let mut results = vec![self.neutral; parts.len() * out.len()];
        for_chunks(&mut results, out.len(), |first, result| {
            let part = &parts[first / out.len()];
            self.columns(&rows[part.start * stride..rows.len().min(part.end * stride)], stride, result);
        });
        self.combine_parts(count, most, out.len(), &mut results);
        out.copy_from_slice(&results[..out.len()]);
    }

    /// Combines the results of [`parts`] as the recursion of [`Fold::columns`] does, into the first of them. Returns the
    /// length of all.
    fn combine_parts(&self, count: usize, most: usize, width: usize, results: &mut [A]) -> usize {
        if count <= most.max(BLOCK_ROWS) {
            return width;
        }
        let half = half(count);
        let length = self.combine_parts(half, most, width, results);
        let (left, right) = results.split_at_mut(length);
        let rest = self.combine_parts(count - half, most, width, right);
        for (left, right) in left[..width].iter_mut().zip(&right[..width]) {
            *left = self.combine.of(*left, *right);
        }
        length + rest
    }

    fn columns_within<T: Element>(&self, rows: &[T], stride: usize, out: &mut [A], room: &mut [A])
    where
        L: Fn(T) -> A,
    {
        let count = rows.len().div_ceil(stride);
        if count <= BLOCK_ROWS {
            return vectorized(ColumnLoop { fold: self, rows, stride, out });
        }
        let half = half(count);
        let (right, room) = room.split_at_mut(out.len());
        self.columns_within(&rows[..half * stride], stride, out, room);
        self.columns_within(&rows[half * stride..], stride, right, room);
        for (out, right) in out.iter_mut().zip(right) {
            *out = self.combine.of(*out, *right);
        }
    }
}

/// The rows of the left half of a fold of columns, in whole blocks.
fn half(count: usize) -> usize {
    count.div_ceil(BLOCK_ROWS).div_ceil(2) * BLOCK_ROWS
}

/// The parts of at most `most` rows into which halving splits rows.
fn parts(rows: Range<usize>, most: usize) -> Vec<Range<usize>> {
    if rows.len() <= most.max(BLOCK_ROWS) {
        return vec![rows];
    }
    let middle = rows.start + half(rows.len());
    [parts(rows.start..middle, most), parts(middle..rows.end, most)].concat()
}

struct RowLoop<'a, T, A, L, C> {
    fold: &'a Fold<A, L, C>,
    rows: &'a [T],
    width: usize,
    out: &'a mut [A],
}

impl<T: Element, A: Element, L: Fn(T) -> A, C: Combine<A>> Loop for RowLoop<'_, T, A, L, C> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let RowLoop { fold, rows, width, out } = self;
        for (out, row) in out.iter_mut().zip(rows.chunks_exact(width.max(1))) {
            *out = fold.block(row);
        }
    }
}

impl<A: Element, L, C: Combine<A>> Fold<A, L, C> {
    /// The fold of a row, to be inlined into a [`Loop`]. If the operation rounds, the row has at most [`BLOCK`]
    /// elements.
    #[inline(always)]
    pub(crate) fn block<T: Element>(&self, row: &[T]) -> A
    where
        L: Fn(T) -> A,
    {
        if row.len() < LANES {
            return self.one_by_one(row);
        }
        let (result, any_nan) = self.numbers(row);
        if any_nan { self.one_by_one(row) } else { result }
    }

    #[inline(always)]
    fn one_by_one<T: Element>(&self, row: &[T]) -> A
    where
        L: Fn(T) -> A,
    {
        let mut result = self.neutral;
        for &x in row {
            result = self.combine.of(result, (self.lift)(x));
        }
        result
    }

    /// The fold of a row of at least [`LANES`] elements, valid if it has no NaN; and whether it has one, which is
    /// checked only if [`Combine::FINDS_NAN`].
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn numbers<T: Element>(&self, row: &[T]) -> (A, bool)
    where
        L: Fn(T) -> A,
    {
        let Fold { neutral, lift, combine } = self;
        let (mut total, mut nan) = ([*neutral; LANES], [0u32; LANES]);
        let (groups, rest) = row.as_chunks::<GROUP>();
        for groups in groups.chunks(GROUPS) {
            let mut lanes = [*neutral; LANES];
            for x in groups {
                for k in 0..LANES {
                    let x = |at: usize| lift(x[k + at * LANES]);
                    let two = |at: usize| combine.of_numbers(x(at), x(at + 1));
                    let four = |at: usize| combine.of_numbers(two(at), two(at + 2));
                    lanes[k] = combine.of_numbers(lanes[k], combine.of_numbers(four(0), four(4)));
                    if C::FINDS_NAN {
                        let two = |at: usize| (x(at) != x(at)) | (x(at + 1) != x(at + 1));
                        nan[k] |= (two(0) | two(2) | two(4) | two(6)) as u32;
                    }
                }
            }
            for k in 0..LANES {
                total[k] = combine.of_numbers(total[k], lanes[k]);
            }
        }
        let mut any_nan = false;
        if C::FINDS_NAN {
            any_nan = nan.iter().fold(false, |any, &nan| any | (nan != 0));
            any_nan |= rest.iter().fold(false, |any, &x| any | (lift(x) != lift(x)));
        }
        let (chunks, rest) = rest.as_chunks::<LANES>();
        for x in chunks {
            for k in 0..LANES {
                total[k] = combine.of_numbers(total[k], lift(x[k]));
            }
        }
        // Halve the number of lanes again and again. Each time, fold in one more element per lane if enough are left.
        let (total, rest) = self.halved::<T, LANES, { LANES / 2 }>(total, rest);
        let (total, rest) = self.halved::<T, { LANES / 2 }, { LANES / 4 }>(total, rest);
        let (total, rest) = self.halved::<T, { LANES / 4 }, { LANES / 8 }>(total, rest);
        let ([total], _) = self.halved::<T, { LANES / 8 }, 1>(total, rest);
        (total, any_nan)
    }

    #[inline(always)]
    fn halved<'a, T: Element, const N: usize, const HALF: usize>(
        &self,
        lanes: [A; N],
        rest: &'a [T],
    ) -> ([A; HALF], &'a [T])
    where
        L: Fn(T) -> A,
    {
        let mut half = [self.neutral; HALF];
        for k in 0..HALF {
            half[k] = self.combine.of_numbers(lanes[k], lanes[k + HALF]);
        }
        let Some((x, rest)) = rest.split_first_chunk::<HALF>() else { return (half, rest) };
        for k in 0..HALF {
            half[k] = self.combine.of_numbers(half[k], (self.lift)(x[k]));
        }
        (half, rest)
    }
}

struct ColumnLoop<'a, T, A, L, C> {
    fold: &'a Fold<A, L, C>,
    rows: &'a [T],
    stride: usize,
    out: &'a mut [A],
}

impl<T: Element, A: Element, L: Fn(T) -> A, C: Combine<A>> Loop for ColumnLoop<'_, T, A, L, C> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let ColumnLoop { fold: Fold { neutral, lift, combine }, rows, stride, out } = self;
        out.fill(*neutral);
        for rows in rows.chunks(stride * TOGETHER) {
            let mut each = rows.chunks(stride);
            if let [Some(a), Some(b), Some(c), Some(d)] = [(); TOGETHER].map(|()| each.next()) {
                for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *out = combine.of(*out, combine.of(combine.of(lift(a), lift(b)), combine.of(lift(c), lift(d))));
                }
            } else {
                for row in rows.chunks(stride) {
                    for (out, &x) in out.iter_mut().zip(row) {
                        *out = combine.of(*out, lift(x));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_of_columns_by_tasks_give_the_bits_of_a_single_task() {
        let values: Vec<f32> = (0..7 * 1000).map(|k| ((k * 7919) % 1009) as f32 * 0.013 - 7.0).collect();
        for count in [1, 63, 64, 65, 128, 129, 200, 500, 999] {
            for (width, most) in [(7, 1), (7, 64), (5, 100), (1, 300), (7, 1000)] {
                let rows = &values[..7 * (count - 1) + width];
                let [mut whole, mut tasks] = [(); 2].map(|()| vec![0.0; width]);
                sum().columns(rows, 7, &mut whole);
                sum().columns_by_tasks(rows, 7, &mut tasks, most);
                assert_eq!(whole, tasks, "{count} rows, {width} columns, {most} rows a task");
            }
        }
    }

    #[test]
    fn folds_of_rows_give_the_same_bits_on_every_instruction_set() {
        fn compare<C: Combine<f32>>(fold: &Fold<f32, impl Fn(f32) -> f32, C>, rows: &[f32], width: usize) {
            let [mut found, mut expected] = [(); 2].map(|()| vec![0.0; rows.len() / width]);
            vectorized(RowLoop { fold, rows, width, out: &mut found });
            RowLoop { fold, rows, width, out: &mut expected }.run();
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&expected), "width {width}");
        }
        let values: Vec<f32> = (0..3 * BLOCK).map(|k| ((k * 7919) % 1009) as f32 * 0.013 - 7.0).collect();
        for width in (1..200).chain([1000, 1030, BLOCK]) {
            let rows = &values[..3 * width];
            compare(&sum(), rows, width);
            compare(&largest(), rows, width);
            compare(&smallest(), rows, width);
        }
    }
}
