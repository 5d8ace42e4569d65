//! Connectionist temporal classification: label sequences without an alignment.

use tensor::{DType, Error, Result, Tensor};

use super::checks::checked_loss;
use super::loss::Loss;

const NAME: &str = "ctc";

/// The blank class, as in Keras and by default in PyTorch.
const BLANK: i64 = 0;

/// `-ln P(labels)` for each sample, where P is the total probability of all alignments: sequences with one class per frame
/// that become the labels when repetitions are merged and then blanks, class 0, are removed (Graves et al. 2006). Integer
/// labels `[batch, length]`, padded with zeros, and logits `[batch, frames, classes]` give `[batch]`. Unlike PyTorch's, a
/// mean over the batch does not divide by the lengths of the labels.
///
/// [`Ctc::loss_of_lengths`] supports frames and labels of different lengths. Each label needs a frame, and one more if it
/// equals the label before it; [`Ctc::zero_infinity`] allows labels that need more frames than there are.
///
/// # Errors
/// Returns an error if shapes do not fit, labels are not integers or not classes, a zero precedes another label, labels
/// need too many frames, logits are not floating, or there are no samples.
///
/// ```
/// # use nn::ctc;
/// # use tensor::{Tensor, tensor};
/// // Two frames, two classes: the alignments of the label 1 are 11, 01 and 10, each with probability 1/4.
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
    /// Sets loss and gradient to 0 for samples whose labels need more frames than there are, instead of returning an error.
    /// Their loss would be infinite.
    #[must_use]
    pub fn zero_infinity(self) -> Ctc {
        Ctc { zero_infinity: true }
    }

    /// [`ctc`] of the first `label_lengths[k]` labels and the first `input_lengths[k]` frames of each sample. Both lengths
    /// are integers `[batch]`. The labels and frames beyond them are ignored.
    ///
    /// # Errors
    /// Returns the errors of [`ctc`], and an error if a length is out of range for its axis or the number of frames is 0.
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
        let mut effective_labels = Vec::with_capacity(batch);
        for sample in 0..batch {
            let labels = &labels[sample * length..][..label_lengths[sample]];
            if let Some(&label) = labels.iter().find(|&&label| label == BLANK || !(0..classes as i64).contains(&label))
            {
                let message = format!("{label} in sample {sample} is not a class from 1 to {}", classes - 1);
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
            // Labels that do not fit are replaced by none: an infinite loss times a gradient of 0 would be NaN.
            effective_labels.push(if fits[sample] { labels } else { &[] });
        }
        let losses = negative_log_probabilities(&effective_labels, logits, frames)?;
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

    fn name(&self) -> &str {
        NAME
    }
}

/// The numbers of samples, labels, frames and classes.
fn sizes(labels: &Tensor, logits: &Tensor) -> Result<[usize; 4]> {
    let &[batch, frames, classes] = &logits.shape()[..] else {
        return Err(Error::shape("predictions", logits.shape(), "must be logits [batch, frames, classes]"));
    };
    match labels.shape()[..] {
        [samples, length] if samples == batch => Ok([batch, length, frames, classes]),
        _ => Err(Error::shape("labels", labels.shape(), format!("must be [{batch}, length], one row per sample"))),
    }
}

fn integers(x: &Tensor, name: &str) -> Result<Vec<i64>> {
    match x.dtype() {
        DType::I64 | DType::U8 => x.cast(DType::I64).to_vec(),
        other => Err(Error::dtype(name, other, "int64 or uint8")),
    }
}

/// The lengths of all samples, or an error if one is out of range.
fn lengths(x: &Tensor, name: &str, labels: &Tensor, range: std::ops::RangeInclusive<usize>) -> Result<Vec<usize>> {
    let batch = labels.shape()[0];
    if x.shape()[..] != [batch] {
        return Err(Error::shape(name, x.shape(), format!("must be [{batch}], one per sample")));
    }
    let checked = |length: i64| match usize::try_from(length) {
        Ok(length) if range.contains(&length) => Ok(length),
        _ => Err(Error::argument(name, format!("{length} must lie between {} and {}", range.start(), range.end()))),
    };
    integers(x, name)?.into_iter().map(checked).collect()
}

/// The forward algorithm: for each frame, the logarithm of the total probability of all paths to each state. The states of
/// a sample are its labels with blanks before, between and after them. It consists of differentiable operations and
/// accumulates in float64.
fn negative_log_probabilities(labels: &[&[i64]], logits: &Tensor, frames: &[usize]) -> Result<Tensor> {
    let batch = labels.len();
    let count = 2 * labels.iter().map(|labels| labels.len()).max().unwrap_or(0) + 1;
    let last_frame = frames.iter().copied().max().unwrap_or(0);

    let mut classes = vec![BLANK; batch * count];
    // 0 where a path may skip the blank before a label, because the label differs from the one before; else -∞.
    let mut skips = vec![f64::NEG_INFINITY; batch * count];
    for (sample, labels) in labels.iter().enumerate() {
        for (k, &label) in labels.iter().enumerate() {
            let state = sample * count + 2 * k + 1;
            classes[state] = label;
            if k == 0 || labels[k - 1] != label {
                skips[state] = 0.0;
            }
        }
    }
    let skips = Tensor::from_vec(skips, [batch, count])?;
    let classes = Tensor::from_vec(classes, [batch, 1, count])?.expand([batch, last_frame, count])?;
    let mut logits = logits.slice((.., ..last_frame))?;
    if frames.iter().any(|&frames| frames < last_frame) {
        // Zeros beyond the last frame of a sample: a gradient of 0 times a derivative of NaN would be NaN.
        let counts = frames.iter().flat_map(|&frames| (0..last_frame).map(move |frame| frame < frames));
        logits = Tensor::from_vec(counts.collect(), [batch, last_frame, 1])?.select(logits, 0.0)?;
    }
    let emissions = logits.log_softmax(-1)?.gather(&classes, -1)?.cast(DType::F64);

    // Two columns precede the states, so that steps and skips have a source everywhere. All paths begin at the second
    // column, and the first is never reached.
    let mut reached = vec![f64::NEG_INFINITY; batch * (count + 2)];
    reached.iter_mut().skip(1).step_by(count + 2).for_each(|start| *start = 0.0);
    let mut reached = Tensor::from_vec(reached, [batch, count + 2])?;
    for (frame, emission) in entries(emissions.transpose(0, 1)?)?.iter().enumerate() {
        let stay = reached.slice((.., 2..))?;
        let step = reached.slice((.., 1..count + 1))?;
        let skip = reached.slice((.., ..count))?.try_add(&skips)?;
        let paths = Tensor::stack(&[&stay, &step, &skip], 0)?.logsumexp_axis(0)?;
        let next = paths.try_add(emission)?.pad([(0, 0), (2, 0)], f64::NEG_INFINITY)?;
        reached = if frames.iter().all(|&frames| frame < frames) {
            next
        } else {
            let running = frames.iter().map(|&frames| frame < frames).collect();
            Tensor::from_vec(running, [batch, 1])?.select(next, reached)?
        };
    }

    // Paths end at the last label or the blank after it. Without labels the former is the column of the start, which is
    // not reached after the first frame.
    let ends = labels.iter().flat_map(|labels| [2 * labels.len() as i64 + 1, 2 * labels.len() as i64 + 2]).collect();
    let ends = reached.gather(&Tensor::from_vec(ends, [batch, 2])?, -1)?;
    Ok(ends.logsumexp_axis(-1)?.try_neg()?.cast(logits.dtype()))
}

/// The entries along the first axis, by repeated halving: the gradient of a slice has the size of the tensor that it is
/// cut from, so slicing all entries from the whole tensor would take quadratic time.
fn entries(x: Tensor) -> Result<Vec<Tensor>> {
    let count = x.shape()[0];
    if count == 1 {
        return Ok(vec![x.squeeze(0)?]);
    }
    let mut all = entries(x.slice(..count / 2)?)?;
    all.extend(entries(x.slice(count / 2..)?)?);
    Ok(all)
}
