//! Weights of models in files.

use std::path::Path;

use data::{StoredType, npz, safetensors};
use nn::{Layer, Loading, Report, State, state};
use tensor::escaped;

use crate::error::Result;

/// A format, told by the ending of a file's name.
enum Format {
    Safetensors,
    Npz,
}

impl Format {
    fn of(path: &Path) -> Result<Format> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("npz") => Ok(Format::Npz),
            ending => {
                let path = escaped_path(path);
                let way_round = match ending {
                    Some("pt" | "pth" | "bin" | "ckpt") => {
                        "; files of `torch.save` are programs and are not read: in Python, \
                         `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")` converts them, and \
                         `nn::PyTorch` loads the result"
                    }
                    Some("h5" | "keras") => {
                        "; in Python, `numpy.savez(\"model.npz\", **{w.path.replace(\"/\", \".\"): w.numpy() for w in \
                         model.weights})` converts a model of Keras"
                    }
                    _ => "",
                };
                let message = format!("{path}: the name must end with .safetensors or .npz{way_round}");
                Err(data::DataError::Dataset(message).into())
            }
        }
    }
}

/// Writes the weights of a model, states such as running means included, under their paths, as a
/// `.safetensors` or `.npz` file by the ending of its name. The file is there whole or not at all.
///
/// ```
/// use nn::{Dense, Layer, Mode, Sequential};
/// use tensor::Tensor;
/// use train::{load_weights, save_weights};
///
/// let path = std::env::temp_dir().join("doctest-weights.safetensors");
/// let model = || Sequential::new().add(Dense::new(4, 8)).add(Dense::new(8, 2));
/// let trained = model();
/// save_weights(&trained, &path)?;
///
/// let loaded = model();
/// load_weights(&loaded, &path)?;
/// let output = |model: &Sequential| model.forward(&Tensor::ones([1, 4]), Mode::Inference)?.to_vec::<f32>();
/// assert_eq!(output(&loaded)?, output(&trained)?);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), train::Error>(())
/// ```
///
/// # Errors
/// If the ending is another, or the file cannot be written; then an old file is as it was.
pub fn save_weights(model: &dyn Layer, path: impl AsRef<Path>) -> Result<()> {
    write_tensors(path, &state(model), None)
}

/// As [`save_weights`], with floating weights in another type: float16 and bfloat16 take half the
/// room of float32. (From float64 they are rounded to float32 first.)
///
/// # Errors
/// As [`save_weights`], and if `floats` is no floating type, is bfloat16 in an `.npz` file, or has no room
/// for a weight.
pub fn save_weights_as(model: &dyn Layer, path: impl AsRef<Path>, floats: StoredType) -> Result<()> {
    write_tensors(path, &state(model), Some(floats))
}

/// Sets all weights of a model to those in a file.
///
/// # Errors
/// If the ending of the name is neither `.safetensors` nor `.npz`, the file cannot be read, or its tensors
/// are not those of the model by name and shape: the message lists all that differs. The model is as it
/// was.
pub fn load_weights(model: &dyn Layer, path: impl AsRef<Path>) -> Result<()> {
    load_weights_with(model, path, &Loading::new()).map(drop)
}

/// As [`load_weights`], by other rules: partially, or under other names.
///
/// # Errors
/// As [`load_weights`], as far as the rules do not allow it.
pub fn load_weights_with(model: &dyn Layer, path: impl AsRef<Path>, rules: &Loading) -> Result<Report> {
    let path = path.as_ref();
    let report = rules.load(model, read_tensors(path)?);
    report.map_err(|error| error.context(escaped_path(path)))
}

/// A path for a message.
fn escaped_path(path: &Path) -> String {
    escaped(&path.display().to_string()).to_string()
}

/// The tensors in a `.safetensors` or `.npz` file, with their names.
///
/// # Errors
/// If the ending of the name is another, or the file cannot be read or is broken.
pub fn read_tensors(path: impl AsRef<Path>) -> Result<State> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Safetensors => safetensors::read(path),
        Format::Npz => npz::read(path),
    }
}

/// Writes tensors as a `.safetensors` or `.npz` file, floating ones as `floats` if it is given.
///
/// # Errors
/// As [`save_weights_as`], and if a name stands twice.
pub fn write_tensors(path: impl AsRef<Path>, tensors: &State, floats: Option<StoredType>) -> Result<()> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Safetensors => {
            safetensors::write(path, tensors, &safetensors::Options { floats, ..Default::default() })
        }
        Format::Npz => npz::write(path, tensors, &npz::Options { floats, ..Default::default() }),
    }
}
