//! Normalization of features to mean 0 and standard deviation 1.

use tensor::{DType, IntoIntegers, Tensor};

use crate::batch::Batch;
use crate::data_source::{DataSource, EpochIter};
use crate::error::{DataError, Error, Result};
use crate::moments::{Moments, divisor};

/// Normalizes features by their mean and standard deviation in the training data: `(x - mean) / std`, like
/// `Normalization` of Keras.
///
/// A feature that is constant in the training data, up to rounding, is divided by 1, as by `StandardScaler` of
/// scikit-learn: it becomes 0, and other values keep their distance from it. (Keras divides by 10⁻⁷.)
///
/// [`tensors`](Normalization::tensors) returns the complete state, to be saved with the model, and
/// [`from_tensors`](Normalization::from_tensors) restores it.
///
/// ```
/// use data::{ArrayDataset, Dataset, Normalization};
/// use tensor::tensor;
///
/// let train = ArrayDataset::from_tensors(&tensor![[1.0, 10.0], [3.0, 30.0]], &tensor![0, 1])?;
/// let normalization = Normalization::fit(&train)?;
/// assert_eq!(normalization.mean().to_vec::<f64>()?, [2.0, 20.0]);
/// let train = train.normalize(&normalization);
/// assert_eq!(train.range(0, 0..2)?.features.to_vec::<f32>()?, [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Normalization {
    /// Float64. It has the axes of a sample's features, with size 1 for those that are averaged over.
    mean: Tensor,
    variance: Tensor,
    /// The divisor.
    deviation: Tensor,
}

impl Normalization {
    /// Fits a mean for each index of the last axis, such as a column of a table or a channel of an image, on epoch 0 of
    /// the samples. Features `[batch]`, or `[batch, time]` with a mask, have a single mean. Masked steps do not count.
    ///
    /// # Errors
    /// Returns an error if there are no samples, a feature is NaN or infinite, or the samples cannot be read.
    pub fn fit(samples: &dyn DataSource) -> Result<Normalization> {
        let mut epoch = samples.epoch(0)?;
        let first = epoch.next(AT_ONCE)?;
        let axes: &[isize] = match &first {
            Some(batch) if batch.features.rank() > batch.counting_axes() => &[-1],
            _ => &[],
        };
        Normalization::fit_epoch(first, &mut *epoch, axes)
    }

    /// Fits a mean for each index of these axes, over all other axes. Axis 0 is that of the samples; negative axes
    /// count from the end. Without axes there is a single mean.
    ///
    /// # Errors
    /// Returns an error as [`fit`](Normalization::fit) does, or if an axis is out of range, or is that of the samples
    /// or, with a mask, of the steps.
    pub fn fit_along(samples: &dyn DataSource, axes: impl IntoIntegers) -> Result<Normalization> {
        let mut epoch = samples.epoch(0)?;
        let first = epoch.next(AT_ONCE)?;
        Normalization::fit_epoch(first, &mut *epoch, &axes.into_integers())
    }

    fn fit_epoch(mut next: Option<Batch>, epoch: &mut dyn EpochIter, axes: &[isize]) -> Result<Normalization> {
        let mut moments: Option<Moments> = None;
        while let Some(batch) = next {
            if let Some(of_batch) = Moments::of(&batch, axes)? {
                moments = Some(match moments {
                    Some(before) => before.and(of_batch)?,
                    None => of_batch,
                });
            }
            next = epoch.next(AT_ONCE)?;
        }
        let Some(moments) = moments else {
            return Err(DataError::dataset("normalization: there are no samples to fit it on".into()));
        };
        let variance = moments.squares.try_div(moments.count)?;
        if let Some(place) = variance.view::<f64>()?.iter().position(|variance| !variance.is_finite()) {
            return Err(DataError::dataset(format!(
                "normalization: feature {place} is NaN or infinite in some sample (`check_finite` tells which), or too \
                 large for its variance"
            )));
        }
        Normalization::of(moments.mean, variance)
    }

    fn of(mean: Tensor, variance: Tensor) -> Result<Normalization> {
        let pairs = variance.to_vec::<f64>()?.into_iter().zip(mean.to_vec::<f64>()?);
        let deviations = pairs.map(|(variance, mean)| divisor(variance.sqrt(), mean)).collect();
        let deviation = Tensor::from_vec(deviations, mean.shape())?;
        Ok(Normalization { mean, variance, deviation })
    }

    /// Restores a normalization from its state.
    ///
    /// # Errors
    /// Returns an error if the shapes differ, a value is not finite, or a variance is negative.
    pub fn from_tensors(mean: &Tensor, variance: &Tensor) -> Result<Normalization> {
        let (mean, variance) = (mean.cast(DType::F64), variance.cast(DType::F64));
        let finite = mean.view::<f64>()?.iter().chain(&variance.view::<f64>()?).all(|x| x.is_finite());
        if mean.shape() != variance.shape() || !finite || variance.view::<f64>()?.iter().any(|&x| x < 0.0) {
            let message = format!(
                "normalization: a mean {} and a variance {}: shapes must agree, values be finite, variances not negative",
                mean.shape(),
                variance.shape()
            );
            return Err(DataError::dataset(message));
        }
        Normalization::of(mean, variance)
    }

    /// The state by name: `mean` and `variance`, float64.
    pub fn tensors(&self) -> [(&'static str, Tensor); 2] {
        [("mean", self.mean.clone()), ("variance", self.variance.clone())]
    }

    /// Float64, with the axes of a sample's features.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Float64, with the shape of the mean: the population variance, which divides by the count.
    pub fn variance(&self) -> &Tensor {
        &self.variance
    }

    /// Normalizes features. Computes in float64, so that large numbers that are close to each other, such as dates,
    /// keep their differences. Returns float32, or float64 for float64.
    ///
    /// # Errors
    /// Returns an error if the shape of the features, `[batch, …]`, does not fit the data of the normalization.
    pub fn apply(&self, features: &Tensor) -> Result<Tensor> {
        let out = if features.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(self.checked(features)?.try_sub(&self.mean)?.try_div(&self.deviation)?.cast(out))
    }

    /// Inverts [`apply`](Normalization::apply).
    ///
    /// # Errors
    /// Returns an error as [`apply`](Normalization::apply) does.
    pub fn invert(&self, normalized: &Tensor) -> Result<Tensor> {
        let out = if normalized.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(self.checked(normalized)?.try_mul(&self.deviation)?.try_add(&self.mean)?.cast(out))
    }

    /// Converts to float64, after a check that the mean does not broadcast the features to another shape.
    fn checked(&self, features: &Tensor) -> Result<Tensor> {
        if features.shape().broadcast(self.mean.shape(), "normalization")? != *features.shape() {
            let expected =
                format!("must be that of the features it was fitted on: its mean has shape {}", self.mean.shape());
            return Err(Error::shape("normalization", features.shape(), expected));
        }
        Ok(features.cast(DType::F64))
    }
}

const AT_ONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, Dataset, Stream};
    use tensor::{Generator, tensor};

    fn of(features: &Tensor) -> ArrayDataset {
        ArrayDataset::from_tensors(features, &Tensor::zeros([features.shape()[0]])).unwrap()
    }

    fn close(found: &Tensor, expected: &Tensor, tolerance: f64) {
        assert_eq!(found.shape(), expected.shape());
        assert!(found.allclose(expected, tolerance, tolerance).unwrap(), "{found:?} {expected:?}");
    }

    #[test]
    fn steps_of_single_numbers_have_one_mean() {
        let (x, mask) = (tensor![[1.0, 2.0], [6.0, 0.0]], tensor![[true, true], [true, false]]);
        let samples = ArrayDataset::from_tensors(&x, &tensor![0, 0]).unwrap();
        let samples = samples.map(move |batch| Ok(Batch { mask: Some(mask.clone()), ..batch }));
        assert_eq!(Normalization::fit(&samples).unwrap().mean().item().unwrap(), 3.0);
    }

    #[test]
    fn many_batches_have_the_moments_of_all() {
        let mut generator = Generator::new(1);
        let x = generator
            .normal([5000, 3], 0.0, 2.0)
            .unwrap()
            .cast(DType::F64)
            .try_add(tensor![0.0, 1e6, -5.0].cast(DType::F64))
            .unwrap();
        let fitted = Normalization::fit(&of(&x)).unwrap();
        close(fitted.mean(), &x.mean_axis(0).unwrap(), 1e-12);
        close(fitted.variance(), &x.var_corrected(0, false, 0.0).unwrap(), 1e-9);
        // Chunks of any size give the same result.
        let chunked = x.clone();
        let stream = Stream::of_batches(move |_| {
            let x = chunked.clone();
            Ok((0..50).map(move |k| Batch::new(&x.slice(100 * k..100 * (k + 1))?, &Tensor::zeros([100]))))
        });
        close(Normalization::fit(&stream).unwrap().variance(), fitted.variance(), 0.0);
        let normalized = fitted.apply(&x).unwrap();
        close(&normalized.mean_axis(0).unwrap(), &Tensor::zeros([3]).cast(DType::F64), 1e-9);
        close(&normalized.std_axis(0).unwrap(), &Tensor::ones([3]).cast(DType::F64), 1e-3);
        close(&fitted.invert(&normalized).unwrap(), &x, 1e-12);
    }

    #[test]
    fn large_integers_keep_their_differences() {
        // 2³⁰ and above, where float32 has steps of 128.
        let dates = tensor![1_073_741_824, 1_073_741_826, 1_073_741_828];
        let fitted = Normalization::fit(&of(&dates)).unwrap();
        assert_eq!((fitted.mean().item().unwrap(), fitted.variance().item().unwrap()), (1_073_741_826.0, 8.0 / 3.0));
        let expected = -(1.5f64.sqrt()) as f32;
        assert_eq!(fitted.apply(&dates).unwrap().to_vec::<f32>().unwrap(), [expected, 0.0, -expected]);
    }

    #[test]
    fn axes_are_those_that_are_named() {
        let x: Tensor = (0..24).map(|k| k as f32).collect();
        let images = of(&x.reshape([2, 2, 2, 3]).unwrap());
        let channels = Normalization::fit(&images).unwrap();
        assert_eq!(
            (channels.mean().shape(), channels.mean().to_vec::<f64>().unwrap()),
            (&[1, 1, 3].into(), vec![10.5, 11.5, 12.5])
        );
        let all = Normalization::fit_along(&images, ()).unwrap();
        assert_eq!((all.mean().shape(), all.mean().item().unwrap()), (&[1, 1, 1].into(), 11.5));
        let pixels = Normalization::fit_along(&images, [1, 2, 3]).unwrap();
        assert_eq!(pixels.mean().shape(), &[2, 2, 3]);
        assert_eq!(pixels.variance().to_vec::<f64>().unwrap(), [36.0; 12]);
        let message = Normalization::fit_along(&images, 0).unwrap_err().to_string();
        assert_eq!(message, "normalization: axis 0 is that of samples or steps, which are averaged over");
        assert!(all.apply(&tensor![1.0]).unwrap_err().to_string().contains("its mean has shape [1, 1, 1]"));
    }

    #[test]
    fn padded_steps_do_not_count() {
        let mask = Tensor::from([[true, false], [true, true]]);
        let batch = Batch::new(&tensor![[[1.0], [99.0]], [[2.0], [6.0]]], &tensor![0, 0]).unwrap();
        let fitted =
            Normalization::fit(&ArrayDataset::from_batch(Batch { mask: Some(mask), ..batch }).unwrap()).unwrap();
        assert_eq!((fitted.mean().shape(), fitted.mean().item().unwrap()), (&[1].into(), 3.0));
    }

    /// Like `StandardScaler` of scikit-learn: `scale_` is 1 if a feature is constant up to rounding.
    #[test]
    fn a_constant_feature_is_divided_by_1() {
        // A column of zeros, one of 0.1, whose sums are inexact, one of 0.3 computed in two ways, and one whose
        // relative changes are tiny but larger than rounding.
        let row =
            |k: usize| vec![0.0, 0.1, if k.is_multiple_of(2) { 0.3 } else { 0.1 + 0.2 }, 1e9 + (k % 2) as f64 * 1e-3];
        let values: Vec<f64> = (0..5001).flat_map(row).collect();
        let x = Tensor::from_vec(values, [5001, 4]).unwrap();
        let fitted = Normalization::fit(&of(&x)).unwrap();
        assert_eq!(fitted.mean().to_vec::<f64>().unwrap()[..2], [0.0, 0.1]);
        assert_eq!(fitted.variance().to_vec::<f64>().unwrap()[..2], [0.0, 0.0]);
        let new = Tensor::from([[0.1f64, 0.6, 1.3, 1e9 + 1e-3]]);
        let normalized = fitted.apply(&new).unwrap();
        let found = normalized.to_vec::<f64>().unwrap();
        assert!(found[..3].iter().zip([0.1, 0.5, 1.0]).all(|(x, expected)| (x - expected).abs() < 1e-6), "{found:?}");
        assert!((found[3] - 1.0).abs() < 0.01, "{found:?}");
        close(&fitted.invert(&normalized).unwrap(), &new, 1e-15);
        // The same holds after a restore, for other axes, and for the unmasked steps.
        let again = Normalization::from_tensors(fitted.mean(), fitted.variance()).unwrap();
        assert_eq!(again.apply(&new).unwrap().to_vec::<f64>().unwrap(), found);
        let all = Normalization::fit_along(&of(&Tensor::full([3, 2, 2], 0.1)), [0usize; 0]).unwrap();
        close(&all.apply(&Tensor::full([1, 2, 2], 0.35)).unwrap(), &Tensor::full([1, 2, 2], 0.25), 1e-6);
        let mask = Tensor::from([[true, false], [true, true]]);
        let batch = Batch::new(&tensor![[[0.1], [99.0]], [[0.1], [0.1]]], &tensor![0, 0]).unwrap();
        let masked = ArrayDataset::from_batch(Batch { mask: Some(mask), ..batch }).unwrap();
        let masked = Normalization::fit(&masked).unwrap();
        close(&masked.apply(&tensor![[[0.35]]]).unwrap(), &tensor![[[0.25]]], 1e-6);
        // Small numbers that vary are not constant.
        let tiny = Normalization::fit(&of(&tensor![[1e-30], [3e-30]])).unwrap();
        close(&tiny.apply(&tensor![[1e-30], [3e-30]]).unwrap(), &tensor![[-1.0], [1.0]], 1e-6);
    }

    #[test]
    fn a_state_is_restored_and_an_invalid_one_is_refused() {
        let fitted = Normalization::fit(&of(&tensor![[1.0, 5.0], [2.0, 5.0]])).unwrap();
        let [(_, mean), (_, variance)] = fitted.tensors();
        let again = Normalization::from_tensors(&mean, &variance).unwrap();
        assert_eq!(again.apply(&tensor![[1.0, 5.0]]).unwrap().to_vec::<f32>().unwrap(), [-1.0, 0.0]);
        assert!(
            Normalization::from_tensors(&tensor![0.0], &tensor![-1.0])
                .unwrap_err()
                .to_string()
                .contains("not negative")
        );
        let message = Normalization::fit(&of(&tensor![[1.0, f32::NAN]])).unwrap_err().to_string();
        assert_eq!(
            message,
            "normalization: feature 1 is NaN or infinite in some sample (`check_finite` tells which), or too large for its variance"
        );
        let message = Normalization::fit(&of(&Tensor::zeros([0, 2]))).unwrap_err().to_string();
        assert_eq!(message, "normalization: there are no samples to fit it on");
    }
}
