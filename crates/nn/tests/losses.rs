//! What losses take, refuse and have in common; their digits are in `golden.rs`.

use autograd::{Tolerance, gradcheck, gradgradcheck};
use nn::*;
use proptest::prelude::*;
use tensor::{DType, Tensor, tensor};

type Function = dyn Fn(&Tensor, &Tensor) -> Result<Tensor>;

fn message(result: Result<Tensor>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

fn f32s(result: Result<Tensor>) -> Vec<f32> {
    result.unwrap().to_vec().unwrap()
}

#[test]
fn labels_may_be_bytes_or_a_column() {
    let p = tensor![[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]];
    let expected = f32s(sparse_categorical_crossentropy(&tensor![0, 1], &p));
    assert!((expected[1] + 0.75f32.ln()).abs() < 1e-6);
    assert_eq!(f32s(sparse_categorical_crossentropy(&Tensor::from([0u8, 1]), &p)), expected);
    let column = sparse_categorical_crossentropy(&tensor![[0], [1]], &p).unwrap();
    assert_eq!((column.shape(), column.to_vec::<f32>().unwrap()), (&[2].into(), expected));
    // Any leading axes.
    let sequence = p.with_shape([1, 2, 3]).unwrap();
    assert_eq!(sparse_categorical_crossentropy(&tensor![[0, 1]], &sequence).unwrap().shape(), &[1, 2]);
}

#[test]
fn the_chapters_clipping() {
    // As in Keras' eager code: 16.118 and not infinity, for a certain and wrong answer.
    let loss = f32s(sparse_categorical_crossentropy(&tensor![0], &tensor![[0.0, 1.0, 0.0]]));
    assert!((loss[0] - 16.118).abs() < 1e-3, "{loss:?}");
    let logits = f32s(sparse_categorical_crossentropy_from_logits(&tensor![0], &tensor![[0.0, 50.0, 0.0]]));
    assert_eq!(logits, [50.0]);
}

#[test]
fn sparse_errors_name_the_loss_and_both_shapes() {
    let p = Tensor::full([2, 3], 1.0 / 3.0);
    let of = |labels: Tensor, p: &Tensor| message(sparse_categorical_crossentropy(&labels, p));
    assert_eq!(
        of(tensor![0, 3], &p),
        "sparse_categorical_crossentropy of targets [2] and predictions [2, 3]: softmax_cross_entropy: index 3 is out \
         of range for an axis of size 3"
    );
    assert!(of(tensor![0, -1], &p).ends_with("index -1 is out of range for an axis of size 3"));
    assert_eq!(
        of(tensor![0, 1, 2], &p),
        "sparse_categorical_crossentropy of targets [3] and predictions [2, 3]: softmax_cross_entropy: logits [2, 3] \
         need targets of shape [2], not [3]"
    );
    assert!(of(tensor![0.0, 1.0], &p).ends_with("float32 is not int64 or uint8, as indices must be"));
    assert!(of(tensor![0, 1], &tensor![[1, 0], [1, 0]]).ends_with("predictions: int64 is not a floating type"));
    assert_eq!(
        of(Tensor::zeros([0]).cast(DType::I64), &Tensor::zeros([0, 3])),
        "sparse_categorical_crossentropy of targets [0] and predictions [0, 3]: predictions: there is no sample"
    );
    assert!(of(tensor![0, 1], &Tensor::zeros([2, 0])).ends_with("the last axis has nothing to compare"));
    assert!(of(tensor![0], &Tensor::scalar(1.0)).ends_with("shape []: needs at least one axis"));
}

#[test]
fn dense_targets_never_broadcast_by_accident() {
    let losses: [&Function; 10] = [
        &mean_squared_error,
        &mean_absolute_error,
        &|t, p| huber(t, p, 1.0),
        &log_cosh,
        &kl_divergence,
        &binary_crossentropy,
        &binary_crossentropy_from_logits,
        &categorical_crossentropy,
        &categorical_crossentropy_from_logits,
        &|t, p| CategoricalCrossentropy::default().label_smoothing(0.1).loss(t, p),
    ];
    for loss in losses {
        let p = tensor![[0.5], [0.25], [0.75]];
        let expected = f32s(loss(&tensor![[1.0], [0.0], [1.0]], &p));
        assert_eq!(expected.len(), 3);
        // A vector beside a column, in either order; integers and truth values.
        assert_eq!(f32s(loss(&tensor![1.0, 0.0, 1.0], &p)), expected);
        assert_eq!(f32s(loss(&Tensor::from([1u8, 0, 1]), &p)), expected);
        assert_eq!(f32s(loss(&tensor![true, false, true], &p)), expected);
        assert_eq!(loss(&tensor![[1.0], [0.0]], &tensor![0.5, 0.5]).unwrap().shape(), &[] as &[usize]);
        let wrong = message(loss(&tensor![[1.0, 0.0]], &p));
        let expected = " of targets [1, 2] and predictions [3, 1]: targets: shape [1, 2]: must be that of the \
                        predictions, [3, 1]";
        assert!(wrong.ends_with(expected), "{wrong}");
        assert!(message(loss(&p.cast(DType::F64), &p)).contains("targets and predictions: float64 and float32 differ"));
        assert!(message(loss(&Tensor::zeros([0, 1]), &Tensor::zeros([0, 1]))).ends_with("there is no sample"));
    }
}

#[test]
fn objects_carry_settings_and_names() {
    let (t, p) = (tensor![[1.0, 0.0]], tensor![[0.75, 0.25]]);
    let smooth = BinaryCrossentropy::default().label_smoothing(0.5).mean(&t, &p).unwrap().item().unwrap();
    assert!((smooth + 0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()).abs() < 1e-6);
    assert!(
        message(BinaryCrossentropy::default().label_smoothing(2.0).loss(&t, &p))
            .ends_with("label_smoothing: 2.0 must lie between 0 and 1")
    );
    assert!(message(Huber::new(-1.0).loss(&t, &p)).ends_with("delta: -1.0 must be positive"));
    let log_cosh = log_cosh(&tensor![[0.0], [0.0]], &tensor![[1.0], [-200.0]]).unwrap().to_vec::<f32>().unwrap();
    assert!((log_cosh[0] - 1f32.cosh().ln()).abs() < 1e-6 && (log_cosh[1] - 199.30685).abs() < 1e-4);
    let names = [
        SparseCategoricalCrossentropy::default().name().to_string(),
        CategoricalCrossentropy::default().name().to_string(),
        BinaryCrossentropy::from_logits().name().to_string(),
        KlDivergence.name().to_string(),
        LogCosh.name().to_string(),
        MeanSquaredError.name().to_string(),
        MeanAbsoluteError.name().to_string(),
        Huber::default().name().to_string(),
    ];
    assert_eq!(
        names,
        [
            "sparse_categorical_crossentropy",
            "categorical_crossentropy",
            "binary_crossentropy",
            "kl_divergence",
            "log_cosh",
            "mean_squared_error",
            "mean_absolute_error",
            "huber",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gradients_are_those_of_finite_differences(seed: u64, rows in 1usize..4, classes in 2usize..5) {
        let mut generator = tensor::Generator::new(seed);
        let logits = generator.normal([rows, classes], 0.0, 1.0).unwrap();
        let p = generator.uniform([rows, classes], 0.1..0.9).unwrap();
        let t = generator.uniform([rows, classes], 0.1..0.9).unwrap().cast(DType::F64);
        let labels = generator.integers([rows], 0..classes as i64).unwrap();
        let check = |loss: &dyn Fn(&Tensor) -> Result<Tensor>, x: &Tensor| {
            gradcheck(|x| loss(&x[0]), std::slice::from_ref(x), Tolerance::default())?;
            gradgradcheck(|x| loss(&x[0]), std::slice::from_ref(x), Tolerance::default())
        };
        check(&|x| sparse_categorical_crossentropy(&labels, x), &p).unwrap();
        check(&|x| sparse_categorical_crossentropy_from_logits(&labels, x), &logits).unwrap();
        check(&|x| categorical_crossentropy(&t, x), &p).unwrap();
        check(&|x| categorical_crossentropy_from_logits(&t, x), &logits).unwrap();
        check(&|x| binary_crossentropy(&t, x), &p).unwrap();
        check(&|x| binary_crossentropy_from_logits(&t, x), &logits).unwrap();
        check(&|x| kl_divergence(&t, x), &p).unwrap();
        check(&|x| mean_squared_error(&t, x), &logits).unwrap();
        check(&|x| log_cosh(&t, x), &logits).unwrap();
    }

    /// Of a softmax, both forms are one function, and so are one-hot targets and labels.
    #[test]
    fn forms_of_one_loss_agree(seed: u64, rows in 1usize..4, classes in 1usize..5) {
        let mut generator = tensor::Generator::new(seed);
        let logits = generator.normal([rows, classes], 0.0, 1.0).unwrap().cast(DType::F64);
        let labels = generator.integers([rows], 0..classes as i64).unwrap();
        let one_hot = labels.one_hot(classes).unwrap().cast(DType::F64);
        let p = logits.softmax(-1).unwrap();
        let exact = sparse_categorical_crossentropy_from_logits(&labels, &logits).unwrap();
        for other in [
            sparse_categorical_crossentropy(&labels, &p),
            categorical_crossentropy(&one_hot, &p),
            categorical_crossentropy_from_logits(&one_hot, &logits),
        ] {
            prop_assert!(other.unwrap().allclose(&exact, 0.0, 3e-7).unwrap());
        }
        let t = logits.square().sigmoid();
        let exact = binary_crossentropy_from_logits(&t, &logits).unwrap();
        prop_assert!(binary_crossentropy(&t, &logits.sigmoid()).unwrap().allclose(&exact, 1e-9, 1e-9).unwrap());
    }
}
