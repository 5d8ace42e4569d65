//! Samples from a source that is read from start to end, and the verbs.

mod rechunk;

use std::fmt;
use std::sync::Arc;

use tensor::Tensor;

use crate::batch::Batch;
use crate::error::Result;
use crate::samples::{Pass, Samples};

/// Samples that come from a source as it is read: chunks of any number of them.
type Chunks = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// Samples that can only be read from start to end: a file larger than memory, lines of text, an iterator.
///
/// For each pass the source is opened anew, by a function that is given the number of the pass. Whatever the number
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
    open: Arc<dyn Fn(u64) -> Result<Chunks> + Send + Sync>,
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
        let map = Arc::new(map);
        Stream {
            known_len: self.known_len,
            ..self.chunks(move |_, chunks| {
                let map = Arc::clone(&map);
                Ok(Box::new(chunks.map(move |chunk| map(chunk?))))
            })
        }
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
