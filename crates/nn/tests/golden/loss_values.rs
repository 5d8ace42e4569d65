//! Losses, their gradients and reductions against the numbers of Keras and PyTorch in
//! `loss_values.json`, which `make_losses.py` made.

use std::collections::BTreeSet;

use autograd::{GradientOptions, GradientTape};
use nn::*;
use serde_json::Value;
use tensor::Tensor;

use crate::cases::{assert_close, cases, tensor};

/// [`Loss`] under another name, so that a box of it is not a function.
trait Object {
    fn losses(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor>;
    fn reduced(&self, t: &Tensor, p: &Tensor, case: &Value) -> Result<Tensor>;
    fn name(&self) -> String;
}

impl<L: Loss + Clone> Object for L {
    fn losses(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self.loss(targets, predictions)
    }

    fn reduced(&self, t: &Tensor, p: &Tensor, case: &Value) -> Result<Tensor> {
        let reduction = match case["reduction"].as_str().unwrap() {
            "none" => Reduction::None,
            "sum" => Reduction::Sum,
            "sum_over_batch_size" => Reduction::SumOverBatchSize,
            "mean_with_sample_weight" => Reduction::MeanWithSampleWeight,
            other => panic!("an unknown reduction {other}"),
        };
        let weights = (!case["weights"].is_null()).then(|| tensor(&case["weights"]));
        match case["class_weights"].as_array() {
            None => self.reduce(t, p, weights.as_ref(), reduction),
            Some(of_classes) => {
                let of_classes: Vec<f64> = of_classes.iter().map(|weight| weight.as_f64().unwrap()).collect();
                self.clone().class_weights(of_classes).reduce(t, p, weights.as_ref(), reduction)
            }
        }
    }

    fn name(&self) -> String {
        Loss::name(self).into()
    }
}

/// The loss of a case, and its name in the file.
fn object(case: &Value) -> Box<dyn Object> {
    let settings = &case["settings"];
    let number = |name: &str, default: f64| settings[name].as_f64().unwrap_or(default);
    let logits = settings["from_logits"] == true;
    let smoothing = number("label_smoothing", 0.0);
    let axes = settings["axis"].as_array().map(|axes| axes.iter().map(|axis| axis.as_i64().unwrap() as isize));
    let axes: Option<Vec<isize>> = axes.map(Iterator::collect);
    match case["loss"].as_str().unwrap() {
        "mean_squared_error" => Box::new(MeanSquaredError),
        "mean_absolute_error" => Box::new(MeanAbsoluteError),
        "mean_absolute_percentage_error" => Box::new(MeanAbsolutePercentageError),
        "mean_squared_logarithmic_error" => Box::new(MeanSquaredLogarithmicError),
        "log_cosh" => Box::new(LogCosh),
        "huber" => Box::new(Huber::new(number("delta", 1.0))),
        "poisson" => Box::new(Poisson),
        "cosine_similarity" => Box::new(CosineSimilarity),
        "kl_divergence" => Box::new(KlDivergence),
        "hinge" => Box::new(Hinge),
        "squared_hinge" => Box::new(SquaredHinge),
        "categorical_hinge" => Box::new(CategoricalHinge),
        "binary_crossentropy" => {
            let loss = if logits { BinaryCrossentropy::from_logits() } else { BinaryCrossentropy::default() };
            Box::new(loss.label_smoothing(smoothing))
        }
        "categorical_crossentropy" => {
            let loss = if logits { CategoricalCrossentropy::from_logits() } else { CategoricalCrossentropy::default() };
            Box::new(loss.label_smoothing(smoothing))
        }
        "binary_focal_crossentropy" => {
            let loss = if logits { BinaryFocalCrossentropy::from_logits() } else { BinaryFocalCrossentropy::default() };
            let loss = loss.gamma(number("gamma", 2.0)).label_smoothing(smoothing);
            Box::new(if settings["apply_class_balancing"] == true { loss.alpha(number("alpha", 0.25)) } else { loss })
        }
        "categorical_focal_crossentropy" => {
            let loss = match logits {
                true => CategoricalFocalCrossentropy::from_logits(),
                false => CategoricalFocalCrossentropy::default(),
            };
            let loss = loss.gamma(number("gamma", 2.0)).alpha(number("alpha", 0.25));
            Box::new(loss.label_smoothing(smoothing))
        }
        "sparse_categorical_crossentropy" => {
            let loss = match logits {
                true => SparseCategoricalCrossentropy::from_logits(),
                false => SparseCategoricalCrossentropy::default(),
            };
            Box::new(settings["ignore_class"].as_i64().map_or(loss, |label| loss.ignore_class(label)))
        }
        "categorical_generalized_cross_entropy" => Box::new(CategoricalGeneralizedCrossEntropy::new(number("q", 0.5))),
        "dice" => Box::new(axes.map_or(Dice::default(), |axes| Dice::default().axes(axes))),
        "tversky" => {
            let loss = Tversky::new(number("alpha", 0.5), number("beta", 0.5));
            Box::new(match axes {
                Some(axes) => loss.axes(axes),
                None => loss,
            })
        }
        "circle" => Box::new(Circle::new(number("gamma", 80.0), number("margin", 0.4))),
        "ctc" => {
            Box::new(if settings["zero_infinity"] == true { Ctc::default().zero_infinity() } else { Ctc::default() })
        }
        "triplet_margin" => Box::new(TripletMargin::new(number("margin", 1.0)).p(number("p", f64::INFINITY))),
        "contrastive" => Box::new(Contrastive::new(number("margin", 1.0))),
        other => panic!("an unknown loss {other}"),
    }
}

#[test]
fn losses_gradients_and_reductions() {
    let mut seen = BTreeSet::new();
    for (number, case) in cases(include_str!("loss_values.json")).iter().enumerate() {
        let object = object(case);
        let name = format!("{}, case {number}, {} {}", object.name(), case["settings"], case["reduction"]);
        assert_eq!(object.name(), case["loss"].as_str().unwrap());
        seen.insert(object.name());
        let (targets, predictions) = (tensor(&case["targets"]), tensor(&case["predictions"]));
        let tape = GradientTape::new();
        tape.watch(&predictions);
        let losses = if !case["reduction"].is_null() {
            object.reduced(&targets, &predictions, case)
        } else if !case["label_lengths"].is_null() {
            let ctc =
                if case["settings"]["zero_infinity"] == true { Ctc::default().zero_infinity() } else { Ctc::default() };
            ctc.loss_of_lengths(
                &targets,
                &predictions,
                &tensor(&case["label_lengths"]),
                &tensor(&case["input_lengths"]),
            )
        } else {
            object.losses(&targets, &predictions)
        };
        let losses = losses.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_close(&losses, &tensor(&case["losses"]), &name);
        let cotangent = if case["cotangent"].is_null() { losses.ones_like() } else { tensor(&case["cotangent"]) };
        let options = GradientOptions::default().output_gradient(&cotangent);
        let gradient = tape.gradient_with(&losses, &predictions, options).unwrap();
        assert_close(&gradient, &tensor(&case["gradient"]), &format!("{name}, gradient"));
    }
    assert_eq!(seen.len(), 24);
}
