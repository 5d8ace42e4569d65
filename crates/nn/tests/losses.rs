//! Arguments, errors and common properties of losses. Their values are tested in `golden/`.

use autograd::{GradientTape, Tolerance, gradcheck, gradgradcheck};
use nn::*;
use proptest::prelude::*;
use tensor::{DType, Generator, Tensor, tensor};

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
    // With any leading axes.
    let sequence = p.reshape([1, 2, 3]).unwrap();
    assert_eq!(sparse_categorical_crossentropy(&tensor![[0, 1]], &sequence).unwrap().shape(), &[1, 2]);
}

#[test]
fn the_chapters_clipping() {
    // As in eager Keras: 16.118 and not infinity for a certain but wrong prediction.
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
        "sparse_categorical_crossentropy of targets [2] and predictions [2, 3]: labels: 3 of sample 1 is not one of the \
         classes 0 to 2; `ignore_class(3)` ignores such samples"
    );
    assert!(
        of(tensor![0, -1], &p).ends_with(
            "labels: -1 of sample 1 is not one of the classes 0 to 2; `ignore_class(-1)` ignores such samples"
        )
    );
    let ignoring = SparseCategoricalCrossentropy::from_logits().ignore_class(-1);
    let steps = Tensor::zeros([2, 2, 3]);
    assert!(
        message(ignoring.loss(&tensor![[0, -1], [-100, 2]], &steps))
            .ends_with("labels: -100 at [1, 0] is not one of the classes 0 to 2; only the label -1 is ignored")
    );
    assert!(of(tensor![[0], [1]], &Tensor::full([2, 1], 0.5)).ends_with(
        "labels: 1 of sample 1 is not a class, because predictions have one class: use a binary cross-entropy or predict more classes"
    ));
    assert_eq!(
        message(categorical_generalized_cross_entropy(&tensor![0, 3], &p, 0.5)),
        "categorical_generalized_cross_entropy of targets [2] and predictions [2, 3]: labels: 3 of sample 1 is not \
         one of the classes 0 to 2"
    );
    assert_eq!(
        of(tensor![0, 1, 2], &p),
        "sparse_categorical_crossentropy of targets [3] and predictions [2, 3]: softmax_cross_entropy: logits [2, 3] \
         need targets of shape [2], not [3]"
    );
    assert!(of(tensor![0.0, 1.0], &p).ends_with("float32 is not int64 or uint8, as indices must be"));
    assert!(of(tensor![0, 1], &tensor![[1, 0], [1, 0]]).ends_with("predictions: int64 is not a floating type"));
    assert_eq!(
        of(Tensor::zeros([0]).cast(DType::I64), &Tensor::zeros([0, 3])),
        "sparse_categorical_crossentropy of targets [0] and predictions [0, 3]: predictions: there are no samples"
    );
    assert!(of(tensor![0, 1], &Tensor::zeros([2, 0])).ends_with("the last axis is empty"));
    assert!(of(tensor![0], &Tensor::scalar(1.0)).ends_with("shape []: needs at least one axis"));
}

#[test]
fn dense_targets_never_broadcast_by_accident() {
    let losses: [&Function; 20] = [
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
        &mean_absolute_percentage_error,
        &mean_squared_logarithmic_error,
        &poisson,
        &cosine_similarity,
        &hinge,
        &squared_hinge,
        &categorical_hinge,
        &|t, p| binary_focal_crossentropy(t, p, 2.0),
        &|t, p| categorical_focal_crossentropy(t, p, 2.0),
        &|t, p| Dice::default().axes([-1]).loss(t, p),
    ];
    for loss in losses {
        let p = tensor![[0.5], [0.25], [0.75]];
        let expected = f32s(loss(&tensor![[1.0], [0.0], [1.0]], &p));
        assert_eq!(expected.len(), 3);
        // A vector and a column, in either order; integers and booleans.
        assert_eq!(f32s(loss(&tensor![1.0, 0.0, 1.0], &p)), expected);
        assert_eq!(f32s(loss(&Tensor::from([1u8, 0, 1]), &p)), expected);
        assert_eq!(f32s(loss(&tensor![true, false, true], &p)), expected);
        assert_eq!(loss(&tensor![[1.0], [0.0]], &tensor![0.5, 0.5]).unwrap().shape(), &[] as &[usize]);
        let wrong = message(loss(&tensor![[1.0, 0.0]], &p));
        let expected = " of targets [1, 2] and predictions [3, 1]: targets: shape [1, 2]: must be that of the \
                        predictions, [3, 1]";
        assert!(wrong.ends_with(expected), "{wrong}");
        assert!(message(loss(&p.cast(DType::F64), &p)).contains("targets and predictions: float64 and float32 differ"));
        assert!(message(loss(&Tensor::zeros([0, 1]), &Tensor::zeros([0, 1]))).ends_with("there are no samples"));
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
}

#[test]
fn names_are_those_of_the_functions() {
    fn names(losses: &[(&dyn Loss, &str)]) {
        for (loss, name) in losses {
            assert_eq!(loss.name(), *name);
        }
    }
    names(&[
        (&SparseCategoricalCrossentropy::default(), "sparse_categorical_crossentropy"),
        (&CategoricalCrossentropy::default(), "categorical_crossentropy"),
        (&BinaryCrossentropy::from_logits(), "binary_crossentropy"),
        (&KlDivergence, "kl_divergence"),
        (&LogCosh, "log_cosh"),
        (&MeanSquaredError, "mean_squared_error"),
        (&MeanAbsoluteError, "mean_absolute_error"),
        (&Huber::default(), "huber"),
    ]);
}

#[test]
fn settings_out_of_range_are_errors() {
    let (t, p) = (tensor![[1.0, 0.0]], tensor![[0.75, 0.25]]);
    let gamma = "gamma: -0.5 must be finite and not negative";
    assert_eq!(
        message(binary_focal_crossentropy(&t, &p, -0.5)),
        format!("binary_focal_crossentropy of targets [1, 2] and predictions [1, 2]: {gamma}")
    );
    assert!(message(categorical_focal_crossentropy(&t, &p, -0.5)).ends_with(gamma));
    let q = message(categorical_generalized_cross_entropy(&tensor![0], &p, 1.0));
    assert!(q.ends_with("q: 1.0 must lie between 0 and 1"), "{q}");
    let smooth = message(BinaryFocalCrossentropy::default().label_smoothing(-0.1).loss(&t, &p));
    assert!(smooth.ends_with("label_smoothing: -0.1 must lie between 0 and 1"), "{smooth}");
    let axes = message(Dice::default().axes([2]).loss(&t, &p));
    assert!(axes.starts_with("dice of targets [1, 2] and predictions [1, 2]: sum: axis 2"), "{axes}");
}

#[test]
fn embeddings_errors_and_kinks() {
    let a = tensor![[1.0, 2.0], [3.0, 4.0]];
    let short = tensor![[1.0], [3.0]];
    assert_eq!(
        message(triplet_margin(&a, &short, &a, 1.0, 2.0)),
        "triplet_margin of [2, 2], [2, 1] and [2, 2]: pairwise_distance: shape [2, 1]: must be that of the first \
         operand, [2, 2]"
    );
    let p = message(pairwise_distance(&a, &a, 0.5));
    assert_eq!(p, "pairwise_distance: p = 0.5 does not define a distance; it must be at least 1");
    let pairs = message(TripletMargin::default().loss(&tensor![0, 0], &a.reshape([2, 2, 1]).unwrap()));
    assert!(
        pairs.ends_with("predictions: shape [2, 2, 1]: must be […, 3, n]: anchor, positive and negative"),
        "{pairs}"
    );
    let circles = |labels: Tensor, x: &Tensor| message(circle(&labels, x, 80.0, 0.4));
    assert!(circles(tensor![0, 1, 2], &a).ends_with("labels: shape [3]: must be [2], one per sample"));
    assert!(circles(tensor![0.0, 1.0], &a).ends_with("labels: float32 is not int64 or uint8, as labels must be"));
    assert!(circles(tensor![0], &tensor![1.0, 0.0]).ends_with("predictions: shape [2]: must be embeddings [batch, n]"));
    // The gradient of a distance of exactly 0 is 0, for every exponent.
    let shifted = a.cast(DType::F64).try_add(1e-6).unwrap();
    let difference = shifted.zeros_like().try_sub(1e-6).unwrap();
    for p in [1.0, 2.0, 3.0, f64::INFINITY] {
        let tape = GradientTape::new();
        tape.watch(&difference);
        let distances = pairwise_distance(&difference, &shifted.zeros_like(), p).unwrap();
        assert_eq!(distances.to_vec::<f64>().unwrap(), [0.0, 0.0]);
        assert_eq!(tape.gradient(distances, &difference).unwrap().to_vec::<f64>().unwrap(), [0.0; 4], "p = {p}");
    }
    // A sample that is alone in its class, or a batch of one class: no loss, and no NaN in the gradient.
    let x = tensor![[1.0, 0.0], [0.6, 0.8]];
    for labels in [tensor![0, 1], tensor![5, 5]] {
        let tape = GradientTape::new();
        tape.watch(&x);
        let mean = Circle::default().mean(&labels, &x).unwrap();
        assert_eq!(mean.item().unwrap(), 0.0);
        assert_eq!(tape.gradient(mean, &x).unwrap().to_vec::<f32>().unwrap(), [0.0; 4]);
    }
}

#[test]
fn at_the_margin_the_derivative_is_0() {
    let slope = |loss: &Function, t: Tensor, x: Tensor| {
        let tape = GradientTape::new();
        tape.watch(&x);
        let losses = loss(&t, &x).unwrap();
        assert_eq!(losses.sum().item().unwrap(), 0.0);
        tape.gradient(losses, &x).unwrap().to_vec::<f32>().unwrap()
    };
    assert_eq!(slope(&hinge, tensor![[1.0, 0.0]], tensor![[1.0, -1.0]]), [0.0; 2]);
    assert_eq!(slope(&categorical_hinge, tensor![[1.0, 0.0]], tensor![[2.0, 1.0]]), [0.0; 2]);
    assert_eq!(slope(&|t, x| contrastive(t, x, 1.5), tensor![0.0], tensor![1.5]), [0.0]);
    let triplets = |t: &Tensor, x: &Tensor| TripletMargin::new(0.0).loss(t, x);
    assert_eq!(slope(&triplets, tensor![0], tensor![[[0.0], [1.0], [1.0]]]), [0.0; 3]);
}

/// No loss and no gradient overflows for logits whose exponentials overflow float32,
/// and for probabilities of exactly 0 and 1, right or wrong.
#[test]
fn extremes_are_finite() {
    let logits = tensor![[700.0, -700.0], [-700.0, 700.0], [90.0, -90.0], [0.0, 0.0]];
    let certain = tensor![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]];
    let t = tensor![[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]];
    let labels = tensor![0, 0, 1, 1];
    let check = |name: &str, x: &Tensor, loss: &Function, t: &Tensor| {
        for x in [x.clone(), x.cast(DType::F64)] {
            let t = if t.dtype().is_float() { t.cast(x.dtype()) } else { t.clone() };
            let tape = GradientTape::new();
            tape.watch(&x);
            let losses = loss(&t, &x).unwrap();
            assert!(losses.all_finite(), "{name}: {losses}");
            let gradient = tape.gradient(losses, &x).unwrap();
            assert!(gradient.all_finite(), "{name}: {gradient}");
        }
    };
    let focal = |gamma| move |t: &Tensor, x: &Tensor| BinaryFocalCrossentropy::from_logits().gamma(gamma).loss(t, x);
    let many =
        |gamma| move |t: &Tensor, x: &Tensor| CategoricalFocalCrossentropy::from_logits().gamma(gamma).loss(t, x);
    check("sparse_categorical_crossentropy", &logits, &sparse_categorical_crossentropy_from_logits, &labels);
    check("categorical_crossentropy", &logits, &categorical_crossentropy_from_logits, &t);
    check("binary_crossentropy", &logits, &binary_crossentropy_from_logits, &t);
    for gamma in [0.0, 1.0, 2.0, 5.0] {
        check("binary_focal_crossentropy of logits", &logits, &focal(gamma), &t);
        check("categorical_focal_crossentropy of logits", &logits, &many(gamma), &t);
        check("binary_focal_crossentropy", &certain, &move |t, x| binary_focal_crossentropy(t, x, gamma), &t);
    }
    let two = certain.slice(..3).unwrap();
    let t_of_two = t.slice(..3).unwrap();
    check("categorical_focal_crossentropy", &two, &|t, x| categorical_focal_crossentropy(t, x, 2.0), &t_of_two);
    check("categorical_crossentropy of probabilities", &two, &categorical_crossentropy, &t_of_two);
    check("sparse_categorical_crossentropy of probabilities", &certain, &sparse_categorical_crossentropy, &labels);
    for (name, loss) in [
        ("binary_crossentropy of probabilities", &binary_crossentropy as &Function),
        ("kl_divergence", &kl_divergence),
        ("dice", &dice),
        ("tversky", &|t, x| tversky(t, x, 0.3, 0.7)),
        ("poisson", &poisson),
        ("cosine_similarity", &cosine_similarity),
        ("mean_absolute_percentage_error", &mean_absolute_percentage_error),
        ("mean_squared_logarithmic_error", &mean_squared_logarithmic_error),
    ] {
        check(name, &certain, loss, &t);
    }
    check("log_cosh", &logits, &log_cosh, &t);
    check("empty masks", &Tensor::zeros([4, 2]), &dice, &Tensor::zeros([4, 2]));
}

/// The tables of `docs/losses.md` and of the module, against the exports of the module.
#[test]
fn the_tables_name_every_loss() {
    let source = include_str!("../src/losses/mod.rs");
    let guide = include_str!("../../../docs/losses.md");
    let exports = source.split("pub use ").skip(1).map(|part| part.split(';').next().unwrap());
    let names: Vec<&str> = exports
        .flat_map(|export| export.split_once("::").unwrap().1.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 50 && names.contains(&"Ctc") && names.contains(&"huber"), "{names:?}");
    let table = source.split("mod binary_crossentropy;").next().unwrap();
    for name in names {
        assert!(guide.contains(&format!("`{name}`")), "{name} is not in the guide");
        let function = name.chars().next().unwrap().is_lowercase() && !name.ends_with("_from_logits");
        assert!(!function || table.contains(&format!("[`{name}`]")), "{name} is not in the table");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gradients_are_those_of_finite_differences(seed: u64, rows in 1usize..4, classes in 2usize..5) {
        let mut generator = Generator::new(seed);
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
        check(&|x| mean_squared_logarithmic_error(&t, x), &p).unwrap();
        check(&|x| poisson(&t, x), &p).unwrap();
        check(&|x| cosine_similarity(&t, x), &p).unwrap();
        check(&|x| binary_focal_crossentropy(&t, x, 2.0), &p).unwrap();
        check(&|x| BinaryFocalCrossentropy::from_logits().gamma(1.5).alpha(0.3).loss(&t, x), &logits).unwrap();
        check(&|x| categorical_focal_crossentropy(&t, x, 2.0), &p).unwrap();
        check(&|x| CategoricalFocalCrossentropy::from_logits().gamma(1.5).loss(&t, x), &logits).unwrap();
        check(&|x| categorical_generalized_cross_entropy(&labels, x, 0.7), &p).unwrap();
        check(&|x| SparseCategoricalCrossentropy::from_logits().ignore_class(0).loss(&labels, x), &logits).unwrap();
        check(&|x| dice(&t, x), &p).unwrap();
        check(&|x| tversky(&t, x, 0.3, 0.9), &p).unwrap();
        check(&|x| contrastive(&t, x, 3.0), &p).unwrap();
        check(&|x| Ok(SquaredHinge.loss(&t, x)?.sum()), &p).unwrap();
        check(&|x| MeanSquaredError.reduce(&t, x, Some(&labels), Reduction::MeanWithSampleWeight), &p).unwrap();
    }

    /// Piecewise losses, away from their kinks.
    #[test]
    fn gradients_between_kinks(seed: u64, rows in 1usize..4, classes in 2usize..5) {
        let mut generator = Generator::new(seed);
        let t = generator.uniform([rows, classes], 0.5..1.0).unwrap().cast(DType::F64);
        let apart = generator.uniform([rows, classes], 1.5..3.0).unwrap();
        let labels = generator.integers([rows], 0..classes as i64).unwrap();
        let one_hot = labels.one_hot(classes).unwrap().cast(DType::F64);
        let check = |loss: &dyn Fn(&Tensor) -> Result<Tensor>, x: &Tensor| {
            gradcheck(|x| loss(&x[0]), std::slice::from_ref(x), Tolerance::default())?;
            gradgradcheck(|x| loss(&x[0]), std::slice::from_ref(x), Tolerance::default())
        };
        check(&|x| mean_absolute_error(&t, x), &apart).unwrap();
        check(&|x| mean_absolute_percentage_error(&t, x), &apart).unwrap();
        for delta in [0.25, 4.0] {
            check(&|x| huber(&t, x, delta), &apart).unwrap();
        }
        let signs = one_hot.try_mul(2.0).unwrap().try_sub(1.0).unwrap();
        check(&|x| hinge(&signs, x), &apart).unwrap();
        // Evenly spaced scores above 0: no two are equal, and the largest remains the largest.
        let scores = Tensor::linspace(0.1, 0.9, rows * classes).reshape([rows, classes]).unwrap();
        check(&|x| categorical_hinge(&one_hot, x), &scores).unwrap();
        for p in [1.0, 2.0, 3.0] {
            let triples = Tensor::stack(&[&apart, &apart.try_mul(3.0).unwrap(), &apart.try_sub(1.0).unwrap()], 1).unwrap();
            check(&|x| TripletMargin::new(20.0).p(p).loss(&labels, x), &triples).unwrap();
        }
        let spread = apart.try_div(apart.norm_keepdims(-1).unwrap()).unwrap().try_mul(0.9).unwrap();
        check(&|x| circle(&labels, x, 3.0, 0.25), &spread).unwrap();
    }

    /// Losses are not negative, and 0 where prediction and target agree.
    #[test]
    fn losses_are_least_at_their_targets(seed: u64, rows in 1usize..4, classes in 2usize..5) {
        let mut generator = Generator::new(seed);
        let mut draw = || generator.uniform([rows, classes], 0.1..0.9).unwrap().cast(DType::F64).softmax(-1).unwrap();
        let (t, p) = (draw(), draw());
        let losses: [&Function; 7] = [
            &mean_squared_error,
            &mean_absolute_error,
            &mean_absolute_percentage_error,
            &mean_squared_logarithmic_error,
            &|t, p| huber(t, p, 0.1),
            &log_cosh,
            &kl_divergence,
        ];
        for loss in losses {
            prop_assert!(loss(&t, &p).unwrap().min().unwrap().item().unwrap() >= 0.0);
            prop_assert!(loss(&t, &t).unwrap().abs().max().unwrap().item().unwrap() < 1e-15);
        }
        // Cross-entropies have their minimum there, which may not be 0.
        let entropies: [&Function; 4] = [&binary_crossentropy, &categorical_crossentropy, &poisson, &cosine_similarity];
        for loss in entropies {
            let excess = loss(&t, &p).unwrap().try_sub(loss(&t, &t).unwrap()).unwrap();
            // The constant 1e-7 in the logarithm of `poisson` shifts its minimum.
            prop_assert!(excess.min().unwrap().item().unwrap() > -2e-7);
        }
        let certain = t.argmax_axis(-1).unwrap().one_hot(classes).unwrap().cast(DType::F64);
        let exact: [&Function; 4] = [
            &dice,
            &|t, p| tversky(t, p, 0.3, 0.9),
            &|t, p| binary_focal_crossentropy(t, p, 2.0),
            &|t, p| categorical_focal_crossentropy(t, p, 2.0),
        ];
        for loss in exact {
            prop_assert!(loss(&certain, &p).unwrap().min().unwrap().item().unwrap() > 0.0);
            prop_assert!(loss(&certain, &certain).unwrap().abs().max().unwrap().item().unwrap() < 1.01e-7);
        }
        let wide = certain.try_mul(3.0).unwrap();
        prop_assert_eq!(categorical_hinge(&certain, &wide).unwrap().sum().item().unwrap(), 0.0);
        prop_assert_eq!(hinge(&certain, &wide.try_sub(1.5).unwrap()).unwrap().sum().item().unwrap(), 0.0);
    }

    /// For a softmax both forms are the same function, and so are one-hot targets and labels.
    #[test]
    fn forms_of_one_loss_agree(seed: u64, rows in 1usize..4, classes in 1usize..5) {
        let mut generator = Generator::new(seed);
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
