//! Elementwise maps over one, two or three broadcast operands.

use crate::dtype::Element;
use crate::kernels::simd::{Loop, vectorized};
use crate::kernels::strided::Walk;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// `f` of every element of `x`.
pub(crate) fn map<A: Element, O: Element>(x: &Tensor, f: impl Fn(A) -> O + Sync) -> Tensor {
    let mut out = Buffer::new::<O>(x.size());
    let data = x.storage_slice::<A>();
    if out.len() == 1 {
        out.as_mut_slice()[0] = f(x.first());
        return Tensor::from_buffer(out, x.shape().clone());
    }
    let walk = Walk::new(x.shape(), [(x.strides(), x.offset())]);
    for_chunks(out.as_mut_slice(), CHUNK, |start, out| vectorized(Map { start, out, data, walk: &walk, f: &f }));
    Tensor::from_buffer(out, x.shape().clone())
}

struct Map<'a, A, O, F> {
    start: usize,
    out: &'a mut [O],
    data: &'a [A],
    walk: &'a Walk<1>,
    f: &'a F,
}

impl<A: Element, O: Element, F: Fn(A) -> O> Loop for Map<'_, A, O, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Map { start, out, data, walk, f } = self;
        for (position, [at], length) in walk.runs(start, out.len()) {
            let out = &mut out[position..position + length];
            match walk.steps {
                [1] => {
                    for (out, &x) in out.iter_mut().zip(&data[at as usize..][..length]) {
                        *out = f(x);
                    }
                }
                [step] => {
                    for (k, out) in out.iter_mut().enumerate() {
                        *out = f(data[(at + k as isize * step) as usize]);
                    }
                }
            }
        }
    }
}

/// `f` of every pair of elements of `a` and `b`, broadcast to `shape`.
pub(crate) fn zip<A: Element, B: Element, O: Element>(
    shape: Shape,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(A, B) -> O + Sync,
) -> Tensor {
    let mut out = Buffer::new::<O>(shape.size());
    if out.len() == 1 {
        out.as_mut_slice()[0] = f(a.first(), b.first());
        return Tensor::from_buffer(out, shape);
    }
    let (left, right) = (a.storage_slice::<A>(), b.storage_slice::<B>());
    let (a_strides, b_strides) = (broadcast_strides(a, &shape), broadcast_strides(b, &shape));
    let walk = Walk::new(&shape, [(&a_strides, a.offset()), (&b_strides, b.offset())]);
    for_chunks(out.as_mut_slice(), CHUNK, |start, out| {
        vectorized(Zip { start, out, left, right, walk: &walk, f: &f });
    });
    Tensor::from_buffer(out, shape)
}

struct Zip<'a, A, B, O, F> {
    start: usize,
    out: &'a mut [O],
    left: &'a [A],
    right: &'a [B],
    walk: &'a Walk<2>,
    f: &'a F,
}

impl<A: Element, B: Element, O: Element, F: Fn(A, B) -> O> Loop for Zip<'_, A, B, O, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Zip { start, out, left, right, walk, f } = self;
        for (position, [i, j], length) in walk.runs(start, out.len()) {
            let out = &mut out[position..position + length];
            match walk.steps {
                [1, 1] => {
                    let (a, b) = (&left[i as usize..][..length], &right[j as usize..][..length]);
                    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        *out = f(a, b);
                    }
                }
                [1, 0] => {
                    let (a, b) = (&left[i as usize..][..length], right[j as usize]);
                    for (out, &a) in out.iter_mut().zip(a) {
                        *out = f(a, b);
                    }
                }
                [s, t] => {
                    for (k, out) in out.iter_mut().enumerate() {
                        let k = k as isize;
                        *out = f(left[(i + k * s) as usize], right[(j + k * t) as usize]);
                    }
                }
            }
        }
    }
}

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

/// The strides by which `x` is read as a tensor of `shape`; the caller has checked that it may be.
fn broadcast_strides(x: &Tensor, shape: &Shape) -> Strides {
    x.strides().broadcast(x.shape(), shape).expect("the operation checks that its operands broadcast")
}
