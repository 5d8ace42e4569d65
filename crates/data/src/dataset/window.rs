//! Sliding windows over rows, for time series.

use std::collections::VecDeque;

use tensor::{Shape, Tensor};

use super::Dataset;
use crate::batch::Batch;
use crate::error::{DataError, Result, no_sample};

/// Sliding windows over rows: see [`Dataset::window`].
///
/// The rows of window `w` are `w · shift + k · stride` for `k` in `0..length`. The names are those of
/// `tf.data.Dataset.window`; in `timeseries_dataset_from_array` they are `sequence_stride`, `sampling_rate` and
/// `sequence_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    length: usize,
    pub(crate) shift: usize,
    stride: usize,
    target: Option<usize>,
}

impl Window {
    /// Windows of `length` consecutive rows, each starting one row after the one before. Their targets are those of the
    /// same rows.
    pub fn new(length: usize) -> Window {
        Window { length, shift: 1, stride: 1, target: None }
    }

    /// Sets the distance between the starts of consecutive windows, in rows.
    #[must_use]
    pub fn shift(self, shift: usize) -> Window {
        Window { shift, ..self }
    }

    /// Sets the distance between consecutive rows of a window.
    #[must_use]
    pub fn stride(self, stride: usize) -> Window {
        Window { stride, ..self }
    }

    /// Uses one target for each window, that of the row `offset` rows after its first row. An offset of `length`
    /// forecasts the row after a window of consecutive rows.
    #[must_use]
    pub fn target(self, offset: usize) -> Window {
        Window { target: Some(offset), ..self }
    }

    /// The number of rows that a window spans, including that of its target.
    pub(crate) fn reach(self) -> Option<usize> {
        let span = (self.length - 1).checked_mul(self.stride)?;
        span.max(self.target.unwrap_or(0)).checked_add(1)
    }

    /// The number of complete windows in `rows` rows.
    fn count(self, rows: usize) -> usize {
        match self.reach() {
            Some(reach) if reach <= rows => (rows - reach) / self.shift + 1,
            _ => 0,
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        match (self.length, self.shift, self.stride) {
            (0, _, _) | (_, 0, _) | (_, _, 0) => {
                let Window { length, shift, stride, .. } = self;
                let message = format!("window: length {length}, shift {shift}, stride {stride}: none may be 0");
                Err(DataError::dataset(message))
            }
            _ => Ok(()),
        }
    }
}

/// See [`Dataset::window`].
pub(super) struct Windows<D> {
    rows: D,
    window: Window,
}

impl<D: Dataset> Windows<D> {
    pub(super) fn new(rows: D, window: Window) -> Result<Self> {
        window.check()?;
        Ok(Windows { rows, window })
    }
}

impl<D: Dataset> Dataset for Windows<D> {
    fn len(&self) -> usize {
        self.window.count(self.rows.len())
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        let (len, Window { length, shift, stride, target }) = (self.len(), self.window);
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= len) {
            return Err(no_sample(sample, len));
        }
        let rows: Vec<usize> =
            samples.iter().flat_map(|sample| (0..length).map(move |k| sample * shift + k * stride)).collect();
        let rows = self.rows.gather(epoch, &rows)?;
        let targets = match target {
            None => None,
            Some(offset) => {
                let rows: Vec<usize> = samples.iter().map(|sample| sample * shift + offset).collect();
                Some(self.rows.gather(epoch, &rows)?.targets)
            }
        };
        self.window.batch(samples.len(), rows, targets)
    }
}

impl Window {
    /// Builds `count` windows from all their rows, and from their targets if each has one.
    fn batch(self, count: usize, rows: Batch, targets: Option<Tensor>) -> Result<Batch> {
        if rows.mask.is_some() || rows.weights.is_some() {
            let message = "window: the rows have a mask or weights of their own, which a window cannot keep; \
                           weigh the windows instead";
            return Err(DataError::dataset(message.into()));
        }
        let windowed = |tensor: &Tensor| {
            let sizes = [count, self.length].into_iter().chain(tensor.shape().iter().skip(1).copied());
            tensor.reshape(sizes.collect::<Shape>())
        };
        let targets = match targets {
            Some(targets) => targets,
            None => windowed(&rows.targets)?,
        };
        Ok(Batch { features: windowed(&rows.features)?, targets, mask: None, weights: None })
    }

    /// Builds one window from its rows, each a batch.
    pub(crate) fn of_rows(self, rows: &VecDeque<Batch>) -> Result<Batch> {
        let of_window: Vec<Batch> = (0..self.length).map(|k| rows[k * self.stride].clone()).collect();
        self.batch(1, Batch::concat(&of_window)?, self.target.map(|offset| rows[offset].targets.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;
    use tensor::tensor;

    /// Features `[10, 2]`, and targets of 100 times the row.
    fn ten() -> ArrayDataset {
        let features: Tensor = (0..20i64).collect();
        let targets: Tensor = (0..10i64).map(|k| 100 * k).collect();
        ArrayDataset::from_tensors(&features.reshape([10, 2]).unwrap(), &targets).unwrap()
    }

    #[test]
    fn rows_are_counted_from_the_start_of_each_window() {
        let windows = ten().window(Window::new(3).shift(2).stride(2)).unwrap();
        // Rows 0 2 4, 2 4 6, 4 6 8.
        let batch = windows.range(0, 0..3).unwrap();
        assert_eq!((windows.len(), batch.features.shape()), (3, &[3, 3, 2].into()));
        assert_eq!(batch.features.at(1, 0).unwrap().to_vec::<i64>().unwrap(), [4, 5, 8, 9, 12, 13]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [0, 200, 400, 200, 400, 600, 400, 600, 800]);
    }

    #[test]
    fn a_forecast_has_one_target() {
        let windows = ten().window(Window::new(3).target(3)).unwrap();
        assert_eq!(windows.len(), 7);
        let batch = windows.gather(0, &[6, 0]).unwrap();
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [900, 300]);
        assert_eq!(batch.features.at(0, 0).unwrap().to_vec::<i64>().unwrap(), [12, 13, 14, 15, 16, 17]);
        assert_eq!(windows.gather(0, &[7]).unwrap_err().to_string(), "there is no sample 7 among 7");
    }

    #[test]
    fn windows_longer_than_the_data_give_no_samples() {
        for window in [Window::new(11), Window::new(usize::MAX).stride(2), Window::new(1).target(usize::MAX)] {
            assert_eq!(ten().window(window).unwrap().len(), 0, "{window:?}");
        }
        assert_eq!(ten().window(Window::new(10)).unwrap().len(), 1);
        let message = ten().window(Window::new(2).shift(0)).unwrap_err().to_string();
        assert_eq!(message, "window: length 2, shift 0, stride 1: none may be 0");
        let weighted = ten().with_weights(&tensor![1.0].expand([10]).unwrap()).unwrap();
        let message = weighted.window(Window::new(2)).unwrap().range(0, 0..1).unwrap_err().to_string();
        assert!(message.contains("weigh the windows instead"), "{message}");
    }
}
