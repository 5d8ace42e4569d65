//! The gradients of unary operations against their formulas, one element at a time.

mod sets;

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use tensor::ops::{UnaryGradient, apply};
use tensor::{DType, Tensor, tensor};

fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

/// The derivative of `x σ(u)`. The second term is left out where it is 0, because `x` may be infinite there.
fn weighted(x: f64, u: f64, slope: f64) -> f64 {
    let rest = sigmoid(u) * sigmoid(-u);
    sigmoid(u) + if rest == 0.0 { 0.0 } else { x * slope * rest }
}

fn gelu(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2) + if density == 0.0 { 0.0 } else { x * density }
}

fn gelu_tanh(x: f64) -> f64 {
    let linear = 2.0 * (2.0 / PI).sqrt();
    weighted(x, linear * (x + 0.044715 * x * x * x), linear * (1.0 + 3.0 * 0.044715 * x * x))
}

fn elu(x: f64, above: f64, below: f64) -> f64 {
    if x <= 0.0 { below * x.exp() } else { above }
}

type Formula = fn(f64, f64) -> f64;

/// Operations, and their formulas in the gradient and the saved operand or result.
const FORMULAS: [(UnaryGradient, Formula); 21] = [
    (UnaryGradient::Abs, |g, x| g * if x == 0.0 || x.is_nan() { x } else { x.signum() }),
    (UnaryGradient::Square, |g, x| 2.0 * x * g),
    (UnaryGradient::Log1p, |g, x| g / (1.0 + x)),
    (UnaryGradient::Expm1, |g, y| g * (1.0 + y)),
    (UnaryGradient::Sqrt, |g, y| g / (2.0 * y)),
    (UnaryGradient::Rsqrt, |g, y| -0.5 * y.powi(3) * g),
    (UnaryGradient::Reciprocal, |g, y| -y * y * g),
    (UnaryGradient::Tan, |g, y| (1.0 + y * y) * g),
    (UnaryGradient::Tanh, |g, y| (1.0 - y * y) * g),
    (UnaryGradient::Sigmoid, |g, y| y * (1.0 - y) * g),
    (UnaryGradient::Relu, |g, y| if y <= 0.0 { 0.0 } else { g }),
    (UnaryGradient::LeakyRelu { alpha: 0.2 }, |g, x| if x > 0.0 { g } else { 0.2 * g }),
    (UnaryGradient::Elu { alpha: 0.7 }, |g, x| g * elu(x, 1.0, 0.7)),
    (UnaryGradient::Selu, |g, x| g * elu(x, 1.050_700_987_355_480_5, 1.758_099_340_847_376_8)),
    (UnaryGradient::Silu, |g, x| g * weighted(x, x, 1.0)),
    (UnaryGradient::Softplus, |g, x| g * sigmoid(x)),
    (UnaryGradient::Erf, |g, x| g * 2.0 / PI.sqrt() * (-x * x).exp()),
    (UnaryGradient::Gelu { approximate: false }, |g, x| g * gelu(x)),
    (UnaryGradient::Gelu { approximate: true }, |g, x| g * gelu_tanh(x)),
    (UnaryGradient::Clamp { min: Some(-1.0), max: Some(0.5) }, |g, x| if x > -1.0 && x < 0.5 { g } else { 0.0 }),
    (UnaryGradient::Clamp { min: None, max: Some(0.5) }, |g, x| if x < 0.5 { g } else { 0.0 }),
];

/// Numbers around 0, large numbers, infinities and NaN.
fn numbers() -> Vec<f64> {
    let mut numbers: Vec<f64> = (-4000..4000).map(|k| f64::from(k) * 0.00137).collect();
    numbers.extend([-1e3, -700.0, -90.0, -38.0, 0.0, -0.0, 0.5, -1.0, 38.0, 90.0, 700.0, 1e3]);
    numbers.extend([f64::NEG_INFINITY, f64::INFINITY, f64::NAN, 1e-310]);
    numbers
}

/// Terms of the formulas are at most some 40 in size where they do not vanish, and they cancel.
#[test]
fn each_gradient_agrees_with_its_formula() {
    let numbers = numbers();
    let kept = Tensor::from(numbers.clone());
    for (op, formula) in FORMULAS {
        for g in [-1.5, 0.25] {
            let found = apply(op, &[&Tensor::from([g]), &kept]).unwrap().to_vec::<f64>().unwrap();
            for (&x, &found) in numbers.iter().zip(&found) {
                let expected = formula(g, x);
                let near = (found - expected).abs() <= f64::EPSILON * (8.0 + 16.0 * expected.abs());
                let same = found == expected || found.is_nan() && expected.is_nan();
                assert!(near || same, "{op:?} of {g} at {x:e}: {found:e}, not {expected:e}");
            }
        }
    }
}

/// The slopes of composed functions have a limit of 4 units in the last place of the sum of the absolute values of their
/// two terms: where the terms cancel, no more digits are left.
#[test]
fn float32_gradients_stay_within_their_limits_in_ulps() {
    let x: Vec<f32> = (0..u32::MAX / 10_007).map(|k| f32::from_bits(k * 10_007)).collect();
    let (narrow, one) = (Tensor::from(x.clone()), tensor![1.0]);
    let (wide, wide_one) = (narrow.cast(DType::F64), one.cast(DType::F64));
    // The first of the two terms; the other is the rest.
    type Term = fn(f64) -> f64;
    let long: [(UnaryGradient, f64, Term); 5] = [
        (UnaryGradient::Silu, 4.0, sigmoid),
        (UnaryGradient::Softplus, 2.0, sigmoid),
        (UnaryGradient::Erf, 4.0, |_| 0.0),
        (UnaryGradient::Gelu { approximate: false }, 4.0, |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2)),
        (UnaryGradient::Gelu { approximate: true }, 4.0, |x| {
            sigmoid(2.0 * (2.0 / PI).sqrt() * (x + 0.044715 * x * x * x))
        }),
    ];
    for (op, limit, term) in long {
        let found = apply(op, &[&one, &narrow]).unwrap().to_vec::<f32>().unwrap();
        let expected = apply(op, &[&wide_one, &wide]).unwrap().to_vec::<f64>().unwrap();
        for ((&x, found), expected) in x.iter().zip(found).zip(expected) {
            let term = term(f64::from(x));
            let size = (term.abs() + (expected - term).abs()) as f32;
            let unit = f64::from(size.next_up()) - f64::from(size);
            let near = (f64::from(found) - expected).abs() <= limit * unit;
            assert!(near || found.is_nan() && expected.is_nan(), "{op:?} at {x:e}: {found:e}, not {expected:e}");
        }
    }
}

/// Contiguous, broadcast and transposed.
#[test]
fn operands_may_be_views() {
    let g = Tensor::linspace(-1.0, 1.0, 1200).reshape([300, 4]).unwrap();
    let x = Tensor::linspace(-3.0, 3.0, 1200).reshape([4, 300]).unwrap().t().unwrap();
    let row = tensor![0.3, -0.7, 2.0, 1.1];
    for (op, _) in FORMULAS {
        for (g, x) in [(&g, &x), (&x, &g), (&g, &row), (&row, &x)] {
            let found = apply(op, &[g, x]).unwrap();
            assert_eq!(&found.shape()[..], [300, 4]);
            let laid_out = |x: &Tensor| x.expand([300, 4]).unwrap().to_vec::<f32>().unwrap();
            let plain = apply(op, &[&Tensor::from(laid_out(g)), &Tensor::from(laid_out(x))]).unwrap();
            assert_eq!(found.to_vec::<f32>().unwrap(), plain.to_vec::<f32>().unwrap(), "{op:?}");
        }
    }
}

#[test]
fn unsuitable_operands_are_refused() {
    let message = |a: &Tensor, b: &Tensor| apply(UnaryGradient::Tanh, &[a, b]).unwrap_err().to_string();
    assert_eq!(
        message(&tensor![1.0, 2.0], &tensor![1.0, 2.0, 3.0]),
        "tanh_gradient: [2] and [3] do not broadcast: 2 and 3 differ on axis -1, and neither is 1"
    );
    assert_eq!(message(&tensor![1], &tensor![1]), "tanh_gradient: int64 is not a floating type, as gradients are");
}

#[test]
fn narrower_instruction_sets_pass_these_tests() {
    sets::run_again_with_narrower_sets("narrower_instruction_sets_pass_these_tests");
}
