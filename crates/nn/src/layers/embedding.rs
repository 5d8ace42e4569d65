//! Embeddings of tokens.

use tensor::{Error, Result, Tensor};

use crate::indices::out_of_range;
use crate::initializers::Initializer;
use crate::layer::{Layer, Visitor};
use crate::lazy_weights::{LazyWeights, WeightBuilder};
use crate::mask::zero_if_masked;
use crate::mode::Mode;
use crate::weight::{Weight, WeightOptions, weight_options};

/// Looks up a vector for each token in a table.
///
/// | | shape |
/// |---|---|
/// | input | `[batch, …]`, int64 or uint8, all below `vocabulary` |
/// | output | `[batch, …, width]` |
/// | weight `embeddings` | `[vocabulary, width]`; initially uniform in ±0.05, as in Keras |
///
/// ```
/// # use nn::{Embedding, Layer, Mode};
/// # use tensor::tensor;
/// let vectors = Embedding::new(100, 8).forward(&tensor![[4, 99, 4]], Mode::Inference)?;
/// assert_eq!(vectors.shape(), &[1, 3, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding {
    vocabulary: usize,
    width: usize,
    embeddings: WeightOptions,
    mask_zero: bool,
    weights: LazyWeights<Weight>,
}

impl Embedding {
    /// A table of vectors of size `width` for `vocabulary` tokens.
    pub fn new(vocabulary: usize, width: usize) -> Embedding {
        let embeddings = Initializer::Uniform { low: -0.05, high: 0.05 }.into();
        Embedding { vocabulary, width, embeddings, mask_zero: false, weights: LazyWeights::sized([vocabulary, width]) }
    }

    /// Masks token 0: the next layers in a [`Sequential`](crate::Sequential) get a mask that excludes its steps
    /// ([`Layer::forward_masked`]). Steps that the mask of the input excludes stay excluded.
    #[must_use]
    pub fn mask_zero(self) -> Embedding {
        Embedding { mask_zero: true, ..self }
    }

    weight_options!("embeddings" in embeddings: embeddings_initializer, embeddings_regularizer, embeddings_constraint);

    fn build(&self, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Weight> {
        if self.width == 0 || self.vocabulary == 0 {
            return Err(Error::argument("embedding", "vocabulary and width must be at least 1"));
        }
        builder.weight("embeddings", &self.embeddings, sizes)
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
        let sizes = [self.vocabulary, self.width];
        let table = self.weights.get("embedding", input, &sizes, |sizes, builder| self.build(sizes, builder))?;
        table.value().take(input, 0).map_err(|error| {
            let error = out_of_range(error, input, |token, place| {
                let size = self.vocabulary;
                let message = format!(
                    "{token} {place} is not in the vocabulary, 0 to {}; its size (Keras' input_dim) is {size}",
                    size - 1
                );
                Error::argument("tokens", message)
            });
            error.context("embedding")
        })
    }

    #[track_caller]
    fn forward_masked(&self, input: &Tensor, mask: Option<&Tensor>, mode: Mode) -> Result<(Tensor, Option<Tensor>)> {
        // Excluded tokens become token 0.
        let input = &zero_if_masked("embedding", input, mask)?;
        let output = self.forward(input, mode)?;
        let mask = if self.mask_zero { Some(input.not_equal(0)?) } else { mask.cloned() };
        Ok((output, mask))
    }

    fn visit(&self, visitor: &mut Visitor) {
        if let Some(table) = self.weights.get_if_sized("embedding", |sizes, builder| self.build(sizes, builder)) {
            visitor.weight("embeddings", table);
        }
    }

    fn describe(&self) -> String {
        format!("Embedding {}→{}", self.vocabulary, self.width)
    }
}
