//! Selection between the elements of two operands by a condition.

use crate::dtype::Element;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::View;
use crate::shape::Shape;
use crate::storage::Buffer;

/// `a` where `condition` holds and `b` elsewhere, all broadcast to `shape`.
pub(crate) fn select<T: Element>(shape: &Shape, condition: View<bool>, a: View<T>, b: View<T>) -> Buffer {
    let mut out = Buffer::new::<T>(shape.size());
    let (mask, left, right) = (condition.data, a.data, b.data);
    let strides = [condition.broadcast_strides(shape), a.broadcast_strides(shape), b.broadcast_strides(shape)];
    let offsets = [condition.offset(), a.offset(), b.offset()];
    let walk = LoopNest::new(shape, std::array::from_fn(|k| (&strides[k], offsets[k])));
    for_chunks(out.as_mut_slice(), CHUNK, |start, out| {
        for (position, at, length) in walk.runs(start, out.len()) {
            let out = &mut out[position..position + length];
            let [m, i, j] = at.map(|at| at as usize);
            match walk.steps {
                [1, 1, 1] => {
                    let values = left[i..][..length].iter().zip(&right[j..][..length]);
                    for ((out, &mask), (&a, &b)) in out.iter_mut().zip(&mask[m..][..length]).zip(values) {
                        *out = if mask { a } else { b };
                    }
                }
                [1, 1, 0] => {
                    let b = right[j];
                    for ((out, &mask), &a) in out.iter_mut().zip(&mask[m..][..length]).zip(&left[i..][..length]) {
                        *out = if mask { a } else { b };
                    }
                }
                [1, 0, 1] => {
                    let a = left[i];
                    for ((out, &mask), &b) in out.iter_mut().zip(&mask[m..][..length]).zip(&right[j..][..length]) {
                        *out = if mask { a } else { b };
                    }
                }
                steps => {
                    for (k, out) in out.iter_mut().enumerate() {
                        let [m, i, j] = std::array::from_fn(|n| (at[n] + k as isize * steps[n]) as usize);
                        *out = if mask[m] { left[i] } else { right[j] };
                    }
                }
            }
        }
    });
    out
}
