//! Streams of samples that are read from start to end, and their transformations.

mod rechunk;
mod verbs;

use std::fmt;
use std::sync::Arc;

use tensor::Tensor;

use crate::batch::Batch;
use crate::data_source::{DataSource, EpochIter};
use crate::dataset::Window;
use crate::error::{DataError, Result};

/// Chunks of any number of samples, in the order of the source.
type Chunks = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// Opens an epoch.
type Open = Arc<dyn Fn(u64) -> Result<Chunks> + Send + Sync>;

/// Samples that can only be read from start to end, such as a file larger than memory, lines of text, or an iterator.
///
/// The source is opened for each epoch, by a function that receives the number of the epoch. Batches have the requested
/// size, whatever the sizes of the chunks. To continue within an epoch, the samples that were already drawn are read
/// again and dropped.
///
/// ```
/// use data::{Batch, DataSource, Stream};
/// use tensor::Tensor;
///
/// // Squares, one sample at a time.
/// let squares = Stream::of_samples(|_epoch| {
///     Ok((0..5).map(|x| Ok((Tensor::scalar(x), Tensor::scalar(x * x)))))
/// });
/// let batches = squares.batch(2).epoch(0)?.collect::<data::Result<Vec<Batch>>>()?;
/// assert_eq!(batches.len(), 3);
/// assert_eq!(batches[1].features.to_vec::<i64>()?, [2, 3]);
/// assert_eq!(batches[1].targets.to_vec::<i64>()?, [4, 9]);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone)]
pub struct Stream {
    open: Open,
    len_hint: Option<usize>,
}

impl Stream {
    /// A stream of chunks of any size. This is faster than single samples if many can be read at once.
    pub fn of_batches<I>(open: impl Fn(u64) -> Result<I> + Send + Sync + 'static) -> Stream
    where
        I: Iterator<Item = Result<Batch>> + Send + 'static,
    {
        Stream { open: Arc::new(move |epoch| Ok(Box::new(open(epoch)?) as Chunks)), len_hint: None }
    }

    /// A stream of single samples: features and target without the axis of the samples.
    pub fn of_samples<I>(open: impl Fn(u64) -> Result<I> + Send + Sync + 'static) -> Stream
    where
        I: Iterator<Item = Result<(Tensor, Tensor)>> + Send + 'static,
    {
        let one = |(features, target): (Tensor, Tensor)| Batch::new(&features.expand_dims(0)?, &target.expand_dims(0)?);
        Stream::of_batches(move |epoch| Ok(open(epoch)?.map(move |sample| sample.and_then(one))))
    }

    /// Sets the number of samples of an epoch, for progress bars.
    #[must_use]
    pub fn with_len(self, len: usize) -> Stream {
        Stream { len_hint: Some(len), ..self }
    }

    /// Applies a function to each chunk. The function must not depend on how samples are grouped into chunks.
    #[must_use]
    pub fn map(self, map: impl Fn(Batch) -> Result<Batch> + Send + Sync + 'static) -> Stream {
        let (map, len_hint) = (Arc::new(map), self.len_hint);
        let mapped = self.chunks(move |_, chunks| {
            let map = Arc::clone(&map);
            Ok(Box::new(chunks.map(move |chunk| map(chunk?))))
        });
        Stream { len_hint, ..mapped }
    }

    /// Applies a function to the features of each chunk: see [`map`](Stream::map).
    #[must_use]
    pub fn map_features(self, map: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Stream {
        self.map(move |chunk| Ok(Batch { features: map(&chunk.features)?, ..chunk }))
    }

    /// Keeps the samples for which a predicate holds. The predicate returns bool, `[chunk]`, for each chunk.
    #[must_use]
    pub fn filter(self, predicate: impl Fn(&Batch) -> Result<Tensor> + Send + Sync + 'static) -> Stream {
        let predicate = Arc::new(predicate);
        self.chunks(move |_, chunks| Ok(verbs::filter(chunks, predicate.clone())))
    }

    /// Keeps the first `count` samples, or all if there are fewer.
    #[must_use]
    pub fn take(self, count: usize) -> Stream {
        let len_hint = self.len_hint.map(|len| len.min(count));
        Stream { len_hint, ..self.chunks(move |_, chunks| Ok(verbs::take(chunks, count))) }
    }

    /// Skips the first `count` samples, which are read and dropped.
    #[must_use]
    pub fn skip(self, count: usize) -> Stream {
        let len_hint = self.len_hint.map(|len| len.saturating_sub(count));
        Stream { len_hint, ..self.chunks(move |_, chunks| verbs::skip(chunks, count)) }
    }

    /// Shuffles the samples with a buffer in memory: draws each sample at random from the next `buffer` ones, like
    /// `shuffle` of TensorFlow. The order of each epoch is different, and depends only on the seed. A buffer of 1 does
    /// not change the order; a buffer of all samples makes all orders equally likely.
    ///
    /// # Errors
    /// Returns an error if the buffer is 0.
    pub fn shuffle(self, seed: u64, buffer: usize) -> Result<Stream> {
        if buffer == 0 {
            return Err(DataError::dataset("shuffle: the buffer is 0; it must be at least 1".into()));
        }
        let len_hint = self.len_hint;
        let shuffled = self.chunks(move |epoch, chunks| Ok(verbs::shuffle(chunks, seed, buffer, epoch)));
        Ok(Stream { len_hint, ..shuffled })
    }

    /// Joins `times` epochs into one: epoch `p` consists of the epochs from `p · times` on. `u64::MAX` times is
    /// endless. Epochs without samples are skipped, but 1,000 of them in a row are an error, because there might never
    /// be a sample.
    #[must_use]
    pub fn repeat(self, times: u64) -> Stream {
        let len_hint = usize::try_from(times).ok().and_then(|times| self.len_hint?.checked_mul(times));
        let open = self.open;
        let open = move |epoch: u64| Ok(verbs::repeat(Arc::clone(&open), epoch.wrapping_mul(times), times));
        Stream { open: Arc::new(open), len_hint }
    }

    /// Combines each sample with the one at the same position in another stream, up to the end of the shorter one.
    #[must_use]
    pub fn zip(self, other: Stream, combine: impl Fn(Batch, Batch) -> Result<Batch> + Send + Sync + 'static) -> Stream {
        let len_hint = self.len_hint.zip(other.len_hint).map(|(one, other)| one.min(other));
        let combine = Arc::new(combine);
        let zipped = self.chunks(move |epoch, chunks| {
            let combine = Arc::clone(&combine);
            Ok(verbs::zip(chunks, (other.open)(epoch)?, move |one, other| combine(one, other)))
        });
        Stream { len_hint, ..zipped }
    }

    /// Makes sequences of consecutive samples the new samples: see [`Dataset::window`](crate::Dataset::window). The
    /// samples that a window spans are held in memory.
    ///
    /// # Errors
    /// Returns an error if length, shift or stride is 0.
    pub fn window(self, window: Window) -> Result<Stream> {
        window.check()?;
        Ok(self.chunks(move |_, chunks| Ok(verbs::windows(chunks, window))))
    }

    /// Returns an error that names sample and column for a NaN or infinite value: see
    /// [`Dataset::check_finite`](crate::Dataset::check_finite).
    #[must_use]
    pub fn check_finite(self) -> Stream {
        let len_hint = self.len_hint;
        Stream { len_hint, ..self.chunks(|_, chunks| Ok(verbs::finite(chunks))) }
    }

    /// A stream with transformed chunks.
    fn chunks(self, f: impl Fn(u64, Chunks) -> Result<Chunks> + Send + Sync + 'static) -> Stream {
        Stream { open: Arc::new(move |epoch| f(epoch, (self.open)(epoch)?)), len_hint: None }
    }
}

impl DataSource for Stream {
    fn len_hint(&self) -> Option<usize> {
        self.len_hint
    }

    fn epoch(&self, number: u64) -> Result<Box<dyn EpochIter + '_>> {
        Ok(Box::new(rechunk::Rechunk::new((self.open)(number)?)))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("samples", &self.len_hint).finish_non_exhaustive()
    }
}
