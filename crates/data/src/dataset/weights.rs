//! Sample weights.

use std::ops::Range;

use tensor::{DType, ErrorKind, Tensor};

use super::Dataset;
use crate::batch::Batch;
use crate::error::{DataError, Error, Result};

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
        let values = weights.cast(DType::F64).to_vec::<f64>()?;
        if let Some(sample) = values.iter().position(|weight| !weight.is_finite()) {
            let message =
                format!("with_weights: the weight of sample {sample} is {}; it must be finite", values[sample]);
            return Err(DataError::dataset(message));
        }
        Ok(Weighted { dataset, weights: weights.clone() })
    }
}

impl<D: Dataset> Dataset for Weighted<D> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let batch = self.dataset.gather(epoch, samples)?;
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        batch.weighted(self.weights.take(&index, 0)?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        self.dataset.range(epoch, range.clone())?.weighted(self.weights.slice(range)?)
    }
}

/// Weights by class, for `map`: `class_weight` of Keras. Targets must be integer classes, `[batch]` or `[batch, 1]`.
/// Weights that samples already have are multiplied.
///
/// ```
/// use data::{ArrayDataset, Dataset, class_weights};
/// use tensor::{Tensor, tensor};
///
/// let train = ArrayDataset::from_tensors(&Tensor::zeros([3, 2]), &tensor![0, 1, 0])?.map(class_weights(&[1.0, 5.0]));
/// assert_eq!(train.range(0, 0..3)?.weights.unwrap().to_vec::<f32>()?, [1.0, 5.0, 1.0]);
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// The function returns an error if a class has no weight, a weight is not finite, or targets are not classes.
pub fn class_weights(weights: &[f64]) -> impl Fn(Batch) -> Result<Batch> + Send + Sync + use<> {
    let not_finite = weights.iter().position(|weight| !weight.is_finite());
    let weights: Tensor = weights.iter().map(|&weight| weight as f32).collect();
    move |batch| {
        if let Some(class) = not_finite {
            return Err(DataError::dataset(format!("class_weights: the weight of class {class} is not finite")));
        }
        let classes = batch.targets.reshape([batch.len()])?;
        let of_samples = weights.take(&classes, 0).map_err(|error| without_weight(error, &classes, weights.size()))?;
        batch.weighted(of_samples)
    }
}

/// Replaces the error for a target outside the classes; other errors stay.
fn without_weight(error: Error, classes: &Tensor, weights: usize) -> Error {
    let ErrorKind::Index { index, .. } = *error.kind() else { return error };
    match classes.cast(DType::I64).to_vec::<i64>().ok().and_then(|all| all.iter().position(|&class| class == index)) {
        Some(sample) => DataError::dataset(format!(
            "class_weights: class {index} of sample {sample} of the batch has none; there are {weights}, for the classes \
             from 0 on"
        )),
        None => error,
    }
}

impl Batch {
    /// Multiplies the weights of a batch by these.
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
        let message = set.clone().with_weights(&tensor![[1.0, 1.0]]).err().unwrap().to_string();
        assert_eq!(message, "with_weights: shape [1, 2]; 2 samples need weights [2]");
        let message = set.clone().with_weights(&tensor![1.0, f64::NAN]).err().unwrap().to_string();
        assert_eq!(message, "with_weights: the weight of sample 1 is NaN; it must be finite");
        let message = |weights: &[f64]| set.clone().map(class_weights(weights)).range(0, 0..2).unwrap_err().to_string();
        assert_eq!(
            message(&[1.0, 1.0]),
            "class_weights: class 2 of sample 1 of the batch has none; there are 2, for the classes from 0 on"
        );
        assert_eq!(message(&[1.0, f64::INFINITY, 1.0]), "class_weights: the weight of class 1 is not finite");
    }
}
