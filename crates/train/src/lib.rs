//! The training loop.
//!
//! ```
//! use data::ArrayDataset;
//! use nn::{Dense, MeanSquaredError, Sequential};
//! use optim::Sgd;
//! use tensor::tensor;
//! use train::{Fit, Trainer, Verbose};
//!
//! // y = 2x + 1
//! let samples = ArrayDataset::from_tensors(&tensor![[0.0], [1.0], [2.0], [3.0]], &tensor![[1.0], [3.0], [5.0], [7.0]])?;
//! let model = Sequential::new().add(Dense::new(1, 1));
//! let mut trainer = Trainer::new(&model, MeanSquaredError::default(), Sgd::new(0.1));
//! let history = trainer.fit(&samples, Fit::epochs(200).batch_size(4).verbose(Verbose::Silent))?;
//! assert_eq!(history.epochs(), 200);
//! assert!(trainer.evaluate(&samples)?.loss < 1e-3);
//! assert!((trainer.predict(&tensor![[10.0]])?.item()? - 21.0).abs() < 0.5);
//! # Ok::<(), train::Error>(())
//! ```
//!
//! | item | is |
//! |---|---|
//! | [`Trainer`] | a model with a loss, an optimizer and metrics: fit, evaluate, predict |
//! | [`Fit`] | how to fit: epochs, batch size, shuffling, validation, what to show |
//! | [`History`], [`Score`] | what fitting and evaluating return |
//! | [`Metric`], [`metrics`] | what is measured besides the loss |
//! | [`save_weights`], [`load_weights`] | weights in files |
//! | [`Error`] | what can go wrong, in this crate and those below |

mod error;
mod fit;
mod history;
pub mod metrics;
mod progress;
mod trainer;
mod weights;

pub use error::{Error, Result};
pub use fit::{BatchEnd, Fit};
pub use history::{History, Score};
pub use metrics::{Accuracy, Mean, Metric};
pub use progress::Verbose;
pub use trainer::Trainer;
pub use weights::{load_weights, load_weights_with, read_tensors, save_weights, save_weights_as, write_tensors};
