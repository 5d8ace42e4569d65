//! The mathematical functions: their accuracy over their whole ranges, and that a result does not depend on the
//! position of its element.

mod double_double;
#[path = "../sets/mod.rs"]
mod sets;

use double_double::Double;
use tensor::{DType, Tensor, tensor};

type Function = fn(&Tensor) -> Tensor;

/// A name, a function of tensors, and the same function of one number.
type Row = (&'static str, Function, fn(f64) -> f64);

/// The limits in float32. Sines, cosines and tangents are computed in float64: half a unit for the rounding to float32,
/// plus the error of the polynomials. The others are those of the design: 2 units, and 4 for composed functions.
fn limit(name: &str) -> f64 {
    match name {
        "sin" | "cos" | "tan" => 0.53,
        "silu" | "softplus" | "gelu" | "gelu_tanh" => 4.0,
        _ => 2.0,
    }
}

fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

/// `x` times a weight that vanishes faster toward minus infinity.
fn weighted(x: f64, weight: fn(f64) -> f64) -> f64 {
    if x == f64::NEG_INFINITY { 0.0 } else { x * weight(x) }
}

/// The functions, and references in plain float64 arithmetic, which have more digits than float32.
const FUNCTIONS: [Row; 14] = [
    ("exp", Tensor::exp, libm::exp),
    ("expm1", Tensor::expm1, libm::expm1),
    ("log", Tensor::log, libm::log),
    ("log1p", Tensor::log1p, libm::log1p),
    ("sin", Tensor::sin, libm::sin),
    ("cos", Tensor::cos, libm::cos),
    ("tan", Tensor::tan, libm::tan),
    ("tanh", Tensor::tanh, libm::tanh),
    ("sigmoid", Tensor::sigmoid, sigmoid),
    ("silu", Tensor::silu, |x| weighted(x, sigmoid)),
    ("softplus", Tensor::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    ("erf", Tensor::erf, libm::erf),
    ("gelu", Tensor::gelu, |x| weighted(x, |x| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2))),
    ("gelu_tanh", Tensor::gelu_tanh, |x| {
        weighted(x, |x| sigmoid(2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)))
    }),
];

/// The distance of `found` to `expected` in units in the last place of the float32 nearest to `expected`.
fn ulps(found: f32, expected: f64) -> f64 {
    let nearest = expected as f32;
    if found.to_bits() == nearest.to_bits() && !nearest.is_finite() || found.is_nan() && nearest.is_nan() {
        return 0.0;
    }
    if !found.is_finite() || !nearest.is_finite() {
        return f64::INFINITY;
    }
    let size = nearest.abs().min(f32::from_bits(f32::MAX.to_bits() - 1));
    (found as f64 - expected).abs() / (size.next_up() as f64 - size as f64)
}

#[test]
fn float32_results_stay_within_their_limits_in_ulps() {
    let x: Vec<f32> = (0..u32::MAX / 1009).map(|k| f32::from_bits(k * 1009)).collect();
    let tensor = Tensor::from(x.clone());
    for (name, function, reference) in FUNCTIONS {
        let found = function(&tensor).to_vec::<f32>().unwrap();
        for (&x, &found) in x.iter().zip(&found) {
            let expected = reference(x as f64);
            let distance = ulps(found, expected);
            assert!(distance <= limit(name), "{name}({x:e}) = {found:e}, not {expected:e}: {distance} ulp");
        }
    }
}

/// A value and the exponent of a power of 2 to multiply it by.
type Reference = (Double, i32);

fn plain(x: Double) -> Reference {
    (x, 0)
}

fn exact_sigmoid(x: Double) -> Reference {
    let one = Double(1.0, 0.0);
    let (small, power) = (-x.abs()).exp_parts();
    let sum = one + (-x.abs()).exp();
    if x.0 < 0.0 { (small / sum, power) } else { (one / sum, 0) }
}

fn exact_gelu(x: Double) -> Reference {
    let (small, power) = (-(x * x * 0.5.into())).exp_parts();
    let tail = x.abs().mills() * small;
    if x.0 < 0.0 { (x * tail, power) } else { plain(x - x * x.abs().mills() * (-(x * x * 0.5.into())).exp()) }
}

fn exact_gelu_tanh(x: Double) -> Reference {
    let [linear, cubic] =
        [Double(1.5957691216057308, -9.96930880911092e-17), Double(0.07135481627260025, -6.175149918155315e-19)];
    let (value, power) = exact_sigmoid(x * (linear + cubic * x * x));
    (x * value, power)
}

fn exact_softplus(x: Double) -> Reference {
    let (small, power) = (-x.abs()).exp_parts();
    let tail = (-x.abs()).exp().ln_1p();
    if x.0 > 0.0 {
        plain(x + tail)
    } else if x.0 > -80.0 {
        plain(tail)
    } else {
        // `ln(1 + s)` equals `s` in all digits that count.
        (small, power)
    }
}

fn exact_tanh(x: Double) -> Reference {
    let shrunk = (-(x.abs() * 2.0.into())).expm1();
    let value = -shrunk / (shrunk + 2.0.into());
    plain(if x.0 < 0.0 { -value } else { value })
}

fn exact_erf(x: Double) -> Reference {
    let y = x.abs() * Double(std::f64::consts::SQRT_2, -9.667293313452913e-17);
    let tail = y.mills() * (-(x * x)).exp() * 2.0.into();
    let value = Double(1.0, 0.0) - tail;
    plain(if x.0 < 0.0 { -value } else { value })
}

/// Reproducible random numbers up to `most` in size, and at all magnitudes below.
fn samples(most: f64) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let mut samples = Vec::new();
    for _ in 0..3_000 {
        samples.extend([
            most * uniform(),
            uniform(),
            6.0 * uniform(),
            most * uniform() * (-30.0 * uniform().abs()).exp2(),
        ]);
    }
    samples
}

/// The limits are those of the design: 2 units, and 4 for composed functions.
#[test]
fn float64_results_stay_within_their_limits_in_ulps() {
    type Exact = fn(Double) -> Reference;
    let functions: [(&str, Function, f64, f64, Exact); 11] = [
        ("exp", Tensor::exp, 709.0, 2.0, Double::exp_parts),
        ("expm1", Tensor::expm1, 700.0, 2.0, |x| plain(x.expm1())),
        ("log", |x| x.abs().log(), 1e300, 2.0, |x| plain(x.abs().ln())),
        ("log1p", |x| x.abs().log1p(), 1e3, 2.0, |x| plain(x.abs().ln_1p())),
        ("tanh", Tensor::tanh, 30.0, 2.0, exact_tanh),
        ("sigmoid", Tensor::sigmoid, 745.0, 2.0, exact_sigmoid),
        ("softplus", Tensor::softplus, 745.0, 2.0, exact_softplus),
        ("erf", Tensor::erf, 7.0, 2.0, exact_erf),
        ("silu", Tensor::silu, 750.0, 4.0, |x| {
            let (value, power) = exact_sigmoid(x);
            (x * value, power)
        }),
        ("gelu", Tensor::gelu, 38.7, 4.0, exact_gelu),
        ("gelu_tanh", Tensor::gelu_tanh, 21.8, 4.0, exact_gelu_tanh),
    ];
    for (name, function, most, limit, exact) in functions {
        let x = samples(most);
        let found = function(&Tensor::from(x.clone())).to_vec::<f64>().unwrap();
        for (&x, &found) in x.iter().zip(&found) {
            let (value, power) = exact(x.into());
            // Scale both by the inverse power of 2: some results are too small to keep their digits.
            let half = -power / 2;
            let scale = |x: f64| x * 2f64.powi(half) * 2f64.powi(-power - half);
            let ulp = scale(found.abs().next_up()) - scale(found.abs());
            let distance = ((Double::from(scale(found)) - value).0 / ulp).abs();
            assert!(distance <= limit, "{name}({x:e}) = {found:e}, not {value:?}·2^{power}: {distance} ulp");
        }
    }
}

/// libm's own error is below 1 unit.
#[test]
fn float64_sine_cosine_and_tangent_agree_with_libm() {
    let mut x = samples(1e7);
    // Multiples of π/2, near which digits cancel, and where the reduction changes.
    x.extend((0..20_000).map(|k| f64::from(k * 97) * std::f64::consts::FRAC_PI_2));
    x.extend([1.5e6, 1.5e6f64.next_up(), 1e22, -1e300, f64::MAX, 1e-300, 5e-324]);
    let tensor = Tensor::from(x.clone());
    let functions: [Row; 3] =
        [("sin", Tensor::sin, libm::sin), ("cos", Tensor::cos, libm::cos), ("tan", Tensor::tan, libm::tan)];
    for (name, function, reference) in functions {
        let found = function(&tensor).to_vec::<f64>().unwrap();
        for (&x, &found) in x.iter().zip(&found) {
            let expected = reference(x);
            let distance = (found - expected).abs() / (expected.abs().next_up() - expected.abs());
            assert!(distance <= 2.0, "{name}({x:e}) = {found:e}, not {expected:e}");
        }
    }
}

#[test]
fn special_arguments_give_special_results() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let table: [(&str, [f64; 4]); 14] = [
        // At -∞, -0, 0 and ∞.
        ("exp", [0.0, 1.0, 1.0, inf]),
        ("expm1", [-1.0, -0.0, 0.0, inf]),
        ("log", [nan, -inf, -inf, inf]),
        ("log1p", [nan, -0.0, 0.0, inf]),
        ("sin", [nan, -0.0, 0.0, nan]),
        ("cos", [nan, 1.0, 1.0, nan]),
        ("tan", [nan, -0.0, 0.0, nan]),
        ("tanh", [-1.0, -0.0, 0.0, 1.0]),
        ("sigmoid", [0.0, 0.5, 0.5, 1.0]),
        ("silu", [-0.0, -0.0, 0.0, inf]),
        ("softplus", [0.0, std::f64::consts::LN_2, std::f64::consts::LN_2, inf]),
        ("erf", [-1.0, -0.0, 0.0, 1.0]),
        ("gelu", [-0.0, -0.0, 0.0, inf]),
        ("gelu_tanh", [-0.0, -0.0, 0.0, inf]),
    ];
    for ((name, function, _), (same, expected)) in FUNCTIONS.into_iter().zip(table) {
        assert_eq!(name, same);
        let x = tensor![-inf, -0.0, 0.0, inf, nan].cast(DType::F64);
        let found = function(&x).to_vec::<f64>().unwrap();
        let narrow = function(&x.cast(DType::F32)).to_vec::<f32>().unwrap();
        for (k, expected) in expected.into_iter().chain([nan]).enumerate() {
            let equal = |a: f64, b: f64| a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits();
            assert!(equal(found[k], expected), "{name}: {found:?}");
            assert!(equal(narrow[k] as f64, expected as f32 as f64), "{name}: {narrow:?}");
        }
    }
}

/// In whole vectors, in remainder loops, in strided views and alone.
#[test]
fn a_result_does_not_depend_on_the_position_of_the_element() {
    let mut x = samples(30.0)[..1000].to_vec();
    // Arguments for which sines take another path.
    x.extend([1e7, -3e9, 1.0, 1e30, 2e6, -0.5, 1e-310, f64::INFINITY]);
    x.extend(samples(1e9)[..69].to_vec());
    let n = x.len() as isize;
    let bits = |x: &Tensor| -> Vec<u64> {
        let values = x.cast(DType::F64).to_vec::<f64>().unwrap();
        values.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
    };
    for dtype in [DType::F32, DType::F64] {
        let x = Tensor::from(x.clone()).cast(dtype);
        for (name, function, _) in FUNCTIONS {
            let whole = bits(&function(&x));
            for start in 0..n {
                let length = [1, 2, 3, 7, 15, 31][start as usize % 6].min(n - start);
                let part = bits(&function(&x.slice(start..start + length).unwrap()));
                assert_eq!(part, whole[start as usize..][..length as usize], "{name} from {start}");
            }
            let height = n as usize / 3;
            let transposed = function(&x.reshape([-1, 3]).unwrap().t().unwrap());
            for (k, bits) in bits(&transposed).into_iter().enumerate() {
                assert_eq!(bits, whole[k % height * 3 + k / height], "{name}, transposed, {k}");
            }
        }
    }
}

#[test]
fn narrower_instruction_sets_pass_these_tests() {
    sets::run_again_with_narrower_sets("narrower_instruction_sets_pass_these_tests");
}
