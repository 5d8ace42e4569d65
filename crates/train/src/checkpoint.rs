//! All that a training needs to go on, in one file.

use std::collections::BTreeMap;
use std::path::Path;

use autograd::Variable;
use data::safetensors::{self, Safetensors};
use optim::{AccumulatorState, OptimizerState, VariableState};
use tensor::{GeneratorState, Tensor, random};

use crate::callbacks::Callback;
use crate::error::{Error, Result};
use crate::history::History;
use crate::metrics::Running;
use crate::state::Entries;
use crate::training::Training;

const FORMAT: &str = "training checkpoint";
const VERSION: u64 = 1;

/// All that a training needs to go on where it was, in one file: weights, states of the optimizer, of random streams
/// and of callbacks, history, and the position in the data. What is code is not in it: the model's structure,
/// hyperparameters, data, and callbacks.
///
/// The file is safetensors, in which anybody finds the weights under `model.…` and notes to read: `epoch`, `batch`,
/// `optimizer`. It is [written atomically](data::write_atomically), and has a checksum over all it holds.
#[derive(Debug)]
pub struct Checkpoint {
    file: String,
    notes: BTreeMap<String, String>,
    tensors: Entries,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If the file cannot be read, is no checkpoint, was written by a later version, or is not what was written.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let file = path.as_ref().display().to_string();
        let refused = |message: String| Error::Checkpoint { file: file.clone(), message };
        let opened = Safetensors::open(&path)?;
        let mut notes = opened.metadata().clone();
        if notes.get("format").is_none_or(|format| format != FORMAT) {
            return Err(refused("is safetensors, but no training checkpoint; weights alone are loaded by name".into()));
        }
        match notes.get("version").and_then(|version| version.parse::<u64>().ok()) {
            Some(1..=VERSION) => {}
            Some(version) => {
                let message = format!("is a checkpoint of version {version}; this program knows those up to {VERSION}");
                return Err(refused(message));
            }
            None => return Err(refused("is a checkpoint without a version".into())),
        }
        let tensors = opened.tensors()?;
        let written = notes.remove("checksum");
        let found = format!("{:08x}", data::checksum(&tensors, &notes)?);
        if written.as_ref() != Some(&found) {
            let written = written.unwrap_or_else(|| "none".into());
            return Err(refused(format!("is damaged: its checksum is {found}, and was {written} when it was written")));
        }
        Ok(Checkpoint { file, notes, tensors: Entries::from(&tensors[..]) })
    }

    /// The epoch in which the training goes on, from 0.
    ///
    /// # Errors
    /// If the file does not say so.
    pub fn epoch(&self) -> Result<usize> {
        self.number("epoch")
    }

    /// The batch of that epoch with which it goes on, from 0.
    ///
    /// # Errors
    /// If the file does not say so.
    pub fn batch(&self) -> Result<usize> {
        self.number("batch")
    }

    /// What is written in it for people to read.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The model's weights by path.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.tensors.get_tensors("model")
    }

    /// The epochs that had ended.
    ///
    /// # Errors
    /// If the columns are not of one length.
    pub fn history(&self) -> Result<History> {
        let mut columns = self.tensors.get_tensors("history");
        columns.sort_by_key(|(name, _)| column_number(name));
        let columns = columns.into_iter().map(|(name, values)| {
            let name = name.split_once('.').map_or("", |(_, name)| name);
            Ok((name.to_owned(), values.to_vec::<f64>()?))
        });
        History::of_columns(columns.collect::<Result<_>>()?).ok_or_else(|| self.refused("has an uneven history"))
    }

    /// Where a training is.
    pub(crate) fn of(training: &Training<'_>) -> Result<Checkpoint> {
        let mut tensors = Entries::default();
        let mut notes = BTreeMap::new();
        let mut note = |key: &str, value: String| notes.insert(key.to_owned(), value);
        note("format", FORMAT.into());
        note("version", VERSION.to_string());
        note("epoch", training.epoch.to_string());
        note("batch", training.batch.to_string());
        note("samples", training.drawn.to_string());
        note("generator", generator_text(Some(random::state())));
        if let Some(reason) = &training.stop {
            note("stopped", reason.clone());
        }

        let weights = training.model.named_weights();
        tensors.tensors("model", &nn::state(training.model));
        for (path, stream) in training.model.named_streams() {
            note(&format!("stream.{path}"), generator_text(stream.state()));
        }

        let variables: Vec<Variable> = weights.iter().map(|(_, weight)| weight.clone()).collect();
        let state = training.optimizer.state(&variables);
        note("optimizer", training.optimizer.name().into());
        note("optimizer.steps", state.steps.to_string());
        note("learning_rate", training.optimizer.learning_rate().to_string());
        if let Some(rate) = state.learning_rate {
            tensors.number("learning_rate", rate);
        }
        for ((path, _), state) in weights.iter().zip(state.variables) {
            let Some(state) = state else { continue };
            note(&format!("optimizer.steps.{path}"), state.steps.to_string());
            tensors.tensors(&format!("optimizer.{path}"), &state.states);
        }

        let accumulated = training.accumulator.state();
        note("accumulate", training.accumulator.batches().to_string());
        tensors.count("accumulated", accumulated.count as usize);
        for (k, sum) in accumulated.sums.iter().enumerate() {
            tensors.tensors("accumulator", &[(k.to_string(), sum.clone())]);
        }
        let callbacks: Vec<_> = with_state(&training.fit.callbacks).collect();
        note("callbacks", names(callbacks.iter().map(|(name, _)| *name)));
        for (k, (_, state)) in callbacks.iter().enumerate() {
            tensors.tensors(&format!("callback.{k}"), state);
        }
        note("metrics", names(training.meter.metrics.iter().map(|metric| metric.name())));
        for (k, metric) in training.meter.metrics.iter().enumerate() {
            tensors.numbers(&format!("metric.{k}"), metric.state());
        }
        tensors.numbers("loss", training.meter.loss.state());
        for (k, name) in training.history.names().enumerate() {
            tensors.numbers(&format!("history.{k}.{name}"), training.history.get(name).unwrap_or_default().to_vec());
        }
        Ok(Checkpoint { file: String::new(), notes, tensors })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut metadata = self.notes.clone();
        let sum = data::checksum(self.tensors.as_slice(), &metadata)?;
        metadata.insert("checksum".into(), format!("{sum:08x}"));
        let options = safetensors::Options { metadata, ..Default::default() };
        Ok(safetensors::write(path, self.tensors.as_slice(), &options)?)
    }

    /// Puts a training, whose weights are made, where this was taken. Everything is checked before anything but
    /// callbacks and metrics is changed; the optimizer checks itself, before the model is changed.
    pub(crate) fn restore(&self, training: &mut Training<'_>) -> Result<()> {
        let weights = training.model.named_weights();
        let prepared = nn::Loading::new().same_types().prepare(training.model, self.weights());
        let prepared = prepared.map_err(|error| error.context(&self.file))?;
        let history = self.history()?;
        let (epoch, batch, drawn) = (self.epoch()?, self.batch()?, self.number("samples")?);
        let generator = self.generator("generator")?.ok_or_else(|| self.refused("has no generator"))?;
        let streams = training.model.named_streams();
        let states = streams.iter().map(|(path, _)| self.generator(&format!("stream.{path}")));
        let states = states.collect::<Result<Vec<_>>>()?;
        let accumulated = AccumulatorState {
            count: self.tensors.get_count("accumulated")? as u64,
            sums: (0..).map_while(|k| self.tensors.get(&format!("accumulator.{k}")).ok().cloned()).collect(),
        };
        let mut loss = Running::default();
        loss.restore(&self.tensors.get("loss")?.to_vec::<f64>()?)?;

        let optimizer = &mut *training.optimizer;
        self.agrees("optimizer", optimizer.name())?;
        self.agrees("accumulate", &training.accumulator.batches().to_string())?;
        self.agrees("callbacks", &names(with_state(&training.fit.callbacks).map(|(name, _)| name)))?;
        self.agrees("metrics", &names(training.meter.metrics.iter().map(|metric| metric.name())))?;
        let callbacks = training.fit.callbacks.iter_mut().filter(|callback| !callback.state().is_empty());
        for (k, callback) in callbacks.enumerate() {
            let state = self.tensors.get_tensors(&format!("callback.{k}"));
            callback.restore(&state).map_err(|error| error.context(callback.name()).context(&self.file))?;
        }
        for (k, metric) in training.meter.metrics.iter_mut().enumerate() {
            let state = self.tensors.get(&format!("metric.{k}"))?.to_vec::<f64>()?;
            metric.restore(&state).map_err(|error| error.context(metric.name()).context(&self.file))?;
        }
        let variables: Vec<Variable> = weights.iter().map(|(_, weight)| weight.clone()).collect();
        optimizer.restore(&variables, self.optimizer_state(&weights)?).map_err(Error::from)?;

        prepared.assign()?;
        for ((_, stream), state) in streams.iter().zip(states) {
            stream.restore(state);
        }
        random::restore(generator);
        training.accumulator.restore(accumulated);
        training.meter.loss = loss;
        training.drawn = drawn;
        training.history = history;
        (training.epoch, training.batch) = (epoch, batch);
        training.resumed = true;
        training.stop = self.notes.get("stopped").cloned();
        Ok(())
    }

    /// Checks that a training is what was written of it.
    fn agrees(&self, key: &str, found: &str) -> Result<()> {
        let written = self.notes.get(key).map_or("none", String::as_str);
        if written == found {
            Ok(())
        } else {
            Err(self.refused(&format!("has {written} as {key}, the training {found}")))
        }
    }

    fn optimizer_state(&self, weights: &[(String, Variable)]) -> Result<OptimizerState> {
        let learning_rate =
            if self.tensors.has("learning_rate") { Some(self.tensors.get_number("learning_rate")?) } else { None };
        let mut variables = Vec::with_capacity(weights.len());
        for (path, _) in weights {
            let key = format!("optimizer.steps.{path}");
            variables.push(match self.notes.contains_key(&key) {
                true => Some(VariableState {
                    steps: self.number(&key)? as u64,
                    states: self.tensors.get_tensors(&format!("optimizer.{path}")),
                }),
                false => None,
            });
        }
        Ok(OptimizerState { learning_rate, steps: self.number("optimizer.steps")? as u64, variables })
    }

    fn number(&self, key: &str) -> Result<usize> {
        let number = self.notes.get(key).and_then(|note| note.parse().ok());
        number.ok_or_else(|| self.refused(&format!("does not say {key}")))
    }

    fn generator(&self, key: &str) -> Result<Option<GeneratorState>> {
        let Some(text) = self.notes.get(key) else {
            return Err(self.refused(&format!("has no {key}, which the model has")));
        };
        if text == UNBEGUN {
            return Ok(None);
        }
        let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [seed, stream, position] => Ok(Some(GeneratorState { seed, stream, position })),
            _ => Err(self.refused(&format!("has {text:?} as {key}; three numbers were expected"))),
        }
    }

    fn refused(&self, message: &str) -> Error {
        Error::Checkpoint { file: self.file.clone(), message: message.into() }
    }
}

/// The callbacks that have a state: only these decide how a training goes on.
fn with_state<'c>(callbacks: &'c [Box<dyn Callback + '_>]) -> impl Iterator<Item = (&'c str, Vec<(String, Tensor)>)> {
    callbacks.iter().map(|callback| (callback.name(), callback.state())).filter(|(_, state)| !state.is_empty())
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    format!("[{}]", names.collect::<Vec<_>>().join(", "))
}

/// What stands for a random stream that has not begun.
const UNBEGUN: &str = "not begun";

fn generator_text(state: Option<GeneratorState>) -> String {
    match state {
        Some(GeneratorState { seed, stream, position }) => format!("{seed} {stream} {position}"),
        None => UNBEGUN.into(),
    }
}

fn column_number(name: &str) -> usize {
    name.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}
