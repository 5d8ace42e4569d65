//! Weights that are initialized when their shape is known.

use autograd::Variable;
use tensor::{DType, Error, Generator, Result, Shape, Tensor, no_record};

use crate::initializers::Initializer;
use crate::lazy_init::LazyInit;
use crate::weight::{Weight, WeightOptions};

/// The weights `W` of a layer, whose shapes depend on the sizes of some axes of the input. If the sizes are given when
/// the layer is built, the weights are float32; else the first input determines sizes and element type.
#[derive(Debug)]
pub(crate) struct LazyWeights<W> {
    given: Option<Shape>,
    weights: LazyInit<(Shape, W)>,
}

impl<W> LazyWeights<W> {
    /// For inputs with these sizes.
    pub(crate) fn sized(sizes: impl Into<Shape>) -> LazyWeights<W> {
        LazyWeights { given: Some(sizes.into()), weights: LazyInit::new() }
    }

    /// For inputs like the first one.
    pub(crate) fn deferred() -> LazyWeights<W> {
        LazyWeights { given: None, weights: LazyInit::new() }
    }

    /// Discards existing weights, so that they are initialized with changed options.
    pub(crate) fn reset(&mut self) {
        self.weights = LazyInit::new();
    }

    /// Uninitialized weights for the same given sizes.
    pub(crate) fn uninitialized(&self) -> LazyWeights<W> {
        LazyWeights { given: self.given.clone(), weights: LazyInit::new() }
    }

    /// The sizes, if they are known.
    pub(crate) fn sizes(&self) -> Option<&Shape> {
        self.weights.get().map(|(sizes, _)| sizes).or(self.given.as_ref())
    }

    /// The weights for an input with these sizes, initialized at the first call.
    ///
    /// # Errors
    /// Returns an error if the weights are for other sizes, and the errors of `build`.
    #[track_caller]
    pub(crate) fn get(
        &self,
        kind: &'static str,
        input: &Tensor,
        sizes: &[usize],
        build: impl FnOnce(&[usize], &mut WeightBuilder) -> Result<W>,
    ) -> Result<&W> {
        let follows_input = self.given.is_none() && input.dtype().is_float();
        let dtype = if follows_input { input.dtype() } else { DType::F32 };
        let (expected, weights) = self.weights.get_or_init(kind, |generator| {
            let sizes = self.given.clone().unwrap_or_else(|| sizes.into());
            let weights = no_record(|| build(&sizes, &mut WeightBuilder { kind, generator, dtype }))?;
            Ok((sizes, weights))
        })?;
        if expected[..] != *sizes {
            let expected = if let [size] = expected[..] { size.to_string() } else { expected.to_string() };
            let found = if let [size] = *sizes { size.to_string() } else { format!("{sizes:?}") };
            let message = format!("the weights are for {expected} features, not {found}");
            return Err(Error::shape(kind, input.shape(), message));
        }
        Ok(weights)
    }

    /// The weights, initialized if their sizes are known. `None` if the sizes depend on the first input, or if `build`
    /// fails: then [`get`](LazyWeights::get) returns its error.
    pub(crate) fn get_if_sized(
        &self,
        kind: &'static str,
        build: impl FnOnce(&[usize], &mut WeightBuilder) -> Result<W>,
    ) -> Option<&W> {
        let initialized = match &self.given {
            Some(sizes) => {
                let initialized = self.weights.get_or_init(kind, |generator| {
                    let weights =
                        no_record(|| build(sizes, &mut WeightBuilder { kind, generator, dtype: DType::F32 }))?;
                    Ok((sizes.clone(), weights))
                });
                initialized.ok()
            }
            None => self.weights.get(),
        };
        initialized.map(|(_, weights)| weights)
    }
}

/// Creates the weights of one layer with a generator and an element type.
pub(crate) struct WeightBuilder<'a> {
    kind: &'static str,
    generator: &'a mut Generator,
    dtype: DType,
}

impl WeightBuilder<'_> {
    /// A weight whose fans follow from its axes.
    pub(crate) fn weight(&mut self, name: &str, options: &WeightOptions, shape: impl Into<Shape>) -> Result<Weight> {
        let shape = self.check_not_empty(name, shape.into())?;
        let value = options.initializer.initialize(self.generator, shape)?;
        Ok(Weight { variable: self.variable(name, &value), spec: options.spec.clone() })
    }

    /// A weight with given fans.
    pub(crate) fn weight_with_fans(
        &mut self,
        name: &str,
        options: &WeightOptions,
        shape: impl Into<Shape>,
        fans: [usize; 2],
    ) -> Result<Weight> {
        let shape = self.check_not_empty(name, shape.into())?;
        let value = options.initializer.initialize_with_fans(self.generator, shape, fans)?;
        Ok(Weight { variable: self.variable(name, &value), spec: options.spec.clone() })
    }

    /// A weight, or `None` if the layer is built without it.
    pub(crate) fn optional_weight(
        &mut self,
        name: &str,
        options: &Option<WeightOptions>,
        shape: impl Into<Shape>,
    ) -> Result<Option<Weight>> {
        options.as_ref().map(|options| self.weight(name, options, shape)).transpose()
    }

    /// A variable that the layer itself updates.
    pub(crate) fn state(&mut self, name: &str, initializer: &Initializer, shape: impl Into<Shape>) -> Result<Variable> {
        let shape = self.check_not_empty(name, shape.into())?;
        let value = initializer.initialize(self.generator, shape)?;
        let state = self.variable(name, &value);
        state.set_trainable(false);
        Ok(state)
    }

    /// Returns an error if a size is 0: no units, filters, channels or vocabulary.
    fn check_not_empty(&self, name: &str, shape: Shape) -> Result<Shape> {
        if shape.contains(&0) {
            return Err(Error::shape(self.kind, &shape, format!("no size of the weight {name} may be 0")));
        }
        Ok(shape)
    }

    fn variable(&self, name: &str, value: &Tensor) -> Variable {
        Variable::new(value.cast(self.dtype)).with_name(name)
    }
}
