//! Batches of a requested size from chunks of any sizes.

use std::collections::VecDeque;

use super::Chunks;
use crate::batch::{Batch, check_alike};
use crate::data_source::EpochIter;
use crate::error::Result;

/// An epoch of a stream.
pub(super) struct Rechunk {
    chunks: Chunks,
    /// Samples that were read and not yet drawn.
    rest: Option<Batch>,
    /// The number of samples that were drawn.
    drawn: usize,
}

impl Rechunk {
    pub(super) fn new(chunks: Chunks) -> Rechunk {
        Rechunk { chunks, rest: None, drawn: 0 }
    }

    /// At most `count` samples of one chunk; `None` at the end.
    pub(super) fn part(&mut self, count: usize) -> Result<Option<Batch>> {
        if count == 0 {
            return Ok(None);
        }
        let chunk = loop {
            let chunk = match self.rest.take() {
                Some(rest) => rest,
                None => match self.chunks.next().transpose()? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            chunk.check()?;
            if !chunk.is_empty() {
                break chunk;
            }
        };
        self.drawn += chunk.len().min(count);
        if chunk.len() <= count {
            return Ok(Some(chunk));
        }
        self.rest = Some(chunk.slice(count..chunk.len())?);
        Ok(Some(chunk.slice(0..count)?))
    }

    /// Parts that have `count` samples together, or the rest.
    fn parts(&mut self, mut count: usize) -> Result<VecDeque<Batch>> {
        let mut parts = VecDeque::new();
        while count > 0
            && let Some(part) = self.part(count)?
        {
            count -= part.len();
            parts.push_back(part);
        }
        Ok(parts)
    }
}

impl EpochIter for Rechunk {
    fn next(&mut self, count: usize) -> Result<Option<Batch>> {
        let first = self.drawn;
        let mut parts = self.parts(count)?;
        match parts.len() {
            0 | 1 => Ok(parts.pop_front()),
            _ => {
                let parts = parts.make_contiguous();
                check_alike(parts, first)?;
                Ok(Some(Batch::concat(parts)?))
            }
        }
    }

    fn skip(&mut self, mut count: usize) -> Result<()> {
        while count > 0
            && let Some(part) = self.part(count)?
        {
            count -= part.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataSource, Stream};
    use proptest::prelude::*;
    use tensor::{Tensor, tensor};

    /// The numbers from 0 in chunks of these sizes.
    fn numbers(sizes: Vec<usize>) -> Stream {
        Stream::of_batches(move |_| {
            let mut next = 0;
            Ok(sizes.clone().into_iter().map(move |size| {
                let chunk: Tensor = (next..next + size as i64).collect();
                next += size as i64;
                Batch::new(&chunk, &chunk)
            }))
        })
    }

    proptest! {
        #[test]
        fn chunks_do_not_show(sizes in prop::collection::vec(0usize..9, 0..8), size in 1usize..12, skipped in 0usize..40) {
            let total: usize = sizes.iter().sum();
            let stream = numbers(sizes);
            let batches: Vec<Vec<i64>> = stream.batch(size).epoch_from(0, skipped).unwrap()
                .map(|batch| batch.unwrap().targets.to_vec().unwrap()).collect();
            let all: Vec<i64> = (skipped.min(total) as i64..total as i64).collect();
            prop_assert_eq!(batches, all.chunks(size).map(<[i64]>::to_vec).collect::<Vec<_>>());
        }
    }

    #[test]
    fn chunks_that_do_not_fit_together_are_refused() {
        let shapes = Stream::of_batches(|_| {
            Ok([[1usize, 2], [1, 3]].into_iter().map(|shape| Batch::new(&Tensor::zeros(shape), &tensor![0])))
        });
        let message = shapes.batch(2).epoch(0).unwrap().next().unwrap().unwrap_err().to_string();
        let expected = "sample 1 has features of float32 [3], sample 0 of float32 [2]; the samples of a batch must be \
                        alike: bring them to one shape, or pad sequences (`Sequences`)";
        assert_eq!(message, expected);
        let targets = Stream::of_samples(|_| {
            Ok((0..9).map(|k| {
                let target = if k == 7 { tensor![1.0] } else { tensor![1] };
                Ok((tensor![k], target))
            }))
        });
        let message = targets.batch(3).epoch_from(0, 2).unwrap().nth(1).unwrap().unwrap_err().to_string();
        assert!(message.starts_with("sample 7 has targets of float32 [1], sample 5 of int64 [1]; "), "{message}");
        let weights = Stream::of_batches(|_| {
            Ok([Some(tensor![1.0]), None]
                .into_iter()
                .map(|weights| Ok(Batch { weights, ..Batch::new(&tensor![1], &tensor![0])? })))
        });
        let message = weights.batch(2).epoch(0).unwrap().next().unwrap().unwrap_err().to_string();
        assert_eq!(message, "of 2 parts of a batch 1 have weights; all must or none");
        let counts = Stream::of_batches(|_| {
            Ok(std::iter::once(Ok(Batch { targets: tensor![1, 2], ..Batch::new(&tensor![1], &tensor![0])? })))
        });
        let message = counts.batch(2).epoch(0).unwrap().next().unwrap().unwrap_err().to_string();
        assert_eq!(message, "features of 1 samples and targets of 2: the counts differ");
    }

    /// The batches of a repeated stream that has two samples in the epochs for which `full` holds.
    fn repeated(full: fn(u64) -> bool, times: u64, count: usize) -> crate::Result<Vec<usize>> {
        let source = Stream::of_batches(move |epoch| {
            let size = if full(epoch) { 2 } else { 0 };
            Ok([0, size].into_iter().map(|size| Batch::new(&Tensor::zeros([size]), &Tensor::zeros([size]))))
        });
        let stream = source.repeat(times);
        stream.batch(3).epoch(0).unwrap().take(count).map(|batch| batch.map(|batch| batch.len())).collect()
    }

    #[test]
    fn repeating_nothing_ends() {
        let error = |full, times| repeated(full, times, usize::MAX).unwrap_err().to_string();
        for times in [1_000, 1_000_000_000, u64::MAX] {
            let message = "repeat: 1000 epochs in a row have no samples, the last of them epoch 999";
            assert_eq!(error(|_| false, times), message);
        }
        let message = "repeat: 1000 epochs in a row have no samples, the last of them epoch 1002";
        assert_eq!(error(|epoch| epoch < 3, u64::MAX), message);
        assert_eq!(repeated(|_| false, 999, usize::MAX).unwrap(), [0; 0]);
    }

    #[test]
    fn epochs_without_samples_are_skipped() {
        assert_eq!(repeated(|epoch| epoch < 3, 5, usize::MAX).unwrap(), [3, 3]);
        assert_eq!(repeated(|epoch| epoch % 500 == 499, 1500, usize::MAX).unwrap(), [3, 3]);
        assert_eq!(repeated(|epoch| epoch % 500 == 499, u64::MAX, 4).unwrap(), [3; 4]);
    }
}
