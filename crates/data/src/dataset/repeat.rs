//! Several epochs joined into one.

use std::ops::Range;

use super::Dataset;
use crate::batch::Batch;
use crate::error::{DataError, Result, no_range, no_sample};

/// See [`Dataset::repeat`].
pub(super) struct Repeat<D> {
    dataset: D,
    times: usize,
    len: usize,
}

impl<D: Dataset> Repeat<D> {
    pub(super) fn new(dataset: D, times: usize) -> Result<Self> {
        match dataset.len().checked_mul(times) {
            Some(len) => Ok(Repeat { dataset, times, len }),
            None => {
                Err(DataError::dataset(format!("repeat: {times} times {} samples cannot be counted", dataset.len())))
            }
        }
    }

    /// The epoch of the inner data set in which this sample is, and its index there.
    fn place(&self, epoch: u64, sample: usize) -> (u64, usize) {
        let round = sample / self.dataset.len();
        (epoch.wrapping_mul(self.times as u64).wrapping_add(round as u64), sample % self.dataset.len())
    }
}

impl<D: Dataset> Dataset for Repeat<D> {
    fn len(&self) -> usize {
        self.len
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= self.len) {
            return Err(no_sample(sample, self.len));
        }
        let places: Vec<(u64, usize)> = samples.iter().map(|&sample| self.place(epoch, sample)).collect();
        let rounds = places.chunk_by(|a, b| a.0 == b.0);
        let parts = rounds.map(|round| {
            let samples: Vec<usize> = round.iter().map(|place| place.1).collect();
            self.dataset.gather(round[0].0, &samples)
        });
        joined(parts.collect::<Result<_>>()?, || self.dataset.gather(epoch, &[]))
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        if range.start > range.end || range.end > self.len {
            return Err(no_range(range, self.len));
        }
        let (mut start, mut parts) = (range.start, Vec::new());
        while start < range.end {
            let (inner, first) = self.place(epoch, start);
            let count = (range.end - start).min(self.dataset.len() - first);
            parts.push(self.dataset.range(inner, first..first + count)?);
            start += count;
        }
        joined(parts, || self.dataset.gather(epoch, &[]))
    }
}

/// Concatenates the parts.
fn joined(mut parts: Vec<Batch>, empty: impl FnOnce() -> Result<Batch>) -> Result<Batch> {
    match (parts.pop(), parts.len()) {
        (None, _) => empty(),
        (Some(only), 0) => Ok(only),
        (Some(last), _) => {
            parts.push(last);
            Batch::concat(&parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::Tensor;

    #[test]
    fn each_round_is_an_epoch_with_its_own_order() {
        let x: Tensor = (0..50i64).collect();
        let shuffled = ArrayDataset::from_tensors(&x, &x).unwrap().shuffle(1);
        let repeated = shuffled.clone().repeat(3).unwrap();
        let order =
            |data: &dyn Dataset, epoch| data.range(epoch, 0..data.len()).unwrap().targets.to_vec::<i64>().unwrap();
        let expected = [3, 4, 5].map(|epoch| order(&shuffled, epoch)).concat();
        assert_eq!(order(&repeated, 1), expected);
        let picked = repeated.gather(1, &[149, 0, 1, 60]).unwrap().targets.to_vec::<i64>().unwrap();
        assert_eq!(picked, [149, 0, 1, 60].map(|sample: usize| expected[sample]));
        assert_eq!(repeated.range(0, 7..7).unwrap().targets.shape(), &[0]);
        assert_eq!(repeated.range(0, 7..151).unwrap_err().to_string(), "there are no samples 7..151 among 150");
        assert_eq!(shuffled.clone().repeat(0).unwrap().len(), 0);
        let message = shuffled.repeat(usize::MAX).unwrap_err().to_string();
        assert_eq!(message, format!("repeat: {} times 50 samples cannot be counted", usize::MAX));
    }
}
