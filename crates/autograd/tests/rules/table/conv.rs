//! The rows of convolutions and pooling, with images and kernels in PyTorch's order of axes.

use autograd::Result;
use autograd::tensor::Tensor;
use autograd::tensor::ops::{Cells, ConvOptions, Padding, Pool, PoolOptions, apply};
use serde_json::{Value, json};

use super::sampler::Sampler;
use super::{Row, Sample, row};

fn size(value: &Value) -> usize {
    value.as_u64().expect("a size") as usize
}

/// One number for each axis.
fn sizes<const N: usize>(attrs: &Value, name: &str) -> [usize; N] {
    std::array::from_fn(|k| size(&attrs[name][k]))
}

/// The padding of each axis: one number for both sides, or two.
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

/// Converts a kernel from `[outputs, inputs, …]` to `[…, inputs, outputs]`.
fn kernel(k: &Tensor) -> Result<Tensor> {
    let order: Vec<isize> = (2..k.rank() as isize).chain([1, 0]).collect();
    k.permute(&order)
}

/// The convolution of images with channels last, plus a bias if there is one.
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

/// Windows that overlap at most one element of padding, so none contains padding only.
fn pooled(s: &mut Sampler) -> Sample {
    let mut attrs = json!({"kernel": [], "stride": [], "dilation": [], "padding": [], "count_include_pad": s.coin()});
    let mut image = vec![s.below(3)];
    for _ in 0..2 {
        let (kernel, stride, dilation) = (1 + s.below(3), 1 + s.below(3), 1 + s.below(2));
        let padding = [s.below(kernel.min(2)), s.below(kernel.min(2))];
        let reach = (kernel - 1) * dilation + 1;
        image.push(reach + s.below(3));
        for (name, value) in [("kernel", json!(kernel)), ("stride", json!(stride)), ("padding", json!(padding))] {
            attrs[name].as_array_mut().expect("a list").push(value);
        }
        attrs["dilation"].as_array_mut().expect("a list").push(json!(dilation));
    }
    image.insert(1, s.below(4));
    Some((vec![s.distinct(&image)], attrs))
}

fn adaptive(s: &mut Sampler) -> Sample {
    let image = [s.below(3), 1 + s.below(2), 1 + s.below(5), 1 + s.below(5)];
    Some((vec![s.distinct(&image)], json!({"output": [s.below(5), 1 + s.below(4)]})))
}

/// As [`pooled`], with other elements to pick from.
fn picked(s: &mut Sampler) -> Sample {
    let (mut inputs, attrs) = pooled(s)?;
    inputs.push(s.within(inputs[0].shape(), -1.0, 1.0));
    Some((inputs, attrs))
}

fn pool(attrs: &Value) -> PoolOptions<2> {
    PoolOptions {
        size: sizes(attrs, "kernel"),
        stride: sizes(attrs, "stride"),
        padding: Padding::Explicit(pads(attrs)),
        dilation: if attrs["dilation"].is_null() { [1; 2] } else { sizes(attrs, "dilation") },
        count_padding: attrs["count_include_pad"] == true,
    }
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("max_pool2d", |x, a| x[0].channels_last()?.max_pool2d(pool(a))?.channels_first(), pooled),
        row("avg_pool2d", |x, a| x[0].channels_last()?.average_pool2d(pool(a))?.channels_first(), pooled),
        row(
            "max_pool_pick",
            |x, a| {
                let PoolOptions { size, stride, dilation, .. } = pool(a);
                let padding: [_; 2] = pads(a);
                let cells = [0, 1].map(|k| Cells::Windows {
                    size: size[k],
                    stride: stride[k],
                    dilation: dilation[k],
                    padding: padding[k],
                });
                apply(Pool::MaxPick(cells), &[&x[0].channels_last()?, &x[1].channels_last()?])
            },
            picked,
        ),
        row(
            "adaptive_avg_pool2d",
            |x, a| x[0].channels_last()?.adaptive_average_pool2d(sizes(a, "output"))?.channels_first(),
            adaptive,
        ),
        row(
            "adaptive_max_pool2d",
            |x, a| x[0].channels_last()?.adaptive_max_pool2d(sizes(a, "output"))?.channels_first(),
            adaptive,
        ),
        row("conv1d", |x, a| convolved(x, |x, k| x.conv1d(k, options(a))), |s| operands(s, 1, false)),
        row("conv2d", |x, a| convolved(x, |x, k| x.conv2d(k, options(a))), |s| operands(s, 2, false)),
        row(
            "conv_transpose2d",
            |x, a| convolved(x, |x, k| x.conv_transpose2d(k, options(a), sizes(a, "output_padding"))),
            |s| operands(s, 2, true),
        ),
    ]
}
