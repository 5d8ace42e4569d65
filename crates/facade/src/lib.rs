//! The whole library: its crates under one name, and a [`prelude`].
//!
//! ```
//! use facade::prelude::*;
//!
//! let x = Variable::new(Tensor::scalar(0.0));
//! let tape = GradientTape::new();
//! let y = 2.0 * &x + 3.0;
//! assert_eq!(tape.gradient(&y, &x)?.item()?, 2.0);
//! # Ok::<(), Error>(())
//! ```
//!
//! | crate | holds |
//! |---|---|
//! | [`tensor`] | tensors and their operations, random numbers, the profiler |
//! | [`autograd`] | variables and gradient tapes |
//! | [`nn`] | layers, activations, initializers, losses |
//! | [`optim`] | optimizers, schedules, clipping, averages of weights |
//! | [`data`] | data sets, batches, MNIST, tables, files of tensors |
//! | [`train`] | the training loop, metrics, weights in files |

pub use {autograd, data, nn, optim, tensor, train};

/// What most programs need. [`Result`](prelude::Result) and [`Error`](prelude::Error) are those of
/// [`train`], to which all others convert.
pub mod prelude {
    pub use autograd::{GradientOptions, GradientTape, PersistentTape, Unconnected, Variable, checkpoint, no_record};
    pub use data::csv::ColumnType;
    pub use data::preprocessing::{Categorical, Missing, Numeric};
    pub use data::{
        ArrayDataset, Augmentation, Batch, Batches, Csv, Dataset, Features, Mnist, Pipeline, Preprocessing, Samples,
        Sequences, Split, Stream, Table, mnist,
    };
    pub use nn::layers::*;
    pub use nn::losses::*;
    pub use nn::{Activation, Initializer, Layer, Mode, Visitor};
    pub use optim::schedules::{self, Schedule};
    pub use optim::{
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Clip, GradientAccumulator, Group, Lamb, Lion, Muon, Nadam,
        Optimizer, RmsProp, Sgd, WeightAverage,
    };
    pub use tensor::ops::Padding;
    pub use tensor::profile::{Phase, Profile, Profiler};
    pub use tensor::{DType, Generator, Shape, Tensor, random, tensor};
    pub use train::{
        Accuracy, BatchEnd, Callback, Checkpoint, Checkpoints, CsvLog, EarlyStopping, EpochSchedule, Error, Fit,
        History, JsonLines, Mean, Metric, Monitor, OnBatchEnd, OnEpochEnd, Plateau, Result, SavePlot, Score,
        TensorBoard, Trainer, Training, Verbose, interrupted, metrics,
    };
}

/// The programs of the guides, compiled and run as tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/chapter.md")]
    struct Chapter;
    #[doc = include_str!("../../../docs/autograd.md")]
    struct Autograd;
    #[doc = include_str!("../../../docs/conventions.md")]
    struct Conventions;
    #[doc = include_str!("../../../docs/data.md")]
    struct Data;
    #[doc = include_str!("../../../docs/losses.md")]
    struct Losses;
    #[doc = include_str!("../../../docs/metrics.md")]
    struct Metrics;
    #[doc = include_str!("../../../docs/performance.md")]
    struct Performance;
    #[doc = include_str!("../../../docs/optimizers.md")]
    struct Optimizers;
    #[doc = include_str!("../../../docs/saving.md")]
    struct Saving;
    #[doc = include_str!("../../../docs/training.md")]
    struct Training;
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../README.md")]
    struct CrateReadme;
}
