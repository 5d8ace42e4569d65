//! Batches of samples.

use std::ops::Range;

use tensor::{DType, Shape, Tensor};

use crate::error::{DataError, Result};

/// A batch of samples: tensors whose first axis is that of the samples.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, …]`.
    pub features: Tensor,
    /// `[batch, …]`.
    pub targets: Tensor,
    /// The mask of padded sequences, bool, `[batch, time]`: false at padded steps.
    pub mask: Option<Tensor>,
    /// The sample weights in the loss and in metrics, `[batch]`.
    pub weights: Option<Tensor>,
}

impl Batch {
    /// A batch of features and targets, without mask and weights. The tensors are shared, not copied.
    ///
    /// # Errors
    /// Returns an error if the counts differ, or one of the tensors is a scalar.
    pub fn new(features: &Tensor, targets: &Tensor) -> Result<Batch> {
        let batch = Batch { features: features.clone(), targets: targets.clone(), mask: None, weights: None };
        batch.check()?;
        Ok(batch)
    }

    /// The number of samples: the size of the first axis of the features.
    pub fn len(&self) -> usize {
        self.features.shape().first().copied().unwrap_or(0)
    }

    /// The number of leading axes of the features that are not feature axes: samples and, with a mask, steps.
    pub(crate) fn counting_axes(&self) -> usize {
        if self.mask.is_some() { 2 } else { 1 }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of a range, as views.
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<Batch> {
        self.try_map(|tensor| tensor.slice(range.clone()))
    }

    /// Concatenates batches.
    pub(crate) fn concat(parts: &[Batch]) -> Result<Batch> {
        let joined = |tensors: Vec<&Tensor>| Tensor::concat(&tensors, 0);
        let joined_if_there = |tensors: Vec<&Tensor>, what: &str| match tensors.len() {
            0 => Ok(None),
            count if count == parts.len() => Ok(Some(joined(tensors)?)),
            count => {
                let message = format!("of {} parts of a batch {count} have {what}; all must or none", parts.len());
                Err(DataError::dataset(message))
            }
        };
        Ok(Batch {
            features: joined(parts.iter().map(|part| &part.features).collect())?,
            targets: joined(parts.iter().map(|part| &part.targets).collect())?,
            mask: joined_if_there(parts.iter().filter_map(|part| part.mask.as_ref()).collect(), "a mask")?,
            weights: joined_if_there(parts.iter().filter_map(|part| part.weights.as_ref()).collect(), "weights")?,
        })
    }

    /// The result of a predicate on the samples: bool, `[batch]`.
    pub(crate) fn holds(&self, predicate: impl Fn(&Batch) -> Result<Tensor>) -> Result<Tensor> {
        let holds = predicate(self)?;
        if holds.dtype() != DType::Bool || holds.shape()[..] != [self.len()] {
            let (count, dtype, shape) = (self.len(), holds.dtype(), holds.shape());
            return Err(DataError::dataset(format!(
                "filter: the predicate must return bool [{count}], one value for each sample, not {dtype} {shape}"
            )));
        }
        Ok(holds)
    }

    /// Checks that all tensors have the same number of samples.
    pub(crate) fn check(&self) -> Result<()> {
        let features = count(&self.features, "features")?;
        let others =
            [(Some(&self.targets), "targets"), (self.mask.as_ref(), "mask"), (self.weights.as_ref(), "weights")];
        for (tensor, what) in others {
            let Some(tensor) = tensor else { continue };
            let count = count(tensor, what)?;
            if count != features {
                let message = format!("features of {features} samples and {what} of {count}: the counts differ");
                return Err(DataError::dataset(message));
            }
        }
        Ok(())
    }

    /// Applies a function to each tensor.
    pub(crate) fn try_map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Batch> {
        Ok(Batch {
            features: f(&self.features)?,
            targets: f(&self.targets)?,
            mask: self.mask.as_ref().map(&f).transpose()?,
            weights: self.weights.as_ref().map(&f).transpose()?,
        })
    }
}

/// Checks that the samples of all parts have the same shapes and types. The first part has the index `first`.
pub(crate) fn check_alike(parts: &[Batch], first: usize) -> Result<()> {
    let mut number = first;
    for part in parts {
        let head = &parts[0];
        let tensors = [
            ("features", Some(&head.features), Some(&part.features)),
            ("targets", Some(&head.targets), Some(&part.targets)),
            ("a mask", head.mask.as_ref(), part.mask.as_ref()),
            ("weights", head.weights.as_ref(), part.weights.as_ref()),
        ];
        for (what, expected, found) in tensors {
            let (Some(expected), Some(found)) = (expected, found) else { continue };
            let of_sample = |tensor: &Tensor| (tensor.dtype(), Shape::from(&tensor.shape()[1..]));
            let ((dtype, shape), (other_dtype, other_shape)) = (of_sample(expected), of_sample(found));
            if (dtype, &shape) != (other_dtype, &other_shape) {
                return Err(DataError::dataset(format!(
                    "sample {number} has {what} of {other_dtype} {other_shape}, sample {first} of {dtype} {shape}; the \
                     samples of a batch must be alike: bring them to one shape, or pad sequences (`Sequences`)"
                )));
            }
        }
        number += part.len();
    }
    Ok(())
}

fn count(tensor: &Tensor, what: &str) -> Result<usize> {
    match tensor.shape().first() {
        Some(&count) => Ok(count),
        None => Err(DataError::dataset(format!("{what} are a scalar; their first axis must count samples"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn counts_must_agree() {
        let message = |x: Tensor, y: Tensor| Batch::new(&x, &y).unwrap_err().to_string();
        assert_eq!(
            message(tensor![1, 2, 3], tensor![1, 2]),
            "features of 3 samples and targets of 2: the counts differ"
        );
        assert_eq!(message(tensor![1], Tensor::scalar(1)), "targets are a scalar; their first axis must count samples");
        let weighted = Batch { weights: Some(tensor![1.0]), ..Batch::new(&tensor![1, 2], &tensor![1, 2]).unwrap() };
        let message = weighted.check().unwrap_err().to_string();
        assert_eq!(message, "features of 2 samples and weights of 1: the counts differ");
    }
}
