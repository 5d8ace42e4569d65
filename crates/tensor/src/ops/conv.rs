//! Convolutions of images with channels last, and their gradients.
//!
//! The three operations are bilinear, and their gradients are one another: for `y = Conv(x, k)`, the gradient of `x` is
//! `ConvInput(dy, k)` and the gradient of `k` is `ConvKernel(x, dy)`.

use crate::dtype::with_float;
use crate::error::{Error, Result, placed};
use crate::kernels::conv::Convolution;
use crate::kernels::windows::Axis;
use crate::operand::Operand;
use crate::ops::apply::apply;
use crate::ops::checks::{operands, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The windows of a convolution along height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The distance between neighbouring elements of a window.
    pub dilation: [usize; 2],
    /// Zeros before and after the image.
    pub padding: [(usize, usize); 2],
    /// The number of groups of channels, which are convolved separately.
    pub groups: usize,
}

/// A convolution or a gradient of one. Shapes: `x` is `[images, height, width, inputs]`, `k` is
/// `[height, width, inputs / groups, outputs]`, `y` is `[images, height, width, outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conv {
    /// `y` from `x` and `k`: `y[n, o, c] = Σ x[n, o · stride + t · dilation - padding, i] · k[t, i, c]`.
    Conv(Windows),
    /// The gradient of `x` from that of `y` and from `k`, also called transposed convolution.
    ConvInput {
        /// The windows of the convolution.
        windows: Windows,
        /// Height and width of `x`.
        size: [usize; 2],
    },
    /// The gradient of `k` from `x` and the gradient of `y`.
    ConvKernel {
        /// The windows of the convolution.
        windows: Windows,
        /// Height and width of `k`.
        size: [usize; 2],
    },
}

names! { Conv:
    Conv::Conv(_) => "conv",
    Conv::ConvInput { .. } => "conv_input",
    Conv::ConvKernel { .. } => "conv_kernel",
}

impl Conv {
    pub(crate) fn flops(self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        let (y, k) = match self {
            Conv::Conv(_) => (&outputs[0], inputs[1]),
            Conv::ConvInput { .. } => (inputs[0], inputs[1]),
            Conv::ConvKernel { .. } => (inputs[1], &outputs[0]),
        };
        // A multiply-add for each element of `y` and each element of the kernel that contributes to it.
        let each = k.size().checked_div(k.shape()[3]).unwrap_or(0) as u64;
        (y.size() as u64).saturating_mul(each).saturating_mul(2)
    }

    fn windows(&self) -> &Windows {
        match self {
            Conv::Conv(windows) | Conv::ConvInput { windows, .. } | Conv::ConvKernel { windows, .. } => windows,
        }
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [a, b] = operands(inputs, self.name())?;
        same_dtype(a, b, self.name())?;
        let convolution = self.convolution(a, b)?;
        let [height, width] = convolution.axes;
        let Convolution { images, inputs, outputs, groups, .. } = convolution;
        let shape = Shape::from(match self {
            Conv::Conv(_) => [images, height.output, width.output, outputs],
            Conv::ConvInput { .. } => [images, height.input, width.input, inputs],
            Conv::ConvKernel { .. } => [height.kernel, width.kernel, inputs / groups, outputs],
        });
        shape.checked_size(self.name())?;
        let buffer = with_float!(a.dtype(), T => {
            let (a, b) = (a.elements::<T>(), b.elements::<T>());
            match self {
                Conv::Conv(_) => convolution.forward(&a, &b),
                Conv::ConvInput { .. } => convolution.input(&a, &b),
                Conv::ConvKernel { .. } => convolution.kernel(&a, &b),
            }
        }, else return Err(Error::dtype(self.name(), a.dtype(), "a floating type; cast the operands first")));
        Ok(Tensor::from_buffer(buffer, shape))
    }

    /// The sizes of this convolution, or of the convolution that this is a gradient of.
    fn convolution(&self, a: &Tensor, b: &Tensor) -> Result<Convolution> {
        let name = self.name();
        let Windows { stride, dilation, padding, groups } = *self.windows();
        let wrong = |message: String| Error::product(name, a.shape(), b.shape(), message);
        let four = |x: &Tensor, expected: &str| {
            <[usize; 4]>::try_from(&x.shape()[..]).map_err(|_| Error::shape(name, x.shape(), expected))
        };
        const IMAGES: &str = "images must be [images, height, width, channels]";
        const KERNEL: &str = "a kernel must be [height, width, inputs / groups, outputs]";
        let (image, other) = match self {
            Conv::Conv(_) | Conv::ConvInput { .. } => (four(a, IMAGES)?, four(b, KERNEL)?),
            Conv::ConvKernel { .. } => (four(a, IMAGES)?, four(b, IMAGES)?),
        };
        let [images, ..] = image;
        let (input, kernel, inputs, outputs) = match *self {
            Conv::Conv(_) => ([image[1], image[2]], [other[0], other[1]], image[3], other[3]),
            Conv::ConvInput { size, .. } => (size, [other[0], other[1]], other[2].saturating_mul(groups), other[3]),
            Conv::ConvKernel { size, .. } => ([image[1], image[2]], size, image[3], other[3]),
        };
        for (option, values) in [("stride", stride), ("dilation", dilation), ("groups", [groups; 2])] {
            if values.contains(&0) {
                return Err(Error::argument(name, format!("{option} 0: must be at least 1")));
            }
        }
        if inputs % groups != 0 || outputs % groups != 0 {
            return Err(wrong(format!(
                "{groups} groups do not divide both the {inputs} channels of the images and the {outputs} outputs"
            )));
        }
        if matches!(self, Conv::Conv(_)) && other[2] != inputs / groups {
            return Err(wrong(format!(
                "the images have {inputs} channels, {} in each of {groups} groups, but the kernel has {}",
                inputs / groups,
                other[2]
            )));
        }
        let axis = |k: usize| -> Result<Axis> {
            let ((before, after), side) = (padding[k], ["height", "width"][k]);
            Axis::new(input[k], kernel[k], stride[k], dilation[k], padding[k]).ok_or_else(|| {
                if kernel[k] == 0 {
                    return wrong(format!("a kernel of {side} 0 has no elements"));
                }
                wrong(format!(
                    "a kernel of {side} {} with dilation {} does not fit into {} and padding {before} + {after}",
                    kernel[k], dilation[k], input[k]
                ))
            })
        };
        let axes = [axis(0)?, axis(1)?];
        let expected = [images, axes[0].output, axes[1].output, outputs];
        let given = match self {
            Conv::Conv(_) => expected,
            Conv::ConvInput { .. } => image,
            Conv::ConvKernel { .. } => other,
        };
        if given != expected {
            return Err(wrong(format!(
                "the result of this convolution would have the shape {}",
                Shape::from(expected)
            )));
        }
        Ok(Convolution { images, axes, groups, inputs, outputs })
    }
}

/// The padding around the `N` spatial axes of an image: zeros in convolutions, ignored positions in pooling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding<const N: usize> {
    /// No padding: every window lies within the image.
    #[default]
    Valid,
    /// The padding that gives `⌈input / stride⌉` windows, half of it on each side. If it is odd, the extra position is
    /// at the end, as in Keras and TensorFlow.
    Same,
    /// Padding only before the image, so that the first window ends at the first element. Along time, the output of a
    /// step then does not depend on later steps. This is Keras' `causal`, which Keras supports along one axis only.
    Causal,
    /// The given padding before and after each axis.
    Explicit([(usize, usize); N]),
}

/// The options of a convolution along `N` axes.
///
/// ```
/// # use tensor::ops::{ConvOptions, Padding};
/// let options = ConvOptions::<2> { stride: [2, 2], padding: Padding::Same, ..ConvOptions::default() };
/// assert_eq!(options.dilation, [1, 1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize> {
    /// The distance between neighbouring windows.
    pub stride: [usize; N],
    /// The padding, which is filled with zeros.
    pub padding: Padding<N>,
    /// The distance between neighbouring elements of a window.
    pub dilation: [usize; N],
    /// The number of groups of channels, which are convolved separately. One group for each channel gives a depthwise
    /// convolution.
    pub groups: usize,
}

/// Stride and dilation 1, no padding, one group.
impl<const N: usize> Default for ConvOptions<N> {
    fn default() -> Self {
        ConvOptions { stride: [1; N], padding: Padding::Valid, dilation: [1; N], groups: 1 }
    }
}

/// The extent of a window of `kernel` elements.
pub(super) fn reach(kernel: usize, dilation: usize) -> usize {
    kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}

/// The total padding that gives `⌈input / stride⌉` windows of the extent `reach`.
pub(super) fn same_padding(input: usize, reach: usize, stride: usize) -> usize {
    let last = input.div_ceil(stride.max(1)).saturating_sub(1).saturating_mul(stride);
    last.saturating_add(reach).saturating_sub(input)
}

/// Splits the padding into that before and that after.
pub(super) fn halved(total: usize) -> (usize, usize) {
    (total / 2, total - total / 2)
}

impl ConvOptions<1> {
    /// The same options along the width of images of height 1.
    fn flat(self) -> ConvOptions<2> {
        ConvOptions {
            stride: [1, self.stride[0]],
            dilation: [1, self.dilation[0]],
            padding: match self.padding {
                Padding::Valid => Padding::Valid,
                Padding::Same => Padding::Same,
                // Image and window have height 1, so nothing is added there.
                Padding::Causal => Padding::Causal,
                Padding::Explicit([padding]) => Padding::Explicit([(0, 0), padding]),
            },
            groups: self.groups,
        }
    }
}

impl ConvOptions<2> {
    /// The windows, given their extents and the total padding that `Same` means along an axis.
    fn windows(&self, reach: [usize; 2], same: impl Fn(usize) -> usize) -> Windows {
        let padding = match self.padding {
            Padding::Valid => [(0, 0); 2],
            Padding::Same => [0, 1].map(|k| halved(same(k))),
            Padding::Causal => reach.map(|reach| (reach.saturating_sub(1), 0)),
            Padding::Explicit(padding) => padding,
        };
        Windows { stride: self.stride, dilation: self.dilation, padding, groups: self.groups }
    }
}

/// The sizes of the axes `first` and `first + 1`, or 0 if they do not exist: the operation refuses such shapes later.
pub(super) fn sides(x: &Tensor, first: usize) -> [usize; 2] {
    [0, 1].map(|k| x.shape().get(first + k).copied().unwrap_or(0))
}

impl Tensor {
    /// The convolution (cross-correlation, as everywhere in deep learning) of images `[images, height, width, inputs]`
    /// with a kernel `[height, width, inputs / groups, outputs]`: `[images, height, width, outputs]`. Each output is
    /// the sum of the products of the kernel with the window at its position. The number of windows along an axis is
    /// `⌊(input + padding - dilation · (kernel - 1) - 1) / stride⌋ + 1`.
    ///
    /// For images with channels first, use `x.channels_last()?.conv2d(…)?.channels_first()`, which copies the images
    /// once.
    ///
    /// ```
    /// # use tensor::{Tensor, ops::ConvOptions};
    /// let y = Tensor::ones([1, 4, 4, 2]).conv2d(Tensor::ones([3, 3, 2, 5]), ConvOptions::default())?;
    /// assert_eq!((&y.shape()[..], y.max()?.item()?), (&[1, 2, 2, 5][..], 18.0));
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the kernel is larger than the padded image, if a number of channels does not match, if
    /// stride, dilation or groups are 0, if the types differ or are not floating-point, or if the result is larger than
    /// memory can address. Other options have no upper limit: windows that lie entirely in the padding give zeros.
    #[track_caller]
    pub fn conv2d(&self, kernel: impl Operand, options: ConvOptions<2>) -> Result<Tensor> {
        let kernel = kernel.argument().into_tensor(self.dtype(), "conv")?;
        let (input, size) = (sides(self, 1), sides(&kernel, 0));
        let reach = [0, 1].map(|k| reach(size[k], options.dilation[k]));
        let windows = options.windows(reach, |k| same_padding(input[k], reach[k], options.stride[k]));
        apply(Conv::Conv(windows), &[self, &kernel])
    }

    /// [`Tensor::conv2d`] along one axis: `[sequences, steps, inputs]` with the kernel
    /// `[steps, inputs / groups, outputs]` gives `[sequences, steps, outputs]`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::conv2d`].
    #[track_caller]
    pub fn conv1d(&self, kernel: impl Operand, options: ConvOptions<1>) -> Result<Tensor> {
        let kernel = kernel.argument().into_tensor(self.dtype(), "conv")?;
        if self.rank() != 3 || kernel.rank() != 3 {
            let reason = "conv1d takes [sequences, steps, inputs] and [steps, inputs / groups, outputs]";
            return Err(Error::product("conv", self.shape(), kernel.shape(), reason.to_string()));
        }
        self.expand_dims(1)?.conv2d(kernel.expand_dims(0)?, options.flat())?.squeeze(1)
    }

    /// The transposed convolution, which is the gradient of [`Tensor::conv2d`] with the same options: images
    /// `[images, height, width, inputs]` with a kernel `[height, width, outputs / groups, inputs]`, as in Keras. Along
    /// an axis the result has `(input - 1) · stride - padding + dilation · (kernel - 1) + 1 + output_padding` elements,
    /// or `input · stride` with [`Padding::Same`].
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::conv2d`], if `output_padding` is not below the stride (with
    /// [`Padding::Same`]: not 0), or if the padding is larger than the result.
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        kernel: impl Operand,
        options: ConvOptions<2>,
        output_padding: [usize; 2],
    ) -> Result<Tensor> {
        let kernel = kernel.argument().into_tensor(self.dtype(), "conv_input")?;
        let (input, size) = (sides(self, 1), sides(&kernel, 0));
        let reach = [0, 1].map(|k| reach(size[k], options.dilation[k]));
        let windows = options.windows(reach, |k| reach[k].saturating_sub(options.stride[k]));
        let same = options.padding == Padding::Same;
        let side = |k: usize| {
            let (stride, padding) = (options.stride[k], windows.padding[k]);
            if output_padding[k] >= if same { 1 } else { stride.max(1) } {
                let limit = if same { "0 with padding `Same`".into() } else { format!("below the stride {stride}") };
                let message = format!("output_padding {}: must be {limit}", output_padding[k]);
                return Err(Error::argument("conv_input", message));
            }
            if same {
                return Ok(input[k].saturating_mul(stride));
            }
            let full = input[k].saturating_sub(1).saturating_mul(stride).saturating_add(reach[k]);
            let side = full.saturating_add(output_padding[k]);
            side.checked_sub(padding.0.saturating_add(padding.1)).ok_or_else(|| {
                let (before, after) = padding;
                let message = format!("padding {before} + {after} is more than the {side} elements of the result");
                Error::argument("conv_input", message)
            })
        };
        let size = placed(|| Ok([side(0)?, side(1)?]))?;
        apply(Conv::ConvInput { windows, size }, &[self, &kernel])
    }

    /// [`Tensor::conv_transpose2d`] along one axis: `[sequences, steps, inputs]` with the kernel
    /// `[steps, outputs / groups, inputs]` gives `[sequences, steps, outputs]`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Tensor::conv_transpose2d`].
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        kernel: impl Operand,
        options: ConvOptions<1>,
        output_padding: [usize; 1],
    ) -> Result<Tensor> {
        let kernel = kernel.argument().into_tensor(self.dtype(), "conv_input")?;
        if self.rank() != 3 || kernel.rank() != 3 {
            let reason = "conv_transpose1d takes [sequences, steps, inputs] and [steps, outputs / groups, inputs]";
            return Err(Error::product("conv_input", self.shape(), kernel.shape(), reason.to_string()));
        }
        let flat = self.expand_dims(1)?;
        flat.conv_transpose2d(kernel.expand_dims(0)?, options.flat(), [0, output_padding[0]])?.squeeze(1)
    }

    /// Moves the second axis, where PyTorch keeps the channels, to the end: `[n, c, …]` becomes `[n, …, c]`; a view.
    ///
    /// # Errors
    /// Returns an error if there are fewer than two axes.
    #[track_caller]
    pub fn channels_last(&self) -> Result<Tensor> {
        let order: Vec<usize> = [0].into_iter().chain(2..self.rank()).chain([1]).collect();
        self.permute(order)
    }

    /// Moves the last axis to the second position: `[n, …, c]` becomes `[n, c, …]`; a view.
    ///
    /// # Errors
    /// Returns an error if there are fewer than two axes.
    #[track_caller]
    pub fn channels_first(&self) -> Result<Tensor> {
        let last = self.rank() as isize - 1;
        let order: Vec<isize> = [0, last].into_iter().chain(1..last).collect();
        self.permute(order)
    }
}
