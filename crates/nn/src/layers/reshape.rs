//! Reshaping of samples.

use tensor::{Error, IntoIntegers, Result, Tensor};

use crate::layer::Layer;
use crate::mode::Mode;

/// Changes the shape of each sample: `[batch, …]` becomes `[batch, …shape]`, as in Keras. One size may be -1, which is
/// inferred from the others.
///
/// ```
/// # use nn::{Layer, Mode, Reshape};
/// # use tensor::Tensor;
/// let rows = Tensor::zeros([2, 12]);
/// assert_eq!(Reshape::new([3, -1]).forward(&rows, Mode::Inference)?.shape(), &[2, 3, 4]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reshape {
    shape: Vec<isize>,
}

impl Reshape {
    /// To this shape, without the batch axis.
    pub fn new(shape: impl IntoIntegers) -> Reshape {
        Reshape { shape: shape.into_integers().into_vec() }
    }
}

impl Layer for Reshape {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let Some((&batch, sample)) = input.shape().split_first() else {
            return Err(Error::shape("reshape", input.shape(), "needs a batch axis"));
        };
        // Inferred from the shape of one sample, so the batch may be empty.
        let open = self.shape.iter().filter(|&&size| size == -1).count();
        let known = self.shape.iter().filter(|&&size| size != -1);
        let known =
            known.map(|&size| usize::try_from(size).ok()).try_fold(1usize, |product, size| product.checked_mul(size?));
        let whole = sample.iter().product::<usize>();
        let rest = match (open, known) {
            (0, Some(known)) if known == whole => 1,
            (1, Some(known)) if known > 0 && whole.is_multiple_of(known) => whole / known,
            _ => {
                let message = format!("a sample of {whole} elements cannot become {:?}", self.shape);
                return Err(Error::shape("reshape", input.shape(), message));
            }
        };
        let sizes = self.shape.iter().map(|&size| usize::try_from(size).unwrap_or(rest));
        input.reshape([batch].into_iter().chain(sizes).collect::<tensor::Shape>())
    }

    fn describe(&self) -> String {
        format!("Reshape {:?}", self.shape)
    }
}
