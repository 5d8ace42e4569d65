//! Learned embeddings of positions.

use tensor::{Error, Result, Tensor};

use crate::initializers::Initializer;
use crate::input_checks::sequence_sizes;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mode::Mode;
use crate::weight::{Weight, WeightOptions, weight_options};

/// Adds a learned vector for its position to each step.
///
/// | | shape |
/// |---|---|
/// | input, output | `[batch, time, width]`, at most `length` steps |
/// | weight `embeddings` | `[length, width]`; initially Glorot uniform |
///
/// ```
/// # use nn::{Layer, Mode, PositionEmbedding};
/// # use tensor::Tensor;
/// let layer = PositionEmbedding::new(100, 8);
/// assert_eq!(layer.forward(&Tensor::ones([2, 5, 8]), Mode::Inference)?.shape(), &[2, 5, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct PositionEmbedding {
    length: usize,
    embeddings: WeightOptions,
    weights: LazyWeights<Weight>,
}

impl PositionEmbedding {
    /// A layer for at most `length` steps with `width` features.
    pub fn new(length: usize, width: usize) -> PositionEmbedding {
        PositionEmbedding { weights: LazyWeights::sized([width]), ..PositionEmbedding::length(length) }
    }

    /// A layer for at most `length` steps. The number of features is that of the first input.
    pub fn length(length: usize) -> PositionEmbedding {
        PositionEmbedding { length, embeddings: Initializer::GlorotUniform.into(), weights: LazyWeights::deferred() }
    }

    weight_options!("embeddings" in embeddings: embeddings_initializer, embeddings_regularizer, embeddings_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Weight> {
        builder.weight("embeddings", &self.embeddings, [self.length, sizes[0]])
    }
}

impl Layer for PositionEmbedding {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let [time, width] = sequence_sizes("position_embedding", input)?;
        if time > self.length {
            let message = format!("there are embeddings for {} steps, not for {time}", self.length);
            return Err(Error::shape("position_embedding", input.shape(), message));
        }
        let table =
            self.weights.get("position_embedding", input, &[width], |sizes, builder| self.build(sizes, builder))?;
        input.try_add(table.value().slice(..time)?)
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(table) =
            self.weights.get_if_sized("position_embedding", |sizes, builder| self.build(sizes, builder))
        {
            visitor.weight("embeddings", table);
        }
    }

    fn describe(&self) -> String {
        format!("PositionEmbedding {}", self.length)
    }
}
