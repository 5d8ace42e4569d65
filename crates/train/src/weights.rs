//! Files of weights.

use std::path::Path;

use data::safetensors::Safetensors;
use data::{StoredType, npz, safetensors};
use nn::{Layer, Loading, Report, State, state};
use tensor::escaped;

use crate::checkpoints::is_checkpoint;
use crate::error::{Result, TrainError};

/// A file format, by the extension of the file name.
enum Format {
    Safetensors,
    Npz,
}

impl Format {
    fn of(path: &Path) -> Result<Format> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("npz") => Ok(Format::Npz),
            extension => {
                let path = escaped_path(path);
                let conversion = match extension {
                    Some("pt" | "pth" | "bin" | "ckpt") => {
                        "; files of `torch.save` contain code and are not supported: in Python, \
                         `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")` converts them, and \
                         `nn::PyTorch` loads the result"
                    }
                    Some("h5" | "keras") => {
                        "; in Python, `numpy.savez(\"model.npz\", **{w.path.replace(\"/\", \".\"): w.numpy() for w in \
                         model.weights})` converts a Keras model"
                    }
                    _ => "",
                };
                let message = format!("{path}: the name must end with .safetensors or .npz{conversion}");
                Err(data::DataError::Dataset(message).into())
            }
        }
    }
}

/// Writes the weights of a model, including states such as running means, under their paths. The extension of the file
/// name, `.safetensors` or `.npz`, selects the format. The file is written [atomically](data::write_atomically).
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
/// Returns an error if the extension is not supported, or the file cannot be written. An existing file is then
/// unchanged.
pub fn save_weights(model: &dyn Layer, path: impl AsRef<Path>) -> Result<()> {
    write_tensors(path, &state(model), None)
}

/// Like [`save_weights`], but converts floating weights to another type: float16 and bfloat16 need half the space of
/// float32. Float64 weights are rounded to float32 first.
///
/// # Errors
/// Returns an error as [`save_weights`] does, or if `floats` is not a floating type, is bfloat16 in an `.npz` file, or
/// cannot represent a weight.
pub fn save_weights_as(model: &dyn Layer, path: impl AsRef<Path>, floats: StoredType) -> Result<()> {
    write_tensors(path, &state(model), Some(floats))
}

/// Sets all weights of a model to those in a file.
///
/// # Errors
/// Returns an error, and does not change the model, if the extension is neither `.safetensors` nor `.npz`, the file
/// cannot be read or is a [`Checkpoint`](crate::Checkpoint), or the names and shapes of its tensors are not those of
/// the model; the message lists all differences.
pub fn load_weights(model: &dyn Layer, path: impl AsRef<Path>) -> Result<()> {
    load_weights_with(model, path, &Loading::new()).map(drop)
}

/// Like [`load_weights`], but with other rules, for example to load only some weights or to rename them.
///
/// # Errors
/// Returns an error as [`load_weights`] does, except for what the rules allow.
pub fn load_weights_with(model: &dyn Layer, path: impl AsRef<Path>, rules: &Loading) -> Result<Report> {
    let path = path.as_ref();
    refuse_checkpoints(path)?;
    let report = rules.load(model, read_tensors(path)?);
    report.map_err(|error| error.context(escaped_path(path)))
}

/// Returns an error that names the right function if the path is a checkpoint or a folder.
fn refuse_checkpoints(path: &Path) -> Result<()> {
    const ALTERNATIVES: &str = "Fit::resume continues its training; for the weights alone, pass \
                                Checkpoint::open(file)?.weights() to nn::load";
    if path.is_dir() {
        let message = format!(
            "load_weights: it is a folder, not a file of weights. If it holds checkpoints, Checkpoints::latest gives the \
             last one: {ALTERNATIVES}"
        );
        return Err(TrainError::checkpoint(path, message));
    }
    if matches!(Format::of(path)?, Format::Safetensors) && is_checkpoint(Safetensors::open(path)?.metadata()) {
        let message = format!("load_weights: it is a training checkpoint, not a file of weights: {ALTERNATIVES}");
        return Err(TrainError::checkpoint(path, message));
    }
    Ok(())
}

/// A path for a message.
fn escaped_path(path: &Path) -> String {
    escaped(&path.display().to_string()).to_string()
}

/// Reads the tensors of a `.safetensors` or `.npz` file with their names.
///
/// # Errors
/// Returns an error if the extension is not supported, or the file cannot be read or is malformed.
pub fn read_tensors(path: impl AsRef<Path>) -> Result<State> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Safetensors => safetensors::read(path),
        Format::Npz => npz::read(path),
    }
}

/// Writes tensors as a `.safetensors` or `.npz` file, and converts floating ones to `floats` if it is given.
///
/// # Errors
/// Returns an error as [`save_weights_as`] does, or if two tensors have the same name.
pub fn write_tensors(path: impl AsRef<Path>, tensors: &State, floats: Option<StoredType>) -> Result<()> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Safetensors => {
            safetensors::write(path, tensors, &safetensors::Options { floats, ..Default::default() })
        }
        Format::Npz => npz::write(path, tensors, &npz::Options { floats, ..Default::default() }),
    }
}
