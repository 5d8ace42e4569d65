//! The rows of losses.

use autograd::tensor::Tensor;
use serde_json::json;

use super::operands::{probabilities, real, reduced};
use super::sampler::Sampler;
use super::{Row, Sample, row};

fn loss_pair(s: &mut Sampler) -> Sample {
    let shape = s.shape.clone();
    let target = s.within(&shape, -1.0, 1.0);
    let offset = s.apart_from_zero(&shape);
    let x = (&target + offset).stop_gradient();
    Some((vec![x, target], json!({"reduction": "none", "delta": 5.0})))
}

fn probability_pair(s: &mut Sampler) -> Sample {
    if s.shape.is_empty() || s.shape.contains(&0) {
        return None;
    }
    let shape = s.shape.clone();
    let (x, t) = (s.within(&shape, 0.1, 0.9), s.within(&shape, 0.1, 0.9));
    Some((vec![x, t], json!({"reduction": "none", "epsilon": 1e-7})))
}

/// Losses as users compose them.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row("mse", |x, a| Ok(reduced((&x[0] - &x[1]).square(), a)), loss_pair),
        row("mae", |x, a| Ok(reduced((&x[0] - &x[1]).abs(), a)), loss_pair),
        row(
            "huber",
            |x, a| {
                let (d, delta) = (&x[0] - &x[1], real(a, "delta"));
                let inside = d.abs().less(delta)?;
                Ok(reduced(inside.select(d.square() * 0.5, (d.abs() - delta / 2.0) * delta)?, a))
            },
            loss_pair,
        ),
        row("bce_logits", |x, a| Ok(reduced(x[0].softplus() - &x[0] * &x[1], a)), loss_pair),
        row(
            "bce_probs",
            |x, a| {
                let epsilon = a["epsilon"].as_f64();
                let log = |p: Tensor| match epsilon {
                    Some(_) => Ok(p.log()),
                    None => p.log().maximum(-100.0),
                };
                let p = match epsilon {
                    Some(epsilon) => x[0].clamp(epsilon, 1.0 - epsilon)?,
                    None => x[0].clone(),
                };
                let loss = &x[1] * log(p.clone())? + (1.0 - &x[1]) * log(1.0 - &p)?;
                Ok(reduced(-loss, a))
            },
            probability_pair,
        ),
        row(
            "kl_div",
            |x, a| {
                let loss = &x[1] * (x[1].log() - &x[0]);
                if a["reduction"] == "batchmean" {
                    return Ok(loss.sum() / loss.shape()[0] as f64);
                }
                Ok(reduced(loss, a))
            },
            probability_pair,
        ),
        row(
            "nll_probs",
            |x, a| {
                let epsilon = real(a, "epsilon");
                let q = x[0].clamp(epsilon, 1.0 - epsilon)?;
                let loss = if a["renormalize"] == true {
                    q.log().softmax_cross_entropy(&x[1])?
                } else {
                    -q.log().gather(&x[1].expand_dims(-1)?, -1)?.squeeze(-1)?
                };
                Ok(reduced(loss, a))
            },
            probabilities,
        ),
        row(
            "categorical_probs",
            |x, a| {
                let epsilon = real(a, "epsilon");
                let q = (&x[0] / x[0].sum_keepdims(-1)?).clamp(epsilon, 1.0 - epsilon)?;
                Ok(reduced(-(&x[1] * q.log()).sum_axis(-1)?, a))
            },
            probability_pair,
        ),
    ]
}
