//! A check for NaN and infinite values.

use std::ops::Range;

use tensor::{DType, Tensor};

use super::Dataset;
use crate::batch::Batch;
use crate::error::{DataError, Result};

/// See [`Dataset::check_finite`].
pub(super) struct CheckFinite<D> {
    dataset: D,
}

impl<D: Dataset> CheckFinite<D> {
    pub(super) fn new(dataset: D) -> Self {
        CheckFinite { dataset }
    }
}

impl<D: Dataset> Dataset for CheckFinite<D> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let batch = self.dataset.gather(epoch, samples)?;
        check_finite(&batch, |row| samples[row])?;
        Ok(batch)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        let batch = self.dataset.range(epoch, range.clone())?;
        check_finite(&batch, |row| range.start + row)?;
        Ok(batch)
    }
}

/// Returns an error for the first NaN or infinite value. `number` returns the index of the sample in a row.
pub(crate) fn check_finite(batch: &Batch, number: impl Fn(usize) -> usize) -> Result<()> {
    check(&batch.features, "features", &number)?;
    check(&batch.targets, "targets", &number)?;
    batch.weights.as_ref().map_or(Ok(()), |weights| check(weights, "weights", &number))
}

fn check(tensor: &Tensor, what: &str, number: impl Fn(usize) -> usize) -> Result<()> {
    let found = match tensor.dtype() {
        DType::F32 => tensor.view::<f32>()?.iter().position(|x| !x.is_finite()),
        DType::F64 => tensor.view::<f64>()?.iter().position(|x| !x.is_finite()),
        _ => None,
    };
    let Some(mut place) = found else { return Ok(()) };
    let value = tensor.flatten().at(place, 0)?.item()?;
    let mut position = vec![0; tensor.rank()];
    for (index, &size) in position.iter_mut().zip(tensor.shape().iter()).rev() {
        *index = place % size;
        place /= size;
    }
    let column = match &position[..] {
        [] | [_] => String::new(),
        [_, column] => format!(", column {column}"),
        [_, rest @ ..] => format!(", position {rest:?}"),
    };
    let sample = number(position.first().copied().unwrap_or(0));
    Err(DataError::dataset(format!(
        "check_finite: sample {sample}{column} of the {what} is {value:?}, not a finite number"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArrayDataset, DataSource};
    use tensor::tensor;

    fn message(features: Tensor, targets: Tensor) -> String {
        let set = ArrayDataset::from_tensors(&features, &targets).unwrap().check_finite().shuffle(5);
        set.batch(2).epoch(0).unwrap().find_map(|batch| batch.err()).map_or("none".into(), |error| error.to_string())
    }

    #[test]
    fn sample_and_column_are_named() {
        let fine = tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        assert_eq!(message(fine.clone(), tensor![1, 2, 3]), "none");
        let nan = tensor![[1.0, 2.0], [3.0, 4.0], [5.0, f32::NAN]];
        assert_eq!(
            message(nan, tensor![1, 2, 3]),
            "check_finite: sample 2, column 1 of the features is NaN, not a finite number"
        );
        let infinite = tensor![0.0, f32::NEG_INFINITY, 0.0].cast(DType::F64);
        assert_eq!(message(fine, infinite), "check_finite: sample 1 of the targets is -inf, not a finite number");
        let image = Tensor::zeros([3, 2, 2]).masked_fill(&Tensor::from([[false, false], [true, false]]), f64::INFINITY);
        assert!(message(image.unwrap(), tensor![0, 0, 0]).contains(", position [1, 0] of the features is inf"));
    }
}
