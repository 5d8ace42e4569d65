//! Masking of steps.

use tensor::{Result, Tensor};

use crate::input_checks::check_input;
use crate::layer::Layer;
use crate::mask::check_mask;
use crate::mode::Mode;

/// Excludes the steps of sequences whose features all have one value, like Keras' layer: for example the padding of
/// shorter sequences to the length of the longest one. Such steps become 0, and the next layers in a
/// [`Sequential`](crate::Sequential) get a mask ([`Layer::forward_masked`]). The value may be NaN, which matches NaN (in
/// Keras it matches nothing).
///
/// Input and output are `[batch, time, features]`.
///
/// ```
/// # use nn::{Layer, Lstm, Masking, Mode, Sequential};
/// # use tensor::tensor;
/// let model = Sequential::new().add(Masking::new(0.0)).add(Lstm::new(1, 3).return_sequences()).add(Lstm::new(3, 2));
/// let padded = model.forward(&tensor![[[0.3], [0.7], [0.0]]], Mode::Inference)?;
/// let short = model.forward(&tensor![[[0.3], [0.7]]], Mode::Inference)?;
/// assert!(padded.allclose(&short, 0.0, 1e-6)?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Masking {
    value: f64,
}

impl Masking {
    /// Excludes steps whose features all have this value; 0 is Keras' default.
    pub fn new(value: f64) -> Masking {
        Masking { value }
    }
}

impl Layer for Masking {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_masked(input, None, mode).map(|(output, _)| output)
    }

    /// Steps that the mask of the input excludes stay excluded.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, _mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        check_input("masking", input, 3, "[batch, time, features]")?;
        let other = if self.value.is_nan() { input.isnan().logical_not()? } else { input.not_equal(self.value)? };
        let found = other.any_axis(-1)?;
        let mask = match mask {
            Some(mask) => {
                check_mask("masking", mask, input)?;
                mask.logical_and(&found)?
            }
            None => found,
        };
        Ok((mask.expand_dims(-1)?.select(input, 0.0)?, Some(mask)))
    }

    fn describe(&self) -> String {
        format!("Masking {}", self.value)
    }
}
