//! Data for training.
//!
//! | module | holds |
//! |---|---|
//! | [`DataSource`], [`EpochIter`], [`Batch`] | what a training loop draws from, and what it is given |
//! | [`Dataset`], [`Pipeline`] | random access to samples, and the verbs: map, shuffle, … |
//! | [`Stream`] | samples read from start to end, and the verbs for these |
//! | [`ArrayDataset`], [`Sequences`] | features and targets in memory; sequences of unequal length, padded |
//! | [`Split`], [`Window`], [`class_weights`] | what verbs are told |
//! | [`csv`], [`Csv`] | tables in text: columns by name, types inferred, larger than memory |
//! | [`table`], [`Table`] | named columns of numbers and categories in memory |
//! | [`preprocessing`], [`Preprocessing`] | columns as features and targets, fitted on training data |
//! | [`Normalization`] | mean and deviation, fitted on training data |
//! | [`Augmentation`], [`MixUp`] | random changes, the same for the same seed, epoch and sample |
//! | [`Prefetch`] | a thread that makes batches ahead |
//! | [`Batches`] | epochs in batches, for loops written by hand |
//! | [`mnist`] | the handwritten digits |
//! | [`fashion_mnist`], [`kmnist`] | clothes and Japanese characters, in the form of MNIST |
//! | [`text`] | lines of files, characters as tokens, windows over tokens |
//! | `ImageFolder` | pictures in folders; feature `images` |
//! | `download` | data sets fetched by name; feature `download` |
//! | [`idx`] | the file format they come in |
//! | [`cifar`] | small photographs of 10 or 100 classes |
//! | [`npy`], [`npz`] | NumPy's files |
//! | [`safetensors`] | named tensors in a file |
//! | [`StoredType`] | element types in files, and what they become |
//! | [`checksum`] | whether named tensors are what they were |
//! | [`write_atomically`], [`remove_abandoned`] | files that are there whole or not at all; what killed processes left of them |
//! | [`escaped`] | text from files in messages: no control characters, and of bounded length |
//! | [`Error`], [`DataError`] | the error of the whole workspace, and what of it concerns data |

mod array;
mod atomic;
mod augment;
mod batch;
mod batches;
mod byte_source;
mod checksum;
pub mod cifar;
pub mod csv;
mod data_source;
mod dataset;
#[cfg(feature = "download")]
pub mod download;
mod error;
pub mod fashion_mnist;
mod half;
pub mod idx;
#[cfg(feature = "images")]
mod images;
mod input;
pub mod kmnist;
pub mod mnist;
mod moments;
mod normalization;
pub mod npy;
pub mod npz;
mod open;
mod prefetch;
pub mod preprocessing;
mod random;
pub mod safetensors;
mod sequences;
mod stored;
mod stream;
pub mod table;
pub mod text;

pub use array::ArrayDataset;
pub use atomic::{remove_abandoned, write_atomically};
pub use augment::{Augmentation, MixUp};
pub use batch::Batch;
pub use batches::{BatchIter, Batches};
pub use checksum::checksum;
pub use cifar::{Cifar10, Cifar100};
pub use csv::Csv;
pub use data_source::{DataSource, EpochIter};
pub use dataset::{Dataset, Pipeline, Split, Window, class_weights};
pub use error::{DataError, Error, Result};
#[cfg(feature = "images")]
pub use images::ImageFolder;
pub use mnist::Mnist;
pub use normalization::Normalization;
pub use prefetch::Prefetch;
pub use preprocessing::{Features, Preprocessing};
pub use sequences::Sequences;
pub use stored::StoredType;
pub use stream::Stream;
pub use table::Table;
pub use tensor::escaped;

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
