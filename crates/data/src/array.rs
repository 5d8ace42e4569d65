//! The data set made of tensors.

use std::fmt;
use std::ops::Range;

use tensor::Tensor;

use crate::batch::Batch;
use crate::dataset::{Dataset, no_range, no_sample};
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
    all: Batch,
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

impl Dataset for ArrayDataset {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn gather(&self, _pass: u64, samples: &[usize]) -> Result<Batch> {
        if let Some(sample) = samples.iter().find(|&&sample| sample >= self.len()) {
            return Err(no_sample(*sample, self.len()));
        }
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        self.all.try_map(|tensor| tensor.take(&index, 0))
    }

    /// Views: nothing is copied.
    fn range(&self, _pass: u64, range: Range<usize>) -> Result<Batch> {
        if range.start > range.end || range.end > self.len() {
            return Err(no_range(range, self.len()));
        }
        self.all.slice(range)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::{DType, tensor};

    #[test]
    fn samples_are_rows_of_both_tensors() {
        let features = tensor![[0, 1], [2, 3], [4, 5]].t().unwrap().t().unwrap();
        let set = ArrayDataset::from_tensors(&features, &tensor![10, 11, 12]).unwrap();
        let batch = set.range(0, 1..3).unwrap();
        assert_eq!(batch.features.to_vec::<i64>().unwrap(), [2, 3, 4, 5]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [11, 12]);
        let batch = set.gather(0, &[2, 0, 2]).unwrap();
        assert_eq!(batch.features.to_vec::<i64>().unwrap(), [4, 5, 0, 1, 4, 5]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [12, 10, 12]);
        assert_eq!(set.gather(0, &[]).unwrap().features.shape(), &[0, 2]);
        assert_eq!(set.gather(0, &[3]).unwrap_err().to_string(), "there is no sample 3 among 3");
        assert_eq!(set.range(0, 2..4).unwrap_err().to_string(), "there are no samples 2..4 among 3");
        assert_eq!(set.range(0, 3..3).unwrap().targets.shape(), &[0]);
    }

    #[test]
    fn samples_of_every_type_can_be_gathered() {
        for dtype in [DType::F32, DType::F64, DType::I64, DType::U8, DType::Bool] {
            let x = tensor![[[0], [1]], [[1], [0]]].cast(dtype);
            let picked = ArrayDataset::from_tensors(&x, &tensor![0, 1]).unwrap().gather(0, &[1]).unwrap().features;
            assert_eq!((picked.dtype(), picked.shape().to_vec()), (dtype, vec![1, 2, 1]));
            assert_eq!(picked.cast(DType::I64).to_vec::<i64>().unwrap(), [1, 0]);
        }
    }
}
