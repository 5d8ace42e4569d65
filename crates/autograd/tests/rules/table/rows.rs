//! The rows of the table, family by family.

use autograd::Result;
use autograd::tensor::ops::Reduction;
use autograd::tensor::{DType, Tensor};
use serde_json::{Value, json};

use super::sampler::{Sampler, slice_all};
use super::{Row, Sample, row};

pub(super) fn real(attrs: &Value, name: &str) -> f64 {
    attrs[name].as_f64().expect(name)
}

fn integer(value: &Value) -> isize {
    value.as_i64().expect("an integer") as isize
}

fn axis(attrs: &Value) -> isize {
    integer(&attrs["axis"])
}

fn integers(value: &Value) -> Vec<isize> {
    value.as_array().expect("a list").iter().map(integer).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    integers(value).iter().map(|&n| n as usize).collect()
}

fn reduce(x: &[Tensor], attrs: &Value, reduction: Reduction) -> Result<Tensor> {
    let keepdims = attrs["keepdims"].as_bool().unwrap_or(false);
    match &attrs["axes"] {
        Value::Null => x[0].reduce(reduction, .., keepdims),
        axes => x[0].reduce(reduction, &integers(axes)[..], keepdims),
    }
}

/// The reduction of per-sample losses.
pub(super) fn reduced(loss: Tensor, attrs: &Value) -> Tensor {
    match attrs["reduction"].as_str() {
        Some("mean") => loss.mean(),
        Some("sum") => loss.sum(),
        _ => loss,
    }
}

// ---- how operands are drawn ----

fn any(s: &mut Sampler) -> Sample {
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    Some((vec![x], json!({})))
}

fn apart(s: &mut Sampler) -> Sample {
    let x = s.apart_from_zero(&s.shape.clone());
    Some((vec![x], json!({})))
}

fn positive(s: &mut Sampler) -> Sample {
    let x = s.within(&s.shape.clone(), 0.3, 2.5);
    Some((vec![x], json!({})))
}

fn with(sample: Sample, attrs: Value) -> Sample {
    sample.map(|(inputs, _)| (inputs, attrs))
}

/// Two operands that broadcast, each the larger one half of the time.
fn two(s: &mut Sampler, mut draw: impl FnMut(&mut Sampler, &[usize]) -> Tensor) -> Sample {
    let (full, part) = (s.shape.clone(), s.broadcast_shape());
    let (a, b) = if s.coin() { (full, part) } else { (part, full) };
    let inputs = vec![draw(s, &a), draw(s, &b)];
    Some((inputs, json!({})))
}

fn pair(s: &mut Sampler) -> Sample {
    two(s, |s, shape| s.within(shape, -2.0, 2.0))
}

fn quotient(s: &mut Sampler) -> Sample {
    two(s, Sampler::apart_from_zero)
}

fn positive_pair(s: &mut Sampler) -> Sample {
    two(s, |s, shape| s.within(shape, 0.3, 2.0))
}

/// Two operands no elements of which are nearly equal.
fn unequal_pair(s: &mut Sampler) -> Sample {
    let sample = two(s, |s, shape| s.distinct(shape))?;
    let shifted = &sample.0[1] + 0.05;
    Some((vec![sample.0[0].clone(), shifted.stop_gradient()], json!({})))
}

/// Two operands whose quotients are never near an integer.
fn uneven_quotient(s: &mut Sampler) -> Sample {
    let (mut inputs, attrs) = two(s, |s, shape| s.between_multiples(shape, 3, 1.61, 1.0))?;
    inputs[1] = (&inputs[1] - 0.24).stop_gradient();
    Some((inputs, attrs))
}

fn axes(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    with(any(s), attrs)
}

fn axes_apart(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    with(apart(s), attrs)
}

/// For reductions that need an element, and whose elements must not change order.
fn axes_distinct(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    let x = s.distinct(&s.shape.clone());
    if x.size() == 0 { None } else { Some((vec![x], attrs)) }
}

fn one_axis(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    with(any(s), json!({"axis": axis}))
}

fn one_axis_apart(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    with(apart(s), json!({"axis": axis}))
}

fn one_axis_distinct(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let x = s.distinct(&s.shape.clone());
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    Some((vec![x], json!({"axis": axis, "k": s.below(size + 1), "reversed": s.coin()})))
}

/// For moments with a correction: axes along which there are more elements than that.
fn axes_corrected(s: &mut Sampler, x: Tensor) -> Sample {
    let mut attrs = s.reduction();
    let axes = if attrs["axes"].is_null() { (0..s.shape.len() as isize).collect() } else { integers(&attrs["axes"]) };
    let rank = s.shape.len() as isize;
    let count: usize = axes.iter().map(|axis| s.shape[axis.rem_euclid(rank) as usize]).product();
    let correction = [0.0, 0.5, 1.0][s.below(3)];
    attrs["correction"] = json!(correction);
    if count < 2 { None } else { Some((vec![x], attrs)) }
}

pub(super) fn probabilities(s: &mut Sampler) -> Sample {
    let (_, rows) = s.shape.split_last().filter(|(classes, _)| **classes > 0)?;
    let (rows, classes) = (rows.to_vec(), s.shape[s.shape.len() - 1]);
    let x = s.within(&s.shape.clone(), 0.1, 0.8);
    let targets = s.indices(&rows, classes);
    Some((vec![x, targets], json!({"reduction": "none", "epsilon": 1e-7, "renormalize": s.coin()})))
}

fn logits(s: &mut Sampler) -> Sample {
    let (inputs, _) = probabilities(s)?;
    let reduction = ["none", "mean", "sum"][s.below(3)];
    let smoothing = s.below(2) as f64 * 0.1;
    Some((inputs, json!({"reduction": reduction, "label_smoothing": smoothing})))
}

fn products(s: &mut Sampler) -> Sample {
    let size = |s: &mut Sampler| s.below(4);
    let (m, n, k) = (size(s), size(s), size(s));
    let batch: Vec<usize> = s.shape.iter().copied().take(2).collect();
    let (a, b) = match s.below(8) {
        0 => (vec![k], vec![k]),
        1 => (vec![m, k], vec![k]),
        2 => (vec![k], vec![k, n]),
        3 => (vec![m, k], vec![k, n]),
        4 => ([&batch[..], &[m, k]].concat(), vec![k, n]),
        5 => ([&batch[..], &[m, k]].concat(), vec![k]),
        6 => (vec![k], [&batch[..], &[k, n]].concat()),
        _ => {
            let ones: Vec<usize> = batch.iter().map(|&size| if s.coin() { 1 } else { size }).collect();
            ([&ones[..], &[m, k]].concat(), [&batch[..], &[k, n]].concat())
        }
    };
    Some((vec![s.within(&a, -1.5, 1.5), s.within(&b, -1.5, 1.5)], json!({})))
}

fn reshaped(s: &mut Sampler) -> Sample {
    let shape =
        if s.coin() || s.shape.contains(&0) { vec![s.shape.iter().product::<usize>() as i64] } else { vec![1, -1] };
    with(any(s), json!({"shape": shape}))
}

fn expanded(s: &mut Sampler) -> Sample {
    let part = s.broadcast_shape();
    Some((vec![s.within(&part, -2.0, 2.0)], json!({"shape": s.shape})))
}

fn two_axes(s: &mut Sampler) -> Sample {
    let axes = [s.axis()?, s.axis()?];
    with(any(s), json!({"axes": axes}))
}

fn order(s: &mut Sampler) -> Sample {
    let rank = s.shape.len();
    let start = s.below(rank.max(1));
    let order: Vec<usize> = (0..rank).map(|axis| (axis + start) % rank).collect();
    with(any(s), json!({"axes": order}))
}

fn some_axes(s: &mut Sampler) -> Sample {
    let axes: Vec<usize> = (0..s.shape.len()).filter(|_| s.coin()).collect();
    with(any(s), json!({"axes": axes}))
}

fn ranges(s: &mut Sampler) -> Sample {
    let bound = |s: &mut Sampler| if s.coin() { Value::Null } else { json!(s.below(7) as i64 - 3) };
    let ranges: Vec<Value> = (0..s.shape.len())
        .map(|_| {
            let step = [1, 2, -1, -2][s.below(4)];
            json!([bound(s), bound(s), step])
        })
        .collect();
    with(any(s), json!({"ranges": ranges}))
}

fn padding(s: &mut Sampler) -> Sample {
    let pads: Vec<[usize; 2]> = (0..s.shape.len()).map(|_| [s.below(3), s.below(3)]).collect();
    with(any(s), json!({"pads": pads, "value": 0.5}))
}

fn several(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    let parts = (0..1 + s.below(3)).map(|_| {
        let mut shape = s.shape.clone();
        shape[place] = s.below(3);
        s.within(&shape, -2.0, 2.0)
    });
    Some((parts.collect(), json!({"axis": axis})))
}

fn equal_parts(s: &mut Sampler) -> Sample {
    let shape = s.shape.clone();
    let parts = (0..1 + s.below(3)).map(|_| s.within(&shape, -2.0, 2.0)).collect();
    Some((parts, json!({"axis": s.below(shape.len() + 1)})))
}

fn cuts(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    let first = s.below(size + 1);
    with(any(s), json!({"axis": axis, "sizes": [first, size - first], "index": s.below(2)}))
}

fn singleton(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    s.shape[place] = 1;
    with(any(s), json!({"axis": if s.coin() { json!(axis) } else { Value::Null }}))
}

fn gathered(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    let size = s.shape[place];
    if size == 0 {
        return None;
    }
    // The index may be shorter than what is read along the other axes, and than the source along all.
    let mut shape = s.shape.clone();
    shape.iter_mut().for_each(|n| *n -= usize::from(s.below(4) == 0).min(*n));
    shape[place] = s.below(4);
    let index = s.indices(&shape, size);
    let longer: Vec<usize> = shape.iter().map(|&n| n + usize::from(s.below(4) == 0)).collect();
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    let source = s.within(&longer, -2.0, 2.0);
    Some((vec![x, index, source], json!({"axis": axis})))
}

fn taken(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    let shape = [vec![], vec![3], vec![2, 2], vec![0]][s.below(4)].clone();
    let index = if size == 0 { return None } else { s.indices(&shape, size) };
    Some((vec![s.within(&s.shape.clone(), -2.0, 2.0), index], json!({"axis": axis})))
}

fn masked(s: &mut Sampler) -> Sample {
    let part = s.broadcast_shape();
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    Some((vec![x, s.mask(&part)], json!({"value": 0.5})))
}

fn chosen(s: &mut Sampler) -> Sample {
    let shapes = [s.broadcast_shape(), s.broadcast_shape(), s.broadcast_shape()];
    let mask = s.mask(&shapes[0]);
    Some((vec![mask, s.within(&shapes[1], -2.0, 2.0), s.within(&shapes[2], -2.0, 2.0)], json!({})))
}

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
                // Tenths and a bit: never at a bound.
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
        row("argmax", |x, a| x[0].argmax(axis(a)), one_axis_nonempty),
        row("argmin", |x, a| x[0].argmin(axis(a)), one_axis_nonempty),
    ]
}

fn one_axis_nonempty(s: &mut Sampler) -> Sample {
    if s.shape.contains(&0) { None } else { one_axis_distinct(s) }
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
        row("reshape", |x, a| x[0].reshape_to(&integers(&a["shape"])), reshaped),
        row("expand", |x, a| x[0].expand(sizes(&a["shape"])), expanded),
        row("transpose", |x, a| x[0].transpose(integer(&a["axes"][0]), integer(&a["axes"][1])), two_axes),
        row("permute", |x, a| x[0].permute(&integers(&a["axes"])), order),
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
                x[0].pad(&pads.collect::<Vec<_>>(), real(a, "value"))
            },
            padding,
        ),
        row("concat", |x, a| Tensor::concat(&x.iter().collect::<Vec<_>>(), axis(a)), several),
        row("stack", |x, a| Tensor::stack(&x.iter().collect::<Vec<_>>(), axis(a)), equal_parts),
        row(
            "split",
            |x, a| Ok(x[0].split(&sizes(&a["sizes"]), axis(a))?.swap_remove(integer(&a["index"]) as usize)),
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
            |x, a| x[0].tile(&sizes(&a["reps"])),
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

fn bands(s: &mut Sampler) -> Sample {
    let k = s.below(5) as i64 - 2;
    if s.shape.len() < 2 { None } else { with(any(s), json!({"k": k})) }
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
                let uniform = x[0].log_softmax(-1)?.mean_axes(-1)?;
                Ok(reduced(loss * (1.0 - smoothing) - uniform * smoothing, a))
            },
            logits,
        ),
    ]
}
