//! Convolutions against the plain sums that define them.

use proptest::prelude::*;
use tensor::ops::{Conv, ConvOptions, Padding, Windows, apply};
use tensor::{DType, Generator, Tensor};

/// A convolution with all its sizes.
#[derive(Clone, Debug)]
struct Case {
    images: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    /// Channels of each group.
    inputs: usize,
    outputs: usize,
    windows: Windows,
    seed: u64,
}

impl Case {
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|k| {
            let (before, after) = self.windows.padding[k];
            let room = self.input[k] + before + after - (self.kernel[k] - 1) * self.windows.dilation[k] - 1;
            room / self.windows.stride[k] + 1
        })
    }

    fn shapes(&self) -> [[usize; 4]; 3] {
        let ([height, width], [rows, columns], groups) = (self.input, self.kernel, self.windows.groups);
        let [y, x] = self.output();
        [
            [self.images, height, width, self.inputs * groups],
            [rows, columns, self.inputs, self.outputs * groups],
            [self.images, y, x, self.outputs * groups],
        ]
    }

    /// Calls `f` with the indices of `x`, `k` and `y` for every product of the convolution.
    fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let [x_shape, k_shape, y_shape] = self.shapes();
        let at = |shape: [usize; 4], index: [usize; 4]| index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i);
        let Windows { stride, dilation, padding, groups } = self.windows;
        for n in 0..self.images {
            for (oy, ox) in pairs(y_shape[1], y_shape[2]) {
                for (ty, tx) in pairs(k_shape[0], k_shape[1]) {
                    let source = |o: usize, t: usize, k: usize| {
                        (o * stride[k] + t * dilation[k]).checked_sub(padding[k].0).filter(|&i| i < self.input[k])
                    };
                    let (Some(iy), Some(ix)) = (source(oy, ty, 0), source(ox, tx, 1)) else { continue };
                    for (g, (i, o)) in (0..groups).flat_map(|g| pairs(self.inputs, self.outputs).map(move |p| (g, p))) {
                        let (from, to) = (g * self.inputs + i, g * self.outputs + o);
                        f(at(x_shape, [n, iy, ix, from]), at(k_shape, [ty, tx, i, to]), at(y_shape, [n, oy, ox, to]));
                    }
                }
            }
        }
    }
}

fn pairs(a: usize, b: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)))
}

/// Small integers, whose sums are exact; stored in row-major order or as a view.
fn numbers(generator: &mut Generator, shape: [usize; 4], dtype: DType, view: bool) -> Tensor {
    let stored = if view { [shape[3], shape[0], 2 * shape[1], shape[2]] } else { shape };
    let x = generator.integers(stored, -4..5).unwrap().cast(dtype);
    if view { x.slice((.., .., (Some(1), None, 2), ..)).unwrap().permute([1, 2, 3, 0]).unwrap() } else { x }
}

fn check(case: &Case, dtype: DType, views: bool) {
    let mut generator = Generator::new(case.seed);
    let [x, k, y] = case.shapes().map(|shape| numbers(&mut generator, shape, dtype, views));
    let values = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().unwrap();
    let (xs, ks, ys) = (values(&x), values(&k), values(&y));
    let [mut x_sum, mut k_sum, mut y_sum] = [&xs, &ks, &ys].map(|values| vec![0.0; values.len()]);
    case.products(|i, t, o| {
        y_sum[o] += xs[i] * ks[t];
        x_sum[i] += ys[o] * ks[t];
        k_sum[t] += xs[i] * ys[o];
    });
    let windows = case.windows;
    let results = [
        (Conv::Conv(windows), [&x, &k], y_sum, 2),
        (Conv::ConvInput { windows, size: case.input }, [&y, &k], x_sum, 0),
        (Conv::ConvKernel { windows, size: case.kernel }, [&x, &y], k_sum, 1),
    ];
    for (op, operands, expected, shape) in results {
        let found = apply(op, &operands).unwrap();
        assert_eq!(&found.shape()[..], case.shapes()[shape], "{op:?}");
        assert_eq!(values(&found), expected, "{op:?} of {case:?}");
    }
}

/// Kernel, stride, dilation, padding before and after, and how many elements the image is larger than a window.
type AxisDraw = (usize, usize, usize, usize, usize, usize);

fn cases() -> impl Strategy<Value = Case> {
    let axis = || (1..4usize, 1..4usize, 1..4usize, 0..4usize, 0..4usize, 0..9usize);
    let channels = prop_oneof![
        (1..4usize, 1..4usize, 1..3usize),
        (Just(1), Just(1), 1..40usize),
        (1..5usize, 1..70usize, Just(1))
    ];
    (0..4usize, [axis(), axis()], channels, any::<u64>()).prop_map(|(images, axes, channels, seed)| {
        let [y, x] = axes;
        let both = |f: fn(AxisDraw) -> usize| [f(y), f(x)];
        let (kernel, dilation) = (both(|axis| axis.0), both(|axis| axis.2));
        let padding = [(y.3, y.4), (x.3, x.4)];
        let least = |k: usize| ((kernel[k] - 1) * dilation[k] + 1).saturating_sub(padding[k].0 + padding[k].1).max(1);
        let input = [least(0) + y.5, least(1) + x.5];
        let (inputs, outputs, groups) = channels;
        let windows = Windows { stride: both(|axis| axis.1), dilation, padding, groups };
        Case { images, input, kernel, inputs, outputs, windows, seed }
    })
}

proptest! {
    #[test]
    fn convolutions_and_their_gradients_are_the_sums_that_define_them(case in cases(), single in any::<bool>(), views in any::<bool>()) {
        check(&case, if single { DType::F32 } else { DType::F64 }, views);
    }
}

/// Large enough to be split over images, rows and channels.
#[test]
fn large_convolutions_are_split_correctly() {
    for (images, input, channels, stride, padding, groups) in [
        (20, [28, 28], (1, 32), 1, 0, 1),
        (1, [61, 90], (24, 40), 1, 1, 1),
        (7, [17, 9], (16, 50), 2, 1, 1),
        (3, [40, 40], (8, 24), 3, 2, 2),
        (40, [5, 5], (64, 100), 1, 0, 1),
        (9, [24, 24], (1, 1), 1, 1, 80),
    ] {
        let windows = Windows { stride: [stride; 2], dilation: [1; 2], padding: [(padding, padding); 2], groups };
        let case = Case { images, input, kernel: [3, 3], inputs: channels.0, outputs: channels.1, windows, seed: 7 };
        check(&case, DType::F32, false);
    }
}

#[test]
fn no_images_and_no_channels() {
    let windows = Windows { stride: [1; 2], dilation: [1; 2], padding: [(0, 0); 2], groups: 1 };
    for (images, inputs, outputs) in [(0, 2, 3), (2, 0, 3), (2, 3, 0)] {
        let case = Case { images, input: [4, 5], kernel: [3, 2], inputs, outputs, windows, seed: 1 };
        check(&case, DType::F64, false);
    }
}

#[test]
fn padding_same_gives_a_window_for_every_stride_and_puts_the_odd_zero_last() {
    let ones = |shape: [usize; 4]| Tensor::ones(shape);
    for (input, kernel, stride, dilation, expected) in [
        (5, 3, 1, 1, vec![2.0, 3.0, 3.0, 3.0, 2.0]),
        // As in Keras, the odd zero is at the end.
        (5, 2, 1, 1, vec![2.0, 2.0, 2.0, 2.0, 1.0]),
        (5, 4, 2, 1, vec![3.0, 4.0, 2.0]),
        (6, 3, 2, 1, vec![3.0, 3.0, 2.0]),
        (5, 2, 1, 2, vec![1.0, 2.0, 2.0, 2.0, 1.0]),
        (5, 1, 3, 1, vec![1.0, 1.0]),
    ] {
        let options = ConvOptions { stride: [1, stride], dilation: [1, dilation], padding: Padding::Same, groups: 1 };
        let y = ones([1, 1, input, 1]).conv2d(ones([1, kernel, 1, 1]), options).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), expected, "input {input}, kernel {kernel}, stride {stride}");
        let line = ConvOptions { stride: [stride], dilation: [dilation], padding: Padding::Same, groups: 1 };
        let (x, k) = (Tensor::ones([1, input, 1]), Tensor::ones([kernel, 1, 1]));
        assert_eq!(x.conv1d(k, line).unwrap().to_vec::<f32>().unwrap(), expected);
    }
}

#[test]
fn a_transposed_convolution_has_the_size_that_its_options_say() {
    let size = |padding: Padding<2>, output_padding: usize, stride: usize, kernel: usize| {
        let options = ConvOptions { stride: [stride; 2], padding, ..ConvOptions::default() };
        let x = Tensor::ones([1, 3, 4, 2]);
        let y = x.conv_transpose2d(Tensor::ones([kernel, kernel, 5, 2]), options, [output_padding; 2])?;
        Ok::<_, tensor::Error>(y.shape().to_vec())
    };
    assert_eq!(size(Padding::Valid, 0, 1, 3).unwrap(), [1, 5, 6, 5]);
    assert_eq!(size(Padding::Valid, 1, 2, 3).unwrap(), [1, 8, 10, 5]);
    assert_eq!(size(Padding::Explicit([(1, 1), (1, 0)]), 0, 2, 3).unwrap(), [1, 5, 8, 5]);
    assert_eq!(size(Padding::Same, 0, 2, 3).unwrap(), [1, 6, 8, 5]);
    assert_eq!(size(Padding::Same, 0, 3, 2).unwrap(), [1, 9, 12, 5]);
    let message = |result: Result<Vec<usize>, tensor::Error>| result.unwrap_err().to_string();
    assert_eq!(message(size(Padding::Valid, 2, 2, 3)), "conv_input: output_padding 2: must be below the stride 2");
    assert_eq!(message(size(Padding::Same, 1, 2, 3)), "conv_input: output_padding 1: must be 0 with padding `Same`");
    assert_eq!(
        message(size(Padding::Explicit([(9, 0), (0, 0)]), 0, 1, 3)),
        "conv_input: padding 9 + 0 is more than the 5 elements of the result"
    );
}

#[test]
fn channels_first_and_last_are_views_of_each_other() {
    let x = Tensor::arange(0, 24, 1).unwrap().reshape([1, 2, 3, 4]).unwrap().cast(DType::F32);
    let last = x.channels_last().unwrap();
    assert_eq!((&last.shape()[..], last.view::<f32>().unwrap()[[0, 2, 1, 1]]), (&[1, 3, 4, 2][..], 21.0));
    assert_eq!(last.channels_first().unwrap().to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
    assert!(Tensor::ones([2]).channels_last().is_err() && Tensor::ones([]).channels_first().is_err());
}

#[test]
fn unsuitable_operands_are_refused_with_shapes_and_rule() {
    let message = |x: [usize; 4], k: [usize; 4], options: ConvOptions<2>| {
        Tensor::ones(x).conv2d(Tensor::ones(k), options).unwrap_err().to_string()
    };
    let plain = ConvOptions::default();
    assert_eq!(
        message([1, 4, 2, 3], [3, 3, 3, 8], plain),
        "conv: [1, 4, 2, 3] × [3, 3, 3, 8]: a kernel of width 3 with dilation 1 does not fit into 2 and padding 0 + 0"
    );
    assert_eq!(
        message([1, 4, 4, 3], [3, 3, 2, 8], plain),
        "conv: [1, 4, 4, 3] × [3, 3, 2, 8]: the images have 3 channels, 3 in each of 1 groups, but the kernel has 2"
    );
    assert_eq!(
        message([1, 4, 4, 4], [3, 3, 2, 5], ConvOptions { groups: 2, ..plain }),
        "conv: [1, 4, 4, 4] × [3, 3, 2, 5]: 2 groups do not divide both the 4 channels of the images and the 5 outputs"
    );
    assert_eq!(
        message([1, 4, 4, 4], [3, 3, 4, 5], ConvOptions { stride: [1, 0], ..plain }),
        "conv: stride 0: must be at least 1"
    );
    assert_eq!(
        message([1, 4, 4, 4], [0, 3, 4, 5], plain),
        "conv: [1, 4, 4, 4] × [0, 3, 4, 5]: a kernel of height 0 has no elements"
    );
    let huge = ConvOptions { padding: Padding::Explicit([(usize::MAX, 1), (0, 0)]), ..plain };
    assert!(message([1, 4, 4, 4], [3, 3, 4, 5], huge).contains("does not fit"));
    let huge = ConvOptions { dilation: [usize::MAX, 1], ..plain };
    assert!(message([1, 4, 4, 4], [3, 3, 4, 5], huge).contains("does not fit"));
    let three = Tensor::ones([4, 4, 4]).conv2d(Tensor::ones([3, 3, 4, 5]), plain).unwrap_err().to_string();
    assert_eq!(three, "conv: shape [4, 4, 4]: images must be [images, height, width, channels]");
    let integers = Tensor::ones([1, 4, 4, 4]).cast(DType::I64);
    let integers = integers.conv2d(Tensor::ones([3, 3, 4, 5]).cast(DType::I64), plain).unwrap_err().to_string();
    assert_eq!(integers, "conv: int64 is not a floating type; cast the operands first");
    let windows = Windows { stride: [1; 2], dilation: [1; 2], padding: [(0, 0); 2], groups: 1 };
    let (y, k) = (Tensor::ones([1, 2, 2, 5]), Tensor::ones([3, 3, 4, 5]));
    assert_eq!(
        apply(Conv::ConvInput { windows, size: [4, 5] }, &[&y, &k]).unwrap_err().to_string(),
        "conv_input: [1, 2, 2, 5] × [3, 3, 4, 5]: the result of this convolution would have the shape [1, 2, 3, 5]"
    );
}
