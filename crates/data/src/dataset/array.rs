//! `ArrayDataset` as a `Dataset`.

use std::ops::Range;

use tensor::Tensor;

use super::Dataset;
use crate::array::ArrayDataset;
use crate::batch::Batch;
use crate::error::{Result, no_range, no_sample};

impl Dataset for ArrayDataset {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn gather(&self, _epoch: u64, samples: &[usize]) -> Result<Batch> {
        if let Some(sample) = samples.iter().find(|&&sample| sample >= self.len()) {
            return Err(no_sample(*sample, self.len()));
        }
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        self.all.try_map(|tensor| tensor.take(&index, 0))
    }

    /// Returns views; nothing is copied.
    fn range(&self, _epoch: u64, range: Range<usize>) -> Result<Batch> {
        if range.start > range.end || range.end > self.len() {
            return Err(no_range(range, self.len()));
        }
        self.all.slice(range)
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
