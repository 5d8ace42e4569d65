//! Gradients on a tape: an error, or correct by Euler's identity. A function that is linear in `x`, or selects
//! elements, has `Σ g · f(x) = Σ df(x; g) · x`; with small integers both sums are exact.

use autograd::tensor::ops::{ConvOptions, Padding, PoolOptions, Range};
use autograd::tensor::{DType, Tensor};
use autograd::{GradientTape, Result};

use crate::called;

/// Numbers around which sums and products of two or three begin to overflow.
const HOSTILE: [usize; 9] = [0, 1, 2, 3, 1 << 31, 1 << 59, 1 << 62, 1 << 63, usize::MAX];

/// Small integers that depend on the seed.
fn integers(shape: &[usize], seed: usize) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|k| ((k * 7 + seed) % 11) as f64 - 5.0).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// Returns whether the call succeeded, after checking its gradients for all operands.
fn check(what: impl std::fmt::Debug, operands: &[&Tensor], f: impl Fn(&[&Tensor]) -> Result<Tensor>) -> bool {
    let checked = called(&what, || {
        let tape = GradientTape::new();
        operands.iter().for_each(|&x| tape.watch(x));
        let y = f(operands)?;
        let product = y.try_mul(integers(y.shape(), 3))?.sum();
        let sources: Vec<Tensor> = operands.iter().map(|&x| x.clone()).collect();
        let gradients = tape.gradient(&product, &sources)?;
        for (x, gradient) in operands.iter().zip(&gradients) {
            // Averages divide, so they are rounded.
            let (found, expected) = (gradient.try_mul(x)?.sum().item()?, product.item()?);
            assert!((found - expected).abs() < 1e-9, "{what:?}: {found}, not {expected}");
        }
        Ok(())
    });
    checked.is_ok()
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    HOSTILE.iter().flat_map(|&a| HOSTILE.map(|b| (a, b)))
}

#[test]
fn a_transposed_convolution_of_windows_far_apart_has_the_gradients_of_the_one_that_meets_the_image() {
    let (x, k) = (integers(&[1, 1, 9, 3], 1), integers(&[1, 1, 4, 3], 2));
    let padding = Padding::Explicit([(0, 0), (1 << 62, 0)]);
    let options = ConvOptions { stride: [1, 1 << 59], padding, ..ConvOptions::default() };
    assert!(check(options, &[&x, &k], |x| x[0].conv_transpose2d(x[1], options, [0, 0])));
    let k = integers(&[1, 4, 2, 3], 2);
    assert!(check(options, &[&x, &k], |x| x[0].conv_transpose2d(x[1], options, [0, 0])));
    // The last of nine windows lies on the image, the others before it.
    let near = ConvOptions::default();
    let last = x.slice((.., .., 8..)).unwrap();
    let far = x.conv_transpose2d(&k, options, [0, 0]).unwrap();
    let expected = last.conv_transpose2d(&k, near, [0, 0]).unwrap();
    assert_eq!(far.to_vec::<f64>().unwrap(), expected.to_vec::<f64>().unwrap());
}

#[test]
fn convolutions_have_right_gradients_or_are_errors() {
    let (x, k) = (integers(&[2, 1, 4, 2], 1), integers(&[1, 3, 2, 2], 2));
    let mut computed = 0;
    for (stride, dilation) in pairs() {
        for (before, after) in pairs() {
            // The result has one element per window. Many windows are correct, but take too long.
            let padded = 4 + before as u128 + after as u128;
            let windows = padded.checked_div(stride as u128).unwrap_or(0);
            let padding = Padding::Explicit([(0, 0), (before, after)]);
            let options = ConvOptions { stride: [1, stride], dilation: [1, dilation], padding, groups: 1 };
            if !(65..1 << 60).contains(&windows) {
                computed += i32::from(check(options, &[&x, &k], |x| x[0].conv2d(x[1], options)));
            }
            let size = 3 * stride as u128 + 2 * dilation as u128 + 1;
            let size = size.saturating_sub(before as u128 + after as u128);
            if !(65..1 << 60).contains(&size) {
                computed += i32::from(check(options, &[&x, &k], |x| x[0].conv_transpose2d(x[1], options, [0, 0])));
            }
        }
        for padding in [Padding::Same, Padding::Causal] {
            let options = ConvOptions { stride: [1, stride], dilation: [1, dilation], padding, groups: 2 };
            let depthwise = integers(&[1, 3, 1, 2], 2);
            check(options, &[&x, &depthwise], |x| x[0].conv2d(x[1], options));
        }
    }
    assert!(computed > 100, "{computed} were no errors");
}

#[test]
fn poolings_have_right_gradients_or_are_errors() {
    let x = integers(&[2, 4, 2], 1);
    let mut computed = 0;
    for (stride, dilation) in pairs() {
        for (size, before) in pairs() {
            for (padding, count_padding) in [(Padding::Explicit([(before, before)]), false), (Padding::Same, false)] {
                let windows = (4 + 2 * before as u128).checked_div(stride as u128).unwrap_or(0);
                if windows <= 64 || before >= size {
                    let pool =
                        PoolOptions { size: [size], stride: [stride], padding, dilation: [dilation], count_padding };
                    computed += i32::from(check(pool, &[&x], |x| x[0].max_pool1d(pool)));
                    computed += i32::from(check(pool, &[&x], |x| x[0].average_pool1d(pool)));
                }
            }
        }
    }
    assert!(computed > 100, "{computed} were no errors");
}

#[test]
fn movements_and_selections_have_right_gradients_or_are_errors() {
    let x = integers(&[2, 3], 1);
    let signed = HOSTILE.map(|number| number as isize);
    for (a, b) in pairs() {
        let (i, j) = (a as isize, b as isize);
        if (a <= 3 && b <= 3) || a.max(b) >= 1 << 59 {
            check((a, b), &[&x], |x| x[0].pad([(a, b), (0, 1)], 0.0));
            check((a, b), &[&x], |x| x[0].tile([a, b]));
            check((a, b), &[&x], |x| x[0].index_add(&Tensor::from([0i64, 1]), i, b));
        }
        check((a, b), &[&x], |x| x[0].roll(i, j));
        check((a, b), &[&x], |x| x[0].at(i, j));
        check((a, b), &[&x], |x| x[0].transpose(i, j));
        check((a, b), &[&x], |x| x[0].tril(i)?.triu(j));
        check((a, b), &[&x], |x| x[0].sum_axis([i, j]));
        check((a, b), &[&x], |x| x[0].take(&Tensor::from([i as i64, 1]), j));
        check((a, b), &[&x], |x| Ok(x[0].topk(a, j)?.0));
        check((a, b), &[&x], |x| Tensor::concat(&[x[0], x[0]], i));
        for step in signed {
            check((a, b, step), &[&x], |x| x[0].slice((.., Range { start: a, count: b, step })));
        }
    }
    // The gradient of a repeated element is the sum of all gradients, without as many additions.
    let one = Tensor::scalar(1.0).cast(DType::F64);
    let tape = GradientTape::new();
    tape.watch(&one);
    let y = one.expand([1 << 31]).unwrap().sum();
    assert_eq!(tape.gradient(&y, &one).unwrap().item().unwrap(), (1u64 << 31) as f64);
}

#[test]
fn both_axes_of_a_depthwise_convolution_may_be_hostile() {
    let (x, kernel) = (integers(&[2, 1, 4, 20], 1), integers(&[3, 2, 1, 20], 2));
    let padding = Padding::Explicit([(12, 0), ((1 << 62) - 2, 0)]);
    let options = ConvOptions { stride: [isize::MAX as usize, 2], dilation: [5, 1 << 62], padding, groups: 20 };
    assert!(check("depthwise", &[&x, &kernel], |operands| operands[0].conv2d(operands[1], options)));
}
