//! Pairs of samples from two data sets.

use std::ops::Range;

use super::Dataset;
use crate::batch::Batch;
use crate::error::Result;

/// See [`Dataset::zip`].
pub(super) struct Zip<A, B, F> {
    first: A,
    second: B,
    combine: F,
}

impl<A: Dataset, B: Dataset, F: Fn(Batch, Batch) -> Result<Batch> + Send + Sync> Zip<A, B, F> {
    pub(super) fn new(first: A, second: B, combine: F) -> Self {
        Zip { first, second, combine }
    }
}

impl<A: Dataset, B: Dataset, F: Fn(Batch, Batch) -> Result<Batch> + Send + Sync> Dataset for Zip<A, B, F> {
    fn len(&self) -> usize {
        self.first.len().min(self.second.len())
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        (self.combine)(self.first.gather(epoch, samples)?, self.second.gather(epoch, samples)?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        (self.combine)(self.first.range(epoch, range.clone())?, self.second.range(epoch, range)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, DataSource};
    use tensor::{Tensor, tensor};

    #[test]
    fn the_shorter_one_ends_it() {
        let images = ArrayDataset::from_tensors(&tensor![1, 2, 3], &tensor![0, 0, 0]).unwrap();
        let labels = ArrayDataset::from_tensors(&tensor![0, 0], &tensor![10, 20]).unwrap();
        let zipped = images.zip(labels, |a, b| Ok(Batch { targets: b.targets, ..a }));
        let batch = zipped.range(0, 0..2).unwrap();
        assert_eq!(batch.features.to_vec::<i64>().unwrap(), [1, 2]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [10, 20]);
        let batch = zipped.gather(0, &[1]).unwrap();
        assert_eq!((batch.features.item().unwrap(), batch.targets.item().unwrap()), (2.0, 20.0));
        assert_eq!(zipped.len_hint(), Some(2));
    }

    #[test]
    fn mismatches_are_refused_when_drawn() {
        let (two, one) = (tensor![1, 2], Tensor::zeros([1]));
        let set = ArrayDataset::from_tensors(&two, &two).unwrap();
        let wrong = set.clone().zip(set, move |a, _| Ok(Batch { targets: one.clone(), ..a }));
        let message = wrong.batch(2).epoch(0).unwrap().next().unwrap().unwrap_err().to_string();
        assert_eq!(message, "features of 2 samples and targets of 1: the counts differ");
    }
}
