//! Group normalization.

use tensor::{Error, Result, Tensor};

use super::affine::{Affine, AffineOptions};
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;
use crate::mode::Mode;
use crate::weight::weight_options;

/// Normalizes each group of channels of each sample to mean 0 and variance 1 over all positions, multiplies by `gamma` and
/// adds `beta` (Wu & He 2018). With one group all channels are normalized together; with as many groups as channels each
/// one is normalized separately (instance normalization).
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, channels]` |
/// | weights `gamma`, `beta` | `[channels]`; initially ones and zeros |
///
/// ```
/// # use nn::{GroupNorm, Layer, Mode};
/// # use tensor::Tensor;
/// let y = GroupNorm::groups(2).forward(&Tensor::ones([1, 5, 5, 6]), Mode::Inference)?;
/// assert_eq!(y.shape(), &[1, 5, 5, 6]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct GroupNorm {
    groups: usize,
    epsilon: f64,
    affine: AffineOptions,
    weights: LazyWeights<Affine>,
}

impl GroupNorm {
    /// A layer for `channels` channels in `groups` groups of equal size.
    pub fn new(channels: usize, groups: usize) -> GroupNorm {
        GroupNorm { weights: LazyWeights::sized([channels]), ..GroupNorm::groups(groups) }
    }

    /// A layer for `groups` groups. The number of channels is that of the first input.
    pub fn groups(groups: usize) -> GroupNorm {
        GroupNorm { groups, epsilon: 1e-3, affine: AffineOptions::default(), weights: LazyWeights::deferred() }
    }

    /// Sets epsilon, which is added to the variance, at least 0; 0.001 by default, as in Keras.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> GroupNorm {
        GroupNorm { epsilon, ..self }
    }

    weight_options!("gamma" in affine.gamma: without_scale, gamma_initializer, gamma_regularizer, gamma_constraint);
    weight_options!("beta" in affine.beta: without_center, beta_initializer, beta_regularizer, beta_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        if self.groups == 0 || !sizes[0].is_multiple_of(self.groups) {
            let message = format!("{} channels cannot be divided into {} groups of equal size", sizes[0], self.groups);
            return Err(Error::argument("group_norm", message));
        }
        Affine::new(&self.affine, sizes, builder)
    }
}

impl Layer for GroupNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        check_input("group_norm", input, 2, "[batch, …, channels]")?;
        let (batch, channels) = (input.shape()[0], input.shape()[input.rank() - 1]);
        let affine = self.weights.get("group_norm", input, &[channels], |sizes, builder| self.build(sizes, builder))?;
        let positions = input.shape()[1..input.rank() - 1].iter().product();
        let shape = [self.groups, channels / self.groups];
        let grouped = input.reshape([batch, positions, shape[0], shape[1]])?;
        let [output, ..] = affine.normalize(&grouped, shape, self.epsilon)?;
        output.reshape(input.shape())
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        match mask {
            Some(_) => refuse_mask("group_norm", "mean and variance are over all steps of a sample"),
            None => Ok((self.forward(input, mode)?, None)),
        }
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(affine) = self.weights.get_if_sized("group_norm", |sizes, builder| self.build(sizes, builder)) {
            affine.visit(visitor);
        }
    }

    fn describe(&self) -> String {
        format!("GroupNorm {}", self.groups)
    }
}
