//! Activations and their gradients against PyTorch, and their behaviour for extreme inputs.

use autograd::GradientTape;
use nn::Activation::{self, *};
use nn::{Conv1d, Layer, Mode, Variable};
use tensor::ops::Padding;
use tensor::{DType, Result, Tensor, tensor};

fn doubles(values: &[f64]) -> Tensor {
    Tensor::from_vec(values.to_vec(), [values.len()]).unwrap()
}

fn assert_close(name: &str, found: &Tensor, expected: &[f64]) {
    let found = found.to_vec::<f64>().unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-14 * expected.abs().max(1.0), "{name}: {found} for {expected}");
    }
}

const X: [f64; 10] = [-3.0, -1.5, -1.0, -0.5, -0.2, 0.0, 0.3, 0.5, 1.0, 2.5];
/// The output is multiplied by the first of these before it is differentiated.
const WEIGHTS: [f64; 10] = [0.7, -1.1, 0.4, 1.3, -0.6, 0.9, -0.8, 1.2, 0.5, -1.4];

/// Function, values and gradient at [`X`], kinks included. From PyTorch 2.15 in float64, by its functions of the same
/// names; `Squareplus` and the sparse ones from Keras' formulas in PyTorch.
#[rustfmt::skip]
const GOLDEN: &[(Activation, &[f64], &[f64])] = &[
    (
        Celu { alpha: 1.5 },
        &[-1.296997075145081, -0.9481808382428365, -0.729874321451112, -0.4252030341393161, -0.18724002143557883, 0.0, 0.3, 0.5, 1.0, 2.5],
        &[0.09473469826562889, -0.4046673852885866, 0.2053668476130368, 0.9314907037459261, -0.5251039914257685, 0.8999999999999999, -0.8, 1.2, 0.5, -1.4],
    ),
    (
        Glu,
        &[-1.5, -0.8616637752174885, -0.6224593312018546, -0.36552928931500245, -0.1848283639957513],
        &[0.35, -0.631886768492825, 0.24898373248074185, 0.9503761522190064, -0.5544850919872539, -0.5249999999999999, 0.40335621428973073, -0.09400148488063781, -0.12779775660696321, 0.008412445985412968],
    ),
    (
        HardTanh,
        &[-1.0, -1.0, -1.0, -0.5, -0.2, 0.0, 0.3, 0.5, 1.0, 1.0],
        &[0.0, 0.0, 0.0, 1.3, -0.6, 0.9, -0.8, 1.2, 0.0, 0.0],
    ),
    (
        HardShrink { threshold: 0.5 },
        &[-3.0, -1.5, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.5],
        &[0.7, -1.1, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, -1.4],
    ),
    (
        SoftShrink { threshold: 0.5 },
        &[-2.5, -1.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 2.0],
        &[0.7, -1.1, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, -1.4],
    ),
    (
        TanhShrink,
        &[-2.0049452463132695, -0.5948517463551336, -0.23840584404423515, -0.03788284273999026, -0.002624679775096006, 0.0, 0.008687387548409087, 0.03788284273999026, 0.23840584404423515, 1.5133857018485697],
        &[0.6930937739841918, -0.9012226971839866, 0.23201026335438957, 0.27761794714429433, -0.02337421022033004, 0.0, -0.0678904305386967, 0.25626272044088716, 0.29001282919298693, -1.3627708826435752],
    ),
    (
        Threshold { threshold: 0.3, value: -2.0 },
        &[-2.0, -2.0, -2.0, -2.0, -2.0, -2.0, -2.0, 0.5, 1.0, 2.5],
        &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.2, 0.5, -1.4],
    ),
    (
        HardSilu,
        &[-0.0, -0.375, -0.3333333333333333, -0.20833333333333334, -0.09333333333333332, 0.0, 0.16499999999999998, 0.2916666666666667, 0.6666666666666666, 2.2916666666666665],
        &[0.0, -0.0, 0.06666666666666668, 0.4333333333333334, -0.26, 0.45, -0.48, 0.7999999999999999, 0.41666666666666663, -1.8666666666666667],
    ),
    (
        Squareplus { b: 4.0 },
        &[0.30277563773199456, 0.5, 0.6180339887498949, 0.7807764064044151, 0.904987562112089, 1.0, 1.161187420807834, 1.2807764064044151, 1.618033988749895, 2.850781059358212],
        &[0.05878239698175469, -0.21999999999999997, 0.11055728090000844, 0.4923518437263835, -0.27014888429370026, 0.45, -0.45933618117209785, 0.7455213750217998, 0.36180339887498947, -1.2466081666101212],
    ),
    (
        SparsePlus,
        &[0.0, 0.0, 0.0, 0.0625, 0.16000000000000003, 0.25, 0.42250000000000004, 0.5625, 1.0, 2.5],
        &[0.0, 0.0, 0.0, 0.325, -0.24, 0.45, -0.52, 0.8999999999999999, 0.5, -1.4],
    ),
    (
        SparseSigmoid,
        &[0.0, 0.0, 0.0, 0.25, 0.4, 0.5, 0.65, 0.75, 1.0, 1.0],
        &[0.0, 0.0, 0.0, 0.65, -0.3, 0.45, -0.4, 0.6, 0.0, 0.0],
    ),
];

#[test]
fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
    for (activation, values, gradient) in GOLDEN {
        let name = format!("{activation:?}");
        let x = Variable::new(doubles(&X));
        let tape = GradientTape::new();
        let y = activation.apply(&x.value())?;
        let sum = y.try_mul(doubles(&WEIGHTS[..values.len()]))?.sum();
        assert_close(&name, &tape.gradient(&sum, &x)?, gradient);
        assert_close(&name, &y, values);
    }
    Ok(())
}

/// By its definition, with bisection: `Σ max(x - τ, 0) = 1`.
fn projected(x: &[f64]) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (largest - 1.0, largest);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let sum: f64 = x.iter().map(|x| (x - middle).max(0.0)).sum();
        if sum > 1.0 { low = middle } else { high = middle }
    }
    x.iter().map(|x| (x - low).max(0.0)).collect()
}

#[test]
fn sparsemax_is_the_nearest_point_of_the_simplex() -> Result<()> {
    let rows: [&[f64]; 4] = [&X, &[0.1, 0.1, 0.1], &[1e8, 1e8 - 0.5, 0.0], &[-2.0]];
    for row in rows {
        let y = Sparsemax.apply(&doubles(row))?;
        let expected = projected(row);
        for (found, expected) in y.to_vec::<f64>()?.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-7, "{row:?}: {found} for {expected}");
        }
    }
    // In float32 the sum with such numbers would round 1 away.
    let large = tensor![[1e8, 0.0], [3.0, 3.5]];
    assert_eq!(Sparsemax.apply(&large)?.to_vec::<f32>()?, [1.0, 0.0, 0.25, 0.75]);
    // Within the support the mean is subtracted from the gradient; outside it is 0, also for masked scores of minus infinity.
    for outside in [-3.0, f64::NEG_INFINITY] {
        let x = Variable::new(doubles(&[1.0, 0.5, outside]));
        let tape = GradientTape::new();
        let y = Sparsemax.apply(&x.value())?;
        let sum = y.try_mul(doubles(&[2.0, 1.0, 5.0]))?.sum();
        assert_close("sparsemax", &tape.gradient(&sum, &x)?, &[0.5, -0.5, 0.0]);
        assert_close("sparsemax", &y, &[0.75, 0.25, 0.0]);
    }
    Ok(())
}

#[test]
fn nan_is_kept_and_tails_are_exact() -> Result<()> {
    for (activation, ..) in GOLDEN {
        let y = activation.apply(&doubles(&[f64::NAN, f64::NAN]))?;
        assert!(y.to_vec::<f64>()?.iter().all(|y| y.is_nan()), "{activation:?}");
    }
    // 1 / 1e4, also where the square overflows float32; Keras' formula would give 0.
    let tail = Squareplus { b: 4.0 }.apply(&tensor![-1e4])?.item()?;
    assert!((tail - 1e-4).abs() < 1e-10, "{tail}");
    Ok(())
}

#[test]
fn parameters_out_of_range_are_errors() {
    let message = |activation: Activation| activation.apply(&tensor![1.0]).unwrap_err().to_string();
    assert_eq!(message(Celu { alpha: 0.0 }), "celu: alpha 0.0 is out of range");
    assert_eq!(message(Squareplus { b: -1.0 }), "squareplus: b -1.0 is out of range");
    assert_eq!(message(HardShrink { threshold: -0.1 }), "hard_shrink: threshold -0.1 is out of range");
    assert_eq!(message(SoftShrink { threshold: f64::NAN }), "soft_shrink: threshold NaN is out of range");
    assert_eq!(message(Glu), "glu: shape [1]: the last axis must be even, to be halved");
}

/// Against PyTorch's `conv1d` of an input with explicit padding on the left.
#[test]
fn causal_padding_is_on_the_left() -> Result<()> {
    let x = doubles(&[1.0, -2.0, 0.5, 3.0, -1.0, 0.25, 2.0, 1.5, 0.0, -0.5]).reshape([1, 5, 2])?;
    let kernel: Tensor = (0..12).map(|k| f64::from(k) * 0.25 - 1.0).collect();
    let golden: [(usize, usize, &[f64]); 3] = [
        (1, 1, &[-2.0, -2.25, 4.0, 4.625, 0.875, 1.3125, 2.375, 3.9375, 0.875, 1.4375]),
        (2, 1, &[-2.0, -2.25, 5.0, 5.875, -1.625, -2.0625, 5.75, 7.5, -0.625, -1.1875]),
        (2, 2, &[-2.0, -2.25, -1.625, -2.0625, -0.625, -1.1875]),
    ];
    for (dilation, stride, expected) in golden {
        let layer = Conv1d::new(2, 2, [3]).padding(Padding::Causal).dilation([dilation]).stride([stride]);
        layer.cast(DType::F64)?;
        layer.weight("kernel")?.assign(kernel.reshape([3, 2, 2])?)?;
        let y = layer.forward(&x, Mode::Inference)?;
        assert_eq!(y.shape(), &[1, expected.len() / 2, 2]);
        assert_close("causal", &y.flatten(), expected);
    }
    Ok(())
}
