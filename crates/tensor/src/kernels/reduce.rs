//! Folds over axes, in an order fixed by shape.

use std::borrow::Cow;

use crate::dtype::Element;
use crate::kernels::copy::row_major;
use crate::kernels::fold::{Combine, Fold};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::tensor::Tensor;

impl<A: Element, L, C: Combine<A>> Fold<A, L, C> {
    /// The fold of `x` over `axes`.
    pub(crate) fn over<T: Element>(&self, x: &Tensor, axes: &[usize], keep: bool) -> Tensor
    where
        L: Fn(T) -> A + Sync,
    {
        let form = Form::of::<T>(x, axes, false);
        let data = form.data::<T>();
        let mut out = Buffer::new::<A>(form.outer * form.inner);
        let values = out.as_mut_slice::<A>();
        let Form { outer, reduced, inner, .. } = form;
        if reduced == 0 || values.is_empty() {
            values.fill(self.neutral);
        } else if inner == 1 && outer == 1 && reduced > CHUNK {
            // One long row: its chunks are folded in parallel, and then their results.
            let mut partial = vec![self.neutral; reduced.div_ceil(CHUNK)];
            for_chunks(&mut partial, 1, |k, part| {
                part[0] = self.row(&data[k * CHUNK..reduced.min((k + 1) * CHUNK)]);
            });
            values[0] = self.pairwise(&partial);
        } else if inner == 1 {
            for_chunks(values, (CHUNK / reduced).max(1), |start, out| {
                self.rows(&data[start * reduced..][..out.len() * reduced], reduced, out);
            });
        } else {
            // A task takes some outer indices whole, or some columns of one.
            let width = if inner * reduced <= CHUNK { inner } else { (CHUNK / reduced).clamp(256, inner.max(256)) };
            let columns = |index: usize, column: usize, out: &mut [A]| {
                let rows = &data[index * reduced * inner..(index + 1) * reduced * inner];
                self.columns(&rows[column..], inner, out);
            };
            if width >= inner {
                let together = (CHUNK / (reduced * inner)).max(1);
                for_chunks(values, inner * together, |start, out| {
                    for (k, out) in out.chunks_mut(inner).enumerate() {
                        columns(start / inner + k, 0, out);
                    }
                });
            } else {
                for (index, row) in values.chunks_mut(inner).enumerate() {
                    for_chunks(row, width, |column, out| columns(index, column, out));
                }
            }
        }
        Tensor::from_buffer(out, x.shape().reduced(axes, keep))
    }
}

/// `f` of every row along `axes`, where `f` needs the whole row at once.
pub(crate) fn by_row<T: Element, A: Element>(
    x: &Tensor,
    axes: &[usize],
    keep: bool,
    f: impl Fn(&[T]) -> A + Sync,
) -> Tensor {
    by_rows(x, axes, keep, |width, rows, out| {
        for (k, out) in out.iter_mut().enumerate() {
            *out = f(&rows[k * width..][..width]);
        }
    })
}

/// As [`by_row`] for several rows at a time, one after the other: calls `f(width, rows, out)`.
pub(crate) fn by_rows<T: Element, A: Element>(
    x: &Tensor,
    axes: &[usize],
    keep: bool,
    f: impl Fn(usize, &[T], &mut [A]) + Sync,
) -> Tensor {
    let form = Form::of::<T>(x, axes, true);
    let data = form.data::<T>();
    let width = form.reduced;
    let mut out = Buffer::new::<A>(form.outer);
    for_chunks(out.as_mut_slice::<A>(), (CHUNK / width.max(1)).max(1), |start, out| {
        f(width, &data[start * width..][..out.len() * width], out);
    });
    Tensor::from_buffer(out, x.shape().reduced(axes, keep))
}

/// A tensor as `[outer, reduced, inner]` in row-major order, copied only if it does not lie so.
struct Form<'a> {
    x: Cow<'a, Tensor>,
    outer: usize,
    reduced: usize,
    inner: usize,
}

impl<'a> Form<'a> {
    /// The elements in the order of the form; `T` is their type.
    fn data<T: Element>(&self) -> &[T] {
        self.x.as_slice().expect("laid out in `of`")
    }

    fn of<T: Element>(x: &'a Tensor, axes: &[usize], rows: bool) -> Self {
        let product = |axes: &mut dyn Iterator<Item = usize>| x.shape().product(axes);
        let reduced = product(&mut axes.iter().copied());
        let adjacent = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let inner = axes.last().map_or(1, |&last| product(&mut (last + 1..x.rank())));
        if x.is_contiguous() && adjacent && (inner == 1 || !rows) {
            let outer = axes.first().map_or(x.size(), |&first| product(&mut (0..first)));
            return Form { x: Cow::Borrowed(x), outer, reduced, inner };
        }
        let kept = (0..x.rank()).filter(|axis| !axes.contains(axis));
        let order: Vec<usize> = kept.clone().chain(axes.iter().copied()).collect();
        let shape: Shape = order.iter().map(|&axis| x.shape()[axis]).collect();
        let strides: Strides = order.iter().map(|&axis| x.strides()[axis]).collect();
        let moved = row_major::<T>(&x.restrided(shape, strides, x.offset()));
        Form { x: Cow::Owned(moved), outer: product(&mut kept.into_iter()), reduced, inner: 1 }
    }
}
