//! Data for training.
//!
//! | module | holds |
//! |---|---|
//! | [`ArrayDataset`], [`Dataset`] | features and targets, and what a training loop asks of them |
//! | [`Batches`] | passes over a data set in batches, in order or shuffled |
//! | [`mnist`] | the handwritten digits |
//! | [`idx`] | the file format they come in |
//! | [`Error`] | what can be wrong with data |

mod batches;
mod dataset;
mod error;
pub mod idx;
pub mod mnist;

pub use batches::{Batches, Epoch};
pub use dataset::{ArrayDataset, Dataset};
pub use error::{Error, Result};
pub use mnist::Mnist;
