//! Batch normalization.

use autograd::{CheckpointPass, Variable, checkpoint_pass};
use tensor::{Error, Integer, Result, Shape, Tensor, no_record, normalize_axis};

use super::affine::{Affine, AffineOptions};
use crate::initializers::Initializer;
use crate::input_checks::check_input;
use crate::layer::{Layer, Visitor, forward_per_step};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::{check_mask, refuse_mask};
use crate::mode::Mode;
use crate::weight::weight_options;

/// Normalizes each channel to mean 0 and variance 1, multiplies by `gamma` and adds `beta` (Ioffe & Szegedy 2015):
/// `(x - mean) / √(variance + epsilon) · gamma + beta`.
///
/// In training, mean and variance (divisor `n`) are those of the batch, over all axes but that of the channels, and the
/// running statistics move towards them: `running · momentum + batch · (1 - momentum)`. NaN and infinite elements of a
/// batch make its output NaN, but do not change the running statistics. Finite elements whose variance overflows the
/// element type, from about ±1e20 in float32, are an error.
///
/// In inference the running statistics are used instead. As in Keras, a frozen layer, none of whose `gamma` and `beta` is
/// trainable, always behaves as in inference; a layer without both cannot be frozen. A segment that
/// `autograd::checkpoint` computes twice updates the running statistics once.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, …, channels]` |
/// | weights `gamma`, `beta` | `[channels]`; initially ones and zeros |
/// | states `moving_mean`, `moving_variance` | `[channels]`; initially zeros and ones; never trainable |
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
    weights: LazyWeights<BatchNormWeights>,
}

#[derive(Debug)]
struct BatchNormWeights {
    affine: Affine,
    moving_mean: Variable,
    moving_variance: Variable,
}

impl Default for BatchNorm {
    /// A layer whose number of channels is that of the first input.
    fn default() -> Self {
        BatchNorm {
            axis: -1,
            momentum: 0.99,
            epsilon: 1e-3,
            unbiased: false,
            affine: AffineOptions::default(),
            weights: LazyWeights::deferred(),
        }
    }
}

impl BatchNorm {
    /// A layer for this number of channels.
    pub fn new(channels: usize) -> BatchNorm {
        BatchNorm { weights: LazyWeights::sized([channels]), ..BatchNorm::default() }
    }

    /// Sets the axis of the channels: the last one by default; 1 for `[batch, channels, …]`. The forward pass returns an
    /// error if the axis is 0, the batch, or the input does not have it.
    #[must_use]
    pub fn axis(self, axis: impl Integer) -> BatchNorm {
        BatchNorm { axis: axis.to_isize(), ..self }
    }

    /// The axis of the channels of an input, not negative.
    #[track_caller]
    fn channel_axis(&self, input: &Tensor) -> Result<usize> {
        match normalize_axis(self.axis, input.rank(), "batch_norm")? {
            0 => Err(Error::argument("batch_norm", "axis 0 is the batch; the channels need another axis")),
            axis => Ok(axis),
        }
    }

    /// Sets the fraction of the running statistics that each step keeps: 0.99 by default, as in Keras. PyTorch's momentum
    /// is 1 minus this one.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> BatchNorm {
        BatchNorm { momentum, ..self }
    }

    /// Moves the running variance towards the unbiased variance of the batch (divisor `n - 1`), as PyTorch does.
    #[must_use]
    pub fn unbiased_variance(self) -> BatchNorm {
        BatchNorm { unbiased: true, ..self }
    }

    /// Sets epsilon, which is added to the variance, at least 0; 0.001 by default, as in Keras.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> BatchNorm {
        BatchNorm { epsilon, ..self }
    }

    weight_options!("gamma" in affine.gamma: without_scale, gamma_initializer, gamma_regularizer, gamma_constraint);
    weight_options!("beta" in affine.beta: without_center, beta_initializer, beta_regularizer, beta_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<BatchNormWeights> {
        let affine = Affine::new(&self.affine, sizes, builder)?;
        let moving_mean = builder.state("moving_mean", &Initializer::Zeros, sizes)?;
        let moving_variance = builder.state("moving_variance", &Initializer::Ones, sizes)?;
        Ok(BatchNormWeights { affine, moving_mean, moving_variance })
    }

    /// Moves the running statistics towards those of a batch with `count` elements per channel. Statistics that are not
    /// finite are not used, because the running ones would never become finite again.
    fn update(
        &self,
        weights: &BatchNormWeights,
        input: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        count: usize,
    ) -> Result<()> {
        no_record(|| {
            let count = count as f64;
            let unbiased = if self.unbiased { Some(variance.try_mul(count / (count - 1.0))?) } else { None };
            let variance = unbiased.as_ref().unwrap_or(variance);
            if !(mean.all_finite() && variance.all_finite()) {
                return check_overflow(input, mean, variance);
            }
            for (state, batch) in [(&weights.moving_mean, mean), (&weights.moving_variance, variance)] {
                let batch = batch.reshape(state.shape())?.try_mul(1.0 - self.momentum)?;
                state.assign(state.value().try_mul(self.momentum)?.try_add(batch)?)?;
            }
            Ok(())
        })
    }
}

/// Returns an error if the statistics of a batch overflow although its elements are finite. A batch with NaN or infinite
/// elements is not an error: its loss is NaN, which training reports.
fn check_overflow(input: &Tensor, mean: &Tensor, variance: &Tensor) -> Result<()> {
    if !input.all_finite() {
        return Ok(());
    }
    let finite = mean.flatten().isfinite().logical_and(variance.flatten().isfinite())?.to_vec::<bool>()?;
    let channel = finite.iter().position(|&finite| !finite).unwrap_or(0);
    let message = format!(
        "the variance of the batch in channel {channel} overflows {}, with elements up to {:.1e}; the running statistics \
         are unchanged. Scale the input, or cast model and input to float64",
        input.dtype(),
        input.abs().max()?.item()?
    );
    Err(Error::argument("batch_norm", message))
}

impl BatchNormWeights {
    fn is_frozen(&self) -> bool {
        let mut weights = [&self.affine.gamma, &self.affine.beta].into_iter().flatten().peekable();
        weights.peek().is_some() && weights.all(|weight| !weight.is_trainable())
    }
}

impl BatchNorm {
    /// Normalizes the input, whose channels are on `axis`.
    fn normalized(&self, input: &Tensor, axis: usize, mode: Mode) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let message = format!("the momentum {:?} must lie between 0 and 1", self.momentum);
            return Err(Error::argument("batch_norm", message));
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            let message = format!("epsilon {:?} must be finite and at least 0", self.epsilon);
            return Err(Error::argument("batch_norm", message));
        }
        let channels = input.shape()[axis];
        let weights =
            self.weights.get("batch_norm", input, &[channels], |sizes, builder| self.build(sizes, builder))?;
        let (before, after) = (&input.shape()[..axis], &input.shape()[axis + 1..]);
        let [rows, columns]: [usize; 2] = [before, after].map(|axes| axes.iter().product());
        if mode == Mode::Training && !weights.is_frozen() {
            let count = rows * columns;
            if count < 2 {
                let message = format!(
                    "in training a channel needs at least 2 values, not {count}: a single value has no variance"
                );
                return Err(Error::shape("batch_norm", input.shape(), message));
            }
            let grouped = input.reshape([1, rows, channels, columns])?;
            let [output, mean, variance] = weights.affine.normalize(&grouped, [channels, 1], self.epsilon)?;
            // The first pass of a checkpointed segment has already updated the running statistics.
            if checkpoint_pass() != Some(CheckpointPass::Recomputation) {
                self.update(weights, input, &mean, &variance, count)?;
            }
            return output.reshape(input.shape());
        }
        let across: Shape = (0..input.rank()).map(|other| if other == axis { channels } else { 1 }).collect();
        let mean = weights.moving_mean.value().reshape(&across)?;
        let variance = weights.moving_variance.value().reshape(&across)?;
        let normal = input.try_sub(mean)?.try_mul(variance.try_add(self.epsilon)?.rsqrt())?;
        weights.affine.apply(normal, &across)
    }
}

impl Layer for BatchNorm {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        check_input("batch_norm", input, 2, "[batch, …, channels]")?;
        self.normalized(input, self.channel_axis(input)?, mode)
    }

    /// Mean and variance are those of the steps that the mask keeps, as in Keras. In training the output is 0 elsewhere.
    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        let Some(mask) = mask.filter(|_| mode == Mode::Training) else {
            return forward_per_step(self, input, mask, mode);
        };
        check_input("batch_norm", input, 3, "[batch, steps, …, channels]")?;
        check_mask("batch_norm", mask, input)?;
        let axis = self.channel_axis(input)?;
        if axis < 2 {
            return refuse_mask("batch_norm", "the axis of channels comes before that of steps");
        }
        let kept = mask.flatten().nonzero().flatten();
        let rows: Shape = [mask.size()].iter().chain(&input.shape()[2..]).copied().collect();
        let normal = self.normalized(&input.reshape(rows)?.take(&kept, 0)?, axis - 1, mode)?;
        Ok((normal.index_add(&kept, 0, mask.size())?.reshape(input.shape())?, Some(mask.clone())))
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(weights) = self.weights.get_if_sized("batch_norm", |sizes, builder| self.build(sizes, builder)) {
            weights.affine.visit(visitor);
            visitor.state("moving_mean", &weights.moving_mean);
            visitor.state("moving_variance", &weights.moving_variance);
        }
    }

    fn describe(&self) -> String {
        match self.weights.sizes() {
            Some(sizes) => format!("BatchNorm {}", sizes[0]),
            None => "BatchNorm".into(),
        }
    }
}
