//! An encoder of sentences with the sizes of MiniLM (6 layers, width 384, 12 heads) and random weights.

use facade::prelude::*;

const VOCABULARY: usize = 30_522;
const WIDTH: usize = 384;
const HEADS: usize = 12;
const LAYERS: usize = 6;

/// The model and its input.
pub(super) struct Encoder {
    embedding: Sequential,
    blocks: Vec<TransformerEncoder>,
    tokens: Tensor,
    /// True at the steps of a sentence, `[batch, time]`.
    mask: Tensor,
}

impl Encoder {
    /// A model and random sentences of `time / 2 + 1` to `time` tokens, padded to `time`. A single sentence has no
    /// padding.
    pub(super) fn new(batch: usize, time: usize) -> Result<Encoder> {
        let embedding = Sequential::new()
            .add(Embedding::new(VOCABULARY, WIDTH))
            .add(PositionEmbedding::new(time, WIDTH))
            .add(LayerNorm::new(WIDTH).epsilon(1e-12));
        let block = || TransformerEncoder::new(WIDTH, HEADS, 4 * WIDTH).activation(Activation::Gelu).epsilon(1e-12);
        let tokens = random::fork("minilm").integers([batch, time], 0..VOCABULARY as i64)?;
        let length =
            |sentence: usize| if batch == 1 { time } else { time / 2 + 1 + sentence * (time / 2 - 1) / (batch - 1) };
        let mask = (0..batch).flat_map(|sentence| (0..time).map(move |step| step < length(sentence)));
        let mask = Tensor::from_vec(mask.collect::<Vec<bool>>(), [batch, time])?;
        Ok(Encoder { embedding, blocks: (0..LAYERS).map(|_| block()).collect(), tokens, mask })
    }

    /// The mean of the last layer over the tokens of each sentence, `[batch, 384]`.
    pub(super) fn forward(&self) -> Result<Tensor> {
        let keys = self.mask.expand_dims(1)?;
        let mut x = self.embedding.forward(&self.tokens, Mode::Inference)?;
        for block in &self.blocks {
            x = block.forward_many(&[&x, &keys], Mode::Inference)?;
        }
        let weights = self.mask.cast(DType::F32).expand_dims(-1)?;
        x.try_mul(&weights)?.sum_axis(1)?.try_div(weights.sum_axis(1)?)
    }
}
