//! The rectifier with all its parameters.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode};

/// The rectifier as Keras' layer `ReLU`: `min(x, max_value)` from the threshold on, `negative_slope · (x - threshold)`
/// below it. With defaults it is [`Activation::Relu`](crate::Activation::Relu). At the threshold the derivative is
/// `negative_slope`, at the greatest value 0.
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
    /// Sets the greatest value, at least 0; none by default.
    #[must_use]
    pub fn max_value(self, max_value: f64) -> Relu {
        Relu { max_value: Some(max_value), ..self }
    }

    /// Sets the slope below the threshold, at least 0; 0 by default.
    #[must_use]
    pub fn negative_slope(self, negative_slope: f64) -> Relu {
        Relu { negative_slope, ..self }
    }

    /// Sets from where on the input passes, at least 0; 0 by default.
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
            return Err(Error::argument("relu", format!("{name} {value:?} must be a finite number from 0 on")));
        }
        let beyond = input.try_sub(self.threshold)?;
        let (above, below) = (input.greater(self.threshold)?, beyond.try_mul(self.negative_slope)?);
        above.select(input.clamp(None, self.max_value)?, below)
    }
}
