//! Folds over axes, in an order that depends on the shape alone.

use crate::dtype::Element;
use crate::kernels::copy::{Elements, row_major};
use crate::kernels::fold::{BLOCK_ROWS, Combine, Fold};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::View;
use crate::storage::Buffer;

/// Elements per task of a fold of columns, which costs less per element than most operations.
const COLUMNS_TASK: usize = 2 * CHUNK;

impl<A: Element, L, C: Combine<A>> Fold<A, L, C> {
    /// The fold of `x` over `axes`, for each index along the other axes.
    pub(crate) fn over<T: Element>(&self, x: View<T>, axes: &[usize]) -> Buffer
    where
        L: Fn(T) -> A + Sync,
    {
        let form = Form::of(x, axes, false);
        let data: &[T] = &form.data;
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
            // A task takes several outer indices, or some rows or columns of one.
            let most = COLUMNS_TASK / inner;
            if reduced > most.max(BLOCK_ROWS) {
                for (index, out) in values.chunks_mut(inner).enumerate() {
                    self.columns_by_tasks(&data[index * reduced * inner..][..reduced * inner], inner, out, most);
                }
                return out;
            }
            let width =
                if inner * reduced <= COLUMNS_TASK { inner } else { (CHUNK / reduced).clamp(256, inner.max(256)) };
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
        out
    }
}

/// Applies `f` to every row along `axes`; `f` needs the whole row at once.
pub(crate) fn by_row<T: Element, A: Element>(x: View<T>, axes: &[usize], f: impl Fn(&[T]) -> A + Sync) -> Buffer {
    by_rows(x, axes, |width, rows, out| {
        for (k, out) in out.iter_mut().enumerate() {
            *out = f(&rows[k * width..][..width]);
        }
    })
}

/// As [`by_row`], for several contiguous rows at a time: calls `f(width, rows, out)`.
pub(crate) fn by_rows<T: Element, A: Element>(
    x: View<T>,
    axes: &[usize],
    f: impl Fn(usize, &[T], &mut [A]) + Sync,
) -> Buffer {
    let form = Form::of(x, axes, true);
    let data: &[T] = &form.data;
    let width = form.reduced;
    let mut out = Buffer::new::<A>(form.outer);
    for_chunks(out.as_mut_slice::<A>(), (CHUNK / width.max(1)).max(1), |start, out| {
        f(width, &data[start * width..][..out.len() * width], out);
    });
    out
}

/// Elements as `[outer, reduced, inner]` in row-major order, copied only if they are stored differently.
struct Form<'a, T> {
    data: Elements<'a, T>,
    outer: usize,
    reduced: usize,
    inner: usize,
}

impl<'a, T: Element> Form<'a, T> {
    /// The form in which `x` is reduced over `axes`; with `rows`, `inner` is 1.
    fn of(x: View<'a, T>, axes: &[usize], rows: bool) -> Self {
        let product = |axes: &mut dyn Iterator<Item = usize>| x.shape().product(axes);
        let reduced = product(&mut axes.iter().copied());
        let adjacent = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let inner = axes.last().map_or(1, |&last| product(&mut (last + 1..x.rank())));
        if let Some(data) = x.as_slice()
            && adjacent
            && (inner == 1 || !rows)
        {
            let outer = axes.first().map_or(x.size(), |&first| product(&mut (0..first)));
            return Form { data: Elements::Borrowed(data), outer, reduced, inner };
        }
        let kept = (0..x.rank()).filter(|axis| !axes.contains(axis));
        let order: Vec<usize> = kept.clone().chain(axes.iter().copied()).collect();
        let moved = row_major(View::new(x.data, &x.layout().permuted(&order)));
        Form { data: Elements::Copied(moved), outer: product(&mut kept.into_iter()), reduced, inner: 1 }
    }
}
