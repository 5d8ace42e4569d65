//! Residual connections.

use tensor::{Result, Tensor};

use crate::layer::Layer;
use crate::mask::zero_if_masked;
use crate::mode::Mode;
use crate::nesting::nested;
use crate::parts;

/// Adds the input to the output of a layer (He et al. 2016): `x + layer(x)`, or `shortcut(x) + layer(x)` if the layer
/// changes the shape.
///
/// ```
/// # use nn::{Activation, Dense, Layer, Mode, Residual, Sequential};
/// # use tensor::Tensor;
/// let block = || Sequential::new().add(Dense::units(4).activation(Activation::Relu)).add(Dense::units(4));
/// let model = Sequential::new().add(Residual::new(block())).add(Residual::new(block()));
/// assert_eq!(model.forward(&Tensor::ones([2, 4]), Mode::Inference)?.shape(), &[2, 4]);
/// assert_eq!(model.named_weights()[0].0, "residual.layer.dense.kernel");
/// # Ok::<(), tensor::Error>(())
/// ```
pub struct Residual {
    layer: Box<dyn Layer>,
    shortcut: Option<Box<dyn Layer>>,
}

impl Residual {
    /// Adds the input to the output of this layer.
    pub fn new(layer: impl Layer + 'static) -> Residual {
        Residual { layer: nested(layer), shortcut: None }
    }

    /// Sets the layer that is applied to the input before it is added.
    #[must_use]
    pub fn shortcut(self, shortcut: impl Layer + 'static) -> Residual {
        Residual { shortcut: Some(nested(shortcut)), ..self }
    }
}

impl Layer for Residual {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_masked(input, None, mode).map(|(output, _)| output)
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let input = &zero_if_masked("residual", input, mask)?;
        let (output, after) = self.layer.call_masked("layer", input, mask, mode)?;
        let sum = match &self.shortcut {
            Some(shortcut) => shortcut.call_masked("shortcut", input, mask, mode)?.0.try_add(output)?,
            None => input.try_add(output)?,
        };
        Ok((sum, after))
    }

    parts!(layer, shortcut);

    fn describe(&self) -> String {
        format!("Residual {}", self.layer.describe())
    }
}
