//! Data for training.
//!
//! | item | purpose |
//! |---|---|
//! | [`DataSource`], [`EpochIter`], [`Batch`] | sources of samples for training, and their batches |
//! | [`Dataset`], [`Pipeline`] | samples with random access, and their transformations: map, shuffle, … |
//! | [`Stream`] | samples read from start to end, and their transformations |
//! | [`ArrayDataset`], [`Sequences`] | features and targets in memory; padded sequences of different lengths |
//! | [`Split`], [`Window`], [`class_weights`] | arguments of transformations |
//! | [`csv`], [`Csv`] | text tables: named columns, inferred types, files larger than memory |
//! | [`table`], [`Table`] | named columns of numbers and categories in memory |
//! | [`preprocessing`], [`Preprocessing`] | columns as features and targets, fitted on training data |
//! | [`Normalization`] | mean and standard deviation, fitted on training data |
//! | [`Augmentation`], [`MixUp`] | random changes, reproducible by seed, epoch and sample |
//! | [`Prefetch`] | a background thread that prepares batches |
//! | [`Batches`], [`BatchIter`] | batches of an epoch, for hand-written loops |
//! | [`mnist`] | handwritten digits |
//! | [`fashion_mnist`], [`kmnist`] | clothes and Japanese characters in the format of MNIST |
//! | [`text`] | lines of files, tokens of characters, windows over tokens |
//! | `ImageFolder` | pictures in folders; feature `images` |
//! | `download` | data sets fetched by name; feature `download` |
//! | [`idx`] | the file format of MNIST |
//! | [`cifar`] | small photographs of 10 or 100 classes |
//! | [`npy`], [`npz`] | NumPy files |
//! | [`safetensors`] | files of named tensors |
//! | [`StoredType`] | element types in files |
//! | [`checksum`] | a checksum of named tensors |
//! | [`write_atomically`], [`remove_abandoned`] | atomic replacement of files |
//! | [`escaped`] | text from files in messages, without control characters and of bounded length |
//! | [`Error`], [`DataError`] | the error type of the workspace, and its data errors |

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

/// Compiles and runs the program in the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
