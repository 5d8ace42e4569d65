//! Pooling and its gradients.

use tensor::ops::{Cells, Padding, Pool, PoolOptions, apply};
use tensor::{Result, Tensor};

use crate::{Axis, FEW, HOSTILE, called, integers, numbers};

/// The windows of an axis as elements of the image; `None` if a window has none. The last and the first window are
/// checked first.
fn windows(axis: &Axis, count: i128) -> Option<Vec<Vec<usize>>> {
    let window = |number: i128| -> Option<Vec<usize>> {
        let elements: Vec<usize> = axis.elements(number).into_iter().map(|(input, _)| input).collect();
        (!elements.is_empty()).then_some(elements)
    };
    window(count - 1).and(window(0))?;
    assert!(count <= FEW);
    (0..count).map(window).collect()
}

fn check(axis: Axis, side: usize, count_padding: bool) {
    let Axis { input, kernel: size, stride, dilation, padding } = axis;
    let sized = |size: usize| if side == 0 { [1, size, 1, 1] } else { [1, 1, size, 1] };
    let cells = Cells::Windows { size, stride, dilation, padding };
    let cells = if side == 0 { [cells, Cells::Adaptive(1)] } else { [Cells::Adaptive(1), cells] };
    let x = integers(sized(input), 3);
    let average = Pool::Average { cells, count_padding };
    let expected = match axis.count() {
        // Too many to compute, if the windows at the ends have elements.
        Some(count) if count > FEW && [0, count - 1].iter().all(|&k| !axis.elements(k).is_empty()) => return,
        Some(count) => windows(&axis, count),
        None => None,
    };
    let (max, mean) = (called(axis, || apply(Pool::Max(cells), &[&x])), called(axis, || apply(average, &[&x])));
    let Some(expected) = expected else {
        assert!(max.is_err() && mean.is_err(), "{axis:?}: {max:?}, {mean:?}");
        return;
    };
    let (xs, divisor) = (numbers(&x), |window: &Vec<usize>| if count_padding { size } else { window.len() } as f32);
    let largest =
        |window: &Vec<usize>| window.iter().copied().reduce(|a, b| if xs[b] > xs[a] { b } else { a }).unwrap();
    let of_max: Vec<f64> = expected.iter().map(|window| xs[largest(window)]).collect();
    assert_eq!(numbers(&max.unwrap()), of_max, "{axis:?}");
    let mean_of = |window: &Vec<usize>| f64::from(window.iter().map(|&k| xs[k] as f32).sum::<f32>() / divisor(window));
    assert_eq!(numbers(&mean.unwrap()), expected.iter().map(mean_of).collect::<Vec<_>>(), "{axis:?}");

    let g = integers(sized(expected.len()), 5);
    let gs = numbers(&g);
    let (mut to_max, mut to_mean) = (vec![0.0; input], vec![0f32; input]);
    for (window, &g) in expected.iter().zip(&gs) {
        to_max[largest(window)] += g;
        window.iter().for_each(|&k| to_mean[k] += g as f32 / divisor(window));
    }
    let size = if side == 0 { [input, 1] } else { [1, input] };
    let of_mean = Pool::AverageInput { cells, count_padding, size };
    let gradient = called(axis, || apply(Pool::MaxInput(cells), &[&x, &g])).unwrap();
    assert_eq!(numbers(&gradient), to_max, "{axis:?}");
    let picked = called(axis, || apply(Pool::MaxPick(cells), &[&x, &x])).unwrap();
    assert_eq!(numbers(&picked), of_max, "{axis:?}");
    let gradient = called(axis, || apply(of_mean, &[&g])).unwrap();
    assert_eq!(gradient.to_vec::<f32>().unwrap(), to_mean, "{axis:?}");
}

#[test]
fn poolings_and_their_gradients_are_those_of_their_definition_or_an_error() {
    let mut number = 0;
    for kernel in HOSTILE {
        for (stride, dilation) in HOSTILE.iter().flat_map(|&stride| HOSTILE.map(|dilation| (stride, dilation))) {
            for padding in HOSTILE.iter().flat_map(|&before| HOSTILE.map(|after| (before, after))) {
                number += 1;
                let axis = Axis { input: 4, kernel, stride, dilation, padding };
                check(axis, number % 2, number / 2 % 2 == 0);
            }
        }
    }
}

/// Pooling to a number of windows gives that number.
type Adaptive = fn(&Tensor, [usize; 2]) -> Result<Tensor>;

#[test]
fn adaptive_poolings_have_as_many_windows_as_memory_holds() {
    let x = integers([1, 2, 3, 1], 1);
    let poolings: [Adaptive; 2] = [|x, size| x.adaptive_max_pool2d(size), |x, size| x.adaptive_average_pool2d(size)];
    for pool in poolings {
        for count in HOSTILE {
            for size in [[count, 1], [1, count], [count, count]] {
                match count {
                    0..=3 => assert_eq!(called(size, || pool(&x, size)).unwrap().size(), size[0] * size[1]),
                    // Some machine may have the memory.
                    4..=0xffff_ffff_ffff => {}
                    _ => assert!(called(size, || pool(&x, size)).is_err(), "{size:?}"),
                }
                let none = Tensor::zeros([0, 2, 3, 1]);
                let _ = called(size, || pool(&none, size));
            }
        }
    }
}

#[test]
fn what_a_padding_is_called_is_no_way_around_the_checks() {
    let x = integers([1, 3, 3, 2], 1);
    for (a, b) in HOSTILE.iter().flat_map(|&a| HOSTILE.map(|b| (a, b))) {
        for (size, padding) in
            HOSTILE.iter().flat_map(|&c| [Padding::Valid, Padding::Same, Padding::Causal].map(|p| (c, p)))
        {
            let options = PoolOptions { stride: [a, 1], dilation: [b, 1], padding, ..PoolOptions::new([size, 1]) };
            let _ = called(options, || x.max_pool2d(options));
            let _ = called(options, || x.average_pool2d(options));
        }
    }
}

#[test]
fn more_windows_than_memory_holds_are_an_error_at_once() {
    let x = integers([1, 4, 1, 1], 3);
    let (size, reach) = (1 << 50, (1 << 50) - 1);
    let windows = Cells::Windows { size, stride: 1, dilation: 1, padding: (reach, reach) };
    let average = Pool::Average { cells: [windows, Cells::Adaptive(1)], count_padding: true };
    let message = apply(average, &[&x]).unwrap_err().to_string();
    // 4 + 2 (2⁵⁰ - 1) - 2⁵⁰ + 1
    assert!(message.ends_with("there is no memory for 1125899906842627 windows along the height"), "{message}");
}
