//! MixUp: samples mixed in pairs.

use tensor::{DType, Generator, Tensor};

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{DataError, Result};
use crate::random;

/// Mixes the features and targets of each sample with those of another one: `λ · a + (1 - λ) · b`, where λ is drawn
/// from a Beta(α, α) distribution. See Zhang, Cissé, Dauphin and Lopez-Paz (2018).
///
/// Sample weights are mixed as well; samples with masks are refused. Class targets become distributions, float32 of
/// shape `[batch, classes]`, so the loss must accept those. The random numbers of a sample depend only on the seed, the
/// epoch and the index of the sample.
///
/// ```
/// use data::{ArrayDataset, Dataset, MixUp};
/// use tensor::{Tensor, tensor};
///
/// let train = ArrayDataset::from_tensors(&Tensor::eye(3), &tensor![0, 1, 2])?.mixup(MixUp::new(1, 0.2).classes(3))?;
/// let batch = train.range(0, 0..3)?;
/// // Here the features are one-hot classes.
/// assert_eq!(batch.features.to_vec::<f32>()?, batch.targets.to_vec::<f32>()?);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixUp {
    seed: u64,
    alpha: f64,
    classes: Option<usize>,
}

impl MixUp {
    /// Sets α: 0.2 mixes most pairs slightly, 1 uniformly. Targets must be floating unless [`classes`](MixUp::classes)
    /// is set.
    pub fn new(seed: u64, alpha: f64) -> MixUp {
        MixUp { seed, alpha, classes: None }
    }

    /// Converts class targets to distributions over this many classes.
    #[must_use]
    pub fn classes(self, classes: usize) -> MixUp {
        MixUp { classes: Some(classes), ..self }
    }
}

/// See [`Dataset::mixup`].
pub(crate) struct Mixed<D> {
    dataset: D,
    mixup: MixUp,
}

impl<D: Dataset> Mixed<D> {
    pub(crate) fn new(dataset: D, mixup: MixUp) -> Result<Self> {
        if !(mixup.alpha > 0.0 && mixup.alpha.is_finite()) {
            return Err(DataError::dataset(format!("mixup: alpha is {:?}; it must be a positive number", mixup.alpha)));
        }
        Ok(Mixed { dataset, mixup })
    }

    /// Features and targets in floating types.
    fn numbers(&self, batch: &Batch) -> Result<(Tensor, Tensor)> {
        let float = |tensor: &Tensor| if tensor.dtype().is_float() { tensor.clone() } else { tensor.cast(DType::F32) };
        let targets = match self.mixup.classes {
            Some(classes) => batch.targets.reshape([batch.len()])?.one_hot(classes)?,
            None if batch.targets.dtype().is_float() => batch.targets.clone(),
            None => {
                let message = format!("mixup: targets are {}; say how many `classes` there are", batch.targets.dtype());
                return Err(DataError::dataset(message));
            }
        };
        Ok((float(&batch.features), targets))
    }
}

impl<D: Dataset> Dataset for Mixed<D> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let (mut others, mut shares) = (Vec::with_capacity(samples.len()), Vec::with_capacity(samples.len()));
        for &sample in samples {
            let mut generator = random::of_sample(self.mixup.seed, "mixup", epoch, sample);
            let other = (random::unit(&mut generator)? * self.len() as f64) as usize;
            others.push(other);
            shares.push(beta(self.mixup.alpha, &mut generator)? as f32);
        }
        let batch = self.dataset.gather(epoch, samples)?;
        let (features, targets) = self.numbers(&batch)?;
        let other = self.dataset.gather(epoch, &others)?;
        if batch.mask.is_some() || other.mask.is_some() {
            let message = "mixup: the samples have masks, which cannot be mixed";
            return Err(DataError::dataset(message.into()));
        }
        let (other_features, other_targets) = self.numbers(&other)?;
        let shares: Tensor = shares.into_iter().collect();
        let mix = |one: &Tensor, other: &Tensor| -> Result<Tensor> {
            let sizes = one.shape().iter().enumerate().map(|(axis, &size)| if axis == 0 { size } else { 1 });
            let share = shares.cast(one.dtype()).reshape(sizes.collect::<tensor::Shape>())?;
            one.try_mul(&share)?.try_add(other.try_mul(1.0 - &share)?)
        };
        let weights = match (&batch.weights, &other.weights) {
            (Some(one), Some(other)) => Some(mix(&one.cast(DType::F32), &other.cast(DType::F32))?),
            _ => None,
        };
        let (features, targets) = (mix(&features, &other_features)?, mix(&targets, &other_targets)?);
        Ok(Batch { features, targets, mask: None, weights })
    }
}

/// Draws from a Beta(α, α) distribution, as the share of one of two draws from a Gamma(α) distribution.
fn beta(alpha: f64, generator: &mut Generator) -> Result<f64> {
    let (one, other) = (ln_gamma_variate(alpha, generator)?, ln_gamma_variate(alpha, generator)?);
    Ok(1.0 / (1.0 + libm::exp(other - one)))
}

/// Draws the logarithm of a Gamma(α) variable (Marsaglia and Tsang, 2000); for α below 1 from α + 1. The variable
/// itself often underflows to 0 for small α.
fn ln_gamma_variate(alpha: f64, generator: &mut Generator) -> Result<f64> {
    if alpha < 1.0 {
        // In (0, 1], so that the logarithm is finite.
        let u = 1.0 - random::unit(generator)?;
        return Ok(ln_gamma_variate(alpha + 1.0, generator)? + libm::log(u) / alpha);
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = generator.normal([], 0.0, 1.0)?.item()?;
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - random::unit(generator)?;
        if v > 0.0 && libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return Ok(libm::log(d * v));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::tensor;

    #[test]
    fn shares_have_the_moments_of_their_distribution() {
        for alpha in [0.01, 0.2, 1.0, 4.0] {
            let mut generator = Generator::new(1);
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut generator).unwrap()).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / 20_000.0;
            // The variance of Beta(α, α) is 1 / (4 (2 α + 1)); its mean is within five standard errors.
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 5.0 * (expected / 20_000.0).sqrt(), "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance}");
        }
    }

    #[test]
    fn features_and_targets_are_mixed_alike() {
        let set = ArrayDataset::from_tensors(&Tensor::eye(50), &(0..50i64).collect()).unwrap();
        let mixed = set.clone().mixup(MixUp::new(3, 1.0).classes(50)).unwrap();
        let batch = mixed.range(0, 0..50).unwrap();
        let (x, y) = (batch.features.to_vec::<f32>().unwrap(), batch.targets.to_vec::<f32>().unwrap());
        assert_eq!(x, y);
        assert!(x.chunks(50).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        assert!(x.chunks(50).filter(|row| row.iter().filter(|&&share| share > 0.0).count() == 2).count() > 40);
        let some = mixed.gather(0, &[7, 3]).unwrap().features.to_vec::<f32>().unwrap();
        assert_eq!(some, [&x[350..400], &x[150..200]].concat());
        assert_ne!(mixed.range(1, 0..50).unwrap().features.to_vec::<f32>().unwrap(), x);
        let message = set.mixup(MixUp::new(3, 1.0)).unwrap().range(0, 0..1).unwrap_err().to_string();
        assert_eq!(message, "mixup: targets are int64; say how many `classes` there are");
    }

    #[test]
    fn alpha_must_be_positive() {
        let set = ArrayDataset::from_tensors(&tensor![1.0], &tensor![1.0]).unwrap();
        let message = set.mixup(MixUp::new(0, 0.0)).unwrap_err().to_string();
        assert_eq!(message, "mixup: alpha is 0.0; it must be a positive number");
    }

    #[test]
    fn weights_are_mixed_and_masks_refused() {
        let x: Tensor = (0..20).map(|k| k as f32).collect();
        let set = ArrayDataset::from_tensors(&x, &x).unwrap();
        // Features and weights that were equal stay equal, because they are mixed alike.
        let weighted = set.clone().with_weights(&x).unwrap().mixup(MixUp::new(1, 1.0)).unwrap();
        let batch = weighted.range(0, 0..20).unwrap();
        let weights = batch.weights.unwrap().to_vec::<f32>().unwrap();
        assert_eq!(weights, batch.features.to_vec::<f32>().unwrap());
        assert_ne!(weights, x.to_vec::<f32>().unwrap());
        let masked = set.map(|batch| Ok(Batch { mask: Some(Tensor::full([batch.len(), 1], true)), ..batch }));
        let message = masked.mixup(MixUp::new(1, 1.0)).unwrap().range(0, 0..2).unwrap_err().to_string();
        assert!(message.starts_with("mixup: the samples have masks"), "{message}");
    }
}
