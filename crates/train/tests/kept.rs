//! Objects given to `Fit::keep` are resumed from checkpoints.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use autograd::{GradientTape, Variable};
use data::safetensors::{self, Options, Safetensors};
use data::{ArrayDataset, Dataset, Pipeline};
use nn::{Activation, BatchNorm, Dense, Dropout, Layer, Loading, MeanSquaredError, Mode, RandomStream, Sequential};
use optim::schedules::Cosine;
use optim::{Adam, Nadam, Optimizer, RmsProp, Sgd, WeightAverage};
use tensor::{DType, Generator, Tensor, random, tensor};
use train::{Callback, Checkpoint, Checkpoints, Fit, History, OnBatchEnd, Result, Trainer, Training, Verbose};

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("kept-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn latest(&self) -> PathBuf {
        Checkpoints::latest(&self.0).unwrap().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 50 samples of 4 numbers: 7 batches of 8 an epoch, the last one of 2.
fn samples() -> Pipeline {
    let features = Generator::new(3).normal([50, 4], 1.0, 0.5).unwrap();
    ArrayDataset::from_tensors(&features, &Tensor::zeros([50, 1])).unwrap().shuffle(11)
}

/// The state of a generative adversarial network. The model of the training is the generator, whose inputs are not
/// those of the data.
struct Gan {
    generator: Sequential,
    discriminator: Sequential,
    noise: RandomStream,
    discriminator_optimizer: RefCell<Box<dyn Optimizer>>,
    average: RefCell<WeightAverage>,
    /// The factor of the discriminator's gradients, a running mean of its loss.
    balance: Variable,
}

impl Gan {
    fn new() -> Gan {
        Gan::with(6, Sgd::new(Cosine::new(0.1, 14)).momentum(0.9))
    }

    fn with(units: usize, discriminator_optimizer: impl Optimizer + 'static) -> Gan {
        random::seed(5);
        let hidden = |inputs, units| Dense::new(inputs, units).activation(Activation::Tanh);
        Gan {
            generator: Sequential::new().add(hidden(2, 5)).add(Dropout::new(0.2)).add(Dense::new(5, 4)),
            discriminator: Sequential::new()
                .add(hidden(4, units))
                .add(BatchNorm::new(units))
                .add(Dropout::new(0.2))
                .add(Dense::new(units, 1)),
            noise: RandomStream::new("noise"),
            discriminator_optimizer: RefCell::new(Box::new(discriminator_optimizer)),
            average: RefCell::new(WeightAverage::new(0.9)),
            balance: Variable::new(Tensor::from(1.0)),
        }
    }

    fn keeps<'a>(&'a self, fit: Fit<'a>) -> Fit<'a> {
        fit.keep("discriminator", &self.discriminator)
            .keep_optimizer("discriminator", &self.discriminator_optimizer)
            .keep("noise", &self.noise)
            .keep("balance", &self.balance)
            .keep_average("generator", &self.average)
    }

    fn train(&self, adam: &mut Adam, fit: Fit<'_>) -> Result<History> {
        let Gan { generator, discriminator, .. } = self;
        let samples = samples();
        let mut training = Training::new(generator, adam, fit.batch_size(8).verbose(Verbose::Silent));
        'training: while let Some(batches) = training.next_epoch(&samples)? {
            for batch in batches {
                let batch = batch?;
                let noise = self.noise.draw(|noise| noise.normal([batch.len(), 2], 0.0, 1.0))?;
                let tape = GradientTape::new();
                let fake = generator.forward(&noise, Mode::Training)?.stop_gradient();
                let real = (discriminator.forward(&batch.features, Mode::Training)? - 1.0).square().mean();
                let loss = real + discriminator.forward(&fake, Mode::Training)?.square().mean();
                let weights = discriminator.trainable_weights();
                let balance = self.balance.value().item()?;
                let gradients =
                    tape.gradient(&loss, &weights)?.iter().map(|gradient| gradient * balance).collect::<Vec<_>>();
                self.discriminator_optimizer.borrow_mut().apply(&weights, &gradients)?;
                self.balance.assign(Tensor::from(0.9 * balance + 0.1 * loss.item()?))?;

                let tape = GradientTape::new();
                let fake = generator.forward(&noise, Mode::Training)?;
                let loss = (discriminator.forward(&fake, Mode::Training)? - 1.0).square().mean();
                let value = training.loss(&batch, &loss)?;
                let weights = generator.trainable_weights();
                training.apply(&weights, &tape.gradient(&loss, &weights)?)?;
                self.average.borrow_mut().update(&weights)?;
                training.end_batch(&batch, &fake, value)?;
                if training.stopped().is_some() {
                    break 'training;
                }
            }
            training.end_epoch(&[("balance", self.balance.value().item()?)])?;
        }
        training.end()
    }

    /// Everything that training changes.
    fn bits(&self) -> Vec<Vec<u64>> {
        let weights = [self.generator.weights(), self.discriminator.weights()].concat();
        let values = weights.iter().map(Variable::value).chain([self.balance.value()]);
        let averages = self.average.borrow().state().averages;
        let optimizer = self.discriminator_optimizer.borrow().state(&self.discriminator.weights());
        let states = optimizer.variables.into_iter().flatten().flat_map(|state| state.states);
        let tensors = values.chain(averages).chain(states.map(|(_, state)| state));
        let mut bits: Vec<Vec<u64>> = tensors
            .map(|tensor| tensor.cast(DType::F64).to_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect())
            .collect();
        let noise = self.noise.state().map_or(Vec::new(), |state| vec![state.seed, state.stream, state.position]);
        bits.extend([noise, vec![optimizer.steps, self.average.borrow().state().steps]]);
        bits
    }
}

fn adam() -> Adam {
    Adam::new(0.01)
}

/// A flag, and a callback that sets it after so many batches.
fn after(batches: usize, flag: &AtomicBool) -> impl Callback + '_ {
    let mut count = 0;
    OnBatchEnd::new(move |_, _| {
        count += 1;
        flag.store(count == batches, SeqCst);
        Ok(())
    })
}

/// A checkpoint of a network that was stopped after so many batches.
fn stopped(batches: usize, name: &str) -> Folder {
    let (folder, flag, gan) = (Folder::new(name), AtomicBool::new(false), Gan::new());
    let fit = gan.keeps(Fit::epochs(2)).callback(after(batches, &flag)).stop_when(&flag);
    let history = gan.train(&mut adam(), fit.checkpoints(Checkpoints::in_folder(&folder.0))).unwrap();
    assert_eq!(history.stopped(), Some("interrupted"));
    folder
}

#[test]
fn two_models_with_two_optimizers_are_resumed() {
    let run = |resume: Option<PathBuf>| {
        let gan = Gan::new();
        let fit = gan.keeps(Fit::epochs(2));
        let fit = match resume {
            Some(checkpoint) => fit.resume(checkpoint),
            None => fit,
        };
        let history = gan.train(&mut adam(), fit).unwrap();
        (gan.bits(), history)
    };
    let whole = run(None);
    for batches in [1, 3, 7, 11] {
        let folder = stopped(batches, &format!("gan-{batches}"));
        assert_eq!(run(Some(folder.latest())), whole, "stopped after {batches} batches");
    }
}

/// The error for a checkpoint, with the file as F. Checks that nothing was changed.
fn refused(checkpoint: &Path, gan: &Gan, optimizer: impl Optimizer + 'static, fit: Fit<'_>) -> String {
    let mut optimizer: Box<dyn Optimizer> = Box::new(optimizer);
    let before = (gan.bits(), random::state());
    let mut training = Training::new(&gan.generator, &mut optimizer, fit.verbose(Verbose::Silent).resume(checkpoint));
    let message = training.next_epoch(&samples()).unwrap_err().to_string();
    assert_eq!((training.epoch(), training.history().epochs()), (0, 0));
    assert_eq!((gan.bits(), random::state()), before, "{message}");
    assert!(training.state().optimizer.base().states().is_empty(), "{message}");
    message.replace(checkpoint.to_str().unwrap(), "F")
}

#[test]
fn kept_objects_of_a_checkpoint_are_required() {
    let folder = stopped(3, "refused");
    let path = folder.latest();
    let gan = Gan::new();
    let fit = || Fit::epochs(2);
    let expected = "F: has [discriminator, noise, balance] as parts, but the training has []";
    assert_eq!(refused(&path, &gan, adam(), fit()), expected);
    let parts =
        || fit().keep("discriminator", &gan.discriminator).keep("noise", &gan.noise).keep("balance", &gan.balance);
    let expected = "F: has [discriminator] as optimizers, but the training has []";
    assert_eq!(refused(&path, &gan, adam(), parts()), expected);
    let other = parts().keep_optimizer("critic", &gan.discriminator_optimizer);
    let expected = "F: has [discriminator] as optimizers, but the training has [critic]";
    assert_eq!(refused(&path, &gan, adam(), other), expected);
    let optimizer = || parts().keep_optimizer("discriminator", &gan.discriminator_optimizer);
    let expected = "F: has [generator] as averages, but the training has []";
    assert_eq!(refused(&path, &gan, adam(), optimizer()), expected);
    let more = gan.keeps(fit()).keep("rounds", &gan.balance);
    let expected =
        "F: has [discriminator, noise, balance] as parts, but the training has [discriminator, noise, balance, rounds]";
    assert_eq!(refused(&path, &gan, adam(), more), expected);
}

#[test]
fn kept_objects_must_have_the_same_kind_and_shape() {
    let folder = stopped(3, "kinds");
    let path = folder.latest();
    let of = |gan: Gan| refused(&path, &gan, adam(), gan.keeps(Fit::epochs(2)));
    let expected = "F: has sgd as optimizers.discriminator, but the training has rmsprop";
    assert_eq!(of(Gan::with(6, RmsProp::new(0.1))), expected);
    let expected =
        "F: optimizers.discriminator: sgd: dense.kernel: restore: the state has [\"velocity\"]; the optimizer needs []";
    assert_eq!(of(Gan::with(6, Sgd::new(Cosine::new(0.1, 14)))), expected);
    let expected = "F: optimizers.discriminator: sgd: restore: the state was taken with a learning rate schedule; \
                    this optimizer has the constant rate 0.1";
    assert_eq!(of(Gan::with(6, Sgd::new(0.1).momentum(0.9))), expected);
    let message = of(Gan::with(7, Sgd::new(0.1)));
    let expected = "F: parts: load: the tensors do not match the model:
  discriminator.dense.kernel: the weight is [4, 7], the tensor [4, 6]; they must be equal
  discriminator.dense.bias: ";
    assert!(message.starts_with(expected), "{message}");
    let message = of(Gan { balance: Variable::new(tensor![1.0]), ..Gan::new() });
    assert_eq!(message, "F: parts: load: balance: the weight is [1], the tensor []; they must be equal");
    let message = of(Gan { balance: Variable::new(Tensor::scalar(1.0)), ..Gan::new() });
    assert_eq!(message, "F: parts: load: balance: the weight is float32, and float64 is not converted to it");

    let gan = Gan::new();
    let swapped = Fit::epochs(2)
        .keep("discriminator", &gan.discriminator)
        .keep("noise", &gan.balance)
        .keep("balance", &gan.noise)
        .keep_optimizer("discriminator", &gan.discriminator_optimizer)
        .keep_average("generator", &gan.average);
    let expected = "F: parts: load: the tensors do not match the model:
  no tensor for the weight noise
  no weight for the tensor balance";
    let message = refused(&path, &gan, adam(), swapped);
    assert!(message.starts_with(expected), "{message}");
    // The kept optimizer fits, but is not changed because the other one does not.
    let message = refused(&path, &gan, Nadam::new(0.01), gan.keeps(Fit::epochs(2)));
    assert_eq!(message, "F: has adam as optimizer, but the training has nadam");
}

#[test]
fn a_kept_object_that_is_borrowed_is_refused() {
    let folder = stopped(3, "borrowed");
    let gan = Gan::new();
    let optimizer = gan.discriminator_optimizer.borrow();
    let mut adam = adam();
    let fit = gan.keeps(Fit::epochs(2)).batch_size(8).verbose(Verbose::Silent);
    let mut training = Training::new(&gan.generator, &mut adam, fit.resume(folder.latest()));
    let message = training.next_epoch(&samples()).unwrap_err().to_string();
    assert_eq!(message, "discriminator is still borrowed; end the borrow before next_epoch, end_batch and end_epoch");
    // The message is followed, and the next call resumes.
    drop(optimizer);
    assert_eq!(training.next_epoch(&samples()).unwrap().unwrap().count(), 4);
    assert_eq!(gan.average.borrow().state().steps, 3);
    drop(training);

    let folder = Folder::new("borrowed-later");
    let checkpoints = Checkpoints::in_folder(&folder.0).every_batches(1);
    let fit = gan.keeps(Fit::epochs(2)).verbose(Verbose::Silent).checkpoints(checkpoints);
    let mut training = Training::new(&gan.generator, &mut adam, fit);
    let samples = samples();
    let batch = training.next_epoch(&samples).unwrap().unwrap().next().unwrap().unwrap();
    let average = gan.average.borrow_mut();
    let message = training.end_batch(&batch, &batch.targets, 0.0).unwrap_err().to_string();
    assert_eq!(message, "generator is still borrowed; end the borrow before next_epoch, end_batch and end_epoch");
    drop(average);
    assert_eq!(Checkpoints::latest(&folder.0).unwrap(), None);
}

#[test]
fn an_optimizer_that_steps_untracked_weights_is_refused() {
    let (folder, gan) = (Folder::new("lost"), Gan::new());
    let fit = Fit::epochs(1)
        .keep_optimizer("discriminator", &gan.discriminator_optimizer)
        .checkpoints(Checkpoints::in_folder(&folder.0));
    let message = gan.train(&mut adam(), fit).unwrap_err().to_string();
    let expected = "optimizers.discriminator: it has stepped dense.kernel, [4, 6], which belongs neither to the model nor to \
                    what the fit keeps; give it, or its model, to Fit::keep, or use another optimizer for it";
    assert_eq!(message, expected);
}

#[test]
fn duplicate_names_are_refused() {
    let gan = Gan::new();
    let message = |model: &Sequential, fit: Fit<'_>| {
        let mut adam = adam();
        let mut training = Training::new(model, &mut adam, fit.verbose(Verbose::Silent));
        training.next_epoch(&samples()).map(drop).unwrap_err().to_string()
    };
    let twice = gan.keeps(Fit::epochs(1)).keep("noise", &gan.balance);
    assert_eq!(message(&gan.generator, twice), "two parts are named noise; names must be unique");
    let twice = gan.keeps(Fit::epochs(1)).keep_optimizer("discriminator", &gan.discriminator_optimizer);
    assert_eq!(message(&gan.generator, twice), "two optimizers are named discriminator; names must be unique");
    let twice = gan.keeps(Fit::epochs(1)).keep_average("generator", &gan.average);
    assert_eq!(message(&gan.generator, twice), "two averages are named generator; names must be unique");
    let model = Sequential::new().add_named("kept", Dense::new(4, 1));
    let twice = Fit::epochs(1).keep("kernel", &gan.balance);
    assert_eq!(message(&model, twice), "two weights are named kept.kernel; names must be unique");
}

#[test]
fn one_optimizer_of_two_models_goes_on() {
    let run = |fit: Fit<'_>| {
        random::seed(5);
        let encoder = Sequential::new().add(Dense::units(3).activation(Activation::Tanh));
        let decoder = Sequential::new().add(Dense::new(3, 4));
        let mut adam = adam();
        let fit = fit.keep("my.decoder", &decoder).batch_size(8).verbose(Verbose::Silent);
        let mut training = Training::new(&encoder, &mut adam, fit);
        let samples = samples();
        'training: while let Some(batches) = training.next_epoch(&samples).unwrap() {
            for batch in batches {
                let batch = batch.unwrap();
                let tape = GradientTape::new();
                let code = encoder.forward(&batch.features, Mode::Training).unwrap();
                let output = decoder.forward(&code, Mode::Training).unwrap();
                let loss = (&output - &batch.features).square().mean();
                let weights = [encoder.trainable_weights(), decoder.trainable_weights()].concat();
                training.apply(&weights, &tape.gradient(&loss, &weights).unwrap()).unwrap();
                training.end_batch(&batch, &output, loss.item().unwrap()).unwrap();
                if training.stopped().is_some() {
                    break 'training;
                }
            }
            training.end_epoch(&[]).unwrap();
        }
        (values(&encoder), values(&decoder), training.end().unwrap())
    };
    let whole = run(Fit::epochs(2));
    let (folder, flag) = (Folder::new("decoder"), AtomicBool::new(false));
    let fit = Fit::epochs(2).callback(after(9, &flag)).stop_when(&flag);
    let (_, decoder, _) = run(fit.checkpoints(Checkpoints::in_folder(&folder.0)));
    assert_eq!(run(Fit::epochs(2).resume(folder.latest())), whole);

    // Without a training, too.
    let checkpoint = Checkpoint::open(folder.latest()).unwrap();
    assert_eq!(checkpoint.weights().iter().map(|(path, _)| path).collect::<Vec<_>>(), ["dense.kernel", "dense.bias"]);
    let loaded = Sequential::new().add(Dense::new(3, 4));
    Loading::new().rename_prefix("my_decoder.", "").load(&loaded, checkpoint.kept()).unwrap();
    assert_eq!(values(&loaded), decoder);
}

#[test]
fn two_optimizers_of_one_model_go_on() {
    let run = |fit: Fit<'_>| {
        random::seed(5);
        let model = Sequential::new().add(Dense::units(3).activation(Activation::Tanh)).add(Dense::new(3, 1));
        let (mut body, head) = (Sgd::new(0.01).momentum(0.9), RefCell::new(adam()));
        let fit = fit.keep_optimizer("head", &head).batch_size(8).verbose(Verbose::Silent);
        let mut training = Training::new(&model, &mut body, fit);
        let samples = samples();
        'training: while let Some(batches) = training.next_epoch(&samples).unwrap() {
            for batch in batches {
                let batch = batch.unwrap();
                let tape = GradientTape::new();
                let output = model.forward(&batch.features, Mode::Training).unwrap();
                let loss = (&output - 1.0).square().mean();
                let weights = model.trainable_weights();
                let gradients = tape.gradient(&loss, &weights).unwrap();
                training.apply(&weights[..2], &gradients[..2]).unwrap();
                head.borrow_mut().apply(&weights[2..], &gradients[2..]).unwrap();
                training.end_batch(&batch, &output, loss.item().unwrap()).unwrap();
                if training.stopped().is_some() {
                    break 'training;
                }
            }
            training.end_epoch(&[]).unwrap();
        }
        (values(&model), training.end().unwrap())
    };
    let whole = run(Fit::epochs(2));
    let (folder, flag) = (Folder::new("head"), AtomicBool::new(false));
    let fit = Fit::epochs(2).callback(after(9, &flag)).stop_when(&flag);
    run(fit.checkpoints(Checkpoints::in_folder(&folder.0)));
    assert_eq!(run(Fit::epochs(2).resume(folder.latest())), whole);
}

#[test]
fn an_optimizer_that_starts_late_is_resumed() {
    // A critic whose weights are built by the first batch, and whose optimizer steps from the sixth batch on. Gradients
    // of the model are accumulated.
    let run = |fit: Fit<'_>, made: bool| -> Result<_> {
        random::seed(5);
        let (model, critic) = (Sequential::new().add(Dense::new(4, 2)), Sequential::new().add(Dense::units(1)));
        if made {
            critic.forward(&Tensor::zeros([1, 2]), Mode::Inference)?;
        }
        let (mut sgd, late) = (Sgd::new(0.01).momentum(0.9), RefCell::new(adam()));
        let count = Variable::new(Tensor::from(0.0));
        let fit = fit.keep("critic", &critic).keep_optimizer("critic", &late).keep("count", &count);
        let mut training = Training::new(&model, &mut sgd, fit.accumulate(3).batch_size(8).verbose(Verbose::Silent));
        let samples = samples();
        'training: while let Some(batches) = training.next_epoch(&samples)? {
            for batch in batches {
                let batch = batch?;
                let tape = GradientTape::new();
                let output = model.forward(&batch.features, Mode::Training)?;
                let loss = (critic.forward(&output, Mode::Training)? - 1.0).square().mean();
                let weights = [model.trainable_weights(), critic.trainable_weights()].concat();
                let gradients = tape.gradient(&loss, &weights)?;
                training.apply(&weights[..2], &gradients[..2])?;
                count.assign_add(Tensor::from(1.0))?;
                if count.value().item()? > 5.0 {
                    late.borrow_mut().apply(&weights[2..], &gradients[2..])?;
                }
                training.end_batch(&batch, &output, loss.item()?)?;
                if training.stopped().is_some() {
                    break 'training;
                }
            }
            training.end_epoch(&[])?;
        }
        let steps = late.borrow().state(&[]).steps;
        Ok((values(&model), values(&critic), steps, training.end()?))
    };
    let whole = run(Fit::epochs(2), false).unwrap();
    assert_eq!(whole.2, 9);
    for batches in [1, 4, 5, 6, 7] {
        let (folder, flag) = (Folder::new(&format!("later-{batches}")), AtomicBool::new(false));
        let fit = Fit::epochs(2).callback(after(batches, &flag)).stop_when(&flag);
        run(fit.checkpoints(Checkpoints::in_folder(&folder.0)), false).unwrap();
        let resumed = || Fit::epochs(2).resume(folder.latest());
        assert_eq!(run(resumed(), true).unwrap(), whole, "stopped after {batches} batches");
        let message = run(resumed(), false).unwrap_err().to_string();
        assert!(message.contains("no weight for the tensor critic.dense.kernel"), "{message}");
        assert!(message.contains("(critic.dense (Dense ?→1) has no weights yet; if its sizes depend on"), "{message}");
    }
}

fn values(model: &Sequential) -> Vec<Vec<f32>> {
    model.weights().iter().map(|weight| weight.value().to_vec().unwrap()).collect()
}

#[test]
fn an_average_of_weights_goes_on_in_a_fit() {
    let run = |fit: Fit<'_>| {
        random::seed(5);
        let model = Sequential::new().add(Dense::units(1));
        let average = RefCell::new(WeightAverage::new(0.9).bias_corrected());
        let follow = OnBatchEnd::new(|training, _| average.borrow_mut().update(&training.model.trainable_weights()));
        let fit = fit.keep_average("average", &average).batch_size(8).verbose(Verbose::Silent);
        let mut trainer = Trainer::new(&model, MeanSquaredError, adam());
        trainer.fit(&samples(), fit.callback(follow)).unwrap();
        let averages = average.borrow().values().unwrap();
        averages.iter().map(|average| average.to_vec().unwrap()).collect::<Vec<Vec<f32>>>()
    };
    let whole = run(Fit::epochs(2));
    let (folder, flag) = (Folder::new("average"), AtomicBool::new(false));
    let fit = Fit::epochs(2).callback(after(9, &flag)).stop_when(&flag);
    run(fit.checkpoints(Checkpoints::in_folder(&folder.0)));
    assert_eq!(run(Fit::epochs(2).resume(folder.latest())), whole);
}

#[test]
fn a_checkpoint_without_kept_objects_is_resumed() {
    let folder = Folder::new("older");
    let run = |fit: Fit<'_>| {
        let model = Sequential::new().add(Dense::new(4, 1));
        let fit = fit.checkpoints(Checkpoints::in_folder(&folder.0)).verbose(Verbose::Silent);
        Trainer::new(&model, MeanSquaredError, adam()).fit(&samples(), fit)
    };
    run(Fit::epochs(1)).unwrap();
    let path = folder.latest();
    let file = Safetensors::open(&path).unwrap();
    let (tensors, mut metadata) = (file.tensors().unwrap(), file.metadata().clone());
    for note in ["parts", "optimizers", "averages"] {
        assert_eq!(metadata.remove(note).as_deref(), Some("[]"));
    }
    metadata.remove("checksum");
    let checksum = data::checksum(&tensors, &metadata).unwrap();
    metadata.insert("checksum".into(), format!("{checksum:08x}"));
    safetensors::write(&path, &tensors, &Options { metadata, ..Options::default() }).unwrap();

    let rounds = Variable::new(tensor![0.0]);
    let message = run(Fit::epochs(2).keep("rounds", &rounds).resume(&path)).unwrap_err().to_string();
    assert_eq!(message.replace(path.to_str().unwrap(), "F"), "F: has [] as parts, but the training has [rounds]");
    assert_eq!(run(Fit::epochs(2).resume(&path)).unwrap().epochs(), 2);
}
