//! Sorted predictions in bounded memory, for metrics without a threshold.

/// Samples with approximately equal predictions.
#[derive(Clone, Copy, Debug)]
struct Bin {
    low: f64,
    high: f64,
    positive: f64,
    negative: f64,
}

impl Bin {
    fn weight(&self) -> f64 {
        self.positive + self.negative
    }

    fn absorb(&mut self, other: &Bin) {
        self.high = self.high.max(other.high);
        self.positive += other.positive;
        self.negative += other.negative;
    }
}

/// The weights of positive and negative samples for each predicted number.
///
/// Up to `capacity` distinct numbers are stored exactly. When there are more, neighbours of little weight are merged
/// until about half of the bins are left; their samples then count as tied. There are at most `2 * capacity` bins of 32
/// bytes each.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    bins: Vec<Bin>,
    capacity: usize,
}

impl Scores {
    pub(super) fn new(capacity: usize) -> Scores {
        Scores { bins: Vec::new(), capacity }
    }

    /// Appends the number of bins and the bins, without merging: merging now would change later results.
    pub(super) fn append_state(&self, state: &mut Vec<f64>) {
        state.push(self.bins.len() as f64);
        state.extend(self.bins.iter().flat_map(|bin| [bin.low, bin.high, bin.positive, bin.negative]));
    }

    /// The scores at the beginning of a state, and the rest; `None` if it is invalid.
    pub(super) fn from_state(capacity: usize, state: &[f64]) -> Option<(Scores, &[f64])> {
        let (&count, rest) = state.split_first()?;
        let numbers = (count >= 0.0 && count < 2.0 * capacity as f64).then_some(4 * count as usize)?;
        let (bins, rest) = rest.split_at_checked(numbers)?;
        let bin = |&[low, high, positive, negative]: &[f64; 4]| Bin { low, high, positive, negative };
        Some((Scores { bins: bins.as_chunks().0.iter().map(bin).collect(), capacity }, rest))
    }

    /// Adds a sample. The score must not be NaN.
    pub(super) fn add(&mut self, score: f64, positive: bool, weight: f64) {
        // Makes -0 tied with 0.
        let score = score + 0.0;
        let (positive, negative) = if positive { (weight, 0.0) } else { (0.0, weight) };
        self.bins.push(Bin { low: score, high: score, positive, negative });
        if self.bins.len() >= 2 * self.capacity {
            self.settle();
            if self.bins.len() > self.capacity {
                self.halve();
            }
        }
    }

    /// Sorts the bins and merges equal ones.
    fn settle(&mut self) {
        self.bins.sort_by(|a, b| a.low.total_cmp(&b.low));
        self.bins.dedup_by(|next, bin| {
            let within = next.low <= bin.high;
            if within {
                bin.absorb(next);
            }
            within
        });
    }

    /// Merges neighbours. Any two that remain weigh more than `4 / capacity` of the total, so at most `capacity / 2 +
    /// 1` bins remain.
    fn halve(&mut self) {
        let limit = 4.0 * self.bins.iter().map(Bin::weight).sum::<f64>() / self.capacity as f64;
        self.bins.dedup_by(|next, bin| {
            let light = bin.weight() + next.weight() <= limit;
            if light {
                bin.absorb(next);
            }
            light
        });
    }

    /// Positive and negative weights of each bin, from the greatest score down.
    fn falling(&self) -> impl Iterator<Item = Bin> {
        let mut settled = self.clone();
        settled.settle();
        settled.bins.into_iter().rev()
    }

    /// The weight of all positive samples, and of all negative ones.
    pub(super) fn totals(&self) -> (f64, f64) {
        self.bins.iter().fold((0.0, 0.0), |(p, n), bin| (p + bin.positive, n + bin.negative))
    }

    /// The probability that a positive sample is ranked above a negative one, ties counting half.
    pub(super) fn roc_auc(&self) -> f64 {
        let (positives, negatives) = self.totals();
        let (mut above, mut area) = (0.0, 0.0);
        for bin in self.falling() {
            area += bin.negative * (above + bin.positive / 2.0);
            above += bin.positive;
        }
        area / (positives * negatives)
    }

    /// The maximum error of [`Scores::roc_auc`] due to merging: half of the pairs of a positive and a negative sample
    /// in the same bin.
    pub(super) fn uncertainty(&self) -> f64 {
        let (positives, negatives) = self.totals();
        let joined = self.falling().filter(|bin| bin.low < bin.high);
        joined.map(|bin| bin.positive * bin.negative / 2.0).sum::<f64>() / (positives * negatives)
    }

    /// The mean precision over all positives, each used as the threshold.
    pub(super) fn average_precision(&self) -> f64 {
        let (positives, _) = self.totals();
        let (mut found, mut right, mut sum) = (0.0, 0.0, 0.0);
        for bin in self.falling() {
            found += bin.weight();
            right += bin.positive;
            sum += bin.positive * right / found;
        }
        if positives == 0.0 { 0.0 } else { sum / positives }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Irregular numbers in [0, 1], correlated with the targets.
    fn samples(count: u32) -> impl Iterator<Item = (f64, bool)> {
        (0..count).map(|k| {
            let part = |factor: u32| f64::from(k.wrapping_mul(factor)) / f64::from(u32::MAX);
            (part(2_654_435_761), part(2_246_822_519) < part(2_654_435_761))
        })
    }

    #[test]
    fn joined_bins_stay_few_and_their_error_within_its_bound() {
        let (mut exact, mut joined) = (Scores::new(100_000), Scores::new(100));
        for (score, positive) in samples(20_000) {
            exact.add(score, positive, 1.0);
            joined.add(score, positive, 1.0);
            assert!(joined.bins.len() < 200);
        }
        assert_eq!(exact.uncertainty(), 0.0);
        assert_eq!(exact.totals(), joined.totals());
        let bound = joined.uncertainty();
        assert!(bound > 0.0 && bound < 0.02, "{bound}");
        assert!((exact.roc_auc() - joined.roc_auc()).abs() <= bound);
        assert!((exact.average_precision() - joined.average_precision()).abs() < 0.02);
    }

    #[test]
    fn ties_take_one_place_however_many() {
        let mut scores = Scores::new(4);
        for k in 0..10_000 {
            scores.add(f64::from(k % 4), k % 3 == 0, 1.0);
        }
        assert_eq!(scores.uncertainty(), 0.0);
        assert!(scores.bins.len() < 8 && scores.bins.capacity() <= 16);
    }

    #[test]
    fn zeros_of_both_signs_and_infinities_have_their_places() {
        let mut scores = Scores::new(8);
        scores.add(-0.0, true, 1.0);
        scores.add(0.0, false, 1.0);
        scores.add(f64::INFINITY, true, 1.0);
        scores.add(f64::NEG_INFINITY, false, 1.0);
        assert_eq!(scores.roc_auc(), 3.5 / 4.0);
    }
}
