//! Properties of attention, encodings of positions and transformers.

use autograd::GradientTape;
use nn::{
    Embedding, Layer, Mode, MultiHeadAttention, PositionEmbedding, RotaryEncoding, Sequential, SinusoidalEncoding,
    TransformerDecoder, TransformerEncoder,
};
use tensor::ops::AttentionOptions;
use tensor::{DType, Generator, Result, Tensor, random, tensor};

fn sequence(shape: &[usize]) -> Tensor {
    Generator::new(6).normal(shape, 0.0, 1.0).unwrap()
}

fn assert_equal(a: &Tensor, b: &Tensor) {
    assert!(a.allclose(b, 0.0, 1e-5).unwrap(), "{a:?}\n{b:?}");
}

#[test]
fn a_causal_block_does_not_look_ahead() -> Result<()> {
    random::seed(1);
    let x = sequence(&[1, 5, 4]);
    let block = TransformerEncoder::new(4, 2, 6).causal().norm_first().rotary(RotaryEncoding::default());
    let whole = block.forward(&x, Mode::Inference)?;
    assert_equal(&whole.slice((.., 0..3))?, &block.forward(&x.slice((.., 0..3))?, Mode::Inference)?);

    let (block, encoded) = (TransformerDecoder::new(4, 2, 6), sequence(&[1, 3, 4]));
    let whole = block.forward_many(&[&x, &encoded], Mode::Inference)?;
    let part = block.forward_many(&[&x.slice((.., 0..3))?, &encoded], Mode::Inference)?;
    assert_equal(&whole.slice((.., 0..3))?, &part);
    Ok(())
}

#[test]
fn a_mask_hides_keys() -> Result<()> {
    random::seed(2);
    let (x, attention) = (sequence(&[1, 4, 6]), MultiHeadAttention::new(6, 3));
    let shorter = x.slice((.., 0..3))?;
    let mask = tensor![[true, true, true, false]];
    let hidden = attention.attend(&x, &x, &x, Some(&mask), Mode::Inference)?;
    let expected = attention.attend(&x, &shorter, &shorter, None, Mode::Inference)?;
    assert_equal(&hidden, &expected);
    // The same mask as numbers to add to the scores, and for each head.
    let numbers = tensor![[0.0, 0.0, 0.0, f64::NEG_INFINITY]];
    assert_equal(&attention.attend(&x, &x, &x, Some(&numbers), Mode::Inference)?, &expected);
    let heads = mask.reshape([1, 1, 1, 4])?.expand([1, 3, 4, 4])?;
    assert_equal(&attention.attend(&x, &x, &x, Some(&heads), Mode::Inference)?, &expected);
    Ok(())
}

#[test]
fn attention_averages_values() -> Result<()> {
    let (query, key) = (tensor![[0.0, 0.0]], tensor![[1.0, 2.0], [3.0, 4.0]]);
    let value = tensor![[1.0], [5.0]];
    let mean = query.scaled_dot_product_attention(&key, &value, &AttentionOptions::default())?;
    assert_eq!(mean.to_vec::<f32>()?, [3.0]);
    let wrong = |key: &Tensor, options: &AttentionOptions| {
        query.scaled_dot_product_attention(key, &value, options).unwrap_err().to_string()
    };
    let (plain, mask) = (AttentionOptions::default(), tensor![[true], [true]]);
    assert_eq!(
        wrong(&Tensor::ones([2, 3]), &plain),
        "attention: [1, 2] × [2, 3]: the widths 2 of queries and 3 of keys differ"
    );
    assert_eq!(
        wrong(&key, &plain.mask(&mask)),
        "attention: shape [2, 1]: a mask must broadcast to the scores, [1, 2]: […, queries, keys]"
    );
    Ok(())
}

#[test]
fn rotated_products_depend_on_the_distance() -> Result<()> {
    let pair = sequence(&[2, 6]);
    // The same query and the same key at every position.
    let at_all = |row: isize| RotaryEncoding::default().forward(&pair.at(row, 0)?.expand([7, 6])?, Mode::Inference);
    let products = at_all(0)?.matmul(at_all(1)?.t()?)?;
    assert_equal(&products.slice((0..6, 0..6))?, &products.slice((1..7, 1..7))?);
    assert!(!products.at(0, 0)?.at(0, 0)?.allclose(&products.at(0, 0)?.at(3, 0)?, 0.0, 1e-3)?);
    Ok(())
}

#[test]
fn positions_have_different_encodings() -> Result<()> {
    let encoded = SinusoidalEncoding.forward(&Tensor::zeros([1, 3, 4]).cast(DType::F64), Mode::Inference)?;
    let expected = |position: f64| [position.sin(), position.cos(), (position / 100.0).sin(), (position / 100.0).cos()];
    let expected = [expected(0.0), expected(1.0), expected(2.0)].concat();
    for (found, expected) in encoded.to_vec::<f64>()?.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15);
    }
    let layer = PositionEmbedding::new(5, 2);
    let table = layer.weight("embeddings")?.value();
    assert_equal(&layer.forward(&Tensor::zeros([2, 3, 2]), Mode::Inference)?.at(1, 0)?, &table.slice(0..3)?);
    Ok(())
}

#[test]
fn a_token_that_occurs_twice_gets_both_gradients() -> Result<()> {
    let layer = Embedding::new(4, 2);
    let tape = GradientTape::new();
    let y = layer.forward(&tensor![[1, 3, 1]], Mode::Training)?;
    let y = y * tensor![[[1.0], [10.0], [100.0]]];
    let gradient = tape.gradient(&y, &layer.weights()[0])?;
    assert_eq!(gradient.to_vec::<f32>()?, [0.0, 0.0, 101.0, 101.0, 0.0, 0.0, 10.0, 10.0]);
    Ok(())
}

#[test]
fn errors_name_the_path() {
    let block = || TransformerEncoder::new(4, 2, 6);
    let blocks = Sequential::new().add_named("0", block()).add_named("1", TransformerEncoder::new(6, 2, 6));
    let model = Sequential::new().add_named("blocks", blocks);
    let names: Vec<String> = model.named_weights().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[0], "blocks.0.attention.query.kernel");
    assert_eq!(model.weights()[0].name(), names[0]);
    let wrong = model.forward(&Tensor::ones([1, 3, 4]), Mode::Inference).unwrap_err().to_string();
    assert_eq!(
        wrong,
        "blocks (Sequential): 1 (TransformerEncoder 6, 2 heads, 6): attention (MultiHeadAttention 2 heads): \
         multi_head_attention: shape [1, 3, 4]: the weights are for [6, 6, 6] features, not [4, 4, 4]"
    );
    let wrong =
        |layer: MultiHeadAttention| layer.forward(&Tensor::ones([1, 3, 6]), Mode::Inference).unwrap_err().to_string();
    assert_eq!(
        wrong(MultiHeadAttention::new(6, 4)),
        "multi_head_attention: the width 6 cannot be divided among 4 heads"
    );
    assert_eq!(
        wrong(MultiHeadAttention::heads(2, 0)),
        "multi_head_attention: 2 heads of size 0: both must be at least 1"
    );
    assert!(wrong(MultiHeadAttention::heads(usize::MAX, 2)).contains("is larger than memory"));
}
