//! Elementwise maps of one operand, or of two that are broadcast.

use std::slice;

use crate::dtype::Element;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::math::{Fused, MultiplyAdd, Separate};
use crate::kernels::simd::{LoopInto, Set, vectorized_into};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::kernels::transpose::by_tiles;
use crate::layout::{Layout, View};
use crate::shape::Shape;
use crate::storage::Buffer;

/// A function of one element. Any closure is one. A named type is inlined into the loop whatever its size, which the
/// compiler does not guarantee for closures.
pub(crate) trait Function<A, O>: Sync {
    /// The value at `x`. Only straight-line code is vectorized. `M` is how functions of [`math`](super::math) multiply
    /// and add.
    fn of<M: MultiplyAdd>(&self, x: A) -> O;

    /// Whether there are rare elements.
    const HAS_RARE: bool = false;

    /// Whether `x` is one of the rare elements that need [`Function::rare`].
    #[inline(always)]
    fn is_rare(&self, _: A) -> bool {
        false
    }

    /// The value at a rare element.
    #[inline(always)]
    fn rare<M: MultiplyAdd>(&self, x: A) -> O {
        self.of::<M>(x)
    }
}

impl<A, O, F: Fn(A) -> O + Sync> Function<A, O> for F {
    #[inline(always)]
    fn of<M: MultiplyAdd>(&self, x: A) -> O {
        self(x)
    }
}

/// A function of two elements; see [`Function`].
pub(crate) trait PairFunction<T>: Sync {
    /// The value at `(a, b)`, as straight-line code.
    fn of<M: MultiplyAdd>(&self, a: T, b: T) -> T;
}

impl<T, F: Fn(T, T) -> T + Sync> PairFunction<T> for F {
    #[inline(always)]
    fn of<M: MultiplyAdd>(&self, a: T, b: T) -> T {
        self(a, b)
    }
}

/// Elements that a long function takes at a time. With whole blocks the compiler emits no remainder loop, which would
/// be a second copy of the function.
const BLOCK: usize = 16;
/// Blocks that are searched for rare elements at a time.
const CHECKED: usize = 64;
/// Elements that are gathered at a time if they are not contiguous.
const GATHERED: usize = 256;
/// The row length from which on a long function takes rows one by one. Shorter rows are gathered into longer ones.
const LONG: usize = 64;

/// The rows of the part of a result that begins with element `start`. The elements of an operand's row are contiguous,
/// or the last operand has one number for each row.
struct Rows<'a, A, const N: usize> {
    operands: [&'a [A]; N],
    walk: &'a LoopNest<N>,
    start: usize,
}

/// Applies `f`, which has no rare elements and calls nothing of [`math`](super::math), to every element of `x`.
#[inline]
pub(crate) fn map<A: Element, O: Element>(x: View<A>, f: impl Function<A, O>) -> Buffer {
    let f = &f;
    for_rows(x.shape(), [x], 0, &|[x]| f.of::<Separate>(x), &|rows, out| vectorized_into(Map { rows, f }, out))
}

struct Map<'a, A, F> {
    rows: &'a Rows<'a, A, 1>,
    f: &'a F,
}

impl<A: Element, O: Element, F: Function<A, O>> LoopInto<O> for Map<'_, A, F> {
    const WIDEST: Set = Set::of(A::DTYPE).or(Set::of(O::DTYPE));

    #[inline(always)]
    fn run(self, out: &mut [O]) {
        let Map { rows: Rows { operands: [x], walk, start }, f } = self;
        for (position, [at], length) in walk.runs(*start, out.len()) {
            for (out, &x) in out[position..][..length].iter_mut().zip(&x[at as usize..][..length]) {
                *out = f.of::<Separate>(x);
            }
        }
    }
}

/// As [`map`], for functions that have rare elements, or that are so long that each copy costs compile time.
#[inline]
pub(crate) fn map_long<A: Element, O: Element>(x: View<A>, f: impl Function<A, O>) -> Buffer {
    for_blocks(x.shape(), [x], &|[x], out| vectorized_into(MapLong { x, f: &f }, out))
}

struct MapLong<'a, A, F> {
    x: &'a Blocks<A>,
    f: &'a F,
}

impl<A: Element, O: Element, F: Function<A, O>> LoopInto<[O; BLOCK]> for MapLong<'_, A, F> {
    const WIDEST: Set = Set::of(A::DTYPE).or(Set::of(O::DTYPE));

    #[inline(always)]
    fn run(self, out: &mut Blocks<O>) {
        self.map::<Separate, O>(out);
    }

    #[inline(always)]
    fn run_fused(self, out: &mut Blocks<O>) {
        self.map::<Fused, O>(out);
    }
}

impl<A: Element, F> MapLong<'_, A, F> {
    #[inline(always)]
    fn map<M: MultiplyAdd, O: Element>(self, out: &mut Blocks<O>)
    where
        F: Function<A, O>,
    {
        let MapLong { x, f } = self;
        let checked = if F::HAS_RARE { CHECKED } else { x.len().max(1) };
        for (x, out) in x.chunks(checked).zip(out.chunks_mut(checked)) {
            let (x, out) = (x.as_flattened(), out.as_flattened_mut());
            for (out, &x) in out.iter_mut().zip(x) {
                *out = f.of::<M>(x);
            }
            if F::HAS_RARE && x.iter().fold(false, |any, &x| any | f.is_rare(x)) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = if f.is_rare(x) { f.rare::<M>(x) } else { *out };
                }
            }
        }
    }
}

/// Applies `f` to every pair of elements of `a` and `b`, broadcast to `shape`.
#[inline]
pub(crate) fn zip<A: Element, O: Element>(
    shape: &Shape,
    a: View<A>,
    b: View<A>,
    f: impl Fn(A, A) -> O + Sync,
) -> Buffer {
    let f = &f;
    for_rows(shape, [a, b], 0, &|[a, b]| f(a, b), &|rows, out| vectorized_into(Zip { rows, f }, out))
}

struct Zip<'a, A, F> {
    rows: &'a Rows<'a, A, 2>,
    f: &'a F,
}

impl<A: Element, O: Element, F: Fn(A, A) -> O> LoopInto<O> for Zip<'_, A, F> {
    const WIDEST: Set = Set::of(A::DTYPE).or(Set::of(O::DTYPE));

    #[inline(always)]
    fn run(self, out: &mut [O]) {
        let Zip { rows: Rows { operands: [left, right], walk, start }, f } = self;
        for (position, [i, j], length) in walk.runs(*start, out.len()) {
            let (out, left) = (&mut out[position..][..length], &left[i as usize..][..length]);
            if walk.steps[1] == 0 {
                let b = right[j as usize];
                for (out, &a) in out.iter_mut().zip(left) {
                    *out = f(a, b);
                }
            } else {
                for ((out, &a), &b) in out.iter_mut().zip(left).zip(&right[j as usize..][..length]) {
                    *out = f(a, b);
                }
            }
        }
    }
}

/// As [`zip`], for functions so long that each copy costs compile time.
#[inline]
pub(crate) fn zip_long<T: Element>(shape: &Shape, a: View<T>, b: View<T>, f: impl PairFunction<T>) -> Buffer {
    for_blocks(shape, [a, b], &|[left, right], out| {
        vectorized_into(ZipLong { left, right, f: &f }, out);
    })
}

struct ZipLong<'a, T, F> {
    left: &'a Blocks<T>,
    right: &'a Blocks<T>,
    f: &'a F,
}

impl<T: Element, F: PairFunction<T>> LoopInto<[T; BLOCK]> for ZipLong<'_, T, F> {
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self, out: &mut Blocks<T>) {
        self.zip::<Separate>(out);
    }

    #[inline(always)]
    fn run_fused(self, out: &mut Blocks<T>) {
        self.zip::<Fused>(out);
    }
}

impl<T: Element, F: PairFunction<T>> ZipLong<'_, T, F> {
    #[inline(always)]
    fn zip<M: MultiplyAdd>(self, out: &mut Blocks<T>) {
        let ZipLong { left, right, f } = self;
        let (left, right) = (left.as_flattened(), right.as_flattened());
        for ((out, &a), &b) in out.as_flattened_mut().iter_mut().zip(left).zip(right) {
            *out = f.of::<M>(a, b);
        }
    }
}

/// A loop over rows of a part of the result.
type RowLoop<'a, A, O, const N: usize> = dyn Fn(&Rows<A, N>, &mut [O]) + Sync + 'a;

/// The code around the loops of all these functions. It takes `dyn Fn`, so it is compiled once for each pair of types
/// instead of once for each function. Elements are gathered, several rows at a time, if rows are shorter than
/// `shortest` or if the loop cannot take them in place.
fn for_rows<A: Element, O: Element, const N: usize>(
    shape: &Shape,
    operands: [View<A>; N],
    shortest: usize,
    one: &dyn Fn([A; N]) -> O,
    many: &RowLoop<A, O, N>,
) -> Buffer {
    if shape.size() == 1 {
        return Buffer::filled(1, one(operands.map(View::first)));
    }
    for_several(shape, operands, shortest, many)
}

/// As [`for_rows`], for any number of elements but one.
#[inline(never)]
fn for_several<A: Element, O: Element, const N: usize>(
    shape: &Shape,
    operands: [View<A>; N],
    shortest: usize,
    many: &RowLoop<A, O, N>,
) -> Buffer {
    let mut out = Buffer::new::<O>(shape.size());
    // Operands of this size are broadcast along axes of size 1 at most.
    if operands.iter().all(|x| x.size() == out.len() && x.is_contiguous()) {
        let walk = LoopNest::row(out.len(), operands.map(|x| (1, x.offset())));
        for_chunks(out.as_mut_slice(), CHUNK, |start, out| {
            many(&Rows { operands: operands.map(|x| x.data), walk: &walk, start }, out);
        });
        return out;
    }
    // Transposed operands are first copied tile by tile.
    let tiled = operands.map(|x| if x.shape() == shape && !x.is_contiguous() { by_tiles(x) } else { None });
    if tiled.iter().any(Option::is_some) {
        let layout = Layout::row_major(shape.clone());
        let operand = |n: usize| match &tiled[n] {
            Some(copy) => View::new(copy.as_slice(), &layout),
            None => operands[n],
        };
        return for_several(shape, std::array::from_fn(operand), shortest, many);
    }
    let operands = Operands::of(shape, operands);
    let direct = operands.are_direct(shortest);
    for_chunks(out.as_mut_slice(), CHUNK, |start, out| {
        if direct {
            return many(&Rows { operands: operands.data(), walk: &operands.walk, start }, out);
        }
        let mut room = operands.room(out.len().min(GATHERED));
        for (start, out) in (start..).step_by(GATHERED).zip(out.chunks_mut(GATHERED)) {
            let operands = operands.gather(start, out.len(), &mut room);
            many(&Rows { operands, walk: &LoopNest::row(out.len(), [(1, 0); N]), start: 0 }, out);
        }
    });
    out
}

/// The operands of a result, and how they are laid out relative to it.
struct Operands<'a, A, const N: usize> {
    views: [View<'a, A>; N],
    /// 1 for operands whose elements are in the order of the result, 0 for single numbers, `None` for others.
    steps: [Option<isize>; N],
    walk: LoopNest<N>,
}

impl<'a, A: Element, const N: usize> Operands<'a, A, N> {
    fn of(shape: &Shape, views: [View<'a, A>; N]) -> Self {
        let steps = views.map(|x| match x {
            x if x.size() == shape.size() && x.is_contiguous() => Some(1),
            x => (x.size() == 1).then_some(0),
        });
        let walk = if steps.contains(&None) {
            let strides = views.map(|x| x.broadcast_strides(shape));
            LoopNest::new(shape, std::array::from_fn(|n| (&strides[n], views[n].offset())))
        } else {
            LoopNest::row(shape.size(), std::array::from_fn(|n| (steps[n].unwrap_or(0), views[n].offset())))
        };
        Operands { views, steps, walk }
    }

    fn data(&self) -> [&'a [A]; N] {
        self.views.map(|x| x.data)
    }

    /// Whether all rows are as [`Rows`] requires and at least as long as `shortest`. Single numbers are not, unless
    /// `shortest` is 0.
    fn are_direct(&self, shortest: usize) -> bool {
        let suits = |n: usize| self.walk.steps[n] == 1 || self.walk.steps[n] == 0 && n > 0 && shortest == 0;
        (self.walk.inner >= shortest || self.walk.is_row()) && (0..N).all(suits)
    }

    /// Scratch space to gather `count` elements of each operand; for single numbers it is already filled.
    fn room(&self, count: usize) -> [[A; GATHERED]; N] {
        let mut room = [[A::default(); GATHERED]; N];
        for n in (0..N).filter(|&n| self.steps[n] == Some(0)) {
            room[n][..count].fill(self.views[n].first());
        }
        room
    }

    /// The elements of each operand for `count` elements of the result: in place, or gathered.
    fn gather<'b>(&'b self, start: usize, count: usize, room: &'b mut [[A; GATHERED]; N]) -> [&'b [A]; N] {
        let data = self.data();
        if self.steps.contains(&None) {
            for (position, at, length) in self.walk.runs(start, count) {
                for n in (0..N).filter(|&n| self.steps[n].is_none()) {
                    gather(data[n], at[n], self.walk.steps[n], &mut room[n][position..][..length]);
                }
            }
        }
        std::array::from_fn(|n| match self.steps[n] {
            Some(1) => &data[n][self.views[n].offset() + start..],
            _ => &room[n],
        })
    }
}

/// Contiguous elements in blocks.
type Blocks<T> = [[T; BLOCK]];
/// A loop over blocks. Each operand has the same number of blocks as the result.
type BlockLoop<'a, A, O, const N: usize> = dyn Fn([&Blocks<A>; N], &mut Blocks<O>) + Sync + 'a;

/// As [`for_rows`], for loops over blocks. The remainder of a row is computed as a block that ends with the row and
/// overlaps the previous one; a row shorter than a block is padded. So is a single element, which must get the bits that
/// it would get in a row.
fn for_blocks<A: Element, O: Element, const N: usize>(
    shape: &Shape,
    operands: [View<A>; N],
    many: &BlockLoop<A, O, N>,
) -> Buffer {
    if shape.size() == 1 {
        let (padded, mut results) = (operands.map(|x| [x.first(); BLOCK]), [O::default(); BLOCK]);
        many(padded.each_ref().map(slice::from_ref), slice::from_mut(&mut results));
        return Buffer::filled(1, results[0]);
    }
    for_several(shape, operands, LONG, &|Rows { operands, walk, start }, out| {
        for (position, at, length) in walk.runs(*start, out.len()) {
            let out = &mut out[position..][..length];
            let operands: [&[A]; N] = std::array::from_fn(|n| &operands[n][at[n] as usize..][..length]);
            let Some(_) = out.last_chunk::<BLOCK>() else {
                let (mut padded, mut results) = ([[A::default(); BLOCK]; N], [O::default(); BLOCK]);
                for (padded, operand) in padded.iter_mut().zip(operands) {
                    padded[..length].copy_from_slice(operand);
                }
                many(padded.each_ref().map(slice::from_ref), slice::from_mut(&mut results));
                out.copy_from_slice(&results[..length]);
                continue;
            };
            many(operands.map(|operand| operand.as_chunks().0), out.as_chunks_mut().0);
            if let (1.., Some(out)) = (length % BLOCK, out.last_chunk_mut()) {
                let last = operands.map(|operand| operand.last_chunk().map_or(&[][..], slice::from_ref));
                many(last, slice::from_mut(out));
            }
        }
    })
}

/// Gathers elements that are `step` apart.
fn gather<A: Element>(data: &[A], first: isize, step: isize, out: &mut [A]) {
    let first = first as usize;
    match step {
        0 => out.fill(data[first]),
        1 => out.copy_from_slice(&data[first..][..out.len()]),
        2.. => out.iter_mut().zip(data[first..].iter().step_by(step as usize)).for_each(|(out, &x)| *out = x),
        _ => {
            let backward = data[..=first].iter().rev().step_by(step.unsigned_abs());
            out.iter_mut().zip(backward).for_each(|(out, &x)| *out = x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Long;

    impl Function<f32, f32> for Long {
        fn of<M: MultiplyAdd>(&self, x: f32) -> f32 {
            x * 0.5 + 1.0
        }
    }

    /// Elements and their layout.
    type Operand = (Vec<f32>, Layout);

    /// Rows of numbers that depend on `seed`; the elements of a row are `step` apart.
    fn rows([rows, width]: [usize; 2], step: isize, seed: usize) -> Operand {
        let count = rows * width * step.unsigned_abs();
        let values: Vec<f32> = (0..count).map(|k| ((k * 7919 + seed) % 1009) as f32).collect();
        let strides = [width as isize * step.abs(), step].into_iter().collect();
        let first = if step < 0 { (width - 1) * step.unsigned_abs() } else { 0 };
        (values, Layout::new([rows, width].into(), strides, first))
    }

    /// Checks every element of maps and zips against its indices, for operands of every layout.
    #[test]
    fn functions_go_over_every_layout() {
        for width in [1, 2, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 600] {
            let number = (vec![7.0], Layout::row_major([].into()));
            let (transposed, layout) = rows([width, 3], 1, 8);
            let transposed = (transposed, layout.permuted(&[1, 0]));
            let mut operands = vec![rows([1, width], 1, 5), rows([3, 1], 1, 6), number, transposed];
            operands.extend([1, 2, -1, -3].map(|step| rows([3, width], step, 4)));
            let shape = Shape::from([3, width]);
            let each = |x: View<f32>| {
                let strides = x.broadcast_strides(&shape);
                let at = |k: usize| (k / width) as isize * strides[0] + (k % width) as isize * strides[1];
                (0..3 * width).map(|k| x.data[(x.offset() as isize + at(k)) as usize]).collect::<Vec<f32>>()
            };
            let views: Vec<View<f32>> = operands.iter().map(|(data, layout)| View::new(data, layout)).collect();
            for &a in &views {
                let of_a = each(a);
                if a.shape() == &shape {
                    let expected: Vec<f32> = of_a.iter().map(|x| x * 0.5 + 1.0).collect();
                    assert_eq!(map_long::<f32, f32>(a, Long).as_slice::<f32>(), expected, "{width}");
                    assert_eq!(map::<f32, f32>(a, Long).as_slice::<f32>(), expected, "{width}");
                }
                for &b in &views {
                    let expected: Vec<f32> = of_a.iter().zip(each(b)).map(|(a, b)| a - 2.0 * b).collect();
                    let f = |a: f32, b: f32| a - 2.0 * b;
                    assert_eq!(zip(&shape, a, b, f).as_slice::<f32>(), expected, "{width}");
                    assert_eq!(zip_long(&shape, a, b, f).as_slice::<f32>(), expected, "{width}");
                }
            }
        }
    }
}
