//! Weights of PyTorch models: the outputs agree, and exporting gives the same tensors.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data::{StoredType, npy, npz};
use nn::{
    Activation, BatchNorm, Bidirectional, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Dense, DepthwiseConv1d,
    DepthwiseConv2d, Embedding, Flatten, GroupNorm, Gru, Layer, LayerNorm, Loading, Lstm, Mode, MultiHeadAttention,
    PRelu, PyTorch, RmsNorm, SeparableConv1d, SeparableConv2d, Sequential, SimpleRnn, State, TransformerDecoder,
    TransformerEncoder, load, state,
};
use tensor::ops::Padding;
use tensor::{DType, Tensor, tensor};
use train::{read_tensors, save_weights, write_tensors};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch").join(format!("{name}.safetensors"))
}

/// A file's tensors: the state_dict, the inputs, the output.
fn read(name: &str) -> (State, Vec<Tensor>, Tensor) {
    let mut inputs = BTreeMap::new();
    let mut state_dict = State::new();
    for (name, tensor) in read_tensors(file(name)).unwrap() {
        match name.as_str() {
            "input" | "memory" | "output" => drop(inputs.insert(name, tensor)),
            _ => state_dict.push((name, tensor)),
        }
    }
    let output = inputs.remove("output").unwrap();
    (state_dict, inputs.into_values().collect(), output)
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.try_sub(b).unwrap().abs().max().unwrap().item().unwrap()
}

/// Loads, compares the outputs, and exports again. The names in `summed` have changed then.
fn check(name: &str, model: &dyn Layer, twin: &PyTorch, summed: &str) {
    let (state_dict, inputs, output) = read(name);
    load(model, twin.import(model, state_dict.clone()).unwrap()).unwrap();
    let found = model.forward_many(&inputs.iter().collect::<Vec<_>>(), Mode::Inference).unwrap();
    let difference = largest_difference(&found, &output);
    assert!(difference < 2e-6, "{name}: outputs differ by {difference:e}");

    let mut exported: BTreeMap<String, Tensor> = twin.export(model).unwrap().into_iter().collect();
    for (key, theirs) in state_dict.iter().filter(|(key, _)| !key.ends_with("num_batches_tracked")) {
        let ours = exported.remove(key).unwrap_or_else(|| panic!("{name}: {key} is not exported"));
        if summed.is_empty() || !key.contains(summed) {
            assert_eq!(largest_difference(&ours, theirs), 0.0, "{name}: {key}");
        }
    }
    assert_eq!(exported.len(), 0, "{name}: {:?} is not in PyTorch", exported.keys());
    // Loads the export again: summed biases stay summed.
    let before = state(model);
    load(model, twin.import(model, twin.export(model).unwrap()).unwrap()).unwrap();
    for ((path, before), (_, after)) in before.iter().zip(state(model)) {
        assert_eq!(largest_difference(before, &after), 0.0, "{name}: {path}");
    }
}

fn dense() -> Sequential {
    Sequential::new()
        .add_named("0", Dense::new(3, 4).activation(Activation::Tanh))
        .add_named("2", LayerNorm::new(4).epsilon(1e-5))
        .add_named("3", Dense::new(4, 2))
}

#[test]
fn dense_layers_of_every_float() {
    for name in ["dense", "dense_f16", "dense_bf16"] {
        check(name, &dense(), &PyTorch::new(), "");
    }
}

#[test]
fn convolutions_with_norms_slopes_and_a_flattened_image() {
    let model = Sequential::new()
        .add_named("conv1", Conv2d::new(2, 4, [3, 2]).padding(Padding::Explicit([(1, 1), (1, 1)])))
        .add_named("norm", BatchNorm::new(4).epsilon(1e-5))
        .add_named("slopes", PRelu::new([1, 1, 4]).shared_axes([1, 2]))
        .add_named("conv2", Conv2d::new(4, 6, [3, 3]).stride([2, 2]).groups(2))
        .add(Flatten)
        .add_named("fc", Dense::new(36, 5));
    let twin = PyTorch::new().module("norm", "bn").module("slopes", "act");
    check("convnet", &model, &twin.clone().flattened("fc", 6, 2, 3), "");

    // Without the conversion of the pixel order, everything loads but the output is wrong.
    let (state_dict, inputs, output) = read("convnet");
    load(&model, twin.import(&model, state_dict).unwrap()).unwrap();
    assert!(largest_difference(&model.forward(&inputs[0], Mode::Inference).unwrap(), &output) > 0.1);

    let model = Sequential::new()
        .add_named("0", Conv1d::new(3, 4, [3]).dilation([2]))
        .add_named("1", GroupNorm::new(4, 2).epsilon(1e-5));
    check("conv1d", &model, &PyTorch::new(), "");
}

#[test]
fn convolutions_by_channel_and_transposed() {
    let twin = PyTorch::new();
    check("depthwise1d", &DepthwiseConv1d::new(3, [3]).depth_multiplier(2).dilation([2]), &twin, "");
    check("depthwise2d", &DepthwiseConv2d::new(2, [3, 2]).depth_multiplier(3).stride([1, 2]), &twin, "");
    check("separable1d", &SeparableConv1d::new(3, 5, [2]).depth_multiplier(2), &twin, "");
    check("separable2d", &SeparableConv2d::new(2, 4, [3, 2]).depth_multiplier(3).stride([2, 2]), &twin, "");
    check("transposed1d", &ConvTranspose1d::new(3, 4, [3]).stride([2]).output_padding([1]), &twin, "");
    let padding = Padding::Explicit([(1, 1), (1, 1)]);
    let transposed = ConvTranspose2d::new(4, 6, [3, 2]).stride([2, 2]).padding(padding).groups(2);
    check("transposed2d", &transposed, &twin, "");

    // As many elements, but other axes.
    let (state_dict, ..) = read("depthwise1d");
    let wrong = twin.import(&DepthwiseConv1d::new(3, [2]).depth_multiplier(3), state_dict).unwrap_err().to_string();
    assert_eq!(
        wrong,
        "DepthwiseConv1d (in PyTorch the whole model): weight: pytorch: shape [3, 1, 6]: must be [2, 1, 9], for a weight [2, 3, 3]"
    );
}

#[test]
fn recurrent_layers_stacked_and_in_both_directions() {
    check("rnn", &SimpleRnn::new(3, 4).return_sequences(), &PyTorch::new(), "bias");
    let model = Sequential::new()
        .add_named("first", Lstm::new(3, 4).return_sequences())
        .add_named("second", Lstm::new(4, 4).return_sequences());
    check("lstm", &model, &PyTorch::new().stacked("first", "", 0).stacked("second", "", 1), "bias");
    check("gru", &Bidirectional::new(Gru::new(3, 4).return_sequences()), &PyTorch::new(), "");

    let (state_dict, ..) = read("gru");
    let wrong = PyTorch::new().import(&Bidirectional::new(Gru::new(3, 4).reset_before()), state_dict).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "forward (Gru, in PyTorch the whole model): pytorch: PyTorch has no GRU that applies the reset gate before the product \
         (`Gru::reset_before`)"
    );
}

#[test]
fn attention_and_transformers() {
    check("attention", &MultiHeadAttention::new(6, 2), &PyTorch::new(), "");
    let cross = MultiHeadAttention::heads(2, 3);
    let (_, inputs, _) = read("cross_attention");
    cross.forward_many(&[&inputs[0], &inputs[1]], Mode::Inference).unwrap();
    check("cross_attention", &cross, &PyTorch::new(), "");
    check("encoder", &TransformerEncoder::new(6, 2, 8).norm_first(), &PyTorch::new(), "");
    check("decoder", &TransformerDecoder::new(6, 2, 8), &PyTorch::new(), "");
}

#[test]
fn embeddings_and_integers() {
    let (_, inputs, _) = read("embedding");
    assert_eq!((inputs[0].dtype(), inputs[0].to_vec::<i64>().unwrap()), (DType::I64, vec![0, 6, 3, 1, 1, 5]));
    let model = Sequential::new().add_named("0", Embedding::new(7, 4)).add_named("1", RmsNorm::new(4));
    check("embedding", &model, &PyTorch::new(), "");
}

#[test]
fn mismatches_name_both_sides() {
    let (state_dict, ..) = read("dense");
    let model = Sequential::new().add_named("0", Dense::new(3, 5)).add_named("head", Dense::new(4, 2));
    let before = state(&model)[0].1.to_vec::<f32>().unwrap();
    let wrong = load(&model, PyTorch::new().import(&model, state_dict.clone()).unwrap()).unwrap_err();
    let expected = "load: the tensors do not match the model:\n  \
        0.kernel: the weight is [3, 5], the tensor [3, 4]; they must be equal\n  \
        0.bias: the weight is [5], the tensor [4]; they must be equal\n  \
        no tensor for the weight head.kernel\n  \
        no tensor for the weight head.bias\n  \
        no weight for the tensor 2.bias\n  \
        no weight for the tensor 2.weight\n  \
        no weight for the tensor 3.bias\n  \
        no weight for the tensor 3.weight";
    assert_eq!(wrong.to_string(), expected);
    assert_eq!(state(&model)[0].1.to_vec::<f32>().unwrap(), before);

    let convolution = Sequential::new().add_named("0", Conv2d::new(1, 1, [1, 1]));
    let wrong = PyTorch::new().import(&convolution, state_dict).unwrap_err().to_string();
    assert!(wrong.starts_with("0 (Conv2d, in PyTorch 0): weight: permute: "), "{wrong}");
    let refused = |twin: PyTorch| twin.export(&convolution).unwrap_err().to_string();
    assert_eq!(
        refused(PyTorch::new().flattened("0", 1, 1, 1)),
        "pytorch: 0 is stated to follow flattened images, but is not a Dense"
    );
    assert_eq!(
        refused(PyTorch::new().stacked("0", "0", 1)),
        "pytorch: 0 is stated to be stacked, but is not recurrent"
    );
    let slopes = vec![("weight".to_string(), Tensor::ones([6]))];
    let wrong = PyTorch::new().import(&PRelu::new([3, 2]), slopes).unwrap_err().to_string();
    assert_eq!(
        wrong,
        "PRelu (in PyTorch the whole model): weight: pytorch: shape [3, 2]: must have at most one axis of a \
         size other than 1, as in PyTorch"
    );
    let wrong = PyTorch::new().module("conv", "0").export(&convolution).unwrap_err().to_string();
    assert_eq!(wrong, "pytorch: Sequential has no layer conv");
}

/// Files for PyTorch and NumPy to read: see `read_files.py`.
#[test]
fn files_for_python_are_written() {
    let folder = std::env::temp_dir().join(format!("for-python-{}", std::process::id()));
    let folder = std::env::var_os("FOR_PYTHON").map_or(folder, PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let model = dense();
    let (state_dict, inputs, output) = read("dense");
    load(&model, PyTorch::new().import(&model, state_dict.clone()).unwrap()).unwrap();
    let mut exported = PyTorch::new().export(&model).unwrap();
    exported.extend([("input".to_string(), inputs[0].clone()), ("output".to_string(), output)]);
    write_tensors(folder.join("dense.safetensors"), &exported, None).unwrap();
    save_weights(&model, folder.join("dense.npz")).unwrap();
    let named = |name: &str, tensor: Tensor| (name.to_string(), tensor);
    let types = vec![named("count", tensor![1i64 << 62]), named("mask", tensor![[true], [false]])];
    let types = [types, vec![named("half", tensor![1.5, -65504.0])]].concat();
    write_tensors(folder.join("types.safetensors"), &types, Some(StoredType::F16)).unwrap();
    let counting: Tensor = (0..1000i64).collect();
    let counting = [named("größe/x", counting.reshape([10, 100]).unwrap())];
    let compressed = npz::Options { compressed: true, floats: None };
    npz::write(folder.join("deflated.npz"), &counting, &compressed).unwrap();
    let bytes: Tensor = (0..6u8).collect();
    npy::write(folder.join("alone.npy"), &bytes.reshape([3, 2]).unwrap()).unwrap();

    let again = dense();
    let rules = Loading::new().rename_with(|name| (name != "input" && name != "output").then(|| name.to_string()));
    let tensors = rules.renamed(read_tensors(folder.join("dense.safetensors")).unwrap()).unwrap();
    load(&again, PyTorch::new().import(&again, tensors).unwrap()).unwrap();
    for ((path, a), (_, b)) in state(&model).iter().zip(state(&again)) {
        assert_eq!(largest_difference(a, &b), 0.0, "{path}");
    }
    if std::env::var_os("FOR_PYTHON").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
