//! ReLU with learned slopes.

use tensor::{Error, IntoAxes, IntoIntegers, Result, Shape, Tensor};

use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mode::Mode;
use crate::weight::{Weight, WeightOptions, weight_options};

/// `x` where positive, `alpha · x` elsewhere, with learned slopes `alpha` (He et al. 2015).
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …]`, at least two axes |
/// | weight `alpha` | the shape of a sample, with size 1 along shared axes; initially zeros |
///
/// ```
/// # use nn::{Layer, Mode, PRelu};
/// # use tensor::{Tensor, tensor};
/// let layer = PRelu::default().shared_axes([1, 2]);
/// layer.forward(&Tensor::ones([1, 5, 5, 3]), Mode::Inference)?;
/// assert_eq!(layer.weight("alpha")?.shape(), [1, 1, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct PRelu {
    shared_axes: Vec<isize>,
    alpha: WeightOptions,
    weights: LazyWeights<Weight>,
}

impl Default for PRelu {
    /// One slope for each element of a sample. The shape is that of the first input.
    fn default() -> Self {
        PRelu { shared_axes: Vec::new(), alpha: Initializer::Zeros.into(), weights: LazyWeights::deferred() }
    }
}

impl PRelu {
    /// With slopes of this shape: that of a sample, with size 1 along shared axes.
    pub fn new(sample: impl Into<Shape>) -> PRelu {
        PRelu { weights: LazyWeights::sized(sample), ..PRelu::default() }
    }

    /// Shares slopes along these axes of the input, where axis 0 is the batch. Existing slopes are discarded. The forward
    /// pass returns an error if the input does not have the axes.
    #[must_use]
    pub fn shared_axes(self, axes: impl IntoIntegers) -> PRelu {
        PRelu { shared_axes: axes.into_integers().into_vec(), weights: self.weights.uninitialized(), ..self }
    }

    /// The shape of the slopes for an input.
    #[track_caller]
    fn sizes(&self, input: &Tensor) -> Result<Shape> {
        let shared = (&self.shared_axes).into_axes(input.rank(), "prelu")?;
        if shared.contains(&0) {
            return Err(Error::argument(
                "prelu",
                "shared axis 0 is the batch, whose samples always share their slopes",
            ));
        }
        let size = |(axis, &size): (usize, &usize)| if shared.contains(&axis) { 1 } else { size };
        Ok(input.shape().iter().enumerate().skip(1).map(size).collect())
    }

    weight_options!("alpha" in alpha: alpha_initializer, alpha_regularizer, alpha_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Weight> {
        builder.weight("alpha", &self.alpha, sizes)
    }
}

impl Layer for PRelu {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        check_input("prelu", input, 2, "[batch, …]")?;
        let sizes = self.sizes(input)?;
        let alpha = self.weights.get("prelu", input, &sizes, |sizes, builder| self.build(sizes, builder))?;
        let below = input.try_neg()?.relu();
        input.relu().try_sub(below.try_mul(alpha)?)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(alpha) = self.weights.get_if_sized("prelu", |sizes, builder| self.build(sizes, builder)) {
            visitor.weight("alpha", alpha);
        }
    }
}
