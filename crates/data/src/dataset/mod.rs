//! Data sets with random access, and their transformations.

mod array;
mod finite;
mod map;
mod pipeline;
mod reorder;
mod repeat;
mod select;
mod split;
mod weights;
mod window;
mod zip;

use std::ops::Range;
use std::sync::Arc;

use tensor::{DType, Tensor};

use crate::augment::{Augmentation, Augmented, MixUp, Mixed};
use crate::batch::Batch;
use crate::data_source::{DataSource, EpochIter};
use crate::error::{DataError, Result};
use crate::normalization::Normalization;

pub(crate) use finite::check_finite;
pub use pipeline::Pipeline;
pub(crate) use reorder::Reorder;
pub use split::Split;
pub use weights::class_weights;
pub use window::Window;

/// Samples with random access by index, many at a time.
///
/// An implementation provides [`len`](Dataset::len) and [`gather`](Dataset::gather). Every data set is then a
/// [`DataSource`], and has the transformations below. A transformation returns a [`Pipeline`] around the data set.
/// Unless it says otherwise, it computes nothing until samples are drawn.
///
/// `epoch` is the number of the epoch in which the samples are drawn. Most data sets return the same samples in each
/// epoch; shuffled and augmented ones do not.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples with these indices, in this order, in an epoch.
    ///
    /// # Errors
    /// Returns an error if an index is not below [`len`](Dataset::len), or the samples cannot be read.
    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch>;

    /// The samples of a range. A data set may implement this faster than [`gather`](Dataset::gather).
    ///
    /// # Errors
    /// Returns an error if the range exceeds the data set, or the samples cannot be read.
    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        self.gather(epoch, &range.collect::<Vec<_>>())
    }

    /// Applies a function to each batch when it is drawn. The function must not depend on how samples are grouped into
    /// batches.
    fn map(self, map: impl Fn(Batch) -> Result<Batch> + Send + Sync + 'static) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(map::Map::new(self, map))
    }

    /// Applies a function to the features of each batch when it is drawn, so that for example bytes stay bytes in
    /// memory until then. The function must keep the first axis, that of the samples.
    fn map_features(self, map: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Pipeline
    where
        Self: Sized + 'static,
    {
        self.map(move |batch| Ok(Batch { features: map(&batch.features)?, ..batch }))
    }

    /// Casts the features of each batch to float32 and divides them, like `features.astype("float32") / divisor` in
    /// NumPy.
    fn divide_features(self, divisor: f64) -> Pipeline
    where
        Self: Sized + 'static,
    {
        self.map_features(move |features| features.cast(DType::F32).try_div(divisor))
    }

    /// Keeps the samples for which a predicate holds. The predicate returns bool, `[batch]`, for each batch. It is
    /// evaluated now, for all samples of epoch 0.
    ///
    /// # Errors
    /// Returns an error if the predicate fails or returns something else, or the samples cannot be read.
    ///
    /// ```
    /// use data::{ArrayDataset, Dataset};
    /// use tensor::{Tensor, tensor};
    ///
    /// let all = ArrayDataset::from_tensors(&Tensor::eye(4), &tensor![0, 7, 1, 9])?;
    /// let digits_below_5 = all.filter(|batch| batch.targets.less(5))?;
    /// assert_eq!(digits_below_5.len(), 2);
    /// # Ok::<(), data::Error>(())
    /// ```
    fn filter(self, predicate: impl Fn(&Batch) -> Result<Tensor>) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        let samples = select::matching(&self, predicate)?;
        self.select(samples)
    }

    /// Selects the samples with these indices, in this order. An index may occur more than once.
    ///
    /// # Errors
    /// Returns an error if an index is not below [`len`](Dataset::len).
    fn select(self, samples: Vec<usize>) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(select::Select::new(self, samples)?))
    }

    /// Keeps the first `count` samples, or all if there are fewer.
    fn take(self, count: usize) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(select::Part::new(self, 0..count))
    }

    /// Skips the first `count` samples.
    fn skip(self, count: usize) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(select::Part::new(self, count..usize::MAX))
    }

    /// Splits the samples in two parts, for training and validation, at a fraction or a number of samples: in order,
    /// shuffled, or stratified by class.
    ///
    /// # Errors
    /// Returns an error if the fraction is not between 0 and 1, there are not enough samples, or the split is
    /// stratified and the targets are not classes.
    ///
    /// ```
    /// use data::{ArrayDataset, Dataset, Split};
    /// use tensor::{Tensor, tensor};
    ///
    /// let all = ArrayDataset::from_tensors(&Tensor::zeros([6, 2]), &tensor![0, 0, 0, 0, 1, 1])?;
    /// let (train, validation) = all.split(Split::fraction(0.5).shuffle(1).stratify())?;
    /// assert_eq!(train.range(0, 0..3)?.targets.sum().item()?, 1.0);
    /// # Ok::<(), data::Error>(())
    /// ```
    fn split(self, at: impl Into<Split>) -> Result<(Pipeline, Pipeline)>
    where
        Self: Sized + 'static,
    {
        let (first, second) = at.into().parts(&self)?;
        let all = Pipeline::new(self);
        Ok((all.clone().select(first)?, all.select(second)?))
    }

    /// Joins `times` epochs into one: epoch `p` consists of the epochs from `p · times` on, each in its own order.
    ///
    /// # Errors
    /// Returns an error if the number of samples overflows.
    fn repeat(self, times: usize) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(repeat::Repeat::new(self, times)?))
    }

    /// Combines each sample with the one at the same index in another data set, up to the end of the shorter one.
    fn zip(
        self,
        other: impl Dataset + 'static,
        combine: impl Fn(Batch, Batch) -> Result<Batch> + Send + Sync + 'static,
    ) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(zip::Zip::new(self, other, combine))
    }

    /// Makes sequences of consecutive samples the new samples: features become `[batch, length, …]`.
    ///
    /// # Errors
    /// Returns an error if length, shift or stride is 0.
    ///
    /// ```
    /// use data::{ArrayDataset, Dataset, Window};
    /// use tensor::Tensor;
    ///
    /// // The hours of a day are the features of the next hour. is forecast.
    /// let temperatures: Tensor = (0..100).map(|hour| hour as f32).collect();
    /// let hours = ArrayDataset::from_tensors(&temperatures, &temperatures)?;
    /// let days = hours.window(Window::new(24).target(24))?;
    /// let batch = days.range(0, 0..2)?;
    /// assert_eq!((days.len(), batch.features.shape()), (76, &[2, 24].into()));
    /// assert_eq!(batch.targets.to_vec::<f32>()?, [24.0, 25.0]);
    /// # Ok::<(), data::Error>(())
    /// ```
    fn window(self, window: Window) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(window::Windows::new(self, window)?))
    }

    /// Sets sample weights, `[count]`: `sample_weight` of Keras. Weights that samples already have are multiplied. For
    /// weights by class, see [`class_weights`].
    ///
    /// # Errors
    /// Returns an error if the number of weights is not that of the samples.
    fn with_weights(self, weights: &Tensor) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(weights::Weighted::new(self, weights)?))
    }

    /// Normalizes the features of each batch: see [`Normalization`].
    fn normalize(self, normalization: &Normalization) -> Pipeline
    where
        Self: Sized + 'static,
    {
        let normalization = normalization.clone();
        self.map_features(move |features| normalization.apply(features))
    }

    /// Changes each image at random, for example by flips, shifts and crops: see [`Augmentation`].
    ///
    /// # Errors
    /// Returns an error if a parameter of the augmentation is out of range.
    fn augment(self, augmentation: Augmentation) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(Augmented::new(self, augmentation)?))
    }

    /// Mixes each sample with another one of the same epoch: see [`MixUp`].
    ///
    /// # Errors
    /// Returns an error if `alpha` is not a positive number.
    fn mixup(self, mixup: MixUp) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(Mixed::new(self, mixup)?))
    }

    /// Returns an error that names sample and column when a sample with a NaN or infinite value in features, targets or
    /// weights is drawn. Samples are numbered as they are here, so call this before `shuffle`.
    fn check_finite(self) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(finite::CheckFinite::new(self))
    }

    /// Shuffles the samples in each epoch. The orders depend only on the seed: that of epoch `n` is drawn from the
    /// `n`-th fork named `shuffle` of `Generator::new(seed)`.
    fn shuffle(self, seed: u64) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(Reorder::new(self, move |data, epoch| reorder::shuffled(seed, data.len(), epoch)))
    }
}

impl<D: Dataset> DataSource for D {
    fn len_hint(&self) -> Option<usize> {
        Some(self.len())
    }

    fn epoch(&self, number: u64) -> Result<Box<dyn EpochIter + '_>> {
        Ok(Box::new(DatasetEpoch { dataset: self, number, next: 0 }))
    }
}

/// An iterator over all samples of a data set.
struct DatasetEpoch<'a> {
    dataset: &'a dyn Dataset,
    number: u64,
    next: usize,
}

impl EpochIter for DatasetEpoch<'_> {
    fn next(&mut self, count: usize) -> Result<Option<Batch>> {
        let range = self.next..self.next.saturating_add(count).min(self.dataset.len());
        if range.is_empty() {
            return Ok(None);
        }
        self.next = range.end;
        let batch = self.dataset.range(self.number, range.clone())?;
        batch.check()?;
        if batch.len() != range.len() {
            let (asked, given) = (range.len(), batch.len());
            return Err(DataError::dataset(format!(
                "a data set returned {given} samples instead of {asked}; `map` must keep their number, use `filter` to remove some"
            )));
        }
        Ok(Some(batch))
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.next = self.next.saturating_add(count).min(self.dataset.len());
        Ok(())
    }
}

/// Visits all samples of epoch 0.
fn in_order(dataset: &dyn Dataset, mut visit: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
    const AT_ONCE: usize = 1024;
    let mut epoch = DatasetEpoch { dataset, number: 0, next: 0 };
    while let Some(batch) = epoch.next(AT_ONCE)? {
        visit(&batch)?;
    }
    Ok(())
}

/// Implements `Dataset` for pointers to data sets.
macro_rules! behind {
    ($($pointer:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }

            fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
                (**self).gather(epoch, samples)
            }

            fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
                (**self).range(epoch, range)
            }
        }
    )*};
}

behind!(&D, Box<D>, Arc<D>);
