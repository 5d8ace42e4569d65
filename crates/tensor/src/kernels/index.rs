//! Elements picked, and added, at positions that another tensor holds.

use crate::dtype::Element;
use crate::kernels::strided::Walk;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// Strides that stay in place along `axis`.
fn fixed(strides: &Strides, axis: usize) -> Strides {
    strides.iter().enumerate().map(|(k, &stride)| if k == axis { 0 } else { stride }).collect()
}

/// The element of `x` at each position of `index`, but along `axis` where `index` (int64) says. The
/// caller has checked that the indices lie on the axis and `index` within `x` along the others.
pub(crate) fn gather<T: Element>(x: &Tensor, index: &Tensor, axis: usize) -> Tensor {
    let mut out = Buffer::new::<T>(index.size());
    let (source, indices) = (x.storage_slice::<T>(), index.storage_slice::<i64>());
    let (along, strides) = (x.strides()[axis], fixed(x.strides(), axis));
    let walk = Walk::new(index.shape(), [(&strides, x.offset()), (index.strides(), index.offset())]);
    for_chunks(out.as_mut_slice::<T>(), CHUNK, |start, out| {
        for (position, [at, which], length) in walk.runs(start, out.len()) {
            for (k, out) in out[position..][..length].iter_mut().enumerate() {
                let index = indices[(which + k as isize * walk.steps[1]) as usize];
                *out = source[(at + k as isize * walk.steps[0] + index as isize * along) as usize];
            }
        }
    });
    Tensor::from_buffer(out, index.shape().clone())
}

/// A copy of `x` to whose element at each position of `index` (along `axis` where `index` says) the
/// element of `source` at that position was added, one after the other in row-major order.
pub(crate) fn scatter_add<T: Element>(
    x: &Tensor,
    index: &Tensor,
    source: &Tensor,
    axis: usize,
    add: impl Fn(T, T) -> T,
) -> Tensor {
    let mut out = x.clone();
    let values = out.as_mut_slice::<T>();
    let indices = index.elements::<i64>();
    let addends = source.storage_slice::<T>();
    let strides = x.shape().strides();
    let (along, strides) = (strides[axis], fixed(&strides, axis));
    let walk = Walk::new(index.shape(), [(&strides, 0), (source.strides(), source.offset())]);
    for (position, [to, from], length) in walk.runs(0, index.size()) {
        for (k, &index) in indices[position..][..length].iter().enumerate() {
            let k = k as isize;
            let target = &mut values[(to + k * walk.steps[0] + index as isize * along) as usize];
            *target = add(*target, addends[(from + k * walk.steps[1]) as usize]);
        }
    }
    out
}

/// The entries of `x` along `axis` that `indices` name, as a tensor of `shape`.
pub(crate) fn take<T: Element>(x: &Tensor, indices: &[usize], axis: usize, shape: Shape) -> Tensor {
    let Some(source) = x.as_slice::<T>() else {
        // Element by element rather than from a copy of all, which may be far more than is asked for.
        let picked = x.shape().with(axis, indices.len());
        let along = (0..x.rank()).map(|k| isize::from(k == axis)).collect();
        let index: Tensor = indices.iter().map(|&index| index as i64).collect();
        return gather::<T>(x, &index.restrided(picked, along, 0), axis).reshaped(shape);
    };
    let mut out = Buffer::new::<T>(shape.size());
    let inner = x.shape().product(axis + 1..x.rank());
    let (size, count) = (x.shape()[axis], indices.len());
    let rows = (CHUNK / inner.max(1)).max(1);
    for_chunks(out.as_mut_slice::<T>(), rows * inner.max(1), |start, out| {
        for (k, out) in out.chunks_mut(inner.max(1)).enumerate() {
            let row = start / inner + k;
            out.copy_from_slice(&source[(row / count * size + indices[row % count]) * inner..][..inner]);
        }
    });
    Tensor::from_buffer(out, shape)
}

/// Zeros of `shape` to whose entry along `axis` that each of `indices` names the entry of `source`
/// was added, one after the other. Of long entries into many places each task takes some places, and
/// reads all indices.
pub(crate) fn index_add<T: Element>(
    source: &Tensor,
    indices: &[usize],
    axis: usize,
    shape: Shape,
    add: impl Fn(T, T) -> T + Sync,
) -> Tensor {
    const TASKS: usize = 8;
    let mut out = Buffer::new::<T>(shape.size());
    let inner = shape[axis + 1..].iter().product::<usize>().max(1);
    let (size, count, source) = (shape[axis], indices.len(), source.elements::<T>());
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
    Tensor::from_buffer(out, shape)
}

/// The positions, in row-major order, of the elements that differ from zero: `[count, rank]`.
pub(crate) fn nonzero<T: Element>(x: &Tensor) -> Tensor {
    let elements = x.elements::<T>();
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
    Tensor::from_buffer(Buffer::from_vec(positions), [places.len(), rank].into())
}
