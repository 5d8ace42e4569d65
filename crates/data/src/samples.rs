//! What a training loop draws from.

use crate::batch::Batch;
use crate::batches::Batches;
use crate::error::Result;

/// Passes over samples, which are numbered: passes of the same number give the same samples in the same order, on
/// any machine and with any number of threads. So the number of a pass and how many samples were drawn from it are
/// the whole position, and a checkpoint needs nothing else.
///
/// Every [`Dataset`](crate::Dataset) is one, and every [`Stream`](crate::Stream).
pub trait Samples: Send + Sync {
    /// The number of samples of a pass, if it is known before.
    fn known_len(&self) -> Option<usize>;

    /// The pass of this number, at its beginning.
    ///
    /// # Errors
    /// If the samples cannot be had: a file that cannot be opened, for example.
    fn pass(&self, number: u64) -> Result<Box<dyn Pass + '_>>;

    /// Batches of this size.
    fn batch(&self, size: usize) -> Batches<'_>
    where
        Self: Sized,
    {
        Batches::new(self, size)
    }
}

/// A pass over samples: a place in it, and what comes next.
pub trait Pass: Send {
    /// The next `count` samples, fewer where the pass ends before, none at its end.
    ///
    /// # Errors
    /// Whatever is wrong with the samples. What follows an error is not defined.
    fn next(&mut self, count: usize) -> Result<Option<Batch>>;

    /// Goes over the next `count` samples, or to the end; by default they are drawn and dropped.
    ///
    /// # Errors
    /// As [`next`](Pass::next).
    fn skip(&mut self, mut count: usize) -> Result<()> {
        const AT_ONCE: usize = 1024;
        while count > 0 {
            match self.next(count.min(AT_ONCE))? {
                Some(batch) => count -= batch.len().min(count),
                None => break,
            }
        }
        Ok(())
    }
}
