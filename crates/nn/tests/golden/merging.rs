//! Layers with several inputs, and those that only move elements.

use autograd::GradientTape;
use nn::layers::*;
use nn::{Layer, Mode};
use tensor::Tensor;

use crate::cases::{assert_close, cases, tensor};

fn layer(name: &str) -> Box<dyn Layer> {
    match name {
        "multiply" => Box::new(Multiply),
        "average" => Box::new(Average),
        "maximum" => Box::new(Maximum),
        "minimum" => Box::new(Minimum),
        "subtract" => Box::new(Subtract),
        "dot/vectors" => Box::new(Dot::along(1)),
        "dot/sequences" => Box::new(Dot::along(-1)),
        "dot/axes" => Box::new(Dot::axes(1, 3)),
        "dot/vector" => Box::new(Dot::along(1)),
        "dot/normalized" => Box::new(Dot::axes(1, 2).normalize()),
        "repeat_vector" => Box::new(RepeatVector::new(4)),
        "permute" => Box::new(Permute::new([3, 1, 2])),
        other => panic!("an unknown layer {other}"),
    }
}

#[test]
fn layers_with_several_inputs_agree_with_pytorch() {
    let cases = cases(include_str!("merging.json"));
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let inputs: Vec<Tensor> = case["inputs"].as_array().unwrap().iter().map(tensor).collect();
        let tape = GradientTape::persistent();
        inputs.iter().for_each(|input| tape.watch(input));
        let y = layer(name).forward_many(&inputs.iter().collect::<Vec<_>>(), Mode::Training).unwrap();
        assert_close(&y, &tensor(&case["y"]), name);
        let loss = (&y * tensor(&case["cotangent"])).sum();
        for (k, (input, expected)) in inputs.iter().zip(case["gradients"].as_array().unwrap()).enumerate() {
            let gradient = tape.gradient(&loss, input).unwrap();
            assert_close(&gradient, &tensor(expected), &format!("{name}, gradient of input {k}"));
        }
    }
    assert_eq!(cases.len(), 12);
}
