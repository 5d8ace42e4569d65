//! The training whose files are kept in `tests/fixtures`: several kinds of layers, and all that a checkpoint can hold.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use autograd::Variable;
use data::{ArrayDataset, Dataset, Pipeline};
use nn::{
    Activation, BatchNorm, Conv2d, Dense, Dropout, Flatten, Initializer, LayerNorm, Lstm, RandomStream, Reshape,
    Sequential, SparseCategoricalCrossentropy,
};
use optim::schedules::ReduceOnPlateau;
use optim::{Adam, Optimizer, Sgd, WeightAverage};
use tensor::{Tensor, random};
use train::metrics::RocAuc;
use train::{
    Accuracy, Checkpoints, CsvLog, EarlyStopping, Fit, History, Metric, OnBatchEnd, Plateau, Result, Trainer, Verbose,
};

/// The batch of the second epoch after which a run was stopped.
pub(crate) const STOPPED_AFTER: usize = 6 + 3;

/// 22 images of 4 by 4 pixels in 2 classes: 6 batches of 4 an epoch, the last one of 2.
fn samples() -> Pipeline {
    let pixels = (0..22 * 16).map(|k: usize| ((k * k * 37 + k * 11) % 101) as f32 / 50.0 - 1.0).collect();
    let features = Tensor::from_vec::<f32>(pixels, [22, 4, 4, 1]).unwrap();
    let targets: Tensor = (0..22i64).map(|k| (k * k / 3) % 2).collect();
    ArrayDataset::from_tensors(&features, &targets).unwrap().shuffle(11)
}

pub(crate) fn model() -> Sequential {
    random::seed(5);
    Sequential::new()
        .add(Conv2d::new(1, 3, [2, 2]).activation(Activation::Tanh))
        .add(BatchNorm::new(3))
        .add(Reshape::new([9, 3]))
        .add(Lstm::units(3).return_sequences())
        .add(LayerNorm::new(3))
        .add(Flatten)
        .add(Dropout::new(0.25))
        .add(Dense::units(4).activation(Activation::Tanh).kernel_initializer(Initializer::HeNormal))
        .add(Dense::units(2).activation(Activation::Softmax))
}

/// Trains for 3 epochs: from a checkpoint, or to the end of [`STOPPED_AFTER`] batches.
pub(crate) fn run(model: &Sequential, folder: &Path, resume: Option<&Path>, stops: bool) -> Result<History> {
    let samples = samples();
    let (scale, noise) = (Variable::new(Tensor::from([1.0f32, -0.5])), RandomStream::new("noise"));
    let scale_optimizer = RefCell::new(Sgd::new(0.1).momentum(0.9));
    let average = RefCell::new(WeightAverage::new(0.9));
    let flag = AtomicBool::new(false);
    let mut batches = 0;
    let every_batch = OnBatchEnd::new(|training, _| {
        let noise = noise.draw(|noise| noise.uniform([2], 0.0..1.0))?;
        scale_optimizer.borrow_mut().apply(std::slice::from_ref(&scale), &[noise])?;
        average.borrow_mut().update(&training.model.trainable_weights())?;
        batches += 1;
        flag.store(stops && batches == STOPPED_AFTER, SeqCst);
        Ok(())
    });
    let mut fit = Fit::epochs(3)
        .batch_size(4)
        .accumulate(2)
        .verbose(Verbose::Silent)
        .validation(&samples)
        .keep("scale", &scale)
        .keep("noise", &noise)
        .keep_optimizer("scale", &scale_optimizer)
        .keep_average("model", &average)
        .callback(every_batch)
        .callback(EarlyStopping::new("val_loss").patience(9).restore_best_weights())
        .callback(Plateau::new("val_loss", ReduceOnPlateau::new(0.01).factor(0.5).patience(0).min_delta(0.1)))
        .callback(CsvLog::append(folder.join("log.csv"))?)
        .checkpoints(Checkpoints::in_folder(folder))
        .stop_when(&flag);
    if let Some(checkpoint) = resume {
        fit = fit.resume(checkpoint);
    }
    Trainer::new(model, SparseCategoricalCrossentropy::default(), Adam::new(0.01).amsgrad())
        .metric(Accuracy::default())
        .metric(RocAuc::default().named("area"))
        .fit(&samples, fit)
}
