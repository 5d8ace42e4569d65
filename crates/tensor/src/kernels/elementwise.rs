//! Elementwise maps over one, two or three broadcast operands.

use crate::dtype::Element;
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::strided::Walk;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A function of one element. Any closure is one; a type of its own is for what is to be compiled
/// into the loop whatever its size, which the compiler does not promise for closures.
pub(crate) trait Function<A, O>: Sync {
    /// The value at `x`, straight-line code if it is to be vectorised.
    fn of(&self, x: A) -> O;

    /// Whether `x` is one of the rare elements that need [`Function::rare`].
    #[inline(always)]
    fn is_rare(&self, _: A) -> bool {
        false
    }

    /// The value at a rare element.
    #[inline(always)]
    fn rare(&self, x: A) -> O {
        self.of(x)
    }
}

impl<A, O, F: Fn(A) -> O + Sync> Function<A, O> for F {
    #[inline(always)]
    fn of(&self, x: A) -> O {
        self(x)
    }
}

/// Elements that are gathered at a time where they do not lie side by side.
const GATHERED: usize = 256;

/// `f` of every element of `x`.
pub(crate) fn map<A: Element, O: Element>(x: &Tensor, f: impl Function<A, O>) -> Tensor {
    let one = |x| if f.is_rare(x) { f.rare(x) } else { f.of(x) };
    map_chunks(x, &one, &|start, out, data, walk| vectorized(Map { start, out, data, walk, f: &f }))
}

/// The loop of [`map`] over the chunk that starts at an element.
type MapChunk<'a, A, O> = dyn Fn(usize, &mut [O], &[A], &Walk<1>) + Sync + 'a;

/// What [`map`] does around its loop: behind `dyn Fn`, to be compiled once for two types and not for each
/// function. The same holds for [`zip_chunks`].
fn map_chunks<A: Element, O: Element>(x: &Tensor, one: &dyn Fn(A) -> O, many: &MapChunk<A, O>) -> Tensor {
    let mut out = Buffer::new::<O>(x.size());
    if out.len() == 1 {
        out.as_mut_slice()[0] = one(x.first());
    } else {
        let data = x.storage_slice();
        let walk = Walk::new(x.shape(), [(x.strides(), x.offset())]);
        for_chunks(out.as_mut_slice(), CHUNK, |start, out| many(start, out, data, &walk));
    }
    Tensor::from_buffer(out, x.shape().clone())
}

struct Map<'a, A, O, F> {
    start: usize,
    out: &'a mut [O],
    data: &'a [A],
    walk: &'a Walk<1>,
    f: &'a F,
}

impl<A: Element, O: Element, F: Function<A, O>> Loop for Map<'_, A, O, F> {
    type Output = ();
    const WIDEST: Set = Set::of(A::DTYPE).or(Set::of(O::DTYPE));

    #[inline(always)]
    fn run(self) {
        let Map { start, out, data, walk, f } = self;
        let adjacent = walk.steps == [1];
        for (position, [at], length) in walk.runs(start, out.len()) {
            let width = if adjacent { length.max(1) } else { GATHERED };
            for (k, out) in out[position..position + length].chunks_mut(width).enumerate() {
                let gathered;
                // One loop for both cases: of long functions each copy costs time to compile.
                let values = if adjacent {
                    &data[at as usize..][..length]
                } else {
                    let first = at + (k * GATHERED) as isize * walk.steps[0];
                    gathered = gather(data, first, walk.steps[0], out.len());
                    &gathered[..out.len()]
                };
                for (out, &x) in out.iter_mut().zip(values) {
                    *out = f.of(x);
                }
                if values.iter().fold(false, |any, &x| any | f.is_rare(x)) {
                    for (out, &x) in out.iter_mut().zip(values).filter(|(_, x)| f.is_rare(**x)) {
                        *out = f.rare(x);
                    }
                }
            }
        }
    }
}

/// `count` elements, `step` apart.
fn gather<A: Element>(data: &[A], first: isize, step: isize, count: usize) -> [A; GATHERED] {
    let mut gathered = [A::default(); GATHERED];
    if step == 0 {
        gathered[..count].fill(data[first as usize]);
    } else {
        for (k, x) in gathered[..count].iter_mut().enumerate() {
            *x = data[(first + k as isize * step) as usize];
        }
    }
    gathered
}

/// `f` of every pair of elements of `a` and `b`, broadcast to `shape`.
pub(crate) fn zip<A: Element, B: Element, O: Element>(
    shape: Shape,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(A, B) -> O + Sync,
) -> Tensor {
    zip_chunks(shape, a, b, &f, &|start, out, left, right, walk| {
        vectorized(Zip { start, out, left, right, walk, f: &f });
    })
}

/// The loop of [`zip`] over the chunk that starts at an element.
type ZipChunk<'a, A, B, O> = dyn Fn(usize, &mut [O], &[A], &[B], &Walk<2>) + Sync + 'a;

/// What [`zip`] does around its loop.
fn zip_chunks<A: Element, B: Element, O: Element>(
    shape: Shape,
    a: &Tensor,
    b: &Tensor,
    one: &dyn Fn(A, B) -> O,
    many: &ZipChunk<A, B, O>,
) -> Tensor {
    let mut out = Buffer::new::<O>(shape.size());
    if out.len() == 1 {
        out.as_mut_slice()[0] = one(a.first(), b.first());
    } else {
        let (left, right) = (a.storage_slice(), b.storage_slice());
        let (a_strides, b_strides) = (broadcast_strides(a, &shape), broadcast_strides(b, &shape));
        let walk = Walk::new(&shape, [(&a_strides, a.offset()), (&b_strides, b.offset())]);
        for_chunks(out.as_mut_slice(), CHUNK, |start, out| many(start, out, left, right, &walk));
    }
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
    const WIDEST: Set = Set::of(A::DTYPE).or(Set::of(O::DTYPE));

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

/// A function of two elements, as [`Function`] is one of one.
pub(crate) trait PairFunction<T>: Sync {
    /// The value at `(a, b)`, straight-line code.
    fn of(&self, a: T, b: T) -> T;
}

impl<T, F: Fn(T, T) -> T + Sync> PairFunction<T> for F {
    #[inline(always)]
    fn of(&self, a: T, b: T) -> T {
        self(a, b)
    }
}

/// As [`zip`], for functions so long that each copy costs time to compile: elements that do not lie side
/// by side are gathered.
pub(crate) fn zip_long<T: Element>(shape: Shape, a: &Tensor, b: &Tensor, f: impl PairFunction<T>) -> Tensor {
    zip_chunks(shape, a, b, &|a, b| f.of(a, b), &|start, out, left, right, walk| {
        vectorized(ZipLong { start, out, left, right, walk, f: &f });
    })
}

struct ZipLong<'a, T, F> {
    start: usize,
    out: &'a mut [T],
    left: &'a [T],
    right: &'a [T],
    walk: &'a Walk<2>,
    f: &'a F,
}

impl<T: Element, F: PairFunction<T>> Loop for ZipLong<'_, T, F> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let ZipLong { start, out, left, right, walk, f } = self;
        let [s, t] = walk.steps;
        for (position, [i, j], length) in walk.runs(start, out.len()) {
            let width = if walk.steps == [1, 1] { length.max(1) } else { GATHERED };
            for (k, out) in out[position..position + length].chunks_mut(width).enumerate() {
                let (count, past) = (out.len(), (k * width) as isize);
                let (i, j) = (i + past * s, j + past * t);
                let (gathered_left, gathered_right);
                let a = if s == 1 {
                    &left[i as usize..][..count]
                } else {
                    gathered_left = gather(left, i, s, count);
                    &gathered_left[..count]
                };
                let b = if t == 1 {
                    &right[j as usize..][..count]
                } else {
                    gathered_right = gather(right, j, t, count);
                    &gathered_right[..count]
                };
                for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *out = f.of(a, b);
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
