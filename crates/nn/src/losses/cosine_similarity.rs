//! Cosine similarity.

use tensor::{Result, Tensor};

use super::checks::EPSILON;
use super::plain::plain_losses;

plain_losses! {
    /// `-t · p / (‖t‖ ‖p‖)` over the last axis: from -1 for equal directions to 1 for opposite ones. A vector shorter than
    /// 1e-7 is divided by 1e-7 instead of its length.
    cosine_similarity CosineSimilarity |t, p| unit(t)?.try_mul(unit(p)?)?.sum_axis(-1)?.try_neg();
}

/// Scales the vectors along the last axis to length 1.
fn unit(x: &Tensor) -> Result<Tensor> {
    x.try_div(x.norm_keepdims(-1)?.clamp(EPSILON, None)?)
}
