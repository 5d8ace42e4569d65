//! Copies of transposed views, tile by tile; a tile is transposed in registers.
#![allow(unsafe_code)]

use crate::dtype::Element;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::View;
use crate::storage::Buffer;

/// Rows of the result that are written together: each run that is read for them covers a cache line or more.
const ROWS: usize = 32;

/// A row-major copy of `x` if copying transposes it; `None` for other layouts, empty views and rows longer than
/// [`CHUNK`].
pub(crate) fn by_tiles<T: Element>(x: View<T>) -> Option<Buffer> {
    let walk = LoopNest::new(x.shape(), [(x.strides(), x.offset())]);
    let (width, step) = (walk.inner, walk.steps[0]);
    if x.size() == 0 || !walk.is_transposed() || width > CHUNK {
        return None;
    }
    let data = x.data;
    let mut out = Buffer::new::<T>(x.size());
    // Rows that start multiples of 1 KiB apart share few L1 sets: many of them at a time would cause conflict misses.
    let rows = if (width * size_of::<T>()).is_multiple_of(1 << 10) { 64 / size_of::<T>() } else { ROWS };
    let together = (CHUNK / width).next_multiple_of(rows);
    for_chunks(out.as_mut_slice::<T>(), together * width, |first, out| {
        let mut runs = walk.runs(first, out.len()).map(|(_, [at], _)| at).peekable();
        let mut out = out;
        while let Some(at) = runs.next() {
            let mut count = 1;
            while count < rows && runs.next_if_eq(&(at + count as isize)).is_some() {
                count += 1;
            }
            let (rows, rest) = out.split_at_mut(count * width);
            transpose(data, at, step, rows, width);
            out = rest;
        }
    });
    Some(out)
}

/// Writes rows of `width` elements to `out`. The element in row `i` and column `j` is read at `at + i + j · step`.
pub(super) fn transpose<T: Element>(data: &[T], at: isize, step: isize, out: &mut [T], width: usize) {
    let rows = out.len() / width;
    transpose_to(data, at, step, out, [rows, width], width);
}

/// As [`transpose`], for rows of the result that start `stride` apart.
pub(super) fn transpose_to<T: Element>(
    data: &[T],
    at: isize,
    step: isize,
    out: &mut [T],
    [rows, width]: [usize; 2],
    stride: usize,
) {
    assert!(rows * width == 0 || (rows - 1) * stride + width <= out.len(), "the rows lie within the result");
    // Saturating: an index that overflows is outside of every slice.
    let reach = step.saturating_mul(width as isize - 1);
    let (first, last) = (at.saturating_add(reach.min(0)), at.saturating_add(reach.max(0)));
    assert!(first >= 0 && (last as usize).saturating_add(rows) <= data.len(), "the elements lie within the data");
    let side = side::<T>();
    let (even_rows, even_columns) = (rows / side * side, width / side * side);
    for j in (0..even_columns).step_by(side) {
        for i in (0..even_rows).step_by(side) {
            // SAFETY: `i + side <= rows` and `j + side <= width`, so the square lies within the rows of `out`, as was
            // asserted. Its elements are read at `at + i + k + (j + l) · step` for `k, l < side`: between `first` and `last +
            // rows - 1`, which the assertion above places within `data`.
            unsafe {
                let from = data.as_ptr().offset(at + i as isize + j as isize * step);
                transpose_tile(from, step, out.as_mut_ptr().add(i * stride + j), stride);
            }
        }
    }
    let mut single = |i: usize, j: usize| out[i * stride + j] = data[(at + i as isize + j as isize * step) as usize];
    (even_rows..rows).for_each(|i| (0..even_columns).for_each(|j| single(i, j)));
    (even_columns..width).for_each(|j| (0..rows).for_each(|i| single(i, j)));
}

/// Rows and columns of a tile that is transposed in 16-byte registers, which every x86-64 has.
const fn side<T>() -> usize {
    if cfg!(target_arch = "x86_64") && size_of::<T>() >= 4 { 16 / size_of::<T>() } else { 1 }
}

/// Transposes a square: reads [`side`] rows that start `step` apart, and writes its columns as rows that start `width`
/// apart.
///
/// # Safety
/// All of the square may be read and its transpose written.
#[inline(always)]
unsafe fn transpose_tile<T: Element>(from: *const T, step: isize, to: *mut T, width: usize) {
    // SAFETY: this function demands that rows of `side` elements may be read from `from + k · step` on and written from
    // `to + k · width` on. A vector holds `side` elements, is loaded and stored without alignment, and no arithmetic is done
    // with its bits, so that any type of this size may pass through it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::*;

            if size_of::<T>() == 4 {
                let row = |k: isize| _mm_loadu_ps(from.offset(k * step).cast());
                let (mut a, mut b, mut c, mut d) = (row(0), row(1), row(2), row(3));
                _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
                for (k, row) in [a, b, c, d].into_iter().enumerate() {
                    _mm_storeu_ps(to.add(k * width).cast(), row);
                }
                return;
            }
            if size_of::<T>() == 8 {
                let row = |k: isize| _mm_loadu_pd(from.offset(k * step).cast());
                let (a, b) = (row(0), row(1));
                _mm_storeu_pd(to.cast(), _mm_unpacklo_pd(a, b));
                _mm_storeu_pd(to.add(width).cast(), _mm_unpackhi_pd(a, b));
                return;
            }
        }
        let _ = (step, width);
        to.write(from.read());
    }
}
