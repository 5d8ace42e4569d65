//! Samples from a source that is read from start to end, and the verbs.

mod rechunk;
mod verbs;

use std::fmt;
use std::sync::Arc;

use tensor::Tensor;

use crate::batch::Batch;
use crate::dataset::Window;
use crate::error::{DataError, Result};
use crate::samples::{Pass, Samples};

/// Samples that come from a source as it is read: chunks of any number of them.
type Chunks = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// Opens the pass of a number.
type Open = Arc<dyn Fn(u64) -> Result<Chunks> + Send + Sync>;

/// Samples that can only be read from start to end: a file larger than memory, lines of text, an iterator.
///
/// The source is opened for each pass, by a function that is given the number of the pass. Whatever the number
/// of samples in its chunks, batches have the size that is asked for. To go on within a pass, what was drawn from it
/// is read again and dropped.
///
/// ```
/// use data::{Batch, Samples, Stream};
/// use tensor::Tensor;
///
/// // Squares, a sample at a time.
/// let squares = Stream::of_samples(|_pass| {
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
    known_len: Option<usize>,
}

impl Stream {
    /// A source of chunks of samples, of any number each: fast where many are read at once.
    pub fn of_batches<I>(open: impl Fn(u64) -> Result<I> + Send + Sync + 'static) -> Stream
    where
        I: Iterator<Item = Result<Batch>> + Send + 'static,
    {
        Stream { open: Arc::new(move |pass| Ok(Box::new(open(pass)?) as Chunks)), known_len: None }
    }

    /// A source of single samples: features and target, without an axis that counts samples.
    pub fn of_samples<I>(open: impl Fn(u64) -> Result<I> + Send + Sync + 'static) -> Stream
    where
        I: Iterator<Item = Result<(Tensor, Tensor)>> + Send + 'static,
    {
        let one = |(features, target): (Tensor, Tensor)| Batch::new(&features.expand_dims(0)?, &target.expand_dims(0)?);
        Stream::of_batches(move |pass| Ok(open(pass)?.map(move |sample| sample.and_then(one))))
    }

    /// States how many samples a pass has, for progress bars.
    #[must_use]
    pub fn with_len(self, len: usize) -> Stream {
        Stream { known_len: Some(len), ..self }
    }

    /// Replaces each chunk. The function must not depend on how samples fall into chunks.
    #[must_use]
    pub fn map(self, map: impl Fn(Batch) -> Result<Batch> + Send + Sync + 'static) -> Stream {
        let (map, known_len) = (Arc::new(map), self.known_len);
        let mapped = self.chunks(move |_, chunks| {
            let map = Arc::clone(&map);
            Ok(Box::new(chunks.map(move |chunk| map(chunk?))))
        });
        Stream { known_len, ..mapped }
    }

    /// Replaces the features of each chunk: see [`map`](Stream::map).
    #[must_use]
    pub fn map_features(self, map: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Stream {
        self.map(move |chunk| Ok(Batch { features: map(&chunk.features)?, ..chunk }))
    }

    /// Keeps the samples for which the predicate holds: bool, `[chunk]`, for each chunk.
    #[must_use]
    pub fn filter(self, predicate: impl Fn(&Batch) -> Result<Tensor> + Send + Sync + 'static) -> Stream {
        let predicate = Arc::new(predicate);
        self.chunks(move |_, chunks| Ok(verbs::filter(chunks, predicate.clone())))
    }

    /// The first `count` samples, or all if there are fewer.
    #[must_use]
    pub fn take(self, count: usize) -> Stream {
        let known_len = self.known_len.map(|len| len.min(count));
        Stream { known_len, ..self.chunks(move |_, chunks| Ok(verbs::take(chunks, count))) }
    }

    /// All but the first `count` samples, which are read and dropped.
    #[must_use]
    pub fn skip(self, count: usize) -> Stream {
        let known_len = self.known_len.map(|len| len.saturating_sub(count));
        Stream { known_len, ..self.chunks(move |_, chunks| verbs::skip(chunks, count)) }
    }

    /// Draws samples at random from the next `buffer`, which are held in memory: as TensorFlow's `shuffle`. Each pass
    /// has another order, which follows from the seed alone. A buffer of 1 changes nothing; one of all samples
    /// makes every order as likely as any other.
    ///
    /// # Errors
    /// If the buffer is 0.
    pub fn shuffle(self, seed: u64, buffer: usize) -> Result<Stream> {
        if buffer == 0 {
            return Err(DataError::dataset("shuffle: the buffer is 0; it holds one sample at least".into()));
        }
        let known_len = self.known_len;
        let shuffled = self.chunks(move |pass, chunks| Ok(verbs::shuffle(chunks, seed, buffer, pass)));
        Ok(Stream { known_len, ..shuffled })
    }

    /// Several passes as one: pass `p` goes through the passes from `p · times` on; `u64::MAX` times is without end.
    /// Passes without samples are skipped, but 1,000 of them in a row are an error: there might never be a sample.
    #[must_use]
    pub fn repeat(self, times: u64) -> Stream {
        let known_len = usize::try_from(times).ok().and_then(|times| self.known_len?.checked_mul(times));
        let open = self.open;
        let open = move |pass: u64| Ok(verbs::repeat(Arc::clone(&open), pass.wrapping_mul(times), times));
        Stream { open: Arc::new(open), known_len }
    }

    /// Samples made of one of this stream and the one beside it in the other, up to the end of the shorter.
    #[must_use]
    pub fn zip(self, other: Stream, combine: impl Fn(Batch, Batch) -> Result<Batch> + Send + Sync + 'static) -> Stream {
        let known_len = self.known_len.zip(other.known_len).map(|(one, other)| one.min(other));
        let combine = Arc::new(combine);
        let zipped = self.chunks(move |pass, chunks| {
            let combine = Arc::clone(&combine);
            Ok(verbs::zip(chunks, (other.open)(pass)?, move |one, other| combine(one, other)))
        });
        Stream { known_len, ..zipped }
    }

    /// Sequences of neighbouring samples as samples: see [`Dataset::window`](crate::Dataset::window). As many samples
    /// as a window reaches over are held in memory.
    ///
    /// # Errors
    /// If length, shift or stride is 0.
    pub fn window(self, window: Window) -> Result<Stream> {
        window.check()?;
        Ok(self.chunks(move |_, chunks| Ok(verbs::windows(chunks, window))))
    }

    /// Makes a NaN or infinite value an error that names sample and column: see
    /// [`Dataset::check_finite`](crate::Dataset::check_finite).
    #[must_use]
    pub fn check_finite(self) -> Stream {
        let known_len = self.known_len;
        Stream { known_len, ..self.chunks(|_, chunks| Ok(verbs::finite(chunks))) }
    }

    /// A stream whose chunks follow from those of this one.
    fn chunks(self, f: impl Fn(u64, Chunks) -> Result<Chunks> + Send + Sync + 'static) -> Stream {
        Stream { open: Arc::new(move |pass| f(pass, (self.open)(pass)?)), known_len: None }
    }
}

impl Samples for Stream {
    fn known_len(&self) -> Option<usize> {
        self.known_len
    }

    fn pass(&self, number: u64) -> Result<Box<dyn Pass + '_>> {
        Ok(Box::new(rechunk::Rechunk::new((self.open)(number)?)))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("samples", &self.known_len).finish_non_exhaustive()
    }
}
