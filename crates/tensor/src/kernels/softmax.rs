//! Exponentials of rows, relative to the largest element of each row to avoid overflow, and their sums.
//!
//! Several rows go through each step together: the largest elements, the exponentials, their sums. The rows are
//! independent of each other, so their latencies overlap; the steps of a single row would have to wait for each other.

use crate::dtype::Float;
use crate::kernels::copy::elements;
use crate::kernels::fold::{self, Fold, sum};
use crate::kernels::math::{self, Fused, MultiplyAdd, Separate};
use crate::kernels::reduce::by_rows;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::View;
use crate::shape::Shape;
use crate::storage::Buffer;

/// Elements per task: fewer than in an elementwise operation, because they cost more.
const TASK: usize = CHUNK / 4;
/// Elements whose exponentials are computed at a time.
const LANES: usize = 16;
/// The exponentials of rows narrower than this are computed in one loop over all rows: the remainder loop of each row
/// would cost as much as its whole vectors.
const NARROW: usize = 2 * LANES;
/// Elements of the rows that are processed together: few enough for the L1 cache and for one block of a sum. Longer
/// rows are split into parts, whose sums are added in float64.
const BLOCK: usize = fold::BLOCK;
/// The maximum number of rows that are processed together.
const ROWS: usize = 128;

/// `eˣ / Σ eˣ` along the last axis.
pub(crate) fn softmax<T: Float>(x: View<T>) -> Buffer {
    let source = elements(x);
    along_rows(x.shape(), |width, start, out| {
        let rows = &source[start..][..out.len()];
        vectorized(Softmax { width, rows, out, finish: |_, out: &mut [T], scale| scaled(out, scale) });
    })
}

/// `y (g - Σ g y)` along the last axis.
pub(crate) fn softmax_gradient<T: Float>(g: View<T>, y: View<T>) -> Buffer {
    let (g_all, y_all) = (elements(g), elements(y));
    along_rows(y.shape(), |width, start, out| {
        let (g, y) = (&g_all[start..][..out.len()], &y_all[start..][..out.len()]);
        vectorized(SoftmaxGradient { width, g, y, out });
    })
}

/// `x - ln Σ eˣ` along the last axis.
pub(crate) fn log_softmax<T: Float>(x: View<T>) -> Buffer {
    let source = elements(x);
    along_rows(x.shape(), |width, start, out| {
        let rows = &source[start..][..out.len()];
        log_sums(width, rows, |first, tops, rests| {
            let elements = first * width..(first + tops.len()) * width;
            let (rows, out) = (&rows[elements.clone()], &mut out[elements]);
            vectorized(Differences { width, rows, tops, rests, out });
        });
    })
}

/// `g - eʸ Σ g` along the last axis, for `y ≤ 0`.
pub(crate) fn log_softmax_gradient<T: Float>(g: View<T>, y: View<T>) -> Buffer {
    let (g_all, y_all) = (elements(g), elements(y));
    along_rows(y.shape(), |width, start, out| {
        let (g, y) = (&g_all[start..][..out.len()], &y_all[start..][..out.len()]);
        vectorized(LogSoftmaxGradient { width, g, y, out });
    })
}

/// `ln Σ eˣ` along axes.
pub(crate) fn log_sum_exp<T: Float>(x: View<T>, axes: &[usize]) -> Buffer {
    by_rows(x, axes, |width, rows: &[T], out: &mut [T]| {
        // The logarithm of an empty sum.
        out.fill(T::neg_infinity());
        log_sums(width, rows, |first, tops, rests| {
            for (out, (&top, &rest)) in out[first..].iter_mut().zip(tops.iter().zip(rests)) {
                *out = top + rest;
            }
        });
    })
}

/// `ln Σ eˣ - x[target]` for each row along the last axis.
pub(crate) fn cross_entropy<T: Float>(logits: View<T>, targets: &[usize]) -> Buffer {
    let width = *logits.shape().last().expect("the operation checks the rank");
    let source = elements(logits);
    let mut out = Buffer::new::<T>(targets.len());
    for_chunks(out.as_mut_slice::<T>(), (TASK / width.max(1)).max(1), |start, out| {
        let rows = &source[start * width..][..out.len() * width];
        log_sums(width, rows, |first, tops, rests| {
            for (k, (&top, &rest)) in (first..).zip(tops.iter().zip(rests)) {
                out[k] = (top - rows[k * width + targets[start + k]]) + nan_at_infinity(rest, top);
            }
        });
    });
    out
}

/// `g · (softmax(logits) - one_hot(targets))` for each row along the last axis.
pub(crate) fn cross_entropy_gradient<T: Float>(g: View<T>, logits: View<T>, targets: &[usize]) -> Buffer {
    let (g, source) = (elements(g), elements(logits));
    along_rows(logits.shape(), |width, start, out| {
        let rows = &source[start..][..out.len()];
        let (g, targets) = (&g[start / width..], &targets[start / width..]);
        let finish = |row: usize, out: &mut [T], scale: T| {
            let at_target = (out[targets[row]] * scale - T::one()) * g[row];
            scaled(out, scale * g[row]);
            out[targets[row]] = at_target;
        };
        vectorized(Softmax { width, rows, out, finish });
    })
}

/// Calls `f(width, start, out)` for some rows along the last axis at a time; `start` is the index of their first
/// element.
pub(super) fn along_rows<T: Float>(shape: &Shape, f: impl Fn(usize, usize, &mut [T]) + Sync) -> Buffer {
    let width = shape.last().map_or(1, |&width| width.max(1));
    let mut out = Buffer::new::<T>(shape.size());
    for_chunks(out.as_mut_slice::<T>(), (TASK / width).max(1) * width, |start, out| f(width, start, out));
    out
}

/// The number of rows that are processed together.
fn together(width: usize) -> usize {
    (BLOCK / width.max(1)).clamp(1, ROWS)
}

/// Computes `ln Σ eˣ` of each row as its largest element plus a rest. Calls `f(first row, largest elements, rests)` for
/// some rows at a time. The two stay separate: in their sum, a small rest would lose its digits beside a large element.
fn log_sums<T: Float>(width: usize, rows: &[T], mut f: impl FnMut(usize, &[T], &[T])) {
    let together = together(width);
    let (mut tops, mut rests) = ([T::zero(); ROWS], [T::zero(); ROWS]);
    let mut room = Buffer::new::<T>(rows.len().min(BLOCK));
    for (k, rows) in rows.chunks(together * width.max(1)).enumerate() {
        let count = rows.len() / width;
        let (tops, rests) = (&mut tops[..count], &mut rests[..count]);
        vectorized(LogSums { width, rows, tops, rests, room: room.as_mut_slice() });
        f(k * together, tops, rests);
    }
}

/// Computes the exponentials of each row minus its largest element. Calls `finish(row, exponentials, 1 / their sum)`.
struct Softmax<'a, T, F> {
    width: usize,
    rows: &'a [T],
    out: &'a mut [T],
    finish: F,
}

impl<T: Float, F: Fn(usize, &mut [T], T)> Loop for Softmax<'_, T, F> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.softmax::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.softmax::<Fused>();
    }
}

impl<T: Float, F: Fn(usize, &mut [T], T)> Softmax<'_, T, F> {
    #[inline(always)]
    fn softmax<M: MultiplyAdd>(self) {
        let Softmax { width, rows, out, finish } = self;
        let mut tops = [T::zero(); ROWS];
        let together = together(width);
        let blocks = rows.chunks(together * width).zip(out.chunks_mut(together * width));
        for (block, (rows, out)) in blocks.enumerate() {
            largest_of(width, rows, &mut tops);
            exponentials(width, rows, &tops, out, |x| math::exp_of_negative::<M, T>(x));
            for (k, out) in out.chunks_exact_mut(width).enumerate() {
                let scale = total(out).recip();
                finish(block * together + k, out, scale);
            }
        }
    }
}

struct SoftmaxGradient<'a, T> {
    width: usize,
    g: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for SoftmaxGradient<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let SoftmaxGradient { width, g, y, out } = self;
        let each = g.chunks_exact(width).zip(y.chunks_exact(width)).zip(out.chunks_exact_mut(width));
        for ((g, y), out) in each {
            for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
                *out = g * y;
            }
            let sum = total(out);
            for (out, &y) in out.iter_mut().zip(y) {
                *out -= y * sum;
            }
        }
    }
}

struct LogSoftmaxGradient<'a, T> {
    width: usize,
    g: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for LogSoftmaxGradient<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.gradient::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.gradient::<Fused>();
    }
}

impl<T: Float> LogSoftmaxGradient<'_, T> {
    #[inline(always)]
    fn gradient<M: MultiplyAdd>(self) {
        let LogSoftmaxGradient { width, g, y, out } = self;
        let together = together(width) * width;
        for ((g, y), out) in g.chunks(together).zip(y.chunks(together)).zip(out.chunks_mut(together)) {
            exponentials(width, y, &[T::zero(); ROWS], out, |x| math::exp_of_negative::<M, T>(x));
            for (g, out) in g.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                let sum = total(g);
                for (out, &g) in out.iter_mut().zip(g) {
                    *out = g - *out * sum;
                }
            }
        }
    }
}

/// The sum of a row.
#[inline(always)]
pub(super) fn total<T: Float>(row: &[T]) -> T {
    let mut total = 0.0;
    for part in row.chunks(BLOCK) {
        total += sum().block::<T>(part).to_f64();
    }
    T::from_f64(total)
}

#[inline(always)]
pub(super) fn scaled<T: Float>(row: &mut [T], by: T) {
    for x in row {
        *x *= by;
    }
}

/// Computes the largest element of each row, and the logarithm of the sum of exponentials relative to it.
struct LogSums<'a, T> {
    width: usize,
    rows: &'a [T],
    tops: &'a mut [T],
    rests: &'a mut [T],
    room: &'a mut [T],
}

impl<T: Float> Loop for LogSums<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.sum::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.sum::<Fused>();
    }
}

impl<T: Float> LogSums<'_, T> {
    #[inline(always)]
    fn sum<M: MultiplyAdd>(self) {
        let LogSums { width, rows, tops, rests, room } = self;
        largest_of(width, rows, tops);
        // The sums leave out one largest element, which contributes 1: beside it, contributions far smaller than 1
        // would be lost.
        let mut sums = [-1.0; ROWS];
        let part_width = width.min(BLOCK);
        // Rows longer than a block come one at a time.
        for rows in rows.chunks(part_width * tops.len()) {
            let part_width = part_width.min(rows.len());
            let room = &mut room[..rows.len()];
            exponentials(part_width, rows, tops, room, |x| {
                math::exp_of_negative::<M, T>(x) - if x >= T::zero() { T::one() } else { T::zero() }
            });
            let parts = rows.chunks_exact(part_width).zip(room.chunks_exact(part_width));
            for ((row, room), (&top, all)) in parts.zip(tops.iter().zip(&mut sums)) {
                let tops: u32 = row.iter().map(|&x| (x >= top) as u32).sum();
                *all = (*all + f64::from(tops)) + sum().block::<T>(room).to_f64();
            }
        }
        for (rest, sum) in rests.iter_mut().zip(&sums) {
            *rest = math::log1p::<M, T>(T::from_f64(*sum));
        }
        for ((row, top), rest) in rows.chunks_exact(width).zip(tops).zip(rests) {
            if top.is_infinite() {
                *rest = if row.iter().any(|x| x.is_nan()) { T::nan() } else { T::zero() };
            }
        }
    }
}

/// The rest, or NaN if the largest element is infinite: then no element has a probability.
#[inline(always)]
fn nan_at_infinity<T: Float>(rest: T, top: T) -> T {
    if top.is_infinite() { T::nan() } else { rest }
}

/// The largest element of each row. If a row has a NaN, any of its elements may be returned: unlike
/// [`largest`](crate::kernels::fold::largest), this does not search for NaN, because the differences propagate it.
#[inline(always)]
fn largest_of<T: Float>(width: usize, rows: &[T], out: &mut [T]) {
    let larger = |a: T, b: T| if a > b { a } else { b };
    for (row, out) in rows.chunks_exact(width).zip(out) {
        *out = Fold { neutral: T::neg_infinity(), lift: |x: T| x, combine: larger }.block(row);
    }
}

/// Writes `f(x - top)` for the elements of each row.
#[inline(always)]
fn exponentials<T: Float>(width: usize, rows: &[T], tops: &[T], out: &mut [T], f: impl Fn(T) -> T) {
    let each = rows.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(tops);
    if width < NARROW {
        for ((row, out), &top) in each {
            for (out, &x) in out.iter_mut().zip(row) {
                *out = x - top;
            }
        }
        for x in out {
            *x = f(*x);
        }
        return;
    }
    for ((row, out), &top) in each {
        let chunk = |x: &[T; LANES], out: &mut [T; LANES]| {
            for k in 0..LANES {
                out[k] = f(x[k] - top);
            }
        };
        let (chunks, rest) = row.as_chunks();
        for (x, out) in chunks.iter().zip(out.as_chunks_mut().0) {
            chunk(x, out);
        }
        // The last chunk overlaps the previous one.
        if let (1.., Some(x), Some(out)) = (rest.len(), row.last_chunk(), out.last_chunk_mut()) {
            chunk(x, out);
        }
    }
}

/// `(x - top) - rest` for each row.
struct Differences<'a, T> {
    width: usize,
    rows: &'a [T],
    tops: &'a [T],
    rests: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for Differences<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Differences { width, rows, tops, rests, out } = self;
        let each = rows.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for ((row, out), (&top, &rest)) in each.zip(tops.iter().zip(rests)) {
            let rest = nan_at_infinity(rest, top);
            for (out, &x) in out.iter_mut().zip(row) {
                *out = (x - top) - rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets::{self, plain_on, vectorized_on};

    /// The bits of all results for rows of a width, by `plain_on` or by `vectorized_on`.
    macro_rules! bits {
        ($T:ty, $width:expr, |$loop:ident| $run:expr) => {{
            let width: usize = $width;
            let count = 2 + 200 / width;
            let values = |seed: usize| -> Vec<$T> {
                (0..count * width).map(|k| ((k * 7919 + seed) % 1009) as $T * 0.013 - 7.0).collect()
            };
            let (x, g) = (values(0), values(500));
            let (mut tops, mut rests) = (vec![0.0; count], vec![0.0; count]);
            let mut out: [Vec<$T>; 4] = [(); 4].map(|()| vec![0.0; count * width]);
            let [y, of_y, of_log, room] = &mut out;
            let $loop = Softmax { width, rows: &x, out: y, finish: |_, out: &mut [$T], scale| scaled(out, scale) };
            $run;
            let $loop = SoftmaxGradient { width, g: &g, y, out: of_y };
            $run;
            let $loop =
                LogSoftmaxGradient { width, g: &g, y: &x.iter().map(|x| x - 8.0).collect::<Vec<_>>(), out: of_log };
            $run;
            let together = together(width).min(count);
            let (some, tops, rests) = (&x[..together * width], &mut tops[..together], &mut rests[..together]);
            let $loop = LogSums { width, rows: some, tops, rests, room: &mut room[..] };
            $run;
            out.concat()
                .iter()
                .chain(tops.iter())
                .chain(rests.iter())
                .map(|x| f64::from(*x).to_bits())
                .collect::<Vec<_>>()
        }};
    }

    #[test]
    fn rows_give_the_bits_of_plain_code_on_every_instruction_set() {
        for (set, width) in
            sets::available().flat_map(|set| (1..70).chain([100, 128, 1000, 4096, 4100]).map(move |w| (set, w)))
        {
            let compare = |found: Vec<u64>, expected: Vec<u64>| assert_eq!(found, expected, "{set}, width {width}");
            compare(bits!(f32, width, |l| vectorized_on(set, l)), bits!(f32, width, |l| plain_on(set, l)));
            compare(bits!(f64, width, |l| vectorized_on(set, l)), bits!(f64, width, |l| plain_on(set, l)));
        }
    }
}
