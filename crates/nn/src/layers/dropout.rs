//! Dropout.

use tensor::{Error, Result, Shape, Tensor};

use crate::layer::Layer;
use crate::mode::Mode;
use crate::parts;
use crate::stream::RandomStream;

/// Sets each element to zero with probability `rate`, independently, and divides the others by `1 - rate`, which keeps the
/// expected value; does nothing in inference (Srivastava et al. 2014, in the inverted form of Keras and PyTorch).
///
/// Input and output have the same shape. The random numbers are drawn from the layer's stream `random`.
///
/// ```
/// # use nn::{Dropout, Layer, Mode};
/// # use tensor::Tensor;
/// let output = Dropout::new(0.5).forward(&Tensor::ones([100]), Mode::Training)?;
/// assert!(output.to_vec::<f32>()?.iter().all(|&x| x == 0.0 || x == 2.0));
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
    random: RandomStream,
}

impl Dropout {
    /// Dropout with a probability from 0 to 1; [`forward`](Layer::forward) returns an error for other rates.
    pub fn new(rate: f64) -> Dropout {
        Dropout { rate, random: RandomStream::new("dropout") }
    }

    /// Draws from a stream with this seed instead of a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> Dropout {
        Dropout { random: RandomStream::seeded("dropout", seed), ..self }
    }

    /// Whether this changes an input, or an error if the rate is not a probability or the input not floating.
    #[track_caller]
    pub(super) fn is_active(&self, input: &Tensor, mode: Mode) -> Result<bool> {
        check_rate("dropout", self.rate, input)?;
        Ok(mode == Mode::Training && self.rate > 0.0)
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        check_rate("dropout", self.rate, input)?;
        apply_dropout(input, input.shape(), self.rate, &self.random, mode)
    }

    parts!(random);

    fn describe(&self) -> String {
        format!("Dropout {}", self.rate)
    }
}

/// Returns an error unless the rate is a probability and the input is floating.
pub(super) fn check_rate(kind: &str, rate: f64, input: &Tensor) -> Result<()> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::argument(kind, format!("the rate {rate:?} must lie between 0 and 1")));
    }
    if !input.dtype().is_float() {
        return Err(Error::dtype(kind, input.dtype(), "a floating type; cast the input first"));
    }
    Ok(())
}

/// Applies dropout with draws of a shape that broadcasts to that of the input.
pub(super) fn apply_dropout(
    input: &Tensor,
    shape: &Shape,
    rate: f64,
    random: &RandomStream,
    mode: Mode,
) -> Result<Tensor> {
    if mode == Mode::Inference || rate == 0.0 {
        return Ok(input.clone());
    }
    let keep = 1.0 - rate;
    let kept = random.draw(|generator| generator.bernoulli(shape, keep))?;
    // With a rate of 1 nothing is kept, and an infinite scale would make the gradient NaN.
    let scale = if keep > 0.0 { keep.recip() } else { 0.0 };
    kept.select(input.try_mul(scale)?, 0.0)
}
