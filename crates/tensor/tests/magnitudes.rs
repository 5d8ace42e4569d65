//! Means, variances, norms and normalizations of numbers whose sums or squares overflow or underflow their type.

use tensor::ops::{Normalize, apply_all};
use tensor::{DType, Tensor, tensor};

fn close(found: &Tensor, expected: &[f64]) -> bool {
    let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).all(|(&a, &b)| a == b || (a - b).abs() <= 1e-6 * b.abs())
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &[f64]) {
    assert!(close(found, expected), "{found}, not {expected:?}");
}

/// Rows of 1, -1, 2, -2 times a number: their mean is 0, their variance 2.5 times its square.
fn rows(scales: &[f64], dtype: DType) -> Tensor {
    let values: Vec<f64> = scales.iter().flat_map(|scale| [1.0, -1.0, 2.0, -2.0].map(|x| x * scale)).collect();
    Tensor::from_vec(values, [scales.len(), 4]).unwrap().cast(dtype)
}

#[test]
fn variances_and_their_roots_overflow_only_where_they_must() {
    // 2.5e38 fits into float32, but the sum of the squares, 1e39, does not.
    let x = rows(&[1e19, 1e-21, 1.0, 0.0, 1e30], DType::F32);
    let variances = [2.5e38, 2.5e-42, 2.5, 0.0, f64::INFINITY];
    let found = x.var_axis(1).unwrap().to_vec::<f32>().unwrap();
    for (found, expected) in found.into_iter().zip(variances) {
        // float32 has three digits of 2.5e-42.
        let error = if expected > 0.0 && expected < 1e-38 { 1e-3 } else { 1e-6 };
        let found = f64::from(found);
        assert!(found == expected || (found - expected).abs() <= error * expected, "{found}, not {expected}");
    }
    let root = 2.5f64.sqrt();
    assert_close(&x.std_axis(1).unwrap(), &[root * 1e19, root * 1e-21, root, 0.0, root * 1e30]);
    assert_close(&x.norm_axis(1).unwrap(), &[1e19, 1e-21, 1.0, 0.0, 1e30].map(|scale| 10f64.sqrt() * scale));
    // Along columns, and in float64.
    assert_close(&x.slice(..1).unwrap().t().unwrap().var_axis(0).unwrap(), &[2.5e38]);
    let wide = rows(&[1e153, 1e-160, 1.0, 1e154], DType::F64);
    let found = wide.var_axis(1).unwrap().to_vec::<f64>().unwrap();
    assert!((found[0] - 2.5e306).abs() < 1e300 && (found[1] - 2.5e-320).abs() < 1e-322 && found[2] == 2.5);
    assert_eq!(found[3], f64::INFINITY);
    // The variance of equal numbers is 0, however large they are; that of numbers that are not all finite is NaN.
    assert_close(&Tensor::full([2, 3], 3e38).var_axis(1).unwrap(), &[0.0, 0.0]);
    assert!(tensor![1.0, f64::INFINITY].var().item().unwrap().is_nan());
}

#[test]
fn means_overflow_only_where_they_must() {
    let x = tensor![[3e38, 3e38, -1e38], [1.0, 2.0, 6.0], [3e38, 3.2e38, 3.4e38]];
    assert_close(&x.mean_axis(1).unwrap(), &[5e38 / 3.0, 3.0, 3.2e38]);
    assert_close(&x.t().unwrap().mean_axis(0).unwrap(), &[5e38 / 3.0, 3.0, 3.2e38]);
    assert_eq!(tensor![f64::INFINITY, 1.0].mean().item().unwrap(), f64::INFINITY);
    assert!(tensor![f64::INFINITY, f64::NEG_INFINITY].mean().item().unwrap().is_nan());
}

#[test]
fn a_row_out_of_range_leaves_the_bits_of_others_alone() {
    let ordinary = Tensor::uniform([50, 300], -1.0..1.0).unwrap();
    let wrong = (rows(&[1e20], DType::F32)).tile([1, 75]).unwrap();
    let mixed = Tensor::concat(&[&ordinary, &wrong], 0).unwrap();
    let ones = [Tensor::ones([1, 1]), Tensor::zeros([1, 1])];
    let normalized = |x: &Tensor| {
        let rows = x.shape()[0];
        let [y, ..] = x.reshape([rows, 1, 1, 300])?.normalize_groups(&ones[0], &ones[1], 1e-5)?;
        y.reshape(x.shape())
    };
    type Function<'a> = &'a dyn Fn(&Tensor) -> tensor::Result<Tensor>;
    let functions: [Function; 6] = [
        &|x| x.var_axis(1),
        &|x| x.norm_axis(1),
        &|x| x.mean_axis(1),
        &|x| x.rms_normalize(1, 1e-5),
        &|x| x.normalize(1, 1e-5),
        &normalized,
    ];
    for (k, function) in functions.iter().enumerate() {
        let (alone, together) = (function(&ordinary).unwrap(), function(&mixed).unwrap());
        let together = together.slice(..50).unwrap();
        assert_eq!(alone.to_vec::<f32>().unwrap(), together.to_vec::<f32>().unwrap(), "function {k}");
    }
}

#[test]
fn normalizations_do_not_overflow() {
    // ±1 and ±2 over √2.5.
    let root = 2.5f64.sqrt();
    let one = [1.0, -1.0, 2.0, -2.0].map(|x| x / root);
    for (scales, dtype, epsilon) in [
        (&[1e19, 1e20, 1.0, 1e38][..], DType::F32, 0.0),
        (&[1e-21, 1e-30, 1.0], DType::F32, 0.0),
        (&[1e19, 1e30], DType::F32, 1e-5),
        (&[1e160, 1.0, 1e307, 1e-200], DType::F64, 0.0),
    ] {
        let x = rows(scales, dtype);
        let expected = one.repeat(scales.len());
        assert_close(&x.normalize(1, epsilon).unwrap(), &expected);
        assert_close(&x.rms_normalize(1, epsilon).unwrap(), &expected);
        // By columns, as batch normalization does.
        assert_close(&x.t().unwrap().normalize(0, epsilon).unwrap().t().unwrap(), &expected);
        let numbers = [1.0, 0.0].map(|value| Tensor::full_of([1, 1], value, dtype));
        let columns = x.t().unwrap().reshape([1, 4, scales.len(), 1]).unwrap();
        let outputs = apply_all(Normalize::Normalize { epsilon }, &[&columns, &numbers[0], &numbers[1]]).unwrap();
        assert_close(&outputs[0].reshape([4, -1]).unwrap().t().unwrap(), &expected);
        let square =
            |scale: f64| if dtype == DType::F32 { (2.5 * scale * scale) as f32 as f64 } else { 2.5 * scale * scale };
        let found = outputs[2].cast(DType::F64).to_vec::<f64>().unwrap();
        for (found, &scale) in found.into_iter().zip(scales) {
            let expected = square(scale);
            assert!(found == expected || (found - expected).abs() <= 1e-3 * expected, "{found}, not {expected}");
        }
    }
    // The variance of tiny numbers is negligible beside a large epsilon.
    assert_close(&rows(&[1e-30], DType::F32).normalize(1, 1.0).unwrap(), &[1e-30, -1e-30, 2e-30, -2e-30]);
}

#[test]
fn constant_rows_of_the_largest_numbers_become_zero() {
    for (columns, value) in [(2, f32::MAX), (3, -f32::MAX), (100, f32::MAX)] {
        let y = Tensor::full([2, columns], value).normalize(-1, 1e-3).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), vec![0.0; 2 * columns], "{columns} times {value}");
    }
}
