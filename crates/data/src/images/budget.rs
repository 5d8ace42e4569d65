//! A memory budget for decoding pictures.

use std::sync::{Condvar, Mutex, PoisonError};

/// The maximum for one picture in bytes: a small file can unpack to more than the available memory.
pub(super) const MOST: u64 = 512 << 20;

/// The maximum for all pictures that are decoded at the same time, in all threads.
pub(super) static ALL: Budget = Budget::new(1 << 30);

/// An amount of memory shared by several users. A user waits until its part is available.
///
/// Waiting blocks the thread, even a worker of rayon. This cannot cause a deadlock as long as a holder does nothing
/// that waits: it decodes one picture, on its own thread. In particular it must not run anything in parallel, because a
/// worker that waits for its tasks steals others, which may be pictures that wait for the same budget.
pub(super) struct Budget {
    all: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// A part of a budget, returned on drop.
pub(super) struct Part<'a> {
    of: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) const fn new(all: u64) -> Budget {
        Budget { all, taken: Mutex::new(0), given_back: Condvar::new() }
    }

    /// Takes a part, at most the whole budget, when it is available.
    pub(super) fn take(&self, bytes: u64) -> Part<'_> {
        let bytes = bytes.min(self.all);
        // The lock cannot be poisoned: nothing panics while it is held.
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let too_much = |taken: &mut u64| *taken + bytes > self.all;
        *self.given_back.wait_while(taken, too_much).unwrap_or_else(PoisonError::into_inner) += bytes;
        Part { of: self, bytes }
    }
}

impl Part<'_> {
    /// Returns all but this many bytes to the budget. Returns whether the part has this many.
    pub(super) fn shrink_to(&mut self, bytes: u64) -> bool {
        let surplus = self.bytes.saturating_sub(bytes);
        self.give_back(surplus);
        self.bytes == bytes
    }

    fn give_back(&mut self, bytes: u64) {
        self.bytes -= bytes;
        *self.of.taken.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.of.given_back.notify_all();
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::time::Duration;

    use rayon::prelude::*;

    use super::*;

    /// Nested parallel loops with more threads than the budget allows end, and never take more than there is.
    #[test]
    fn waiting_users_are_served_within_the_budget() {
        static BUDGET: Budget = Budget::new(100);
        static HELD: AtomicU64 = AtomicU64::new(0);
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
            let one = |k: u64| {
                let bytes = 1 + k % 70;
                let mut part = BUDGET.take(bytes);
                assert!(HELD.fetch_add(bytes, SeqCst) + bytes <= 100);
                std::thread::yield_now();
                HELD.fetch_sub(bytes, SeqCst);
                assert!(part.shrink_to(bytes / 2));
            };
            pool.install(|| (0..200u64).into_par_iter().for_each(|k| (0..50).into_par_iter().for_each(|j| one(k + j))));
            done.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(120)).expect("the threads wait for each other");
        assert_eq!(*BUDGET.taken.lock().unwrap(), 0);
        // A request for more than the budget takes all of it.
        assert!(!BUDGET.take(1000).shrink_to(200));
    }
}
