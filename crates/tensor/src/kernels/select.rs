//! Elements of one operand or another, as a third says.

use crate::dtype::Element;
use crate::kernels::elementwise::broadcast_strides;
use crate::kernels::strided::Walk;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::Shape;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// `a` where `condition` holds and `b` elsewhere, all broadcast to `shape`.
pub(crate) fn select<T: Element>(shape: Shape, condition: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    let mut out = Buffer::new::<T>(shape.size());
    let (mask, left, right) = (condition.storage_slice::<bool>(), a.storage_slice::<T>(), b.storage_slice::<T>());
    let strides = [condition, a, b].map(|x| broadcast_strides(x, &shape));
    let walk =
        Walk::new(&shape, [(&strides[0], condition.offset()), (&strides[1], a.offset()), (&strides[2], b.offset())]);
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
    Tensor::from_buffer(out, shape)
}
