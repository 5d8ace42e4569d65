//! Targets and predictions as class indices.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::metrics::weights::weights_of;

/// Converts targets and predictions to class indices in the shape of the labels. Targets are not checked and may be no
/// class. See the table at [`Accuracy`](crate::Accuracy).
///
/// A prediction of one number is class 1 above the threshold. Among several equal maxima the first one counts.
pub(super) fn classes(
    metric: &str,
    targets: &Tensor,
    predictions: &Tensor,
    threshold: f64,
) -> Result<(Tensor, Tensor)> {
    let Some((&last, rest)) = predictions.shape().split_last() else {
        let expected = "needs predictions with a first axis that counts samples";
        return Err(Error::shape(metric, predictions.shape(), expected));
    };
    if last == 1 || rest.is_empty() {
        let targets = arranged(metric, targets, predictions.shape(), predictions.shape())?;
        return Ok((targets, above(metric, predictions, threshold)?.cast(DType::I64)));
    }
    let chosen = predictions.argmax_axis(-1)?;
    if targets.shape() == predictions.shape() {
        return Ok((targets.argmax_axis(-1)?, chosen));
    }
    let targets = arranged(metric, targets, chosen.shape(), predictions.shape())?;
    Ok((targets, chosen))
}

/// Which predictions are above the threshold.
pub(super) fn above(metric: &str, predictions: &Tensor, threshold: f64) -> Result<Tensor> {
    if predictions.dtype().is_float() {
        return predictions.greater(threshold);
    }
    let message = format!(
        "the predictions are {}, and are to be compared with the threshold {threshold}; give it the probabilities or \
         logits that the model returns, not the classes chosen from them",
        predictions.dtype()
    );
    Err(Error::argument(metric, message))
}

/// Describes the position of the element at the row-major index `flat`.
pub(super) fn place(shape: &Shape, flat: usize) -> String {
    match &shape.unravel_index(flat)[..] {
        [sample] | [sample, 0] if shape.get(1).is_none_or(|&size| size == 1) => format!("of sample {sample}"),
        index => format!("at {index:?}"),
    }
}

/// The error for a target that is not a class.
pub(super) fn no_class(metric: &str, label: f64, labels: &Shape, flat: usize, classes: usize) -> Error {
    let message = format!(
        "the target {label} {} is not one of the classes 0 to {}; `ignore_class` of a loss does not reach metrics: give such samples the weight 0",
        place(labels, flat),
        classes - 1
    );
    Error::argument(metric, message)
}

/// Reshapes targets to `expected`; a last axis of size 1 may be missing or extra.
pub(super) fn arranged(metric: &str, targets: &Tensor, expected: &Shape, predictions: &Shape) -> Result<Tensor> {
    let without = |shape: &Shape| match shape.split_last() {
        Some((1, rest)) => Some(Shape::from(rest)),
        _ => None,
    };
    let shape = targets.shape();
    if shape == expected || without(shape).as_ref() == Some(expected) || without(expected).as_ref() == Some(shape) {
        return targets.reshape(expected.clone());
    }
    let message = format!("of the targets does not go with that of the predictions, {predictions}");
    Err(Error::shape(metric, shape, message))
}

/// The samples with nonzero weights: target class, predicted class, weight.
pub(super) struct Decisions {
    /// The number of classes, 2 for predictions of one number.
    pub(super) classes: usize,
    pub(super) samples: Vec<(usize, usize, f64)>,
}

impl Decisions {
    /// # Errors
    /// Returns an error if shapes do not fit, or the target of a sample with nonzero weight is not a class.
    pub(super) fn new(
        metric: &str,
        threshold: f64,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Decisions> {
        let (labels, chosen) = classes(metric, targets, predictions, threshold)?;
        let weights = weights_of(weights, labels.shape()).map_err(|error| error.context(metric))?;
        let classes = if chosen.size() == predictions.size() { 2 } else { predictions.shape()[predictions.rank() - 1] };
        let shape = labels.shape();
        let labels = labels.cast(DType::F64).to_vec::<f64>()?;
        let samples = labels.iter().zip(chosen.to_vec::<i64>()?).zip(weights).enumerate();
        let samples = samples.filter(|(_, (_, weight))| *weight > 0.0).map(|(k, ((&label, chosen), weight))| {
            if label.fract() == 0.0 && (0.0..classes as f64).contains(&label) {
                return Ok((label as usize, chosen as usize, weight));
            }
            Err(no_class(metric, label, shape, k, classes))
        });
        Ok(Decisions { classes, samples: samples.collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn invalid_target_classes_are_refused_unless_their_weight_is_zero() {
        let predictions = tensor![[0.1, 0.9, 0.0], [0.5, 0.5, 0.0]];
        let of = |targets: Tensor, weights| Decisions::new("recall", 0.5, &targets, &predictions, weights);
        assert_eq!(of(tensor![2, 0], None).unwrap().samples, [(2, 1, 1.0), (0, 0, 1.0)]);
        for (target, name) in [(3.0, "3"), (-1.0, "-1"), (0.5, "0.5"), (f64::NAN, "NaN")] {
            let message = of(tensor![target, 0.0], None).err().unwrap().to_string();
            let end = "is not one of the classes 0 to 2; `ignore_class` of a loss does not reach metrics: give such samples the weight 0";
            assert_eq!(message, format!("recall: the target {name} of sample 0 {end}"));
        }
        let ignored = of(tensor![-1, 0], Some(&tensor![0.0, 2.0])).unwrap();
        assert_eq!((ignored.classes, ignored.samples), (3, vec![(0, 0, 2.0)]));
        let binary = Decisions::new("recall", 0.5, &tensor![[1], [0]], &tensor![[0.6], [0.7]], None).unwrap();
        assert_eq!((binary.classes, binary.samples), (2, vec![(1, 1, 1.0), (0, 1, 1.0)]));
    }
    #[test]
    fn class_indices_are_not_valid_predictions() {
        for predictions in [tensor![1, 0], tensor![[1], [0]], tensor![true, false]] {
            let message = classes("accuracy", &tensor![1, 0], &predictions, 0.5).unwrap_err().to_string();
            let expected = format!(
                "accuracy: the predictions are {}, and are to be compared with the threshold 0.5; give it the \
                 probabilities or logits that the model returns, not the classes chosen from them",
                predictions.dtype()
            );
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn places_are_samples_or_indices() {
        assert_eq!(place(&[4].into(), 3), "of sample 3");
        assert_eq!(place(&[4, 1].into(), 3), "of sample 3");
        assert_eq!(place(&[4, 3].into(), 3), "at [1, 0]");
    }
}
