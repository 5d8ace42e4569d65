//! Multiplicative noise.

use tensor::{Error, Result, Tensor};

use super::dropout::check_rate;
use crate::layer::Layer;
use crate::mode::Mode;
use crate::parts;
use crate::stream::RandomStream;

/// Multiplies each element by a normally distributed number with mean 1 and standard deviation `√(rate / (1 - rate))`,
/// like [`Dropout`](crate::Dropout) with this rate; does nothing in inference (Srivastava et al. 2014). Input and output
/// have the same shape.
///
/// ```
/// # use nn::{GaussianDropout, Layer, Mode};
/// # use tensor::Tensor;
/// let output = GaussianDropout::new(0.5).seed(1).forward(&Tensor::ones([1000]), Mode::Training)?;
/// assert!((output.std().item()? - 1.0).abs() < 0.1);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct GaussianDropout {
    rate: f64,
    random: RandomStream,
}

impl GaussianDropout {
    /// With a rate of at least 0 and below 1; [`forward`](Layer::forward) returns an error for other rates.
    pub fn new(rate: f64) -> GaussianDropout {
        GaussianDropout { rate, random: RandomStream::new("gaussian_dropout") }
    }

    /// Draws from a stream with this seed instead of a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> GaussianDropout {
        GaussianDropout { random: RandomStream::seeded("gaussian_dropout", seed), ..self }
    }
}

impl Layer for GaussianDropout {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        check_rate("gaussian_dropout", self.rate, input)?;
        if self.rate == 1.0 {
            return Err(Error::argument("gaussian_dropout", "the rate 1.0 would make the noise infinite"));
        }
        if mode == Mode::Inference {
            return Ok(input.clone());
        }
        let std = (self.rate / (1.0 - self.rate)).sqrt();
        let factors = self.random.draw(|generator| generator.normal(input.shape(), 1.0, std))?;
        input.try_mul(factors.cast(input.dtype()))
    }

    parts!(random);

    fn describe(&self) -> String {
        format!("GaussianDropout {}", self.rate)
    }
}
