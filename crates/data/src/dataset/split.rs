//! Splits into training and validation data.

use std::collections::BTreeMap;

use tensor::DType;

use super::{Dataset, in_order};
use crate::error::{DataError, Result};
use crate::random;

/// How to split a data set in two: at a fraction or a number of samples; in order, shuffled, or stratified by class.
///
/// Floats are fractions and integers are numbers of samples: `data.split(0.8)?`, `data.split(50_000)?`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    at: At,
    seed: Option<u64>,
    stratify: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Fraction(f64),
    Count(usize),
}

impl Split {
    /// Puts this fraction of the samples, rounded, into the first part.
    pub fn fraction(fraction: f64) -> Split {
        Split { at: At::Fraction(fraction), seed: None, stratify: false }
    }

    /// Puts this number of samples into the first part.
    pub fn count(count: usize) -> Split {
        Split { at: At::Count(count), seed: None, stratify: false }
    }

    /// Shuffles the samples first. The order depends only on the seed.
    #[must_use]
    pub fn shuffle(self, seed: u64) -> Split {
        Split { seed: Some(seed), ..self }
    }

    /// Splits the samples of each class in the same proportion, up to one sample. A class is a value of the targets,
    /// which must be integers, `[count]` or `[count, 1]`.
    #[must_use]
    pub fn stratify(self) -> Split {
        Split { stratify: true, ..self }
    }

    pub(crate) fn is_stratified(self) -> bool {
        self.stratify
    }

    /// The indices of the samples of both parts.
    pub(super) fn parts(self, dataset: &dyn Dataset) -> Result<(Vec<usize>, Vec<usize>)> {
        let classes = if self.stratify { Some(classes(dataset)?) } else { None };
        self.parts_of(dataset.len(), classes.as_deref())
    }

    /// The indices of both parts of `len` samples, stratified if the classes are given.
    pub(crate) fn parts_of(self, len: usize, classes: Option<&[i64]>) -> Result<(Vec<usize>, Vec<usize>)> {
        let count = self.first(len)?;
        let mut order: Vec<usize> = (0..len).collect();
        if let Some(seed) = self.seed {
            order = random::permutation(&mut random::fork(seed, "split", 0), len)?;
        }
        let Some(classes) = classes else {
            let second = order.split_off(count);
            return Ok((order, second));
        };
        let mut members: BTreeMap<i64, usize> = BTreeMap::new();
        for class in classes {
            *members.entry(*class).or_default() += 1;
        }
        let mut wanted = quotas(&members, count, len);
        Ok(order.into_iter().partition(|&sample| match wanted.get_mut(&classes[sample]) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }))
    }

    fn first(self, len: usize) -> Result<usize> {
        match self.at {
            At::Count(count) if count <= len => Ok(count),
            At::Count(count) => Err(DataError::dataset(format!("split: there are no {count} samples among {len}"))),
            At::Fraction(fraction) if (0.0..=1.0).contains(&fraction) => Ok((fraction * len as f64).round() as usize),
            At::Fraction(fraction) => {
                Err(DataError::dataset(format!("split: the fraction is {fraction:?}; it must lie between 0 and 1")))
            }
        }
    }
}

impl From<f64> for Split {
    fn from(fraction: f64) -> Split {
        Split::fraction(fraction)
    }
}

impl From<usize> for Split {
    fn from(count: usize) -> Split {
        Split::count(count)
    }
}

/// The target of each sample.
fn classes(dataset: &dyn Dataset) -> Result<Vec<i64>> {
    let mut classes = Vec::with_capacity(dataset.len());
    in_order(dataset, |batch| {
        let targets = &batch.targets;
        if targets.dtype().is_float() || targets.size() != batch.len() {
            let (dtype, shape) = (targets.dtype(), targets.shape());
            let message = format!("split: a class is one integer a sample; the targets are {dtype} of shape {shape}");
            return Err(DataError::dataset(message));
        }
        classes.extend(targets.cast(DType::I64).to_vec::<i64>()?);
        Ok(())
    })?;
    Ok(classes)
}

/// The number of samples of each class in the first part of `count` samples among `len`. Each proportion is rounded
/// down; the classes with the largest remainders get one more.
fn quotas(members: &BTreeMap<i64, usize>, count: usize, len: usize) -> BTreeMap<i64, usize> {
    let exact = |members: usize| members as u128 * count as u128;
    let mut quotas: BTreeMap<i64, usize> =
        members.iter().map(|(class, &members)| (*class, (exact(members) / len.max(1) as u128) as usize)).collect();
    let mut by_loss: Vec<i64> = members.keys().copied().collect();
    by_loss.sort_by_key(|class| std::cmp::Reverse(exact(members[class]) % len.max(1) as u128));
    let missing = count - quotas.values().sum::<usize>();
    for class in by_loss.into_iter().take(missing) {
        *quotas.entry(class).or_default() += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::{Tensor, tensor};

    /// The targets 70 zeros, 20 ones, 10 twos, whose features are the indices.
    fn classes_of_100() -> ArrayDataset {
        let targets: Tensor = (0..100i64).map(|k| i64::from(k >= 70) + i64::from(k >= 90)).collect();
        ArrayDataset::from_tensors(&(0..100i64).collect(), &targets).unwrap()
    }

    fn numbers(dataset: &dyn Dataset) -> Vec<i64> {
        dataset.range(0, 0..dataset.len()).unwrap().features.to_vec().unwrap()
    }

    fn counts(dataset: &dyn Dataset) -> [usize; 3] {
        let targets = dataset.range(0, 0..dataset.len()).unwrap().targets.to_vec::<i64>().unwrap();
        [0, 1, 2].map(|class| targets.iter().filter(|&&target| target == class).count())
    }

    #[test]
    fn the_order_stays_unless_shuffled() {
        let (first, second) = classes_of_100().split(0.805).unwrap();
        assert_eq!((numbers(&first), numbers(&second)), ((0..81).collect(), (81..100).collect()));
        let (first, second) = classes_of_100().split(100).unwrap();
        assert_eq!((first.len(), second.len()), (100, 0));

        let shuffled = |seed| {
            let (first, second) = classes_of_100().split(Split::count(30).shuffle(seed)).unwrap();
            (numbers(&first), numbers(&second))
        };
        let (first, second) = shuffled(1);
        assert_eq!((first.len(), first.is_sorted()), (30, false));
        let mut all = [first, second].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
    }

    #[test]
    fn each_class_is_divided_alike() {
        let split = |split: Split| classes_of_100().split(split.stratify()).unwrap();
        let (first, second) = split(Split::fraction(0.5));
        assert_eq!((counts(&first), counts(&second)), ([35, 10, 5], [35, 10, 5]));
        assert!(numbers(&first).is_sorted());
        // 0.83 times 70, 20 and 10 are 58.1, 16.6 and 8.3: the missing sample goes to 16.6, with the largest remainder.
        let (first, second) = split(Split::count(83).shuffle(3));
        assert_eq!((counts(&first), counts(&second)), ([58, 17, 8], [12, 3, 2]));
        assert!(!numbers(&first).is_sorted());
    }

    #[test]
    fn invalid_splits_are_refused() {
        let message = |split: Split| classes_of_100().split(split).unwrap_err().to_string();
        assert_eq!(message(Split::count(101)), "split: there are no 101 samples among 100");
        assert_eq!(message(Split::fraction(1.5)), "split: the fraction is 1.5; it must lie between 0 and 1");
        assert_eq!(message(Split::fraction(f64::NAN)), "split: the fraction is NaN; it must lie between 0 and 1");
        let real = ArrayDataset::from_tensors(&tensor![0], &tensor![0.5]).unwrap();
        assert_eq!(
            real.split(Split::fraction(0.5).stratify()).unwrap_err().to_string(),
            "split: a class is one integer a sample; the targets are float32 of shape [1]"
        );
        let none = ArrayDataset::from_tensors(&Tensor::zeros([0]), &Tensor::from_vec(Vec::<i64>::new(), [0]).unwrap());
        assert_eq!(none.unwrap().split(Split::fraction(0.5).stratify()).unwrap().0.len(), 0);
    }
}
