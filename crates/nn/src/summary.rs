//! What a model does with an input, as a table.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use autograd::Variable;
use tensor::profile::unobserved;
use tensor::{DType, ErrorKind, Result, Shape, TaskLocal, Tensor, no_record};

use crate::layer::{Layer, Mode};
use crate::penalty::KeptPenalties;

/// The shape of an input without the axis of samples, and its element type. Arrays and slices of sizes convert to it.
///
/// ```
/// use nn::InputSpec;
/// use tensor::DType;
///
/// let image = InputSpec::new([28, 28]);
/// let tokens = InputSpec::new([64]).dtype(DType::I64);
/// ```
#[derive(Clone, Debug)]
pub struct InputSpec {
    shape: Shape,
    dtype: Option<DType>,
}

impl InputSpec {
    /// An input of this shape, and of the model's floating type.
    pub fn new(shape: impl Into<Shape>) -> InputSpec {
        InputSpec { shape: shape.into(), dtype: None }
    }

    /// Sets the element type: models that begin with an embedding take integers.
    #[must_use]
    pub fn dtype(self, dtype: DType) -> InputSpec {
        InputSpec { dtype: Some(dtype), ..self }
    }

    /// One sample of zeros.
    fn zeros(&self, floating: DType) -> Result<Tensor> {
        let shape: Shape = std::iter::once(1).chain(self.shape.iter().copied()).collect();
        shape.checked_size("summary")?;
        Ok(Tensor::full_of(shape, 0.0, self.dtype.unwrap_or(floating)))
    }
}

impl<const N: usize> From<[usize; N]> for InputSpec {
    fn from(shape: [usize; N]) -> InputSpec {
        InputSpec::new(shape)
    }
}

impl<const N: usize> From<&[usize; N]> for InputSpec {
    fn from(shape: &[usize; N]) -> InputSpec {
        InputSpec::new(*shape)
    }
}

impl From<&[usize]> for InputSpec {
    fn from(shape: &[usize]) -> InputSpec {
        InputSpec::new(shape)
    }
}

/// The layers that a model calls for some inputs, in the order in which it calls them. It prints as a table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The calls. The last row is the model itself if it has weights of its own, or calls nothing.
    pub rows: Vec<SummaryRow>,
    /// The number of elements of all weights.
    pub parameters: usize,
    /// How many of these training changes.
    pub trainable: usize,
    /// The bytes of all weights.
    pub bytes: usize,
    nested: bool,
}

/// A layer that was called.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SummaryRow {
    /// The path under which it was called, such as `encoder.dense_1`; empty for the model itself.
    pub path: String,
    /// How many layers it was called inside of, apart from the model.
    pub depth: usize,
    /// What [`Layer::describe`] says of it.
    pub layer: String,
    /// The shape of its output for one sample. Its first axis counts samples, unless the layer removed that axis.
    pub output: Shape,
    /// The number of elements of its weights.
    pub parameters: usize,
    /// The last part of the path, which may have dots in it.
    name: String,
}

impl Summary {
    /// Shows layers inside of layers too, each in a row of its own below the layer that it belongs to.
    #[must_use]
    pub fn expand_nested(self) -> Summary {
        Summary { nested: true, ..self }
    }
}

/// The layers that a model calls, for inputs of given shapes and types: [`Layer::summary`] for a model with several
/// inputs, or behind a `dyn Layer`.
///
/// ```
/// use nn::{Dense, InputSpec, Layer, Mode, parts, summary};
/// use tensor::{DType, Error, Result, Tensor};
///
/// struct Towers {
///     user: Dense,
///     item: Dense,
/// }
///
/// impl Layer for Towers {
///     parts!(user, item);
///
///     fn forward(&self, _input: &Tensor, _mode: Mode) -> Result<Tensor> {
///         Err(Error::argument("towers", "takes 2 inputs"))
///     }
///
///     fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
///         let [user, item] = [0, 1].map(|k| inputs[k]);
///         self.user.call("user", user, mode)?.try_mul(self.item.call("item", item, mode)?)
///     }
/// }
///
/// let model = Towers { user: Dense::units(8), item: Dense::units(8) };
/// let table = summary(&model, &[InputSpec::new([3]), InputSpec::new([5])])?.to_string();
/// assert!(table.contains("user (Dense 3→8)    [batch, 8]              32\nitem (Dense 5→8)    [batch, 8]              48"));
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the model does not take such inputs.
pub fn summary(model: &dyn Layer, inputs: &[InputSpec]) -> Result<Summary> {
    let floating = model.weights().first().map_or(DType::F32, Variable::dtype);
    let all_stated = inputs.iter().all(|input| input.dtype.is_some());
    let inputs = inputs.iter().map(|input| input.zeros(floating)).collect::<Result<Vec<_>>>()?;
    let _penalties = KeptPenalties::of(model);
    let listening = Listening::start();
    let output = unobserved(|| {
        no_record(|| match &inputs[..] {
            [input] => model.forward_masked(input, None, Mode::Inference).map(|(output, _)| output),
            inputs => model.forward_many(&inputs.iter().collect::<Vec<_>>(), Mode::Inference),
        })
    });
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::DType { .. } if !all_stated => error
            .context(format!("summary of an input taken for {floating}, as `InputSpec::dtype` states no other type")),
        _ => error,
    })?;
    let Calls { rows, covered, .. } = listening.end();
    let mut rows: Vec<SummaryRow> = rows.into_iter().flatten().collect();
    let weights = model.weights();
    let own = weights.iter().filter(|weight| !covered.contains(&weight.id())).map(elements).sum();
    if rows.is_empty() || own > 0 {
        rows.push(SummaryRow::new(&[], model.describe(), output.shape().clone(), own));
    }
    Ok(Summary::of(model, rows))
}

fn elements(weight: &Variable) -> usize {
    weight.shape().size()
}

impl Summary {
    /// These rows, and what concerns the model as a whole.
    fn of(model: &dyn Layer, rows: Vec<SummaryRow>) -> Summary {
        let weights = model.weights();
        Summary {
            rows,
            parameters: weights.iter().map(elements).sum(),
            trainable: weights.iter().filter(|weight| weight.is_trainable()).map(elements).sum(),
            bytes: weights.iter().map(|weight| elements(weight) * weight.dtype().size_of()).sum(),
            nested: false,
        }
    }

    /// The table, with these texts for the rows' outputs.
    fn table(&self, f: &mut fmt::Formatter<'_>, output: impl Fn(&SummaryRow) -> String) -> fmt::Result {
        let mut lines = vec![["Layer".to_string(), "Output shape".into(), "Parameters".into()]];
        for row in self.rows.iter().filter(|row| self.nested || row.depth == 0) {
            let indent = 2 * row.depth;
            let layer = match &*row.name {
                "" => row.layer.clone(),
                name => format!("{:indent$}{name} ({})", "", row.layer),
            };
            lines.push([layer, output(row), thousands(row.parameters)]);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let [first, second, third] = [0, 1, 2].map(width);
        let rule = "─".repeat(first + second + third + 8);
        for (k, [layer, shape, count]) in lines.iter().enumerate() {
            writeln!(f, "{layer:first$}    {shape:second$}    {count:>third$}")?;
            if k == 0 {
                writeln!(f, "{rule}")?;
            }
        }
        writeln!(f, "{rule}")?;
        writeln!(f, "Parameters: {} ({})", thousands(self.parameters), binary_size(self.bytes))?;
        writeln!(f, "Trainable: {}", thousands(self.trainable))?;
        writeln!(f, "Not trainable: {}", thousands(self.parameters - self.trainable))
    }
}

impl SummaryRow {
    fn new(names: &[String], layer: String, output: Shape, parameters: usize) -> SummaryRow {
        let (path, name) = (names.join("."), names.last().cloned().unwrap_or_default());
        SummaryRow { path, depth: names.len().saturating_sub(1), layer, output, parameters, name }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f, |row| match row.output.split_first() {
            Some((1, sizes)) => format!("[batch{}]", sizes.iter().map(|size| format!(", {size}")).collect::<String>()),
            _ => row.output.to_string(),
        })
    }
}

/// The table of layers that are called in this order, with `?` for shapes: nothing is computed.
pub(crate) fn without_shapes<'l>(
    model: &dyn Layer,
    layers: impl Iterator<Item = (&'l str, &'l dyn Layer)>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let row = |(name, layer): (&str, &dyn Layer)| {
        SummaryRow::new(&[name.into()], layer.describe(), Shape::default(), layer.parameter_count())
    };
    Summary::of(model, layers.map(row).collect()).table(f, |_| "?".into())
}

/// The calls of layers that are recorded in the running task, if any are.
static CALLS: TaskLocal<RefCell<Option<Calls>>> = TaskLocal::new(RefCell::default);

/// The calls that were recorded.
#[derive(Default)]
struct Calls {
    /// In the order in which they began; those that failed stay empty.
    rows: Vec<Option<SummaryRow>>,
    /// The path of the call that runs.
    path: Vec<String>,
    /// The weights of layers that the model itself called.
    covered: HashSet<u32>,
}

/// Records calls until it is ended or dropped. What recorded before continues after it.
struct Listening {
    before: Option<Calls>,
    ended: bool,
}

impl Listening {
    fn start() -> Listening {
        Listening { before: CALLS.get().replace(Some(Calls::default())), ended: false }
    }

    fn end(mut self) -> Calls {
        self.ended = true;
        CALLS.get().replace(self.before.take()).unwrap_or_default()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if !self.ended {
            CALLS.get().replace(self.before.take());
        }
    }
}

/// A call that is recorded, until this is dropped.
pub(crate) struct Call {
    place: usize,
}

impl Call {
    /// The call of a layer under a name, if calls are recorded.
    #[inline]
    pub(crate) fn start(name: &str) -> Option<Call> {
        let calls = CALLS.get_if_set()?;
        let mut calls = calls.borrow_mut();
        let calls = calls.as_mut()?;
        calls.path.push(name.into());
        calls.rows.push(None);
        Some(Call { place: calls.rows.len() - 1 })
    }

    /// The layer gave an output.
    pub(crate) fn gave<L: Layer + ?Sized>(&self, layer: &L, output: &Tensor) {
        let (description, weights) = (layer.describe(), layer.weights());
        if let Some(calls) = CALLS.get().borrow_mut().as_mut() {
            if calls.path.len() == 1 {
                calls.covered.extend(weights.iter().map(Variable::id));
            }
            let parameters = weights.iter().map(elements).sum();
            let row = SummaryRow::new(&calls.path, description, output.shape().clone(), parameters);
            if let Some(place) = calls.rows.get_mut(self.place) {
                *place = Some(row);
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(calls) = CALLS.get().borrow_mut().as_mut() {
            calls.path.pop();
        }
    }
}

/// `1234567` as `1,234,567`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let mut out = digits[..lead].to_string();
    for k in (lead..digits.len()).step_by(3) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&digits[k..k + 3]);
    }
    out
}

/// Bytes in the unit that suits, such as `1.55 MiB`.
fn binary_size(bytes: usize) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{size:.2} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.2} GiB")
}
