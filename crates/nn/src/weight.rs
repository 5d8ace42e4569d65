//! A weight, and what a layer is told about one.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use autograd::Variable;
use tensor::{Argument, Operand};

use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;

/// What training does about a weight besides following its gradient.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What is added to the loss ([`Layer::regularization_loss`](crate::Layer::regularization_loss)).
    pub regularizer: Option<Arc<dyn Regularizer>>,
    /// What is made of the weight after each step ([`Layer::apply_constraints`](crate::Layer::apply_constraints)).
    pub constraint: Option<Arc<dyn Constraint>>,
}

/// A variable with a regularizer, a constraint, both or neither. It may be used as the variable itself.
///
/// Layers of this crate make theirs by their options (`kernel_regularizer`, `bias_constraint`, …); in your own
/// layer it stands in place of the variable:
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
    pub(crate) rules: Rules,
}

impl Weight {
    /// A variable with neither.
    pub fn new(variable: Variable) -> Weight {
        Weight { variable, rules: Rules::default() }
    }

    /// With a penalty on its values.
    #[must_use]
    pub fn regularizer(mut self, regularizer: impl Regularizer + 'static) -> Weight {
        self.rules.regularizer = Some(Arc::new(regularizer));
        self
    }

    /// With a rule for its values.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Constraint + 'static) -> Weight {
        self.rules.constraint = Some(Arc::new(constraint));
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

/// What [`Visitor::weight`](crate::Visitor::weight) is shown: a variable, or a [`Weight`].
pub trait AsWeight {
    /// The variable.
    fn variable(&self) -> &Variable;

    /// The rules for it; none for a plain variable.
    fn rules(&self) -> Option<&Rules> {
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

    fn rules(&self) -> Option<&Rules> {
        Some(&self.rules)
    }
}

/// What a layer is told about one of its weights.
#[derive(Clone, Debug)]
pub(crate) struct WeightOptions {
    pub(crate) initializer: Initializer,
    pub(crate) rules: Rules,
}

impl From<Initializer> for WeightOptions {
    fn from(initializer: Initializer) -> WeightOptions {
        WeightOptions { initializer, rules: Rules::default() }
    }
}

/// The options of a weight, or of one that may have been left out: then there is nothing to set.
pub(crate) trait Configure {
    fn configure(&mut self, set: impl FnOnce(&mut WeightOptions));
}

impl Configure for WeightOptions {
    fn configure(&mut self, set: impl FnOnce(&mut WeightOptions)) {
        set(self);
    }
}

impl Configure for Option<WeightOptions> {
    fn configure(&mut self, set: impl FnOnce(&mut WeightOptions)) {
        if let Some(options) = self {
            set(options);
        }
    }
}

/// The methods by which a layer is told about a weight, inside an `impl` of one with `weights: Weights<_>`:
/// `weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);`, with
/// `without_bias` in front of the others for one that may be left out.
macro_rules! weight_options {
    ($name:literal in $($field:ident).+: $initializer:ident, $regularizer:ident, $constraint:ident) => {
        #[doc = concat!("Sets how `", $name, "` begins. Weights that exist already are drawn again.")]
        #[must_use]
        pub fn $initializer(mut self, initializer: $crate::Initializer) -> Self {
            use $crate::weight::Configure;
            self.$($field).+.configure(|options| options.initializer = initializer);
            self.weights = self.weights.anew();
            self
        }

        #[doc = concat!("Sets what `", $name, "` adds to the loss; nothing by default. Weights that exist already are drawn again.")]
        #[must_use]
        pub fn $regularizer(mut self, regularizer: impl $crate::Regularizer + 'static) -> Self {
            use $crate::weight::Configure;
            self.$($field).+.configure(|options| options.rules.regularizer = Some(std::sync::Arc::new(regularizer)));
            self.weights = self.weights.anew();
            self
        }

        #[doc = concat!("Sets what is made of `", $name, "` after each step; nothing by default. Weights that exist already are drawn again.")]
        #[must_use]
        pub fn $constraint(mut self, constraint: impl $crate::Constraint + 'static) -> Self {
            use $crate::weight::Configure;
            self.$($field).+.configure(|options| options.rules.constraint = Some(std::sync::Arc::new(constraint)));
            self.weights = self.weights.anew();
            self
        }
    };
    ($name:literal in $($field:ident).+: $without:ident, $initializer:ident, $regularizer:ident, $constraint:ident) => {
        #[doc = concat!("Leaves `", $name, "` out, whatever else is said about it. Weights that exist already are drawn again.")]
        #[must_use]
        pub fn $without(mut self) -> Self {
            self.$($field).+ = None;
            self.weights = self.weights.anew();
            self
        }

        $crate::weight::weight_options!($name in $($field).+: $initializer, $regularizer, $constraint);
    };
}

pub(crate) use weight_options;
