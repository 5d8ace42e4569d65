//! The accuracy of the kernels: float32 against float64, and both at the ends of their ranges.

mod sets;

use tensor::{DType, Tensor, tensor};

/// The distance in units in the last place of the float32 nearest to `expected`.
fn ulps(found: f32, expected: f64) -> f64 {
    let nearest = expected as f32;
    if found == nearest || found.is_nan() && nearest.is_nan() {
        return 0.0;
    }
    if !found.is_finite() || !nearest.is_finite() {
        // One of them is infinite: count the largest finite number as next to infinity.
        let cut = |x: f32| x.clamp(f32::MIN, f32::MAX) as f64;
        let ulp = (f32::MAX - f32::from_bits(f32::MAX.to_bits() - 1)) as f64;
        return if found.is_nan() || nearest.is_nan() {
            f64::INFINITY
        } else {
            1.0 + (cut(found) - cut(nearest)).abs() / ulp
        };
    }
    let above = f32::from_bits(nearest.abs().to_bits() + 1);
    (found as f64 - expected).abs() / (above as f64 - nearest.abs() as f64)
}

/// Numbers of all magnitudes, dense where functions bend, and special values.
fn samples() -> Vec<f32> {
    let mut samples = vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX];
    // Steps through the bit patterns reach subnormals and the largest numbers alike.
    samples.extend((0..20_000u32).map(|k| f32::from_bits(k * 214_013 + 1)).filter(|x| !x.is_nan()));
    samples.extend((-12_000..12_000).map(|k| k as f32 * 0.009_3));
    samples.extend((-4_000..4_000).map(|k| k as f32 * 0.000_37));
    samples
}

#[test]
fn float32_functions_stay_within_their_limits_in_ulps() {
    type Function = fn(&Tensor) -> Tensor;
    let functions: [(&str, Function, f64); 33] = [
        ("exp", Tensor::exp, 2.0),
        ("expm1", Tensor::expm1, 2.0),
        ("log", Tensor::log, 2.0),
        ("log1p", Tensor::log1p, 2.0),
        ("sqrt", Tensor::sqrt, 1.0),
        ("rsqrt", Tensor::rsqrt, 2.0),
        ("reciprocal", Tensor::reciprocal, 1.0),
        ("sin", Tensor::sin, 2.0),
        ("cos", Tensor::cos, 2.0),
        ("tan", Tensor::tan, 2.0),
        ("tanh", Tensor::tanh, 2.0),
        ("sigmoid", Tensor::sigmoid, 2.0),
        ("erf", Tensor::erf, 2.0),
        ("relu", Tensor::relu, 0.0),
        ("selu", Tensor::selu, 4.0),
        ("silu", Tensor::silu, 4.0),
        ("softplus", Tensor::softplus, 2.0),
        ("gelu", Tensor::gelu, 4.0),
        ("gelu_tanh", Tensor::gelu_tanh, 4.0),
        ("elu", |x| x.elu(0.7), 4.0),
        ("leaky_relu", |x| x.leaky_relu(0.25), 1.0),
        ("floor", Tensor::floor, 0.0),
        ("ceil", Tensor::ceil, 0.0),
        ("round", Tensor::round, 0.0),
        ("abs", Tensor::abs, 0.0),
        ("sign", Tensor::sign, 0.0),
        ("square", Tensor::square, 1.0),
        ("pow 3", |x| x.pow(3).unwrap(), 2.0),
        ("pow -1", |x| x.pow(-1).unwrap(), 1.0),
        ("pow -2", |x| x.pow(-2).unwrap(), 2.0),
        ("pow 0.5", |x| x.pow(0.5).unwrap(), 2.0),
        ("pow 17", |x| x.pow(17).unwrap(), 2.0),
        ("clamp", |x| x.clamp(-1.5, 2.25).unwrap(), 0.0),
    ];
    let samples = samples();
    let x = Tensor::from(samples.clone());
    let wide = x.cast(DType::F64);
    let mut failures = Vec::new();
    for (name, function, limit) in functions {
        let found = function(&x).to_vec::<f32>().unwrap();
        let expected = function(&wide).to_vec::<f64>().unwrap();
        let distances = found.iter().zip(&expected).map(|(&found, &expected)| ulps(found, expected));
        let worst = distances.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let (k, distance) = worst;
        if distance > limit {
            failures.push(format!("{name}({:e}) = {:e}, not {:e}: {distance} ulp", samples[k], found[k], expected[k]));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn two_operand_functions_stay_within_their_limits_in_ulps() {
    type Function = fn(&Tensor, &Tensor) -> Tensor;
    let functions: [(&str, Function, f64); 5] = [
        ("add", |a, b| a + b, 1.0),
        ("div", |a, b| a / b, 1.0),
        ("pow", |a, b| a.pow(b).unwrap(), 2.0),
        ("atan2", |a, b| a.atan2(b).unwrap(), 2.0),
        ("remainder", |a, b| a.remainder(b).unwrap(), 1.0),
    ];
    let a: Vec<f32> = (0..5_000).map(|k| (k as f32 * 0.731).sin() * (k % 90) as f32).collect();
    let b: Vec<f32> = (0..5_000).map(|k| (k as f32 * 1.377).cos() * (k % 70) as f32 + 0.01).collect();
    let (x, y) = (Tensor::from(a.clone()), Tensor::from(b.clone()));
    for (name, function, limit) in functions {
        let found = function(&x, &y).to_vec::<f32>().unwrap();
        let expected = function(&x.cast(DType::F64), &y.cast(DType::F64)).to_vec::<f64>().unwrap();
        for k in 0..found.len() {
            let distance = ulps(found[k], expected[k]);
            assert!(distance <= limit, "{name}({}, {}) = {}, not {}", a[k], b[k], found[k], expected[k]);
        }
    }
}

/// The expected values come from arithmetic with more digits.
#[test]
fn nothing_overflows_and_no_tail_is_lost() {
    let close = |x: Tensor, expected: &[f64], relative: f64| {
        let found = x.cast(DType::F64).to_vec::<f64>().unwrap();
        for (found, &expected) in found.iter().zip(expected) {
            let error = (found - expected).abs();
            assert!(found == &expected || error <= relative * expected.abs(), "{found:e}, not {expected:e}");
        }
    };
    let inputs = tensor![-700.0, -90.0, 0.0, 90.0, 700.0].cast(DType::F64);
    // e⁻⁷⁰⁰ and e⁻⁹⁰, which are below the smallest normal float32.
    let (a, b) = (9.859_676_543_759_77e-305, 8.194_012_623_990_515e-40);
    close(inputs.sigmoid(), &[a, b, 0.5, 1.0, 1.0], 1e-15);
    close(inputs.softplus(), &[a, b, 2f64.ln(), 90.0, 700.0], 1e-15);
    close(inputs.silu(), &[-700.0 * a, -90.0 * b, 0.0, 90.0, 700.0], 1e-15);
    close(inputs.gelu(), &[-0.0, -0.0, 0.0, 90.0, 700.0], 1e-15);
    close(inputs.tanh(), &[-1.0, -1.0, 0.0, 1.0, 1.0], 0.0);
    close(inputs.erf(), &[-1.0, -1.0, 0.0, 1.0, 1.0], 0.0);
    let narrow = inputs.cast(DType::F32);
    // The smallest subnormal float32 is 1.4e-45: about five digits of e⁻⁹⁰ are left.
    close(narrow.sigmoid(), &[0.0, b, 0.5, 1.0, 1.0], 1e-5);
    close(narrow.softplus(), &[0.0, b, 2f64.ln(), 90.0, 700.0], 1e-5);
    close(narrow.silu(), &[-0.0, -90.0 * b, 0.0, 90.0, 700.0], 1e-5);
    close(narrow.logsumexp(), &[700.0], 0.0);
    close(tensor![-700.0, -700.0].logsumexp(), &[-700.0 + 2f64.ln()], 1e-7);

    for dtype in [DType::F32, DType::F64] {
        let tolerance = if dtype == DType::F32 { 1e-6 } else { 1e-14 };
        let logits = tensor![[700.0, 0.0, -700.0], [0.0, 0.0, -90.0]].cast(dtype);
        let half = -(2f64.ln());
        let log = logits.log_softmax(-1).unwrap();
        let first = if dtype == DType::F64 { -a } else { 0.0 };
        close(log, &[first, -700.0, -1400.0, half, half, half - 90.0], tolerance);
        // A small loss keeps its digits: ln(1 + 2 e⁻²⁰).
        let loss = tensor![[20.0, 0.0, 0.0]].cast(dtype).softmax_cross_entropy(&tensor![0]).unwrap();
        close(loss, &[(2.0 * (-20f64).exp()).ln_1p()], tolerance);
        // ... and so does a small difference of large logits.
        let loss = tensor![[10_000.0, 10_000.5]].cast(dtype).softmax_cross_entropy(&tensor![0]).unwrap();
        close(loss, &[0.5 + (-0.5f64).exp().ln_1p()], tolerance);
    }
}

#[test]
fn many_float32_are_added_without_drift() {
    let tenth = 0.1f32 as f64;
    let many = Tensor::full([1_000_000], 0.1);
    let sum = many.sum().item().unwrap();
    assert!((sum - tenth * 1e6).abs() < 0.02, "{sum}");
    assert!((many.mean().item().unwrap() - tenth).abs() < 2e-8);
    // Along columns, and over axes that are not adjacent.
    for (x, axes) in [
        (Tensor::full([500_000, 2], 0.1), [0].as_slice()),
        (Tensor::full([1_000, 2, 500], 0.1), &[0, 2]),
        (Tensor::full([2, 500_000], 0.1), &[1]),
    ] {
        for sum in x.sum_axis(axes).unwrap().to_vec::<f32>().unwrap() {
            assert!((sum as f64 - tenth * 5e5).abs() < 0.03, "{sum}");
        }
    }
    let running = many.cumsum(0).unwrap().slice(999_999..).unwrap().item().unwrap();
    assert!((running - tenth * 1e6).abs() < 0.01, "{running}");
}

#[test]
fn variances_and_norms_keep_their_digits() {
    // A mean far from zero, beside which the deviations are small.
    let shifted = tensor![10_000.0, 10_001.0, 10_002.0];
    assert!((shifted.var().item().unwrap() - 2.0 / 3.0).abs() < 1e-6);
    let integers = tensor![1_000_000_000, 1_000_000_001, 1_000_000_002];
    assert!((integers.var().item().unwrap() - 2.0 / 3.0).abs() < 1e-6);
    assert!((integers.std().item().unwrap() - (2.0f64 / 3.0).sqrt()).abs() < 1e-6);
    assert_eq!(integers.std().dtype(), DType::F32);
    // Squares that would overflow and underflow.
    assert_eq!(tensor![3e30, 4e30].norm().item().unwrap(), 5e30f32 as f64);
    let tiny = tensor![3e-30, 4e-30].norm().item().unwrap();
    assert!((tiny / 5e-30 - 1.0).abs() < 1e-6, "{tiny:e}");
    // The same, added by many threads.
    for scale in [1e-30f32, 1e-12, 1.0, 1e12, 1e30] {
        let x = tensor::Tensor::full([1 << 18, 2], scale).try_mul(tensor![3.0, 4.0]).unwrap();
        let expected = 5.0 * f64::from(scale) * 512.0;
        let norm = x.norm().item().unwrap();
        assert!((norm / expected - 1.0).abs() < 1e-6, "{norm:e} instead of {expected:e}");
    }
    assert_eq!(tensor::Tensor::zeros([1 << 18]).norm().item().unwrap(), 0.0);
    assert_eq!(tensor::Tensor::zeros([0]).norm().item().unwrap(), 0.0);
}

#[test]
fn not_a_number_is_not_hidden() {
    let x = tensor![1.0, f32::NAN, 3.0];
    for result in [x.max().unwrap(), x.min().unwrap(), x.sum(), x.mean(), x.var(), x.logsumexp(), x.norm()] {
        assert!(result.item().unwrap().is_nan());
    }
    assert_eq!(x.argmax_axis(0).unwrap().item().unwrap(), 1.0);
    assert_eq!(x.isnan().to_vec::<bool>().unwrap(), [false, true, false]);
    assert!(x.maximum(2).unwrap().to_vec::<f32>().unwrap()[1].is_nan());
    assert!(x.softmax(0).unwrap().to_vec::<f32>().unwrap().iter().all(|x| x.is_nan()));
    assert!(!x.allclose(&x, 1e-3, 1e-3).unwrap());
    let (values, indices) = x.sort_descending(0).unwrap();
    assert_eq!(values.to_vec::<f32>().unwrap()[..2], [3.0, 1.0]);
    assert_eq!(indices.to_vec::<i64>().unwrap(), [2, 0, 1]);
}

/// Many small terms are added pairwise: one by one, the sum would stop growing at 2²⁴.
#[test]
fn long_rows_keep_their_sum() -> tensor::Result<()> {
    let sum = tensor::Tensor::zeros([1 << 25]).softmax(0)?.sum().item()?;
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    let tail = tensor::Tensor::from([0.0f32, -20.0]).logsumexp().item()?;
    assert!((tail / 2.061_153_6e-9 - 1.0).abs() < 1e-6, "{tail}");
    Ok(())
}

#[test]
fn narrower_instruction_sets_pass_these_tests() {
    sets::run_again_with_narrower_sets("narrower_instruction_sets_pass_these_tests");
}
