//! Targets and predictions as numbers of classes.

use tensor::{DType, Error, Shape, Tensor};

use crate::metrics::weights::weights_of;

/// Targets and predictions as numbers of classes, both in the shape of the targets' labels; the
/// targets as they are, which may be no class. See the table at [`Accuracy`](crate::Accuracy).
///
/// A prediction of one number is of class 1 above the threshold. Of several classes that are the
/// greatest the first counts.
pub(super) fn classes(
    metric: &str,
    targets: &Tensor,
    predictions: &Tensor,
    threshold: f64,
) -> tensor::Result<(Tensor, Tensor)> {
    let Some((&last, rest)) = predictions.shape().split_last() else {
        let expected = "needs predictions with a first axis that counts samples";
        return Err(Error::shape(metric, predictions.shape(), expected));
    };
    if last == 1 || rest.is_empty() {
        let targets = arranged(metric, targets, predictions.shape(), predictions.shape())?;
        return Ok((targets, predictions.greater(threshold)?.cast(DType::I64)));
    }
    let chosen = predictions.argmax(-1)?;
    if targets.shape() == predictions.shape() {
        return Ok((targets.argmax(-1)?, chosen));
    }
    let targets = arranged(metric, targets, chosen.shape(), predictions.shape())?;
    Ok((targets, chosen))
}

/// The targets in the shape `expected`, to which they may lack a last axis of size 1, or have one
/// too many.
pub(super) fn arranged(
    metric: &str,
    targets: &Tensor,
    expected: &Shape,
    predictions: &Shape,
) -> tensor::Result<Tensor> {
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

/// Each sample that counts: the class of its target, the class that was predicted, its weight.
pub(super) struct Decisions {
    /// The number of classes, 2 for predictions of one number.
    pub(super) classes: usize,
    pub(super) samples: Vec<(usize, usize, f64)>,
}

impl Decisions {
    /// # Errors
    /// If shapes do not suit, or the target of a sample that counts is no class.
    pub(super) fn new(
        metric: &str,
        threshold: f64,
        targets: &Tensor,
        predictions: &Tensor,
        weights: Option<&Tensor>,
    ) -> tensor::Result<Decisions> {
        let (labels, chosen) = classes(metric, targets, predictions, threshold)?;
        let weights = weights_of(weights, labels.shape()).map_err(|error| error.context(metric))?;
        let classes = if chosen.size() == predictions.size() { 2 } else { predictions.shape()[predictions.rank() - 1] };
        let labels = labels.cast(DType::F64).to_vec::<f64>()?;
        let samples = labels.iter().zip(chosen.to_vec::<i64>()?).zip(weights).filter(|(_, weight)| *weight > 0.0);
        let samples = samples.map(|((&label, chosen), weight)| {
            if label.fract() == 0.0 && (0.0..classes as f64).contains(&label) {
                return Ok((label as usize, chosen as usize, weight));
            }
            Err(Error::argument(metric, format!("the target {label} is none of the classes 0 to {}", classes - 1)))
        });
        Ok(Decisions { classes, samples: samples.collect::<tensor::Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn targets_that_are_no_class_are_refused_where_they_count() {
        let predictions = tensor![[0.1, 0.9, 0.0], [0.5, 0.5, 0.0]];
        let of = |targets: Tensor, weights| Decisions::new("recall", 0.5, &targets, &predictions, weights);
        assert_eq!(of(tensor![2, 0], None).unwrap().samples, [(2, 1, 1.0), (0, 0, 1.0)]);
        for (target, name) in [(3.0, "3"), (-1.0, "-1"), (0.5, "0.5"), (f64::NAN, "NaN")] {
            let message = of(tensor![target, 0.0], None).err().unwrap().to_string();
            assert_eq!(message, format!("recall: the target {name} is none of the classes 0 to 2"));
        }
        let ignored = of(tensor![-1, 0], Some(&tensor![0.0, 2.0])).unwrap();
        assert_eq!((ignored.classes, ignored.samples), (3, vec![(0, 0, 2.0)]));
        let binary = Decisions::new("recall", 0.5, &tensor![[1], [0]], &tensor![[0.6], [0.7]], None).unwrap();
        assert_eq!((binary.classes, binary.samples), (2, vec![(1, 1, 1.0), (0, 1, 1.0)]));
    }
}
