//! Gather and scatter: reading and adding elements at the positions in an index.

use crate::dtype::Element;
use crate::kernels::copy::elements;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::{Layout, View};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;

/// The strides, with 0 for `axis`.
fn fixed(strides: &Strides, axis: usize) -> Strides {
    strides.iter().enumerate().map(|(k, &stride)| if k == axis { 0 } else { stride }).collect()
}

/// For each position of `index`, the element of `x` at that position, except that the value of `index` (int64) is the
/// position along `axis`. The caller has checked that these values lie on the axis, and that `index` is no larger than
/// `x` along the others.
pub(crate) fn gather<T: Element>(x: View<T>, index: View<i64>, axis: usize) -> Buffer {
    let mut out = Buffer::new::<T>(index.size());
    let (source, indices) = (x.data, index.data);
    let (along, strides) = (x.strides()[axis], fixed(x.strides(), axis));
    let walk = LoopNest::new(index.shape(), [(&strides, x.offset()), (index.strides(), index.offset())]);
    for_chunks(out.as_mut_slice::<T>(), CHUNK, |start, out| {
        for (position, [at, which], length) in walk.runs(start, out.len()) {
            for (k, out) in out[position..][..length].iter_mut().enumerate() {
                let index = indices[(which + k as isize * walk.steps[1]) as usize];
                *out = source[(at + k as isize * walk.steps[0] + index as isize * along) as usize];
            }
        }
    });
    out
}

/// For each position of `index`, in row-major order, adds the element of `source` there to the element of `out` (with
/// shape `shape`) at the same position, except that the value of `index` is the position along `axis`.
pub(crate) fn scatter_add<T: Element>(
    out: &mut [T],
    shape: &Shape,
    (index, source): (View<i64>, View<T>),
    axis: usize,
    add: impl Fn(T, T) -> T,
) {
    let indices = elements(index);
    let strides = shape.strides();
    let (along, strides) = (strides[axis], fixed(&strides, axis));
    let walk = LoopNest::new(index.shape(), [(&strides, 0), (source.strides(), source.offset())]);
    for (position, [to, from], length) in walk.runs(0, index.size()) {
        for (k, &index) in indices[position..][..length].iter().enumerate() {
            let k = k as isize;
            let target = &mut out[(to + k * walk.steps[0] + index as isize * along) as usize];
            *target = add(*target, source.data[(from + k * walk.steps[1]) as usize]);
        }
    }
}

/// The entries of `x` along `axis` at `indices`.
pub(crate) fn take<T: Element>(x: View<T>, indices: &[usize], axis: usize) -> Buffer {
    let Some(source) = x.as_slice() else {
        // Gathers single elements: a contiguous copy of `x` may be far larger than the result.
        let picked = x.shape().with(axis, indices.len());
        let along = (0..x.rank()).map(|k| isize::from(k == axis)).collect();
        let index: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        return gather(x, View::new(&index, &Layout::new(picked, along, 0)), axis);
    };
    let mut out = Buffer::new::<T>(x.shape().with(axis, indices.len()).size());
    let inner = x.shape().product(axis + 1..x.rank());
    let (size, count) = (x.shape()[axis], indices.len());
    let rows = (CHUNK / inner.max(1)).max(1);
    for_chunks(out.as_mut_slice::<T>(), rows * inner.max(1), |start, out| {
        for (k, out) in out.chunks_mut(inner.max(1)).enumerate() {
            let row = start / inner + k;
            out.copy_from_slice(&source[(row / count * size + indices[row % count]) * inner..][..inner]);
        }
    });
    out
}

/// Zeros of `shape`, to which the entries of `source` along `axis` are added one after the other at `indices`. If
/// entries are long and the result is large, each task handles some places and reads all indices.
pub(crate) fn index_add<T: Element>(
    source: &[T],
    indices: &[usize],
    axis: usize,
    shape: &Shape,
    add: impl Fn(T, T) -> T + Sync,
) -> Buffer {
    const TASKS: usize = 8;
    let mut out = Buffer::new::<T>(shape.size());
    let inner = shape[axis + 1..].iter().product::<usize>().max(1);
    let (size, count) = (shape[axis], indices.len());
    let places = shape.size() / inner;
    let block = if inner >= 16 && shape.size() >= TASKS * CHUNK { places.div_ceil(TASKS) } else { places };
    for_chunks(out.as_mut_slice::<T>(), block.max(1) * inner, |start, out| {
        out.fill(T::default());
        for (row, addends) in source.chunks(inner).enumerate() {
            let place = row / count * size + indices[row % count];
            let Some(values) = place.checked_sub(start / inner).and_then(|place| out.get_mut(place * inner..)) else {
                continue;
            };
            for (value, &addend) in values.iter_mut().zip(addends) {
                *value = add(*value, addend);
            }
        }
    });
    out
}

/// The number of elements that differ from zero, and their positions in row-major order, each as one index per axis.
pub(crate) fn nonzero<T: Element>(x: View<T>) -> (usize, Vec<i64>) {
    let elements = elements(x);
    let places: Vec<usize> = (0..elements.len()).filter(|&k| elements[k] != T::default()).collect();
    let rank = x.rank();
    let mut positions = vec![0i64; places.len() * rank];
    for (row, &place) in positions.chunks_mut(rank.max(1)).zip(&places) {
        let mut rest = place;
        for (position, &size) in row.iter_mut().zip(x.shape().iter()).rev() {
            *position = (rest % size) as i64;
            rest /= size;
        }
    }
    (places.len(), positions)
}
