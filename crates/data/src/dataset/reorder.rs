//! A different order in each epoch.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::Dataset;
use crate::batch::Batch;
use crate::error::{Result, no_range, no_sample};
use crate::random;

/// A data set whose order in each epoch is computed by a function: see [`Dataset::shuffle`] and [`Sequences::bucket`].
///
/// [`Sequences::bucket`]: crate::Sequences::bucket
pub(crate) struct Reorder<D, F> {
    dataset: D,
    order: F,
    /// The last requested epoch and its order.
    last: Mutex<Option<(u64, Arc<Vec<usize>>)>>,
}

impl<D: Dataset, F: Fn(&D, u64) -> Result<Vec<usize>> + Send + Sync> Reorder<D, F> {
    pub(crate) fn new(dataset: D, order: F) -> Self {
        Reorder { dataset, order, last: Mutex::new(None) }
    }

    fn order(&self, epoch: u64) -> Result<Arc<Vec<usize>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = last.as_ref().filter(|(number, _)| *number == epoch) {
            return Ok(order.clone());
        }
        let order = Arc::new((self.order)(&self.dataset, epoch)?);
        *last = Some((epoch, Arc::clone(&order)));
        Ok(order)
    }
}

/// A random order of all samples in an epoch.
pub(super) fn shuffled(seed: u64, len: usize, epoch: u64) -> Result<Vec<usize>> {
    random::permutation(&mut random::fork(seed, "shuffle", epoch), len)
}

impl<D: Dataset, F: Fn(&D, u64) -> Result<Vec<usize>> + Send + Sync> Dataset for Reorder<D, F> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let order = self.order(epoch)?;
        let there = |&sample: &usize| order.get(sample).copied().ok_or_else(|| no_sample(sample, order.len()));
        self.dataset.gather(epoch, &samples.iter().map(there).collect::<Result<Vec<_>>>()?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        let order = self.order(epoch)?;
        let samples = order.get(range.clone()).ok_or_else(|| no_range(range, order.len()))?;
        self.dataset.gather(epoch, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, DataSource};
    use tensor::{Generator, Tensor};

    fn numbers(count: i64) -> ArrayDataset {
        let y: Tensor = (0..count).collect();
        ArrayDataset::from_tensors(&y.try_mul(10).unwrap(), &y).unwrap()
    }

    fn order(samples: &dyn DataSource, epoch: u64, size: usize) -> Vec<i64> {
        let mut order = Vec::new();
        for batch in crate::Batches::new(samples, size).epoch(epoch).unwrap() {
            let batch = batch.unwrap();
            let targets = batch.targets.to_vec::<i64>().unwrap();
            let features = batch.features.to_vec::<i64>().unwrap();
            assert_eq!(features, targets.iter().map(|y| 10 * y).collect::<Vec<_>>());
            order.extend(targets);
        }
        order
    }

    #[test]
    fn orders_depend_only_on_seed_and_epoch() {
        let shuffled = numbers(1000).shuffle(3);
        let mut generator = Generator::new(3);
        let expected: Vec<Vec<i64>> =
            (0..3).map(|_| generator.fork("shuffle").permutation(1000).to_vec().unwrap()).collect();
        assert!(expected[0] != expected[1] && expected[0] != (0..1000).collect::<Vec<_>>());
        for epoch in [2, 0, 1, 0] {
            assert_eq!(order(&shuffled, epoch, 7), expected[epoch as usize]);
        }
        assert_eq!(order(&numbers(1000).shuffle(3), 1, 1000), expected[1]);
        assert_ne!(order(&numbers(1000).shuffle(4), 1, 1000), expected[1]);
    }

    #[test]
    fn missing_entries_are_refused() {
        let shuffled = numbers(3).shuffle(0);
        assert_eq!(shuffled.gather(0, &[1, 3]).unwrap_err().to_string(), "there is no sample 3 among 3");
        assert_eq!(shuffled.range(0, 2..4).unwrap_err().to_string(), "there are no samples 2..4 among 3");
    }
}
