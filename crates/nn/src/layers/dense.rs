//! The densely connected layer.

use tensor::{Error, Result, Tensor};

use super::linear::Linear;
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Visitor, forward_per_step};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::check_separate_features;
use crate::mode::Mode;
use crate::weight::{WeightOptions, weight_options};

/// `activation(input · kernel + bias)`, like Keras' Dense.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, …, inputs]`, at least two axes |
/// | output | `[batch, …, units]` |
/// | weight `kernel` | `[inputs, units]`; initially Glorot uniform |
/// | weight `bias` | `[units]`; initially zeros |
///
/// ```
/// use nn::{Activation, Dense, Initializer, Layer, Mode};
/// use tensor::Tensor;
///
/// let layer = Dense::units(3)
///     .activation(Activation::Relu)
///     .kernel_initializer(Initializer::Uniform { low: 0.0, high: 0.1 });
/// assert_eq!(layer.describe(), "Dense ?→3");
/// let output = layer.forward(&Tensor::ones([2, 4]), Mode::Inference)?;
/// assert_eq!((output.shape(), layer.describe().as_str()), (&[2, 3].into(), "Dense 4→3"));
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Dense {
    units: usize,
    activation: Activation,
    kernel: WeightOptions,
    bias: Option<WeightOptions>,
    weights: LazyWeights<Linear>,
}

impl Dense {
    /// A layer with `inputs` input and `outputs` output features. The weights are initialized when they are first used,
    /// from a fork of the calling thread's generator.
    pub fn new(inputs: usize, outputs: usize) -> Dense {
        Dense { weights: LazyWeights::sized([inputs]), ..Dense::units(outputs) }
    }

    /// A layer with `units` output features. The first input determines the number of input features and the element type
    /// of the weights.
    pub fn units(units: usize) -> Dense {
        Dense {
            units,
            activation: Activation::Linear,
            kernel: Initializer::GlorotUniform.into(),
            bias: Some(Initializer::Zeros.into()),
            weights: LazyWeights::deferred(),
        }
    }

    /// Sets the activation; linear by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Dense {
        Dense { activation, ..self }
    }

    weight_options!("kernel" in kernel: kernel_initializer, kernel_regularizer, kernel_constraint);
    weight_options!("bias" in bias: without_bias, bias_initializer, bias_regularizer, bias_constraint);

    fn build(&self, inputs: usize, builder: &mut WeightBuilder) -> Result<Linear> {
        if self.units == 0 {
            return Err(Error::argument("dense", "the number of units is 0; it must be at least 1"));
        }
        Linear::new(builder, (&self.kernel, [inputs, self.units]), (&self.bias, [self.units]))
    }
}

impl Layer for Dense {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let width = match input.shape()[..] {
            [_, .., width] => width,
            _ => return Err(Error::shape("dense", input.shape(), "needs at least two axes, [batch, inputs]")),
        };
        // If the width of the input is wrong, the error of the product shows both shapes.
        let inputs = self.weights.sizes().map_or(width, |sizes| sizes[0]);
        let weights = self.weights.get("dense", input, &[inputs], |sizes, builder| self.build(sizes[0], builder))?;
        weights.finish(input.matmul(&weights.kernel)?, self.activation)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        check_separate_features("dense", input, mask)?;
        forward_per_step(self, input, mask, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(weights) = self.weights.get_if_sized("dense", |sizes, builder| self.build(sizes[0], builder)) {
            weights.visit(visitor);
        }
    }

    fn describe(&self) -> String {
        let inputs = self.weights.sizes().map_or("?".to_string(), |sizes| sizes[0].to_string());
        format!("Dense {inputs}→{}", self.units)
    }
}
