//! The data set made of tensors.

use std::fmt;

use tensor::Tensor;

use crate::batch::Batch;
use crate::error::Result;

/// A data set in memory: tensors of features and targets, and of sample weights where there are some, whose first
/// axes count samples.
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
    /// The data set of these features, `[count, …]`, and targets, `[count, …]`.
    ///
    /// # Errors
    /// If the counts differ, or one of the tensors has no axes.
    pub fn from_tensors(features: &Tensor, targets: &Tensor) -> Result<ArrayDataset> {
        Ok(ArrayDataset { all: Batch::new(features, targets)? })
    }

    /// The data set of the samples of a batch.
    ///
    /// # Errors
    /// If the tensors count different numbers of samples, or one of them has no axes.
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
