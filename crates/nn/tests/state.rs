//! Loading weights by name: what matches, what is renamed, what is rejected.

use autograd::Variable;
use nn::{BatchNorm, Dense, Layer, Loading, Mode, MultiHeadAttention, Sequential, State, Visitor, load, state};
use tensor::{DType, Result, Tensor, tensor};

fn model() -> Sequential {
    Sequential::new().add_named("a", Dense::new(1, 2)).add_named("b", Dense::new(2, 1).without_bias())
}

fn tensors() -> State {
    let named = |name: &str, tensor| (name.to_string(), tensor);
    vec![
        named("b.kernel", tensor![[5.0], [6.0]]),
        named("a.kernel", tensor![[1.0, 2.0]]),
        named("a.bias", tensor![3.0, 4.0]),
    ]
}

fn values(model: &dyn Layer) -> Vec<f32> {
    state(model).into_iter().flat_map(|(_, tensor)| tensor.to_vec::<f32>().unwrap()).collect()
}

fn message(rules: Loading, tensors: State) -> String {
    let model = model();
    let before = values(&model);
    let message = rules.load(&model, tensors).unwrap_err().to_string();
    assert_eq!(values(&model), before, "a model that is refused its weights keeps those it has");
    message
}

#[test]
fn all_weights_are_set_and_states_are_among_them() {
    let loaded = model();
    load(&loaded, tensors()).unwrap();
    assert_eq!(values(&loaded), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

    let norm = || Sequential::new().add(BatchNorm::new(1).momentum(0.5));
    let (trained, fresh) = (norm(), norm());
    trained.forward(&tensor![[1.0], [3.0]], Mode::Training).unwrap();
    load(&fresh, state(&trained)).unwrap();
    let paths: Vec<String> = state(&fresh).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["gamma", "beta", "moving_mean", "moving_variance"].map(|name| format!("batch_norm.{name}")));
    assert_eq!(values(&fresh), [1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn types_are_converted_unless_they_must_be_the_same() {
    let mut doubles = tensors();
    doubles[0].1 = doubles[0].1.cast(DType::F64);
    assert_eq!(
        message(Loading::new().same_types(), doubles.clone()),
        "load: b.kernel: the weight is float32, and float64 is not converted to it"
    );
    let loaded = model();
    let prepared = Loading::new().prepare(&loaded, doubles).unwrap();
    assert_ne!(values(&loaded)[4..], [5.0, 6.0], "nothing is set before `assign`");
    prepared.assign().unwrap();
    assert_eq!(values(&loaded)[4..], [5.0, 6.0]);
}

#[test]
fn all_problems_are_listed() {
    let mut wrong = tensors();
    wrong[1].1 = tensor![[1.0], [2.0]];
    wrong[2].0 = "c.bias".into();
    assert_eq!(
        message(Loading::new(), wrong.clone()),
        "load: the tensors do not match the model:\n  \
         a.kernel: the weight is [1, 2], the tensor [2, 1]; they must be equal\n  \
         no tensor for the weight a.bias\n  \
         no weight for the tensor c.bias"
    );
    let shape = "load: a.kernel: the weight is [1, 2], the tensor [2, 1]; they must be equal";
    assert_eq!(message(Loading::new().partial(), wrong), shape);

    let missing = || tensors().into_iter().skip(1).collect::<State>();
    assert_eq!(message(Loading::new().allow_unexpected(), missing()), "load: no tensor for the weight b.kernel");
    let model = model();
    let report = Loading::new().allow_missing().load(&model, missing()).unwrap();
    assert_eq!((report.loaded, report.missing), (vec!["a.kernel".into(), "a.bias".into()], vec!["b.kernel".into()]));
    assert_eq!(values(&model)[..4], [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn names_from_files_are_escaped_and_limited() {
    let name = "x\n  no weight for the tensor \u{1b}[2J";
    let tensors = || tensors().into_iter().chain([(name.to_string(), tensor![1.0])]);
    let shown = message(Loading::new(), tensors().collect());
    assert!(shown.contains(r"no weight for the tensor x\n  no weight for the tensor \u{1b}[2J"), "{shown}");
    assert!(!shown.contains('\u{1b}'));

    let many = (0..100_000).map(|k| (format!("t{k:05}"), tensor![1.0]));
    let shown = message(Loading::new(), many.collect());
    assert_eq!(shown.lines().count(), 1 + 80 + 1 + 20, "{shown}");
    let twice = Loading::new().rename_with(|_| Some("same\n".into()));
    assert_eq!(
        message(twice, vec![("a\n".into(), tensor![1.0]), ("b".into(), tensor![1.0])]),
        r"load: the tensors a\n and b both become same\n"
    );
}

#[test]
fn renames_apply_in_order() {
    let old = tensors().into_iter().map(|(name, tensor)| (format!("net.{}", name.replace("bias", "b")), tensor));
    let mut old: State = old.collect();
    old.push(("step".into(), tensor![7]));
    old.push(("network".into(), tensor![7]));
    let rules = Loading::new()
        .rename_prefix("net.", "")
        .rename("a.b", "a.bias")
        .rename_with(|name| (name != "step" && name != "network").then(|| name.to_string()));
    let model = model();
    assert_eq!(rules.load(&model, old.clone()).unwrap().loaded, ["a.kernel", "a.bias", "b.kernel"]);
    assert_eq!(values(&model), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(
        message(Loading::new().rename("net.a.kernel", "step"), old),
        "load: the tensors net.a.kernel and step both become step"
    );
}

#[test]
fn elements_are_converted_to_the_type_of_the_weight() {
    let model = model();
    model.cast(DType::F64).unwrap();
    let mut mixed = tensors();
    mixed[1].1 = tensor![[1, 2]];
    load(&model, mixed.clone()).unwrap();
    assert_eq!(model.weight("a.kernel").unwrap().value().to_vec::<f64>().unwrap(), [1.0, 2.0]);
    assert_eq!(model.weight("a.bias").unwrap().value().to_vec::<f64>().unwrap(), [3.0, 4.0]);
    mixed[1].1 = tensor![[true, false]];
    assert_eq!(
        message(Loading::new(), mixed),
        "load: a.kernel: the weight is float32, and bool is not converted to it"
    );
}

/// One weight under two names.
struct Tied(Variable);

impl Layer for Tied {
    fn forward(&self, input: &Tensor, _: Mode) -> Result<Tensor> {
        input.matmul(&self.0)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("first", &self.0);
        visitor.weight("second", &self.0);
    }
}

#[test]
fn a_shared_weight_has_several_names() {
    let named = |name: &str, value: f64| (name.to_string(), Tensor::full([1], value).cast(DType::F32));
    let tied = Tied(Variable::new(tensor![0.0]));
    for names in [&["first"][..], &["second"], &["second", "first"]] {
        let report = Loading::new().load(&tied, names.iter().map(|name| named(name, 2.0)).collect()).unwrap();
        assert_eq!((report.loaded, values(&tied)), (vec!["first".to_string()], vec![2.0]));
    }
    let wrong = load(&tied, vec![named("first", 1.0), named("second", 3.0)]).unwrap_err();
    assert_eq!(wrong.to_string(), "load: first and second are one weight, but their tensors differ");
    assert_eq!(values(&tied), [2.0]);
}

#[test]
fn the_error_names_uninitialized_layers() {
    let waiting = Sequential::new().add_named("a", Dense::units(2));
    let wrong = load(&waiting, tensors().into_iter().filter(|(name, _)| name.starts_with('a')).collect()).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "load: the tensors do not match the model:\n  \
         no weight for the tensor a.kernel\n  \
         no weight for the tensor a.bias\n  \
         (a (Dense ?→2) has no weights yet; if its sizes depend on the first input, call the model once before loading)"
    );
    // The weights of an attention are one level deeper.
    let waiting = Sequential::new().add_named("a", MultiHeadAttention::heads(2, 3)).add_named("b", Dense::units(2));
    let wrong = load(&waiting, vec![("a.query.kernel".to_string(), tensor![1.0])]).unwrap_err().to_string();
    assert!(wrong.contains("(a (MultiHeadAttention 2 heads) has no weights yet"), "{wrong}");
    assert!(!wrong.contains("(b "), "{wrong}");
}
