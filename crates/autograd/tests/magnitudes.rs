//! Gradients of variances, norms and normalizations where squares overflow in float32, compared with float64.

use autograd::tensor::{DType, Tensor};
use autograd::{GradientOptions, GradientTape, Result, Unconnected};

type Function<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// The value, the gradient of its weighted sum, and the gradient of the weighted sum of that gradient, in a given type.
fn derivatives(x: &Tensor, f: Function, dtype: DType) -> Result<[Vec<f64>; 3]> {
    let weights = |x: &Tensor, seed: usize| {
        let weights = (0..x.size()).map(|k| ((k * 7 + seed) % 5) as f64 / 2.0 - 0.75).collect();
        Ok::<Tensor, autograd::Error>(Tensor::from_vec(weights, x.shape())?.cast(dtype))
    };
    let x = x.cast(dtype);
    let (outer, inner) = (GradientTape::new(), GradientTape::new());
    outer.watch(&x);
    inner.watch(&x);
    let y = f(&x)?;
    let gradient = inner.gradient(y.try_mul(weights(&y, 1)?)?.sum(), &x)?;
    // The gradient of a mean is constant.
    let zeros = GradientOptions::default().unconnected(Unconnected::Zeros);
    let second = outer.gradient_with(gradient.try_mul(weights(&gradient, 2)?)?.sum(), &x, zeros)?;
    Ok([y, gradient, second].map(|x| x.cast(DType::F64).to_vec::<f64>().expect("float64")))
}

#[test]
fn gradients_of_first_and_second_order_do_not_overflow() -> Result<()> {
    let numbers = [0.5, -1.0, 2.0, -1.5, 1.25, 0.75, -2.0, 0.25, 1.0, -0.5, 1.5, -1.75];
    let normalized = |x: &Tensor, shape: [isize; 4]| {
        let groups = shape[2] as usize;
        let gamma = Tensor::from_vec(vec![1.5; groups], [groups, 1])?.cast(x.dtype());
        let beta = Tensor::from_vec(vec![-0.5; groups], [groups, 1])?.cast(x.dtype());
        let [y, ..] = x.reshape(shape)?.normalize_groups(&gamma, &beta, 0.0)?;
        y.reshape(x.shape())
    };
    let functions: [(&str, Function); 7] = [
        ("mean", &|x| x.mean_axis(1)),
        ("std", &|x| x.std_axis(1)),
        ("norm", &|x| x.norm_axis(1)),
        ("normalize", &|x| x.normalize(1, 0.0)),
        ("rms_normalize", &|x| x.rms_normalize(1, 0.0)),
        ("layer normalization", &|x| normalized(x, [3, 1, 1, 4])),
        ("batch normalization", &|x| normalized(x, [1, 3, 4, 1])),
    ];
    // The third has an ordinary size. For numbers of 1e19 the second derivatives are about 1e-38, the smallest normal
    // float32; for numbers smaller than the second they overflow.
    for scale in [1e19, 3e-18, 1.0, 3e37] {
        let x = Tensor::from_vec(numbers.map(|x| x * scale).to_vec(), [3, 4])?.cast(DType::F32);
        for (name, f) in &functions {
            let [found, expected] = [DType::F32, DType::F64].map(|dtype| derivatives(&x, *f, dtype).expect("defined"));
            for (order, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let largest = expected.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
                let error = largest * 1e-5 + if order == 2 { 1e-43 } else { 0.0 };
                for (found, expected) in found.iter().zip(expected) {
                    let difference = (found - expected).abs();
                    assert!(difference <= error, "{name} at {scale}, order {order}: {found}, not {expected}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_of_variances_do_not_overflow() -> Result<()> {
    // The mean of the first is 2.5e38, although their sum overflows in float32.
    for (x, expected) in [([3e38f32, 2e38], [5e37, -5e37]), ([1e20, -1e20], [1e20, -1e20])] {
        let (x, tape) = (Tensor::from(x), GradientTape::new());
        tape.watch(&x);
        let gradient = tape.gradient(x.var(), &x)?.cast(DType::F64).to_vec::<f64>()?;
        for (found, expected) in gradient.into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found}, not {expected}");
        }
    }
    Ok(())
}
