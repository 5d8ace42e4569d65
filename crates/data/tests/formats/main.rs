//! Files of tensors are compatible with NumPy and the Python package safetensors.

mod atomic;
mod hostile;
mod npy;
mod npz;
mod safetensors;

use std::path::PathBuf;

use tensor::{DType, Tensor};

/// A file that `make_files.py` made.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/formats/files").join(name)
}

/// A path in a separate folder for this test, removed on drop.
struct Temporary(PathBuf);

impl Temporary {
    fn new(test: &str) -> Temporary {
        let path = std::env::temp_dir().join(format!("formats-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Temporary(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Type, shape and elements as text, which distinguishes all floats.
fn show(tensor: &Tensor) -> String {
    let shape = tensor.shape();
    match tensor.dtype() {
        DType::F32 => format!("float32 {shape} [{}]", exponents(&tensor.to_vec::<f32>().unwrap())),
        DType::F64 => format!("float64 {shape} [{}]", exponents(&tensor.to_vec::<f64>().unwrap())),
        DType::I64 => format!("int64 {shape} {:?}", tensor.to_vec::<i64>().unwrap()),
        DType::U8 => format!("uint8 {shape} {:?}", tensor.to_vec::<u8>().unwrap()),
        DType::Bool => format!("bool {shape} {:?}", tensor.to_vec::<bool>().unwrap()),
    }
}

fn exponents<T: std::fmt::LowerExp>(elements: &[T]) -> String {
    elements.iter().map(|x| format!("{x:e}")).collect::<Vec<_>>().join(", ")
}

/// The arrays of `make_files.py` by NumPy's codes and the names of safetensors.
const ARRAYS: [(&str, &str, &str); 12] = [
    ("f2", "F16", "float32 [2, 3] [1.5e0, -6.5504e4, 5.9604645e-8, inf, 9.9975586e-2, 2e0]"),
    ("f4", "F32", "float32 [2, 3] [1.5e0, -3.4e38, 1e-45, inf, 1e-1, 2e0]"),
    ("f8", "F64", "float64 [2, 3] [1.5e0, -1.7e308, 5e-324, inf, 1e-1, 2e0]"),
    ("b1", "BOOL", "bool [2, 3] [true, false, true, false, false, true]"),
    ("i1", "I8", "int64 [2, 3] [-128, 1, 2, 3, 2, 127]"),
    ("i2", "I16", "int64 [2, 3] [-32768, 1, 2, 3, 2, 32767]"),
    ("i4", "I32", "int64 [2, 3] [-2147483648, 1, 2, 3, 2, 2147483647]"),
    ("i8", "I64", "int64 [2, 3] [-9223372036854775808, 1, 2, 3, 2, 9223372036854775807]"),
    ("u1", "U8", "uint8 [2, 3] [0, 1, 2, 3, 2, 255]"),
    ("u2", "U16", "int64 [2, 3] [0, 1, 2, 3, 2, 65535]"),
    ("u4", "U32", "int64 [2, 3] [0, 1, 2, 3, 2, 4294967295]"),
    ("u8", "U64", "int64 [2, 3] [0, 1, 2, 3, 2, 9223372036854775807]"),
];

/// Tensors of every type, one of them a view that is turned, one empty, one a scalar.
fn all_types() -> Vec<(String, Tensor)> {
    let tensors = [
        ("f32", Tensor::from([[0.1f32, f32::INFINITY], [-0.0, 1e-45]]).t().unwrap()),
        ("f64", Tensor::from([0.1f64])),
        ("i64", Tensor::from([i64::MIN, i64::MAX])),
        ("u8", Tensor::from([[0u8, 255]])),
        ("bool", Tensor::from([true, false, true])),
        ("empty", Tensor::zeros([0, 3])),
        ("scalar", Tensor::scalar(7)),
    ];
    tensors.map(|(name, tensor)| (name.to_string(), tensor)).into()
}
