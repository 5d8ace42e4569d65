//! The densely connected layer.

use autograd::Variable;
use tensor::{Error, Result, Tensor};

use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::weights::{Draw, Weights};

/// `activation(input · kernel + bias)`, as Keras' Dense.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, …, inputs]`, at least two axes |
/// | output | `[batch, …, units]` |
/// | weight `kernel` | `[inputs, units]`; Glorot uniform at first |
/// | weight `bias` | `[units]`; zeros at first |
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
    kernel_initializer: Initializer,
    bias_initializer: Option<Initializer>,
    weights: Weights<Affine>,
}

#[derive(Debug)]
struct Affine {
    kernel: Variable,
    bias: Option<Variable>,
}

impl Dense {
    /// A layer from `inputs` numbers to `outputs`. Its weights are drawn when they are first asked
    /// for, from a fork of that thread's generator.
    pub fn new(inputs: usize, outputs: usize) -> Dense {
        Dense { weights: Weights::sized([inputs]), ..Dense::units(outputs) }
    }

    /// A layer of `units` outputs that takes the number of inputs, and its element type, from the
    /// first input.
    pub fn units(units: usize) -> Dense {
        Dense {
            units,
            activation: Activation::Linear,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Some(Initializer::Zeros),
            weights: Weights::unsized_yet(),
        }
    }

    /// Sets the activation; linear by default.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Dense {
        Dense { activation, ..self }
    }

    /// Sets how the kernel begins. Weights that have been made are made anew.
    #[must_use]
    pub fn kernel_initializer(self, initializer: Initializer) -> Dense {
        Dense { kernel_initializer: initializer, weights: self.weights.anew(), ..self }
    }

    /// Sets how the bias begins. Weights that have been made are made anew.
    #[must_use]
    pub fn bias_initializer(self, initializer: Initializer) -> Dense {
        Dense { bias_initializer: Some(initializer), weights: self.weights.anew(), ..self }
    }

    /// Leaves the bias out. Weights that have been made are made anew.
    #[must_use]
    pub fn without_bias(self) -> Dense {
        Dense { bias_initializer: None, weights: self.weights.anew(), ..self }
    }

    fn build(&self, inputs: usize, draw: &mut Draw) -> Result<Affine> {
        if self.units == 0 {
            return Err(Error::argument("dense", "the number of units is 0; it must be at least 1"));
        }
        let kernel = draw.weight("kernel", &self.kernel_initializer, [inputs, self.units])?;
        let bias = self.bias_initializer.as_ref().map(|bias| draw.weight("bias", bias, [self.units])).transpose()?;
        Ok(Affine { kernel, bias })
    }
}

impl Layer for Dense {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let width = match input.shape()[..] {
            [_, .., width] => width,
            _ => return Err(Error::shape("dense", input.shape(), "needs at least two axes, [batch, inputs]")),
        };
        // Of an input of another width the product tells, with both shapes.
        let inputs = self.weights.sizes().map_or(width, |sizes| sizes[0]);
        let weights = self.weights.of("dense", input, &[inputs], |sizes, draw| self.build(sizes[0], draw))?;
        let product = input.matmul(&weights.kernel)?;
        self.activation.apply(&match &weights.bias {
            Some(bias) => product.try_add(bias)?,
            None => product,
        })
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(weights) = self.weights.known("dense", |sizes, draw| self.build(sizes[0], draw)) {
            visitor.weight("kernel", &weights.kernel);
            if let Some(bias) = &weights.bias {
                visitor.weight("bias", bias);
            }
        }
    }

    fn describe(&self) -> String {
        let inputs = self.weights.sizes().map_or("?".to_string(), |sizes| sizes[0].to_string());
        format!("Dense {inputs}→{}", self.units)
    }
}
