//! Random access to samples, and the verbs.

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

/// DataSource that can be had by number, many at a time.
///
/// A data set implements [`len`](Dataset::len) and [`gather`](Dataset::gather); all else is given: it is
/// [`DataSource`] to train on, and has the verbs below. A verb takes a data set and gives another one, a [`Pipeline`],
/// that asks the first; nothing is computed before samples are drawn, unless the verb says so.
///
/// `epoch` is the number of the epoch over the data for which the samples are wanted. Most data sets give the same
/// for each; shuffled and augmented ones do not.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order, as they are in this epoch.
    ///
    /// # Errors
    /// If a number is not below [`len`](Dataset::len), or whatever is wrong with the samples.
    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch>;

    /// Neighbouring samples: as [`gather`](Dataset::gather), which a data set may do better.
    ///
    /// # Errors
    /// If the range leaves the data set, or whatever is wrong with the samples.
    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        self.gather(epoch, &range.collect::<Vec<_>>())
    }

    /// Replaces each batch when it is made. The function must not depend on how samples fall into batches.
    fn map(self, map: impl Fn(Batch) -> Result<Batch> + Send + Sync + 'static) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(map::Map::new(self, map))
    }

    /// Replaces the features of each batch when it is made: bytes stay bytes in memory until they are needed as
    /// numbers. The first axis, that of the samples, must stay.
    fn map_features(self, map: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Pipeline
    where
        Self: Sized + 'static,
    {
        self.map(move |batch| Ok(Batch { features: map(&batch.features)?, ..batch }))
    }

    /// Casts the features of each batch to float32 and divides them: NumPy's `features.astype("float32") / divisor`.
    fn divide_features(self, divisor: f64) -> Pipeline
    where
        Self: Sized + 'static,
    {
        self.map_features(move |features| features.cast(DType::F32).try_div(divisor))
    }

    /// Keeps the samples for which the predicate holds: bool, `[batch]`, for each batch. All samples are gone through
    /// now, as they are in epoch 0.
    ///
    /// # Errors
    /// If the predicate fails or gives something else, or whatever is wrong with the samples.
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

    /// The samples of these numbers, in this order; a number may be there more than once.
    ///
    /// # Errors
    /// If a number is not below [`len`](Dataset::len).
    fn select(self, samples: Vec<usize>) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(select::Select::new(self, samples)?))
    }

    /// The first `count` samples, or all if there are fewer.
    fn take(self, count: usize) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(select::Part::new(self, 0..count))
    }

    /// All but the first `count` samples.
    fn skip(self, count: usize) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(select::Part::new(self, count..usize::MAX))
    }

    /// Divides the samples in two, for training and validation: at a fraction or a number, in their order or
    /// shuffled, or each class for itself.
    ///
    /// # Errors
    /// If the fraction is not between 0 and 1, there are not so many samples, or (for each class for itself) the
    /// targets are no classes.
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

    /// So many epochs as one: epoch `p` goes through the epochs from `p · times` on, each with its own order.
    ///
    /// # Errors
    /// If there are more samples than can be counted.
    fn repeat(self, times: usize) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(repeat::Repeat::new(self, times)?))
    }

    /// DataSource made of one of this data set and the one of the same number in the other, up to the end of the
    /// shorter.
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

    /// Sequences of neighbouring samples as samples: features become `[batch, length, …]`.
    ///
    /// # Errors
    /// If length, shift or stride is 0.
    ///
    /// ```
    /// use data::{ArrayDataset, Dataset, Window};
    /// use tensor::Tensor;
    ///
    /// // Of a day's hours the next one is forecast.
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

    /// Says how much each sample counts, `[count]`: Keras' `sample_weight`. Weights that samples already have are
    /// multiplied. For weights by class: [`class_weights`].
    ///
    /// # Errors
    /// If there is not one weight for each sample.
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

    /// Changes each image at random: flips, shifts, crops, … as the [`Augmentation`] says.
    ///
    /// # Errors
    /// If a number of the augmentation is out of its range.
    fn augment(self, augmentation: Augmentation) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(Augmented::new(self, augmentation)?))
    }

    /// Mixes each sample with another one of the same epoch: see [`MixUp`].
    ///
    /// # Errors
    /// If `alpha` is not a positive number.
    fn mixup(self, mixup: MixUp) -> Result<Pipeline>
    where
        Self: Sized + 'static,
    {
        Ok(Pipeline::new(Mixed::new(self, mixup)?))
    }

    /// Makes a NaN or infinite value in features, targets or weights an error that names sample and column, when the sample
    /// is drawn. DataSource are counted as they are here: put it before `shuffle`.
    fn check_finite(self) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(finite::CheckFinite::new(self))
    }

    /// Puts the samples into another random order in each epoch; the orders follow from the seed alone. That of epoch
    /// `n` is drawn by the `n`-th fork named `shuffle` of `Generator::new(seed)`.
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

/// A epoch over a data set, from the first sample to the last.
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
                "of {asked} samples a data set gave {given}; `map` must keep their number, `filter` leaves some out"
            )));
        }
        Ok(Some(batch))
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.next = self.next.saturating_add(count).min(self.dataset.len());
        Ok(())
    }
}

/// Goes through all samples as they are in epoch 0.
fn in_order(dataset: &dyn Dataset, mut visit: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
    const AT_ONCE: usize = 1024;
    let mut epoch = DatasetEpoch { dataset, number: 0, next: 0 };
    while let Some(batch) = epoch.next(AT_ONCE)? {
        visit(&batch)?;
    }
    Ok(())
}

/// A data set behind a pointer is one.
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
