//! Larger images.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::layer::{Layer, Mode};

/// How pixels between pixels are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel: each is repeated.
    #[default]
    Nearest,
    /// The weighted mean of the nearest in both directions, pixels being centred at halves.
    Bilinear,
}

/// Images with each side a whole number of times as long: `[batch, height, width, channels]` becomes
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
    /// So many times the rows and the columns.
    pub fn new(rows: usize, columns: usize) -> UpSampling2d {
        UpSampling2d { factors: [rows, columns], interpolation: Interpolation::Nearest }
    }

    /// Sets how pixels between pixels are found; the nearest by default.
    #[must_use]
    pub fn interpolation(self, interpolation: Interpolation) -> UpSampling2d {
        UpSampling2d { interpolation, ..self }
    }
}

impl Layer for UpSampling2d {
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let &[batch, height, width, channels] = &input.shape()[..] else {
            let message = "needs 4 axes, [batch, height, width, channels]";
            return Err(Error::shape("up_sampling2d", input.shape(), message));
        };
        let [rows, columns] = self.factors;
        let larger = height.checked_mul(rows).zip(width.checked_mul(columns));
        let Some((tall, wide)) = larger.filter(|_| rows > 0 && columns > 0) else {
            let message = format!("the factors {rows} and {columns} must be at least 1 and give a size");
            return Err(Error::argument("up_sampling2d", message));
        };
        match self.interpolation {
            Interpolation::Nearest => {
                let repeated = Shape::from(vec![batch, height, rows, width, columns, channels]);
                let apart = input.with_shape(Shape::from(vec![batch, height, 1, width, 1, channels]))?;
                apart.expand(repeated)?.with_shape([batch, tall, wide, channels])
            }
            Interpolation::Bilinear => {
                if !input.dtype().is_float() {
                    let expected = "a floating type; cast the input first";
                    return Err(Error::dtype("up_sampling2d", input.dtype(), expected));
                }
                // One direction after the other, each a product with a matrix.
                let lines = input.with_shape([batch, height, width * channels])?;
                let taller = interpolation_matrix(height, rows, input.dtype()).matmul(lines)?;
                let lines = taller.with_shape([batch * tall, width, channels])?;
                let wider = interpolation_matrix(width, columns, input.dtype()).matmul(lines)?;
                wider.with_shape([batch, tall, wide, channels])
            }
        }
    }

    fn describe(&self) -> String {
        format!("UpSampling2d {}×{}", self.factors[0], self.factors[1])
    }
}

/// The weights of `size` pixels in `factor` times as many, `[factor · size, size]`; beyond the outer
/// centres the outer pixels go on.
fn interpolation_matrix(size: usize, factor: usize, dtype: DType) -> Tensor {
    let mut weights = vec![0f64; factor * size * size];
    if size > 0 {
        for (place, row) in weights.chunks_mut(size).enumerate() {
            let centre = ((place as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, (size - 1) as f64);
            let before = centre as usize;
            row[before] += 1.0 - centre.fract();
            row[(before + 1).min(size - 1)] += centre.fract();
        }
    }
    Tensor::from_vec(weights, [factor * size, size]).expect("as many weights as the shape has").cast(dtype)
}
