//! The transformations of streams, as functions of chunks.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;

use super::{Chunks, Open, rechunk::Rechunk};
use crate::batch::Batch;
use crate::data_source::EpochIter;
use crate::dataset::{Window, check_finite};
use crate::error::{DataError, Result};
use crate::random;

/// Keeps the first `count` samples.
pub(super) fn take(chunks: Chunks, count: usize) -> Chunks {
    let (mut epoch, mut left) = (Rechunk::new(chunks), count);
    Box::new(iter::from_fn(move || {
        let part = epoch.part(left).transpose()?;
        left -= part.as_ref().map_or(0, Batch::len);
        Some(part)
    }))
}

/// Skips the first `count` samples.
pub(super) fn skip(chunks: Chunks, count: usize) -> Result<Chunks> {
    let mut epoch = Rechunk::new(chunks);
    epoch.skip(count)?;
    Ok(Box::new(iter::from_fn(move || epoch.part(usize::MAX).transpose())))
}

/// Draws samples from a buffer; each is replaced by the next sample of the stream.
pub(super) fn shuffle(chunks: Chunks, seed: u64, buffer: usize, number: u64) -> Chunks {
    let (mut epoch, mut waiting) = (Rechunk::new(chunks), Vec::new());
    let mut generator = random::fork(seed, "shuffle", number);
    Box::new(iter::from_fn(move || {
        while waiting.len() < buffer {
            match epoch.part(1) {
                Ok(Some(sample)) => waiting.push(sample),
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        if waiting.is_empty() {
            return None;
        }
        let drawn = generator.integers([], 0..waiting.len() as i64).and_then(|drawn| drawn.item());
        Some(drawn.map(|drawn| waiting.swap_remove(drawn as usize)))
    }))
}

/// Combines the samples of two streams.
pub(super) fn zip(
    first: Chunks,
    second: Chunks,
    combine: impl Fn(Batch, Batch) -> Result<Batch> + Send + 'static,
) -> Chunks {
    let (mut first, mut second) = (Rechunk::new(first), Rechunk::new(second));
    let mut pair = move || -> Result<Option<Batch>> {
        let Some(one) = first.part(usize::MAX)? else { return Ok(None) };
        let Some(other) = second.next(one.len())? else { return Ok(None) };
        Ok(Some(combine(one.slice(0..other.len())?, other)?))
    };
    Box::new(iter::from_fn(move || pair().transpose()))
}

/// Windows over rows, one per chunk.
pub(super) fn windows(chunks: Chunks, window: Window) -> Chunks {
    let (mut epoch, mut rows) = (Rechunk::new(chunks), VecDeque::new());
    // Rows between two windows that belong to none.
    let mut gap = 0;
    let mut next = move || -> Result<Option<Batch>> {
        epoch.skip(std::mem::take(&mut gap))?;
        while rows.len() < window.reach().unwrap_or(usize::MAX) {
            match epoch.part(1)? {
                Some(row) => rows.push_back(row),
                None => return Ok(None),
            }
        }
        let batch = window.of_rows(&rows)?;
        let passed = window.shift.min(rows.len());
        rows.drain(..passed);
        gap = window.shift - passed;
        Ok(Some(batch))
    };
    Box::new(iter::from_fn(move || next().transpose()))
}

/// The maximum number of consecutive epochs without samples.
const MOST_EMPTY: u64 = 1000;

/// The chunks of several epochs from `first` on.
pub(super) fn repeat(open: Open, first: u64, times: u64) -> Chunks {
    let (mut round, mut empty, mut has_samples) = (0, 0, false);
    let mut current: Option<Chunks> = None;
    Box::new(iter::from_fn(move || {
        while empty < MOST_EMPTY {
            let chunks = match &mut current {
                Some(chunks) => chunks,
                None if round == times => return None,
                None => {
                    has_samples = false;
                    // An error on opening the source takes the place of a chunk.
                    let opened = open(first.wrapping_add(round));
                    current.insert(opened.unwrap_or_else(|error| Box::new(iter::once(Err(error)))))
                }
            };
            if let Some(chunk) = chunks.next() {
                // An error of a chunk stays that error.
                has_samples |= !chunk.as_ref().is_ok_and(Batch::is_empty);
                return Some(chunk);
            }
            current = None;
            round += 1;
            empty = if has_samples { 0 } else { empty + 1 };
            if empty == MOST_EMPTY {
                let last = first.wrapping_add(round - 1);
                let message =
                    format!("repeat: {MOST_EMPTY} epochs in a row have no samples, the last of them epoch {last}");
                return Some(Err(DataError::dataset(message)));
            }
        }
        None
    }))
}

/// Returns an error for NaN and infinite values.
pub(super) fn finite(chunks: Chunks) -> Chunks {
    let mut start = 0;
    Box::new(chunks.map(move |chunk| {
        let chunk = chunk?;
        check_finite(&chunk, |row| start + row)?;
        start += chunk.len();
        Ok(chunk)
    }))
}

/// A predicate on the samples of a chunk.
type Predicate = dyn Fn(&Batch) -> Result<tensor::Tensor> + Send + Sync;

/// Keeps the samples for which the predicate holds.
pub(super) fn filter(chunks: Chunks, predicate: Arc<Predicate>) -> Chunks {
    Box::new(chunks.map(move |chunk| {
        let chunk = chunk?;
        let holds = chunk.holds(&*predicate)?;
        chunk.try_map(|tensor| tensor.masked_select(&holds))
    }))
}
