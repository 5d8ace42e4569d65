//! Rotary encoding of positions.

use tensor::{Error, Result, Tensor};

use crate::input_checks::sequence_sizes;
use crate::layer::Layer;
use crate::mode::Mode;

/// Rotates pairs of features by angles proportional to the position, so that the product of a query and a key depends on
/// their distance (Su et al. 2021). Feature `i` of the first half of the last axis and feature `i` of the second half are
/// a pair, which is rotated by `position · base^(-2i / width)`.
///
/// Input and output are `[…, time, width]` with an even width; positions count from 0.
///
/// ```
/// # use nn::{Layer, Mode, MultiHeadAttention, RotaryEncoding};
/// # use tensor::tensor;
/// let turned = RotaryEncoding::default().forward(&tensor![[1.0, 0.0], [1.0, 0.0]], Mode::Inference)?;
/// assert!(turned.allclose(&tensor![[1.0, 0.0], [1f64.cos(), 1f64.sin()]], 0.0, 1e-6)?);
/// let attention = MultiHeadAttention::new(8, 2).rotary(RotaryEncoding::default());
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RotaryEncoding {
    base: f64,
}

impl Default for RotaryEncoding {
    /// With the base 10000.
    fn default() -> Self {
        RotaryEncoding { base: 10_000.0 }
    }
}

impl RotaryEncoding {
    /// With this base, a positive number: a larger base rotates the last pairs more slowly.
    pub fn with_base(base: f64) -> RotaryEncoding {
        RotaryEncoding { base }
    }
}

impl Layer for RotaryEncoding {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let [time, width] = sequence_sizes("rotary_encoding", input)?;
        if width % 2 != 0 {
            return Err(Error::shape("rotary_encoding", input.shape(), format!("the width {width} must be even")));
        }
        let half = width / 2;
        let angles = angles(time, half, self.base, "rotary_encoding")?;
        let (sine, cosine) = (angles.sin().cast(input.dtype()), angles.cos().cast(input.dtype()));
        let halves = input.split([half; 2], -1)?;
        let (a, b) = (&halves[0], &halves[1]);
        let turned_a = a.try_mul(&cosine)?.try_sub(b.try_mul(&sine)?)?;
        let turned_b = b.try_mul(&cosine)?.try_add(a.try_mul(&sine)?)?;
        Tensor::concat(&[&turned_a, &turned_b], -1)
    }
}

/// `position · base^(-i / count)` for the positions below `time` and `i` below `count`, float64.
pub(super) fn angles(time: usize, count: usize, base: f64, kind: &str) -> Result<Tensor> {
    if !(base > 0.0 && base.is_finite()) {
        return Err(Error::argument(kind, format!("the base {base:?} must be positive and finite")));
    }
    let speeds: Vec<f64> = (0..count).map(|k| base.powf(-(k as f64) / count as f64)).collect();
    let positions: Tensor = (0..time).map(|position| position as f64).collect();
    positions.outer(&speeds.into())
}
