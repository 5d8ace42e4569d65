//! Metrics compared with scikit-learn: `golden/metrics.json`, written by `make_metrics.py`. The result must not depend
//! on the batch size.

use nn::{
    BinaryCrossentropy, CategoricalCrossentropy, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
    MeanSquaredLogarithmicError, SparseCategoricalCrossentropy,
};
use serde_json::Value;
use tensor::{DType, Generator, Tensor, tensor};
use train::metrics::*;
use train::{Metric, Result};

/// Relative to `max(1, |expected|)`: sums of some hundred terms are added in different orders.
const TOLERANCE: f64 = 1e-12;

fn stored_tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> = value["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data = value["data"].as_array().unwrap();
    if value["dtype"] == "int64" {
        return Tensor::from_vec(data.iter().map(|x| x.as_i64().unwrap()).collect(), shape).unwrap();
    }
    Tensor::from_vec(data.iter().map(|x| x.as_f64().unwrap()).collect(), shape).unwrap()
}

fn average(settings: &Value) -> Average {
    match settings["average"].as_str().unwrap() {
        "binary" => Average::Binary,
        "macro" => Average::Macro,
        "micro" => Average::Micro,
        "weighted" => Average::Weighted,
        other => panic!("{other}"),
    }
}

fn metric(case: &Value) -> Box<dyn Metric> {
    let settings = &case["settings"];
    let number = |name: &str| settings[name].as_f64().unwrap();
    let count = |name: &str| settings[name].as_u64().unwrap() as usize;
    let threshold = settings["threshold"].as_f64();
    match case["metric"].as_str().unwrap() {
        "accuracy" => Box::new(Accuracy::default()),
        "binary_accuracy" => Box::new(BinaryAccuracy::default().threshold(number("threshold"))),
        "top_k" => Box::new(TopKCategoricalAccuracy::k(count("k"))),
        "precision" => {
            let precision = Precision::default().average(average(settings));
            Box::new(threshold.map_or(precision.clone(), |threshold| precision.threshold(threshold)))
        }
        "recall" => {
            let recall = Recall::default().average(average(settings));
            Box::new(threshold.map_or(recall.clone(), |threshold| recall.threshold(threshold)))
        }
        "fbeta" => {
            let score = FBeta::beta(number("beta")).average(average(settings));
            Box::new(threshold.map_or(score.clone(), |threshold| score.threshold(threshold)))
        }
        "auc" => Box::new(RocAuc::default().average(average(settings))),
        "average_precision" => Box::new(AveragePrecision::default().average(average(settings))),
        "matthews_corrcoef" => Box::new(MatthewsCorrelation::default()),
        "cohen_kappa" => Box::new(CohenKappa::default().disagreement(match settings["disagreement"].as_str() {
            None => Disagreement::Different,
            Some("linear") => Disagreement::Linear,
            Some("quadratic") => Disagreement::Quadratic,
            Some(other) => panic!("{other}"),
        })),
        "mean_squared_error" => Box::new(Mean::loss(MeanSquaredError)),
        "root_mean_squared_error" => Box::new(RootMeanSquaredError::default()),
        "mean_absolute_error" => Box::new(Mean::loss(MeanAbsoluteError)),
        "mean_absolute_percentage_error" => Box::new(Mean::loss(MeanAbsolutePercentageError)),
        "mean_squared_logarithmic_error" => Box::new(Mean::loss(MeanSquaredLogarithmicError)),
        "cosine_similarity" => Box::new(Mean::cosine_similarity()),
        "r2_score" if settings["multioutput"] == "variance_weighted" => {
            Box::new(R2Score::default().variance_weighted())
        }
        "r2_score" => Box::new(R2Score::default()),
        "binary_crossentropy" => Box::new(Mean::loss(BinaryCrossentropy::default())),
        "categorical_crossentropy" => Box::new(Mean::loss(CategoricalCrossentropy::default())),
        "sparse_categorical_crossentropy" => Box::new(Mean::loss(SparseCategoricalCrossentropy::default())),
        "perplexity" => Box::new(Perplexity::default()),
        other => panic!("{other}"),
    }
}

/// Targets, predictions and weights of a case.
struct Samples {
    targets: Tensor,
    predictions: Tensor,
    weights: Option<Tensor>,
}

impl Samples {
    fn new(document: &Value, case: &Value) -> Samples {
        let stored = |name: &str| case[name].as_u64().map(|place| stored_tensor(&document["tensors"][place as usize]));
        let [targets, predictions] = ["targets", "predictions"].map(|name| stored(name).unwrap());
        Samples { targets, predictions, weights: stored("weights") }
    }

    /// Updates with all samples, a number at a time.
    fn stream(&self, size: usize, mut update: impl FnMut(&Tensor, &Tensor, Option<&Tensor>) -> Result<()>) {
        let count = self.predictions.shape()[0];
        for start in (0..count).step_by(size) {
            let part = |tensor: &Tensor| tensor.slice(start..count.min(start + size)).unwrap();
            let weights = self.weights.as_ref().map(part);
            update(&part(&self.targets), &part(&self.predictions), weights.as_ref()).unwrap();
        }
    }
}

/// Null stands for NaN.
fn is_close(found: f64, expected: &Value) -> bool {
    match expected.as_f64() {
        Some(expected) => (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
        None => found.is_nan(),
    }
}

fn document() -> Value {
    serde_json::from_str(include_str!("golden/metrics.json")).unwrap()
}

const SIZES: [usize; 4] = [1, 7, 16, 1000];

#[test]
fn metrics_are_those_of_scikit_learn() {
    let document = document();
    let (mut count, mut wrong) = (0, Vec::new());
    for case in document["cases"].as_array().unwrap().iter().filter(|case| case["metric"] != "confusion_matrix") {
        count += 1;
        let mut metric = metric(case);
        let samples = Samples::new(&document, case);
        for size in SIZES {
            metric.reset();
            samples.stream(size, |targets, predictions, weights| metric.update(targets, predictions, weights));
            let found = metric.result();
            if !is_close(found, &case["expected"]) {
                wrong.push(format!("{found} in batches of {size}: {case}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(count, 560);
}

#[test]
fn metrics_go_on_from_their_states_with_the_same_bits() {
    let document = document();
    for case in document["cases"].as_array().unwrap().iter().filter(|case| case["metric"] != "confusion_matrix") {
        let samples = Samples::new(&document, case);
        let (mut whole, mut parts) = (metric(case), metric(case));
        samples.stream(7, |targets, predictions, weights| whole.update(targets, predictions, weights));
        samples.stream(7, |targets, predictions, weights| {
            let mut next = metric(case);
            next.restore(&parts.state())?;
            next.update(targets, predictions, weights)?;
            parts.restore(&next.state())
        });
        assert_eq!(parts.result().to_bits(), whole.result().to_bits(), "{case}");
        assert_eq!(parts.state(), whole.state(), "{case}");
        let refused = parts.restore(&[1.0; 7]).unwrap_err().to_string();
        assert!(refused.starts_with("7 numbers are not a state of "), "{refused}");
        assert_eq!(parts.state(), whole.state(), "{case}");
    }
    let mut named = Accuracy::default().named("of its own");
    named.restore(&[3.0, 4.0]).unwrap();
    assert_eq!((named.result(), named.state()), (0.75, vec![3.0, 4.0]));
}

#[test]
fn confusion_matrices_are_those_of_scikit_learn() {
    let document = document();
    let mut count = 0;
    for case in document["cases"].as_array().unwrap().iter().filter(|case| case["metric"] == "confusion_matrix") {
        count += 1;
        let samples = Samples::new(&document, case);
        let expected = case["expected"].as_array().unwrap();
        for size in SIZES {
            let mut matrix = ConfusionMatrix::default();
            samples.stream(size, |targets, predictions, weights| matrix.update(targets, predictions, weights));
            let found = matrix.matrix().to_vec::<f64>().unwrap();
            let close = found.iter().zip(expected).all(|(found, expected)| is_close(*found, expected));
            assert!(close && found.len() == expected.len(), "{found:?} in batches of {size}: {case}");
        }
    }
    assert_eq!(count, 15);
}

/// Each step of sequences `[batch, time]` is a sample, and sample weights hold for all steps.
#[test]
fn sequences_are_samples() {
    let mut generator = Generator::new(1);
    let labels = generator.integers([6, 5], 0..3).unwrap();
    let predictions = generator.uniform([6, 5, 3], 0.01..1.0).unwrap().softmax(-1).unwrap().cast(DType::F64);
    let weights = generator.uniform([6], 0.0..1.0).unwrap();
    let metrics: [fn() -> Box<dyn Metric>; 9] = [
        || Box::new(Accuracy::default()),
        || Box::new(TopKCategoricalAccuracy::k(2)),
        || Box::new(Precision::default().average(Average::Macro)),
        || Box::new(FBeta::f1().average(Average::Weighted)),
        || Box::new(RocAuc::default().average(Average::Macro)),
        || Box::new(AveragePrecision::default().average(Average::Class(1))),
        || Box::new(MatthewsCorrelation::default()),
        || Box::new(CohenKappa::default()),
        || Box::new(Perplexity::default()),
    ];
    for metric in metrics {
        let (mut sequences, mut samples) = (metric(), metric());
        sequences.update(&labels, &predictions, Some(&weights)).unwrap();
        let repeated = weights.expand_dims(1).unwrap().tile([1, 5]).unwrap();
        let flat = predictions.reshape([30, 3]).unwrap();
        samples.update(&labels.flatten(), &flat, Some(&repeated.flatten())).unwrap();
        assert!(sequences.result().is_finite());
        assert_eq!(sequences.result(), samples.result(), "{}", samples.name());
    }
}

#[test]
fn nothing_measured_is_nan() {
    let metrics: [Box<dyn Metric>; 15] = [
        Box::new(Accuracy::default()),
        Box::new(BinaryAccuracy::default()),
        Box::new(TopKCategoricalAccuracy::default()),
        Box::new(Precision::default()),
        Box::new(Recall::default().average(Average::Macro)),
        Box::new(FBeta::f1().average(Average::Weighted)),
        Box::new(RocAuc::default()),
        Box::new(AveragePrecision::default()),
        Box::new(MatthewsCorrelation::default()),
        Box::new(CohenKappa::default()),
        Box::new(Mean::loss(MeanSquaredError)),
        Box::new(RootMeanSquaredError::default()),
        Box::new(R2Score::default()),
        Box::new(Perplexity::default()),
        Box::new(Accuracy::default().named("again")),
    ];
    let mut names = std::collections::HashSet::new();
    for metric in &metrics {
        assert!(metric.result().is_nan(), "{}", metric.name());
        assert!(names.insert(metric.name()), "{}", metric.name());
    }
}

#[test]
fn r2_is_adjusted_for_the_number_of_regressors() {
    let (targets, predictions) = (tensor![1.0, 2.0, 3.0, 4.0], tensor![1.0, 2.0, 4.0, 4.0]);
    let score = |regressors| {
        let mut score = R2Score::default().regressors(regressors);
        score.update(&targets, &predictions, None).unwrap();
        score.result()
    };
    assert_eq!((score(0), score(1)), (0.8, 1.0 - (1.0 - 0.8) * 3.0 / 2.0));
    assert!(score(3).is_nan());
}

#[test]
fn ignored_classes_do_not_count_in_a_mean() {
    let crossentropy = SparseCategoricalCrossentropy::default().ignore_class(0);
    let mut perplexity = Perplexity::of(crossentropy);
    let predictions = tensor![[0.9, 0.1], [0.75, 0.25]].cast(DType::F64);
    perplexity.update(&tensor![0, 1], &predictions, None).unwrap();
    assert!((perplexity.result() - 4.0).abs() < 1e-6, "{}", perplexity.result());
}

/// The tables of `docs/metrics.md` and of the module list all exported metrics.
#[test]
fn the_tables_name_every_metric() {
    let source = include_str!("../src/metrics/mod.rs");
    let guide = include_str!("../../../docs/metrics.md");
    let exports = source.split("\npub use ").skip(1).map(|part| part.split(';').next().unwrap());
    let names: Vec<&str> = exports
        .flat_map(|export| export.split_once("::").unwrap().1.split(|c: char| !c.is_alphanumeric()))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 18 && names.contains(&"Accuracy") && names.contains(&"Disagreement"), "{names:?}");
    let table = source.split("\nmod accuracy;").next().unwrap();
    let helpers = ["Average", "ClassReport", "Disagreement", "Report"];
    for name in names {
        let named = ["`", "::"].iter().any(|end| guide.contains(&format!("`{name}{end}")));
        assert!(named, "{name} is not in the guide");
        assert!(helpers.contains(&name) || table.contains(&format!("[`{name}`]")), "{name} is not in the table");
    }
}
