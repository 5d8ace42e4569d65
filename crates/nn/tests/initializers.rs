//! Bounds, moments and shapes of initial values.

use nn::{Distribution, Fan, Initializer};
use proptest::prelude::*;
use tensor::{Generator, Tensor, tensor};

fn moments(values: &Tensor) -> (f64, f64, f64) {
    let values: Vec<f64> = values.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt(), values.iter().fold(0.0, |largest, x| largest.max(x.abs())))
}

#[test]
fn scaled_by_the_fans_of_keras() {
    let [inputs, outputs] = [300, 500];
    let glorot = (2.0 / 800.0f64).sqrt();
    let table = [
        (Initializer::GlorotUniform, glorot, 3f64.sqrt()),
        (Initializer::HeUniform, (2.0 / 300.0f64).sqrt(), 3f64.sqrt()),
        (Initializer::LecunUniform, (1.0 / 300.0f64).sqrt(), 3f64.sqrt()),
        // A truncated normal distribution ends at two standard deviations of the distribution before truncation.
        (Initializer::GlorotNormal, glorot, 2.0 / 0.879_625_661_034_239_8),
        (Initializer::HeNormal, (2.0 / 300.0f64).sqrt(), 2.0 / 0.879_625_661_034_239_8),
        (Initializer::LecunNormal, (1.0 / 300.0f64).sqrt(), 2.0 / 0.879_625_661_034_239_8),
        (
            Initializer::VarianceScaling { scale: 3.0, fan: Fan::Out, distribution: Distribution::Uniform },
            (3.0 / 500.0f64).sqrt(),
            3f64.sqrt(),
        ),
    ];
    for (initializer, std, reach) in table {
        let (mut means, mut stds, mut largest) = (0.0, 0.0, 0.0f64);
        let mut generator = Generator::new(5);
        for _ in 0..4 {
            let (mean, found, reached) = moments(&initializer.initialize(&mut generator, [inputs, outputs]).unwrap());
            (means, stds, largest) = (means + mean / 4.0, stds + found / 4.0, largest.max(reached));
        }
        // 600,000 numbers: the errors of mean and deviation are below 0.0013 and 0.001 deviations.
        assert!(means.abs() < 0.006 * std, "{initializer:?}: mean {means}");
        assert!((stds / std - 1.0).abs() < 0.004, "{initializer:?}: deviation {stds} for {std}");
        assert!(largest <= reach * std * (1.0 + 1e-6), "{initializer:?}: {largest} beyond {}", reach * std);
        assert!(largest >= reach * std * 0.999, "{initializer:?}: {largest} never near {}", reach * std);
    }
}

#[test]
fn the_fans_of_vectors_kernels_and_scalars() {
    let reach = |shape: &[usize]| {
        let distribution = Distribution::Uniform;
        let initializer = |fan| Initializer::VarianceScaling { scale: 1.0 / 3.0, fan, distribution };
        [Fan::In, Fan::Out].map(|fan| {
            let mut largest = 0f64;
            for seed in 0..2000 {
                largest =
                    largest.max(moments(&initializer(fan).initialize(&mut Generator::new(seed), shape).unwrap()).2);
            }
            // The limit is 1 / √fan.
            (1.0 / largest.powi(2)).floor()
        })
    };
    assert_eq!(reach(&[]), [1.0, 1.0]);
    assert_eq!(reach(&[4]), [4.0, 4.0]);
    assert_eq!(reach(&[2, 3]), [2.0, 3.0]);
    assert_eq!(reach(&[3, 5, 2, 1]), [30.0, 15.0]);
}

#[test]
fn constants_values_and_the_identity() {
    let of = |initializer: Initializer, shape: &[usize]| {
        initializer.initialize(&mut Generator::new(0), shape).map(|x| x.to_vec::<f32>().unwrap())
    };
    assert_eq!(of(Initializer::Zeros, &[2]).unwrap(), [0.0; 2]);
    assert_eq!(of(Initializer::Ones, &[2]).unwrap(), [1.0; 2]);
    assert_eq!(of(Initializer::Constant(-1.5), &[2]).unwrap(), [-1.5; 2]);
    assert_eq!(of(Initializer::Identity, &[2, 3]).unwrap(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(of(Initializer::Identity, &[3, 2]).unwrap(), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(of(Initializer::Value(tensor![1.0, 2.0]), &[2]).unwrap(), [1.0, 2.0]);
    let message = |initializer, shape: &[usize]| of(initializer, shape).unwrap_err().to_string();
    assert_eq!(
        message(Initializer::Value(tensor![1.0, 2.0]), &[3]),
        "initialize: shape [2]: must be that of the weight, [3]"
    );
    assert_eq!(message(Initializer::Identity, &[3]), "initialize: shape [3]: an identity matrix must have two axes");
    let scaling = Initializer::VarianceScaling { scale: -1.0, fan: Fan::In, distribution: Distribution::Normal };
    assert_eq!(message(scaling, &[3]), "initialize: the scale -1.0 must be positive");
    assert!(message(Initializer::Normal { mean: 0.0, std: -1.0 }, &[3]).starts_with("normal: mean 0.0 and std -1.0"));
    assert_eq!(
        message(Initializer::TruncatedNormal { mean: f64::NAN, std: 1.0 }, &[3]),
        "truncated_normal: mean NaN and std 1.0 must be finite float32 numbers, std not negative"
    );
    assert!(message(Initializer::Zeros, &[usize::MAX, 2]).contains("is larger than memory can address"));
    assert_eq!(of(Initializer::TruncatedNormal { mean: 2.0, std: 0.0 }, &[2]).unwrap(), [2.0, 2.0]);
    // 2²⁴ + 1 is not a float32 number: its neighbours are more than two deviations away.
    assert_eq!(of(Initializer::TruncatedNormal { mean: 16777217.0, std: 0.1 }, &[1]).unwrap().len(), 1);
}

#[test]
fn orthogonal_rows_or_columns() {
    for (shape, count) in [([40, 7], 7), ([7, 40], 7), ([9, 9], 9)] {
        let initializer = Initializer::Orthogonal { gain: 2.0 };
        let q = initializer.initialize(&mut Generator::new(3), shape).unwrap();
        let (few, transposed) = if shape[0] < shape[1] { (q.clone(), q.t().unwrap()) } else { (q.t().unwrap(), q) };
        let product = few.matmul(&transposed).unwrap();
        assert!(product.allclose(&(4.0 * Tensor::eye(count)), 0.0, 1e-5).unwrap(), "{product:?}");
    }
    let of = |shape: &[usize]| Initializer::Orthogonal { gain: 1.0 }.initialize(&mut Generator::new(3), shape);
    assert_eq!(of(&[2, 3, 4]).unwrap().shape(), &[2, 3, 4]);
    assert_eq!(of(&[3, 0]).unwrap().shape(), &[3, 0]);
    assert_eq!(of(&[0, 3]).unwrap().shape(), &[0, 3]);
    let wrong = of(&[3]).unwrap_err().to_string();
    assert_eq!(wrong, "initialize: shape [3]: an orthogonal matrix must have at least two axes");
}

proptest! {
    #[test]
    fn bounds_hold_and_the_seed_decides(seed: u64, low in -2.0..0.0f64, width in 0.01..3.0f64, size in 0usize..40) {
        let uniform = Initializer::Uniform { low, high: low + width };
        let draw = |initializer: &Initializer| {
            initializer.initialize(&mut Generator::new(seed), [size, 3]).unwrap().to_vec::<f32>().unwrap()
        };
        prop_assert!(draw(&uniform).iter().all(|&x| (low..low + width).contains(&f64::from(x))));
        prop_assert_eq!(draw(&uniform), draw(&uniform));
        let truncated = Initializer::TruncatedNormal { mean: low, std: width };
        prop_assert!(draw(&truncated).iter().all(|&x| (f64::from(x) - low).abs() <= 2.0 * width + 1e-6));
        prop_assert_eq!(draw(&truncated), draw(&truncated));
    }
}
