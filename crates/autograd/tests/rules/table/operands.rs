//! Draws operands for the rows, and reads their attributes.

use autograd::Result;
use autograd::tensor::Tensor;
use autograd::tensor::ops::Reduction;
use serde_json::{Value, json};

use super::Sample;
use super::sampler::Sampler;

pub(super) fn real(attrs: &Value, name: &str) -> f64 {
    attrs[name].as_f64().expect(name)
}

pub(super) fn integer(value: &Value) -> isize {
    value.as_i64().expect("an integer") as isize
}

pub(super) fn axis(attrs: &Value) -> isize {
    integer(&attrs["axis"])
}

pub(super) fn integers(value: &Value) -> Vec<isize> {
    value.as_array().expect("a list").iter().map(integer).collect()
}

pub(super) fn sizes(value: &Value) -> Vec<usize> {
    integers(value).iter().map(|&n| n as usize).collect()
}

pub(super) fn reduce(x: &[Tensor], attrs: &Value, reduction: Reduction) -> Result<Tensor> {
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

pub(super) fn any(s: &mut Sampler) -> Sample {
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    Some((vec![x], json!({})))
}

pub(super) fn apart(s: &mut Sampler) -> Sample {
    let x = s.apart_from_zero(&s.shape.clone());
    Some((vec![x], json!({})))
}

pub(super) fn positive(s: &mut Sampler) -> Sample {
    let x = s.within(&s.shape.clone(), 0.3, 2.5);
    Some((vec![x], json!({})))
}

pub(super) fn with(sample: Sample, attrs: Value) -> Sample {
    sample.map(|(inputs, _)| (inputs, attrs))
}

/// Two operands that broadcast. Each is the larger one in half of the cases.
pub(super) fn two(s: &mut Sampler, mut draw: impl FnMut(&mut Sampler, &[usize]) -> Tensor) -> Sample {
    let (full, part) = (s.shape.clone(), s.broadcast_shape());
    let (a, b) = if s.coin() { (full, part) } else { (part, full) };
    let inputs = vec![draw(s, &a), draw(s, &b)];
    Some((inputs, json!({})))
}

pub(super) fn pair(s: &mut Sampler) -> Sample {
    two(s, |s, shape| s.within(shape, -2.0, 2.0))
}

pub(super) fn quotient(s: &mut Sampler) -> Sample {
    two(s, Sampler::apart_from_zero)
}

pub(super) fn positive_pair(s: &mut Sampler) -> Sample {
    two(s, |s, shape| s.within(shape, 0.3, 2.0))
}

/// Two operands whose elements are never nearly equal.
pub(super) fn unequal_pair(s: &mut Sampler) -> Sample {
    let sample = two(s, |s, shape| s.distinct(shape))?;
    let shifted = &sample.0[1] + 0.05;
    Some((vec![sample.0[0].clone(), shifted.stop_gradient()], json!({})))
}

/// Two operands whose quotients are never near an integer.
pub(super) fn uneven_quotient(s: &mut Sampler) -> Sample {
    let (mut inputs, attrs) = two(s, |s, shape| s.between_multiples(shape, 3, 1.61, 1.0))?;
    inputs[1] = (&inputs[1] - 0.24).stop_gradient();
    Some((inputs, attrs))
}

pub(super) fn axes(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    with(any(s), attrs)
}

pub(super) fn axes_apart(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    with(apart(s), attrs)
}

/// For reductions that need at least one element, and for which the order of the elements must not change.
pub(super) fn axes_distinct(s: &mut Sampler) -> Sample {
    let attrs = s.reduction();
    let x = s.distinct(&s.shape.clone());
    if x.size() == 0 { None } else { Some((vec![x], attrs)) }
}

pub(super) fn one_axis(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    with(any(s), json!({"axis": axis}))
}

pub(super) fn one_axis_apart(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    with(apart(s), json!({"axis": axis}))
}

pub(super) fn one_axis_distinct(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let x = s.distinct(&s.shape.clone());
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    Some((vec![x], json!({"axis": axis, "k": s.below(size + 1), "reversed": s.coin()})))
}

/// For moments with a correction: axes with more elements than the correction.
pub(super) fn axes_corrected(s: &mut Sampler, x: Tensor) -> Sample {
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

pub(super) fn logits(s: &mut Sampler) -> Sample {
    let (inputs, _) = probabilities(s)?;
    let reduction = ["none", "mean", "sum"][s.below(3)];
    let smoothing = s.below(2) as f64 * 0.1;
    Some((inputs, json!({"reduction": reduction, "label_smoothing": smoothing})))
}

pub(super) fn products(s: &mut Sampler) -> Sample {
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

pub(super) fn reshaped(s: &mut Sampler) -> Sample {
    let shape =
        if s.coin() || s.shape.contains(&0) { vec![s.shape.iter().product::<usize>() as i64] } else { vec![1, -1] };
    with(any(s), json!({"shape": shape}))
}

pub(super) fn expanded(s: &mut Sampler) -> Sample {
    let part = s.broadcast_shape();
    Some((vec![s.within(&part, -2.0, 2.0)], json!({"shape": s.shape})))
}

pub(super) fn two_axes(s: &mut Sampler) -> Sample {
    let axes = [s.axis()?, s.axis()?];
    with(any(s), json!({"axes": axes}))
}

pub(super) fn order(s: &mut Sampler) -> Sample {
    let rank = s.shape.len();
    let start = s.below(rank.max(1));
    let order: Vec<usize> = (0..rank).map(|axis| (axis + start) % rank).collect();
    with(any(s), json!({"axes": order}))
}

pub(super) fn some_axes(s: &mut Sampler) -> Sample {
    let axes: Vec<usize> = (0..s.shape.len()).filter(|_| s.coin()).collect();
    with(any(s), json!({"axes": axes}))
}

pub(super) fn ranges(s: &mut Sampler) -> Sample {
    let bound = |s: &mut Sampler| if s.coin() { Value::Null } else { json!(s.below(7) as i64 - 3) };
    let ranges: Vec<Value> = (0..s.shape.len())
        .map(|_| {
            let step = [1, 2, -1, -2][s.below(4)];
            json!([bound(s), bound(s), step])
        })
        .collect();
    with(any(s), json!({"ranges": ranges}))
}

pub(super) fn padding(s: &mut Sampler) -> Sample {
    let pads: Vec<[usize; 2]> = (0..s.shape.len()).map(|_| [s.below(3), s.below(3)]).collect();
    with(any(s), json!({"pads": pads, "value": 0.5}))
}

pub(super) fn several(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    let parts = (0..1 + s.below(3)).map(|_| {
        let mut shape = s.shape.clone();
        shape[place] = s.below(3);
        s.within(&shape, -2.0, 2.0)
    });
    Some((parts.collect(), json!({"axis": axis})))
}

pub(super) fn equal_parts(s: &mut Sampler) -> Sample {
    let shape = s.shape.clone();
    let parts = (0..1 + s.below(3)).map(|_| s.within(&shape, -2.0, 2.0)).collect();
    Some((parts, json!({"axis": s.below(shape.len() + 1)})))
}

pub(super) fn cuts(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    let first = s.below(size + 1);
    with(any(s), json!({"axis": axis, "sizes": [first, size - first], "index": s.below(2)}))
}

pub(super) fn singleton(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    s.shape[place] = 1;
    with(any(s), json!({"axis": if s.coin() { json!(axis) } else { Value::Null }}))
}

pub(super) fn gathered(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let place = axis.rem_euclid(s.shape.len() as isize) as usize;
    let size = s.shape[place];
    if size == 0 {
        return None;
    }
    // The index may be shorter than the operand along the other axes, and shorter than the source along all axes.
    let mut shape = s.shape.clone();
    shape.iter_mut().for_each(|n| *n -= usize::from(s.below(4) == 0).min(*n));
    shape[place] = s.below(4);
    let index = s.indices(&shape, size);
    let longer: Vec<usize> = shape.iter().map(|&n| n + usize::from(s.below(4) == 0)).collect();
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    let source = s.within(&longer, -2.0, 2.0);
    Some((vec![x, index, source], json!({"axis": axis})))
}

pub(super) fn taken(s: &mut Sampler) -> Sample {
    let axis = s.axis()?;
    let size = s.shape[axis.rem_euclid(s.shape.len() as isize) as usize];
    let shape = [vec![], vec![3], vec![2, 2], vec![0]][s.below(4)].clone();
    let index = if size == 0 { return None } else { s.indices(&shape, size) };
    Some((vec![s.within(&s.shape.clone(), -2.0, 2.0), index], json!({"axis": axis})))
}

pub(super) fn masked(s: &mut Sampler) -> Sample {
    let part = s.broadcast_shape();
    let x = s.within(&s.shape.clone(), -2.0, 2.0);
    Some((vec![x, s.mask(&part)], json!({"value": 0.5})))
}

pub(super) fn chosen(s: &mut Sampler) -> Sample {
    let shapes = [s.broadcast_shape(), s.broadcast_shape(), s.broadcast_shape()];
    let mask = s.mask(&shapes[0]);
    Some((vec![mask, s.within(&shapes[1], -2.0, 2.0), s.within(&shapes[2], -2.0, 2.0)], json!({})))
}

pub(super) fn one_axis_nonempty(s: &mut Sampler) -> Sample {
    if s.shape.contains(&0) { None } else { one_axis_distinct(s) }
}

pub(super) fn bands(s: &mut Sampler) -> Sample {
    let k = s.below(5) as i64 - 2;
    if s.shape.len() < 2 { None } else { with(any(s), json!({"k": k})) }
}
