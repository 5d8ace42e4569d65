//! The training loop: fit, evaluate, predict, with metrics, callbacks, logs and checkpoints.
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
//! | item | purpose |
//! |---|---|
//! | [`Trainer`] | fits, evaluates and predicts with a model |
//! | [`Fit`] | options of a training: epochs, batch size, validation, callbacks, checkpoints |
//! | [`Training`] | a running training, for hand-written loops |
//! | [`Callback`], [`callbacks`], [`TrainingState`] | early stopping, learning rates, your own functions, and what they see |
//! | [`Checkpoints`], [`Checkpoint`] | files from which a training continues with the same bits |
//! | [`interrupted`] | a flag for Ctrl-C and SIGTERM |
//! | [`History`], [`Score`] | the results of fitting and evaluating |
//! | [`Metric`], [`metrics`] | quantities that are measured besides the loss |
//! | [`Plot`], [`SavePlot`] | plots of a history, once or after each epoch |
//! | [`CsvLog`], [`JsonLines`], [`TensorBoard`] | logs of the epochs in files |
//! | [`save_weights`], [`load_weights`] | files of weights |
//! | [`Error`], [`TrainError`] | the error type of the workspace, and its training errors |

mod accumulation;
mod batch_end;
pub mod callbacks;
mod checkpoints;
mod divergence;
mod error;
mod fit;
mod history;
mod interrupt;
mod logs;
mod meter;
pub mod metrics;
mod objective;
mod plot;
mod progress;
mod state_dict;
mod tracked;
mod trainer;
mod training;
mod training_state;
mod unoptimized;
mod untrained;
mod weights;

pub use batch_end::BatchEnd;
pub use callbacks::{Callback, EarlyStopping, EpochSchedule, Monitor, OnBatchEnd, OnEpochEnd, Plateau, SavePlot};
pub use checkpoints::{Checkpoint, Checkpoints};
pub use error::{Error, Result, TrainError};
pub use fit::Fit;
pub use history::{History, Score};
pub use interrupt::interrupted;
pub use logs::{CsvLog, JsonLines, TensorBoard};
pub use metrics::{Accuracy, Mean, Metric};
pub use plot::Plot;
pub use progress::Verbose;
pub use trainer::Trainer;
pub use training::Training;
pub use training_state::TrainingState;
pub use weights::{load_weights, load_weights_with, read_tensors, save_weights, save_weights_as, write_tensors};

/// The program in the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
