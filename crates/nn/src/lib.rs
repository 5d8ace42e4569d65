//! Neural networks: layers, activations, initializers and losses.
//!
//! ```
//! use nn::{Activation, Dense, Layer, Mode, Sequential, sparse_categorical_crossentropy};
//! use tensor::{Tensor, tensor};
//!
//! let model = Sequential::new()
//!     .add(Dense::new(4, 8).activation(Activation::Relu))
//!     .add(Dense::new(8, 3).activation(Activation::Softmax));
//! assert_eq!(model.weights().len(), 4);
//!
//! let predictions = model.forward(&Tensor::ones([2, 4]), Mode::Inference)?;
//! let losses = sparse_categorical_crossentropy(&tensor![0, 2], &predictions)?;
//! assert_eq!(losses.shape(), &[2]);
//! # Ok::<(), tensor::Error>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`Layer`], [`Visitor`] | the trait of layers and models, and the visitor of their weights |
//! | [`layers`] | the layers, one file each; [`Sequential`] chains them |
//! | [`Activation`] | elementwise functions and softmax, as options of a layer or as layers |
//! | [`Initializer`] | initial values of weights |
//! | [`Regularizer`], [`Constraint`] | penalties of weights, and projections after each step |
//! | [`losses`] | losses as functions (one number per sample) and as objects ([`Loss`]) |
//! | [`Layer::summary`], [`summary`](summary()) | the layers that a model calls, as a table |
//! | [`first_non_finite`] | the origin of NaN and infinite values |
//! | [`state`](state()), [`load`], [`Loading`] | weights by path, for saving and loading |
//! | [`PyTorch`] | conversion of weights to and from PyTorch |
//! | [`RandomStream`] | the random numbers of a layer, which can be saved |
//!
//! A model of your own is a plain struct that implements [`Layer`] with the help of [`parts!`]. The crates `autograd` and
//! `tensor` are re-exported.

mod activation;
mod call;
mod constraints;
mod finite;
mod indices;
mod initializers;
mod input_checks;
mod layer;
mod layer_pointers;
pub mod layers;
mod lazy_init;
mod lazy_weights;
pub mod losses;
mod mask;
mod mode;
mod nesting;
mod parts;
mod penalty;
mod pytorch;
mod regularizers;
mod state;
mod stream;
mod summary;
mod variable_set;
mod weight;

pub use activation::Activation;
pub use autograd;
pub use autograd::{Error, Result, Variable, tensor};
pub use constraints::{Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
pub use finite::first_non_finite;
pub use initializers::{Distribution, Fan, Initializer};
pub use layer::{Layer, Part, Visitor};
pub use layers::*;
pub use lazy_init::LazyInit;
pub use losses::*;
pub use mode::Mode;
pub use parts::Visitable;
pub use penalty::Penalty;
pub use pytorch::PyTorch;
pub use regularizers::{L1, L1L2, L2, OrthogonalRegularizer, Regularizer};
pub use state::{Loading, Prepared, Report, State, load, state};
pub use stream::RandomStream;
pub use summary::{InputSpec, Summary, SummaryRow, summary};
pub use weight::{AsWeight, ParameterSpec, Weight};

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
