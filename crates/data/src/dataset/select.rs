//! Subsets of a data set.

use std::ops::Range;

use tensor::Tensor;

use super::{Dataset, in_order};
use crate::batch::Batch;
use crate::error::{Result, no_range, no_sample};

/// The samples with these indices: see [`Dataset::select`].
pub(super) struct Select<D> {
    dataset: D,
    samples: Vec<usize>,
}

impl<D: Dataset> Select<D> {
    pub(super) fn new(dataset: D, samples: Vec<usize>) -> Result<Self> {
        match samples.iter().find(|&&sample| sample >= dataset.len()) {
            Some(&sample) => Err(no_sample(sample, dataset.len())),
            None => Ok(Select { dataset, samples }),
        }
    }
}

impl<D: Dataset> Dataset for Select<D> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let there = |&sample: &usize| self.samples.get(sample).copied().ok_or_else(|| no_sample(sample, self.len()));
        self.dataset.gather(epoch, &samples.iter().map(there).collect::<Result<Vec<_>>>()?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        let samples = self.samples.get(range.clone()).ok_or_else(|| no_range(range, self.len()))?;
        self.dataset.gather(epoch, samples)
    }
}

/// A range of samples: see [`Dataset::take`] and [`Dataset::skip`].
pub(super) struct Part<D> {
    dataset: D,
    range: Range<usize>,
}

impl<D: Dataset> Part<D> {
    /// The part of the range that exists.
    pub(super) fn new(dataset: D, range: Range<usize>) -> Self {
        let end = range.end.min(dataset.len());
        Part { range: range.start.min(end)..end, dataset }
    }
}

impl<D: Dataset> Dataset for Part<D> {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let there = |&sample: &usize| match sample < self.len() {
            true => Ok(self.range.start + sample),
            false => Err(no_sample(sample, self.len())),
        };
        self.dataset.gather(epoch, &samples.iter().map(there).collect::<Result<Vec<_>>>()?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        if range.start > range.end || range.end > self.len() {
            return Err(no_range(range, self.len()));
        }
        self.dataset.range(epoch, self.range.start + range.start..self.range.start + range.end)
    }
}

/// The indices of the samples in epoch 0 for which the predicate holds.
pub(super) fn matching(dataset: &dyn Dataset, predicate: impl Fn(&Batch) -> Result<Tensor>) -> Result<Vec<usize>> {
    let mut matching = Vec::new();
    let mut start = 0;
    in_order(dataset, |batch| {
        let holds = batch.holds(&predicate)?.to_vec::<bool>()?;
        matching.extend(holds.iter().enumerate().filter(|(_, holds)| **holds).map(|(k, _)| start + k));
        start += batch.len();
        Ok(())
    })?;
    Ok(matching)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::{Tensor, tensor};

    fn numbers(count: i64) -> ArrayDataset {
        let x: Tensor = (0..count).collect();
        ArrayDataset::from_tensors(&x, &x).unwrap()
    }

    fn all(dataset: &dyn Dataset) -> Vec<i64> {
        dataset.range(0, 0..dataset.len()).unwrap().targets.to_vec().unwrap()
    }

    #[test]
    fn a_range_is_clipped_to_the_data_set() {
        assert_eq!(all(&numbers(5).take(3)), [0, 1, 2]);
        assert_eq!(all(&numbers(5).take(9)), [0, 1, 2, 3, 4]);
        assert_eq!(all(&numbers(5).skip(3)), [3, 4]);
        assert_eq!(all(&numbers(5).skip(9)), [0; 0]);
        let part = numbers(5).skip(2);
        assert_eq!(part.gather(0, &[2, 0]).unwrap().targets.to_vec::<i64>().unwrap(), [4, 2]);
        assert_eq!(part.gather(0, &[3]).unwrap_err().to_string(), "there is no sample 3 among 3");
        assert_eq!(part.range(0, 1..4).unwrap_err().to_string(), "there are no samples 1..4 among 3");
    }

    #[test]
    fn selections_have_the_order_given() {
        let selected = numbers(5).select(vec![4, 0, 4]).unwrap();
        assert_eq!(all(&selected), [4, 0, 4]);
        assert_eq!(selected.gather(0, &[1, 2]).unwrap().targets.to_vec::<i64>().unwrap(), [0, 4]);
        assert_eq!(selected.range(0, 2..4).unwrap_err().to_string(), "there are no samples 2..4 among 3");
        assert_eq!(numbers(5).select(vec![5]).unwrap_err().to_string(), "there is no sample 5 among 5");
    }

    #[test]
    fn a_filter_goes_over_all_samples() {
        let odd =
            numbers(3000).filter(|batch| batch.targets.try_sub(batch.targets.floor_div(2)?.try_mul(2)?)?.equal(1));
        assert_eq!(all(&odd.unwrap()), (0..3000).filter(|x| x % 2 == 1).collect::<Vec<_>>());
        let message = numbers(3).filter(|_| Ok(tensor![true])).unwrap_err().to_string();
        assert_eq!(message, "filter: the predicate must return bool [3], one value for each sample, not bool [1]");
        let message = numbers(3).filter(|batch| Ok(batch.targets.clone())).unwrap_err().to_string();
        assert_eq!(message, "filter: the predicate must return bool [3], one value for each sample, not int64 [3]");
    }
}
