//! The rows of the table, family by family.

use autograd::tensor::ops::Reduction;
use autograd::tensor::{DType, Tensor};
use serde_json::{Value, json};

use super::operands::*;
use super::sampler::slice_all;
use super::{Row, row};

/// The rows by family.
pub(crate) fn families() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("unary", unary()),
        ("binary", binary()),
        ("reductions", reductions()),
        ("scans", scans()),
        ("movement", movement()),
        ("index", index()),
        ("fused", fused()),
        ("losses", super::losses::rows()),
        ("convolutions", super::conv::rows()),
        ("linear algebra", super::linalg::rows()),
        ("networks", super::networks::rows()),
        ("recurrence", super::recurrent::rows()),
    ]
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    families().into_iter().flat_map(|(_, rows)| rows).collect()
}

fn unary() -> Vec<Row> {
    vec![
        row("neg", |x, _| x[0].try_neg(), any),
        row("abs", |x, _| Ok(x[0].abs()), apart),
        row("sign", |x, _| Ok(x[0].sign()), apart),
        row("square", |x, _| Ok(x[0].square()), any),
        row("exp", |x, _| Ok(x[0].exp()), any),
        row("expm1", |x, _| Ok(x[0].expm1()), any),
        row("log", |x, _| Ok(x[0].log()), positive),
        row("log1p", |x, _| Ok(x[0].log1p()), positive),
        row("sqrt", |x, _| Ok(x[0].sqrt()), positive),
        row("rsqrt", |x, _| Ok(x[0].rsqrt()), positive),
        row("reciprocal", |x, _| Ok(x[0].reciprocal()), positive),
        row("sin", |x, _| Ok(x[0].sin()), any),
        row("cos", |x, _| Ok(x[0].cos()), any),
        row(
            "tan",
            |x, _| Ok(x[0].tan()),
            |s| {
                let x = s.within(&s.shape.clone(), -1.0, 1.0);
                Some((vec![x], json!({})))
            },
        ),
        row("tanh", |x, _| Ok(x[0].tanh()), any),
        row("sigmoid", |x, _| Ok(x[0].sigmoid()), any),
        row("relu", |x, _| Ok(x[0].relu()), apart),
        row("leaky_relu", |x, a| Ok(x[0].leaky_relu(real(a, "alpha"))), |s| with(apart(s), json!({"alpha": 0.2}))),
        row("elu", |x, a| Ok(x[0].elu(real(a, "alpha"))), |s| with(apart(s), json!({"alpha": 0.7}))),
        row("selu", |x, _| Ok(x[0].selu()), apart),
        row("silu", |x, _| Ok(x[0].silu()), any),
        row("softplus", |x, _| Ok(x[0].softplus()), any),
        row("erf", |x, _| Ok(x[0].erf()), any),
        row(
            "gelu",
            |x, a| Ok(if a["approximate"] == true { x[0].gelu_tanh() } else { x[0].gelu() }),
            |s| {
                let approximate = s.coin();
                with(any(s), json!({"approximate": approximate}))
            },
        ),
        row(
            "floor",
            |x, _| Ok(x[0].floor()),
            |s| {
                let x = s.between_multiples(&s.shape.clone(), 5, 0.4, 1.0);
                Some((vec![x], json!({})))
            },
        ),
        row(
            "ceil",
            |x, _| Ok(x[0].ceil()),
            |s| {
                let x = s.between_multiples(&s.shape.clone(), 5, 0.4, 1.0);
                Some((vec![x], json!({})))
            },
        ),
        row(
            "round",
            |x, _| Ok(x[0].round()),
            |s| {
                let x = s.between_multiples(&s.shape.clone(), 5, 0.3, 1.0);
                Some((vec![x], json!({})))
            },
        ),
        row(
            "clamp",
            |x, a| x[0].clamp(a["min"].as_f64(), a["max"].as_f64()),
            |s| {
                let bounds = [
                    json!({"min": -1.0, "max": 1.5}),
                    json!({"min": null, "max": 0.5}),
                    json!({"min": 0.5, "max": null}),
                ];
                let bounds = bounds[s.below(3)].clone();
                // Never exactly at a bound.
                let x = s.between_multiples(&s.shape.clone(), 40, -19.5, 0.1);
                Some((vec![x], bounds))
            },
        ),
        row(
            "pow_const",
            |x, a| x[0].pow(real(a, "exponent")),
            |s| {
                let exponent = [2.0, 3.0, -1.0, 0.5, 1.5, 0.0, 1.0][s.below(7)];
                with(positive(s), json!({"exponent": exponent}))
            },
        ),
        row(
            "cast",
            |x, _| Ok(x[0].cast(DType::F32).cast(DType::F64)),
            |s| {
                // Halves are exact in float32, and so are their differences with a step that is a power of two.
                let x = s.indices(&s.shape.clone(), 5).cast(DType::F64) * 0.5;
                Some((vec![x], json!({"step": 0.0625})))
            },
        ),
    ]
}

fn binary() -> Vec<Row> {
    vec![
        row("add", |x, _| x[0].try_add(&x[1]), pair),
        row("sub", |x, _| x[0].try_sub(&x[1]), pair),
        row("mul", |x, _| x[0].try_mul(&x[1]), pair),
        row("multiply_no_nan", |x, _| x[0].multiply_no_nan(&x[1]), pair),
        row("div", |x, _| x[0].try_div(&x[1]), quotient),
        row("pow", |x, _| x[0].pow(&x[1]), positive_pair),
        row("maximum", |x, _| x[0].maximum(&x[1]), unequal_pair),
        row("minimum", |x, _| x[0].minimum(&x[1]), unequal_pair),
        row("atan2", |x, _| x[0].atan2(&x[1]), quotient),
        row("remainder", |x, _| x[0].remainder(&x[1]), uneven_quotient),
        row("floor_div", |x, _| x[0].floor_div(&x[1]), uneven_quotient),
        row("where", |x, _| x[0].select(&x[1], &x[2]), chosen),
        row("matmul", |x, _| x[0].matmul(&x[1]), products),
        row(
            "outer",
            |x, _| x[0].outer(&x[1]),
            |s| {
                let (a, b) = (s.below(4), s.below(4));
                Some((vec![s.within(&[a], -2.0, 2.0), s.within(&[b], -2.0, 2.0)], json!({})))
            },
        ),
    ]
}

fn reductions() -> Vec<Row> {
    vec![
        row("sum", |x, a| reduce(x, a, Reduction::Sum), axes),
        row("mean", |x, a| reduce(x, a, Reduction::Mean), |s| if s.shape.contains(&0) { None } else { axes(s) }),
        row("prod", |x, a| reduce(x, a, Reduction::Prod), axes_apart),
        row("max", |x, a| reduce(x, a, Reduction::Max), axes_distinct),
        row("min", |x, a| reduce(x, a, Reduction::Min), axes_distinct),
        row(
            "var",
            |x, a| reduce(x, a, Reduction::Var { correction: real(a, "correction") }),
            |s| {
                let x = s.within(&s.shape.clone(), -2.0, 2.0);
                axes_corrected(s, x)
            },
        ),
        row(
            "std",
            |x, a| {
                let (keepdims, correction) = (a["keepdims"] == true, real(a, "correction"));
                match &a["axes"] {
                    Value::Null => x[0].std_corrected(.., keepdims, correction),
                    axes => x[0].std_corrected(&integers(axes)[..], keepdims, correction),
                }
            },
            |s| {
                let x = s.distinct(&s.shape.clone());
                axes_corrected(s, x)
            },
        ),
        row(
            "logsumexp",
            |x, a| reduce(x, a, Reduction::LogSumExp),
            |s| {
                if s.shape.contains(&0) { None } else { axes(s) }
            },
        ),
        row("norm", |x, a| reduce(x, a, Reduction::Norm), axes_apart),
        row("argmax", |x, a| x[0].argmax_axis(axis(a)), one_axis_nonempty),
        row("argmin", |x, a| x[0].argmin_axis(axis(a)), one_axis_nonempty),
    ]
}

fn scans() -> Vec<Row> {
    vec![
        row("cumsum", |x, a| x[0].cumsum(axis(a)), one_axis),
        row("cumprod", |x, a| x[0].cumprod(axis(a)), one_axis_apart),
        row(
            "sort",
            |x, a| Ok(if a["reversed"] == true { x[0].sort_descending(axis(a)) } else { x[0].sort(axis(a)) }?.0),
            one_axis_distinct,
        ),
        row(
            "topk",
            |x, a| {
                let (k, axis) = (integer(&a["k"]) as usize, axis(a));
                Ok(if a["reversed"] == true { x[0].bottomk(k, axis) } else { x[0].topk(k, axis) }?.0)
            },
            one_axis_distinct,
        ),
    ]
}

fn movement() -> Vec<Row> {
    vec![
        row("reshape", |x, a| x[0].reshape(integers(&a["shape"])), reshaped),
        row("expand", |x, a| x[0].expand(sizes(&a["shape"])), expanded),
        row("transpose", |x, a| x[0].transpose(integer(&a["axes"][0]), integer(&a["axes"][1])), two_axes),
        row("permute", |x, a| x[0].permute(integers(&a["axes"])), order),
        row("flip", |x, a| x[0].flip(&integers(&a["axes"])[..]), some_axes),
        row(
            "slice",
            |x, a| {
                let bound = |value: &Value| value.as_i64().map(|n| n as isize);
                let ranges: Vec<_> = a["ranges"]
                    .as_array()
                    .expect("ranges")
                    .iter()
                    .map(|range| (bound(&range[0]), bound(&range[1]), integer(&range[2])))
                    .collect();
                slice_all(&x[0], &ranges)
            },
            ranges,
        ),
        row(
            "pad",
            |x, a| {
                let pads = a["pads"].as_array().expect("pads").iter().map(|pair| {
                    let pair = sizes(pair);
                    (pair[0], pair[1])
                });
                x[0].pad(pads.collect::<Vec<_>>(), real(a, "value"))
            },
            padding,
        ),
        row("concat", |x, a| Tensor::concat(&x.iter().collect::<Vec<_>>(), axis(a)), several),
        row("stack", |x, a| Tensor::stack(&x.iter().collect::<Vec<_>>(), axis(a)), equal_parts),
        row(
            "split",
            |x, a| Ok(x[0].split(sizes(&a["sizes"]), axis(a))?.swap_remove(integer(&a["index"]) as usize)),
            cuts,
        ),
        row("squeeze", |x, a| if a["axis"].is_null() { x[0].squeeze(..) } else { x[0].squeeze(axis(a)) }, singleton),
        row(
            "unsqueeze",
            |x, a| x[0].expand_dims(axis(a)),
            |s| {
                let axis = s.below(s.shape.len() + 1);
                with(any(s), json!({"axis": axis}))
            },
        ),
        row(
            "tile",
            |x, a| x[0].tile(sizes(&a["reps"])),
            |s| {
                let reps: Vec<usize> = s.shape.clone().iter().map(|_| s.below(3)).collect();
                with(any(s), json!({"reps": reps}))
            },
        ),
        row(
            "roll",
            |x, a| x[0].roll(integer(&a["shift"]), axis(a)),
            |s| {
                let (axis, shift) = (s.axis()?, s.below(9) as i64 - 4);
                with(any(s), json!({"axis": axis, "shift": shift}))
            },
        ),
        row("tril", |x, a| x[0].tril(integer(&a["k"])), bands),
        row("triu", |x, a| x[0].triu(integer(&a["k"])), bands),
    ]
}

fn index() -> Vec<Row> {
    vec![
        row("gather", |x, a| x[0].gather(&x[1], axis(a)), gathered),
        row("index_select", |x, a| x[0].take(&x[1], axis(a)), taken),
        row(
            "embedding",
            |x, _| x[0].take(&x[1], 0),
            |s| {
                let (inputs, attrs) = taken(s)?;
                if s.shape[0] == 0 {
                    return None;
                }
                let index = s.indices(inputs[1].shape(), s.shape[0]);
                Some((vec![inputs[0].clone(), index], attrs))
            },
        ),
        row("scatter_add", |x, a| x[0].scatter_add(&x[1], &x[2], axis(a)), gathered),
        row("masked_fill", |x, a| x[0].masked_fill(&x[1], real(a, "value")), masked),
        row(
            "masked_select",
            |x, _| x[0].masked_select(&x[1]),
            |s| {
                let shape = s.shape.clone();
                if shape.is_empty() {
                    return None;
                }
                let leading = 1 + s.below(shape.len());
                let mask = s.mask(&shape[..leading]);
                Some((vec![s.within(&shape, -2.0, 2.0), mask], json!({})))
            },
        ),
        row(
            "one_hot",
            |x, a| x[0].one_hot(integer(&a["classes"]) as usize),
            |s| {
                let x = s.indices(&s.shape.clone(), 4);
                Some((vec![x], json!({"classes": 4})))
            },
        ),
    ]
}

fn fused() -> Vec<Row> {
    vec![
        row("softmax", |x, a| x[0].softmax(axis(a)), one_axis),
        row("log_softmax", |x, a| x[0].log_softmax(axis(a)), one_axis),
        row(
            "cross_entropy",
            |x, a| {
                let smoothing = a["label_smoothing"].as_f64().unwrap_or(0.0);
                let loss = x[0].softmax_cross_entropy(&x[1])?;
                let uniform = x[0].log_softmax(-1)?.mean_axis(-1)?;
                Ok(reduced(loss * (1.0 - smoothing) - uniform * smoothing, a))
            },
            logits,
        ),
    ]
}
