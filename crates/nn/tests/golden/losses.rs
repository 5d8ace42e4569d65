//! The losses, and their first and second gradients.

use autograd::{GradientOptions, GradientTape, Unconnected};
use nn::{
    BinaryCrossentropy, CategoricalCrossentropy, Huber, KlDivergence, Loss, MeanAbsoluteError, MeanSquaredError,
    SparseCategoricalCrossentropy,
};
use serde_json::Value;
use tensor::{DType, Result, Tensor};

use crate::cases::{assert_close, cases, tensor};

type Function = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor>>;

/// The computation of the case; `None` if this library does not have the loss.
fn loss_of(case: &Value) -> Option<Function> {
    let attrs = &case["attrs"];
    let keras = attrs["epsilon"] == 1e-7;
    let smoothing = attrs["label_smoothing"].as_f64();
    let loss: Box<dyn LossObject> = match case["op"].as_str().unwrap() {
        "cross_entropy" if smoothing.is_some() => {
            Box::new(CategoricalCrossentropy::from_logits().label_smoothing(smoothing.unwrap()))
        }
        "cross_entropy" => Box::new(SparseCategoricalCrossentropy::from_logits()),
        "nll_probs" if keras && attrs["renormalize"] == true => Box::new(SparseCategoricalCrossentropy::default()),
        "categorical_probs" if keras => Box::new(CategoricalCrossentropy::default()),
        "bce_probs" if keras => Box::new(BinaryCrossentropy::default()),
        "bce_logits" => Box::new(BinaryCrossentropy::from_logits()),
        "mse" => Box::new(MeanSquaredError),
        "mae" => Box::new(MeanAbsoluteError),
        "huber" => Box::new(Huber::new(attrs["delta"].as_f64().unwrap())),
        "kl_div" => Box::new(KlDivergence),
        "nll_probs" | "bce_probs" => return None,
        other => panic!("an unknown loss {other}"),
    };
    let op = case["op"].as_str().unwrap().to_string();
    let reduction = attrs["reduction"].as_str().unwrap().to_string();
    let elementwise = !["cross_entropy", "nll_probs", "categorical_probs"].contains(&op.as_str());
    Some(Box::new(move |predictions, targets| {
        // PyTorch takes the logarithm of the prediction here.
        let mut predictions = if op == "kl_div" { predictions.exp() } else { predictions.clone() };
        let mut targets = targets.clone();
        if smoothing.is_some() {
            targets = targets.one_hot(predictions.shape()[1])?;
            targets = targets.cast(DType::F64);
        }
        // Without a reduction, these losses have one number per element in PyTorch, not one per row.
        if elementwise && reduction == "none" {
            (predictions, targets) = (predictions.expand_dims(-1)?, targets.expand_dims(-1)?);
        }
        let losses = loss.per_sample(&targets, &predictions)?;
        Ok(match reduction.as_str() {
            "none" => losses,
            "sum" => losses.sum(),
            _ => losses.mean(),
        })
    }))
}

/// [`Loss`] under another name, so that a box of it is not a function.
trait LossObject {
    fn per_sample(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor>;
}

impl<L: Loss> LossObject for L {
    fn per_sample(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        self.loss(targets, predictions)
    }
}

#[test]
fn losses_and_their_first_and_second_gradients() {
    let mut checked = 0;
    for case in cases(include_str!("losses.json")) {
        let Some(loss) = loss_of(&case) else { continue };
        let name = case["name"].as_str().unwrap();
        let inputs: Vec<Tensor> = case["inputs"].as_array().unwrap().iter().map(tensor).collect();
        let cotangent = tensor(&case["cotangent"]);
        let wanted: Vec<usize> = (0..2).filter(|&k| !case["grads"][k].is_null()).collect();
        let watched: Vec<Tensor> = wanted.iter().map(|&k| inputs[k].clone()).collect();
        let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);

        let outer = GradientTape::new();
        watched.iter().for_each(|input| outer.watch(input));
        outer.watch(&cotangent);
        let inner = GradientTape::new();
        watched.iter().for_each(|input| inner.watch(input));
        let output = loss(&inputs[0], &inputs[1]).unwrap();
        assert_close(&output, &tensor(&case["output"]), name);
        let gradients = inner.gradient_with(&output, &watched, zeros().output_gradient(&cotangent)).unwrap();
        let mut slope = Tensor::full_of([], 0.0, DType::F64);
        for (gradient, &k) in gradients.iter().zip(&wanted) {
            assert_close(gradient, &tensor(&case["grads"][k]), &format!("{name}, gradient {k}"));
            let direction = tensor(&case["second"]["directions"][k]);
            slope = slope.try_add((gradient * direction).sum()).unwrap();
        }
        let sources: Vec<Tensor> = watched.into_iter().chain([cotangent]).collect();
        let second = outer.gradient_with(&slope, &sources, zeros()).unwrap();
        for (gradient, &k) in second.iter().zip(&wanted) {
            assert_close(gradient, &tensor(&case["second"]["grads"][k]), &format!("{name}, second gradient {k}"));
        }
        assert_close(
            &second[wanted.len()],
            &tensor(&case["second"]["cotangent_grad"]),
            &format!("{name}, along directions"),
        );
        checked += 1;
    }
    assert_eq!(checked, 26);
}
