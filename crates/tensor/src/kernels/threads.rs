//! How work is split over threads: by shape alone, so that results do not depend on their number.
//!
//! The parallel loop itself is compiled once, behind `dyn Fn`: as a generic it would be the larger
//! part of what this crate costs to compile.
#![allow(unsafe_code)]

use rayon::prelude::*;

use crate::{profile, record};

/// Elements of an elementwise operation that one task takes. Below two tasks nothing is handed to
/// another thread, which costs some 5 µs.
pub(crate) const CHUNK: usize = 32 << 10;

/// Calls `task(k)` for every `k` below `count`, in parallel where there are several.
///
/// The recorders of this thread, and its phase and scope in a profile, are put aside meanwhile: while
/// it waits, it may run tasks that belong to somebody else.
pub(crate) fn for_each(count: usize, task: &(dyn Fn(usize) + Sync)) {
    if count <= 1 {
        (0..count).for_each(task);
    } else {
        record::suspended(|| profile::suspended(|| (0..count).into_par_iter().with_max_len(1).for_each(task)));
    }
}

/// The results of `task(k)` for every `k` below `count`, in parallel where there are several; as
/// [`for_each`], but with as many in one go as suits.
#[cfg(feature = "linalg")]
pub(crate) fn map<R: Send>(count: usize, task: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    if count <= 1 {
        (0..count).map(task).collect()
    } else {
        record::suspended(|| (0..count).into_par_iter().map(task).collect())
    }
}

/// Calls `f(start, chunk)` for consecutive chunks of `out`, each of `chunk` elements but the last,
/// in parallel where there are several.
pub(crate) fn for_chunks<T: Send>(out: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    struct Shared<T>(*mut T);
    // SAFETY: tasks use disjoint parts of what the pointer leads to.
    unsafe impl<T: Send> Sync for Shared<T> {}
    impl<T> Shared<T> {
        fn pointer(&self) -> *mut T {
            self.0
        }
    }

    let length = out.len();
    if length <= chunk {
        return f(0, out);
    }
    let shared = Shared(out.as_mut_ptr());
    for_each(length.div_ceil(chunk), &|k| {
        let start = k * chunk;
        // SAFETY: `start` is below `length`, and the chunks of different `k` do not overlap; `out`
        // is borrowed exclusively until all tasks have ended.
        let part = unsafe { std::slice::from_raw_parts_mut(shared.pointer().add(start), chunk.min(length - start)) };
        f(start, part);
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
        }
    }
}
