//! Checkpoints of the state of a training.

use std::collections::{BTreeMap, HashSet};

use autograd::Variable;
use data::escaped;
use optim::{Optimizer, WeightAverageState};
use tensor::random;

use super::checkpoint::{Checkpoint, FORMAT, VERSION};
use super::keys::{ACCUMULATED_WEIGHTS, OPTIMIZER, generator_text, learning_rate_key, names, variables};
use crate::callbacks::Callback;
use crate::error::{Result, TrainError};
use crate::state_dict::StateDict;
use crate::tracked::borrow;
use crate::training_state::TrainingState;

impl Checkpoint {
    /// Captures the state of a training and its callbacks.
    pub(super) fn capture(training: &TrainingState<'_>, callbacks: &[Box<dyn Callback + '_>]) -> Result<Checkpoint> {
        let (model, tracked) = (training.model, &training.tracked);
        let mut this = Checkpoint { file: String::new(), notes: BTreeMap::new(), tensors: StateDict::default() };
        this.note("format", FORMAT);
        this.note("version", VERSION);
        this.note("epoch", training.epoch);
        this.note("batch", training.batch);
        this.note("samples", training.drawn);
        this.note("generator", generator_text(Some(random::state())));
        if let Some(reason) = &training.stop_reason {
            this.note("stopped", reason);
        }

        this.tensors.put_tensors("model", &nn::state(model));
        this.tensors.put_tensors("kept", &nn::state(&tracked.parts));
        for (path, stream) in tracked.streams(model) {
            this.note(&format!("stream.{path}"), generator_text(stream.state()));
        }
        for (key, tracked) in tracked.names() {
            this.note(key, names(tracked));
        }

        let weights = tracked.weights(model);
        this.put_optimizer(OPTIMIZER, &weights, training.optimizer)?;
        for (name, optimizer) in &tracked.optimizers {
            this.put_optimizer(&format!("optimizers.{name}"), &weights, &*borrow(name, optimizer)?)?;
        }
        for (name, average) in &tracked.averages {
            let WeightAverageState { steps, averages } = borrow(name, average)?.state();
            this.note(&format!("averages.{name}.steps"), steps);
            this.tensors.put_list(&format!("averages.{name}"), &averages);
        }

        this.put_accumulation(training, &weights);
        this.put_callbacks(callbacks);
        this.note("metrics", names(training.meter.metrics.iter().map(|metric| metric.name())));
        for (k, metric) in training.meter.metrics.iter().enumerate() {
            this.tensors.put_numbers(&format!("metric.{k}"), metric.state());
        }
        this.tensors.put_numbers("loss", training.meter.loss.state());
        for (k, name) in training.history.names().enumerate() {
            let values = training.history.get(name).unwrap_or_default().to_vec();
            this.tensors.put_numbers(&format!("history.{k}.{name}"), values);
        }
        Ok(this)
    }

    fn note(&mut self, key: &str, value: impl ToString) {
        self.notes.insert(key.to_owned(), value.to_string());
    }

    fn put_optimizer(&mut self, key: &str, weights: &[(String, Variable)], optimizer: &dyn Optimizer) -> Result<()> {
        let known: HashSet<u32> = weights.iter().map(|(_, weight)| weight.id()).collect();
        let stepped = optimizer.base().states().variables();
        if let Some(stray) = stepped.iter().find(|variable| !known.contains(&variable.id())) {
            return Err(TrainError::trainer(format!(
                "{key}: it has stepped {}, {}, which belongs neither to the model nor to what the fit keeps; give it, or \
                 its model, to Fit::keep, or use another optimizer for it",
                escaped(&stray.name()),
                stray.shape()
            )));
        }
        let state = optimizer.state(&variables(weights));
        self.note(key, optimizer.name());
        self.note(&format!("{key}.steps"), state.steps);
        self.note(&learning_rate_key(key), optimizer.learning_rate());
        if let Some(rate) = state.learning_rate {
            self.tensors.put_number(&learning_rate_key(key), rate);
        }
        for ((path, _), state) in weights.iter().zip(state.variables) {
            let Some(state) = state else { continue };
            self.note(&format!("{key}.steps.{path}"), state.steps);
            self.tensors.put_tensors(&format!("{key}.{path}"), &state.states);
        }
        Ok(())
    }

    fn put_accumulation(&mut self, training: &TrainingState<'_>, weights: &[(String, Variable)]) {
        let (variables, accumulated) = training.accumulation.state();
        self.note("accumulate", training.accumulation.batches());
        self.tensors.put_count("accumulated", accumulated.count as usize);
        self.tensors.put_list("accumulator", &accumulated.sums);
        let path = |variable: &Variable| {
            weights.iter().find(|(_, weight)| weight.id() == variable.id()).map(|(path, _)| path.as_str())
        };
        // Variables that are not tracked have no path; then a resumed training does not know its weights.
        if let Some(paths) = variables.and_then(|variables| variables.iter().map(path).collect::<Option<Vec<_>>>()) {
            self.note(ACCUMULATED_WEIGHTS, serde_json::Value::from(paths));
        }
    }

    fn put_callbacks(&mut self, callbacks: &[Box<dyn Callback + '_>]) {
        let required: Vec<_> = required_states(callbacks).collect();
        self.note("callbacks", names(required.iter().map(|(name, _)| *name)));
        for (k, (_, state)) in required.iter().enumerate() {
            self.tensors.put_tensors(&format!("callback.{k}"), state);
        }
        let optional = || callbacks.iter().filter(|callback| callback.is_optional());
        self.note("optional_callbacks", names(optional().map(|callback| callback.name())));
        for (k, callback) in optional().enumerate() {
            self.tensors.put_tensors(&format!("optional_callback.{k}"), &callback.state());
        }
    }
}

/// The callbacks without which a training cannot be resumed, by name with their states.
pub(super) fn required_states<'c>(
    callbacks: &'c [Box<dyn Callback + '_>],
) -> impl Iterator<Item = (&'c str, Vec<(String, tensor::Tensor)>)> {
    let required = callbacks.iter().filter(|callback| !callback.is_optional());
    required.map(|callback| (callback.name(), callback.state())).filter(|(_, state)| !state.is_empty())
}
