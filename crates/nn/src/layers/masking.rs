//! Steps that are left out.

use tensor::{Result, Tensor};

use crate::input_checks::check_input;
use crate::layer::{Layer, Mode};
use crate::mask::check_mask;

/// Leaves out steps of sequences all of whose features are one value, such as those that pad shorter sequences to the
/// length of the longest, as Keras' layer: they become 0, and the layers after it in a
/// [`Sequential`](crate::Sequential) get a mask ([`Layer::forward_masked`]). The value may be NaN, which here equals NaN
/// (in Keras it equals nothing).
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
    /// Leaves out steps of which all features are this value; 0 in Keras if not given.
    pub fn new(value: f64) -> Masking {
        Masking { value }
    }
}

impl Layer for Masking {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_masked(input, None, mode).map(|(output, _)| output)
    }

    /// A mask that comes in is narrowed.
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
