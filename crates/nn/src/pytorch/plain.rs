//! Layers whose weights correspond one to one to tensors in PyTorch.

use tensor::{Error, Result, Shape, Tensor};

use super::modules::Module;

/// The memory layout of a weight in PyTorch, compared with the layout here.
#[derive(Clone, Copy)]
enum WeightLayout {
    /// The same.
    Same,
    /// Another order of axes: `theirs.permute(order)` is ours.
    Permuted(&'static [usize]),
    /// Another order of axes, and our last two, channels and filters per channel, merged into one after an axis of size 1.
    Grouped(&'static [usize]),
    /// Without the axes of size 1.
    Flat,
}

use WeightLayout::{Flat, Grouped, Permuted, Same};

/// The kind of a layer, the name of a weight here, its name in PyTorch, and its layout there.
const WEIGHTS: [(&str, &str, &str, WeightLayout); 34] = [
    ("Dense", "kernel", "weight", Permuted(&[1, 0])),
    ("Dense", "bias", "bias", Same),
    ("Conv1d", "kernel", "weight", Permuted(&[2, 1, 0])),
    ("Conv1d", "bias", "bias", Same),
    ("Conv2d", "kernel", "weight", Permuted(&[2, 3, 1, 0])),
    ("Conv2d", "bias", "bias", Same),
    ("ConvTranspose1d", "kernel", "weight", Permuted(&[2, 1, 0])),
    ("ConvTranspose1d", "bias", "bias", Same),
    ("ConvTranspose2d", "kernel", "weight", Permuted(&[2, 3, 1, 0])),
    ("ConvTranspose2d", "bias", "bias", Same),
    ("DepthwiseConv1d", "kernel", "weight", Grouped(&[2, 1, 0])),
    ("DepthwiseConv1d", "bias", "bias", Same),
    ("DepthwiseConv2d", "kernel", "weight", Grouped(&[2, 3, 1, 0])),
    ("DepthwiseConv2d", "bias", "bias", Same),
    ("SeparableConv1d", "depthwise_kernel", "depthwise.weight", Grouped(&[2, 1, 0])),
    ("SeparableConv1d", "pointwise_kernel", "pointwise.weight", Permuted(&[2, 1, 0])),
    ("SeparableConv1d", "bias", "pointwise.bias", Same),
    ("SeparableConv2d", "depthwise_kernel", "depthwise.weight", Grouped(&[2, 3, 1, 0])),
    ("SeparableConv2d", "pointwise_kernel", "pointwise.weight", Permuted(&[2, 3, 1, 0])),
    ("SeparableConv2d", "bias", "pointwise.bias", Same),
    ("Embedding", "embeddings", "weight", Same),
    ("PositionEmbedding", "embeddings", "weight", Same),
    ("PRelu", "alpha", "weight", Flat),
    ("RmsNorm", "scale", "weight", Same),
    ("LayerNorm", "gamma", "weight", Same),
    ("LayerNorm", "beta", "bias", Same),
    ("GroupNorm", "gamma", "weight", Same),
    ("GroupNorm", "beta", "bias", Same),
    ("InstanceNorm", "gamma", "weight", Same),
    ("InstanceNorm", "beta", "bias", Same),
    ("BatchNorm", "gamma", "weight", Same),
    ("BatchNorm", "beta", "bias", Same),
    ("BatchNorm", "moving_mean", "running_mean", Same),
    ("BatchNorm", "moving_variance", "running_var", Same),
];

/// The name of a weight in PyTorch and its layout there.
fn counterpart<'n>(module: &Module, name: &'n str) -> (&'n str, WeightLayout) {
    let row = WEIGHTS.iter().find(|row| (row.0, row.1) == (module.kind, name));
    row.map_or((name, Same), |row| (row.2, row.3))
}

pub(super) fn import(module: &Module, take: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    let mut ours = Vec::new();
    for (name, shape) in &module.weights {
        let (their_name, layout) = counterpart(module, name);
        let Some(theirs) = take(their_name) else { continue };
        let tensor = match layout {
            Same => theirs,
            Permuted(order) => with_context(theirs.permute(order), their_name)?,
            Grouped(order) => {
                with_context(theirs.permute(order).and_then(|kernel| ungrouped(&kernel, shape)), their_name)?
            }
            Flat => with_context(one_axis(shape).and_then(|()| theirs.reshape(shape)), their_name)?,
        };
        let dense = module.kind == "Dense" && name == "kernel";
        let tensor = match module.flattened.filter(|_| dense) {
            Some([channels, height, width]) => {
                with_context(reorder(&tensor, [channels, height, width], &[1, 2, 0]), their_name)?
            }
            None => tensor,
        };
        ours.push((name.clone(), tensor));
    }
    if module.kind == "BatchNorm" {
        // Only PyTorch keeps this count.
        take("num_batches_tracked");
    }
    Ok(ours)
}

pub(super) fn export(module: &Module, weight: &dyn Fn(&str) -> Option<Tensor>) -> Result<Vec<(String, Tensor)>> {
    let mut theirs = Vec::new();
    for (name, _) in &module.weights {
        let Some(tensor) = weight(name) else { continue };
        let (their_name, layout) = counterpart(module, name);
        let dense = module.kind == "Dense" && name == "kernel";
        let tensor = match module.flattened.filter(|_| dense) {
            Some([channels, height, width]) => reorder(&tensor, [height, width, channels], &[2, 0, 1])?,
            None => tensor,
        };
        let tensor = match layout {
            Same => tensor,
            Permuted(order) => tensor.permute(inverse(order))?,
            Grouped(order) => tensor.reshape(grouped(tensor.shape()))?.permute(inverse(order))?,
            Flat => one_axis(tensor.shape()).map(|()| tensor.flatten())?,
        };
        theirs.push((their_name.to_string(), tensor));
    }
    Ok(theirs)
}

/// The shape `[…, 1, channels · multiplier]` of a kernel `[…, channels, multiplier]`.
fn grouped(shape: &Shape) -> Shape {
    let (window, channels) = shape.split_at(shape.rank() - 2);
    window.iter().copied().chain([1, channels.iter().product()]).collect()
}

/// A kernel `[…, 1, channels · multiplier]` in the shape `[…, channels, multiplier]`.
fn ungrouped(kernel: &Tensor, shape: &Shape) -> Result<Tensor> {
    let expected = grouped(shape);
    if *kernel.shape() != expected {
        return Err(Error::shape("pytorch", kernel.shape(), format!("must be {expected}, for a weight {shape}")));
    }
    kernel.reshape(shape)
}

/// Returns an error if more than one axis has a size other than 1.
fn one_axis(shape: &Shape) -> Result<()> {
    match shape.iter().filter(|&&size| size != 1).count() {
        0 | 1 => Ok(()),
        _ => Err(Error::shape("pytorch", shape, "must have at most one axis of a size other than 1, as in PyTorch")),
    }
}

/// Reorders the rows of a kernel `[inputs, units]`: the inputs were flattened from axes of these sizes, and the result
/// is for axes in another order.
fn reorder(kernel: &Tensor, sizes: [usize; 3], order: &[usize; 3]) -> Result<Tensor> {
    let &[inputs, units] = &kernel.shape()[..] else {
        return Err(Error::shape("pytorch", kernel.shape(), "a dense kernel must have 2 axes"));
    };
    let apart = kernel.reshape([sizes[0], sizes[1], sizes[2], units])?;
    apart.permute([order[0], order[1], order[2], 3])?.reshape([inputs, units])
}

fn inverse(order: &[usize]) -> Vec<usize> {
    (0..order.len()).filter_map(|axis| order.iter().position(|&from| from == axis)).collect()
}

fn with_context<T>(result: Result<T>, name: &str) -> Result<T> {
    result.map_err(|error| error.context(name))
}
