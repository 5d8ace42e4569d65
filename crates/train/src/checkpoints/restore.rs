//! Trainings that continue from a checkpoint.

use autograd::Variable;
use data::escaped;
use nn::Prepared;
use optim::{AccumulatorState, Optimizer, OptimizerState, VariableState, WeightAverageState};
use tensor::{GeneratorState, random};

use super::capture::required_states;
use super::checkpoint::Checkpoint;
use super::keys::{ACCUMULATED_WEIGHTS, OPTIMIZER, UNUSED, learning_rate_key, names, variables};
use crate::callbacks::Callback;
use crate::error::Result;
use crate::metrics::Running;
use crate::tracked::borrow_mut;
use crate::training_state::TrainingState;

impl Checkpoint {
    /// Restores the state of a training, whose weights must be built, and of its callbacks. Everything is checked
    /// before anything but callbacks and metrics is changed.
    pub(crate) fn restore(
        &self,
        training: &mut TrainingState<'_>,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<()> {
        let (model, tracked) = (training.model, &training.tracked);
        let prepared = self.prepare(training)?;
        let history = self.history()?;
        let (epoch, batch, drawn) = (self.epoch()?, self.batch()?, self.number("samples")?);
        let generator = self.generator("generator")?.ok_or_else(|| self.refused("has no generator"))?;
        let streams = tracked.streams(model);
        let states = streams.iter().map(|(path, _)| self.generator(&format!("stream.{path}")));
        let states = states.collect::<Result<Vec<_>>>()?;
        let mut loss = Running::default();
        loss.restore(&self.tensors.get("loss")?.to_vec::<f64>()?)?;

        let weights = tracked.weights(model);
        let (accumulated_weights, accumulated) = self.accumulated(&weights)?;
        let mut averages = Vec::with_capacity(tracked.averages.len());
        for (name, average) in &tracked.averages {
            let steps = self.number(&format!("averages.{name}.steps"))? as u64;
            let state = WeightAverageState { steps, averages: self.tensors.get_list(&format!("averages.{name}")) };
            averages.push((borrow_mut(name, average)?, state));
        }
        let mut borrowed = Vec::with_capacity(tracked.optimizers.len());
        for (name, optimizer) in &tracked.optimizers {
            borrowed.push((format!("optimizers.{name}"), borrow_mut(name, optimizer)?));
        }
        let mut optimizers: Vec<(&str, &mut dyn Optimizer)> = vec![(OPTIMIZER, &mut *training.optimizer)];
        optimizers
            .extend(borrowed.iter_mut().map(|(key, optimizer)| (key.as_str(), &mut **optimizer as &mut dyn Optimizer)));
        let optimizers = optimizers.into_iter().map(|(key, optimizer)| {
            let state = self.optimizer_state(key, &weights, optimizer)?;
            Ok((optimizer, state))
        });
        let optimizers = optimizers.collect::<Result<Vec<_>>>()?;

        self.check_same("accumulate", &training.accumulation.batches().to_string())?;
        self.check_same("callbacks", &names(required_states(callbacks).map(|(name, _)| name)))?;
        self.check_same("metrics", &names(training.meter.metrics.iter().map(|metric| metric.name())))?;
        // Metrics and callbacks check their states themselves. They may change first, because a training that begins
        // resets them.
        for (k, metric) in training.meter.metrics.iter_mut().enumerate() {
            let state = self.tensors.get(&format!("metric.{k}"))?.to_vec::<f64>()?;
            metric.restore(&state).map_err(|error| self.in_context(metric.name(), error))?;
        }
        self.restore_callbacks(callbacks)?;

        for (optimizer, state) in optimizers {
            optimizer.restore(&variables(&weights), state)?;
        }
        averages.into_iter().for_each(|(mut average, state)| average.restore(state));
        for prepared in prepared {
            prepared.assign()?;
        }
        for ((_, stream), state) in streams.iter().zip(states) {
            stream.restore(state);
        }
        random::restore(generator);
        training.accumulation.restore(accumulated_weights, accumulated);
        training.meter.loss = loss;
        training.drawn = drawn;
        training.history = history;
        (training.epoch, training.batch) = (epoch, batch);
        training.resumed = true;
        training.stop_reason = self.notes.get("stopped").map(|reason| escaped(reason).to_string());
        Ok(())
    }

    /// Checks the weights of the model and of what is tracked.
    fn prepare(&self, training: &TrainingState<'_>) -> Result<[Prepared; 2]> {
        let loading = nn::Loading::new().same_types();
        let model = loading.prepare(training.model, self.weights()).map_err(|error| self.in_file(error))?;
        for (key, tracked) in training.tracked.names() {
            self.check_same(key, &names(tracked))?;
        }
        let parts = loading.prepare(&training.tracked.parts, self.kept());
        Ok([model, parts.map_err(|error| self.in_context("parts", error))?])
    }

    /// The accumulated gradients and, if the file names them, their weights.
    fn accumulated(&self, weights: &[(String, Variable)]) -> Result<(Option<Vec<Variable>>, AccumulatorState)> {
        let state = AccumulatorState {
            count: self.tensors.get_count("accumulated")? as u64,
            sums: self.tensors.get_list("accumulator"),
        };
        let Some(written) = self.notes.get(ACCUMULATED_WEIGHTS) else { return Ok((None, state)) };
        let paths: Vec<String> = serde_json::from_str(written).unwrap_or_default();
        let find = |path: &String| weights.iter().find(|(name, _)| name == path).map(|(_, weight)| weight.clone());
        match paths.iter().map(find).collect::<Option<Vec<_>>>() {
            Some(found) if found.len() == state.sums.len() => Ok((Some(found), state)),
            _ => Err(self.refused(&format!("has {} as {ACCUMULATED_WEIGHTS}, which do not fit", escaped(written)))),
        }
    }

    /// The state of an optimizer, after a check that it fits.
    fn optimizer_state(
        &self,
        key: &str,
        weights: &[(String, Variable)],
        optimizer: &dyn Optimizer,
    ) -> Result<OptimizerState> {
        self.check_same(key, optimizer.name())?;
        let rate = learning_rate_key(key);
        let learning_rate = if self.tensors.contains(&rate) { Some(self.tensors.get_number(&rate)?) } else { None };
        let mut states = Vec::with_capacity(weights.len());
        for (path, _) in weights {
            let steps = format!("{key}.steps.{path}");
            states.push(match self.notes.contains_key(&steps) {
                true => {
                    let mut states = self.tensors.get_tensors(&format!("{key}.{path}"));
                    // Without those of weights whose path continues this one: `scale.offset` for `scale`.
                    let longer = || weights.iter().filter_map(|(other, _)| other.strip_prefix(path)?.strip_prefix('.'));
                    states.retain(|(slot, _)| {
                        !longer().any(|rest| slot.strip_prefix(rest).is_some_and(|slot| slot.starts_with('.')))
                    });
                    Some(VariableState { steps: self.number(&steps)? as u64, states })
                }
                false => None,
            });
        }
        let steps = self.number(&format!("{key}.steps"))? as u64;
        let state = OptimizerState { learning_rate, steps, variables: states };
        match optimizer.check_state(&variables(weights), &state) {
            Ok(()) => Ok(state),
            Err(error) => Err(self.in_context(key, error)),
        }
    }

    fn restore_callbacks(&self, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<()> {
        let required = callbacks.iter_mut().filter(|callback| !callback.is_optional() && !callback.state().is_empty());
        for (k, callback) in required.enumerate() {
            let state = self.tensors.get_tensors(&format!("callback.{k}"));
            callback.restore(&state).map_err(|error| self.in_context(callback.name(), error))?;
        }
        let optional = || callbacks.iter().filter(|callback| callback.is_optional());
        let same = names(optional().map(|callback| callback.name()));
        // Others continue without their states.
        if self.notes.get("optional_callbacks") == Some(&same) {
            for (k, callback) in callbacks.iter_mut().filter(|callback| callback.is_optional()).enumerate() {
                let state = self.tensors.get_tensors(&format!("optional_callback.{k}"));
                if !state.is_empty() {
                    callback.restore(&state).map_err(|error| self.in_context(callback.name(), error))?;
                }
            }
        }
        Ok(())
    }

    /// Checks that something is the same in the file and in the training.
    fn check_same(&self, key: &str, found: &str) -> Result<()> {
        // Old files lack the lists that were added later.
        let written = self.notes.get(key).map_or("[]", String::as_str);
        if written == found {
            Ok(())
        } else {
            let (written, found) = (escaped(written), escaped(found));
            Err(self.refused(&format!("has {written} as {}, but the training has {found}", escaped(key))))
        }
    }

    fn generator(&self, key: &str) -> Result<Option<GeneratorState>> {
        let Some(text) = self.notes.get(key) else {
            return Err(self.refused(&format!("has no {}, but the training has", escaped(key))));
        };
        if text == UNUSED {
            return Ok(None);
        }
        let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [seed, stream, position] => Ok(Some(GeneratorState { seed, stream, position })),
            _ => Err(self.refused(&format!("has {} as {}; it must be three numbers", escaped(text), escaped(key)))),
        }
    }

    /// Adds the file to an error.
    fn in_file(&self, error: tensor::Error) -> tensor::Error {
        error.context(escaped(&self.file).to_string())
    }

    /// Adds the file and a name to an error.
    fn in_context(&self, name: &str, error: tensor::Error) -> tensor::Error {
        self.in_file(error.context(escaped(name).to_string()))
    }
}
