//! Pooling against plain loops.

use proptest::prelude::*;
use tensor::ops::{Cells, Padding, Pool, PoolOptions, apply};
use tensor::{DType, Generator, Tensor};

/// The elements of each window along an axis of `input` elements, and the number of its places, including padding.
fn spans(cells: Cells, input: usize) -> Vec<(Vec<usize>, usize)> {
    match cells {
        Cells::Adaptive(count) => (0..count)
            .map(|i| {
                let elements: Vec<usize> = (i * input / count..((i + 1) * input).div_ceil(count)).collect();
                (elements.clone(), elements.len())
            })
            .collect(),
        Cells::Windows { size, stride, dilation, padding: (before, after) } => {
            let mut starts =
                (0..).map(|i| i * stride).take_while(|start| start + (size - 1) * dilation < input + before + after);
            let elements = |start: usize| {
                let taps = (0..size).map(|t| start + t * dilation);
                taps.filter_map(|at| at.checked_sub(before)).filter(|&at| at < input).collect()
            };
            starts.by_ref().map(|start| (elements(start), size)).collect()
        }
    }
}

fn check(image: [usize; 4], cells: [Cells; 2], dtype: DType, ties: i64, seed: u64) {
    let [images, height, width, channels] = image;
    let mut generator = Generator::new(seed);
    // Small integers: sums are exact, and some elements are equal.
    let x = generator.integers(image, -ties..ties).unwrap().cast(dtype);
    let other = generator.integers(image, -9..9).unwrap().cast(dtype);
    let values = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>().unwrap();
    let (xs, others) = (values(&x), values(&other));
    let (ys, across) = (spans(cells[0], height), spans(cells[1], width));
    let shape = [images, ys.len(), across.len(), channels];
    let gradient = generator.integers(shape, -9..9).unwrap().cast(dtype);
    let gradients = values(&gradient);
    let size = gradients.len();
    let (mut max, mut picked, mut average, mut counted) =
        (vec![0.0; size], vec![0.0; size], vec![0.0; size], vec![0.0; size]);
    let mut max_input = vec![0.0; xs.len()];
    let mut place = 0;
    for n in 0..images {
        for (rows, height_of) in &ys {
            for (columns, width_of) in &across {
                for c in 0..channels {
                    let at = |y: usize, x: usize| ((n * height + y) * width + x) * channels + c;
                    let window: Vec<usize> =
                        rows.iter().flat_map(|&y| columns.iter().map(move |&x| at(y, x))).collect();
                    let first = window.iter().copied().reduce(|a, b| if xs[b] > xs[a] { b } else { a }).unwrap();
                    (max[place], picked[place]) = (xs[first], others[first]);
                    max_input[first] += gradients[place];
                    let sum: f64 = window.iter().map(|&at| xs[at]).sum();
                    average[place] = sum / window.len() as f64;
                    counted[place] = sum / (height_of * width_of) as f64;
                    place += 1;
                }
            }
        }
    }
    let round =
        |values: Vec<f64>| values.into_iter().map(|x| if dtype == DType::F32 { x as f32 as f64 } else { x }).collect();
    for (op, operands, expected, shape) in [
        (Pool::Max(cells), vec![&x], max, shape),
        (Pool::MaxPick(cells), vec![&x, &other], picked, shape),
        (Pool::MaxInput(cells), vec![&x, &gradient], max_input, image),
        (Pool::Average { cells, count_padding: false }, vec![&x], round(average), shape),
        (Pool::Average { cells, count_padding: true }, vec![&x], round(counted), shape),
    ] {
        let found = apply(op, &operands).unwrap();
        assert_eq!(&found.shape()[..], shape, "{op:?}");
        assert_eq!(values(&found), expected, "{op:?} of {x}");
    }
    // The adjoint: ⟨average(x), g⟩ = ⟨x, adjoint(g)⟩.
    for count_padding in [false, true] {
        let average = Pool::Average { cells, count_padding };
        let adjoint = apply(Pool::AverageInput { cells, count_padding, size: [height, width] }, &[&gradient]).unwrap();
        let product = |a: &Tensor, b: &Tensor| (a * b).sum().item().unwrap();
        let (left, right) = (product(&apply(average, &[&x]).unwrap(), &gradient), product(&x, &adjoint));
        let scale = (x.abs().sum().item().unwrap() + 1.0) * 9.0;
        let epsilon = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
        assert!((left - right).abs() <= 4.0 * epsilon * scale, "{left} and {right}");
    }
}

fn cells() -> impl Strategy<Value = (Cells, usize)> {
    let windows = (1..5usize, 1..4usize, 1..3usize, 0..2usize, 0..2usize, 0..8usize).prop_map(
        |(size, stride, dilation, before, after, more)| {
            let padding = (before.min(size - 1), after.min(size - 1));
            (Cells::Windows { size, stride, dilation, padding }, (size - 1) * dilation + 1 + more)
        },
    );
    prop_oneof![3 => windows, 1 => (0..6usize, 1..8usize).prop_map(|(count, input)| (Cells::Adaptive(count), input))]
}

proptest! {
    #[test]
    fn pooling_agrees_with_plain_loops(
        axes in [cells(), cells()], images in 0..4usize, channels in 0..40usize, single in any::<bool>(),
        ties in 1..20i64, seed in any::<u64>(),
    ) {
        let [(y, height), (x, width)] = axes;
        let dtype = if single { DType::F32 } else { DType::F64 };
        check([images, height, width, channels], [y, x], dtype, ties, seed);
    }
}

/// Large enough for several tasks.
#[test]
fn large_pooling_is_split_correctly() {
    let windows = |size, stride| Cells::Windows { size, stride, dilation: 1, padding: (0, 1) };
    check([9, 61, 40, 24], [windows(3, 2), windows(2, 2)], DType::F32, 50, 3);
    check([70, 9, 9, 17], [Cells::Adaptive(4), windows(3, 1)], DType::F32, 50, 4);
}

#[test]
fn views_and_sequences_are_pooled() {
    let x = Tensor::arange(0, 24, 1).unwrap().reshape([1, 2, 3, 4]).unwrap().cast(DType::F32);
    let y = x.channels_last().unwrap().max_pool2d(PoolOptions::new([3, 2])).unwrap();
    assert_eq!((&y.shape()[..], y.to_vec::<f32>().unwrap()), (&[1, 1, 2, 2][..], vec![9.0, 21.0, 11.0, 23.0]));
    let sequence = Tensor::from(vec![1.0f32, 5.0, 2.0, 4.0, 3.0]).reshape([1, 5, 1]).unwrap();
    let same = PoolOptions { stride: [2], padding: Padding::Same, ..PoolOptions::new([2]) };
    assert_eq!(sequence.max_pool1d(same).unwrap().to_vec::<f32>().unwrap(), [5.0, 4.0, 3.0]);
    // As in Keras, elements beyond the end do not count.
    assert_eq!(sequence.average_pool1d(same).unwrap().to_vec::<f32>().unwrap(), [3.0, 3.0, 3.0]);
    let counted = PoolOptions { count_padding: true, ..same };
    assert_eq!(sequence.average_pool1d(counted).unwrap().to_vec::<f32>().unwrap(), [3.0, 3.0, 1.5]);
}

#[test]
fn a_window_with_nan_is_nan() {
    let x = Tensor::from(vec![1.0f32, f32::NAN, 3.0, f32::NAN, 2.0, 7.0]).reshape([1, 1, 6, 1]).unwrap();
    let y = x.max_pool2d(PoolOptions::new([1, 3])).unwrap().to_vec::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1].is_nan());
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let message =
        |shape: &[usize], options: PoolOptions<2>| Tensor::ones(shape).max_pool2d(options).unwrap_err().to_string();
    let plain = PoolOptions::new([3, 3]);
    assert_eq!(
        message(&[1, 2, 4, 1], plain),
        "max_pool: shape [1, 2, 4, 1]: a window of height 3 with dilation 1 does not fit into 2 and padding 0 + 0"
    );
    assert_eq!(
        message(&[2, 4, 1], plain),
        "max_pool: shape [2, 4, 1]: images must be [images, height, width, channels]"
    );
    assert_eq!(
        message(&[1, 4, 4, 1], PoolOptions { stride: [1, 0], ..plain }),
        "max_pool: shape [1, 4, 4, 1]: stride 0: must be at least 1"
    );
    assert_eq!(
        message(&[1, 4, 4, 1], PoolOptions { padding: Padding::Explicit([(3, 0), (0, 0)]), ..plain }),
        "max_pool: shape [1, 4, 4, 1]: with 4 elements and padding 3 + 0 a window of height 3 lies \
         entirely in the padding"
    );
    let integers = Tensor::ones([1, 4, 4, 1]).cast(DType::I64).max_pool2d(plain).unwrap_err().to_string();
    assert_eq!(integers, "max_pool: int64 is not a floating type; cast it first");
    assert_eq!(
        Tensor::ones([1, 0, 4, 1]).adaptive_average_pool2d([1, 1]).unwrap_err().to_string(),
        "average_pool: shape [1, 0, 4, 1]: a height of 0 elements cannot be divided into cells"
    );
    let cells = [Cells::Adaptive(2); 2];
    let x = Tensor::ones([1, 4, 4, 1]);
    assert_eq!(
        apply(Pool::MaxInput(cells), &[&x, &x]).unwrap_err().to_string(),
        "max_pool_input: shape [1, 4, 4, 1]: these windows need the shape [1, 2, 2, 1]"
    );
}
