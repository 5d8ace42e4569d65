//! All crates of the library under one name, and a [`prelude`].
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

/// Everything that most programs need, including what user-defined layers, losses, metrics, callbacks, data sets and
/// operations are written with. All functions and traits use the same [`Error`](prelude::Error).
pub mod prelude {
    pub use autograd::{
        CustomOp, GradientOptions, GradientTape, PersistentTape, Unconnected, Variable, checkpoint, custom, no_record,
    };
    pub use data::csv::ColumnType;
    pub use data::preprocessing::{Categorical, Missing, Numeric};
    pub use data::{
        ArrayDataset, Augmentation, Batch, Batches, Csv, DataSource, Dataset, EpochIter, Features, MixUp, Mnist,
        Normalization, Pipeline, Preprocessing, Sequences, Split, Stream, Table, Window, class_weights, mnist,
    };
    pub use nn::layers::*;
    pub use nn::losses::*;
    pub use nn::{
        Activation, Constraint, Initializer, L1, L1L2, L2, Layer, MaxNorm, MinMaxNorm, Mode, NonNeg,
        OrthogonalRegularizer, RandomStream, Regularizer, UnitNorm, Visitor, Weight, parts,
    };
    pub use optim::schedules::{self, Schedule};
    pub use optim::{
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Clip, GradientAccumulator, Group, Lamb, Lion, Muon, Nadam,
        Norm, Optimizer, RmsProp, Sgd, WeightAverage,
    };
    pub use tensor::ops::Padding;
    pub use tensor::profile::{Phase, Profile, Profiler};
    pub use tensor::{DType, Error, Generator, Result, Shape, Tensor, random, tensor};
    pub use train::metrics::{
        self, Average, AveragePrecision, BinaryAccuracy, CohenKappa, ConfusionMatrix, Disagreement, FBeta,
        MatthewsCorrelation, Perplexity, Precision, R2Score, Recall, RocAuc, RootMeanSquaredError,
        TopKCategoricalAccuracy,
    };
    pub use train::{
        Accuracy, BatchEnd, Callback, Checkpoint, Checkpoints, CsvLog, EarlyStopping, EpochSchedule, Fit, History,
        JsonLines, Mean, Metric, Monitor, OnBatchEnd, OnEpochEnd, Plateau, Plot, SavePlot, Score, TensorBoard, Trainer,
        Training, TrainingState, Verbose, interrupted, load_weights, save_weights,
    };
}

/// Compiles and runs the programs of the guides as tests.
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
    #[doc = include_str!("../../../docs/layers.md")]
    struct Layers;
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
