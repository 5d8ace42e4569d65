//! The trait of all layers, and the visitor that walks over a layer's weights and inner layers.

use std::panic::Location;

use autograd::Variable;
use tensor::profile::scope;
use tensor::{DType, Error, Result, Tensor, no_record};

use crate::call::Observers;
use crate::mask::{check_steps_remain, zero_masked};
use crate::mode::Mode;
use crate::penalty::Penalty;
use crate::stream::RandomStream;
use crate::summary::{InputSpec, Summary, summary};
use crate::variable_set::VariableSet;
use crate::weight::{AsWeight, ParameterSpec};

/// A function of tensors with weights: a layer, or a whole model made of layers.
///
/// Implement [`forward`](Layer::forward), and [`visit`](Layer::visit) if the layer contains weights or other layers; the
/// other methods are derived from these two. A model of your own is a plain struct:
///
/// ```
/// use nn::{Activation, Dense, Dropout, Layer, Mode, Sequential, parts};
/// use tensor::{DType, Result, Tensor};
///
/// /// Two layers with a residual connection.
/// struct Block {
///     hidden: Dense,
///     output: Dense,
/// }
///
/// impl Layer for Block {
///     parts!(hidden, output); // writes `visit`
///
///     fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
///         // `call` is `forward` with a name for error messages.
///         let hidden = self.hidden.call("hidden", input, mode)?;
///         self.output.call("output", &hidden, mode)?.try_add(input)
///     }
/// }
///
/// let block = || Block { hidden: Dense::units(16).activation(Activation::Gelu), output: Dense::new(16, 4) };
/// let model = Sequential::new().add(block()).add(Dropout::new(0.1)).add_named("head", block());
///
/// let output = model.forward(&Tensor::ones([2, 4]), Mode::Inference)?;
/// assert_eq!(output.shape(), &[2, 4]);
/// let names: Vec<String> = model.named_weights().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names[..2], ["block.hidden.kernel", "block.hidden.bias"]);
/// assert_eq!(names[7], "head.output.bias");
/// assert_eq!(model.parameter_count(), 2 * (4 * 16 + 16 + 16 * 4 + 4));
///
/// let wrong = model.forward(&Tensor::ones([2, 5]), Mode::Inference).unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "block (Block): hidden (Dense 4→16): matmul: [2, 5] × [4, 16]: the inner sizes 5 and 4 differ"
/// );
/// model.cast(DType::F64)?;
/// assert_eq!(model.weight("head.output.bias")?.dtype(), DType::F64);
/// # Ok::<(), tensor::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "expected a layer or a model",
    note = "implement `nn::Layer` for `{Self}`: `forward`, and `parts!(field, …)` for the fields that are weights or layers",
    note = "a layer is a value: `Dense::new(4, 8)`, not `Dense`"
)]
pub trait Layer: Send + Sync {
    /// Computes the output for one input.
    ///
    /// # Errors
    /// Returns an error if the input's shape or type is not supported. It names the operation; [`Layer::call`] adds the
    /// name of the layer.
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Computes the output for several inputs. Override it for a layer with more than one.
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward`], and an error if the number of inputs is wrong.
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        match inputs {
            [input] => self.forward(input, mode),
            _ => Err(Error::argument(self.describe(), format!("takes 1 input, not {}", inputs.len()))),
        }
    }

    /// Computes the output for a sequence with a mask, and the mask for the next layer. A mask is `[batch, time]` of
    /// type bool, false at the steps to exclude. A [`Sequential`](crate::Sequential) passes masks on from the layer that
    /// makes them, [`Masking`](crate::Masking) or [`Embedding::mask_zero`](crate::Embedding::mask_zero).
    ///
    /// The values at excluded steps have no effect, even if they are NaN or infinite: outputs and gradients are as if
    /// these values were 0. Recurrent layers skip such steps, attention does not attend to them, averages do not count
    /// them, and convolutions see zeros. The default treats each step independently: it computes with zeros at excluded
    /// steps and passes the mask on.
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward`], and an error if the mask does not fit the input or the layer does not
    /// support masks. The default returns an error if the output does not have the steps of the input.
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        forward_per_step(self, input, mask, mode)
    }

    /// Shows the visitor each weight, random stream and inner layer, always under the same names and in the same
    /// order. The default shows nothing.
    fn visit(&self, visitor: &mut Visitor) {
        let _ = visitor;
    }

    /// The kind of layer; the name of the type by default.
    fn kind(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit(':').next().unwrap_or(path)
    }

    /// A short description such as `Dense 784→512`; the kind by default.
    fn describe(&self) -> String {
        self.kind().to_string()
    }

    /// Lists the layers that this one calls, with their output shapes and numbers of parameters, for an input of the
    /// given shape without the batch axis. The summary prints as a table.
    ///
    /// ```
    /// use nn::{Dense, Embedding, GlobalAveragePool1d, InputSpec, Layer, Sequential};
    /// use tensor::DType;
    ///
    /// let model = Sequential::new().add(Embedding::new(1000, 16)).add(GlobalAveragePool1d).add(Dense::units(2));
    /// let table = "
    /// Layer                                          Output shape       Parameters
    /// ────────────────────────────────────────────────────────────────────────────
    /// embedding (Embedding 1000→16)                  [batch, 20, 16]        16,000
    /// global_average_pool1d (GlobalAveragePool1d)    [batch, 16]                 0
    /// dense (Dense 16→2)                             [batch, 2]                 34
    /// ────────────────────────────────────────────────────────────────────────────
    /// Parameters: 16,034 (62.63 KiB)
    /// Trainable: 16,034
    /// Not trainable: 0
    /// ";
    /// let summary = model.summary(InputSpec::new([20]).dtype(DType::I64))?;
    /// assert_eq!(format!("\n{summary}"), table);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// The model is run on one sample of zeros, which initializes weights that wait for a first input. Layers are found
    /// where they are called with [`Layer::call`]. For several inputs use [`summary`](crate::summary()).
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward`].
    fn summary(&self, input: impl Into<InputSpec>) -> Result<Summary>
    where
        Self: Sized,
    {
        summary(self, &[input.into()])
    }

    /// Runs [`forward`](Layer::forward) as part of a larger model: errors begin with the given name and the layer's
    /// description, as in `output (Dense 16→4): matmul: …`, and profiles list the time under that name.
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward`].
    #[track_caller]
    fn call(&self, name: &str, input: &Tensor, mode: Mode) -> Result<Tensor> {
        under_name(self, name, || self.forward(input, mode), |output| output)
    }

    /// Runs [`forward_many`](Layer::forward_many) as part of a larger model, like [`Layer::call`].
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward_many`].
    #[track_caller]
    fn call_many(&self, name: &str, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        under_name(self, name, || self.forward_many(inputs, mode), |output| output)
    }

    /// Runs [`forward_masked`](Layer::forward_masked) as part of a larger model, like [`Layer::call`].
    ///
    /// # Errors
    /// Returns the errors of [`Layer::forward_masked`].
    #[track_caller]
    fn call_masked(
        &self,
        name: &str,
        input: &Tensor,
        mask: Option<&Tensor>,
        mode: Mode,
    ) -> Result<(Tensor, Option<Tensor>)> {
        under_name(self, name, || self.forward_masked(input, mask, mode), |(output, _)| output)
    }

    /// All weights, including those of inner layers, in the order of [`visit`](Layer::visit). A weight that several
    /// layers share is listed once, at its first place. Weights whose shape depends on the first input are missing
    /// before the first call.
    fn weights(&self) -> Vec<Variable> {
        let mut weights = Vec::new();
        each_weight(
            &mut VariableSet::default(),
            |visitor| self.visit(visitor),
            |_, weight| weights.push(weight.clone()),
        );
        weights
    }

    /// The weights that training changes.
    fn trainable_weights(&self) -> Vec<Variable> {
        let mut weights = self.weights();
        weights.retain(Variable::is_trainable);
        weights
    }

    /// All [weights](Layer::weights) with their paths, such as `dense_1.kernel`.
    fn named_weights(&self) -> Vec<(String, Variable)> {
        let mut weights = Vec::new();
        let push = |path: &str, weight: &Variable| weights.push((path.to_string(), weight.clone()));
        each_weight(&mut VariableSet::default(), |visitor| self.visit(visitor), push);
        weights
    }

    /// The weight with this path.
    ///
    /// # Errors
    /// Returns an error if there is no such weight; it lists the paths of all weights.
    fn weight(&self, path: &str) -> Result<Variable> {
        let mut weights = self.named_weights();
        match weights.iter().position(|(name, _)| name == path) {
            Some(k) => Ok(weights.swap_remove(k).1),
            None => {
                let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("{} has no weight {path}; it has [{}]", self.describe(), names.join(", "));
                Err(Error::argument("weight", message))
            }
        }
    }

    /// The random streams with their paths. Checkpoints save their states.
    fn named_streams(&self) -> Vec<(String, RandomStream)> {
        let mut streams = Vec::new();
        self.visit(&mut Visitor::new(&mut |path, part| {
            if let Part::Stream(stream) = part {
                streams.push((path.to_string(), stream.clone()));
            }
        }));
        streams
    }

    /// The number of elements of all weights.
    fn parameter_count(&self) -> usize {
        self.weights().iter().map(|weight| weight.shape().size()).sum()
    }

    /// Converts all weights to another floating type.
    ///
    /// # Errors
    /// Returns an error if `dtype` is not floating.
    fn cast(&self, dtype: DType) -> Result<()> {
        self.weights().iter().try_for_each(|weight| weight.cast(dtype))
    }

    /// Sets whether training changes the weights. Variables that the layer itself updates ([`Visitor::state`]) are never
    /// trainable.
    fn set_trainable(&self, trainable: bool) {
        self.visit(&mut Visitor::new(&mut |_, part| {
            if let Part::Weight(weight) = part {
                weight.set_trainable(trainable);
            }
        }));
    }

    /// The sum of all penalties: those of the regularizers on trainable weights, each weight counted once, and those
    /// that [`ActivityRegularization`](crate::ActivityRegularization) layers computed in their last call. `None` if
    /// there are no penalties. Tapes record the computation:
    ///
    /// ```
    /// # use nn::{Dense, Initializer, L2, Layer};
    /// let kernel = Initializer::Constant(0.5);
    /// let layer = Dense::new(2, 3).kernel_initializer(kernel).kernel_regularizer(L2(0.1));
    /// let penalty = layer.regularization_loss()?.expect("there is a regularizer");
    /// assert!((penalty.item()? - 0.1 * 6.0 * 0.25).abs() < 1e-6);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if a regularizer is not defined for a weight's shape, or weights differ in type.
    fn regularization_loss(&self) -> Result<Option<Tensor>> {
        let mut sum: Result<Option<Tensor>> = Ok(None);
        let mut add = |path: &str, penalty: Result<Tensor>| {
            let Ok(before) = &sum else { return };
            let penalty = penalty.map_err(|error| error.context(path));
            let after = penalty.and_then(|penalty| match before {
                Some(before) => before.try_add(penalty),
                None => Ok(penalty),
            });
            sum = after.map(Some);
        };
        let mut seen = VariableSet::default();
        self.visit(&mut Visitor::new(&mut |path, part| match part {
            Part::Spec(weight, ParameterSpec { regularizer: Some(regularizer), .. })
                if weight.is_trainable() && seen.insert(weight) =>
            {
                add(path, regularizer.penalty(&weight.value()));
            }
            Part::Penalty(penalty) => penalty.take().into_iter().for_each(|penalty| add(path, Ok(penalty))),
            _ => {}
        }));
        sum
    }

    /// Replaces each trainable weight that has a constraint by its projection. Call it after each optimizer step. Tapes
    /// do not record it.
    ///
    /// # Errors
    /// Returns an error if a constraint is not defined for a weight's shape.
    fn apply_constraints(&self) -> Result<()> {
        let mut result = Ok(());
        let mut seen = VariableSet::default();
        self.visit(&mut Visitor::new(&mut |path, part| {
            if let Part::Spec(weight, ParameterSpec { constraint: Some(constraint), .. }) = part
                && result.is_ok()
                && weight.is_trainable()
                && seen.insert(weight)
            {
                let projected = no_record(|| constraint.project(&weight.value()));
                result = projected.and_then(|value| weight.assign(value)).map_err(|error| error.context(path));
            }
        }));
        result
    }

    /// Names each weight by its path, for errors and printed tapes. [`Sequential`](crate::Sequential) does so
    /// automatically.
    fn name_weights(&self) {
        for (path, weight) in self.named_weights() {
            weight.set_name(path);
        }
    }
}

/// Runs a layer under a name, for errors, profiles and the [observers](Observers) of calls.
#[track_caller]
fn under_name<L: Layer + ?Sized, R>(
    layer: &L,
    name: &str,
    run: impl FnOnce() -> Result<R>,
    output: impl Fn(&R) -> &Tensor,
) -> Result<R> {
    let _scope = scope(name);
    let place = Location::caller();
    let result = match Observers::current() {
        Some(observers) => observers.observe(name, run, output, || (layer.describe(), layer.weights())),
        None => run(),
    };
    result.map_err(|error| error.at(place).context(format!("{name} ({})", layer.describe())))
}

/// [`Layer::forward_masked`] of a layer that treats each step independently: the mask is passed on as it is.
pub(crate) fn forward_per_step<L: Layer + ?Sized>(
    layer: &L,
    input: &Tensor,
    mask: Option<&Tensor>,
    mode: Mode,
) -> Result<(Tensor, Option<Tensor>)> {
    let Some(mask) = mask else { return Ok((layer.forward(input, mode)?, None)) };
    let output = layer.forward(&zero_masked(layer.kind(), input, mask)?, mode)?;
    check_steps_remain(|| layer.describe(), &output, mask)?;
    Ok((output, Some(mask.clone())))
}

/// Calls `see` for each weight that is not in `seen`, once, with the path at which `visit` first shows it.
pub(crate) fn each_weight(
    seen: &mut VariableSet,
    visit: impl FnOnce(&mut Visitor),
    mut see: impl FnMut(&str, &Variable),
) {
    visit(&mut Visitor::new(&mut |path, part| {
        if let Part::Weight(weight) | Part::State(weight) = part
            && seen.insert(weight)
        {
            see(path, weight);
        }
    }));
}

/// The penalties of a model, in the order of [`Layer::visit`].
pub(crate) fn penalties_of(model: &dyn Layer) -> Vec<Penalty> {
    let mut penalties = Vec::new();
    model.visit(&mut Visitor::new(&mut |_, part| {
        if let Part::Penalty(penalty) = part {
            penalties.push(penalty.clone());
        }
    }));
    penalties
}

/// A part of a layer, as [`Layer::visit`] shows it.
pub enum Part<'a> {
    /// A variable, trainable or not.
    Weight(&'a Variable),
    /// The regularizer and constraint of the weight shown before.
    Spec(&'a Variable, &'a ParameterSpec),
    /// A variable that the layer itself updates: among the weights, but never trainable.
    State(&'a Variable),
    /// A penalty on values of the layer's last call.
    Penalty(&'a Penalty),
    /// A source of random numbers.
    Stream(&'a RandomStream),
    /// An inner layer. Its parts follow.
    Layer(&'a dyn Layer),
}

/// Walks over the parts of a layer. [`Layer::visit`] calls its methods.
pub struct Visitor<'a> {
    path: String,
    /// The nesting depth of the layer that is being shown, and the largest so far.
    depth: usize,
    max_depth: usize,
    see: &'a mut dyn FnMut(&str, Part<'_>),
}

impl<'a> Visitor<'a> {
    /// A visitor that calls `see` with each part and its path.
    pub fn new(see: &'a mut dyn FnMut(&str, Part<'_>)) -> Visitor<'a> {
        Visitor { path: String::new(), depth: 0, max_depth: 0, see }
    }

    /// Shows a weight, and for a [`Weight`](crate::Weight) its regularizer and constraint.
    pub fn weight(&mut self, name: &str, weight: &impl AsWeight) {
        self.within(name, |visitor| {
            (visitor.see)(&visitor.path, Part::Weight(weight.variable()));
            if let Some(spec) = weight.spec() {
                (visitor.see)(&visitor.path, Part::Spec(weight.variable(), spec));
            }
        });
    }

    /// Shows a variable that the layer itself updates and that is not trainable, such as a running mean.
    pub fn state(&mut self, name: &str, state: &Variable) {
        self.within(name, |visitor| (visitor.see)(&visitor.path, Part::State(state)));
    }

    /// Shows several parts under a common name, without a layer around them.
    pub fn group(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        self.within(name, show);
    }

    /// Shows a penalty.
    pub fn penalty(&mut self, name: &str, penalty: &Penalty) {
        self.within(name, |visitor| (visitor.see)(&visitor.path, Part::Penalty(penalty)));
    }

    /// Shows a random stream.
    pub fn stream(&mut self, name: &str, stream: &RandomStream) {
        self.within(name, |visitor| (visitor.see)(&visitor.path, Part::Stream(stream)));
    }

    /// Shows an inner layer, and then its parts under its name.
    pub fn layer(&mut self, name: &str, layer: &dyn Layer) {
        self.within(name, |visitor| {
            visitor.depth += 1;
            visitor.max_depth = visitor.max_depth.max(visitor.depth);
            (visitor.see)(&visitor.path, Part::Layer(layer));
            layer.visit(visitor);
            visitor.depth -= 1;
        });
    }

    /// The largest nesting depth of the layers shown so far.
    pub(crate) fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// Runs `show` with `name` appended to the path. All paths share one buffer, so a visit hardly allocates.
    fn within(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        show(self);
        self.path.truncate(length);
    }
}
