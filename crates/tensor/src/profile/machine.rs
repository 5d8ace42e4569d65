//! What the machine can do at most, measured.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::kernels::gemm::{Matrix, gemm};
use crate::kernels::threads::{CHUNK, for_chunks};

/// The peaks of a machine with the threads of the current pool, which bound every operation from
/// above: that of arithmetic and that of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Threads of the pool.
    pub threads: usize,
    /// Multiplications and additions of float32 numbers in a second, as the best of some products of
    /// matrices of 768 × 768 reached. Those of float64 numbers are half at most.
    pub flops: f64,
    /// Bytes that are read or written in a second, as the best of some copies of 64 MiB reached.
    /// Caches are faster.
    pub bandwidth: f64,
}

impl Machine {
    /// The least seconds in which the machine moves so many bytes and does so much arithmetic at the
    /// same time.
    pub(super) fn seconds(&self, bytes: u64, flops: u64) -> f64 {
        (flops as f64 / self.flops).max(bytes as f64 / self.bandwidth)
    }
}

/// How long each peak is looked for, at least; and how often at least.
const SEARCH: Duration = Duration::from_millis(30);
const TRIES: usize = 3;
const SIDE: usize = 768;
const COPIED: usize = (64 << 20) / size_of::<f32>();

/// The peaks for the current pool, measured when they are first asked for.
pub(super) fn measured() -> Machine {
    static KNOWN: Mutex<BTreeMap<usize, Machine>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = rayon::current_num_threads();
    if let Some(machine) = known().get(&threads) {
        return *machine;
    }
    // Without the lock: a thread that waits for others may run a task that asks as well.
    let machine = Machine { threads, flops: arithmetic(), bandwidth: memory() };
    *known().entry(threads).or_insert(machine)
}

fn arithmetic() -> f64 {
    // Not from the pool of buffers, where this would stay; and no operation, which tapes would see.
    let (a, b, mut out) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE], vec![0f32; SIDE * SIDE]);
    let matrix = |data| Matrix { data, start: 0, rows: SIDE as isize, columns: 1 };
    let seconds = least_seconds(|| {
        gemm(SIDE, SIDE, SIDE, matrix(&a), matrix(&b), black_box(&mut out));
    });
    2.0 * (SIDE as f64).powi(3) / seconds
}

fn memory() -> f64 {
    let (from, mut to) = (vec![1f32; COPIED], vec![2f32; COPIED]);
    let seconds = least_seconds(|| {
        for_chunks(black_box(&mut to), CHUNK, |start, to| to.copy_from_slice(&from[start..start + to.len()]));
    });
    2.0 * size_of_val(&from[..]) as f64 / seconds
}

fn least_seconds(mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut least = f64::INFINITY;
    let mut tries = 0;
    while tries < TRIES || begin.elapsed() < SEARCH {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed().as_secs_f64());
        tries += 1;
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_measured_once_for_a_number_of_threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let [first, second] = pool.install(|| [measured(), measured()]);
        assert_eq!(first, second);
        assert_eq!(first.threads, 1);
        assert!(first.flops.is_finite() && first.flops > 0.0);
        assert!(first.bandwidth.is_finite() && first.bandwidth > 0.0);
    }

    #[test]
    fn what_takes_longer_bounds_an_operation() {
        let machine = Machine { threads: 1, flops: 100.0, bandwidth: 10.0 };
        assert_eq!(machine.seconds(5, 20), 0.5);
        assert_eq!(machine.seconds(5, 80), 0.8);
    }
}
