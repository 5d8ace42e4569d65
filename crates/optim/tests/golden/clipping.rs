//! Gradient clipping.

use autograd::Variable;
use optim::{Clip, Norm, Optimizer, Sgd};
use tensor::{DType, Tensor};

use super::{Case, assert_close, tensors};

fn clip(case: &Case) -> Clip {
    let limit = case.number("limit");
    let torch = |norm| Clip::GlobalNorm { limit, norm, epsilon: 1e-6 };
    match case.name() {
        "value/torch" | "value/keras" => Clip::Value(limit),
        "norm/keras" | "norm_zero/keras" => Clip::Norm(limit),
        "global_norm_above/keras" | "global_norm_below/keras" | "global_norm_zero/keras" => Clip::global_norm(limit),
        "global_norm_above/torch" | "global_norm_below/torch" | "global_norm_zero/torch" => torch(Norm::L2),
        "global_norm_infinity/torch" => torch(Norm::Max),
        "global_norm_one/torch" => torch(Norm::L1),
        other => panic!("no limit for {other}"),
    }
}

#[test]
fn clipping() {
    let cases = Case::all("clipping");
    assert_eq!(cases.len(), 12);
    for case in cases {
        let (name, clip) = (case.name(), clip(&case));
        let inputs = tensors(&case.0["inputs"], DType::F64);
        let variables: Vec<Variable> = inputs.iter().map(|input| Variable::new(input.zeros_like())).collect();
        // A step from zero with learning rate 1 gives minus the gradient.
        Sgd::new(1.0).clip(clip).apply(&variables, &inputs).unwrap();
        let directly = clip.apply(&variables, &inputs).unwrap();
        for ((output, variable), expected) in
            directly.iter().zip(&variables).zip(tensors(&case.0["outputs"], DType::F64))
        {
            let expected: Vec<f64> = expected.to_vec().unwrap();
            assert_close(&output.to_vec::<f64>().unwrap(), &expected, 1e-15, name);
            let stepped: Vec<f64> = variable.value().to_vec::<f64>().unwrap().iter().map(|x| -x).collect();
            assert_close(&stepped, &expected, 1e-15, name);
        }
        if let (Some(total), Clip::GlobalNorm { norm, .. }) = (case.0["total_norm"].as_f64(), clip) {
            assert_close(&[norm.of(&inputs).unwrap()], &[total], 1e-15, name);
        }
    }
}

#[test]
fn the_norm_without_elements_is_zero() {
    for norm in [Norm::L1, Norm::L2, Norm::Max] {
        assert_eq!(norm.of(&[]).unwrap(), 0.0);
        assert_eq!(norm.of(&[Tensor::zeros([0, 3])]).unwrap(), 0.0);
    }
}
