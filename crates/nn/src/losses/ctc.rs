//! Connectionist temporal classification: labels of a sequence without their places.

use tensor::{DType, Error, Result, Tensor};

use super::checks::checked_loss;
use super::loss::Loss;

const NAME: &str = "ctc";

/// The class that stands for no label, as in Keras and by default in PyTorch.
const BLANK: i64 = 0;

/// `-ln P(labels)` for each sample, P being the sum of the probabilities of all sequences of a class a
/// frame that become the labels when repetitions are merged and blanks, class 0, dropped after it
/// (Graves et al. 2006): integer labels `[batch, length]`, padded with zeros, and logits
/// `[batch, frames, classes]` give `[batch]`. A mean over the batch does not divide by lengths, which
/// PyTorch's does.
///
/// [`Ctc::loss_of_lengths`] takes sequences of different lengths, and [`Ctc::zero_infinity`] labels that
/// do not fit into the frames: they need a frame each, and one more for each that equals the one
/// before it.
///
/// # Errors
/// If shapes do not fit, labels are not integers or no classes, a zero stands before another label,
/// labels do not fit into the frames, logits are not floating, or there is no sample.
///
/// ```
/// # use nn::ctc;
/// # use tensor::{Tensor, tensor};
/// // Two frames, two classes: the label 1 is spelt 11, 01 and 10, each with probability 1/4.
/// let loss = ctc(&tensor![[1]], &Tensor::zeros([1, 2, 2]))?.item()?;
/// assert!((loss + 0.75f64.ln()).abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
#[track_caller]
pub fn ctc(labels: &Tensor, logits: &Tensor) -> Result<Tensor> {
    Ctc::default().loss(labels, logits)
}

/// [`ctc`] as a [`Loss`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ctc {
    zero_infinity: bool,
}

impl Ctc {
    /// Gives samples whose labels do not fit into their frames, and whose loss is infinite therefore,
    /// the loss and the gradient 0 instead of an error.
    #[must_use]
    pub fn zero_infinity(self) -> Ctc {
        Ctc { zero_infinity: true }
    }

    /// [`ctc`] of the first `label_lengths[k]` labels and the first `input_lengths[k]` frames of each
    /// sample, both `[batch]` of integers; what lies beyond them may be anything.
    ///
    /// # Errors
    /// As [`ctc`], and if a length is not in the range of its axis or no frame is left.
    #[track_caller]
    pub fn loss_of_lengths(
        &self,
        labels: &Tensor,
        logits: &Tensor,
        label_lengths: &Tensor,
        input_lengths: &Tensor,
    ) -> Result<Tensor> {
        checked_loss(NAME, labels, logits, || {
            let [_, length, frames, _] = sizes(labels, logits)?;
            let label_lengths = lengths(label_lengths, "label_lengths", labels, 0..=length)?;
            let input_lengths = lengths(input_lengths, "input_lengths", labels, 1..=frames)?;
            self.losses(labels, logits, &label_lengths, &input_lengths)
        })
    }

    fn losses(&self, labels: &Tensor, logits: &Tensor, label_lengths: &[usize], frames: &[usize]) -> Result<Tensor> {
        let [batch, length, _, classes] = sizes(labels, logits)?;
        let labels = integers(labels, "labels")?;
        let mut fits = vec![true; batch];
        let mut spelt = Vec::with_capacity(batch);
        for sample in 0..batch {
            let labels = &labels[sample * length..][..label_lengths[sample]];
            if let Some(&label) = labels.iter().find(|&&label| label == BLANK || !(0..classes as i64).contains(&label))
            {
                let message = format!("{label} in sample {sample} is no class from 1 to {}", classes - 1);
                return Err(Error::argument("labels", message));
            }
            let repeated = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let (needed, given) = (labels.len() + repeated, frames[sample]);
            fits[sample] = needed <= given;
            if !fits[sample] && !self.zero_infinity {
                let message = format!(
                    "those of sample {sample} need {needed} frames ({} labels, {repeated} equal to the one before), \
                     not {given}; `zero_infinity` gives them the loss 0",
                    labels.len()
                );
                return Err(Error::argument("labels", message));
            }
            // Those that do not fit are computed without labels, so that no infinity meets the 0.
            spelt.push(if fits[sample] { labels } else { &[] });
        }
        let losses = negative_log_probabilities(&spelt, logits, frames)?;
        if fits.iter().all(|&fits| fits) { Ok(losses) } else { Tensor::from_vec(fits, [batch])?.select(losses, 0.0) }
    }
}

impl Loss for Ctc {
    #[track_caller]
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        checked_loss(NAME, targets, predictions, || {
            let [batch, length, frames, _] = sizes(targets, predictions)?;
            let labels = integers(targets, "labels")?;
            let mut label_lengths = Vec::with_capacity(batch);
            for sample in 0..batch {
                let labels = &labels[sample * length..][..length];
                label_lengths.push(labels.iter().rposition(|&label| label != BLANK).map_or(0, |last| last + 1));
            }
            self.losses(targets, predictions, &label_lengths, &vec![frames; batch])
        })
    }

    fn takes_logits(&self) -> bool {
        true
    }

    fn has_finite_derivatives(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        NAME
    }
}

/// The sizes of batch, labels, frames and classes.
fn sizes(labels: &Tensor, logits: &Tensor) -> Result<[usize; 4]> {
    let &[batch, frames, classes] = &logits.shape()[..] else {
        return Err(Error::shape("predictions", logits.shape(), "must be logits [batch, frames, classes]"));
    };
    match labels.shape()[..] {
        [samples, length] if samples == batch => Ok([batch, length, frames, classes]),
        _ => Err(Error::shape("labels", labels.shape(), format!("must be [{batch}, length], a row a sample"))),
    }
}

fn integers(x: &Tensor, name: &str) -> Result<Vec<i64>> {
    match x.dtype() {
        DType::I64 | DType::U8 => x.cast(DType::I64).to_vec(),
        other => Err(Error::dtype(name, other, "int64 or uint8")),
    }
}

/// One length for each row of labels.
fn lengths(x: &Tensor, name: &str, labels: &Tensor, range: std::ops::RangeInclusive<usize>) -> Result<Vec<usize>> {
    let batch = labels.shape()[0];
    if x.shape()[..] != [batch] {
        return Err(Error::shape(name, x.shape(), format!("must be [{batch}], one a sample")));
    }
    let checked = |length: i64| match usize::try_from(length) {
        Ok(length) if range.contains(&length) => Ok(length),
        _ => Err(Error::argument(name, format!("{length} must lie between {} and {}", range.start(), range.end()))),
    };
    integers(x, name)?.into_iter().map(checked).collect()
}

/// The forward algorithm: frame by frame, the logarithm of the probability of all ways to have
/// come to each state. The states of a sample are its labels with a blank before, between and after
/// them. It is composed of differentiable operations, and accumulates in float64.
fn negative_log_probabilities(labels: &[&[i64]], logits: &Tensor, frames: &[usize]) -> Result<Tensor> {
    let batch = labels.len();
    let count = 2 * labels.iter().map(|labels| labels.len()).max().unwrap_or(0) + 1;
    let last_frame = frames.iter().copied().max().unwrap_or(0);

    let mut classes = vec![BLANK; batch * count];
    // 0 where a way may leap over the blank before a label, which must not equal the label before it.
    let mut leaps = vec![f64::NEG_INFINITY; batch * count];
    for (sample, labels) in labels.iter().enumerate() {
        for (k, &label) in labels.iter().enumerate() {
            let state = sample * count + 2 * k + 1;
            classes[state] = label;
            if k == 0 || labels[k - 1] != label {
                leaps[state] = 0.0;
            }
        }
    }
    let leaps = Tensor::from_vec(leaps, [batch, count])?;
    let classes = Tensor::from_vec(classes, [batch, 1, count])?.expand([batch, last_frame, count])?;
    let mut logits = logits.slice((.., ..last_frame))?;
    if frames.iter().any(|&frames| frames < last_frame) {
        // Zeros beyond the last frame of a sample, as a gradient of 0 times that of NaN would be NaN.
        let counts = frames.iter().flat_map(|&frames| (0..last_frame).map(move |frame| frame < frames));
        logits = Tensor::from_vec(counts.collect(), [batch, last_frame, 1])?.select(logits, 0.0)?;
    }
    let emissions = logits.log_softmax(-1)?.gather(&classes, -1)?.cast(DType::F64);

    // Two columns stand before the states, from which none is reached by a step or a leap; all ways
    // begin at the second.
    let mut reached = vec![f64::NEG_INFINITY; batch * (count + 2)];
    reached.iter_mut().skip(1).step_by(count + 2).for_each(|start| *start = 0.0);
    let mut reached = Tensor::from_vec(reached, [batch, count + 2])?;
    for (frame, emission) in entries(emissions.transpose(0, 1)?)?.iter().enumerate() {
        let stay = reached.slice((.., 2..))?;
        let step = reached.slice((.., 1..count + 1))?;
        let leap = reached.slice((.., ..count))?.try_add(&leaps)?;
        let ways = Tensor::stack(&[&stay, &step, &leap], 0)?.logsumexp_axis(0)?;
        let next = ways.try_add(emission)?.pad([(0, 0), (2, 0)], f64::NEG_INFINITY)?;
        reached = if frames.iter().all(|&frames| frame < frames) {
            next
        } else {
            let running = frames.iter().map(|&frames| frame < frames).collect();
            Tensor::from_vec(running, [batch, 1])?.select(next, reached)?
        };
    }

    // The last label or the blank after it; without labels, that blank or a column never reached.
    let ends = labels.iter().flat_map(|labels| [2 * labels.len() as i64 + 1, 2 * labels.len() as i64 + 2]).collect();
    let ends = reached.gather(&Tensor::from_vec(ends, [batch, 2])?, -1)?;
    Ok(ends.logsumexp_axis(-1)?.try_neg()?.cast(logits.dtype()))
}

/// The entries along the first axis, cut by halves: the gradient of a slice is as large as what it is
/// cut from, so that slices of the whole would cost the square of their number.
fn entries(x: Tensor) -> Result<Vec<Tensor>> {
    let count = x.shape()[0];
    if count == 1 {
        return Ok(vec![x.squeeze(0)?]);
    }
    let mut all = entries(x.slice(..count / 2)?)?;
    all.extend(entries(x.slice(count / 2..)?)?);
    Ok(all)
}
