//! Penalties on weights and activations, and constraints, against Keras' formulas.

use autograd::GradientTape;
use nn::*;
use tensor::ops::Padding;
use tensor::{DType, Result, Tensor, tensor};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

fn close(found: &Tensor, expected: &[f64]) {
    let found = found.to_vec::<f64>().unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} for {expected}");
    }
}

fn doubles<const N: usize>(values: [f64; N], shape: impl Into<tensor::Shape>) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape).unwrap()
}

#[test]
fn penalties_have_their_formulas() -> Result<()> {
    let w = doubles([3.0, -4.0, 0.0, 2.0], [2, 2]);
    close(&L1(0.1).penalty(&w)?, &[0.9]);
    close(&L2(0.1).penalty(&w)?, &[2.9]);
    close(&L1L2 { l1: 0.1, l2: 0.2 }.penalty(&w)?, &[0.9 + 5.8]);
    // The rows (0.6, -0.8) and (0, 1), the columns (1, 0) and (-4, 2) / √20.
    close(&OrthogonalRegularizer::rows(0.5).penalty(&w)?, &[0.5 * 0.8]);
    close(&OrthogonalRegularizer::columns(0.5).penalty(&w)?, &[0.5 * 4.0 / 20f64.sqrt()]);
    // Three rows have three pairs: cosines 0, 1/√2, 1/√2.
    let three = doubles([1.0, 0.0, 0.0, 2.0, 3.0, 3.0], [3, 2]);
    close(&OrthogonalRegularizer::rows(1.0).penalty(&three)?, &[2.0 * 0.5f64.sqrt() / 3.0]);
    close(&OrthogonalRegularizer::rows(1.0).penalty(&doubles([0.0; 4], [2, 2]))?, &[0.0]);
    close(&OrthogonalRegularizer::rows(1.0).penalty(&doubles([5.0], [1, 1]))?, &[0.0]);
    assert_eq!(
        message(OrthogonalRegularizer::rows(1.0).penalty(&Tensor::ones([2, 2, 2]))),
        "orthogonal_regularizer: shape [2, 2, 2]: needs two axes"
    );
    Ok(())
}

#[test]
fn penalties_have_gradients() {
    let w = tensor::Generator::new(3).normal([3, 4], 0.1, 1.0).unwrap().cast(DType::F64);
    let all: [&dyn Regularizer; 5] = [
        &L1(0.3),
        &L2(0.3),
        &L1L2 { l1: 0.1, l2: 0.2 },
        &OrthogonalRegularizer::rows(0.5),
        &OrthogonalRegularizer::columns(0.5),
    ];
    for regularizer in all {
        let penalty = |w: &[Tensor]| regularizer.penalty(&w[0]);
        autograd::gradcheck(penalty, std::slice::from_ref(&w), autograd::Tolerance::default()).unwrap();
    }
}

#[test]
fn constraints_have_their_formulas() -> Result<()> {
    // Columns of lengths 5 and 2, rows of lengths 3 and √20.
    let w = doubles([3.0, 0.0, -4.0, 2.0], [2, 2]);
    let e = 1e-7;
    close(&NonNeg.project(&w)?, &[3.0, 0.0, 0.0, 2.0]);
    let (five, two) = (2.5 / (5.0 + e), 2.0 / (2.0 + e));
    close(&MaxNorm::new(2.5).project(&w)?, &[3.0 * five, 0.0, -4.0 * five, 2.0 * two]);
    let (row, other) = (3.0 / (3.0 + e), 4.0 / (20f64.sqrt() + e));
    close(&MaxNorm::new(4.0).axes([1]).project(&w)?, &[3.0 * row, 0.0, -4.0 * other, 2.0 * other]);
    let (five, two) = (1.0 / (5.0 + e), 1.0 / (2.0 + e));
    close(&UnitNorm::default().project(&w)?, &[3.0 * five, 0.0, -4.0 * five, 2.0 * two]);
    let (five, two) = (4.0 / (5.0 + e), 3.0 / (2.0 + e));
    close(&MinMaxNorm::new(3.0, 4.0).project(&w)?, &[3.0 * five, 0.0, -4.0 * five, 2.0 * two]);
    let (five, two) = (4.75 / (5.0 + e), 2.25 / (2.0 + e));
    close(&MinMaxNorm::new(3.0, 4.0).rate(0.25).project(&w)?, &[3.0 * five, 0.0, -4.0 * five, 2.0 * two]);
    // All of one filter.
    let filters = doubles([3.0, 0.0, -4.0, 2.0], [1, 2, 1, 2]);
    let (five, two) = (1.0 / (5.0 + e), 1.0 / (2.0 + e));
    close(&UnitNorm::default().axes([0, 1, 2]).project(&filters)?, &[3.0 * five, 0.0, -4.0 * five, 2.0 * two]);

    assert_eq!(
        message(MaxNorm::new(-1.0).project(&w)),
        "constraint: lengths from 0.0 to -1.0: must be in order, and not negative"
    );
    assert_eq!(
        message(MinMaxNorm::new(2.0, f64::NAN).project(&w)),
        "constraint: lengths from 2.0 to NaN: must be in order, and not negative"
    );
    assert_eq!(
        message(MinMaxNorm::new(0.0, 1.0).rate(2.0).project(&w)),
        "constraint: the rate 2.0 must lie between 0 and 1"
    );
    Ok(())
}

/// A model with every layer that has weights, each with a regularizer and a constraint.
fn regularized() -> Vec<(Box<dyn Layer>, usize)> {
    macro_rules! all {
        ($layer:expr, $($regularizer:ident $constraint:ident),+) => {{
            let names = [$(stringify!($regularizer)),+];
            (Box::new($layer$(.$regularizer(L2(1.0)).$constraint(NonNeg))+) as Box<dyn Layer>, names.len())
        }};
    }
    macro_rules! kernel_and_bias {
        ($layer:expr) => {
            all!($layer, kernel_regularizer kernel_constraint, bias_regularizer bias_constraint)
        };
    }
    macro_rules! recurrent {
        ($layer:expr) => {
            all!(
                $layer, kernel_regularizer kernel_constraint, recurrent_regularizer recurrent_constraint,
                bias_regularizer bias_constraint
            )
        };
    }
    macro_rules! depthwise {
        ($layer:expr) => {
            all!($layer, depthwise_regularizer depthwise_constraint, bias_regularizer bias_constraint)
        };
    }
    macro_rules! separable {
        ($layer:expr) => {
            all!(
                $layer, depthwise_regularizer depthwise_constraint, pointwise_regularizer pointwise_constraint,
                bias_regularizer bias_constraint
            )
        };
    }
    macro_rules! affine {
        ($layer:expr) => {
            all!($layer, gamma_regularizer gamma_constraint, beta_regularizer beta_constraint)
        };
    }
    vec![
        kernel_and_bias!(Dense::new(2, 3)),
        kernel_and_bias!(Conv1d::new(2, 3, [2])),
        kernel_and_bias!(Conv2d::new(2, 3, [2, 2])),
        depthwise!(DepthwiseConv1d::new(2, [2])),
        depthwise!(DepthwiseConv2d::new(2, [2, 2])),
        separable!(SeparableConv1d::new(2, 3, [2])),
        separable!(SeparableConv2d::new(2, 3, [2, 2])),
        kernel_and_bias!(ConvTranspose1d::new(2, 3, [2])),
        kernel_and_bias!(ConvTranspose2d::new(2, 3, [2, 2])),
        recurrent!(SimpleRnn::new(2, 3)),
        recurrent!(Lstm::new(2, 3)),
        recurrent!(Gru::new(2, 3)),
        affine!(LayerNorm::new(3)),
        affine!(GroupNorm::new(4, 2)),
        affine!(BatchNorm::new(3)),
        all!(RmsNorm::new(3), scale_regularizer scale_constraint),
        all!(PRelu::new([3]), alpha_regularizer alpha_constraint),
        all!(Embedding::new(3, 2), embeddings_regularizer embeddings_constraint),
        all!(PositionEmbedding::new(3, 2), embeddings_regularizer embeddings_constraint),
    ]
}

#[test]
fn each_weight_has_a_regularizer_and_a_constraint() {
    let attention = MultiHeadAttention::new(4, 2).kernel_regularizer(L2(1.0)).bias_regularizer(L2(1.0));
    let attention = attention.kernel_constraint(NonNeg).bias_constraint(NonNeg);
    let all = regularized().into_iter().chain([(Box::new(attention) as Box<dyn Layer>, 8)]);
    for (layer, count) in all {
        let kind = layer.describe();
        let weights = layer.trainable_weights();
        assert_eq!(weights.len(), count, "{kind}");
        let mut expected = 0.0;
        for (k, weight) in weights.iter().enumerate() {
            weight.cast(DType::F64).unwrap();
            let value = -(k as f64 + 1.0);
            weight.assign(Tensor::full_of(weight.shape(), value, DType::F64)).unwrap();
            expected += weight.shape().size() as f64 * value * value;
        }
        assert_eq!(layer.regularization_loss().unwrap().unwrap().item().unwrap(), expected, "{kind}");
        layer.apply_constraints().unwrap();
        assert!(weights.iter().all(|weight| weight.value().max().unwrap().item().unwrap() == 0.0), "{kind}");
    }
}

#[test]
fn a_model_counts_each_trainable_weight_once() -> Result<()> {
    let shared = std::sync::Arc::new(Dense::new(2, 2).kernel_regularizer(L2(1.0)).kernel_constraint(NonNeg));
    let model = Sequential::new().add(shared.clone()).add(shared.clone()).add(Dense::new(2, 1));
    shared.weight("kernel")?.assign(tensor![[1.0, -2.0], [3.0, 4.0]])?;
    let tape = GradientTape::new();
    let penalty = model.regularization_loss()?.expect("one weight has a regularizer");
    assert_eq!(penalty.item()?, 30.0);
    let gradient = tape.gradient(&penalty, &shared.weight("kernel")?)?;
    assert_eq!(gradient.to_vec::<f32>()?, [2.0, -4.0, 6.0, 8.0]);

    // Frozen layers have no penalty and no constraint, and neither do weights that are left out.
    shared.set_trainable(false);
    assert!(model.regularization_loss()?.is_none());
    model.apply_constraints()?;
    assert_eq!(shared.weight("kernel")?.value().min()?.item()?, -2.0);
    shared.set_trainable(true);
    model.apply_constraints()?;
    assert_eq!(shared.weight("kernel")?.value().to_vec::<f32>()?, [1.0, 0.0, 3.0, 4.0]);
    assert!(Dense::new(2, 2).without_bias().bias_regularizer(L1(1.0)).regularization_loss()?.is_none());

    let wrong = Sequential::new().add(Conv2d::new(1, 1, [2, 2]).kernel_regularizer(OrthogonalRegularizer::rows(1.0)));
    assert_eq!(
        message(wrong.regularization_loss()),
        "conv2d.kernel: orthogonal_regularizer: shape [2, 2, 1, 1]: needs two axes"
    );
    let wrong = Sequential::new().add(Dense::new(1, 1).bias_constraint(UnitNorm::default().axes([1])));
    assert_eq!(
        message(wrong.apply_constraints()),
        "dense.bias: sum: axis 1 is out of range for a tensor of rank 1, whose axes are -1 to 0"
    );
    Ok(())
}

#[test]
fn both_directions_and_later_options_keep_regularizers_and_constraints() -> Result<()> {
    let both = Bidirectional::new(Gru::units(2).kernel_regularizer(L1(1.0)));
    both.forward(&Tensor::ones([1, 2, 3]), Mode::Inference)?;
    let kernels = ["forward.kernel", "backward.kernel"].map(|name| both.weight(name).unwrap().value().abs().sum());
    let expected = kernels[0].item()? + kernels[1].item()?;
    assert!((both.regularization_loss()?.unwrap().item()? - expected).abs() < 1e-5);
    let later = Conv2d::filters(2, [1, 1]).kernel_regularizer(L2(1.0)).padding(Padding::Same);
    assert!(later.regularization_loss()?.is_none(), "there is no weight yet");
    later.forward(&Tensor::ones([1, 2, 2, 3]), Mode::Inference)?;
    assert!(later.regularization_loss()?.is_some());
    Ok(())
}

#[test]
fn activity_penalties_belong_to_the_last_call_of_a_thread() -> Result<()> {
    let model = Sequential::new().add(Dense::new(2, 2).without_bias()).add(ActivityRegularization::new(L2(0.5)));
    let kernel = model.weight("dense.kernel")?;
    kernel.assign(tensor![[1.0, 0.0], [0.0, 1.0]])?;
    model.forward(&tensor![[9.0, 9.0]], Mode::Inference)?;
    let x = tensor![[1.0, 2.0], [3.0, 0.0]];
    let tape = GradientTape::new();
    model.forward(&x, Mode::Training)?;
    // Another thread has a separate penalty.
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert!(model.regularization_loss().unwrap().is_none());
            model.forward(&tensor![[1.0, 1.0]], Mode::Training).unwrap();
            model.regularization_loss().unwrap().unwrap().item().unwrap()
        });
        assert_eq!(other.join().unwrap(), 1.0);
    });
    let penalty = model.regularization_loss()?.expect("the call left one");
    assert_eq!(penalty.item()?, 7.0);
    // d/dK of Σ (xK)² / 2 = xᵀ x K.
    assert_eq!(tape.gradient(&penalty, &kernel)?.to_vec::<f32>()?, [10.0, 2.0, 2.0, 4.0]);
    assert!(model.regularization_loss()?.is_none(), "it was taken");

    let segment = std::sync::Arc::new(ActivityRegularization::new(L1(1.0)));
    let inside = segment.clone();
    assert_eq!(
        message(autograd::checkpoint(move |x| inside.forward(&x[0], Mode::Training), &[&x])),
        "activity_regularization: a penalty cannot be computed inside `checkpoint`; regularize the result outside of it"
    );
    assert!(segment.regularization_loss()?.is_none());
    Ok(())
}

#[test]
fn a_search_for_nan_restores_penalties() -> Result<()> {
    let model = Sequential::new().add(Dense::new(2, 2)).add(ActivityRegularization::new(L2(0.5)));
    let x = tensor![[1.0, 2.0]];
    let output = model.forward(&x, Mode::Training)?;
    assert!(first_non_finite(&model, &tensor![[5.0, 7.0]], None, Mode::Training).is_none());
    let penalty = model.regularization_loss()?.expect("that of the pass");
    assert!((penalty.item()? - 0.5 * output.square().sum().item()?).abs() < 1e-5);
    Ok(())
}

#[test]
fn invalid_factors_are_errors() {
    let w = Tensor::ones([2, 2]);
    let refused = |regularizer: &dyn Regularizer| message(regularizer.penalty(&w));
    assert_eq!(refused(&L1(-0.1)), "l1: the factor -0.1 must be finite and at least 0");
    assert_eq!(refused(&L2(f64::NAN)), "l2: the factor NaN must be finite and at least 0");
    assert_eq!(refused(&L1L2 { l1: 0.1, l2: f64::INFINITY }), "l2: the factor inf must be finite and at least 0");
    assert_eq!(refused(&L1L2 { l1: -1.0, l2: 0.1 }), "l1: the factor -1.0 must be finite and at least 0");
    assert_eq!(
        refused(&OrthogonalRegularizer::rows(-1.0)),
        "orthogonal_regularizer: the factor -1.0 must be finite and at least 0"
    );
    let layer = Dense::new(2, 3).kernel_regularizer(L2(-1.0));
    assert_eq!(
        message(layer.regularization_loss().map(|_| ())),
        "kernel: l2: the factor -1.0 must be finite and at least 0"
    );
    assert_eq!(
        message(ActivityRegularization::new(L1(f64::NAN)).forward(&w, Mode::Training)),
        "l1: the factor NaN must be finite and at least 0"
    );
}
