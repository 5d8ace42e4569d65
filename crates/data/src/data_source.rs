//! What a training loop draws from.

use crate::array::ArrayDataset;
use crate::batch::Batch;
use crate::batches::Batches;
use crate::error::{DataError, Result};
use crate::prefetch::Prefetch;

/// Epochs over samples, which are numbered: epochs of the same number give the same samples in the same order, on
/// any machine and with any number of threads. So the number of a epoch and how many samples were drawn from it are
/// the whole position, and a checkpoint needs nothing else.
///
/// Every [`Dataset`](crate::Dataset) is one, and every [`Stream`](crate::Stream).
pub trait DataSource: Send + Sync {
    /// The number of samples of a epoch, if it is known before.
    fn len_hint(&self) -> Option<usize>;

    /// The epoch of this number, at its beginning.
    ///
    /// # Errors
    /// If the samples cannot be had: a file that cannot be opened, for example.
    fn epoch(&self, number: u64) -> Result<Box<dyn EpochIter + '_>>;

    /// Batches of this size.
    fn batch(&self, size: usize) -> Batches<'_>
    where
        Self: Sized,
    {
        Batches::new(self, size)
    }

    /// Lets a thread make so many batches ahead, 1024 at most, in each epoch; with 0 there is none. The samples and their order are the
    /// same. Errors arrive in the place of the batch that failed, and a panic of the thread as an error. The thread
    /// ends with the epoch: where that is dropped before its end, after the batch it is making.
    fn prefetch(self, batches: usize) -> Prefetch<Self>
    where
        Self: Sized + 'static,
    {
        Prefetch::new(self, batches)
    }

    /// Draws epoch 0 and holds it in memory.
    ///
    /// # Errors
    /// If there are no samples, or whatever is wrong with them.
    ///
    /// ```
    /// use data::{Dataset, DataSource, Stream};
    /// use tensor::Tensor;
    ///
    /// let stream = Stream::of_samples(|_| Ok((0..5).map(|x| Ok((Tensor::scalar(x), Tensor::scalar(x))))));
    /// let dataset = stream.cache()?;
    /// assert_eq!(dataset.gather(0, &[3, 1])?.features.to_vec::<i64>()?, [3, 1]);
    /// # Ok::<(), data::Error>(())
    /// ```
    fn cache(&self) -> Result<ArrayDataset> {
        match self.epoch(0)?.next(usize::MAX)? {
            Some(all) => ArrayDataset::from_batch(all),
            None => Err(DataError::dataset("cache: there are no samples".into())),
        }
    }
}

/// A epoch over samples: a place in it, and what comes next.
pub trait EpochIter: Send {
    /// The next `count` samples, fewer where the epoch ends before, none at its end.
    ///
    /// # Errors
    /// Whatever is wrong with the samples. What follows an error is not defined.
    fn next(&mut self, count: usize) -> Result<Option<Batch>>;

    /// Goes over the next `count` samples, or to the end; by default they are drawn and dropped.
    ///
    /// # Errors
    /// As [`next`](EpochIter::next).
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
