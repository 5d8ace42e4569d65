//! The rows of convolutions, with images and kernels in PyTorch's order of axes.

use autograd::Result;
use autograd::tensor::Tensor;
use autograd::tensor::ops::{ConvOptions, Padding};
use serde_json::{Value, json};

use super::sampler::Sampler;
use super::{Row, Sample};

fn row(name: &'static str, apply: fn(&[Tensor], &Value) -> Result<Tensor>, sample: fn(&mut Sampler) -> Sample) -> Row {
    Row { name, apply, sample }
}

fn size(value: &Value) -> usize {
    value.as_u64().expect("a size") as usize
}

/// One number for each axis.
fn sizes<const N: usize>(attrs: &Value, name: &str) -> [usize; N] {
    std::array::from_fn(|k| size(&attrs[name][k]))
}

/// Zeros on both sides of each axis: one number for both, or two.
fn pads<const N: usize>(attrs: &Value) -> [(usize, usize); N] {
    std::array::from_fn(|k| match &attrs["padding"][k] {
        Value::Array(pair) => (size(&pair[0]), size(&pair[1])),
        both => (size(both), size(both)),
    })
}

fn options<const N: usize>(attrs: &Value) -> ConvOptions<N> {
    ConvOptions {
        stride: sizes(attrs, "stride"),
        padding: Padding::Explicit(pads(attrs)),
        dilation: sizes(attrs, "dilation"),
        groups: size(&attrs["groups"]),
    }
}

/// Of a kernel `[outputs, inputs, …]` its form `[…, inputs, outputs]`.
fn kernel(k: &Tensor) -> Result<Tensor> {
    let order: Vec<isize> = (2..k.rank() as isize).chain([1, 0]).collect();
    k.permute(&order)
}

/// The convolution of the images with their channels last, a bias added if there is one.
fn convolved(x: &[Tensor], convolve: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let mut y = convolve(&x[0].channels_last()?, &kernel(&x[1])?)?;
    if let Some(bias) = x.get(2) {
        y = y.try_add(bias)?;
    }
    y.channels_first()
}

/// Images and a kernel along `axes` axes; `transposed` exchanges the channels.
fn operands(s: &mut Sampler, axes: usize, transposed: bool) -> Sample {
    let groups = 1 + s.below(3);
    let (inputs, outputs) = (1 + s.below(2), 1 + s.below(2));
    let mut attrs = json!({"groups": groups, "stride": [], "dilation": [], "padding": [], "output_padding": []});
    let mut push = |name: &str, value: Value| attrs[name].as_array_mut().expect("a list").push(value);
    let (mut image, mut window) = (Vec::new(), Vec::new());
    for _ in 0..axes {
        let (kernel, stride, dilation) = (1 + s.below(3), 1 + s.below(3), 1 + s.below(2));
        let reach = (kernel - 1) * dilation + 1;
        let padding = [s.below(reach.min(3)), s.below(reach.min(3))];
        let size = reach.saturating_sub(padding[0] + padding[1]).max(1) + s.below(3);
        image.push(if transposed { 1 + s.below(3) + padding[0].max(padding[1]) } else { size });
        window.push(kernel);
        push("stride", json!(stride));
        push("dilation", json!(dilation));
        push("padding", json!(padding));
        push("output_padding", json!(s.below(stride)));
    }
    let channels = if transposed { outputs } else { inputs } * groups;
    let x: Vec<usize> = [s.below(3), channels].into_iter().chain(image).collect();
    let k: Vec<usize> =
        if transposed { [channels, inputs] } else { [outputs * groups, inputs] }.into_iter().chain(window).collect();
    Some((vec![s.within(&x, -1.0, 1.0), s.within(&k, -1.0, 1.0)], attrs))
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("conv1d", |x, a| convolved(x, |x, k| x.conv1d(k, options(a))), |s| operands(s, 1, false)),
        row("conv2d", |x, a| convolved(x, |x, k| x.conv2d(k, options(a))), |s| operands(s, 2, false)),
        row(
            "conv_transpose2d",
            |x, a| convolved(x, |x, k| x.conv_transpose2d(k, options(a), sizes(a, "output_padding"))),
            |s| operands(s, 2, true),
        ),
    ]
}
