//! Data for training.
//!
//! | module | holds |
//! |---|---|
//! | [`Samples`], [`Pass`], [`Batch`] | what a training loop draws from, and what it is given |
//! | [`Dataset`], [`Pipeline`] | random access to samples, and the verbs: map, shuffle, … |
//! | [`ArrayDataset`] | features and targets in memory |
//! | [`Batches`] | passes in batches, for loops written by hand |
//! | [`mnist`] | the handwritten digits |
//! | [`idx`] | the file format they come in |
//! | [`npy`], [`npz`] | NumPy's files |
//! | [`safetensors`] | named tensors in a file |
//! | [`StoredType`] | element types in files, and what they become |
//! | [`checksum`] | whether named tensors are what they were |
//! | [`write_atomically`] | files that are there whole or not at all |
//! | [`Error`] | what can be wrong with data |

mod array;
mod atomic;
mod batch;
mod batches;
mod checksum;
mod dataset;
mod error;
mod half;
pub mod idx;
mod input;
pub mod mnist;
pub mod npy;
pub mod npz;
mod random;
pub mod safetensors;
mod samples;
mod source;
mod stored;

pub use array::ArrayDataset;
pub use atomic::write_atomically;
pub use batch::Batch;
pub use batches::{Batches, Epoch};
pub use checksum::checksum;
pub use dataset::{Dataset, Pipeline};
pub use error::{Error, Result};
pub use mnist::Mnist;
pub use samples::{Pass, Samples};
pub use stored::StoredType;
