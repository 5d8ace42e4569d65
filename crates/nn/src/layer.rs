//! What a layer is, and how it shows what it is made of.

use std::panic::Location;
use std::sync::Arc;

use autograd::Variable;
use tensor::profile::scope;
use tensor::{DType, Error, Result, Tensor, no_record};

use crate::finite;
use crate::mask::step_by_step;
use crate::penalty::Penalty;
use crate::stream::RandomStream;
use crate::summary::{Call, InputSpec, Summary, summary};
use crate::weight::{AsWeight, Rules};

/// What a forward pass is for. Layers such as dropout differ between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The result will be differentiated, and weights will change.
    Training,
    /// Only the result counts.
    Inference,
}

/// A function of tensors with weights: a layer, or a whole model made of layers.
///
/// Only [`forward`](Layer::forward) must be written, and [`visit`](Layer::visit) where there are
/// weights or layers inside; all else follows from these. Your own model is a plain struct:
///
/// ```
/// use nn::{Activation, Dense, Dropout, Layer, Mode, Sequential, parts};
/// use tensor::{DType, Result, Tensor};
///
/// /// Two layers, and what goes in added to what comes out.
/// struct Block {
///     hidden: Dense,
///     output: Dense,
/// }
///
/// impl Layer for Block {
///     parts!(hidden, output); // writes `visit`
///
///     fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
///         // `call` is `forward` with a name for errors.
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
pub trait Layer: Send + Sync {
    /// The output for one input.
    ///
    /// # Errors
    /// If the layer does not take such an input. Errors name the operation; who holds the layer
    /// puts its name in front ([`Layer::call`]).
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor>;

    /// The output for several inputs; a layer that takes more than one overrides this.
    ///
    /// # Errors
    /// As [`Layer::forward`], and if the layer takes another number of inputs.
    fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        match inputs {
            [input] => self.forward(input, mode),
            _ => Err(Error::argument(self.describe(), format!("takes 1 input, not {}", inputs.len()))),
        }
    }

    /// The output for a sequence with a mask, `[batch, time]` of type bool and false at the steps to be left out, and
    /// the mask for the layer after. A [`Sequential`](crate::Sequential) passes masks on from where they are made,
    /// [`Masking`](crate::Masking) or [`Embedding::mask_zero`](crate::Embedding::mask_zero).
    ///
    /// What stands at a step that the mask leaves out has no effect, even if it is NaN or infinite: outputs and
    /// gradients are as if it were 0. Recurrent layers leave such steps out, attention does not attend to them, averages
    /// do not count them, convolutions see zeros there. A layer that does not override this treats each step by itself:
    /// it computes with zeros at those steps and hands the mask on.
    ///
    /// # Errors
    /// As [`Layer::forward`], and if the mask does not suit a layer that heeds it, or the output of one that does not
    /// override this has other steps.
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        step_by_step(self, input, mask, mode)
    }

    /// Shows the visitor each weight, random stream and layer inside, under names that do not
    /// change, in an order that does not change. Layers without any need not override it.
    fn visit(&self, visitor: &mut Visitor) {
        let _ = visitor;
    }

    /// What kind of layer this is: the name of the type, unless overridden.
    fn kind(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit(':').next().unwrap_or(path)
    }

    /// The kind and what matters about it in few words, such as `Dense 784→512`.
    fn describe(&self) -> String {
        self.kind().to_string()
    }

    /// The layers that this one calls, with the shape of what each returns and its number of parameters, for an input
    /// of a given shape without the axis of samples. It prints as a table.
    ///
    /// ```
    /// use nn::{Dense, Embedding, GlobalAveragePool1d, InputSpec, Layer, Mode, parts};
    /// use tensor::{DType, Result, Tensor};
    ///
    /// struct Classifier {
    ///     embedding: Embedding,
    ///     output: Dense,
    /// }
    ///
    /// impl Layer for Classifier {
    ///     parts!(embedding, output);
    ///
    ///     fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
    ///         let words = self.embedding.call("embedding", input, mode)?;
    ///         let mean = GlobalAveragePool1d.call("mean", &words, mode)?;
    ///         self.output.call("output", &mean, mode)
    ///     }
    /// }
    ///
    /// let model = Classifier { embedding: Embedding::new(1000, 16), output: Dense::units(2) };
    /// let table = "
    /// Layer                            Output shape       Parameters
    /// ──────────────────────────────────────────────────────────────
    /// embedding (Embedding 1000→16)    [batch, 20, 16]        16,000
    /// mean (GlobalAveragePool1d)       [batch, 16]                 0
    /// output (Dense 16→2)              [batch, 2]                 34
    /// ──────────────────────────────────────────────────────────────
    /// Parameters: 16,034 (62.63 KiB)
    /// Trainable: 16,034
    /// Not trainable: 0
    /// ";
    /// let summary = model.summary(InputSpec::new([20]).dtype(DType::I64))?;
    /// assert_eq!(format!("\n{summary}"), table);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// The model is tried with one sample of zeros, so that layers which wait for a first input make their weights.
    /// Layers are found where they are called by [`Layer::call`]. [`summary`](crate::summary) takes several inputs.
    ///
    /// # Errors
    /// Returns an error if the layer does not take such an input.
    fn summary(&self, input: impl Into<InputSpec>) -> Result<Summary>
    where
        Self: Sized,
    {
        summary(self, &[input.into()])
    }

    /// [`forward`](Layer::forward) as part of a greater model: an error begins with the name given
    /// here and the layer's description, as in `output (Dense 16→4): matmul: …`, and a profile shows
    /// the time under that name.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    #[track_caller]
    fn call(&self, name: &str, input: &Tensor, mode: Mode) -> Result<Tensor> {
        under_name(self, name, || self.forward(input, mode), |output| output)
    }

    /// [`forward_many`](Layer::forward_many) as part of a greater model, as [`Layer::call`].
    ///
    /// # Errors
    /// As [`Layer::forward_many`].
    #[track_caller]
    fn call_many(&self, name: &str, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        under_name(self, name, || self.forward_many(inputs, mode), |output| output)
    }

    /// [`forward_masked`](Layer::forward_masked) as part of a greater model, as [`Layer::call`].
    ///
    /// # Errors
    /// As [`Layer::forward_masked`].
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

    /// All weights, those of layers inside included, in the order in which they are shown; one that
    /// is shown in several places, as of layers that share it, counts at the first. Weights that
    /// wait for a first input to know their shape are missing before it.
    fn weights(&self) -> Vec<Variable> {
        let mut weights = Vec::new();
        each_weight(|visitor| self.visit(visitor), |_, weight| weights.push(weight.clone()));
        weights
    }

    /// The weights that training changes.
    fn trainable_weights(&self) -> Vec<Variable> {
        let mut weights = self.weights();
        weights.retain(Variable::is_trainable);
        weights
    }

    /// All weights with their paths, such as `dense_1.kernel`.
    fn named_weights(&self) -> Vec<(String, Variable)> {
        let mut weights = Vec::new();
        each_weight(|visitor| self.visit(visitor), |path, weight| weights.push((path.to_string(), weight.clone())));
        weights
    }

    /// The weight with this path.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
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

    /// The random streams with their paths; a checkpoint keeps their states.
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
    /// If `dtype` is not floating.
    fn cast(&self, dtype: DType) -> Result<()> {
        self.weights().iter().try_for_each(|weight| weight.cast(dtype))
    }

    /// Sets whether training changes the weights: all of them but those that the layer itself keeps
    /// up to date ([`Visitor::state`]), which it never does.
    fn set_trainable(&self, trainable: bool) {
        self.visit(&mut Visitor::new(&mut |_, part| {
            if let Part::Weight(weight) = part {
                weight.set_trainable(trainable);
            }
        }));
    }

    /// What the regularizers add to the loss: the sum of the penalties on all trainable weights, each counted
    /// once, and of those that [`ActivityRegularization`](crate::ActivityRegularization) keeps of the last call.
    /// Nothing if there are none. On a tape it is differentiable as any other value:
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
    /// If a regularizer is not defined for the weight's shape, or weights differ in type.
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
        let mut seen = Seen::default();
        self.visit(&mut Visitor::new(&mut |path, part| match part {
            Part::Rules(weight, Rules { regularizer: Some(regularizer), .. })
                if weight.is_trainable() && seen.is_new(weight) =>
            {
                add(path, regularizer.penalty(&weight.value()));
            }
            Part::Penalty(penalty) => penalty.take().into_iter().for_each(|penalty| add(path, Ok(penalty))),
            _ => {}
        }));
        sum
    }

    /// Puts what its constraint makes of it in the place of each trainable weight that has one; for after a step
    /// of an optimizer. Never recorded.
    ///
    /// # Errors
    /// If a constraint is not defined for the weight's shape.
    fn apply_constraints(&self) -> Result<()> {
        let mut result = Ok(());
        let mut seen = Seen::default();
        self.visit(&mut Visitor::new(&mut |path, part| {
            if let Part::Rules(weight, Rules { constraint: Some(constraint), .. }) = part
                && result.is_ok()
                && weight.is_trainable()
                && seen.is_new(weight)
            {
                let projected = no_record(|| constraint.project(&weight.value()));
                result = projected.and_then(|value| weight.assign(value)).map_err(|error| error.context(path));
            }
        }));
        result
    }

    /// Names each weight by its path, for errors and printed tapes. [`Sequential`](crate::Sequential)
    /// does so by itself.
    fn name_weights(&self) {
        for (path, weight) in self.named_weights() {
            weight.set_name(path);
        }
    }
}

/// Runs a layer under a name, for errors, profiles and summaries; looks at its output if somebody
/// [searches](crate::first_non_finite).
#[track_caller]
pub(crate) fn under_name<L: Layer + ?Sized, R>(
    layer: &L,
    name: &str,
    run: impl FnOnce() -> Result<R>,
    output: impl Fn(&R) -> &Tensor,
) -> Result<R> {
    let _scope = scope(name);
    let place = Location::caller();
    let call = Call::start(name);
    let checked = run().and_then(|result| finite::check(output(&result)).map(|()| result));
    if let (Some(call), Ok(result)) = (&call, &checked) {
        call.gave(layer, output(result));
    }
    checked.map_err(|error| error.at(place).context(format!("{name} ({})", layer.describe())))
}

/// Calls `see` for each weight that is shown, once, with the path at which it is first shown.
fn each_weight(visit: impl FnOnce(&mut Visitor), see: impl FnMut(&str, &Variable)) {
    each_new_weight(&mut Seen::default(), visit, see);
}

/// As [`each_weight`], without the weights that were seen before.
pub(crate) fn each_new_weight(seen: &mut Seen, visit: impl FnOnce(&mut Visitor), mut see: impl FnMut(&str, &Variable)) {
    visit(&mut Visitor::new(&mut |path, part| {
        if let Part::Weight(weight) | Part::State(weight) = part
            && seen.is_new(weight)
        {
            see(path, weight);
        }
    }));
}

/// The numbers of the variables that were shown, sorted; they mostly come in ascending order, and are then
/// appended.
#[derive(Default)]
pub(crate) struct Seen(Vec<u32>);

impl Seen {
    fn is_new(&mut self, variable: &Variable) -> bool {
        let place = self.0.binary_search(&variable.id());
        if let Err(place) = place {
            self.0.insert(place, variable.id());
        }
        place.is_err()
    }
}

/// One of the things that layers are made of.
pub enum Part<'a> {
    /// A variable, trainable or not.
    Weight(&'a Variable),
    /// The rules for the weight that was shown last.
    Rules(&'a Variable, &'a Rules),
    /// A variable that the layer itself keeps up to date: among the weights, but never trainable.
    State(&'a Variable),
    /// A penalty on what a layer gave in its last call.
    Penalty(&'a Penalty),
    /// A source of random numbers.
    Stream(&'a RandomStream),
    /// A layer inside; its own parts follow.
    Layer(&'a dyn Layer),
}

/// Goes through the parts of a layer; [`Layer::visit`] shows them to it.
pub struct Visitor<'a> {
    path: String,
    /// How many layers within each other are being shown, and the most that have been.
    depth: usize,
    deepest: usize,
    see: &'a mut dyn FnMut(&str, Part<'_>),
}

impl<'a> Visitor<'a> {
    /// A visitor that calls `see` with the path of each part and the part.
    pub fn new(see: &'a mut dyn FnMut(&str, Part<'_>)) -> Visitor<'a> {
        Visitor { path: String::new(), depth: 0, deepest: 0, see }
    }

    /// Shows a weight, and the rules for it if it is a [`Weight`](crate::Weight).
    pub fn weight(&mut self, name: &str, weight: &impl AsWeight) {
        self.within(name, |visitor| {
            (visitor.see)(&visitor.path, Part::Weight(weight.variable()));
            if let Some(rules) = weight.rules() {
                (visitor.see)(&visitor.path, Part::Rules(weight.variable(), rules));
            }
        });
    }

    /// Shows a variable that is not trainable and that the layer itself keeps up to date, such as a
    /// running mean.
    pub fn state(&mut self, name: &str, state: &Variable) {
        self.within(name, |visitor| (visitor.see)(&visitor.path, Part::State(state)));
    }

    /// Shows parts under a name of their own that are no layer.
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

    /// Shows a layer and then, under its name, what it is made of.
    pub fn layer(&mut self, name: &str, layer: &dyn Layer) {
        self.within(name, |visitor| {
            visitor.depth += 1;
            visitor.deepest = visitor.deepest.max(visitor.depth);
            (visitor.see)(&visitor.path, Part::Layer(layer));
            layer.visit(visitor);
            visitor.depth -= 1;
        });
    }

    /// The most layers within each other that were shown.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// One buffer holds the path of whatever is being shown, so that a visit allocates next to
    /// nothing.
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

macro_rules! layers_by_reference {
    ($($pointer:ty),*) => {$(
        impl<L: Layer + ?Sized> Layer for $pointer {
            fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
                (**self).forward(input, mode)
            }
            fn forward_many(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
                (**self).forward_many(inputs, mode)
            }
            fn forward_masked(
                &self,
                input: &Tensor,
                mask: Option<&Tensor>,
                mode: Mode,
            ) -> Result<(Tensor, Option<Tensor>)> {
                (**self).forward_masked(input, mask, mode)
            }
            fn visit(&self, visitor: &mut Visitor) {
                (**self).visit(visitor);
            }
            fn kind(&self) -> &'static str {
                (**self).kind()
            }
            fn describe(&self) -> String {
                (**self).describe()
            }
        }
    )*};
}

layers_by_reference!(&L, Box<L>, Arc<L>);
