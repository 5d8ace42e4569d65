//! Weights that are made when their shape is known.

use autograd::Variable;
use tensor::{DType, Error, Generator, Result, Shape, Tensor, no_record};

use crate::built::Built;
use crate::initializers::Initializer;
use crate::weight::{Weight, WeightOptions};

/// The weights `W` of a layer, which follow from the sizes of some axes of its input: made at once
/// where those were stated, else by the first input, in its element type.
#[derive(Debug)]
pub(crate) struct Weights<W> {
    stated: Option<Shape>,
    built: Built<(Shape, W)>,
}

impl<W> Weights<W> {
    /// For an input whose sizes are known.
    pub(crate) fn sized(sizes: impl Into<Shape>) -> Weights<W> {
        Weights { stated: Some(sizes.into()), built: Built::new() }
    }

    /// For whatever the first input will be.
    pub(crate) fn unsized_yet() -> Weights<W> {
        Weights { stated: None, built: Built::new() }
    }

    /// The same, not made yet: for other initializers.
    pub(crate) fn anew(&self) -> Weights<W> {
        Weights { stated: self.stated.clone(), built: Built::new() }
    }

    /// The sizes, if they are known.
    pub(crate) fn sizes(&self) -> Option<&Shape> {
        self.built.get().map(|(sizes, _)| sizes).or(self.stated.as_ref())
    }

    /// The weights for an input with these sizes.
    ///
    /// # Errors
    /// If they were made for other sizes, or that of `build`.
    #[track_caller]
    pub(crate) fn of(
        &self,
        kind: &'static str,
        input: &Tensor,
        sizes: &[usize],
        build: impl FnOnce(&[usize], &mut Draw) -> Result<W>,
    ) -> Result<&W> {
        let late = self.stated.is_none() && input.dtype().is_float();
        let dtype = if late { input.dtype() } else { DType::F32 };
        let (made, weights) = self.built.get_or_build(kind, |generator| {
            let made = self.stated.clone().unwrap_or_else(|| sizes.into());
            let weights = no_record(|| build(&made, &mut Draw { kind, generator, dtype }))?;
            Ok((made, weights))
        })?;
        if made[..] != *sizes {
            let needed = if let [size] = made[..] { size.to_string() } else { made.to_string() };
            let found = if let [size] = *sizes { size.to_string() } else { format!("{sizes:?}") };
            return Err(Error::shape(
                kind,
                input.shape(),
                format!("the weights are for {needed} features, not {found}"),
            ));
        }
        Ok(weights)
    }

    /// The weights, if their sizes are known. One that cannot be made says why in `of`.
    pub(crate) fn known(&self, kind: &'static str, build: impl FnOnce(&[usize], &mut Draw) -> Result<W>) -> Option<&W> {
        let made = match &self.stated {
            Some(sizes) => {
                let made = self.built.get_or_build(kind, |generator| {
                    let weights = no_record(|| build(sizes, &mut Draw { kind, generator, dtype: DType::F32 }))?;
                    Ok((sizes.clone(), weights))
                });
                made.ok()
            }
            None => self.built.get(),
        };
        made.map(|(_, weights)| weights)
    }
}

/// Draws the weights of one layer.
pub(crate) struct Draw<'a> {
    kind: &'static str,
    generator: &'a mut Generator,
    dtype: DType,
}

impl Draw<'_> {
    /// A weight whose axes show its fans.
    pub(crate) fn weight(&mut self, name: &str, options: &WeightOptions, shape: impl Into<Shape>) -> Result<Weight> {
        let shape = self.not_empty(name, shape.into())?;
        let value = options.initializer.initialize(self.generator, shape)?;
        Ok(Weight { variable: self.variable(name, &value), rules: options.rules.clone() })
    }

    /// A weight of stated fans.
    pub(crate) fn weight_with_fans(
        &mut self,
        name: &str,
        options: &WeightOptions,
        shape: impl Into<Shape>,
        fans: [usize; 2],
    ) -> Result<Weight> {
        let shape = self.not_empty(name, shape.into())?;
        let value = options.initializer.initialize_with_fans(self.generator, shape, fans)?;
        Ok(Weight { variable: self.variable(name, &value), rules: options.rules.clone() })
    }

    /// A weight, unless it is left out.
    pub(crate) fn optional(
        &mut self,
        name: &str,
        options: &Option<WeightOptions>,
        shape: impl Into<Shape>,
    ) -> Result<Option<Weight>> {
        options.as_ref().map(|options| self.weight(name, options, shape)).transpose()
    }

    /// A variable that the layer itself keeps up to date.
    pub(crate) fn state(&mut self, name: &str, initializer: &Initializer, shape: impl Into<Shape>) -> Result<Variable> {
        let shape = self.not_empty(name, shape.into())?;
        let value = initializer.initialize(self.generator, shape)?;
        let state = self.variable(name, &value);
        state.set_trainable(false);
        Ok(state)
    }

    /// The shape of a weight, unless a size is 0: no units, filters, channels or vocabulary.
    fn not_empty(&self, name: &str, shape: Shape) -> Result<Shape> {
        if shape.contains(&0) {
            return Err(Error::shape(self.kind, &shape, format!("no size of the weight {name} may be 0")));
        }
        Ok(shape)
    }

    fn variable(&self, name: &str, value: &Tensor) -> Variable {
        Variable::new(value.cast(self.dtype)).with_name(name)
    }
}

/// An error unless the input is floating and has at least `rank` axes, which `axes` describes.
#[track_caller]
pub(crate) fn check_input(kind: &'static str, input: &Tensor, rank: usize, axes: &str) -> Result<()> {
    if input.rank() < rank {
        return Err(Error::shape(kind, input.shape(), format!("needs at least {rank} axes, {axes}")));
    }
    if !input.dtype().is_float() {
        return Err(Error::dtype(kind, input.dtype(), "a floating type; cast the input first"));
    }
    Ok(())
}

/// The sizes of the last two axes of `[…, time, width]`.
#[track_caller]
pub(crate) fn steps(kind: &'static str, input: &Tensor) -> Result<[usize; 2]> {
    check_input(kind, input, 2, "[…, time, width]")?;
    Ok(*input.shape().last_chunk().expect("there are at least two axes"))
}
