//! Passes over a data set, a batch at a time.

use std::fmt;
use std::ops::Range;

use tensor::{Generator, Tensor};

use crate::dataset::{ArrayDataset, Dataset};
use crate::error::{Error, Result};

/// Batches of a data set, in order or shuffled.
///
/// Each pass goes over every sample once; the last batch is smaller where the batch size does not
/// divide their number.
///
/// ```
/// use data::Batches;
/// use tensor::{Generator, Tensor, tensor};
///
/// let images = Tensor::zeros([5, 28, 28]);
/// let labels = tensor![0, 1, 2, 3, 4];
/// let mut batches = Batches::new(&images, &labels, 2)?.shuffle(Generator::new(1));
/// assert_eq!(batches.len(), 3);
/// for epoch in 0..10 {
///     for batch in batches.epoch() {
///         let (images, labels) = batch?;
///         assert_eq!(images.shape()[0], labels.size());
///     }
/// }
/// # Ok::<(), data::Error>(())
/// ```
pub struct Batches<'a> {
    dataset: Box<dyn Dataset + 'a>,
    batch_size: usize,
    generator: Option<Generator>,
}

impl Batches<'static> {
    /// Batches of two tensors whose first axes count samples. The tensors are shared, not copied.
    ///
    /// # Errors
    /// If the counts differ, there are no samples, or `batch_size` is 0.
    pub fn new(features: &Tensor, targets: &Tensor, batch_size: usize) -> Result<Batches<'static>> {
        Batches::over(ArrayDataset::from_tensors(features, targets)?, batch_size)
    }
}

impl<'a> Batches<'a> {
    /// Batches of a data set, given or lent.
    ///
    /// # Errors
    /// If there are no samples, or `batch_size` is 0.
    pub fn over(dataset: impl Dataset + 'a, batch_size: usize) -> Result<Batches<'a>> {
        if dataset.is_empty() {
            return Err(Error::Dataset(
                "the data set is empty: it has 0 samples, and a batch takes one at least".into(),
            ));
        }
        if batch_size == 0 {
            let message = format!("the batch size is 0; of {} samples a batch takes one at least", dataset.len());
            return Err(Error::Dataset(message));
        }
        Ok(Batches { dataset: Box::new(dataset), batch_size, generator: None })
    }

    /// Puts the samples into a new random order for each pass.
    #[must_use]
    pub fn shuffle(mut self, generator: Generator) -> Batches<'a> {
        self.generator = Some(generator);
        self
    }

    /// The number of batches of a pass: that of the samples by the batch size, rounded up.
    #[expect(clippy::len_without_is_empty, reason = "there is always a batch")]
    pub fn len(&self) -> usize {
        self.dataset.len().div_ceil(self.batch_size)
    }

    /// The number of samples of a pass.
    pub fn samples(&self) -> usize {
        self.dataset.len()
    }

    /// The generator of the next pass's order, if there is one; its state belongs into a checkpoint.
    pub fn generator(&self) -> Option<&Generator> {
        self.generator.as_ref()
    }

    /// One pass.
    pub fn epoch(&mut self) -> Epoch<'_> {
        let count = self.dataset.len();
        let order = self.generator.as_mut().map(|generator| generator.permutation(count));
        Epoch { dataset: &*self.dataset, batch_size: self.batch_size, order, next: 0 }
    }
}

impl fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("samples", &self.samples())
            .field("batch_size", &self.batch_size)
            .field("generator", &self.generator)
            .finish()
    }
}

/// One pass over a data set: an iterator over batches of features and targets.
///
/// In order, a batch is a range of the data set, which for tensors is a view; shuffled, its rows are
/// gathered.
pub struct Epoch<'a> {
    dataset: &'a dyn Dataset,
    batch_size: usize,
    /// The numbers of the samples, int64.
    order: Option<Tensor>,
    next: usize,
}

impl Iterator for Epoch<'_> {
    type Item = Result<(Tensor, Tensor)>;

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.dataset.len();
        if self.next >= count {
            return None;
        }
        let range = self.next..self.next.saturating_add(self.batch_size).min(count);
        self.next = range.end;
        Some(match &self.order {
            Some(order) => part(order, range).and_then(|samples| self.dataset.gather(&samples)),
            None => self.dataset.range(range),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.dataset.len().saturating_sub(self.next).div_ceil(self.batch_size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Epoch<'_> {}

fn part(order: &Tensor, range: Range<usize>) -> Result<Vec<usize>> {
    Ok(order.slice(range)?.to_vec::<i64>()?.into_iter().map(|sample| sample as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::{DType, tensor};

    fn targets(batches: &mut Batches<'_>) -> Vec<Vec<i64>> {
        batches.epoch().map(|batch| batch.unwrap().1.to_vec().unwrap()).collect()
    }

    fn five() -> (Tensor, Tensor) {
        (Tensor::from([[0u8, 1], [10, 11], [20, 21], [30, 31], [40, 41]]), tensor![0, 1, 2, 3, 4])
    }

    #[test]
    fn the_last_batch_is_smaller() {
        let (x, y) = five();
        let mut batches = Batches::new(&x, &y, 2).unwrap();
        assert_eq!((batches.len(), batches.samples(), batches.epoch().len()), (3, 5, 3));
        for _ in 0..2 {
            assert_eq!(targets(&mut batches), [vec![0, 1], vec![2, 3], vec![4]]);
        }
        let mut epoch = batches.epoch();
        let (x, _) = epoch.next().unwrap().unwrap();
        assert_eq!((x.to_vec::<u8>().unwrap(), epoch.len()), (vec![0, 1, 10, 11], 2));
        assert_eq!(targets(&mut Batches::new(&tensor![1, 2], &tensor![1, 2], usize::MAX).unwrap()), [[1, 2]]);
    }

    #[test]
    fn shuffled_passes_keep_features_with_targets() {
        let (x, y) = five();
        let mut batches = Batches::new(&x, &y, 2).unwrap().shuffle(Generator::new(3));
        let state = batches.generator().unwrap().state();
        let mut passes = Vec::new();
        for _ in 0..4 {
            let mut seen = Vec::new();
            for batch in batches.epoch() {
                let (x, y) = batch.unwrap();
                let y = y.to_vec::<i64>().unwrap();
                let expected: Vec<u8> = y.iter().flat_map(|&y| [10 * y as u8, 10 * y as u8 + 1]).collect();
                assert_eq!(x.to_vec::<u8>().unwrap(), expected);
                seen.extend(y);
            }
            passes.push(seen);
        }
        assert!(passes.iter().all(|pass| {
            let mut pass = pass.clone();
            pass.sort_unstable();
            pass == [0, 1, 2, 3, 4]
        }));
        assert!(passes.iter().skip(1).any(|pass| *pass != passes[0]), "{passes:?}");

        let mut again = Batches::new(&x, &y, 2).unwrap().shuffle(Generator::from_state(state));
        for pass in &passes {
            assert_eq!(targets(&mut again).concat(), *pass);
        }
        assert_eq!(again.generator(), batches.generator());
    }

    #[test]
    fn shuffled_batches_do_not_depend_on_their_size() {
        let y: Tensor = (0..1000i64).collect();
        let order = |size| targets(&mut Batches::new(&y, &y, size).unwrap().shuffle(Generator::new(1))).concat();
        assert_eq!(order(7), order(1000));
        assert_ne!(order(7), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn maps_apply_to_batches() {
        let (x, y) = five();
        let set = ArrayDataset::from_tensors(&x, &y).unwrap().divide_features(255.0);
        let mut batches = Batches::over(&set, 5).unwrap();
        let (x, _) = batches.epoch().next().unwrap().unwrap();
        assert_eq!((x.dtype(), x.to_vec::<f32>().unwrap()[9]), (DType::F32, 41.0 / 255.0));
    }

    #[test]
    fn what_cannot_be_batched_is_refused() {
        let message = |x: &Tensor, y: &Tensor, size| Batches::new(x, y, size).unwrap_err().to_string();
        let (x, y) = five();
        assert_eq!(message(&x, &y, 0), "the batch size is 0; of 5 samples a batch takes one at least");
        assert_eq!(message(&x, &tensor![1], 2), "features of 5 samples and targets of 1: the counts differ");
        assert_eq!(
            message(&Tensor::zeros([0, 3]), &Tensor::zeros([0]), 2),
            "the data set is empty: it has 0 samples, and a batch takes one at least"
        );
    }
}
