//! Group normalization.

use tensor::{Error, Result, Tensor};

use super::affine::{Affine, AffineOptions, affine_options};
use crate::input_checks::check_input;
use crate::layer::{Layer, Mode, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::refuse_mask;

/// The channels in groups, each group of each sample brought to mean 0 and variance 1 over all
/// positions, times `gamma` plus `beta` (Wu & He 2018). One group normalizes all channels together,
/// as many groups as channels each by itself (instance normalization).
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, channels]` |
/// | weights `gamma`, `beta` | `[channels]`; ones and zeros at first |
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

affine_options!(GroupNorm);

impl GroupNorm {
    /// `groups` groups of equal size of so many channels.
    pub fn new(channels: usize, groups: usize) -> GroupNorm {
        GroupNorm { weights: LazyWeights::sized([channels]), ..GroupNorm::groups(groups) }
    }

    /// `groups` groups of the channels that the first input will have.
    pub fn groups(groups: usize) -> GroupNorm {
        GroupNorm { groups, epsilon: 1e-3, affine: AffineOptions::default(), weights: LazyWeights::deferred() }
    }

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        if self.groups == 0 || !sizes[0].is_multiple_of(self.groups) {
            let message = format!("{} channels cannot be split into {} equal groups", sizes[0], self.groups);
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
        let places = [self.groups, channels / self.groups];
        let grouped = input.reshape([batch, positions, places[0], places[1]])?;
        let [output, ..] = affine.normalize(&grouped, places, self.epsilon)?;
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
