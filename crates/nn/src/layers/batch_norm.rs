//! Batch normalization.

use autograd::{CheckpointPass, Variable, checkpoint_pass};
use tensor::{Error, Integer, Result, Shape, Tensor, no_record, normalize_axis};

use super::affine::{Affine, AffineOptions, affine_options};
use crate::initializers::Initializer;
use crate::layer::{Layer, Mode, Visitor};
use crate::mask::{check_mask, refused, step_by_step};
use crate::weights::{Draw, Weights, check_input};

/// Each channel brought to mean 0 and variance 1, times `gamma` plus `beta` (Ioffe & Szegedy 2015):
/// `(x - mean) / √(variance + epsilon) · gamma + beta`.
///
/// In training, mean and variance (divisor `n`) are those of the batch, over all axes but the
/// channels', and the running ones move towards them: `running · momentum + batch · (1 - momentum)`.
/// They move only if those of the batch are finite. NaN and infinite elements of a batch make its own
/// output NaN, but stay out of the running statistics; finite elements whose variance is beyond the
/// element type, ±1e20 in float32, are an error.
/// In inference the running ones take their place. As in Keras, a layer that is frozen, so that none
/// of its `gamma` and `beta` is trainable, is in inference always (one without either cannot be frozen). What `autograd::checkpoint` computes
/// twice moves them once.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, channels]` |
/// | weights `gamma`, `beta` | `[channels]`; ones and zeros at first |
/// | states `moving_mean`, `moving_variance` | `[channels]`; zeros and ones at first; never trainable |
///
/// ```
/// # use nn::{BatchNorm, Layer, Mode};
/// # use tensor::tensor;
/// let layer = BatchNorm::new(1).momentum(0.9);
/// layer.forward(&tensor![[1.0], [3.0]], Mode::Training)?;
/// assert!((layer.weight("moving_mean")?.value().item()? - 0.2).abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchNorm {
    axis: isize,
    momentum: f64,
    epsilon: f64,
    unbiased: bool,
    affine: AffineOptions,
    weights: Weights<Parts>,
}

#[derive(Debug)]
struct Parts {
    affine: Affine,
    moving_mean: Variable,
    moving_variance: Variable,
}

affine_options!(BatchNorm);

impl Default for BatchNorm {
    /// For as many channels as the first input will have.
    fn default() -> Self {
        BatchNorm {
            axis: -1,
            momentum: 0.99,
            epsilon: 1e-3,
            unbiased: false,
            affine: AffineOptions::default(),
            weights: Weights::unsized_yet(),
        }
    }
}

impl BatchNorm {
    /// For so many channels.
    pub fn new(channels: usize) -> BatchNorm {
        BatchNorm { weights: Weights::sized([channels]), ..BatchNorm::default() }
    }

    /// Sets the axis of the channels: the last one by default, 1 where they come first. An axis that the input does not
    /// have, or 0, which counts samples, is an error of the forward pass.
    #[must_use]
    pub fn axis(self, axis: impl Integer) -> BatchNorm {
        BatchNorm { axis: axis.to_isize(), ..self }
    }

    /// The axis of the channels of an input.
    #[track_caller]
    fn channel_axis(&self, input: &Tensor) -> Result<usize> {
        match normalize_axis(self.axis, input.rank(), "batch_norm")? {
            0 => Err(Error::argument("batch_norm", "axis 0 counts samples; the channels need another axis")),
            axis => Ok(axis),
        }
    }

    /// Sets how much of the running mean and variance stays at each step: 0.99 by default, as in Keras.
    /// PyTorch's momentum is what goes, 1 less this one.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> BatchNorm {
        BatchNorm { momentum, ..self }
    }

    /// Moves the running variance towards the unbiased one (divisor `n - 1`), as PyTorch does.
    #[must_use]
    pub fn unbiased_variance(self) -> BatchNorm {
        BatchNorm { unbiased: true, ..self }
    }

    fn build(&self, sizes: &[usize], draw: &mut Draw) -> Result<Parts> {
        let affine = Affine::new(&self.affine, sizes, draw)?;
        let moving_mean = draw.state("moving_mean", &Initializer::Zeros, sizes)?;
        let moving_variance = draw.state("moving_variance", &Initializer::Ones, sizes)?;
        Ok(Parts { affine, moving_mean, moving_variance })
    }

    /// Moves the running mean and variance towards those of a batch of `count` elements a channel,
    /// unless these are not finite: the running ones would never be again.
    fn update(&self, parts: &Parts, input: &Tensor, mean: &Tensor, variance: &Tensor, count: usize) -> Result<()> {
        no_record(|| {
            let count = count as f64;
            let unbiased = if self.unbiased { Some(variance.try_mul(count / (count - 1.0))?) } else { None };
            let variance = unbiased.as_ref().unwrap_or(variance);
            if !(mean.all_finite() && variance.all_finite()) {
                return too_large(input, mean, variance);
            }
            for (state, batch) in [(&parts.moving_mean, mean), (&parts.moving_variance, variance)] {
                let batch = batch.reshape(state.shape())?.try_mul(1.0 - self.momentum)?;
                state.assign(state.value().try_mul(self.momentum)?.try_add(batch)?)?;
            }
            Ok(())
        })
    }
}

/// An error if the elements of a batch are finite, but not its statistics. A batch that is not finite
/// itself passes: its loss is NaN, which training reports.
fn too_large(input: &Tensor, mean: &Tensor, variance: &Tensor) -> Result<()> {
    if !input.all_finite() {
        return Ok(());
    }
    let finite = mean.flatten().isfinite().logical_and(variance.flatten().isfinite())?.to_vec::<bool>()?;
    let channel = finite.iter().position(|&finite| !finite).unwrap_or(0);
    let message = format!(
        "the batch's variance in channel {channel} is beyond {}, with elements as large as {:.1e}; the running statistics \
         stay as they were. Scale the input, or cast model and input to float64",
        input.dtype(),
        input.abs().max()?.item()?
    );
    Err(Error::argument("batch_norm", message))
}

impl Parts {
    fn is_frozen(&self) -> bool {
        let mut weights = [&self.affine.gamma, &self.affine.beta].into_iter().flatten().peekable();
        weights.peek().is_some() && weights.all(|weight| !weight.is_trainable())
    }
}

impl BatchNorm {
    /// The input with the channels on `axis` normalized.
    fn normalized(&self, input: &Tensor, axis: usize, mode: Mode) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let message = format!("the momentum {:?} must lie between 0 and 1", self.momentum);
            return Err(Error::argument("batch_norm", message));
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            let message = format!("epsilon {:?} must be a number from 0 on", self.epsilon);
            return Err(Error::argument("batch_norm", message));
        }
        let channels = input.shape()[axis];
        let parts = self.weights.of("batch_norm", input, &[channels], |sizes, draw| self.build(sizes, draw))?;
        let (before, after) = (&input.shape()[..axis], &input.shape()[axis + 1..]);
        let [rows, columns]: [usize; 2] = [before, after].map(|axes| axes.iter().product());
        if mode == Mode::Training && !parts.is_frozen() {
            let count = rows * columns;
            if count < 2 {
                let message =
                    format!("in training a channel needs at least 2 values, not {count}: one alone has no variance");
                return Err(Error::shape("batch_norm", input.shape(), message));
            }
            let grouped = input.reshape([1, rows, channels, columns])?;
            let [output, mean, variance] = parts.affine.normalize(&grouped, [channels, 1], self.epsilon)?;
            // A checkpointed segment has moved them in its first pass.
            if checkpoint_pass() != Some(CheckpointPass::Recomputation) {
                self.update(parts, input, &mean, &variance, count)?;
            }
            return output.reshape(input.shape());
        }
        let across: Shape = (0..input.rank()).map(|other| if other == axis { channels } else { 1 }).collect();
        let mean = parts.moving_mean.value().reshape(&across)?;
        let variance = parts.moving_variance.value().reshape(&across)?;
        let normal = input.try_sub(mean)?.try_mul(variance.try_add(self.epsilon)?.rsqrt())?;
        parts.affine.apply(normal, &across)
    }
}

impl Layer for BatchNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        check_input("batch_norm", input, 2, "[batch, …, channels]")?;
        self.normalized(input, self.channel_axis(input)?, mode)
    }

    /// Mean and variance are of the steps that the mask keeps, as in Keras; in training the others become 0.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let Some(mask) = mask.filter(|_| mode == Mode::Training) else {
            return step_by_step(self, input, mask, mode);
        };
        check_input("batch_norm", input, 3, "[batch, steps, …, channels]")?;
        check_mask("batch_norm", mask, input)?;
        let axis = self.channel_axis(input)?;
        if axis < 2 {
            return refused("batch_norm", "the channels stand before the steps");
        }
        let kept = mask.flatten().nonzero().flatten();
        let rows: Shape = [mask.size()].iter().chain(&input.shape()[2..]).copied().collect();
        let normal = self.normalized(&input.reshape(rows)?.take(&kept, 0)?, axis - 1, mode)?;
        Ok((normal.index_add(&kept, 0, mask.size())?.reshape(input.shape())?, Some(mask.clone())))
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(parts) = self.weights.known("batch_norm", |sizes, draw| self.build(sizes, draw)) {
            parts.affine.visit(visitor);
            visitor.state("moving_mean", &parts.moving_mean);
            visitor.state("moving_variance", &parts.moving_variance);
        }
    }

    fn describe(&self) -> String {
        match self.weights.sizes() {
            Some(sizes) => format!("BatchNorm {}", sizes[0]),
            None => "BatchNorm".into(),
        }
    }
}
