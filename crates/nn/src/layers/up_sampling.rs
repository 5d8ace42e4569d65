//! Upsampling of sequences and images.

use tensor::{Error, Result, Shape, Tensor};

use crate::layer::Layer;
use crate::mask::zero_if_masked;
use crate::mode::Mode;

/// Repeats each step of a sequence: `[batch, time, channels]` becomes `[batch, times · time, channels]`, like Keras'
/// UpSampling1D.
///
/// ```
/// # use nn::{Layer, Mode, UpSampling1d};
/// # use tensor::tensor;
/// let longer = UpSampling1d::new(2).forward(&tensor![[[1.0], [2.0]]], Mode::Inference)?;
/// assert_eq!(longer.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UpSampling1d {
    times: usize,
}

impl UpSampling1d {
    /// Repeats each step this many times.
    pub fn new(times: usize) -> UpSampling1d {
        UpSampling1d { times }
    }
}

impl Layer for UpSampling1d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let &[batch, time, channels] = &input.shape()[..] else {
            return Err(Error::shape("up_sampling1d", input.shape(), "needs 3 axes, [batch, time, channels]"));
        };
        let Some(long) = time.checked_mul(self.times).filter(|_| self.times > 0) else {
            let message =
                format!("the factor {} must be at least 1, and the output size must not overflow", self.times);
            return Err(Error::argument("up_sampling1d", message));
        };
        Shape::from([batch, long, channels]).checked_size("up_sampling1d")?;
        let repeated = input.expand_dims(2)?.expand([batch, time, self.times, channels])?;
        repeated.reshape([batch, long, channels])
    }

    /// The mask is repeated like the steps.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let output = self.forward(&zero_if_masked("up_sampling1d", input, mask)?, mode)?;
        let Some(mask) = mask else { return Ok((output, None)) };
        let [batch, time] = [0, 1].map(|axis| mask.shape()[axis]);
        let repeated = mask.expand_dims(2)?.expand([batch, time, self.times])?;
        Ok((output, Some(repeated.reshape([batch, time * self.times])?)))
    }

    fn describe(&self) -> String {
        format!("UpSampling1d {}", self.times)
    }
}

/// How the added pixels are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel: each pixel is repeated.
    #[default]
    Nearest,
    /// The weighted mean of the nearest pixels in both directions, with the centres of pixels at half-integers.
    Bilinear,
}

/// Enlarges images by integer factors: `[batch, height, width, channels]` becomes
/// `[batch, rows · height, columns · width, channels]`.
///
/// ```
/// # use nn::{Layer, Mode, UpSampling2d};
/// # use tensor::tensor;
/// let image = tensor![[[[1.0], [2.0]]]];
/// let larger = UpSampling2d::new(1, 2).forward(&image, Mode::Inference)?;
/// assert_eq!(larger.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UpSampling2d {
    factors: [usize; 2],
    interpolation: Interpolation,
}

impl UpSampling2d {
    /// Enlarges height and width by these factors.
    pub fn new(rows: usize, columns: usize) -> UpSampling2d {
        UpSampling2d { factors: [rows, columns], interpolation: Interpolation::Nearest }
    }

    /// Sets how the added pixels are computed; from the nearest pixel by default.
    #[must_use]
    pub fn interpolation(self, interpolation: Interpolation) -> UpSampling2d {
        UpSampling2d { interpolation, ..self }
    }
}

impl Layer for UpSampling2d {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let &[batch, height, width, channels] = &input.shape()[..] else {
            let message = "needs 4 axes, [batch, height, width, channels]";
            return Err(Error::shape("up_sampling2d", input.shape(), message));
        };
        let [rows, columns] = self.factors;
        let larger = height.checked_mul(rows).zip(width.checked_mul(columns));
        let Some((tall, wide)) = larger.filter(|_| rows > 0 && columns > 0) else {
            let message =
                format!("the factors {rows} and {columns} must be at least 1, and the output size must not overflow");
            return Err(Error::argument("up_sampling2d", message));
        };
        Shape::from([batch, tall, wide, channels]).checked_size("up_sampling2d")?;
        match self.interpolation {
            Interpolation::Nearest => {
                let repeated = Shape::from(vec![batch, height, rows, width, columns, channels]);
                let apart = input.reshape(Shape::from(vec![batch, height, 1, width, 1, channels]))?;
                apart.expand(repeated)?.reshape([batch, tall, wide, channels])
            }
            Interpolation::Bilinear => {
                if !input.dtype().is_float() {
                    let expected = "a floating type; cast the input first";
                    return Err(Error::dtype("up_sampling2d", input.dtype(), expected));
                }
                // First the height, then the width.
                interpolate(&interpolate(input, 1, rows)?, 2, columns)
            }
        }
    }

    fn describe(&self) -> String {
        format!("UpSampling2d {}×{}", self.factors[0], self.factors[1])
    }
}

/// Linear interpolation along an axis, to `factor` times as many pixels. Beyond the outermost centres the values are those
/// of the outermost pixels.
fn interpolate(images: &Tensor, axis: usize, factor: usize) -> Result<Tensor> {
    let size = images.shape()[axis];
    let last = size.saturating_sub(1) as i64;
    let centres = (0..size * factor).map(|place| ((place as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, last as f64));
    let centres: Vec<f64> = centres.collect();
    let before: Tensor = centres.iter().map(|&centre| centre as i64).collect();
    let after: Tensor = centres.iter().map(|&centre| (centre as i64 + 1).min(last)).collect();
    let share: Tensor = centres.iter().map(|centre| centre.fract()).collect();
    let shape = Shape::from([1; 4]).with(axis, centres.len());
    let (before, after) = (images.take(&before, axis)?, images.take(&after, axis)?);
    before.try_add(after.try_sub(&before)?.try_mul(share.cast(images.dtype()).reshape(shape)?)?)
}
