//! The rows of normalizations and attention.

use autograd::Result;
use autograd::tensor::ops::{AttentionOptions, Scoring};
use autograd::tensor::{DType, Tensor};
use serde_json::{Value, json};

use super::sampler::Sampler;
use super::{Row, Sample, row};

fn epsilon(attrs: &Value) -> f64 {
    attrs["eps"].as_f64().expect("a number")
}

/// Scaled and shifted along axis 1, as PyTorch has the channels.
fn by_channel(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; x.rank()];
    shape[1] = x.shape()[1];
    x.try_mul(weight.reshape(&shape[..])?)?.try_add(bias.reshape(&shape[..])?)
}

fn layer_norm(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let (shape, features) = (x[0].shape(), x[1].size());
    let rows = shape[..shape.rank() - x[1].rank()].iter().product();
    let weights = [x[1].reshape([1, features])?, x[2].reshape([1, features])?];
    let [y, ..] = x[0].reshape([rows, 1, 1, features])?.normalize_groups(&weights[0], &weights[1], epsilon(attrs))?;
    y.reshape(shape)
}

fn batch_norm(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let (shape, channels) = (x[0].shape(), x[1].size());
    let grouped = x[0].reshape([1, shape[0], channels, shape[2..].iter().product()])?;
    let weights = [x[1].reshape([channels, 1])?, x[2].reshape([channels, 1])?];
    let [y, ..] = grouped.normalize_groups(&weights[0], &weights[1], epsilon(attrs))?;
    y.reshape(shape)
}

/// The sum of all outputs of `normalize_groups`.
fn normalize_groups(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let [y, mean, variance] = x[0].normalize_groups(&x[1], &x[2], epsilon(attrs))?;
    y.try_add(mean.sin())?.try_mul(variance.try_add(1.0)?)
}

fn group_norm(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let (batch, channels) = (x[0].shape()[0], x[0].shape()[1]);
    let groups = attrs["groups"].as_u64().expect("a number") as usize;
    let rest: usize = x[0].shape()[2..].iter().product();
    let grouped = x[0].reshape([batch, groups, channels / groups * rest])?;
    by_channel(&grouped.normalize(-1, epsilon(attrs))?.reshape(x[0].shape())?, &x[1], &x[2])
}

fn attention(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let mut options = AttentionOptions::default();
    if let Some(mask) = x.get(3) {
        options = options.mask(mask);
    }
    if attrs["causal"] == true {
        options = options.causal();
    }
    if let Some(scale) = attrs["scale"].as_f64() {
        options = options.scale(scale);
    }
    x[0].scaled_dot_product_attention(&x[1], &x[2], &options)
}

/// Attention in ordinary operations, which the derivative of its gradient uses.
fn composed_attention(x: &[Tensor], attrs: &Value) -> Result<Tensor> {
    let width = x[0].shape()[x[0].rank() - 1] as f64;
    let scale = attrs["scale"].as_f64().unwrap_or_else(|| width.sqrt().recip());
    Scoring { causal: attrs["causal"] == true, scale }.composed(x)
}

/// Numbers of the drawn shape, which has at least `rank` axes and none of size 0, and weights in the shapes that `weights`
/// returns for it.
fn with_weights(
    s: &mut Sampler,
    rank: usize,
    weights: fn(&[usize]) -> Vec<usize>,
    count: usize,
) -> Option<Vec<Tensor>> {
    let shape = s.shape.clone();
    if shape.len() < rank || shape.contains(&0) {
        return None;
    }
    let weight = weights(&shape);
    Some([shape].into_iter().chain(vec![weight; count]).map(|shape| s.within(&shape, -1.0, 1.0)).collect())
}

fn queries(s: &mut Sampler) -> Sample {
    let batch: Vec<usize> = s.shape.iter().copied().take(1).collect();
    let (queries, keys, width, size) = (s.below(4), 1 + s.below(3), 1 + s.below(3), s.below(3));
    let mut draw = |rows: usize, columns: usize| {
        // Keys and values may be shared by the batch.
        let own = s.below(3) > 0;
        let shape: Vec<usize> = batch.iter().map(|&n| if own { n } else { 1 }).chain([rows, columns]).collect();
        s.within(&shape, -1.0, 1.0)
    };
    let mut inputs = vec![draw(queries, width), draw(keys, width), draw(keys, size)];
    let mask = &[vec![queries, keys], vec![keys], vec![queries, 1]][s.below(3)];
    match s.below(3) {
        0 => inputs.push(s.mask(mask)),
        1 => inputs.push(s.within(mask, -1.0, 1.0)),
        _ => {}
    }
    let scale = if s.coin() { json!(0.4) } else { Value::Null };
    Some((inputs, json!({"causal": s.coin(), "scale": scale})))
}

/// A formula, and operands whose axes have equal sizes for equal letters. An ellipsis stands for one axis.
fn einsum(s: &mut Sampler) -> Sample {
    let formulas = [
        "ij,jk->ik",
        "ij,ij->",
        "ij->ji",
        "ii->i",
        "iij->j",
        "i,j->ij",
        "ij,jk,kl->il",
        "bij,bjk->bik",
        "bqhd,bkhd->bhqk",
        "ij,kj->ki",
        "...ij,...jk",
        "...i,i->...",
        "ijk,i->k",
        "ij,i->i",
    ];
    let formula = formulas[s.below(formulas.len())];
    let mut sizes = std::collections::BTreeMap::new();
    let operands = formula.split("->").next().expect("operands").split(',').map(|part| {
        let part = part.replace("...", ".");
        let shape: Vec<usize> = part.chars().map(|axis| *sizes.entry(axis).or_insert_with(|| s.below(4))).collect();
        s.within(&shape, -1.0, 1.0)
    });
    Some((operands.collect(), json!({"formula": formula})))
}

/// The epsilons are about as large as the variance, so derivatives at equal numbers stay moderate.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row("layer_norm", layer_norm, |s| {
            let trailing = 1 + s.below(s.shape.len().max(1));
            let inputs = if trailing == 1 {
                with_weights(s, 1, |shape| vec![shape[shape.len() - 1]], 2)
            } else {
                with_weights(s, trailing, <[usize]>::to_vec, 2).filter(|x| x[0].rank() == trailing)
            };
            Some((inputs?, json!({"trailing": trailing, "eps": 0.5})))
        }),
        row("batch_norm", batch_norm, |s| Some((with_weights(s, 2, |shape| vec![shape[1]], 2)?, json!({"eps": 0.5})))),
        row("normalize_groups", normalize_groups, |s| {
            let sizes: [usize; 4] = std::array::from_fn(|_| 1 + s.below(3));
            let [_, _, groups, columns] = sizes;
            let weights = [vec![groups, columns], vec![groups, 1], vec![columns], vec![]];
            let weights = [s.below(4), s.below(4)].map(|k| s.within(&weights[k], -1.0, 1.0));
            let [gamma, beta] = weights;
            Some((vec![s.within(&sizes, -1.0, 1.0), gamma, beta], json!({"eps": 0.5})))
        }),
        row(
            "normalize",
            |x, a| {
                let axes: Vec<isize> = serde_json::from_value(a["axes"].clone()).expect("axes");
                x[0].normalize(&axes[..], epsilon(a))
            },
            |s| {
                let shape = s.shape.clone();
                let axes: Vec<usize> = (0..shape.len()).filter(|_| s.coin()).collect();
                Some((vec![s.within(&shape, -1.0, 1.0)], json!({"axes": axes, "eps": 0.5})))
            },
        ),
        row("group_norm", group_norm, |s| {
            let groups = if s.shape.get(1).is_some_and(|size| size.is_multiple_of(2)) { 2 } else { 1 };
            Some((with_weights(s, 2, |shape| vec![shape[1]], 2)?, json!({"groups": groups, "eps": 0.5})))
        }),
        row(
            "rms_norm",
            |x, a| x[0].rms_normalize(-1, epsilon(a))?.try_mul(&x[1]),
            |s| Some((with_weights(s, 1, |shape| vec![shape[shape.len() - 1]], 1)?, json!({"eps": 0.5}))),
        ),
        row("attention", attention, queries),
        row("composed_attention", composed_attention, queries),
        row(
            "einsum",
            |x, a| Tensor::einsum(a["formula"].as_str().expect("a formula"), &x.iter().collect::<Vec<_>>()),
            einsum,
        ),
    ]
}

/// A query that may attend to nothing has weights of zero and no gradient, not NaN.
#[test]
fn attention_to_nothing_is_zero() -> Result<()> {
    let x = Tensor::ones([2, 3]).cast(DType::F64);
    let mask = autograd::tensor::tensor![[false, false], [true, false]];
    let tape = autograd::GradientTape::new();
    tape.watch(&x);
    let y = x.scaled_dot_product_attention(&x, &x, &AttentionOptions::default().mask(&mask))?;
    assert_eq!(y.to_vec::<f64>()?, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(tape.gradient(&y, &x)?.to_vec::<f64>()?, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    Ok(())
}
