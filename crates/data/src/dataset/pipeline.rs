//! The result of transformations.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::Dataset;
use crate::batch::Batch;
use crate::error::Result;

/// A data set that results from transformations of another one. Clones are cheap and share their content.
#[derive(Clone)]
pub struct Pipeline(Arc<dyn Dataset>);

impl Pipeline {
    /// Wraps any data set in this type.
    pub fn new(dataset: impl Dataset + 'static) -> Pipeline {
        Pipeline(Arc::new(dataset))
    }
}

impl Dataset for Pipeline {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        self.0.gather(epoch, samples)
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        self.0.range(epoch, range)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("samples", &self.len()).finish()
    }
}
