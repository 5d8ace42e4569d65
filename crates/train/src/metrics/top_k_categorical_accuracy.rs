//! Top-k accuracy.

use tensor::{DType, Error, Tensor};

use crate::error::Result;
use crate::metrics::classes::arranged;
use crate::metrics::{Metric, Running};

/// The fraction of samples whose target is among the `k` classes with the greatest predictions; k is 5 by default.
///
/// Predictions are `[batch, …, classes]`. Targets are class indices without the last axis (or with size 1), or one-hot
/// rows in the shape of the predictions, whose maximum counts. This covers `TopKCategoricalAccuracy` and
/// `SparseTopKCategoricalAccuracy` of Keras. A target is among the first k if fewer than k classes have a greater
/// prediction, as in TensorFlow (`top_k_accuracy_score` of scikit-learn breaks ties by class index). A target that is
/// not a class, or whose prediction is NaN, is not.
///
/// ```
/// use tensor::tensor;
/// use train::{Metric, metrics::TopKCategoricalAccuracy};
///
/// let mut top_2 = TopKCategoricalAccuracy::k(2);
/// top_2.update(&tensor![2, 2], &tensor![[0.5, 0.2, 0.3], [0.5, 0.3, 0.2]], None)?;
/// assert_eq!(top_2.result(), 0.5);
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TopKCategoricalAccuracy {
    k: usize,
    running: Running,
}

impl TopKCategoricalAccuracy {
    /// The fraction of targets among the `k` greatest predictions.
    pub fn k(k: usize) -> TopKCategoricalAccuracy {
        TopKCategoricalAccuracy { k, running: Running::default() }
    }
}

impl Default for TopKCategoricalAccuracy {
    fn default() -> TopKCategoricalAccuracy {
        TopKCategoricalAccuracy::k(5)
    }
}

/// Whether fewer than k numbers of the row are greater than the one at `target`.
fn is_among(row: &[f64], target: f64, k: usize) -> bool {
    let known = target.fract() == 0.0 && (0.0..row.len() as f64).contains(&target);
    known && {
        let own = row[target as usize];
        !own.is_nan() && row.iter().filter(|other| **other > own).count() < k
    }
}

impl Metric for TopKCategoricalAccuracy {
    fn name(&self) -> &str {
        "top_k_categorical_accuracy"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        let name = "top_k_categorical_accuracy";
        let Some((&classes, rest @ [_, ..])) = predictions.shape().split_last() else {
            let expected = "of the predictions must be [batch, …, classes]";
            return Err(Error::shape(name, predictions.shape(), expected));
        };
        let labels = if targets.shape() == predictions.shape() && classes > 0 {
            targets.argmax_axis(-1)?
        } else {
            arranged(name, targets, &rest.into(), predictions.shape())?
        };
        let numbers = predictions.cast(DType::F64).to_vec::<f64>()?;
        let rows = numbers.chunks_exact(classes.max(1));
        let labels = labels.cast(DType::F64).to_vec::<f64>()?;
        // Without classes there are no rows, so no target counts.
        let found = labels.iter().zip(rows.chain(std::iter::repeat(&[][..])));
        let found = found.map(|(label, row)| is_among(row, *label, self.k)).collect();
        let found = Tensor::from_vec(found, rest)?;
        self.running.add_values(&found, weights).map_err(|error| error.context(name))
    }

    fn result(&self) -> f64 {
        self.running.mean()
    }

    gathered_in!(running);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    fn among(k: usize, targets: Tensor, predictions: Tensor) -> f64 {
        let mut metric = TopKCategoricalAccuracy::k(k);
        metric.update(&targets, &predictions, None).unwrap();
        metric.result()
    }

    #[test]
    fn ties_at_the_border_are_all_among_the_first() {
        let row = || tensor![[0.4, 0.2, 0.2, 0.2]];
        assert_eq!([1, 2, 3].map(|target| among(2, tensor![target], row())), [1.0; 3]);
        assert_eq!(among(1, tensor![3], row()), 0.0);
        assert_eq!(among(0, tensor![0], row()), 0.0);
        assert_eq!(among(9, tensor![3], row()), 1.0);
    }

    #[test]
    fn a_target_that_is_not_a_class_is_not_among_the_first_k() {
        let row = || tensor![[0.4, f64::NAN]];
        assert_eq!([-1.0, 2.0, 0.5, 1.0].map(|target| among(2, tensor![target], row())), [0.0; 4]);
        assert_eq!(among(2, tensor![0], Tensor::zeros([1, 0])), 0.0);
        let error = TopKCategoricalAccuracy::default().update(&tensor![0], &tensor![0.5], None).unwrap_err();
        let expected = "top_k_categorical_accuracy: shape [1]: of the predictions must be [batch, …, classes]";
        assert_eq!(error.to_string(), expected);
    }
}
