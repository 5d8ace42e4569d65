//! Sequences of different lengths.

use std::fmt;

use tensor::{DType, Shape, Tensor};

use crate::batch::Batch;
use crate::dataset::{Dataset, Pipeline, Reorder};
use crate::error::{DataError, Result, no_sample};
use crate::random;

/// A data set of sequences in memory, each `[time, …]` with its own length, such as texts, sounds or measurements.
///
/// A batch is padded at the end to its longest sequence, and has a mask, bool, `[batch, time]`, which is false at
/// padded steps. The batch that a sample is in affects only its padding.
///
/// ```
/// use data::{Dataset, Sequences};
/// use tensor::tensor;
///
/// let texts = Sequences::new(vec![tensor![3, 1], tensor![4], tensor![1, 5, 9]], &tensor![0, 1, 0])?;
/// let batch = texts.range(0, 0..2)?;
/// assert_eq!(batch.features.to_vec::<i64>()?, [3, 1, 4, 0]);
/// assert_eq!(batch.mask.unwrap().to_vec::<bool>()?, [true, true, true, false]);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone)]
pub struct Sequences {
    sequences: Vec<Tensor>,
    targets: Tensor,
    padding: f64,
}

impl Sequences {
    /// A data set of these sequences, which must agree in type and in all axes but the first, and targets, `[count,
    /// …]`. Padding is 0.
    ///
    /// # Errors
    /// Returns an error if the counts differ, or two sequences differ in type or in another axis.
    pub fn new(sequences: Vec<Tensor>, targets: &Tensor) -> Result<Sequences> {
        if targets.shape().first() != Some(&sequences.len()) {
            let (count, shape) = (sequences.len(), targets.shape());
            return Err(DataError::dataset(format!("sequences: {count} sequences and targets of shape {shape}")));
        }
        if let Some(first) = sequences.first() {
            let alike = |other: &Tensor| {
                other.rank() > 0
                    && other.dtype() == first.dtype()
                    && other.shape().iter().skip(1).eq(first.shape().iter().skip(1))
            };
            if let Some(k) = sequences.iter().position(|sequence| !alike(sequence)) {
                let other = &sequences[k];
                return Err(DataError::dataset(format!(
                    "sequences: number {k} is {} of shape {}, number 0 {} of {}: type and all axes but the first must agree",
                    other.dtype(),
                    other.shape(),
                    first.dtype(),
                    first.shape()
                )));
            }
        }
        Ok(Sequences { sequences, targets: targets.clone(), padding: 0.0 })
    }

    /// Sets the value for padding, which the type of the sequences must be able to represent.
    #[must_use]
    pub fn padding(self, padding: f64) -> Sequences {
        Sequences { padding, ..self }
    }

    /// Groups sequences of similar length, to reduce padding: each epoch is shuffled, cut into parts of 16 batches that
    /// are sorted by length, and the batches of each part are shuffled. Each epoch has all samples, and its last batch
    /// may be smaller.
    ///
    /// # Errors
    /// Returns an error if the batch size is 0.
    pub fn bucket(self, batch_size: usize, seed: u64) -> Result<Pipeline> {
        if batch_size == 0 {
            return Err(DataError::dataset("bucket: the batch size is 0; it must be at least 1".into()));
        }
        Ok(Pipeline::new(Reorder::new(self, move |sequences, epoch| bucketed(sequences, batch_size, seed, epoch))))
    }

    fn length(&self, sample: usize) -> usize {
        self.sequences[sample].shape()[0]
    }
}

impl Dataset for Sequences {
    fn len(&self) -> usize {
        self.sequences.len()
    }

    fn gather(&self, _epoch: u64, samples: &[usize]) -> Result<Batch> {
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= self.len()) {
            return Err(no_sample(sample, self.len()));
        }
        let longest = samples.iter().map(|&sample| self.length(sample)).max().unwrap_or(0);
        let padded = |&sample: &usize| {
            let sequence = &self.sequences[sample];
            let mut margins = vec![(0, 0); sequence.rank()];
            margins[0].1 = longest - self.length(sample);
            sequence.pad(&margins, self.padding)
        };
        let features = match samples {
            [] => {
                let like = self.sequences.first();
                let tail = like.into_iter().flat_map(|sequence| sequence.shape().iter().skip(1).copied());
                let shape: Shape = [0, 0].into_iter().chain(tail).collect();
                Tensor::full_of(shape, 0.0, like.map_or(DType::F32, Tensor::dtype))
            }
            _ => {
                let padded = samples.iter().map(padded).collect::<Result<Vec<_>>>()?;
                Tensor::stack(&padded.iter().collect::<Vec<_>>(), 0)?
            }
        };
        let there = |&sample: &usize| (0..longest).map(move |step| step < self.length(sample));
        let mask: Tensor = samples.iter().flat_map(there).collect();
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        let mask = Some(mask.reshape([samples.len(), longest])?);
        Ok(Batch { features, targets: self.targets.take(&index, 0)?, mask, weights: None })
    }
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = format_args!("{} {}", self.targets.dtype(), self.targets.shape()).to_string();
        f.debug_struct("Sequences").field("sequences", &self.len()).field("targets", &targets).finish_non_exhaustive()
    }
}

/// The number of batches that are sorted together.
const STRETCH: usize = 16;

/// The order of an epoch: see [`Sequences::bucket`].
fn bucketed(sequences: &Sequences, batch_size: usize, seed: u64, epoch: u64) -> Result<Vec<usize>> {
    let mut generator = random::fork(seed, "bucket", epoch);
    let mut order = random::permutation(&mut generator, sequences.len())?;
    for stretch in order.chunks_mut(batch_size.saturating_mul(STRETCH)) {
        stretch.sort_by_key(|&sample| sequences.length(sample));
    }
    let batches = order.chunks_exact(batch_size);
    let smaller = batches.remainder();
    let batches: Vec<&[usize]> = batches.collect();
    let mixed = random::permutation(&mut generator, batches.len())?;
    Ok(mixed.into_iter().flat_map(|batch| batches[batch]).chain(smaller).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataSource;
    use tensor::tensor;

    #[test]
    fn batches_are_padded_to_their_longest() {
        let sequences = vec![Tensor::ones([2, 2]), Tensor::ones([1, 2]), Tensor::ones([0, 2])];
        let set = Sequences::new(sequences, &tensor![7, 8, 9]).unwrap().padding(-1.0);
        let batch = set.gather(0, &[1, 0]).unwrap();
        assert_eq!(batch.features.to_vec::<f32>().unwrap(), [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(batch.mask.unwrap().to_vec::<bool>().unwrap(), [true, false, true, true]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [8, 7]);
        let empty = set.gather(0, &[2]).unwrap();
        assert_eq!((empty.features.shape(), empty.mask.unwrap().shape()), (&[1, 0, 2].into(), &[1, 0].into()));
        assert_eq!(set.gather(0, &[]).unwrap().features.shape(), &[0, 0, 2]);
        assert_eq!(set.gather(0, &[3]).unwrap_err().to_string(), "there is no sample 3 among 3");
    }

    #[test]
    fn buckets_hold_like_lengths_and_every_sample_once() {
        let lengths: Vec<usize> = (0..500).map(|k| (k * 37) % 100 + 1).collect();
        let sequences = lengths.iter().map(|&length| Tensor::zeros([length])).collect();
        let targets: Tensor = (0..500i64).collect();
        let set = Sequences::new(sequences, &targets).unwrap();
        let steps = |samples: &dyn DataSource, epoch| {
            let batches = crate::Batches::new(samples, 8).epoch(epoch).unwrap();
            let (mut steps, mut seen, mut first) = (0, Vec::new(), None);
            for batch in batches {
                let batch = batch.unwrap();
                steps += batch.features.size();
                first.get_or_insert(batch.features.shape()[1]);
                seen.extend(batch.targets.to_vec::<i64>().unwrap());
            }
            (steps, seen)
        };
        let buckets = set.clone().bucket(8, 3).unwrap();
        let ((padded, seen), real) = (steps(&buckets, 0), lengths.iter().sum::<usize>());
        let (plain, _) = steps(&set.shuffle(3), 0);
        // In 128 sorted samples, a batch of 8 spans a sixteenth of the lengths; shuffled, it is padded to 8/9 of 100.
        assert!(padded < real + real / 6 && plain > real + real / 2, "{real} {padded} {plain}");
        assert_ne!(seen, steps(&buckets, 1).1);
        assert_eq!(seen, steps(&buckets, 0).1);
        let mut sorted = seen;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn sequences_that_are_unlike_are_refused() {
        let message = |sequences: Vec<Tensor>| Sequences::new(sequences, &tensor![0, 0]).unwrap_err().to_string();
        assert_eq!(message(vec![tensor![1]]), "sequences: 1 sequences and targets of shape [2]");
        assert_eq!(
            message(vec![Tensor::zeros([3, 2]), Tensor::zeros([2, 3])]),
            "sequences: number 1 is float32 of shape [2, 3], number 0 float32 of [3, 2]: type and all axes but the first must agree"
        );
        assert!(message(vec![tensor![1], tensor![1.0]]).contains("number 1 is float32"));
        assert!(message(vec![tensor![1], Tensor::scalar(1)]).contains("number 1 is int64 of shape []"));
    }
}
