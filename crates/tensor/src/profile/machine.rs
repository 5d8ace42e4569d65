//! The measured peak performance of the machine.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::dtype::DType;
use crate::kernels::peak::Registers;
use crate::kernels::threads::{for_chunks, for_each, thread_count};

/// The peak performance of a machine with the threads of the current pool: of arithmetic and of moving data. As in the
/// roofline model, these bound every operation from above. The bandwidth depends on the amount of data, because small
/// amounts fit into a cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Threads of the pool.
    pub threads: usize,
    /// Multiplications and additions per second: of float32 numbers, and of float64 numbers.
    pub(super) flops: [f64; 2],
    /// Bytes per second, for amounts of data up to each of [`SIZES`].
    pub(super) bandwidths: [f64; SIZES.len()],
}

impl Machine {
    /// Multiplications and additions per second, on all threads together: the best of several loops of independent
    /// multiply-adds in vector registers, with the widest instructions that the processor has. Its theoretical value
    /// is 2 · lanes · multiply-add units · frequency · cores.
    ///
    /// There are peaks for float32 and float64; that of float32 stands for the other types.
    pub fn flops(&self, dtype: DType) -> f64 {
        let [float32, float64] = self.flops;
        if dtype == DType::F64 { float64 } else { float32 }
    }

    /// Bytes read or written per second by an operation on `bytes` bytes in all: the best of several repeated copies of
    /// that amount (rounded up to the next of 32 KiB, 128 KiB, … 128 MiB).
    pub fn bandwidth(&self, bytes: u64) -> f64 {
        let place = SIZES.iter().position(|&size| bytes <= size as u64);
        self.bandwidths[place.unwrap_or(SIZES.len() - 1)]
    }

    /// The least number of seconds in which the machine can move `bytes` bytes and do `flops` arithmetic operations on
    /// numbers of a type at the same time.
    pub(super) fn seconds(&self, bytes: u64, flops: u64, dtype: DType) -> f64 {
        (flops as f64 / self.flops(dtype)).max(bytes as f64 / self.bandwidth(bytes))
    }
}

/// Bytes that a copy reads and writes. The last size exceeds the caches.
const SIZES: [usize; 7] = [32 << 10, 128 << 10, 512 << 10, 2 << 20, 8 << 20, 32 << 20, 128 << 20];
/// The minimum number of bytes that one run moves: enough to make the start of threads negligible.
const MOVED: usize = 32 << 20;
/// The minimum duration and number of runs of each measurement.
const SEARCH: Duration = Duration::from_millis(20);
const TRIES: usize = 3;
/// The floating-point operations that one run does on each thread: a millisecond or more.
const FLOPS: usize = 1 << 27;

/// The peaks for the current pool, measured on first use.
pub(super) fn measured() -> Machine {
    static KNOWN: Mutex<BTreeMap<usize, Machine>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = thread_count();
    if let Some(machine) = known().get(&threads) {
        return *machine;
    }
    // Measure without the lock: a waiting thread may steal a task that calls this function too.
    let machine = Machine {
        threads,
        flops: [arithmetic::<f32>(threads), arithmetic::<f64>(threads)],
        bandwidths: copies(threads),
    };
    *known().entry(threads).or_insert(machine)
}

fn arithmetic<T: Registers>(threads: usize) -> f64 {
    let register_loop = T::available();
    let steps = FLOPS / (2 * register_loop.values);
    let seconds = least_seconds(|| {
        for_each(threads, &|_| {
            let mut values = vec![T::one(); register_loop.values];
            register_loop.run(black_box(&mut values), steps);
            black_box(&values);
        });
    });
    (threads * steps * 2 * register_loop.values) as f64 / seconds
}

fn copies(threads: usize) -> [f64; SIZES.len()] {
    let most = SIZES[SIZES.len() - 1] / 2 / size_of::<f32>();
    let (from, mut to) = (vec![1f32; most], vec![2f32; most]);
    let mut bandwidths = SIZES.map(|size| {
        let to = &mut to[..size / 2 / size_of::<f32>()];
        let repeats = (MOVED / size).max(1);
        let seconds = least_seconds(|| {
            for_chunks(to, to.len().div_ceil(threads), |start, to| {
                let from = &from[start..][..to.len()];
                for _ in 0..repeats {
                    black_box(&mut *to).copy_from_slice(from);
                }
            });
        });
        (repeats * size) as f64 / seconds
    });
    // The bandwidth for less data is at least that for more: a disturbed measurement does not lower the peak.
    for place in (1..SIZES.len()).rev() {
        bandwidths[place - 1] = bandwidths[place - 1].max(bandwidths[place]);
    }
    bandwidths
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
        assert!(first.flops.iter().all(|flops| flops.is_finite() && *flops > 0.0));
        assert!(first.bandwidths.iter().all(|bandwidth| bandwidth.is_finite() && *bandwidth > 0.0));
        assert!(first.bandwidths.is_sorted_by(|small, large| small >= large));
    }

    #[test]
    fn the_slower_of_arithmetic_and_memory_bounds_an_operation() {
        let bandwidths = [60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 5.0];
        let machine = Machine { threads: 1, flops: [100.0, 50.0], bandwidths };
        let seconds = |flops, dtype| machine.seconds(30, flops, dtype);
        assert_eq!((seconds(20, DType::F32), seconds(80, DType::F32), seconds(80, DType::F64)), (0.5, 0.8, 1.6));
        assert_eq!(machine.flops(DType::I64), machine.flops(DType::F32));
        let sizes = [0, 32 << 10, (32 << 10) + 1, 8 << 20, 128 << 20, u64::MAX];
        assert_eq!(sizes.map(|size| machine.bandwidth(size)), [60.0, 60.0, 50.0, 20.0, 5.0, 5.0]);
    }
}
