//! The layers that a model calls, as a table.

use std::collections::HashSet;
use std::fmt;

use autograd::Variable;
use tensor::profile::unobserved;
use tensor::{DType, ErrorKind, Result, Shape, Tensor, no_record};

use crate::call::{CallRecorder, RecordedCall};
use crate::layer::{Layer, penalties_of};
use crate::mode::Mode;
use crate::penalty::PenaltySnapshot;

/// The shape of an input without the batch axis, and its element type. Arrays and slices of sizes convert to it.
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
    /// An input of this shape, in the model's floating type.
    pub fn new(shape: impl Into<Shape>) -> InputSpec {
        InputSpec { shape: shape.into(), dtype: None }
    }

    /// Sets the element type. Models that begin with an embedding need integers.
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

/// The layers that a model calls, in the order of the calls. It prints as a table.
///
/// A weight that several layers share, or a layer that is called several times, counts in the first row only; the other
/// rows are marked `(shared)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The calls. The last row is the model itself if it has weights outside of the layers that it calls, or calls none.
    pub rows: Vec<SummaryRow>,
    /// The number of elements of all weights.
    pub parameters: usize,
    /// The number of elements of the trainable weights.
    pub trainable: usize,
    /// The size of all weights in bytes.
    pub bytes: usize,
    nested: bool,
}

/// A call of a layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SummaryRow {
    /// The path under which it was called, such as `encoder.dense_1`; empty for the model itself.
    pub path: String,
    /// The number of layers around the call, not counting the model.
    pub depth: usize,
    /// The layer's description, from [`Layer::describe`].
    pub layer: String,
    /// The shape of the output for one sample. The first axis is the batch, unless the layer removed it.
    pub output: Shape,
    /// The number of elements of the layer's weights, without those that an earlier row counts.
    pub parameters: usize,
    /// Whether an earlier row counts some of the layer's weights.
    pub shared: bool,
    /// The last part of the path, which may contain dots.
    name: String,
}

impl Summary {
    /// Shows inner layers too, each in a row below the layer that calls it.
    #[must_use]
    pub fn expand_nested(self) -> Summary {
        Summary { nested: true, ..self }
    }
}

/// Lists the layers that a model calls, for inputs of given shapes and types. It is [`Layer::summary`] for a model with
/// several inputs, or behind a `dyn Layer`.
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
/// Returns an error if the model does not support inputs of these shapes and types.
pub fn summary(model: &dyn Layer, inputs: &[InputSpec]) -> Result<Summary> {
    let floating = model.weights().first().map_or(DType::F32, Variable::dtype);
    let all_stated = inputs.iter().all(|input| input.dtype.is_some());
    let inputs = inputs.iter().map(|input| input.zeros(floating)).collect::<Result<Vec<_>>>()?;
    let _penalties = PenaltySnapshot::of(penalties_of(model));
    let recorder = CallRecorder::start();
    let output = unobserved(|| {
        no_record(|| match &inputs[..] {
            [input] => model.forward_masked(input, None, Mode::Inference).map(|(output, _)| output),
            inputs => model.forward_many(&inputs.iter().collect::<Vec<_>>(), Mode::Inference),
        })
    });
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::DType { .. } if !all_stated => {
            error.context(format!("summary with inputs of type {floating} (set another one with `InputSpec::dtype`)"))
        }
        _ => error,
    })?;
    let calls = recorder.finish();
    let in_calls: HashSet<u32> = calls.iter().flat_map(|call| &call.weights).map(Variable::id).collect();
    let mut rows = rows(calls);
    let own = model.weights().iter().filter(|weight| !in_calls.contains(&weight.id())).map(elements).sum();
    if rows.is_empty() || own > 0 {
        let (layer, output) = (model.describe(), output.shape().clone());
        let (path, name) = (String::new(), String::new());
        rows.push(SummaryRow { path, depth: 0, layer, output, parameters: own, shared: false, name });
    }
    Ok(Summary::of(model, rows))
}

/// The rows of some calls. Each weight counts in one call of each depth, the first, and in the calls around that one.
fn rows(calls: Vec<RecordedCall>) -> Vec<SummaryRow> {
    let all: HashSet<u32> = calls.iter().flat_map(|call| &call.weights).map(Variable::id).collect();
    // By depth, the weights that a call may still count. Within a call these are the weights which that call counts.
    let mut uncounted = vec![all];
    let row = |call: RecordedCall| {
        let depth = call.path.len().saturating_sub(1);
        uncounted.truncate(depth + 1);
        while uncounted.len() <= depth {
            // The call around this one failed, and the layer that called it caught the error.
            uncounted.push(uncounted.last().cloned().unwrap_or_default());
        }
        let counted: Vec<&Variable> =
            call.weights.iter().filter(|weight| uncounted[depth].remove(&weight.id())).collect();
        uncounted.push(counted.iter().map(|weight| weight.id()).collect());
        SummaryRow {
            path: call.path.join("."),
            depth,
            layer: call.layer,
            output: call.output,
            parameters: counted.iter().map(|weight| elements(weight)).sum(),
            shared: counted.len() < call.weights.len(),
            name: call.path.last().cloned().unwrap_or_default(),
        }
    };
    calls.into_iter().map(row).collect()
}

fn elements(weight: &Variable) -> usize {
    weight.shape().size()
}

impl Summary {
    /// These rows, and the totals of the model.
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

    /// Writes the table, with the output column formatted by `output`.
    fn write_table(&self, f: &mut fmt::Formatter<'_>, output: impl Fn(&SummaryRow) -> String) -> fmt::Result {
        let mut lines = vec![["Layer".to_string(), "Output shape".into(), "Parameters".into()]];
        for row in self.rows.iter().filter(|row| self.nested || row.depth == 0) {
            let indent = 2 * row.depth;
            let layer = match &*row.name {
                "" => row.layer.clone(),
                name => format!("{:indent$}{name} ({})", "", row.layer),
            };
            let shared = if row.shared { " (shared)" } else { "" };
            lines.push([layer, output(row), format!("{}{shared}", thousands(row.parameters))]);
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_table(f, |row| match row.output.split_first() {
            Some((1, sizes)) => format!("[batch{}]", sizes.iter().map(|size| format!(", {size}")).collect::<String>()),
            _ => row.output.to_string(),
        })
    }
}

/// Writes the table of layers that are called in this order, with `?` for shapes: no forward pass runs.
pub(crate) fn write_without_shapes<'l>(
    model: &dyn Layer,
    layers: impl Iterator<Item = (&'l str, &'l dyn Layer)>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let call = |(name, layer): (&str, &dyn Layer)| RecordedCall {
        path: vec![name.into()],
        layer: layer.describe(),
        weights: layer.weights(),
        output: Shape::default(),
    };
    Summary::of(model, rows(layers.map(call).collect())).write_table(f, |_| "?".into())
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

/// A number of bytes in a suitable unit, such as `1.55 MiB`.
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
