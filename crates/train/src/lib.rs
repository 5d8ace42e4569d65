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
//! let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1));
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
//! | [`Fit`] | how to fit: epochs, batch size, validation, callbacks, checkpoints and what they keep, what to show |
//! | [`Training`] | a training under way: for callbacks and for loops written by hand |
//! | [`Callback`], [`callbacks`] | what happens besides: early stopping, learning rates, your own functions |
//! | [`Checkpoints`], [`Checkpoint`] | files from which a training goes on with the same bits |
//! | [`interrupted`] | Ctrl-C and SIGTERM |
//! | [`History`], [`Score`] | what fitting and evaluating return |
//! | [`Metric`], [`metrics`] | what is measured besides the loss |
//! | [`Plot`], [`SavePlot`] | a picture of a history, once or after each epoch |
//! | [`CsvLog`], [`JsonLines`], [`TensorBoard`] | files to which a line, or an event, is added each epoch |
//! | [`save_weights`], [`load_weights`] | weights in files |
//! | [`Error`], [`TrainError`] | the error of the whole workspace, and what of it concerns trainings |

pub mod callbacks;
mod checkpoint;
mod checkpoints;
mod csv_log;
mod error;
mod fit;
mod folder_lock;
mod history;
mod interrupt;
mod json_lines;
mod kept;
mod lines;
mod meter;
pub mod metrics;
mod plot;
mod progress;
mod state;
mod step;
mod tensorboard;
mod trainer;
mod training;
mod unoptimized;
mod untrained;
mod weights;

pub use callbacks::{Callback, EarlyStopping, EpochSchedule, Monitor, OnBatchEnd, OnEpochEnd, Plateau, SavePlot};
pub use checkpoint::Checkpoint;
pub use checkpoints::Checkpoints;
pub use csv_log::CsvLog;
pub use error::{Error, Result, TrainError};
pub use fit::{BatchEnd, Fit};
pub use history::{History, Score};
pub use interrupt::interrupted;
pub use json_lines::JsonLines;
pub use metrics::{Accuracy, Mean, Metric};
pub use plot::Plot;
pub use progress::Verbose;
pub use tensorboard::TensorBoard;
pub use trainer::Trainer;
pub use training::Training;
pub use weights::{load_weights, load_weights_with, read_tensors, save_weights, save_weights_as, write_tensors};

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
