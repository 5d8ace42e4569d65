//! Random access to samples, and the verbs.

mod map;
mod pipeline;
mod shuffle;

use std::ops::Range;
use std::sync::Arc;

use tensor::{DType, Tensor};

use crate::batch::Batch;
use crate::error::Result;
use crate::samples::{Pass, Samples};

pub use pipeline::Pipeline;

/// Samples that can be had by number, many at a time.
///
/// A data set implements [`len`](Dataset::len) and [`gather`](Dataset::gather); all else is given: it is
/// [`Samples`] to train on, and has the verbs below. A verb takes a data set and gives another one, a [`Pipeline`],
/// that asks the first; nothing is computed before samples are drawn, unless the verb says so.
///
/// `pass` is the number of the pass over the data for which the samples are wanted. Most data sets give the same
/// for each; shuffled and augmented ones do not.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order, as they are in this pass.
    ///
    /// # Errors
    /// If a number is not below [`len`](Dataset::len), or whatever is wrong with the samples.
    fn gather(&self, pass: u64, samples: &[usize]) -> Result<Batch>;

    /// Neighbouring samples: as [`gather`](Dataset::gather), which a data set may do better.
    ///
    /// # Errors
    /// If the range leaves the data set, or whatever is wrong with the samples.
    fn range(&self, pass: u64, range: Range<usize>) -> Result<Batch> {
        self.gather(pass, &range.collect::<Vec<_>>())
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
    fn map_features(self, map: impl Fn(&Tensor) -> tensor::Result<Tensor> + Send + Sync + 'static) -> Pipeline
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

    /// Puts the samples into another random order in each pass; the orders follow from the seed alone. That of pass
    /// `n` is drawn by the `n`-th fork named `shuffle` of `Generator::new(seed)`.
    fn shuffle(self, seed: u64) -> Pipeline
    where
        Self: Sized + 'static,
    {
        Pipeline::new(shuffle::Shuffle::new(self, seed))
    }
}

impl<D: Dataset> Samples for D {
    fn known_len(&self) -> Option<usize> {
        Some(self.len())
    }

    fn pass(&self, number: u64) -> Result<Box<dyn Pass + '_>> {
        Ok(Box::new(DatasetPass { dataset: self, number, next: 0 }))
    }
}

/// A pass over a data set, from the first sample to the last.
struct DatasetPass<'a> {
    dataset: &'a dyn Dataset,
    number: u64,
    next: usize,
}

impl Pass for DatasetPass<'_> {
    fn next(&mut self, count: usize) -> Result<Option<Batch>> {
        let range = self.next..self.next.saturating_add(count).min(self.dataset.len());
        if range.is_empty() {
            return Ok(None);
        }
        self.next = range.end;
        let batch = self.dataset.range(self.number, range)?;
        batch.check()?;
        Ok(Some(batch))
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.next = self.next.saturating_add(count).min(self.dataset.len());
        Ok(())
    }
}

/// A data set behind a pointer is one.
macro_rules! behind {
    ($($pointer:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }

            fn gather(&self, pass: u64, samples: &[usize]) -> Result<Batch> {
                (**self).gather(pass, samples)
            }

            fn range(&self, pass: u64, range: Range<usize>) -> Result<Batch> {
                (**self).range(pass, range)
            }
        }
    )*};
}

behind!(&D, Box<D>, Arc<D>);
