//! All that a training needs to go on, in one file.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use autograd::Variable;
use data::escaped;
use data::safetensors::{self, Safetensors};
use optim::{AccumulatorState, Optimizer, OptimizerState, VariableState, WeightAverageState};
use tensor::{GeneratorState, Tensor, random};

use crate::callbacks::Callback;
use crate::error::{Error, Result, TrainError};
use crate::history::History;
use crate::kept::{lend, lend_mut};
use crate::metrics::Running;
use crate::state::Entries;
use crate::training::Training;

const FORMAT: &str = "training checkpoint";
const VERSION: u64 = 1;

/// All that a training needs to go on where it was, in one file: weights, states of the optimizer, of random streams
/// and of callbacks, what the fit [keeps](crate::Fit::keep) besides, history, and the position in the data. What is
/// code is not in it: the model's structure, hyperparameters, data, and callbacks.
///
/// The file is safetensors, in which anybody finds the weights under `model.…` and `kept.…` and notes to read: `epoch`,
/// `batch`, `optimizer`. It is [written atomically](data::write_atomically), and has a checksum over all it holds.
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
    /// Returns an error if the file cannot be read, is not a regular file, is not a checkpoint, was written by a later
    /// version, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let refused = |message: String| TrainError::checkpoint(path, message);
        refuse_irregular(path)?;
        let opened = Safetensors::open(path)?;
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
            let written = written.as_deref().unwrap_or("none");
            return Err(refused(format!(
                "is damaged: its checksum is {found}, and was {} when it was written",
                escaped(written)
            )));
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

    /// The values that the fit [kept](crate::Fit::keep) besides, by the names they were given and, of models, the paths
    /// of their weights.
    pub fn kept(&self) -> Vec<(String, Tensor)> {
        self.tensors.get_tensors("kept")
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

    /// The value of this name in the last epoch of the history in a file; `None` if there is no such file, or its
    /// history has no such name. Only the history is read.
    pub(crate) fn last_value(path: &Path, name: &str) -> Result<Option<f64>> {
        if !path.try_exists().map_err(|error| TrainError::file(path, error))? {
            return Ok(None);
        }
        refuse_irregular(path)?;
        let file = Safetensors::open(path)?;
        let is_column = |entry: &&str| {
            let column = entry.strip_prefix("history.").and_then(|column| column.split_once('.'));
            column.is_some_and(|(_, column)| column == name)
        };
        let Some(column) = file.names().find(is_column) else { return Ok(None) };
        Ok(file.tensor(column)?.to_vec::<f64>()?.last().copied())
    }

    /// Where a training is.
    pub(crate) fn of(training: &Training<'_>) -> Result<Checkpoint> {
        let (model, kept) = (training.model, &training.fit.kept);
        let mut this = Checkpoint { file: String::new(), notes: BTreeMap::new(), tensors: Entries::default() };
        this.note("format", FORMAT);
        this.note("version", VERSION);
        this.note("epoch", training.epoch);
        this.note("batch", training.batch);
        this.note("samples", training.drawn);
        this.note("generator", generator_text(Some(random::state())));
        if let Some(reason) = &training.stop {
            this.note("stopped", reason);
        }

        this.tensors.tensors("model", &nn::state(model));
        this.tensors.tensors("kept", &nn::state(&kept.parts));
        for (path, stream) in kept.streams(model) {
            this.note(&format!("stream.{path}"), generator_text(stream.state()));
        }
        for (key, kept) in kept.names() {
            this.note(key, names(kept));
        }

        let weights = kept.weights(model);
        this.put_optimizer(OPTIMIZER, &weights, training.optimizer)?;
        for (name, optimizer) in &kept.optimizers {
            this.put_optimizer(&format!("optimizers.{name}"), &weights, &*lend(name, optimizer)?)?;
        }
        for (name, average) in &kept.averages {
            let WeightAverageState { steps, averages } = lend(name, average)?.state();
            this.note(&format!("averages.{name}.steps"), steps);
            this.tensors.list(&format!("averages.{name}"), &averages);
        }

        let accumulated = training.accumulator.state();
        this.note("accumulate", training.accumulator.batches());
        this.tensors.count("accumulated", accumulated.count as usize);
        this.tensors.list("accumulator", &accumulated.sums);
        let callbacks: Vec<_> = with_state(&training.fit.callbacks).collect();
        this.note("callbacks", names(callbacks.iter().map(|(name, _)| *name)));
        for (k, (_, state)) in callbacks.iter().enumerate() {
            this.tensors.tensors(&format!("callback.{k}"), state);
        }
        this.note("metrics", names(training.meter.metrics.iter().map(|metric| metric.name())));
        for (k, metric) in training.meter.metrics.iter().enumerate() {
            this.tensors.numbers(&format!("metric.{k}"), metric.state());
        }
        this.tensors.numbers("loss", training.meter.loss.state());
        for (k, name) in training.history.names().enumerate() {
            let values = training.history.get(name).unwrap_or_default().to_vec();
            this.tensors.numbers(&format!("history.{k}.{name}"), values);
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
            let message = format!(
                "{key}: has stepped {}, {}, which is neither the model's nor kept; keep it, or its model, by Fit::keep, \
                 or take an optimizer for each",
                stray.name(),
                stray.shape()
            );
            return Err(TrainError::trainer(message));
        }
        let state = optimizer.state(&variables(weights));
        self.note(key, optimizer.name());
        self.note(&format!("{key}.steps"), state.steps);
        self.note(&rate_key(key), optimizer.learning_rate());
        if let Some(rate) = state.learning_rate {
            self.tensors.number(&rate_key(key), rate);
        }
        for ((path, _), state) in weights.iter().zip(state.variables) {
            let Some(state) = state else { continue };
            self.note(&format!("{key}.steps.{path}"), state.steps);
            self.tensors.tensors(&format!("{key}.{path}"), &state.states);
        }
        Ok(())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        refuse_irregular(path)?;
        let mut metadata = self.notes.clone();
        let sum = data::checksum(self.tensors.as_slice(), &metadata)?;
        metadata.insert("checksum".into(), format!("{sum:08x}"));
        let options = safetensors::Options { metadata, ..Default::default() };
        safetensors::write(path, self.tensors.as_slice(), &options)
    }

    /// Puts a training, whose weights are made, where this was taken. Everything is checked before anything but
    /// callbacks and metrics is changed.
    pub(crate) fn restore(&self, training: &mut Training<'_>) -> Result<()> {
        let (model, kept) = (training.model, &training.fit.kept);
        let loading = nn::Loading::new().same_types();
        let prepared = loading.prepare(model, self.weights()).map_err(|error| error.context(&self.file))?;
        for (key, kept) in kept.names() {
            self.agrees(key, &names(kept))?;
        }
        let prepared_kept = loading.prepare(&kept.parts, self.kept());
        let prepared_kept = prepared_kept.map_err(|error| error.context("parts").context(&self.file))?;
        let history = self.history()?;
        let (epoch, batch, drawn) = (self.epoch()?, self.batch()?, self.number("samples")?);
        let generator = self.generator("generator")?.ok_or_else(|| self.refused("has no generator"))?;
        let streams = kept.streams(model);
        let states = streams.iter().map(|(path, _)| self.generator(&format!("stream.{path}")));
        let states = states.collect::<Result<Vec<_>>>()?;
        let accumulated = AccumulatorState {
            count: self.tensors.get_count("accumulated")? as u64,
            sums: self.tensors.get_list("accumulator"),
        };
        let mut loss = Running::default();
        loss.restore(&self.tensors.get("loss")?.to_vec::<f64>()?)?;

        let weights = kept.weights(model);
        let mut averages = Vec::with_capacity(kept.averages.len());
        for (name, average) in &kept.averages {
            let steps = self.number(&format!("averages.{name}.steps"))? as u64;
            let state = WeightAverageState { steps, averages: self.tensors.get_list(&format!("averages.{name}")) };
            averages.push((lend_mut(name, average)?, state));
        }
        let mut lent = Vec::with_capacity(kept.optimizers.len());
        for (name, optimizer) in &kept.optimizers {
            lent.push((format!("optimizers.{name}"), lend_mut(name, optimizer)?));
        }
        let mut optimizers: Vec<(&str, &mut dyn Optimizer)> = vec![(OPTIMIZER, &mut *training.optimizer)];
        optimizers
            .extend(lent.iter_mut().map(|(key, optimizer)| (key.as_str(), &mut **optimizer as &mut dyn Optimizer)));
        let optimizers = optimizers.into_iter().map(|(key, optimizer)| {
            let state = self.optimizer_state(key, &weights, optimizer)?;
            Ok((optimizer, state))
        });
        let optimizers = optimizers.collect::<Result<Vec<_>>>()?;

        self.agrees("accumulate", &training.accumulator.batches().to_string())?;
        self.agrees("callbacks", &names(with_state(&training.fit.callbacks).map(|(name, _)| name)))?;
        self.agrees("metrics", &names(training.meter.metrics.iter().map(|metric| metric.name())))?;
        // First, since a training that begins resets them.
        for (k, metric) in training.meter.metrics.iter_mut().enumerate() {
            let state = self.tensors.get(&format!("metric.{k}"))?.to_vec::<f64>()?;
            metric.restore(&state).map_err(|error| error.context(metric.name()).context(&self.file))?;
        }
        let callbacks = training.fit.callbacks.iter_mut().filter(|callback| !callback.state().is_empty());
        for (k, callback) in callbacks.enumerate() {
            let state = self.tensors.get_tensors(&format!("callback.{k}"));
            callback.restore(&state).map_err(|error| error.context(callback.name()).context(&self.file))?;
        }

        for (optimizer, state) in optimizers {
            optimizer.restore(&variables(&weights), state)?;
        }
        averages.into_iter().for_each(|(mut average, state)| average.restore(state));
        prepared.assign()?;
        prepared_kept.assign()?;
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
        training.stop = self.notes.get("stopped").map(|reason| escaped(reason).to_string());
        Ok(())
    }

    /// Checks that a training is what was written of it.
    fn agrees(&self, key: &str, found: &str) -> Result<()> {
        // Files that are older than a list have nothing of what it lists.
        let written = self.notes.get(key).map_or("[]", String::as_str);
        if written == found {
            Ok(())
        } else {
            Err(self.refused(&format!("has {} as {key}, the training {}", escaped(written), escaped(found))))
        }
    }

    /// The state that an optimizer is to go on from, which suits it.
    fn optimizer_state(
        &self,
        key: &str,
        weights: &[(String, Variable)],
        optimizer: &dyn Optimizer,
    ) -> Result<OptimizerState> {
        self.agrees(key, optimizer.name())?;
        let rate = rate_key(key);
        let learning_rate = if self.tensors.has(&rate) { Some(self.tensors.get_number(&rate)?) } else { None };
        let mut states = Vec::with_capacity(weights.len());
        for (path, _) in weights {
            let steps = format!("{key}.steps.{path}");
            states.push(match self.notes.contains_key(&steps) {
                true => Some(VariableState {
                    steps: self.number(&steps)? as u64,
                    states: self.tensors.get_tensors(&format!("{key}.{path}")),
                }),
                false => None,
            });
        }
        let steps = self.number(&format!("{key}.steps"))? as u64;
        let state = OptimizerState { learning_rate, steps, variables: states };
        match optimizer.check_state(&variables(weights), &state) {
            Ok(()) => Ok(state),
            Err(error) => Err(error.context(key).context(&self.file)),
        }
    }

    fn number(&self, key: &str) -> Result<usize> {
        let number = self.notes.get(key).and_then(|note| note.parse().ok());
        number.ok_or_else(|| self.refused(&format!("does not say {key}")))
    }

    fn generator(&self, key: &str) -> Result<Option<GeneratorState>> {
        let Some(text) = self.notes.get(key) else {
            return Err(self.refused(&format!("has no {key}, which the training has")));
        };
        if text == UNBEGUN {
            return Ok(None);
        }
        let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [seed, stream, position] => Ok(Some(GeneratorState { seed, stream, position })),
            _ => Err(self.refused(&format!("has {} as {key}; three numbers were expected", escaped(text)))),
        }
    }

    fn refused(&self, message: &str) -> Error {
        Error::from(TrainError::Checkpoint { file: self.file.clone(), message: message.into() })
    }
}

/// Refuses what is there and is not a regular file: opening a pipe would wait for its other end.
fn refuse_irregular(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(TrainError::checkpoint(path, "is not a regular file, as checkpoints are")),
        _ => Ok(()),
    }
}

/// The callbacks that have a state: only these decide how a training goes on.
fn with_state<'c>(callbacks: &'c [Box<dyn Callback + '_>]) -> impl Iterator<Item = (&'c str, Vec<(String, Tensor)>)> {
    callbacks.iter().map(|callback| (callback.name(), callback.state())).filter(|(_, state)| !state.is_empty())
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The key of the training's own optimizer. Those that are kept have others.
const OPTIMIZER: &str = "optimizer";

/// The key of an optimizer's learning rate, which had no name before it when files had one optimizer.
fn rate_key(optimizer: &str) -> String {
    if optimizer == OPTIMIZER { "learning_rate".into() } else { format!("{optimizer}.learning_rate") }
}

fn variables(weights: &[(String, Variable)]) -> Vec<Variable> {
    weights.iter().map(|(_, weight)| weight.clone()).collect()
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
