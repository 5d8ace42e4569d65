//! A data set of tensors in memory.

use std::fmt;

use tensor::Tensor;

use crate::batch::Batch;
use crate::error::Result;

/// A data set in memory: tensors of features and targets, and optionally of sample weights. Their first axis is that of
/// the samples.
///
/// Clones share the tensors.
///
/// ```
/// use data::{ArrayDataset, Dataset};
/// use tensor::{DType, Tensor};
///
/// let images = Tensor::full([10, 28, 28], 255u8);
/// let labels = Tensor::full([10], 3u8);
/// let train = ArrayDataset::from_tensors(&images, &labels)?.map_features(|x| x.cast(DType::F32).try_div(255.0));
/// let batch = train.range(0, 0..4)?;
/// assert_eq!((batch.features.shape(), batch.targets.shape()), (&[4, 28, 28].into(), &[4].into()));
/// assert_eq!(batch.features.mean().item()?, 1.0);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone)]
pub struct ArrayDataset {
    /// All samples.
    pub(crate) all: Batch,
}

impl ArrayDataset {
    /// A data set of these features, `[count, …]`, and targets, `[count, …]`.
    ///
    /// # Errors
    /// Returns an error if the counts differ, or one of the tensors is a scalar.
    pub fn from_tensors(features: &Tensor, targets: &Tensor) -> Result<ArrayDataset> {
        Ok(ArrayDataset { all: Batch::new(features, targets)? })
    }

    /// A data set of the samples of a batch.
    ///
    /// # Errors
    /// Returns an error if the tensors have different numbers of samples, or one of them is a scalar.
    pub fn from_batch(batch: Batch) -> Result<ArrayDataset> {
        batch.check()?;
        Ok(ArrayDataset { all: batch })
    }

    /// The features of all samples.
    pub fn features(&self) -> &Tensor {
        &self.all.features
    }

    /// The targets of all samples.
    pub fn targets(&self) -> &Tensor {
        &self.all.targets
    }
}

impl fmt::Debug for ArrayDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (features, targets) = (self.features(), self.targets());
        f.debug_struct("ArrayDataset")
            .field("features", &format_args!("{} {}", features.dtype(), features.shape()))
            .field("targets", &format_args!("{} {}", targets.dtype(), targets.shape()))
            .finish()
    }
}
