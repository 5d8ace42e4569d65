//! Data sets: what a training loop asks of them, and the one made of two tensors.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tensor::{DType, Tensor};

use crate::error::{Error, Result};

/// Samples with targets, which can be had many at a time.
///
/// A batch is a pair of tensors whose first axis counts samples.
pub trait Dataset {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features and targets of neighbouring samples.
    ///
    /// # Errors
    /// If the range leaves the data set, or whatever is wrong with the samples.
    fn range(&self, range: Range<usize>) -> Result<(Tensor, Tensor)>;

    /// Features and targets of the samples of these numbers, in this order.
    ///
    /// # Errors
    /// If a number is not below [`len`](Dataset::len), or whatever is wrong with the samples.
    fn gather(&self, samples: &[usize]) -> Result<(Tensor, Tensor)>;
}

impl<D: Dataset + ?Sized> Dataset for &D {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn range(&self, range: Range<usize>) -> Result<(Tensor, Tensor)> {
        (**self).range(range)
    }

    fn gather(&self, samples: &[usize]) -> Result<(Tensor, Tensor)> {
        (**self).gather(samples)
    }
}

/// What is done to the features of each batch.
type Map = Arc<dyn Fn(&Tensor) -> tensor::Result<Tensor> + Send + Sync>;

/// A data set in memory: a tensor of features and one of targets, whose first axes count samples.
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
/// let (x, y) = train.range(0..4)?;
/// assert_eq!((x.shape(), y.shape()), (&[4, 28, 28].into(), &[4].into()));
/// assert_eq!(x.mean().item()?, 1.0);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone)]
pub struct ArrayDataset {
    features: Tensor,
    targets: Tensor,
    maps: Vec<Map>,
}

impl ArrayDataset {
    /// The data set of these features, `[count, …]`, and targets, `[count, …]`.
    ///
    /// # Errors
    /// If the counts differ, or one of the tensors has no axes.
    pub fn from_tensors(features: &Tensor, targets: &Tensor) -> Result<ArrayDataset> {
        let count = |tensor: &Tensor, what| match tensor.shape().first() {
            Some(&count) => Ok(count),
            None => Err(Error::Dataset(format!("{what} are a scalar; their first axis must count samples"))),
        };
        let counts = (count(features, "features")?, count(targets, "targets")?);
        if counts.0 != counts.1 {
            let message = format!("features of {} samples and targets of {}: the counts differ", counts.0, counts.1);
            return Err(Error::Dataset(message));
        }
        Ok(ArrayDataset { features: features.clone(), targets: targets.clone(), maps: Vec::new() })
    }

    /// As this data set, with `map` applied to the features of each batch when it is made, after
    /// those given before: bytes stay bytes in memory until they are needed as numbers.
    #[must_use]
    pub fn map_features(
        mut self,
        map: impl Fn(&Tensor) -> tensor::Result<Tensor> + Send + Sync + 'static,
    ) -> ArrayDataset {
        self.maps.push(Arc::new(map));
        self
    }

    /// As this data set, with the features of each batch cast to float32 and divided by `divisor`:
    /// NumPy's `features.astype("float32") / divisor`.
    #[must_use]
    pub fn divide_features(self, divisor: f64) -> ArrayDataset {
        self.map_features(move |features| features.cast(DType::F32).try_div(divisor))
    }

    /// The features as they are stored, before any map.
    pub fn features(&self) -> &Tensor {
        &self.features
    }

    /// The targets.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }

    fn mapped(&self, features: Tensor) -> Result<Tensor> {
        Ok(self.maps.iter().try_fold(features, |features, map| map(&features))?)
    }
}

impl Dataset for ArrayDataset {
    fn len(&self) -> usize {
        self.features.shape()[0]
    }

    /// Views, if no map is applied: nothing is copied.
    fn range(&self, range: Range<usize>) -> Result<(Tensor, Tensor)> {
        if range.start > range.end || range.end > self.len() {
            return Err(Error::Dataset(format!("there are no samples {range:?} among {}", self.len())));
        }
        Ok((self.mapped(self.features.slice(range.clone())?)?, self.targets.slice(range)?))
    }

    fn gather(&self, samples: &[usize]) -> Result<(Tensor, Tensor)> {
        if let Some(sample) = samples.iter().find(|&&sample| sample >= self.len()) {
            return Err(Error::Dataset(format!("there is no sample {sample} among {}", self.len())));
        }
        let index: Tensor = samples.iter().map(|&sample| sample as i64).collect();
        Ok((self.mapped(self.features.take(&index, 0)?)?, self.targets.take(&index, 0)?))
    }
}

impl fmt::Debug for ArrayDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (features, targets) = (&self.features, &self.targets);
        f.debug_struct("ArrayDataset")
            .field("features", &format_args!("{} {}", features.dtype(), features.shape()))
            .field("targets", &format_args!("{} {}", targets.dtype(), targets.shape()))
            .field("maps", &self.maps.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn samples_are_rows_of_both_tensors() {
        let features = tensor![[0, 1], [2, 3], [4, 5]].t().unwrap().t().unwrap();
        let set = ArrayDataset::from_tensors(&features, &tensor![10, 11, 12]).unwrap();
        let (x, y) = set.range(1..3).unwrap();
        assert_eq!(x.to_vec::<i64>().unwrap(), [2, 3, 4, 5]);
        assert_eq!(y.to_vec::<i64>().unwrap(), [11, 12]);
        let (x, y) = set.gather(&[2, 0, 2]).unwrap();
        assert_eq!(x.to_vec::<i64>().unwrap(), [4, 5, 0, 1, 4, 5]);
        assert_eq!(y.to_vec::<i64>().unwrap(), [12, 10, 12]);
        assert_eq!(set.gather(&[]).unwrap().0.shape(), &[0, 2]);
        assert_eq!(set.gather(&[3]).unwrap_err().to_string(), "there is no sample 3 among 3");
        assert_eq!(set.range(2..4).unwrap_err().to_string(), "there are no samples 2..4 among 3");
        assert_eq!(set.range(3..3).unwrap().1.shape(), &[0]);
    }

    #[test]
    fn samples_of_every_type_can_be_gathered() {
        for dtype in [DType::F32, DType::F64, DType::I64, DType::U8, DType::Bool] {
            let x = tensor![[[0], [1]], [[1], [0]]].cast(dtype);
            let (picked, _) = ArrayDataset::from_tensors(&x, &tensor![0, 1]).unwrap().gather(&[1]).unwrap();
            assert_eq!((picked.dtype(), picked.shape().to_vec()), (dtype, vec![1, 2, 1]));
            assert_eq!(picked.cast(DType::I64).to_vec::<i64>().unwrap(), [1, 0]);
        }
    }

    #[test]
    fn bytes_are_divided_as_numpy_divides_them() {
        let bytes: Tensor = (0..=255u8).collect();
        let set = ArrayDataset::from_tensors(&bytes, &bytes).unwrap().divide_features(255.0);
        let (x, _) = set.range(0..256).unwrap();
        let expected: Vec<f32> = (0..=255u8).map(|x| f32::from(x) / 255.0).collect();
        assert_eq!(x.to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn maps_follow_one_another() {
        let set = ArrayDataset::from_tensors(&tensor![1, 2], &tensor![0, 0]).unwrap();
        let set = set.map_features(|x| x.try_add(1)).map_features(|x| x.try_mul(10));
        assert_eq!(set.gather(&[1]).unwrap().0.to_vec::<i64>().unwrap(), [30]);
        let failing = set.map_features(|x| x.matmul(x));
        assert!(failing.range(0..2).unwrap_err().to_string().starts_with("matmul: "));
    }

    #[test]
    fn counts_must_agree() {
        let message = |x: Tensor, y: Tensor| ArrayDataset::from_tensors(&x, &y).unwrap_err().to_string();
        assert_eq!(
            message(tensor![1, 2, 3], tensor![1, 2]),
            "features of 3 samples and targets of 2: the counts differ"
        );
        assert_eq!(message(tensor![1], Tensor::scalar(1)), "targets are a scalar; their first axis must count samples");
    }
}
