//! ReLU with parameters.

use tensor::{Error, Result, Tensor};

use crate::layer::Layer;
use crate::mode::Mode;

/// ReLU with the parameters of Keras' layer: `min(x, max_value)` above the threshold, `negative_slope · (x - threshold)`
/// elsewhere. With the defaults it is [`Activation::Relu`](crate::Activation::Relu). The derivative is `negative_slope` at
/// the threshold and 0 at the maximum.
///
/// ```
/// # use nn::{Layer, Mode, Relu};
/// # use tensor::tensor;
/// let layer = Relu::default().threshold(1.0).negative_slope(0.5).max_value(6.0);
/// let y = layer.forward(&tensor![-1.0, 0.5, 2.0, 7.0], Mode::Inference)?;
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, -0.25, 2.0, 6.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Relu {
    max_value: Option<f64>,
    negative_slope: f64,
    threshold: f64,
}

impl Relu {
    /// Sets the maximum, at least 0; none by default.
    #[must_use]
    pub fn max_value(self, max_value: f64) -> Relu {
        Relu { max_value: Some(max_value), ..self }
    }

    /// Sets the slope below the threshold, at least 0; 0 by default.
    #[must_use]
    pub fn negative_slope(self, negative_slope: f64) -> Relu {
        Relu { negative_slope, ..self }
    }

    /// Sets the threshold, at least 0; 0 by default.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Relu {
        Relu { threshold, ..self }
    }
}

impl Layer for Relu {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let parameters = [
            ("max_value", self.max_value.unwrap_or(0.0)),
            ("negative_slope", self.negative_slope),
            ("threshold", self.threshold),
        ];
        if let Some((name, value)) = parameters.into_iter().find(|(_, value)| !(0.0..f64::INFINITY).contains(value)) {
            return Err(Error::argument("relu", format!("{name} {value:?} must be finite and at least 0")));
        }
        let beyond = input.try_sub(self.threshold)?;
        let (above, below) = (input.greater(self.threshold)?, beyond.try_mul(self.negative_slope)?);
        above.select(input.clamp(None, self.max_value)?, below)
    }
}
