//! The densely connected layer.

use autograd::Variable;
use tensor::{DType, Error, Result, Tensor, no_record, random};

use crate::activation::Activation;
use crate::built::Built;
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};

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
    inputs: Option<usize>,
    units: usize,
    activation: Activation,
    kernel_initializer: Initializer,
    bias_initializer: Option<Initializer>,
    weights: Built<Weights>,
}

#[derive(Debug)]
struct Weights {
    kernel: Variable,
    bias: Option<Variable>,
}

impl Dense {
    /// A layer from `inputs` numbers to `outputs`. Its weights are drawn when they are first asked
    /// for, from a fork of that thread's generator.
    pub fn new(inputs: usize, outputs: usize) -> Dense {
        Dense { inputs: Some(inputs), ..Dense::units(outputs) }
    }

    /// A layer of `units` outputs that takes the number of inputs, and its element type, from the
    /// first input.
    pub fn units(units: usize) -> Dense {
        Dense {
            inputs: None,
            units,
            activation: Activation::Linear,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Some(Initializer::Zeros),
            weights: Built::new(),
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
        Dense { kernel_initializer: initializer, weights: Built::new(), ..self }
    }

    /// Sets how the bias begins. Weights that have been made are made anew.
    #[must_use]
    pub fn bias_initializer(self, initializer: Initializer) -> Dense {
        Dense { bias_initializer: Some(initializer), weights: Built::new(), ..self }
    }

    /// Leaves the bias out. Weights that have been made are made anew.
    #[must_use]
    pub fn without_bias(self) -> Dense {
        Dense { bias_initializer: None, weights: Built::new(), ..self }
    }

    fn build(&self, inputs: usize, dtype: DType) -> Result<Weights> {
        if self.units == 0 {
            return Err(Error::argument("dense", "the number of units is 0; it must be at least 1"));
        }
        no_record(|| {
            let mut generator = random::fork("dense");
            let kernel = self.kernel_initializer.initialize(&mut generator, [inputs, self.units])?;
            let bias = self.bias_initializer.as_ref();
            let bias = bias.map(|bias| bias.initialize(&mut generator, [self.units])).transpose()?;
            let variable = |value: Tensor, name: &str| Variable::new(value.cast(dtype)).named(name);
            Ok(Weights { kernel: variable(kernel, "kernel"), bias: bias.map(|bias| variable(bias, "bias")) })
        })
    }
}

impl Layer for Dense {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let width = match input.shape()[..] {
            [_, .., width] => width,
            _ => return Err(Error::shape("dense", input.shape(), "needs at least two axes, [batch, inputs]")),
        };
        let dtype = if self.inputs.is_none() && input.dtype().is_float() { input.dtype() } else { DType::F32 };
        let weights = self.weights.get_or_build(|| self.build(self.inputs.unwrap_or(width), dtype))?;
        let kernel = weights.kernel.value();
        let product = input.matmul(&kernel)?;
        self.activation.apply(&match &weights.bias {
            Some(bias) => product.try_add(bias)?,
            None => product,
        })
    }

    fn visit(&self, visitor: &mut Visitor) {
        // An initializer that fails does so again, with its message, in `forward`.
        let weights = match self.inputs {
            Some(inputs) => self.weights.get_or_build(|| self.build(inputs, DType::F32)).ok(),
            None => self.weights.get(),
        };
        if let Some(weights) = weights {
            visitor.weight("kernel", &weights.kernel);
            if let Some(bias) = &weights.bias {
                visitor.weight("bias", bias);
            }
        }
    }

    fn describe(&self) -> String {
        let built = self.weights.get().map(|weights| weights.kernel.shape()[0]);
        let inputs = built.or(self.inputs).map_or("?".to_string(), |inputs| inputs.to_string());
        format!("Dense {inputs}→{}", self.units)
    }
}
