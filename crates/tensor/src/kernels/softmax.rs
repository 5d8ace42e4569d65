//! Rows of exponentials, divided by their largest against overflow, and their sums.
//!
//! The exponentials of many rows are taken in one loop: the rest of each short row, which does not
//! fill a vector, would cost as much as all of its vectors.

use crate::dtype::Float;
use crate::kernels::math;
use crate::kernels::reduce::{by_rows, largest, sum};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// Elements that one task takes: fewer than of an elementwise operation, as they cost more.
const TASK: usize = CHUNK / 4;

/// `eˣ / Σ eˣ` along the last axis.
pub(crate) fn softmax<T: Float>(x: &Tensor) -> Tensor {
    along_rows(x, |width, rows: &[T], out| {
        for (row, out) in rows.chunks(width).zip(out.chunks_mut(width)) {
            shift(row, largest().row(row), out);
        }
        in_place(out, math::exp_of_negative::<T>);
        for out in out.chunks_mut(width) {
            let scale = sum().row::<T>(out).recip();
            out.iter_mut().for_each(|x| *x *= scale);
        }
    })
}

/// `x - ln Σ eˣ` along the last axis.
pub(crate) fn log_softmax<T: Float>(x: &Tensor) -> Tensor {
    along_rows(x, |width, rows: &[T], out| {
        let parts = log_sums(rows, width, rows.len() / width, out);
        for ((row, out), (top, rest)) in rows.chunks(width).zip(out.chunks_mut(width)).zip(parts) {
            for (out, &x) in out.iter_mut().zip(row) {
                *out = (x - top) - rest;
            }
        }
    })
}

/// `ln Σ eˣ` along axes.
pub(crate) fn log_sum_exp<T: Float>(x: &Tensor, axes: &[usize], keep: bool) -> Tensor {
    by_rows(x, axes, keep, |width, rows: &[T], out: &mut [T]| {
        let parts = log_sums(rows, width, out.len(), Buffer::new::<T>(rows.len()).as_mut_slice());
        out.iter_mut().zip(parts).for_each(|(out, (top, rest))| *out = top + rest);
    })
}

/// `ln Σ eˣ - x[target]` for each row along the last axis.
pub(crate) fn cross_entropy<T: Float>(logits: &Tensor, targets: &[usize]) -> Tensor {
    let (width, outer) = logits.shape().split_last().expect("the operation checks the rank");
    let source = logits.elements::<T>();
    let mut out = Buffer::new::<T>(targets.len());
    for_chunks(out.as_mut_slice::<T>(), (TASK / width.max(&1)).max(1), |start, out| {
        let rows = &source[start * width..][..out.len() * width];
        let parts = log_sums(rows, *width, out.len(), Buffer::new::<T>(rows.len()).as_mut_slice());
        for (k, (out, (top, rest))) in out.iter_mut().zip(parts).enumerate() {
            *out = (top - rows[k * width + targets[start + k]]) + rest;
        }
    });
    Tensor::from_buffer(out, outer.into())
}

/// Calls `f(width, rows, out)` for some rows of the last axis at a time.
fn along_rows<T: Float>(x: &Tensor, f: impl Fn(usize, &[T], &mut [T]) + Sync) -> Tensor {
    let width = x.shape().last().map_or(1, |&width| width.max(1));
    let mut out = Buffer::new::<T>(x.size());
    let source = x.elements::<T>();
    for_chunks(out.as_mut_slice::<T>(), (TASK / width).max(1) * width, |start, out| {
        f(width, &source[start..start + out.len()], out);
    });
    Tensor::from_buffer(out, x.shape().clone())
}

/// `ln Σ eˣ` of each of `count` rows as its largest element and what is to be added to that. The two
/// stay apart: their sum would round off the digits of a small difference to a large element. `room` is
/// as large as the rows, and is overwritten.
fn log_sums<T: Float>(rows: &[T], width: usize, count: usize, room: &mut [T]) -> impl Iterator<Item = (T, T)> + use<T> {
    let mut tops = Vec::with_capacity(count);
    for k in 0..count {
        let (row, shifted) = (&rows[k * width..][..width], &mut room[k * width..][..width]);
        let top = largest().row(row);
        shift(row, top, shifted);
        // Without the 1 of the largest element itself, so that a sum far below that is not lost.
        if let Some(place) = row.iter().position(|&x| x == top) {
            shifted[place] = T::neg_infinity();
        }
        tops.push(top);
    }
    in_place(room, math::exp_of_negative::<T>);
    let mut rests: Vec<T> = (0..count).map(|k| sum().row(&room[k * width..][..width])).collect();
    in_place(&mut rests, math::log1p::<T>);
    let finite = |(top, rest): (T, T)| (top, if top.is_infinite() { T::zero() } else { rest });
    tops.into_iter().zip(rests).map(finite)
}

fn shift<T: Float>(row: &[T], by: T, out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out = x - by;
    }
}

/// Replaces every `x` by `f(x)`.
fn in_place<T: Float>(values: &mut [T], f: impl Fn(f64) -> f64) {
    struct InPlace<'a, T, F>(&'a mut [T], F);

    impl<T: Float, F: Fn(f64) -> f64> Loop for InPlace<'_, T, F> {
        type Output = ();
        const WIDEST: Set = Set::of(T::DTYPE);

        #[inline(always)]
        fn run(self) {
            for x in self.0 {
                *x = T::from_f64((self.1)(x.to_f64()));
            }
        }
    }

    vectorized(InPlace(values, f));
}
