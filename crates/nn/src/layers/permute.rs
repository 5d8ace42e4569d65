//! Permutation of the axes of samples.

use tensor::{Error, IntoIntegers, Result, Tensor};

use crate::layer::{Layer, forward_per_step};
use crate::mask::refuse_mask;
use crate::mode::Mode;

/// Permutes the axes of each sample, like Keras' Permute. The axes count from 1, because axis 0 is the batch, which stays:
/// `Permute::new([2, 1])` turns `[batch, time, features]` into `[batch, features, time]`.
///
/// # Errors
/// Returns an error unless the axes are the numbers from 1 to the rank of a sample, each one once, in any order.
///
/// ```
/// # use nn::{Layer, Mode, Permute};
/// # use tensor::Tensor;
/// let output = Permute::new([3, 1, 2]).forward(&Tensor::ones([8, 2, 3, 4]), Mode::Inference)?;
/// assert_eq!(output.shape(), &[8, 4, 2, 3]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Permute {
    axes: Vec<isize>,
}

impl Permute {
    /// Axis `k + 1` of the output is axis `axes[k]` of the input.
    pub fn new(axes: impl IntoIntegers) -> Permute {
        Permute { axes: axes.into_integers().into_vec() }
    }
}

impl Layer for Permute {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(1..=self.axes.len() as isize) {
            let message =
                format!("the axes {:?} are not the numbers from 1 to {}, each one once", self.axes, sorted.len());
            return Err(Error::argument("permute", message));
        }
        if input.rank() != self.axes.len() + 1 {
            let message = format!("needs {} axes, the batch and those of {:?}", self.axes.len() + 1, self.axes);
            return Err(Error::shape("permute", input.shape(), message));
        }
        input.permute([&[0], &self.axes[..]].concat())
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        if mask.is_some() && self.axes.first() != Some(&1) {
            return refuse_mask("permute", "it moves the axis of steps");
        }
        forward_per_step(self, input, mask, mode)
    }

    fn describe(&self) -> String {
        format!("Permute {:?}", self.axes)
    }
}
