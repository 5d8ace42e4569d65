//! Files of weights: formats by extension, types, and errors that name the file.

use data::StoredType;
use nn::{BatchNorm, Dense, Layer, Loading, Sequential, state};
use tensor::DType;
use train::{load_weights, load_weights_with, read_tensors, save_weights, save_weights_as};

fn model() -> Sequential {
    Sequential::new().add(Dense::new(20, 30)).add(BatchNorm::new(30)).add(Dense::new(30, 5))
}

fn values(model: &dyn Layer) -> Vec<f64> {
    state(model).into_iter().flat_map(|(_, x)| x.cast(DType::F64).to_vec::<f64>().unwrap()).collect()
}

#[test]
fn weights_round_trip_in_both_formats() {
    for ending in ["safetensors", "npz"] {
        let path = std::env::temp_dir().join(format!("weights-{}.{ending}", std::process::id()));
        let (trained, loaded) = (model(), model());
        save_weights(&trained, &path).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        load_weights(&loaded, &path).unwrap();
        assert_eq!(values(&loaded), values(&trained));

        // As float64 the numbers are the same; as float16 they are close and take half the space.
        let double = model();
        double.cast(DType::F64).unwrap();
        load_weights(&double, &path).unwrap();
        assert_eq!(values(&double), values(&trained));
        save_weights_as(&trained, &path, StoredType::F16).unwrap();
        load_weights(&loaded, &path).unwrap();
        for (half, exact) in values(&loaded).into_iter().zip(values(&trained)) {
            assert!((half - exact).abs() <= exact.abs() / 2048.0 + 3e-8, "{half} {exact}");
        }
        let count = trained.parameter_count() as u64;
        assert_eq!(whole - std::fs::metadata(&path).unwrap().len(), 2 * count, "{ending}");

        let other = Sequential::new().add(Dense::new(20, 30));
        let wrong = load_weights(&other, &path).unwrap_err().to_string();
        let expected = format!("{}: load: the tensors do not match the model:\n  ", path.display());
        assert!(wrong.starts_with(&expected) && wrong.contains("no weight for the tensor dense_1.bias"), "{wrong}");
        let report = load_weights_with(&other, &path, &Loading::new().partial()).unwrap();
        assert_eq!(report.loaded, ["dense.kernel", "dense.bias"]);
        assert_eq!(read_tensors(&path).unwrap().len(), 8);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn other_extensions_are_refused() {
    for (path, way_round) in [
        ("model", ""),
        (
            "model.pt",
            "; files of `torch.save` contain code and are not supported: in Python, \
             `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")` converts them, and `nn::PyTorch` \
             loads the result",
        ),
        (
            "model.h5",
            "; in Python, `numpy.savez(\"model.npz\", **{w.path.replace(\"/\", \".\"): w.numpy() for w in \
             model.weights})` converts a Keras model",
        ),
    ] {
        let expected = format!("{path}: the name must end with .safetensors or .npz{way_round}");
        assert_eq!(save_weights(&model(), path).unwrap_err().to_string(), expected);
        assert_eq!(load_weights(&model(), path).unwrap_err().to_string(), expected);
    }
}
