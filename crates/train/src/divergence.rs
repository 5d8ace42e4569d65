//! Where a loss that is not finite comes from.

use data::Batch;
use nn::{Layer, Mode, first_non_finite};
use tensor::{DType, Error, Tensor};

use crate::batch_end::BatchEnd;
use crate::error::TrainError;

/// A [`TrainError::Loss`]. Runs the model once more to find the first NaN or infinite element.
pub(crate) fn loss_error(end: &BatchEnd, learning_rate: f64, model: &dyn Layer, batch: &Batch) -> Error {
    let origin = if !batch.targets.all_finite() {
        "the targets have NaN or infinite elements".into()
    } else if let Some(weights) = batch.weights.as_ref().filter(|weights| !weights.all_finite()) {
        first_non_finite_weight(weights)
    } else {
        first_non_finite(model, &batch.features, batch.mask.as_ref(), Mode::Training)
            .unwrap_or_else(|| "the predictions are finite".into())
    };
    TrainError::Loss { loss: end.loss, epoch: end.epoch, batch: end.batch, learning_rate, origin }.into()
}

/// Describes the first sample weight that is NaN or infinite.
fn first_non_finite_weight(weights: &Tensor) -> String {
    let values = weights.cast(DType::F64).to_vec::<f64>().unwrap_or_default();
    match values.iter().position(|weight| !weight.is_finite()) {
        Some(flat) => {
            let sample = weights.shape().unravel_index(flat).first().copied().unwrap_or(0);
            format!("the weight of sample {sample} of the batch is {}", values[flat])
        }
        None => "the sample weights have NaN or infinite elements".into(),
    }
}
