//! Splits work among threads by shape alone, so results do not depend on the number of threads.
//!
//! The parallel loop itself is compiled once, behind `dyn Fn`. If it were generic, it would be the larger part of this
//! crate's compile time.
#![allow(unsafe_code)]

use std::error::Error;
use std::ops::Range;
use std::sync::OnceLock;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use crate::context;

/// Elements per task of an elementwise operation. A single task runs on the calling thread: handing it to another one
/// costs some 5 µs.
pub(crate) const CHUNK: usize = 32 << 10;

/// Runs `f`, which hands work to a rayon pool and waits for it. A waiting worker thread steals other tasks of the pool,
/// which may belong to other callers. So the state of the calling code (every [`TaskLocal`](crate::TaskLocal): tapes,
/// the default generator, the phase and scope of a profile) is set aside until `f` returns.
///
/// Every parallel kernel does this. Use it around your own parallel loops in code that draws from the default generator
/// or that a tape records. A tape does not record the operations in `f`, as if they ran on another thread.
///
/// ```
/// use tensor::{Tensor, parallel_section, random};
///
/// random::seed(1);
/// // If this thread runs a task that calls `random::seed`, that does not change the draw below.
/// let (a, b) = parallel_section(|| rayon::join(|| 1, || 2));
/// let noise = Tensor::normal([3], 0.0, 1.0)?;
/// # random::seed(1);
/// # assert_eq!(noise.to_vec::<f32>()?, Tensor::normal([3], 0.0, 1.0)?.to_vec::<f32>()?);
/// # assert_eq!(a + b, 3);
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn parallel_section<R>(f: impl FnOnce() -> R) -> R {
    context::suspended(f)
}

/// Whether the calling thread should run `count` tasks itself: there is only one, there are no other threads, or the
/// pool has a single thread, which would be slow to wake.
fn alone(count: usize) -> bool {
    count <= 1 || thread_count() == 1
}

/// The number of threads that share the work, including the calling one.
pub(crate) fn thread_count() -> usize {
    if has_pool() { rayon::current_num_threads() } else { 1 }
}

/// Whether there is a thread pool: the caller's, or the global one, which this starts if nothing else has. If the
/// system provides no threads, rayon would panic on its first use.
fn has_pool() -> bool {
    static GLOBAL: OnceLock<bool> = OnceLock::new();
    rayon::current_thread_index().is_some()
        || *GLOBAL.get_or_init(|| match ThreadPoolBuilder::new().build_global() {
            Ok(()) => true,
            // An error of the operating system has a source; the error for a pool that is already started has none.
            Err(error) => error.source().is_none(),
        })
}

/// Calls `task(k)` for every `k` below `count`, in parallel if there are several.
pub(crate) fn for_each(count: usize, task: &(dyn Fn(usize) + Sync)) {
    if alone(count) {
        (0..count).for_each(task);
    } else {
        parallel_section(|| (0..count).into_par_iter().with_max_len(1).for_each(task));
    }
}

/// The results of `task(k)` for every `k` below `count`, in order. The tasks run in a [`parallel_section`] on the
/// current rayon pool, or on the calling thread if there is no other.
///
/// ```
/// assert_eq!(tensor::parallel_map(4, &|k| k * k), [0, 1, 4, 9]);
/// ```
pub fn parallel_map<R: Send>(count: usize, task: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    if alone(count) {
        (0..count).map(task).collect()
    } else {
        parallel_section(|| (0..count).into_par_iter().map(task).collect())
    }
}

/// The start of a slice whose parts go to different tasks.
pub(super) struct Shared<T>(*mut T);

// SAFETY: a shared reference only gives parts, by `part`, which is unsafe: its caller makes sure that parts that are used at
// the same time do not overlap. `T: Send`, as the parts go to other threads.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn of(slice: &mut [T]) -> Shared<T> {
        Shared(slice.as_mut_ptr())
    }

    /// Prefetches an element into the cache. Any index is allowed.
    #[inline(always)]
    pub(super) fn prefetch(&self, index: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every x86-64 has this instruction, and it faults at no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.0.wrapping_add(index).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = index;
    }

    /// # Safety
    /// All elements of the part lie within the slice, and nothing else uses them meanwhile.
    pub(super) unsafe fn part<'a>(&self, start: usize, count: usize) -> &'a mut [T] {
        // SAFETY: the elements `start..start + count` lie within the slice and nothing else uses them, as this function demands.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), count) }
    }
}

/// Calls `f(start, chunk)` for consecutive chunks of `out`, in parallel if there are several. Each has `chunk`
/// elements; the last may have fewer.
pub(crate) fn for_chunks<T: Send>(out: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    for_chunks_with(out, [], chunk, |start, out, []| f(start, out));
}

/// As [`for_chunks`], and also passes the same chunks of other slices of the same length.
pub(crate) fn for_chunks_with<T: Send, const N: usize>(
    out: &mut [T],
    others: [&mut [T]; N],
    chunk: usize,
    f: impl Fn(usize, &mut [T], [&mut [T]; N]) + Sync,
) {
    chunks(out, others, chunk, &f);
}

/// The function that a task calls with its chunks.
type Task<'a, T, const N: usize> = dyn Fn(usize, &mut [T], [&mut [T]; N]) + Sync + 'a;

fn chunks<T: Send, const N: usize>(out: &mut [T], others: [&mut [T]; N], chunk: usize, task: &Task<T, N>) {
    let length = out.len();
    assert!(others.iter().all(|other| other.len() == length), "all slices have the same length");
    if length <= chunk {
        return task(0, out, others);
    }
    let out = Shared(out.as_mut_ptr());
    let others = others.map(|other| Shared(other.as_mut_ptr()));
    for_each(length.div_ceil(chunk), &|k| {
        let start = k * chunk;
        let count = chunk.min(length - start);
        // SAFETY: `start` is below `length`, which all slices have, and the chunks of different `k`
        // do not overlap; the slices are borrowed exclusively until all tasks have ended.
        unsafe { task(start, out.part(start, count), others.each_ref().map(|other| other.part(start, count))) };
    });
}

/// Calls `f(rows, parts)` for consecutive blocks of `block` rows (the last may have fewer), in parallel if there are
/// several. Every slice consists of `count` rows of equal width; its part is the rows of the block.
pub(crate) fn for_rows<T: Send, const N: usize>(
    count: usize,
    block: usize,
    slices: [&mut [T]; N],
    f: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
) {
    assert!(slices.iter().all(|slice| slice.len().is_multiple_of(count.max(1))), "every slice consists of whole rows");
    let slices = slices.map(|slice| (slice.len() / count.max(1), Shared(slice.as_mut_ptr())));
    for_each(count.div_ceil(block), &|k| {
        let rows = k * block..count.min((k + 1) * block);
        // SAFETY: the rows are below `count`, as many as all slices have, and those of different `k` do
        // not overlap; the slices are borrowed exclusively until all tasks have ended.
        let parts =
            slices.each_ref().map(|(width, slice)| unsafe { slice.part(rows.start * width, rows.len() * width) });
        f(rows, parts);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_a_slice_once() {
        for length in [0, 1, 7, 8, 9, 1000] {
            let mut out = vec![0; length];
            for_chunks(&mut out, 8, |start, part| {
                assert_eq!(start % 8, 0);
                part.iter_mut().enumerate().for_each(|(k, x)| *x += start + k + 1);
            });
            assert_eq!(out, (1..=length).collect::<Vec<_>>());
            let mut other = vec![0; length];
            for_chunks_with(&mut out, [&mut other], 8, |_, out, [other]| other.swap_with_slice(out));
            assert_eq!((out, other), (vec![0; length], (1..=length).collect()));
        }
    }

    #[test]
    fn blocks_of_rows_cover_slices_of_different_widths_once() {
        for count in [0, 1, 3, 4, 5, 9] {
            let (mut narrow, mut wide, mut none) = (vec![0; count], vec![0; 3 * count], vec![0; 0]);
            for_rows(count, 4, [&mut narrow, &mut wide, &mut none], |rows, [narrow, wide, none]| {
                assert_eq!((narrow.len(), wide.len(), none.len()), (rows.len(), 3 * rows.len(), 0));
                narrow.iter_mut().zip(rows.clone()).for_each(|(x, row)| *x += row + 1);
                wide.iter_mut().enumerate().for_each(|(k, x)| *x += 3 * rows.start + k + 1);
            });
            assert_eq!((narrow, wide), ((1..=count).collect(), (1..=3 * count).collect()));
        }
    }
}
