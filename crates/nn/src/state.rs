//! The state of a model: its weights by path, taken out and loaded.

use std::collections::{HashMap, HashSet};
use std::fmt;

use autograd::Variable;
use tensor::{DType, Error, Result, Tensor, escaped, no_record};

use crate::layer::{Layer, Part, Visitor};

/// Weights by path: what is saved and loaded.
pub type State = Vec<(String, Tensor)>;

/// The values of all weights of a model, states such as running means included, by path.
///
/// ```
/// use nn::{Dense, Sequential, load, state};
///
/// let model = || Sequential::new().add(Dense::new(2, 3));
/// let (trained, fresh) = (model(), model());
/// load(&fresh, state(&trained))?;
/// assert_eq!(state(&fresh)[0].1.to_vec::<f32>()?, state(&trained)[0].1.to_vec::<f32>()?);
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn state(model: &dyn Layer) -> State {
    no_record(|| model.named_weights().into_iter().map(|(path, weight)| (path, weight.value())).collect())
}

/// Sets all weights of a model to tensors of these names. [`Loading`] has the rules, and ways around them.
///
/// # Errors
/// If a weight gets no tensor, a tensor no weight, or shapes or types do not suit. The message lists all
/// of that; the model is as it was.
pub fn load(model: &dyn Layer, tensors: State) -> Result<()> {
    Loading::new().load(model, tensors).map(drop)
}

/// How tensors become the weights of a model.
///
/// Unless it is told otherwise, each tensor must have the name of a weight and each weight must get a
/// tensor, of its shape. Elements are converted to the type of the weight, if that is floating or the
/// same. A weight that several layers share has several names; one is enough, and if there are more, the
/// tensors must be equal. Nothing is changed unless all is well.
///
/// A layer that waits for its first input to know its sizes has no weights before it: call the model
/// once, or state the sizes, before loading.
///
/// ```
/// use nn::{Dense, Loading, Sequential, state};
///
/// let pretrained = Sequential::new().add_named("encoder", Dense::new(4, 8)).add_named("old_head", Dense::new(8, 100));
/// let model = Sequential::new().add_named("backbone", Dense::new(4, 8)).add_named("head", Dense::new(8, 3));
/// let report = Loading::new().partial().rename_prefix("encoder.", "backbone.").load(&model, state(&pretrained))?;
/// assert_eq!(report.loaded, ["backbone.kernel", "backbone.bias"]);
/// assert_eq!(report.missing, ["head.kernel", "head.bias"]);
/// assert_eq!(report.unexpected, ["old_head.kernel", "old_head.bias"]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Default)]
pub struct Loading {
    allow_missing: bool,
    allow_unexpected: bool,
    same_types: bool,
    renames: Vec<Rename>,
}

/// A new name for a tensor, or none to leave it out.
type Rename = Box<dyn Fn(&str) -> Option<String>>;

/// What was loaded and what was not, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Weights that were set, by their paths, in the model's order.
    pub loaded: Vec<String>,
    /// Weights for which there was no tensor.
    pub missing: Vec<String>,
    /// Tensors for which there was no weight, by their names after renaming.
    pub unexpected: Vec<String>,
}

impl Loading {
    /// The strict rules.
    pub fn new() -> Loading {
        Loading::default()
    }

    /// Leaves weights as they are for which there is no tensor.
    #[must_use]
    pub fn allow_missing(self) -> Loading {
        Loading { allow_missing: true, ..self }
    }

    /// Passes over tensors for which there is no weight.
    #[must_use]
    pub fn allow_unexpected(self) -> Loading {
        Loading { allow_unexpected: true, ..self }
    }

    /// Takes no tensor of another element type than its weight's.
    #[must_use]
    pub fn same_types(self) -> Loading {
        Loading { same_types: true, ..self }
    }

    /// Loads what has the same name in both and leaves the rest. Shapes must suit all the same.
    #[must_use]
    pub fn partial(self) -> Loading {
        self.allow_missing().allow_unexpected()
    }

    /// Renames tensors by a function, which gives none for those to leave out. Rules apply one after the
    /// other, in the order in which they were given.
    #[must_use]
    pub fn rename_with(mut self, rename: impl Fn(&str) -> Option<String> + 'static) -> Loading {
        self.renames.push(Box::new(rename));
        self
    }

    /// Renames one tensor.
    #[must_use]
    pub fn rename(self, from: &str, to: &str) -> Loading {
        let (from, to) = (from.to_string(), to.to_string());
        self.rename_with(move |name| Some(if name == from { &to } else { name }.to_string()))
    }

    /// Replaces the beginning of names that begin so. Paths have dots between their parts: with
    /// `encoder.`, `encoder_2.kernel` keeps its name.
    #[must_use]
    pub fn rename_prefix(self, from: &str, to: &str) -> Loading {
        let (from, to) = (from.to_string(), to.to_string());
        self.rename_with(move |name| {
            Some(name.strip_prefix(&from).map_or_else(|| name.to_string(), |rest| format!("{to}{rest}")))
        })
    }

    /// The tensors under their new names.
    ///
    /// # Errors
    /// If two get the same.
    pub fn renamed(&self, tensors: State) -> Result<State> {
        let mut sources: HashMap<String, String> = HashMap::new();
        let mut renamed = State::with_capacity(tensors.len());
        for (name, tensor) in tensors {
            let new = self.renames.iter().try_fold(name.clone(), |name, rename| rename(&name));
            let Some(new) = new else { continue };
            if let Some(other) = sources.insert(new.clone(), name.clone()) {
                let [other, name, new] = [&other, &name, &new].map(|name| escaped(name));
                let message = format!("the tensors {other} and {name} both become {new}");
                return Err(Error::argument("load", message));
            }
            renamed.push((new, tensor));
        }
        Ok(renamed)
    }

    /// Sets the weights of a model to tensors.
    ///
    /// # Errors
    /// If the tensors do not suit by the rules; the message lists all that is wrong. The model is as it was.
    pub fn load(&self, model: &dyn Layer, tensors: State) -> Result<Report> {
        self.prepare(model, tensors)?.assign()
    }

    /// Checks all that [`load`](Loading::load) checks, and changes nothing yet.
    ///
    /// # Errors
    /// As [`load`](Loading::load).
    pub fn prepare(&self, model: &dyn Layer, tensors: State) -> Result<Prepared> {
        let tensors = self.renamed(tensors)?;
        let by_name: HashMap<&str, &Tensor> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut report = Report::default();
        let mut problems = Problems::default();
        let mut values = Vec::new();
        let mut known = HashSet::new();
        for (paths, weight) in shared_weights(model) {
            let mut found = paths.iter().filter_map(|path| Some((path, *by_name.get(path.as_str())?)));
            match found.next() {
                Some((path, tensor)) => {
                    match self.converted(path, tensor, &weight) {
                        Ok(value) => values.push((weight, value)),
                        Err(problem) => problems.0.push(problem),
                    }
                    for (other, alias) in found {
                        if !same(tensor, alias) {
                            problems.0.push(format!("{path} and {other} are one weight, but their tensors differ"));
                        }
                    }
                    report.loaded.push(paths[0].clone());
                }
                None => report.missing.push(paths[0].clone()),
            }
            known.extend(paths);
        }
        report.unexpected.extend(tensors.iter().map(|(name, _)| name.clone()).filter(|name| !known.contains(name)));
        if !self.allow_missing {
            problems.0.extend(report.missing.iter().map(|path| format!("no tensor for the weight {path}")));
        }
        if !self.allow_unexpected {
            problems
                .0
                .extend(report.unexpected.iter().map(|name| format!("no weight for the tensor {}", escaped(name))));
        }
        if !problems.0.is_empty() {
            if !self.allow_unexpected {
                problems.0.extend(waiting(model, &report.unexpected));
            }
            return Err(Error::argument("load", problems.to_string()));
        }
        Ok(Prepared { values, report })
    }

    /// The tensor as a value of the weight, or what is wrong with it.
    fn converted(&self, path: &str, tensor: &Tensor, weight: &Variable) -> std::result::Result<Tensor, String> {
        let (shape, dtype) = (weight.shape(), weight.dtype());
        if *tensor.shape() != shape {
            return Err(format!("{path}: the weight is {shape}, the tensor {}; they must be equal", tensor.shape()));
        }
        if tensor.dtype() == dtype {
            return Ok(tensor.clone());
        }
        if self.same_types || !dtype.is_float() || tensor.dtype() == DType::Bool {
            return Err(format!("{path}: the weight is {dtype}, which {} is not converted to", tensor.dtype()));
        }
        Ok(no_record(|| tensor.cast(dtype)))
    }
}

/// Tensors that suit the weights of a model.
#[derive(Debug)]
#[must_use]
pub struct Prepared {
    values: Vec<(Variable, Tensor)>,
    report: Report,
}

impl Prepared {
    /// Sets the weights.
    ///
    /// # Errors
    /// None, if no weight was cast since.
    pub fn assign(self) -> Result<Report> {
        self.values.into_iter().try_for_each(|(weight, value)| weight.assign(value))?;
        Ok(self.report)
    }
}

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading")
            .field("allow_missing", &self.allow_missing)
            .field("allow_unexpected", &self.allow_unexpected)
            .field("same_types", &self.same_types)
            .field("renames", &self.renames.len())
            .finish()
    }
}

/// How many problems are shown: so many of the first, and of the last.
const FIRST_PROBLEMS: usize = 80;
const LAST_PROBLEMS: usize = 20;

/// All that is wrong, one thing a line if it is more than one. Names of tensors, which come from files, are escaped.
#[derive(Default)]
struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [problem] => f.write_str(problem),
            problems => {
                f.write_str("the tensors do not suit the model:")?;
                let more = problems.len().saturating_sub(FIRST_PROBLEMS + LAST_PROBLEMS);
                let (first, rest) = problems.split_at(problems.len().min(FIRST_PROBLEMS));
                first.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
                if more > 0 {
                    write!(f, "\n  … ({more} more) …")?;
                }
                rest[more..].iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// A hint for each layer that has no weights while there are tensors for it: it may wait for its first input.
fn waiting(model: &dyn Layer, unexpected: &[String]) -> Vec<String> {
    let mut layers = vec![(String::new(), model.describe())];
    model.visit(&mut Visitor::new(&mut |path, part| {
        if let Part::Layer(layer) = part {
            layers.push((path.to_string(), layer.describe()));
        }
    }));
    let weights = model.named_weights();
    let below = |path: &str, name: &str| path.is_empty() || name.strip_prefix(path).is_some_and(|n| n.starts_with('.'));
    let paths: HashSet<&str> = layers.iter().map(|(path, _)| path.as_str()).collect();
    let owners: HashSet<&str> = unexpected.iter().filter_map(|name| owner(&paths, name)).collect();
    let waits = |path: &str| owners.contains(path) && !weights.iter().any(|(name, _)| below(path, name));
    let hint = |(path, description): &(String, String)| {
        let name = if path.is_empty() { description.clone() } else { format!("{path} ({description})") };
        format!("({name} has no weights yet; if it takes its sizes from the first input, call the model once before)")
    };
    layers.iter().filter(|(path, _)| waits(path)).map(hint).collect()
}

/// The path of the innermost layer that a weight of this name would belong to. Groups such as the `query` of an
/// attention may stand between the two.
fn owner<'n>(paths: &HashSet<&str>, name: &'n str) -> Option<&'n str> {
    if !name.contains('.') {
        return Some("");
    }
    name.rmatch_indices('.').map(|(dot, _)| &name[..dot]).find(|path| paths.contains(*path))
}

/// Each weight with all its paths, in the model's order.
fn shared_weights(model: &dyn Layer) -> Vec<(Vec<String>, Variable)> {
    let mut weights: Vec<(Vec<String>, Variable)> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    model.visit(&mut Visitor::new(&mut |path, part| {
        if let Part::Weight(weight) | Part::State(weight) = part {
            let place = *places.entry(weight.id()).or_insert(weights.len());
            if place == weights.len() {
                weights.push((Vec::new(), weight.clone()));
            }
            weights[place].0.push(path.to_string());
        }
    }));
    weights
}

/// Whether both are the same in type, shape and elements, NaN included.
fn same(a: &Tensor, b: &Tensor) -> bool {
    let bits = |x: &Tensor| match x.dtype() {
        DType::F32 => x.to_vec::<f32>().map(|x| x.into_iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>()),
        DType::F64 => x.to_vec::<f64>().map(|x| x.into_iter().map(f64::to_bits).collect()),
        _ => x.cast(DType::I64).to_vec::<i64>().map(|x| x.into_iter().map(|x| x as u64).collect()),
    };
    a.dtype() == b.dtype() && a.shape() == b.shape() && matches!((bits(a), bits(b)), (Ok(a), Ok(b)) if a == b)
}
