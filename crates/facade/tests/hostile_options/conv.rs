//! Convolutions, transposed convolutions, and their gradients.

use tensor::Tensor;
use tensor::ops::{Conv, ConvOptions, Padding, Windows, apply};

use crate::{Axis, FEW, HOSTILE, called, integers, numbers};

/// Channels of images and results, and groups: few, with a tile that is not full; of each its own kernel; many of each.
const CHANNELS: [[usize; 3]; 4] = [[3, 2, 1], [4, 6, 2], [3, 3, 3], [20, 20, 20]];

struct Case {
    axis: Axis,
    /// Whether the axis is the height or the width; the other one has size 1.
    side: usize,
    channels: [usize; 3],
}

impl Case {
    fn shape(&self, [first, size, last]: [usize; 3]) -> [usize; 4] {
        if self.side == 0 { [first, size, 1, last] } else { [first, 1, size, last] }
    }

    fn kernel_shape(&self) -> [usize; 4] {
        let [inputs, outputs, groups] = self.channels;
        let [_, rows, columns, _] = self.shape([1, self.axis.kernel, 1]);
        [rows, columns, inputs / groups, outputs]
    }

    fn windows(&self) -> Windows {
        let Axis { stride, dilation, padding, .. } = self.axis;
        let both = |option: usize| if self.side == 0 { [option, 1] } else { [1, option] };
        Windows {
            stride: both(stride),
            dilation: both(dilation),
            padding: if self.side == 0 { [padding, (0, 0)] } else { [(0, 0), padding] },
            groups: self.channels[2],
        }
    }

    /// Calls `f` with the indices of image, kernel and result of every product for one image.
    fn products(&self, windows: i128, mut f: impl FnMut(usize, usize, usize)) {
        let [inputs, outputs, groups] = self.channels;
        let (depth, width) = (inputs / groups, outputs / groups);
        for window in 0..windows {
            for (input, place) in self.axis.elements(window) {
                for (i, o) in (0..depth).flat_map(|i| (0..outputs).map(move |o| (i, o))) {
                    let channel = o / width * depth + i;
                    f(input * inputs + channel, (place * depth + i) * outputs + o, window as usize * outputs + o);
                }
            }
        }
    }

    /// Checks the convolution and its gradients, as operations.
    fn check(&self) {
        let [inputs, outputs, _] = self.channels;
        let axis = self.axis;
        let (x, k) = (integers(self.shape([1, axis.input, inputs]), 3), integers(self.kernel_shape(), 5));
        let windows = self.windows();
        let what = (axis, self.side, self.channels);
        let count = axis.count();
        if count.is_some_and(|count| count > FEW) {
            return;
        }
        let y = called(what, || apply(Conv::Conv(windows), &[&x, &k]));
        let (Some(count), Ok(y)) = (count, &y) else {
            assert!(count.is_none() && y.is_err(), "{what:?}: {count:?} windows, {y:?}");
            return;
        };
        let g = integers(self.shape([1, count as usize, outputs]), 7);
        let size = |shape: [usize; 4], first: usize| [shape[first], shape[first + 1]];
        let input = Conv::ConvInput { windows, size: size(self.shape([1, axis.input, 1]), 1) };
        let kernel = Conv::ConvKernel { windows, size: size(self.kernel_shape(), 0) };
        let dx = called(what, || apply(input, &[&g, &k])).unwrap();
        let dk = called(what, || apply(kernel, &[&x, &g])).unwrap();

        let [xs, ks, gs] = [&x, &k, &g].map(numbers);
        let [mut of_x, mut of_k, mut of_y] = [&xs, &ks, &gs].map(|values| vec![0.0; values.len()]);
        self.products(count, |i, t, o| {
            of_y[o] += xs[i] * ks[t];
            of_x[i] += gs[o] * ks[t];
            of_k[t] += xs[i] * gs[o];
        });
        assert_eq!(numbers(y), of_y, "{what:?}: the result");
        assert_eq!(numbers(&dx), of_x, "{what:?}: the gradient of the images");
        assert_eq!(numbers(&dk), of_k, "{what:?}: the gradient of the kernel");
    }
}

#[test]
fn convolutions_and_their_gradients_are_those_of_their_definition_or_an_error() {
    let mut number = 0;
    for (input, kernel) in [(1, 1), (3, 2), (4, 4)] {
        for stride in HOSTILE {
            for dilation in HOSTILE {
                for padding in HOSTILE.iter().flat_map(|&before| HOSTILE.map(|after| (before, after))) {
                    number += 1;
                    let axis = Axis { input, kernel, stride, dilation, padding };
                    Case { axis, side: number % 2, channels: CHANNELS[number / 2 % 4] }.check();
                }
            }
        }
    }
}

/// The size of the result of a transposed convolution along an axis, in 128 bits.
fn transposed(axis: &Axis, output_padding: usize) -> Option<i128> {
    let full = (axis.input as i128 - 1).checked_mul(axis.stride as i128)?;
    let reach = (axis.kernel as i128 - 1).checked_mul(axis.dilation as i128)?;
    Some(full + reach + 1 + output_padding as i128 - axis.padding.0 as i128 - axis.padding.1 as i128)
}

#[test]
fn transposed_convolutions_are_those_of_their_definition_or_an_error() {
    let strides = HOSTILE.iter().flat_map(|&stride| HOSTILE.map(|dilation| (stride, dilation)));
    for (number, (stride, dilation)) in strides.enumerate() {
        for (input, kernel) in [(1, 1), (3, 2), (5, 3), (9, 4)] {
            // Hostile padding, and padding that reduces a long result to a few elements.
            let mut paddings: Vec<(usize, usize)> =
                HOSTILE.iter().flat_map(|&before| HOSTILE.map(|after| (before, after))).collect();
            let whole = Axis { input, kernel, stride, dilation, padding: (0, 0) };
            if let Some(size) =
                transposed(&whole, 0).and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 4)
            {
                paddings.extend([(size - 4, 0), (0, size - 4), (size / 2, size - size / 2 - 3), (size - 5, 1)]);
            }
            for padding in paddings {
                let axis = Axis { padding, ..whole };
                let [inputs, outputs, groups] = CHANNELS[number % 4];
                let case = Case { axis, side: number % 2, channels: [inputs, outputs, groups] };
                let size = transposed(&axis, 0);
                if size.is_some_and(|size| size > FEW && size < 1 << 59) {
                    continue;
                }
                let y = integers(case.shape([1, input, outputs]), 3);
                let k = integers(case.kernel_shape(), 5);
                let Windows { stride, dilation, padding, groups } = case.windows();
                let options = ConvOptions { stride, dilation, padding: Padding::Explicit(padding), groups };
                let found = called((axis, case.side), || y.conv_transpose2d(&k, options, [0, 0]));
                let size = size.and_then(|size| usize::try_from(size).ok()).filter(|&size| size <= FEW as usize);
                let result =
                    size.map(|input| Axis { input, ..axis }).filter(|axis| axis.count() == Some(input as i128));
                let Some(result) = result else {
                    assert!(found.is_err(), "{axis:?}: {found:?}");
                    continue;
                };
                let case = Case { axis: result, ..case };
                let (ys, ks) = (numbers(&y), numbers(&k));
                let mut expected = vec![0.0; result.input * inputs];
                case.products(input as i128, |i, t, o| expected[i] += ys[o] * ks[t]);
                assert_eq!(numbers(&found.unwrap()), expected, "{axis:?}");
            }
        }
    }
}

#[test]
fn what_a_padding_is_called_is_no_way_around_the_checks() {
    let (x, k) = (integers([1, 3, 3, 2], 1), integers([2, 2, 2, 2], 2));
    let (steps, taps) = (x.at(0, 1).unwrap(), k.at(0, 0).unwrap());
    for (a, b) in HOSTILE.iter().flat_map(|&a| HOSTILE.map(|b| (a, b))) {
        for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
            for groups in [1, 2, 1 << 59, usize::MAX] {
                let options = ConvOptions { stride: [a, 1], dilation: [b, 2], padding, groups };
                let _ = called(options, || x.conv2d(&k, options));
                // Larger results are correct, but take too long.
                if [a, b].iter().all(|option| !(4..1 << 59).contains(option)) {
                    let _ = called(options, || x.conv_transpose2d(&k, options, [0, b]));
                }
            }
        }
        for padding in [Padding::Valid, Padding::Same, Padding::Causal, Padding::Explicit([(a, b)])] {
            let options = ConvOptions { stride: [a], dilation: [b], padding, groups: 1 };
            let axis = Axis { input: 3, kernel: 2, stride: a, dilation: b, padding: (a, b) };
            if axis.count().is_none_or(|n| n <= FEW) {
                let _ = called(options, || steps.conv1d(&taps, options));
            }
        }
    }
}

#[test]
fn images_and_kernels_without_elements_are_no_way_around_the_checks() {
    for (a, b) in HOSTILE.iter().flat_map(|&a| HOSTILE.map(|b| (a, b))) {
        let empty = [Tensor::zeros([0, 1, 3, 2]), Tensor::zeros([1, 1, 3, 0]), Tensor::zeros([1, 1, 0, 2])];
        let kernels = [Tensor::zeros([1, 2, 2, 2]), Tensor::zeros([1, 2, 0, 2]), Tensor::zeros([1, 2, 2, 0])];
        for (x, k) in empty.iter().flat_map(|x| kernels.iter().map(move |k| (x, k))) {
            let windows = Windows { stride: [1, a], dilation: [1, b], padding: [(0, 0), (b, a)], groups: 1 };
            let axis = Axis { input: x.shape()[2], kernel: 2, stride: a, dilation: b, padding: (b, a) };
            if x.shape()[0] == 0 || k.shape()[3] == 0 || axis.count().is_none_or(|n| n <= FEW) {
                let _ = called(windows, || apply(Conv::Conv(windows), &[x, k]));
            }
            let size = [1, a];
            if a <= FEW as usize || a >= 1 << 59 {
                let _ = called(windows, || apply(Conv::ConvInput { windows, size }, &[x, k]));
                let _ = called(windows, || apply(Conv::ConvKernel { windows, size }, &[x, x]));
            }
        }
    }
}
