//! Iteration over batches.

use std::fmt;

use crate::batch::Batch;
use crate::data_source::{DataSource, EpochIter};
use crate::error::{DataError, Result};

/// The batches of a data source, for hand-written loops. The loop of `train` uses them too.
///
/// ```
/// use data::{ArrayDataset, DataSource, Dataset};
/// use tensor::{Tensor, tensor};
///
/// let images = Tensor::zeros([5, 28, 28]);
/// let labels = tensor![0, 1, 2, 3, 4];
/// let train = ArrayDataset::from_tensors(&images, &labels)?.shuffle(1);
/// for epoch in 0..10 {
///     for batch in train.batch(2).epoch(epoch)? {
///         let batch = batch?;
///         assert_eq!(batch.features.shape()[0], batch.targets.size());
///     }
/// }
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Batches<'a> {
    samples: &'a dyn DataSource,
    size: usize,
    drop_remainder: bool,
}

impl<'a> Batches<'a> {
    /// Batches of this size. The last batch of an epoch is smaller if the size does not divide the number of samples.
    pub fn new(samples: &'a dyn DataSource, size: usize) -> Batches<'a> {
        Batches { samples, size, drop_remainder: false }
    }

    /// Omits the last batch of an epoch if it is smaller than the others.
    #[must_use]
    pub fn drop_remainder(self) -> Batches<'a> {
        Batches { drop_remainder: true, ..self }
    }

    /// The number of batches of an epoch, if the number of samples is known in advance.
    pub fn count(&self) -> Option<usize> {
        let samples = self.samples.len_hint()?;
        if self.drop_remainder { samples.checked_div(self.size) } else { Some(samples.div_ceil(self.size.max(1))) }
    }

    /// The batches of an epoch.
    ///
    /// # Errors
    /// Returns an error if the size is 0, or [`DataSource::epoch`] fails.
    pub fn epoch(&self, number: u64) -> Result<BatchIter<'a>> {
        self.epoch_from(number, 0)
    }

    /// The batches of an epoch after the first `drawn` samples: the rest of what [`epoch`](Batches::epoch) returns.
    ///
    /// # Errors
    /// Returns an error as [`epoch`](Batches::epoch) does. If there are fewer samples, the iterator is empty.
    pub fn epoch_from(&self, number: u64, drawn: usize) -> Result<BatchIter<'a>> {
        if self.size == 0 {
            return Err(DataError::dataset("the batch size is 0; it must be at least 1".into()));
        }
        let mut epoch = self.samples.epoch(number)?;
        epoch.skip(drawn)?;
        Ok(BatchIter { epoch, size: self.size, drop_remainder: self.drop_remainder, drawn, ended: false })
    }
}

impl fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("samples", &self.samples.len_hint())
            .field("size", &self.size)
            .field("drop_remainder", &self.drop_remainder)
            .finish()
    }
}

/// An iterator over the batches of an epoch. It ends after an error.
pub struct BatchIter<'a> {
    epoch: Box<dyn EpochIter + 'a>,
    size: usize,
    drop_remainder: bool,
    drawn: usize,
    ended: bool,
}

impl BatchIter<'_> {
    /// The number of samples that were drawn so far. Together with the number of the epoch it is the complete position:
    /// see [`Batches::epoch_from`].
    pub fn drawn(&self) -> usize {
        self.drawn
    }
}

impl Iterator for BatchIter<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.epoch.next(self.size).transpose()?;
        self.ended = match &batch {
            Ok(batch) => batch.len() < self.size,
            Err(_) => true,
        };
        if let Ok(batch) = &batch {
            self.drawn += batch.len();
            if self.drop_remainder && self.ended {
                return None;
            }
        }
        Some(batch)
    }
}

impl fmt::Debug for BatchIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchIter").field("size", &self.size).field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, Dataset};
    use tensor::{DType, Tensor, tensor};

    fn targets(batches: Batches<'_>, epoch: u64) -> Vec<Vec<i64>> {
        batches.epoch(epoch).unwrap().map(|batch| batch.unwrap().targets.to_vec().unwrap()).collect()
    }

    fn five() -> ArrayDataset {
        let x = Tensor::from([[0u8, 1], [10, 11], [20, 21], [30, 31], [40, 41]]);
        ArrayDataset::from_tensors(&x, &tensor![0, 1, 2, 3, 4]).unwrap()
    }

    #[test]
    fn the_last_batch_is_smaller_or_left_out() {
        let samples = five();
        for epoch in 0..2 {
            assert_eq!(targets(samples.batch(2), epoch), [vec![0, 1], vec![2, 3], vec![4]]);
        }
        let dropped = samples.batch(2).drop_remainder();
        assert_eq!(targets(dropped, 0), [[0, 1], [2, 3]]);
        assert_eq!((samples.batch(2).count(), dropped.count()), (Some(3), Some(2)));
        assert_eq!(targets(samples.batch(5).drop_remainder(), 0), [[0, 1, 2, 3, 4]]);
        assert_eq!(targets(samples.batch(usize::MAX), 0), [[0, 1, 2, 3, 4]]);
        assert_eq!(targets(samples.batch(usize::MAX).drop_remainder(), 0), [[0; 0]; 0]);
        let mut epoch = dropped.epoch_from(0, 1).unwrap();
        assert_eq!(epoch.next().unwrap().unwrap().features.to_vec::<u8>().unwrap(), [10, 11, 20, 21]);
        assert_eq!(epoch.drawn(), 3);
    }

    #[test]
    fn no_samples_are_no_batches_and_a_size_of_0_is_refused() {
        let none = ArrayDataset::from_tensors(&Tensor::zeros([0, 3]), &Tensor::zeros([0])).unwrap();
        assert_eq!((none.batch(2).count(), none.batch(2).epoch(0).unwrap().count()), (Some(0), 0));
        let message = five().batch(0).epoch(0).unwrap_err().to_string();
        assert_eq!(message, "the batch size is 0; it must be at least 1");
    }

    #[test]
    fn nothing_follows_an_error() {
        let failing = five().map_features(|x| x.matmul(x));
        let batches: Vec<_> = failing.batch(2).epoch(0).unwrap().collect();
        assert_eq!(batches.len(), 1);
        assert!(batches[0].as_ref().unwrap_err().to_string().starts_with("matmul: "));
    }

    #[test]
    fn maps_apply_to_batches() {
        let set = five().divide_features(255.0);
        let batch = set.batch(5).epoch(0).unwrap().next().unwrap().unwrap();
        assert_eq!((batch.features.dtype(), batch.features.to_vec::<f32>().unwrap()[9]), (DType::F32, 41.0 / 255.0));
    }
}
