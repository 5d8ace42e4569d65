//! Data for training.
//!
//! | module | holds |
//! |---|---|
//! | [`ArrayDataset`], [`Dataset`] | features and targets, and what a training loop asks of them |
//! | [`Batches`] | passes over a data set in batches, in order or shuffled |
//! | [`mnist`] | the handwritten digits |
//! | [`idx`] | the file format they come in |
//! | [`npy`], [`npz`] | NumPy's files |
//! | [`safetensors`] | named tensors in a file |
//! | [`StoredType`] | element types in files, and what they become |
//! | [`write_atomically`] | files that are there whole or not at all |
//! | [`Error`] | what can be wrong with data |

mod atomic;
mod batches;
mod dataset;
mod error;
mod half;
pub mod idx;
mod input;
pub mod mnist;
pub mod npy;
pub mod npz;
pub mod safetensors;
mod source;
mod stored;

pub use atomic::write_atomically;
pub use batches::{Batches, Epoch};
pub use dataset::{ArrayDataset, Dataset};
pub use error::{Error, Result};
pub use mnist::Mnist;
pub use stored::StoredType;
