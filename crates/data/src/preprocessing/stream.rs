//! Streams of preprocessed rows.

use super::Preprocessing;
use crate::csv::Csv;
use crate::stream::Stream;

impl Csv {
    /// Streams the features and targets of all rows, so the file may be larger than memory. Reads only the columns of
    /// the preprocessing.
    ///
    /// # Errors
    /// Drawing samples returns an error as [`read`](Csv::read) and [`Preprocessing::batch`] do.
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
