//! A background thread that prepares batches.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::batch::Batch;
use crate::data_source::{DataSource, EpochIter};
use crate::error::{DataError, Result};

/// The maximum number of prepared batches.
const MOST: usize = 1024;

/// A data source whose batches are prepared by another thread: see [`DataSource::prefetch`].
#[derive(Debug)]
pub struct Prefetch<S> {
    samples: Arc<S>,
    batches: usize,
}

impl<S: DataSource + 'static> Prefetch<S> {
    pub(crate) fn new(samples: S, batches: usize) -> Prefetch<S> {
        Prefetch { samples: Arc::new(samples), batches: batches.min(MOST) }
    }
}

impl<S: DataSource + 'static> DataSource for Prefetch<S> {
    fn len_hint(&self) -> Option<usize> {
        self.samples.len_hint()
    }

    fn epoch(&self, number: u64) -> Result<Box<dyn EpochIter + '_>> {
        if self.batches == 0 {
            return self.samples.epoch(number);
        }
        // A separate pool, so that the kernels of the thread and of the training step do not wait for each other.
        let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "prefetch".into()).build();
        // Without a thread, batches are computed when they are drawn.
        let Ok(pool) = pool else { return self.samples.epoch(number) };
        let samples = Arc::clone(&self.samples);
        Ok(Box::new(PrefetchEpoch { samples, ahead: self.batches, number, drawn: 0, pool, worker: None }))
    }
}

/// An epoch whose thread starts when the batch size is known.
struct PrefetchEpoch<S> {
    samples: Arc<S>,
    ahead: usize,
    number: u64,
    drawn: usize,
    pool: ThreadPool,
    worker: Option<Worker>,
}

/// The receiver for batches of one size. The channel is closed at the end of the epoch, after an error, or when the
/// receiver is dropped.
struct Worker {
    size: usize,
    batches: Receiver<Result<Option<Batch>>>,
}

impl<S: DataSource + 'static> PrefetchEpoch<S> {
    /// The worker for batches of this size from the current position on. If the current worker has another size, its
    /// batches are dropped and the epoch is started again: its number and the samples drawn are the complete position.
    fn worker(&mut self, size: usize) -> &Worker {
        match self.worker.take() {
            Some(worker) if worker.size == size => self.worker.insert(worker),
            _ => {
                let (samples, number, drawn) = (Arc::clone(&self.samples), self.number, self.drawn);
                // One more batch is held by the thread until there is room.
                let (sender, batches) = sync_channel(self.ahead - 1);
                self.pool.spawn(move || run(&*samples, number, drawn, size, &sender));
                self.worker.insert(Worker { size, batches })
            }
        }
    }
}

impl<S: DataSource + 'static> EpochIter for PrefetchEpoch<S> {
    fn next(&mut self, count: usize) -> Result<Option<Batch>> {
        let received = self.worker(count).batches.recv();
        // A closed channel means the end of the epoch.
        let batch = received.unwrap_or(Ok(None))?;
        self.drawn += batch.as_ref().map_or(0, Batch::len);
        Ok(batch)
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.worker = None;
        self.drawn = self.drawn.saturating_add(count);
        Ok(())
    }
}

/// Prepares batches until the epoch ends, one fails, or the receiver is dropped. A panic becomes an error.
fn run(samples: &dyn DataSource, number: u64, drawn: usize, size: usize, out: &SyncSender<Result<Option<Batch>>>) {
    let make = || -> Result<()> {
        let mut epoch = samples.epoch(number)?;
        epoch.skip(drawn)?;
        loop {
            let batch = epoch.next(size)?;
            let over = batch.is_none();
            if out.send(Ok(batch)).is_err() || over {
                return Ok(());
            }
        }
    };
    let ended = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|panic| {
        Err(DataError::dataset(format!("prefetch: the thread that prepares batches panicked: {}", message(&*panic))))
    });
    if let Err(error) = ended {
        // The receiver may have been dropped.
        let _ = out.send(Err(error));
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, Dataset, Stream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use tensor::{Tensor, tensor};

    fn numbers(count: i64) -> ArrayDataset {
        let x: Tensor = (0..count).collect();
        ArrayDataset::from_tensors(&x, &x).unwrap()
    }

    fn targets(batch: Batch) -> Vec<i64> {
        batch.targets.to_vec().unwrap()
    }

    #[test]
    fn batches_of_changing_sizes_are_those_without() {
        let with = numbers(100).shuffle(1).prefetch(3);
        let (without, mut drawn) = (numbers(100).shuffle(1), 0);
        let mut epoch = with.epoch(2).unwrap();
        for size in [7, 7, 3, 3, 20, 7] {
            let expected = targets(without.range(2, drawn..drawn + size).unwrap());
            assert_eq!(targets(epoch.next(size).unwrap().unwrap()), expected);
            drawn += size;
        }
        epoch.skip(40).unwrap();
        assert_eq!(targets(epoch.next(50).unwrap().unwrap()), targets(without.range(2, 87..100).unwrap()));
        for _ in 0..3 {
            assert!(epoch.next(50).unwrap().is_none());
        }
    }

    #[test]
    fn errors_and_panics_arrive_in_their_place() {
        let failing = |at: i64, panics: bool| {
            let map = move |batch: Batch| match batch.targets.max()?.item()? as i64 {
                most if most >= at && panics => panic!("sample {most}"),
                most if most >= at => Err(DataError::dataset(format!("sample {most} is bad"))),
                _ => Ok(batch),
            };
            let samples = numbers(10).map(map).prefetch(2);
            samples
                .batch(2)
                .epoch(0)
                .unwrap()
                .map(|batch| batch.map(targets).map_err(|e| e.to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(failing(5, false), [Ok(vec![0, 1]), Ok(vec![2, 3]), Err("sample 5 is bad".into())]);
        let message = "prefetch: the thread that prepares batches panicked: sample 5".to_string();
        assert_eq!(failing(5, true), [Ok(vec![0, 1]), Ok(vec![2, 3]), Err(message)]);
        let closed = Stream::of_batches(|_| match false {
            true => Ok(std::iter::empty()),
            false => Err(DataError::dataset("closed".into())),
        });
        let message = closed.prefetch(2).epoch(0).unwrap().next(1).unwrap_err().to_string();
        assert_eq!(message, "closed");
    }

    /// An endless source that counts the samples drawn, and whose sender is dropped with it.
    fn endless(taken: Arc<AtomicUsize>, alive: Sender<()>) -> Stream {
        let alive = std::sync::Mutex::new(alive);
        Stream::of_batches(move |_| {
            let (taken, alive) = (Arc::clone(&taken), alive.lock().unwrap().clone());
            Ok((0..).map(move |number: i64| {
                let _ = &alive;
                taken.fetch_add(1, Ordering::SeqCst);
                Batch::new(&tensor![number], &tensor![number])
            }))
        })
    }

    #[test]
    fn the_thread_is_bounded_and_ends_with_the_epoch() {
        let (taken, (alive, dead)) = (Arc::new(AtomicUsize::new(0)), channel());
        let samples = endless(Arc::clone(&taken), alive).prefetch(3);
        let mut epoch = samples.epoch(0).unwrap();
        for number in 0..5 {
            assert_eq!(targets(epoch.next(1).unwrap().unwrap()), [number]);
            let ahead = taken.load(Ordering::SeqCst) as i64 - (number + 1);
            assert!(ahead <= 3, "{ahead}");
        }
        drop(epoch);
        drop(samples);
        // Returns when the thread has dropped everything; blocks if it continues.
        assert!(dead.recv().is_err());
    }
}
