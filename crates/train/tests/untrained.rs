//! A weight that is missing in `visit` would be neither trained nor saved, which is an error.

use std::sync::{Arc, Mutex};

use autograd::{Variable, checkpoint};
use data::{ArrayDataset, Batch};
use nn::{Dense, L2, Layer, MeanSquaredError, Mode, Sequential, Visitor, Weight, mean_squared_error, parts};
use optim::{Adam, Group, Optimizer, Sgd};
use tensor::{Result, Tensor, tensor};
use train::{Checkpoints, Fit, OnBatchEnd, Trainer, Verbose};

fn samples() -> ArrayDataset {
    ArrayDataset::from_tensors(&tensor![[1.0], [2.0]], &tensor![[2.0], [4.0]]).unwrap()
}

fn batch() -> Batch {
    Batch::new(&tensor![[1.0], [2.0]], &tensor![[2.0], [4.0]]).unwrap()
}

fn quiet<'a>(epochs: usize) -> Fit<'a> {
    Fit::epochs(epochs).batch_size(1).verbose(Verbose::Silent)
}

fn message<T>(result: train::Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

fn variable(name: &str) -> Variable {
    Variable::new(tensor![0.5]).with_name(name)
}

/// `kernel · x · scale`, which may forget to show either.
struct Forgetful {
    kernel: Variable,
    scale: Variable,
    shows: [bool; 2],
}

impl Forgetful {
    fn new(shows: [bool; 2]) -> Forgetful {
        Forgetful { kernel: variable("kernel"), scale: variable("scale"), shows }
    }
}

impl Layer for Forgetful {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        input.try_mul(&self.kernel)?.try_mul(&self.scale)
    }

    fn visit(&self, visitor: &mut Visitor) {
        for (variable, name) in [(&self.kernel, "kernel"), (&self.scale, "scale")]
            .into_iter()
            .zip(self.shows)
            .filter_map(|(part, shows)| shows.then_some(part))
        {
            visitor.weight(name, variable);
        }
    }
}

#[test]
fn the_first_step_names_variables_that_are_not_shown() {
    let expected = |names: &str| {
        format!(
            "fit: the loss depends on trainable variables that are not among the model's weights, so they would be \
             neither trained nor saved: {names}. Show them in `visit` (`parts!` writes it). If they should not \
             change, call `set_trainable(false)`, or `stop_gradient` on what is computed from them. If the program trains \
             them itself, give them to `Fit::keep`"
        )
    };
    for (shows, names) in
        [([true, false], "scale [1]"), ([false, true], "kernel [1]"), ([false, false], "kernel [1], scale [1]")]
    {
        let model = Forgetful::new(shows);
        let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1));
        assert_eq!(message(trainer.fit(&samples(), quiet(1))), expected(names));
        assert_eq!(message(trainer.train_on_batch(&batch())), expected(names));
        assert_eq!(message(trainer.train_on_batch(&batch())), expected(names), "it is not forgotten");
        assert_eq!(model.kernel.value().item().unwrap(), 0.5, "nothing was trained");
        // In nested models.
        let outer = Sequential::new().add(Dense::units(1)).add(Sequential::new().add(Forgetful::new(shows)));
        assert_eq!(
            message(Trainer::new(&outer, MeanSquaredError, Sgd::new(0.1)).fit(&samples(), quiet(1))),
            expected(names)
        );
    }
    let model = Forgetful::new([true, true]);
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.1));
    trainer.fit(&samples(), quiet(1)).unwrap();
    trainer.train_on_batch(&batch()).unwrap();

    let many: Vec<Variable> = (0..5).map(|k| variable(&format!("v{k}"))).collect();
    let held = many.clone();
    let loss = move |t: &Tensor, p: &Tensor| {
        held.iter().try_fold(mean_squared_error(t, p)?, |loss, variable| loss.try_add(variable))
    };
    let found = message(Trainer::new(&model, loss, Sgd::new(0.1)).train_on_batch(&batch()));
    assert_eq!(found, expected("v0 [1], v1 [1], v2 [1] and 2 more"));
}

#[test]
fn frozen_stopped_and_kept_variables_are_exempt() {
    let step = |model: &Forgetful, fit: Fit<'_>| {
        Trainer::new(model, MeanSquaredError, Sgd::new(0.1)).fit(&samples(), fit).map(drop)
    };
    let frozen = Forgetful::new([true, false]);
    frozen.scale.set_trainable(false);
    step(&frozen, quiet(1)).unwrap();

    let kept = Forgetful::new([true, false]);
    step(&kept, quiet(1).keep("scale", &kept.scale)).unwrap();
    assert!(message(step(&kept, quiet(1))).contains("scale [1]"), "only for that fit");

    // A teacher is computed on the tape and then stopped.
    let teacher = Arc::new(Dense::new(1, 1));
    let model = Dense::new(1, 1);
    let inner = teacher.clone();
    let distilled = move |t: &Tensor, p: &Tensor| {
        let soft = inner.forward(t, Mode::Inference)?.stop_gradient();
        mean_squared_error(&soft, p)
    };
    Trainer::new(&model, distilled, Sgd::new(0.1)).fit(&samples(), quiet(1)).unwrap();
    // A critic that is not frozen would not be trained, although the gradient goes through it.
    let critic = teacher.clone();
    let criticized = move |_: &Tensor, p: &Tensor| Ok(critic.forward(p, Mode::Training)?.square());
    let mut trainer = Trainer::new(&model, criticized, Sgd::new(0.1));
    assert!(message(trainer.fit(&samples(), quiet(1))).contains("saved: kernel [1, 1], bias [1]. Show"));
    trainer.fit(&samples(), quiet(1).keep("critic", &teacher)).unwrap();
    teacher.set_trainable(false);
    trainer.fit(&samples(), quiet(1)).unwrap();
}

/// `x · kernel`, in a checkpointed segment.
struct Segment(Variable, bool);

impl Layer for Segment {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let kernel = self.0.clone();
        checkpoint(move |inputs| inputs[0].try_mul(&kernel), &[input])
    }

    fn visit(&self, visitor: &mut Visitor) {
        if self.1 {
            visitor.weight("kernel", &self.0);
        }
    }
}

#[test]
fn checkpoint_segments_show_the_variables_they_read() {
    let fit = |shows| {
        let model = Sequential::new().add(Segment(variable("inside"), shows));
        message(Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples(), quiet(1)))
    };
    assert!(fit(false).contains("saved: inside [1]. Show"));
    assert_eq!(fit(true), "no error");
}

/// A model with a lazy layer, shared weights, a penalty, and a list of layers.
struct Whole {
    first: Dense,
    tied: [Arc<Dense>; 2],
    list: Vec<Dense>,
    scale: Weight,
}

impl Whole {
    fn new() -> Whole {
        let tied = Arc::new(Dense::units(3));
        Whole {
            first: Dense::units(3).kernel_regularizer(L2(0.1)),
            tied: [tied.clone(), tied],
            list: vec![Dense::units(3), Dense::units(1)],
            scale: Weight::new(variable("scale")).regularizer(L2(0.1)),
        }
    }
}

impl Layer for Whole {
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let layers = [&self.first, &*self.tied[0], &*self.tied[1]].into_iter().chain(&self.list);
        layers.into_iter().try_fold(input.try_mul(&self.scale)?, |x, layer| layer.call("layer", &x, mode))
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("scale", &self.scale);
        visitor.layer("first", &self.first);
        visitor.layer("tied", &*self.tied[0]);
        visitor.layer("again", &*self.tied[1]);
        self.list.iter().enumerate().for_each(|(k, layer)| visitor.layer(&format!("list_{k}"), layer));
    }
}

#[test]
fn whole_models_are_fitted() {
    let folder = std::env::temp_dir().join(format!("untrained-{}", std::process::id()));
    let optimizer = || Adam::new(0.01).group(Group::named("tied").learning_rate_factor(0.1)).weight_decay(0.1);
    let checkpoints = || Checkpoints::in_folder(&folder);
    let model = Whole::new();
    let fit = quiet(2).accumulate(2).checkpoints(checkpoints());
    Trainer::new(&model, MeanSquaredError, optimizer()).fit(&samples(), fit).unwrap();
    let latest = Checkpoints::latest(&folder).unwrap().unwrap();
    let fit = quiet(3).accumulate(2).resume(latest).checkpoints(checkpoints());
    Trainer::new(&Whole::new(), MeanSquaredError, optimizer()).fit(&samples(), fit).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

/// The set of weights changes during the fit: a constant is trained from then on.
#[test]
fn a_changed_set_of_weights_is_checked_again() {
    let model = Forgetful::new([true, false]);
    model.scale.set_trainable(false);
    let extra = Dense::new(1, 1);
    extra.set_trainable(false);
    struct Both<'a>(&'a Forgetful, &'a Dense);
    impl Layer for Both<'_> {
        fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
            self.0.forward(&self.1.forward(input, mode)?, mode)
        }
        fn visit(&self, visitor: &mut Visitor) {
            visitor.layer("forgetful", self.0);
            visitor.layer("dense", self.1);
        }
    }
    let both = Both(&model, &extra);
    let seen = Mutex::new(0);
    let unfreeze = OnBatchEnd::new(|_, end| {
        *seen.lock().unwrap() += 1;
        if end.epoch == 1 {
            extra.set_trainable(true);
            model.scale.set_trainable(true);
        }
        Ok(())
    });
    let found =
        message(Trainer::new(&both, MeanSquaredError, Sgd::new(0.01)).fit(&samples(), quiet(3).callback(unfreeze)));
    assert!(found.contains("saved: scale [1]. Show"), "{found}");
    assert_eq!(*seen.lock().unwrap(), 3, "two batches of epoch 0 and one of epoch 1");
}

/// `parts!` shows the listed fields, and the check finds the missing one.
#[test]
fn a_field_missing_in_parts_is_found() {
    struct Block {
        shown: Dense,
        forgotten: Dense,
    }
    impl Layer for Block {
        parts!(shown);
        fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
            self.forgotten.call("forgotten", &self.shown.call("shown", input, mode)?, mode)
        }
    }
    let model = Block { shown: Dense::units(2), forgotten: Dense::units(1) };
    let found = message(Trainer::new(&model, MeanSquaredError, Sgd::new(0.1)).fit(&samples(), quiet(1)));
    assert!(found.contains("saved: kernel [2, 1], bias [1]. Show"), "{found}");
}

/// A model that reads a hidden variable only in some batches.
struct Later {
    kernel: Variable,
    hidden: Variable,
    batches: Mutex<usize>,
    reads: fn(usize) -> bool,
}

impl Layer for Later {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let mut batches = self.batches.lock().unwrap();
        *batches += 1;
        let output = input.try_mul(&self.kernel)?;
        if (self.reads)(*batches - 1) { output.try_mul(&self.hidden) } else { Ok(output) }
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("kernel", &self.kernel);
    }
}

#[test]
fn a_variable_that_is_first_read_in_a_later_batch_is_found() {
    let samples = ArrayDataset::from_tensors(&Tensor::ones([12, 1]), &Tensor::zeros([12, 1])).unwrap();
    let fit = |epochs, reads| {
        let (kernel, hidden) = (variable("kernel"), variable("hidden"));
        let model = Later { kernel, hidden, batches: Mutex::new(0), reads };
        let result = Trainer::new(&model, MeanSquaredError, Sgd::new(0.01)).fit(&samples, quiet(epochs));
        (message(result), *model.batches.lock().unwrap())
    };
    // From some batch on: found when the next epoch begins, or earlier.
    let (found, batches) = fit(3, |batch| batch >= 8);
    assert!(found.contains("saved: hidden [1]. Show") && batches <= 13, "{batches}: {found}");
    // Only in the last batch of an epoch.
    let (found, batches) = fit(1, |batch| batch == 11);
    assert!(found.contains("saved: hidden [1]. Show") && batches == 12, "{batches}: {found}");
    assert_eq!(fit(2, |_| false).0, "no error");
}
