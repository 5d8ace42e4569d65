//! Samples that count more than others.

use std::ops::Range;

use tensor::{DType, Tensor};

use super::Dataset;
use crate::batch::Batch;
use crate::error::{DataError, Result};

/// See [`Dataset::with_weights`].
pub(super) struct Weighted<D> {
    dataset: D,
    weights: Tensor,
}

impl<D: Dataset> Weighted<D> {
    pub(super) fn new(dataset: D, weights: &Tensor) -> Result<Self> {
        if weights.shape()[..] != [dataset.len()] {
            let (shape, count) = (weights.shape(), dataset.len());
            return Err(DataError::dataset(format!(
                "with_weights: shape {shape}; {count} samples need weights [{count}]"
            )));
        }
        Ok(Weighted { dataset, weights: weights.clone() })
    }
}

impl<D: Dataset> Dataset for Weighted<D> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, pass: u64, samples: &[usize]) -> Result<Batch> {
        let batch = self.dataset.gather(pass, samples)?;
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        batch.weighted(self.weights.take(&index, 0)?)
    }

    fn range(&self, pass: u64, range: Range<usize>) -> Result<Batch> {
        self.dataset.range(pass, range.clone())?.weighted(self.weights.slice(range)?)
    }
}

/// Weighs samples by their class, for `map`: Keras' `class_weight`. Targets are classes, `[batch]` or `[batch, 1]` of
/// an integer type. Weights that samples already have are multiplied.
///
/// ```
/// use data::{ArrayDataset, Dataset, class_weights};
/// use tensor::{Tensor, tensor};
///
/// let train = ArrayDataset::from_tensors(&Tensor::zeros([3, 2]), &tensor![0, 1, 0])?.map(class_weights(&[1.0, 5.0]));
/// assert_eq!(train.range(0, 0..3)?.weights.unwrap().to_vec::<f32>()?, [1.0, 5.0, 1.0]);
/// # Ok::<(), data::Error>(())
/// ```
pub fn class_weights(weights: &[f64]) -> impl Fn(Batch) -> Result<Batch> + Send + Sync + use<> {
    let weights: Tensor = weights.iter().map(|&weight| weight as f32).collect();
    move |batch| {
        let classes = batch.targets.reshape([batch.len()])?;
        batch.weighted(weights.take(&classes, 0)?)
    }
}

impl Batch {
    /// These samples with these weights, times those they have.
    fn weighted(self, weights: Tensor) -> Result<Batch> {
        let weights = match &self.weights {
            Some(before) => before.cast(DType::F32).try_mul(weights.cast(DType::F32))?,
            None => weights,
        };
        Ok(Batch { weights: Some(weights), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::tensor;

    #[test]
    fn weights_go_with_their_samples_and_are_multiplied() {
        let set = ArrayDataset::from_tensors(&tensor![7, 8, 9], &tensor![0, 1, 2]).unwrap();
        let set = set.with_weights(&tensor![1.0, 2.0, 3.0]).unwrap();
        let weights = |batch: Batch| batch.weights.unwrap().to_vec::<f32>().unwrap();
        assert_eq!(weights(set.gather(0, &[2, 0]).unwrap()), [3.0, 1.0]);
        assert_eq!(weights(set.range(0, 1..3).unwrap()), [2.0, 3.0]);
        let set = set.map(class_weights(&[1.0, 10.0, 100.0]));
        assert_eq!(weights(set.gather(0, &[1, 2]).unwrap()), [20.0, 300.0]);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused() {
        let set = ArrayDataset::from_tensors(&tensor![7, 8], &tensor![0, 2]).unwrap();
        let message = set.clone().with_weights(&tensor![[1.0, 1.0]]).unwrap_err().to_string();
        assert_eq!(message, "with_weights: shape [1, 2]; 2 samples need weights [2]");
        let message = set.map(class_weights(&[1.0, 1.0])).range(0, 0..2).unwrap_err().to_string();
        assert!(message.starts_with("take: index 2 "), "{message}");
    }
}
