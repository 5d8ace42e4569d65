//! A penalty on activations.

use tensor::{Error, Result, Tensor};

use crate::layer::{Layer, Visitor};
use crate::mode::Mode;
use crate::penalty::Penalty;
use crate::regularizers::Regularizer;

/// Returns its input and adds a penalty on it to the loss, like Keras' layer and its `activity_regularizer`. The
/// regularizer is applied to the whole input; the penalty is not divided by the number of samples.
///
/// [`Layer::regularization_loss`] takes the penalty of the last call on its thread, so call it once after each forward
/// pass. If a layer is called several times in one pass, only the last call counts: use a separate layer for each place.
///
/// ```
/// use nn::{ActivityRegularization, Dense, L1, Layer, Mode, Sequential};
/// use tensor::Tensor;
///
/// let model = Sequential::new().add(Dense::new(2, 3)).add(ActivityRegularization::new(L1(0.1)));
/// let hidden = model.forward(&Tensor::ones([5, 2]), Mode::Training)?;
/// let penalty = model.regularization_loss()?.expect("the pass left one");
/// assert!((penalty.item()? - 0.1 * hidden.abs().sum().item()?).abs() < 1e-5);
/// assert!(model.regularization_loss()?.is_none());
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct ActivityRegularization {
    regularizer: Box<dyn Regularizer>,
    penalty: Penalty,
}

impl ActivityRegularization {
    /// A layer with this regularizer.
    pub fn new(regularizer: impl Regularizer + 'static) -> ActivityRegularization {
        ActivityRegularization { regularizer: Box::new(regularizer), penalty: Penalty::default() }
    }
}

impl Layer for ActivityRegularization {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        // Tapes do not record inside a segment of `checkpoint`, so the penalty would be a constant.
        if autograd::checkpoint_pass().is_some() {
            let message = "a penalty cannot be computed inside `checkpoint`; regularize the result outside of it";
            return Err(Error::argument("activity_regularization", message));
        }
        self.penalty.set(self.regularizer.penalty(input)?);
        Ok(input.clone())
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.penalty("activity", &self.penalty);
    }
}
