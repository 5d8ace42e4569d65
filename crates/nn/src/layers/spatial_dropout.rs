//! Dropout of whole channels.

use tensor::{Error, Result, Tensor};

use super::dropout::{check_rate, dropped};
use crate::layer::{Layer, Mode};
use crate::parts;
use crate::stream::RandomStream;

macro_rules! spatial_dropout {
    ($(#[$meta:meta])* $layer:ident, $kind:literal, $rank:literal, $axes:literal) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $layer {
            rate: f64,
            random: RandomStream,
        }

        impl $layer {
            /// With a probability from 0 to 1; [`forward`](Layer::forward) refuses others.
            pub fn new(rate: f64) -> $layer {
                $layer { rate, random: RandomStream::new($kind) }
            }

            /// Draws from the stream of a seed of its own rather than from a fork of the thread's
            /// generator.
            #[must_use]
            pub fn seed(self, seed: u64) -> $layer {
                $layer { random: RandomStream::seeded($kind, seed), ..self }
            }
        }

        impl Layer for $layer {
            #[track_caller]
            fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
                check_rate($kind, self.rate, input)?;
                if input.rank() != $rank {
                    return Err(Error::shape($kind, input.shape(), concat!("needs ", $rank, " axes, ", $axes)));
                }
                // One number for all positions of a channel.
                let mut shape = input.shape().clone();
                for axis in 1..$rank - 1 {
                    shape = shape.with(axis, 1);
                }
                dropped(input, &shape, self.rate, &self.random, mode)
            }

            parts!(random);

            fn describe(&self) -> String {
                format!("{} {}", self.kind(), self.rate)
            }
        }
    };
}

spatial_dropout!(
    /// [`Dropout`](crate::Dropout) of whole channels: of `[batch, time, channels]`, each channel of
    /// each sample is kept or set to zero at all steps (Tompson et al. 2015).
    ///
    /// ```
    /// # use nn::{Layer, Mode, SpatialDropout1d};
    /// # use tensor::Tensor;
    /// let output = SpatialDropout1d::new(0.5).forward(&Tensor::ones([2, 3, 4]), Mode::Training)?;
    /// let (first, last) = (output.at(0, 1)?, output.at(-1, 1)?);
    /// assert_eq!(first.to_vec::<f32>()?, last.to_vec::<f32>()?);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    SpatialDropout1d, "spatial_dropout1d", 3, "[batch, time, channels]"
);

spatial_dropout!(
    /// [`Dropout`](crate::Dropout) of whole channels: of `[batch, height, width, channels]`, each channel of
    /// each image is kept or set to zero throughout (Tompson et al. 2015).
    ///
    /// ```
    /// # use nn::{Layer, Mode, SpatialDropout2d};
    /// # use tensor::Tensor;
    /// let output = SpatialDropout2d::new(0.5).forward(&Tensor::ones([1, 2, 2, 3]), Mode::Training)?;
    /// assert_eq!(output.at(0, 1)?.to_vec::<f32>()?, output.at(1, 1)?.to_vec::<f32>()?);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    SpatialDropout2d, "spatial_dropout2d", 4, "[batch, height, width, channels]"
);
