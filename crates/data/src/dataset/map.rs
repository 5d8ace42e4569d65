//! Mapping of batches.

use std::ops::Range;

use super::Dataset;
use crate::batch::Batch;
use crate::error::Result;

/// See [`Dataset::map`].
pub(super) struct Map<D, F> {
    dataset: D,
    map: F,
}

impl<D: Dataset, F: Fn(Batch) -> Result<Batch> + Send + Sync> Map<D, F> {
    pub(super) fn new(dataset: D, map: F) -> Self {
        Map { dataset, map }
    }
}

impl<D: Dataset, F: Fn(Batch) -> Result<Batch> + Send + Sync> Dataset for Map<D, F> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        (self.map)(self.dataset.gather(epoch, samples)?)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        (self.map)(self.dataset.range(epoch, range)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, DataSource};
    use tensor::{Tensor, tensor};

    #[test]
    fn bytes_are_divided_as_numpy_divides_them() {
        let bytes: Tensor = (0..=255u8).collect();
        let set = ArrayDataset::from_tensors(&bytes, &bytes).unwrap().divide_features(255.0);
        let expected: Vec<f32> = (0..=255u8).map(|x| f32::from(x) / 255.0).collect();
        assert_eq!(set.range(0, 0..256).unwrap().features.to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn a_map_that_loses_samples_is_refused() {
        let set = ArrayDataset::from_tensors(&tensor![1, 2, 3], &tensor![0, 0, 0]).unwrap();
        let losing = set.map(|batch| Batch::new(&batch.features.slice(1..)?, &batch.targets.slice(1..)?));
        let message = losing.batch(2).epoch(0).unwrap().next().unwrap().unwrap_err().to_string();
        assert_eq!(
            message,
            "a data set returned 1 samples instead of 2; `map` must keep their number, use `filter` to remove some"
        );
    }

    #[test]
    fn maps_follow_one_another() {
        let set = ArrayDataset::from_tensors(&tensor![1, 2], &tensor![0, 0]).unwrap();
        let set = set.map_features(|x| x.try_add(1)).map_features(|x| x.try_mul(10));
        assert_eq!(set.gather(0, &[1]).unwrap().features.to_vec::<i64>().unwrap(), [30]);
        let failing = set.map_features(|x| x.matmul(x));
        assert!(failing.range(0, 0..2).unwrap_err().to_string().starts_with("matmul: "));
    }
}
