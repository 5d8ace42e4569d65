//! Axes, indices, ranges, margins and counts.

use tensor::ops::{Index, Movement, Range, Scan, Split, apply, apply_all};
use tensor::{Result, Tensor};

use crate::{HOSTILE, called};

const SIGNED: [isize; 12] =
    [isize::MIN, isize::MIN + 1, -(1 << 62), -(1 << 32), -2, -1, 0, 1, 2, 1 << 32, 1 << 62, isize::MAX];

/// Small sizes, and sizes larger than addressable memory.
const SIZES: [usize; 8] = [0, 1, 2, 3, 1 << 59, 1 << 62, 1 << 63, usize::MAX];

/// A tensor `[2, 3]` of 0 to 5, contiguous and as a view with reversed rows.
fn tensors() -> [Tensor; 2] {
    let x = Tensor::arange(0, 6, 1).unwrap().reshape([2, 3]).unwrap();
    [x.clone(), x.flip(1).unwrap()]
}

/// Reads all elements of the result of a call.
fn read(what: impl std::fmt::Debug, call: impl FnOnce() -> Result<Tensor>) {
    if let Ok(x) = called(what, call) {
        assert!(x.size() <= 1 << 16, "{} is more than what was asked for", x.shape());
        assert_eq!(x.to_vec::<i64>().unwrap().len(), x.size());
    }
}

#[test]
fn a_slice_has_the_elements_that_its_ranges_name_or_is_an_error() {
    for x in tensors() {
        let values = x.to_vec::<i64>().unwrap();
        for (start, count) in HOSTILE.iter().flat_map(|&start| HOSTILE.map(|count| (start, count))) {
            for step in SIGNED {
                let range = Range { start, count, step };
                let places = (0..count.min(4) as i128).map(|k| start as i128 + k * step as i128);
                let inside = count <= 3 && places.clone().all(|place| (0..3).contains(&place));
                let all = Range { start: 0, count: 2, step: 1 };
                for (ranges, axis) in [(vec![all, range], 1), (vec![range, all], 0)] {
                    read(range, || apply(Movement::Slice { ranges: ranges.clone() }, &[&x]));
                    let put = Movement::SliceBackward { shape: [3, 3].into(), ranges };
                    let small = if axis == 1 { x.slice((.., ..count.min(3))) } else { x.slice((..count.min(2), ..2)) };
                    read(range, || apply(put, &[&small.unwrap()]));
                }
                let cut = called(range, || x.slice((1..2, range)));
                match inside && step != 0 {
                    true => {
                        let expected: Vec<i64> = places.map(|place| values[3 + place as usize]).collect();
                        assert_eq!(cut.unwrap().to_vec::<i64>().unwrap(), expected, "{range:?}");
                    }
                    false => assert!(cut.is_err(), "{range:?}"),
                }
            }
        }
        for (start, end) in SIGNED.iter().flat_map(|&start| SIGNED.map(|end| (start, end))) {
            read((start, end), || x.slice(start..end));
            read((start, end), || x.slice((.., start..)));
            for step in SIGNED {
                read((start, end, step), || x.slice((.., (Some(start), Some(end), step))));
                read((start, end, step), || x.slice(((None, Some(end), step),)));
            }
        }
    }
}

#[test]
fn margins_and_repetitions_have_sizes_or_are_errors() {
    for x in tensors() {
        for (a, b) in SIZES.iter().flat_map(|&a| SIZES.map(|b| (a, b))) {
            read((a, b), || x.pad([(a, b), (0, 0)], 7.0));
            read((a, b), || x.pad([(0, 1), (b, a)], 7.0));
            read((a, b), || x.tile([a, b]));
            read((a, b), || x.tile([2, a, b, 1]));
            let padded = called((a, b), || x.pad([(0, 0), (a, b)], 7.0));
            assert_eq!(padded.is_ok(), a <= 3 && b <= 3, "{a}, {b}");
            for shape in [vec![a, b], vec![a, 2, b], vec![a, b, 2, 3], vec![b, a, 0]] {
                let _ = called(&shape, || x.reshape(shape.clone()));
                let _ = called(&shape, || Tensor::from_vec(vec![0u8; 6], shape.clone()));
                if let Ok(view) = called(&shape, || x.expand(shape.clone())) {
                    assert_eq!(view.sum_axis(..).unwrap().rank(), 0);
                }
            }
        }
        for (a, b) in SIGNED.iter().flat_map(|&a| SIGNED.map(|b| (a, b))) {
            read((a, b), || x.reshape([a, b]));
            read((a, b), || x.reshape([a, b, 0]));
            read((a, b), || x.roll(a, b));
            read((a, b), || x.at(a, b));
            read((a, b), || x.transpose(a, b));
            read((a, b), || x.permute([a, b]));
            read((a, b), || x.flip([a, b]));
            read((a, b), || x.sum_axis([a, b]));
            read((a, b), || x.tril(a)?.triu(b));
            let band = Movement::BandPart { lower: Some(a), upper: Some(b) };
            read((a, b), || apply(band, &[&x]));
        }
    }
}

#[test]
fn axes_and_counts_are_checked() {
    for x in tensors() {
        for axis in SIGNED {
            read(axis, || x.expand_dims(axis));
            read(axis, || x.squeeze(axis));
            read(axis, || x.cumsum(axis));
            read(axis, || x.argsort(axis));
            read(axis, || x.argmax_axis(axis));
            read(axis, || Tensor::concat(&[&x, &x], axis));
            read(axis, || Tensor::stack(&[&x, &x], axis));
            let _ = called(axis, || x.unstack(axis));
            let _ = called(axis, || x.softmax(axis));
            let _ = called(axis, || x.cast(tensor::DType::F32).normalize(axis, 1e-5));
            for count in HOSTILE {
                let _ = called((axis, count), || x.chunk(count, axis));
                let _ = called((axis, count), || x.split([count, count], axis));
                read((axis, count), || Ok(x.topk(count, axis)?.0));
            }
        }
        for axis in HOSTILE {
            let ops = [Movement::Concat { axis }];
            ops.into_iter().for_each(|op| read(axis, || apply(op, &[&x, &x])));
            read(axis, || apply(Scan::CumSum { axis }, &[&x]));
            for size in HOSTILE {
                let _ = called((axis, size), || apply_all(Split { axis, sizes: vec![size, size] }, &[&x]).map(drop));
                let _ =
                    called((axis, size), || apply_all(Scan::TopK { axis, k: size, largest: true }, &[&x]).map(drop));
            }
        }
    }
}

#[test]
fn indices_are_checked() {
    let x = tensors()[1].clone();
    for (a, b) in SIGNED.iter().flat_map(|&a| SIGNED.map(|b| (a as i64, b as i64))) {
        let index = Tensor::from([[a, b, 0], [1, 2, b]]);
        for axis in SIGNED {
            let taken = called((a, b, axis), || x.take(&index, axis));
            let size = match axis {
                0 | -2 => 2,
                1 | -1 => 3,
                _ => 0,
            };
            let inside = [a, b, 2].iter().all(|index| (0..size).contains(index));
            assert_eq!(taken.is_ok(), inside, "{a}, {b} along {axis}");
            read((a, b, axis), || x.gather(&index, axis));
            read((a, b, axis), || x.scatter_add(&index, &x, axis));
            for size in SIZES {
                read((a, b, axis, size), || x.index_add(&Tensor::from([a, b]), axis, size));
            }
        }
        for size in SIZES {
            let hot = called((a, b, size), || index.one_hot(size));
            let inside = size <= 3 && [a, b, 2].iter().all(|&index| (0..size as i64).contains(&index));
            assert_eq!(hot.is_ok(), inside, "{a}, {b} of {size}");
        }
    }
    for (axis, size) in HOSTILE.iter().flat_map(|&axis| SIZES.map(|size| (axis, size))) {
        let none = Tensor::zeros([2, 0]).cast(tensor::DType::I64);
        let index = Tensor::from([0i64, 1]);
        read((axis, size), || apply(Index::Take { axis }, &[&x, &index]));
        read((axis, size), || apply(Index::IndexAdd { axis, size }, &[&x, &index]));
        read((axis, size), || apply(Index::Gather { axis }, &[&x, &none]));
        read((axis, size), || apply(Index::IndexAdd { axis, size }, &[&none, &none]));
    }
}

#[test]
fn numbers_in_a_row_are_int64_or_an_error() {
    use tensor::Number::{Float, Integer};
    let integers = [i128::MIN, i64::MIN as i128, -1, 0, 1, 7, i64::MAX as i128, u64::MAX as i128, i128::MAX];
    for (start, end) in integers.iter().flat_map(|&start| integers.map(|end| (start, end))) {
        for step in integers {
            let few = |count: i128| !(1 << 16..1 << 59).contains(&count);
            let count = end.checked_sub(start).and_then(|distance| distance.checked_div(step)).unwrap_or(i128::MAX);
            if few(count) {
                let numbers = [start, end, step].map(Integer);
                read(numbers, || Tensor::arange(numbers[0], numbers[1], numbers[2]));
            }
        }
    }
    for step in [0.0, -1.0, 1e-300, f64::NAN, f64::INFINITY] {
        let _ = called(step, || Tensor::arange(Float(0.0), Float(5.0), Float(step)));
    }
}
