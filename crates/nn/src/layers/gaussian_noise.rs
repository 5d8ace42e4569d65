//! Noise that is added.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Mode};
use crate::parts;
use crate::stream::RandomStream;

/// In training adds to each element a number from a normal distribution of mean 0 and the standard
/// deviation `std`; in inference does nothing. Input and output have the same shape.
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
    /// Noise of a standard deviation from 0 on; [`forward`](Layer::forward) refuses others.
    pub fn new(std: f64) -> GaussianNoise {
        GaussianNoise { std, random: RandomStream::new("gaussian_noise") }
    }

    /// Draws from the stream of a seed of its own rather than from a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> GaussianNoise {
        GaussianNoise { random: RandomStream::seeded("gaussian_noise", seed), ..self }
    }
}

impl Layer for GaussianNoise {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        if !(self.std >= 0.0 && self.std.is_finite()) {
            let message = format!("the standard deviation {:?} must be a number from 0 on", self.std);
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
