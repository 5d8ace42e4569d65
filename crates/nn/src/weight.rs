//! Weights with regularizers and constraints, and the options of a layer's weights.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use autograd::Variable;
use tensor::{Argument, Operand};

use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;

/// The regularizer and the constraint of a parameter.
#[derive(Clone, Debug, Default)]
pub struct ParameterSpec {
    /// The penalty added to the loss ([`Layer::regularization_loss`](crate::Layer::regularization_loss)).
    pub regularizer: Option<Arc<dyn Regularizer>>,
    /// The projection applied after each step ([`Layer::apply_constraints`](crate::Layer::apply_constraints)).
    pub constraint: Option<Arc<dyn Constraint>>,
}

/// A variable with an optional regularizer and constraint. It can be used wherever the variable can.
///
/// Layers of this crate have builder methods for theirs (`kernel_regularizer`, `bias_constraint`, …). In a layer of
/// your own, use it in place of the variable:
///
/// ```
/// use nn::{L2, Layer, Mode, NonNeg, Variable, Visitor, Weight};
/// use tensor::{Result, Tensor, tensor};
///
/// struct Scale(Weight);
///
/// impl Layer for Scale {
///     fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
///         input.try_mul(&self.0)
///     }
///
///     fn visit(&self, visitor: &mut Visitor) {
///         visitor.weight("scale", &self.0);
///     }
/// }
///
/// let layer = Scale(Weight::new(Variable::new(tensor![-2.0, 3.0])).regularizer(L2(0.1)).constraint(NonNeg));
/// assert!((layer.regularization_loss()?.unwrap().item()? - 1.3).abs() < 1e-6);
/// layer.apply_constraints()?;
/// assert_eq!(layer.weight("scale")?.value().to_vec::<f32>()?, [0.0, 3.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weight {
    pub(crate) variable: Variable,
    pub(crate) spec: ParameterSpec,
}

impl Weight {
    /// A weight without regularizer and constraint.
    pub fn new(variable: Variable) -> Weight {
        Weight { variable, spec: ParameterSpec::default() }
    }

    /// Sets the regularizer.
    #[must_use]
    pub fn regularizer(mut self, regularizer: impl Regularizer + 'static) -> Weight {
        self.spec.regularizer = Some(Arc::new(regularizer));
        self
    }

    /// Sets the constraint.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Constraint + 'static) -> Weight {
        self.spec.constraint = Some(Arc::new(constraint));
        self
    }
}

impl Deref for Weight {
    type Target = Variable;

    fn deref(&self) -> &Variable {
        &self.variable
    }
}

impl Operand for Weight {
    fn argument(&self) -> Argument<'_> {
        Argument::Tensor(Cow::Owned(self.value()))
    }
}

/// A variable or a [`Weight`], for [`Visitor::weight`](crate::Visitor::weight).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a weight",
    label = "expected a `Variable` or a `Weight`",
    note = "show inner layers with `Visitor::layer` and random streams with `Visitor::stream`"
)]
pub trait AsWeight {
    /// The variable.
    fn variable(&self) -> &Variable;

    /// The regularizer and the constraint; `None` for a plain variable.
    fn spec(&self) -> Option<&ParameterSpec> {
        None
    }
}

impl AsWeight for Variable {
    fn variable(&self) -> &Variable {
        self
    }
}

impl AsWeight for Weight {
    fn variable(&self) -> &Variable {
        &self.variable
    }

    fn spec(&self) -> Option<&ParameterSpec> {
        Some(&self.spec)
    }
}

/// The options of one weight of a layer.
#[derive(Clone, Debug)]
pub(crate) struct WeightOptions {
    pub(crate) initializer: Initializer,
    pub(crate) spec: ParameterSpec,
}

impl From<Initializer> for WeightOptions {
    fn from(initializer: Initializer) -> WeightOptions {
        WeightOptions { initializer, spec: ParameterSpec::default() }
    }
}

/// Setters for the options of a weight. If the weight is `None`, because the layer is built without it, they do nothing.
pub(crate) trait ConfigureWeight {
    fn options(&mut self) -> Option<&mut WeightOptions>;

    fn set_initializer(&mut self, initializer: Initializer) {
        if let Some(options) = self.options() {
            options.initializer = initializer;
        }
    }

    fn set_regularizer(&mut self, regularizer: impl Regularizer + 'static) {
        if let Some(options) = self.options() {
            options.spec.regularizer = Some(Arc::new(regularizer));
        }
    }

    fn set_constraint(&mut self, constraint: impl Constraint + 'static) {
        if let Some(options) = self.options() {
            options.spec.constraint = Some(Arc::new(constraint));
        }
    }
}

impl ConfigureWeight for WeightOptions {
    fn options(&mut self) -> Option<&mut WeightOptions> {
        Some(self)
    }
}

impl ConfigureWeight for Option<WeightOptions> {
    fn options(&mut self) -> Option<&mut WeightOptions> {
        self.as_mut()
    }
}

/// The builder methods for the options of a weight, inside an `impl` of a layer with a field `weights: LazyWeights<_>`.
/// Rust has no other way to give many types inherent methods of different names; the bodies are calls of
/// [`ConfigureWeight`].
///
/// `weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);` names the
/// weight, the field with its options and the methods. `without_bias` is left out for a weight that every layer has.
macro_rules! weight_options {
    ($name:literal in $($field:ident).+: $initializer:ident, $regularizer:ident, $constraint:ident) => {
        #[doc = concat!("Sets the initializer of `", $name, "`. Existing weights are discarded.")]
        #[must_use]
        pub fn $initializer(mut self, initializer: $crate::Initializer) -> Self {
            $crate::weight::ConfigureWeight::set_initializer(&mut self.$($field).+, initializer);
            self.weights.reset();
            self
        }

        #[doc = concat!("Sets the regularizer of `", $name, "`; none by default. Existing weights are discarded.")]
        #[must_use]
        pub fn $regularizer(mut self, regularizer: impl $crate::Regularizer + 'static) -> Self {
            $crate::weight::ConfigureWeight::set_regularizer(&mut self.$($field).+, regularizer);
            self.weights.reset();
            self
        }

        #[doc = concat!("Sets the constraint of `", $name, "`; none by default. Existing weights are discarded.")]
        #[must_use]
        pub fn $constraint(mut self, constraint: impl $crate::Constraint + 'static) -> Self {
            $crate::weight::ConfigureWeight::set_constraint(&mut self.$($field).+, constraint);
            self.weights.reset();
            self
        }
    };
    ($name:literal in $($field:ident).+: $without:ident, $initializer:ident, $regularizer:ident, $constraint:ident) => {
        #[doc = concat!("Builds the layer without `", $name, "`, whatever other options of it are set. Existing weights are discarded.")]
        #[must_use]
        pub fn $without(mut self) -> Self {
            self.$($field).+ = None;
            self.weights.reset();
            self
        }

        $crate::weight::weight_options!($name in $($field).+: $initializer, $regularizer, $constraint);
    };
}

pub(crate) use weight_options;
