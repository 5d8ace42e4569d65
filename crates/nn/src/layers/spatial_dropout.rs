//! Dropout of whole channels.

use tensor::{Error, Result, Tensor};

use super::dropout::{apply_dropout, check_rate};
use crate::layer::Layer;
use crate::mode::Mode;
use crate::parts;
use crate::stream::RandomStream;

/// [`Dropout`](crate::Dropout) of whole channels of sequences `[batch, time, channels]`: each channel of each sample is
/// kept or set to zero at all steps (Tompson et al. 2015).
///
/// ```
/// # use nn::{Layer, Mode, SpatialDropout1d};
/// # use tensor::Tensor;
/// let output = SpatialDropout1d::new(0.5).forward(&Tensor::ones([2, 3, 4]), Mode::Training)?;
/// let (first, last) = (output.at(0, 1)?, output.at(-1, 1)?);
/// assert_eq!(first.to_vec::<f32>()?, last.to_vec::<f32>()?);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type SpatialDropout1d = SpatialDropout<1>;

/// [`Dropout`](crate::Dropout) of whole channels of images `[batch, height, width, channels]`: each channel of each
/// image is kept or set to zero at all pixels (Tompson et al. 2015).
///
/// ```
/// # use nn::{Layer, Mode, SpatialDropout2d};
/// # use tensor::Tensor;
/// let output = SpatialDropout2d::new(0.5).forward(&Tensor::ones([1, 2, 2, 3]), Mode::Training)?;
/// assert_eq!(output.at(0, 1)?.to_vec::<f32>()?, output.at(1, 1)?.to_vec::<f32>()?);
/// # Ok::<(), tensor::Error>(())
/// ```
pub type SpatialDropout2d = SpatialDropout<2>;

/// [`SpatialDropout1d`] and [`SpatialDropout2d`]: dropout of channels over `N` axes of positions, 1 or 2.
#[derive(Debug)]
pub struct SpatialDropout<const N: usize> {
    rate: f64,
    random: RandomStream,
}

/// The names of the layers, in errors and for their random streams, and the axes of their inputs.
const LAYERS: [(&str, &str, &str); 2] = [
    ("SpatialDropout1d", "spatial_dropout1d", "[batch, time, channels]"),
    ("SpatialDropout2d", "spatial_dropout2d", "[batch, height, width, channels]"),
];

impl<const N: usize> SpatialDropout<N> {
    /// With a probability from 0 to 1; [`forward`](Layer::forward) returns an error for other rates.
    pub fn new(rate: f64) -> Self {
        SpatialDropout { rate, random: RandomStream::new(LAYERS[N - 1].1) }
    }

    /// Draws from a stream with this seed instead of a fork of the thread's generator.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        SpatialDropout { random: RandomStream::seeded(LAYERS[N - 1].1, seed), ..self }
    }
}

impl<const N: usize> Layer for SpatialDropout<N> {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let (_, kind, axes) = LAYERS[N - 1];
        check_rate(kind, self.rate, input)?;
        if input.rank() != N + 2 {
            return Err(Error::shape(kind, input.shape(), format!("needs {} axes, {axes}", N + 2)));
        }
        // One draw for all positions of a channel.
        let shape = (1..=N).fold(input.shape().clone(), |shape, axis| shape.with(axis, 1));
        apply_dropout(input, &shape, self.rate, &self.random, mode)
    }

    parts!(random);

    fn kind(&self) -> &'static str {
        LAYERS[N - 1].0
    }

    fn describe(&self) -> String {
        format!("{} {}", self.kind(), self.rate)
    }
}
