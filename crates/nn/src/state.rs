//! The state of a model: its weights by path, for saving and loading.

use std::collections::{HashMap, HashSet};
use std::fmt;

use autograd::Variable;
use tensor::{DType, Error, Result, Tensor, escaped, no_record};

use crate::layer::{Layer, Part, Visitor};

/// Weights by path.
pub type State = Vec<(String, Tensor)>;

/// The values of all weights of a model by path, including states such as running means.
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

/// Sets all weights of a model to the tensors with their names. [`Loading`] describes the rules and has options to relax
/// them.
///
/// # Errors
/// Returns an error if a weight has no tensor, a tensor has no weight, or shapes or types do not match. The message lists
/// all problems. The model is unchanged then.
pub fn load(model: &dyn Layer, tensors: State) -> Result<()> {
    Loading::new().load(model, tensors).map(drop)
}

/// Options for loading tensors into the weights of a model.
///
/// By default each tensor must have the name of a weight, and each weight must have a tensor of its shape. Elements are
/// converted to the type of the weight if that is floating. A weight that several layers share has several names: a
/// tensor for one of them is enough, and if there are several, they must be equal. If there is any problem, no weight is
/// changed.
///
/// A layer whose sizes depend on the first input has no weights before it. Call the model once, or build the layer with
/// its sizes, before loading.
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

/// Returns a new name for a tensor, or `None` to skip it.
type Rename = Box<dyn Fn(&str) -> Option<String>>;

/// The names of what was loaded and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The paths of the weights that were set, in the model's order.
    pub loaded: Vec<String>,
    /// The paths of the weights without a tensor.
    pub missing: Vec<String>,
    /// The names, after renaming, of the tensors without a weight.
    pub unexpected: Vec<String>,
}

impl Loading {
    /// The strict rules described above.
    pub fn new() -> Loading {
        Loading::default()
    }

    /// Leaves weights without a tensor unchanged.
    #[must_use]
    pub fn allow_missing(self) -> Loading {
        Loading { allow_missing: true, ..self }
    }

    /// Ignores tensors without a weight.
    #[must_use]
    pub fn allow_unexpected(self) -> Loading {
        Loading { allow_unexpected: true, ..self }
    }

    /// Requires tensors to have the element types of their weights.
    #[must_use]
    pub fn same_types(self) -> Loading {
        Loading { same_types: true, ..self }
    }

    /// Loads the tensors whose names are in the model, and ignores the others. Their shapes must still match.
    #[must_use]
    pub fn partial(self) -> Loading {
        self.allow_missing().allow_unexpected()
    }

    /// Renames tensors with a function, which returns `None` for tensors to skip. Several renames apply one after
    /// another, in the order in which they are added.
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

    /// Replaces a prefix of names. The parts of a path are separated by dots: the prefix `encoder.` does not match
    /// `encoder_2.kernel`.
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
    /// Returns an error if two tensors get the same name.
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
    /// Returns an error if the tensors break the rules; the message lists all problems. The model is unchanged then.
    pub fn load(&self, model: &dyn Layer, tensors: State) -> Result<Report> {
        self.prepare(model, tensors)?.assign()
    }

    /// Runs the checks of [`load`](Loading::load) without changing the model.
    ///
    /// # Errors
    /// Returns the errors of [`load`](Loading::load).
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
                        if !bitwise_equal(tensor, alias) {
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
                problems.0.extend(uninitialized_hints(model, &report.unexpected));
            }
            return Err(Error::argument("load", problems.to_string()));
        }
        Ok(Prepared { values, report })
    }

    /// The tensor as a value for the weight, or a description of the problem.
    fn converted(&self, path: &str, tensor: &Tensor, weight: &Variable) -> std::result::Result<Tensor, String> {
        let (shape, dtype) = (weight.shape(), weight.dtype());
        if *tensor.shape() != shape {
            return Err(format!("{path}: the weight is {shape}, the tensor {}; they must be equal", tensor.shape()));
        }
        if tensor.dtype() == dtype {
            return Ok(tensor.clone());
        }
        if self.same_types || !dtype.is_float() || tensor.dtype() == DType::Bool {
            return Err(format!("{path}: the weight is {dtype}, and {} is not converted to it", tensor.dtype()));
        }
        Ok(no_record(|| tensor.cast(dtype)))
    }
}

/// Tensors that have passed the checks and can be assigned to the weights of a model.
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
    /// Returns an error if a weight was cast to another type after the checks.
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

/// The numbers of problems that are listed from the beginning and from the end.
const FIRST_PROBLEMS: usize = 80;
const LAST_PROBLEMS: usize = 20;

/// The problems of loading, one per line if there are several. Names of tensors come from files and are escaped.
#[derive(Default)]
struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [problem] => f.write_str(problem),
            problems => {
                f.write_str("the tensors do not match the model:")?;
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

/// A hint for each layer that has tensors but no weights: its weights may depend on a first input.
fn uninitialized_hints(model: &dyn Layer, unexpected: &[String]) -> Vec<String> {
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
        format!(
            "({name} has no weights yet; if its sizes depend on the first input, call the model once before loading)"
        )
    };
    layers.iter().filter(|(path, _)| waits(path)).map(hint).collect()
}

/// The path of the innermost layer that would contain a weight of this name. There may be groups between the two, such
/// as the `query` of an attention.
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

/// Whether both have the same type, shape and bits.
fn bitwise_equal(a: &Tensor, b: &Tensor) -> bool {
    let bits = |x: &Tensor| match x.dtype() {
        DType::F32 => x.to_vec::<f32>().map(|x| x.into_iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>()),
        DType::F64 => x.to_vec::<f64>().map(|x| x.into_iter().map(f64::to_bits).collect()),
        _ => x.cast(DType::I64).to_vec::<i64>().map(|x| x.into_iter().map(|x| x as u64).collect()),
    };
    a.dtype() == b.dtype() && a.shape() == b.shape() && matches!((bits(a), bits(b)), (Ok(a), Ok(b)) if a == b)
}
