//! Streams of preprocessed rows.

use super::Preprocessing;
use crate::csv::Csv;
use crate::stream::Stream;

impl Csv {
    /// Features and targets of all rows, read as they are drawn: the file may be larger than memory. Only the columns
    /// of the preprocessing are read.
    ///
    /// # Errors
    /// While reading: as [`read`](Csv::read) and [`Preprocessing::batch`].
    pub fn stream(&self, preprocessing: &Preprocessing) -> Stream {
        const AT_ONCE: usize = 1024;
        let csv = self.clone().columns(preprocessing.columns()).columns(preprocessing.target_column()).ignore_others();
        let preprocessing = preprocessing.clone();
        Stream::of_batches(move |_epoch| {
            let preprocessing = preprocessing.clone();
            Ok(csv.chunks(AT_ONCE)?.map(move |table| preprocessing.batch(&table?)))
        })
    }
}
