//! Additive noise.

use tensor::{Error, Result, Tensor};

use crate::layer::Layer;
use crate::mode::Mode;
use crate::parts;
use crate::stream::RandomStream;

/// Adds to each element a normally distributed number with mean 0 and standard deviation `std`; does nothing in
/// inference. Input and output have the same shape.
///
/// ```
/// # use nn::{GaussianNoise, Layer, Mode};
/// # use tensor::Tensor;
/// let output = GaussianNoise::new(0.1).seed(1).forward(&Tensor::ones([1000]), Mode::Training)?;
/// assert!((output.std().item()? - 0.1).abs() < 0.01);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct GaussianNoise {
    std: f64,
    random: RandomStream,
}

impl GaussianNoise {
    /// Noise with a standard deviation of at least 0; [`forward`](Layer::forward) returns an error for other values.
    pub fn new(std: f64) -> GaussianNoise {
        GaussianNoise { std, random: RandomStream::new("gaussian_noise") }
    }

    /// Draws from a stream with this seed instead of a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> GaussianNoise {
        GaussianNoise { random: RandomStream::seeded("gaussian_noise", seed), ..self }
    }
}

impl Layer for GaussianNoise {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        if !(self.std >= 0.0 && self.std.is_finite()) {
            let message = format!("the standard deviation {:?} must be finite and at least 0", self.std);
            return Err(Error::argument("gaussian_noise", message));
        }
        if !input.dtype().is_float() {
            return Err(Error::dtype("gaussian_noise", input.dtype(), "a floating type; cast the input first"));
        }
        if mode == Mode::Inference {
            return Ok(input.clone());
        }
        let noise = self.random.draw(|generator| generator.normal(input.shape(), 0.0, self.std))?;
        input.try_add(noise.cast(input.dtype()))
    }

    parts!(random);

    fn describe(&self) -> String {
        format!("GaussianNoise {}", self.std)
    }
}
