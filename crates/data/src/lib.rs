//! Data for training.
//!
//! | module | holds |
//! |---|---|
//! | [`Samples`], [`Pass`], [`Batch`] | what a training loop draws from, and what it is given |
//! | [`Dataset`], [`Pipeline`] | random access to samples, and the verbs: map, shuffle, … |
//! | [`Stream`] | samples read from start to end, and the verbs for these |
//! | [`ArrayDataset`], [`Sequences`] | features and targets in memory; sequences of unequal length, padded |
//! | [`Split`], [`Window`], [`class_weights`] | what verbs are told |
//! | [`Normalization`] | mean and deviation, fitted on training data |
//! | [`Augmentation`], [`MixUp`] | random changes, the same for the same seed, pass and sample |
//! | [`Prefetch`] | a thread that makes batches ahead |
//! | [`Batches`] | passes in batches, for loops written by hand |
//! | [`mnist`] | the handwritten digits |
//! | [`idx`] | the file format they come in |
//! | [`Error`] | what can be wrong with data |

mod array;
mod augment;
mod batch;
mod batches;
mod dataset;
mod error;
pub mod idx;
pub mod mnist;
mod normalization;
mod prefetch;
mod random;
mod samples;
mod sequences;
mod stream;

pub use array::ArrayDataset;
pub use augment::{Augmentation, MixUp};
pub use batch::Batch;
pub use batches::{Batches, Epoch};
pub use dataset::{Dataset, Pipeline, Split, Window, class_weights};
pub use error::{Error, Result};
pub use mnist::Mnist;
pub use normalization::Normalization;
pub use prefetch::Prefetch;
pub use samples::{Pass, Samples};
pub use sequences::Sequences;
pub use stream::Stream;
