//! Sources of samples for training.

use crate::array::ArrayDataset;
use crate::batch::Batch;
use crate::batches::Batches;
use crate::error::{DataError, Result};
use crate::prefetch::Prefetch;

/// A source of samples, read in numbered epochs. An epoch of a given number has the same samples in the same order on
/// any machine and with any number of threads. So the number of the epoch and the number of samples that were drawn are
/// the complete position, which is all that a checkpoint needs.
///
/// Every [`Dataset`](crate::Dataset) and every [`Stream`](crate::Stream) is a data source.
pub trait DataSource: Send + Sync {
    /// The number of samples of an epoch, if it is known in advance.
    fn len_hint(&self) -> Option<usize>;

    /// Starts an epoch.
    ///
    /// # Errors
    /// Returns an error if the samples are not available, for example because a file cannot be opened.
    fn epoch(&self, number: u64) -> Result<Box<dyn EpochIter + '_>>;

    /// The batches of this size.
    fn batch(&self, size: usize) -> Batches<'_>
    where
        Self: Sized,
    {
        Batches::new(self, size)
    }

    /// Prepares up to `batches` batches, at most 1024, in a background thread in each epoch; 0 uses no thread. The
    /// samples and their order stay the same. An error takes the place of the batch that failed; a panic of the thread
    /// becomes an error. The thread ends with the epoch. If the epoch is dropped early, the thread finishes its current
    /// batch first.
    fn prefetch(self, batches: usize) -> Prefetch<Self>
    where
        Self: Sized + 'static,
    {
        Prefetch::new(self, batches)
    }

    /// Reads epoch 0 into memory.
    ///
    /// # Errors
    /// Returns an error if there are no samples, or they cannot be read.
    ///
    /// ```
    /// use data::{DataSource, Dataset, Stream};
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

/// An iterator over the samples of an epoch.
pub trait EpochIter: Send {
    /// The next `count` samples, or fewer at the end of the epoch; `None` after the end.
    ///
    /// # Errors
    /// Returns an error if the samples cannot be read. Calls after an error may return anything.
    fn next(&mut self, count: usize) -> Result<Option<Batch>>;

    /// Skips the next `count` samples, or the rest. By default they are drawn and dropped.
    ///
    /// # Errors
    /// Returns an error as [`next`](EpochIter::next) does.
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
