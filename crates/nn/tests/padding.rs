//! The values at excluded steps have no effect: outputs, masks, penalties and all gradients are as if they
//! were 0, and their own gradients are 0.

use autograd::{GradientOptions, GradientTape, Unconnected, Variable};
use nn::*;
use proptest::prelude::*;
use tensor::ops::Padding;
use tensor::{DType, Generator, Result, Tensor, random, tensor};

/// `[3, 5, 4]`, and as mask the steps of sequences with padding before, after, in between, and everywhere.
fn sequences(seed: u64) -> (Tensor, Tensor) {
    let x = Generator::new(seed).normal([3, 5, 4], 0.0, 1.0).unwrap().cast(DType::F64);
    let mask = Generator::new(seed + 1).uniform([3, 5], 0.0..1.0).unwrap().less(0.6).unwrap();
    (x, mask)
}

/// The sequences with other values at excluded steps.
fn padded(x: &Tensor, mask: &Tensor, with: f64) -> Result<Tensor> {
    mask.expand_dims(-1)?.select(x, with)
}

/// The results of a layer for sequences: output, penalty, gradients of the input and of all weights, and of the sum of the
/// squares of these gradients.
fn results(layer: &dyn Layer, x: &Tensor, mask: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
    // Dropout draws the same numbers.
    random::seed(3);
    layer.named_streams().iter().for_each(|(_, stream)| stream.restore(None));
    let weights: Vec<Variable> = layer.trainable_weights();
    let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
    let (outer, tape) = (GradientTape::persistent(), GradientTape::persistent());
    outer.watch(x);
    tape.watch(x);
    let (y, after) = layer.forward_masked(x, Some(mask), mode)?;
    let mut loss = y.try_mul(Generator::new(9).normal(y.shape(), 0.0, 1.0)?.cast(y.dtype()))?.sum();
    if let Some(penalty) = layer.regularization_loss()? {
        loss = loss.try_add(penalty)?;
    }
    let of_input = tape.gradient_with(&loss, x, zeros())?;
    let of_weights = tape.gradient_with(&loss, &weights, zeros())?;
    let mut squares = of_input.square().sum();
    for gradient in &of_weights {
        squares = squares.try_add(gradient.square().sum())?;
    }
    let mut all = vec![y, loss, of_input, outer.gradient_with(&squares, x, zeros())?];
    all.extend(of_weights);
    all.extend(outer.gradient_with(&squares, &weights, zeros())?);
    all.extend(after.map(|mask| mask.cast(DType::F64)));
    Ok(all)
}

fn check(layer: &dyn Layer, seed: u64, mode: Mode) {
    let (x, mask) = sequences(seed);
    // Initializes layers whose sizes depend on an input, in float32 like all others.
    layer.cast(DType::F32).unwrap();
    layer.forward(&x.cast(DType::F32), Mode::Inference).unwrap();
    layer.cast(DType::F64).unwrap();
    let _ = layer.regularization_loss().unwrap();
    let of = |with: f64| results(layer, &padded(&x, &mask, with).unwrap(), &mask, mode).unwrap();
    let expected = of(0.0);
    for with in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, 0.5] {
        let found = of(with);
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{} in {mode:?}, {with} at steps left out of {mask:?}, result {k}", layer.describe());
            assert!(found.all_finite(), "{what}: {found:?}");
            assert!(found.allclose(expected, 1e-12, 1e-12).unwrap(), "{what}: {found:?} instead of {expected:?}");
        }
        let of_padding = padded(&Tensor::zeros([3, 5, 4]).cast(DType::F64), &mask, 1.0).unwrap().try_mul(&found[2]);
        assert_eq!(of_padding.unwrap().abs().sum().item().unwrap(), 0.0, "{}", layer.describe());
    }
}

fn recurrent() -> Vec<Box<dyn Layer>> {
    vec![
        Box::new(Lstm::units(3)),
        Box::new(Gru::units(3).return_sequences()),
        Box::new(SimpleRnn::units(3).return_sequences().go_backwards()),
        Box::new(Lstm::units(2).activation(Activation::Softsign)),
        Box::new(Gru::units(2).reset_before().return_sequences()),
        Box::new(SimpleRnn::units(2).recurrent_dropout(0.5).dropout(0.5).seed(1)),
        Box::new(Bidirectional::new(Gru::units(2).return_sequences())),
        Box::new(Bidirectional::new(Lstm::units(2)).merge(Merge::Product)),
    ]
}

fn attention() -> Vec<Box<dyn Layer>> {
    vec![
        Box::new(MultiHeadAttention::new(4, 2)),
        Box::new(MultiHeadAttention::new(4, 2).causal().dropout(0.3)),
        Box::new(MultiHeadAttention::new(4, 2).rotary(RotaryEncoding::default())),
        Box::new(TransformerEncoder::new(4, 2, 3)),
        Box::new(TransformerEncoder::new(4, 2, 3).causal().norm_first()),
    ]
}

fn windows() -> Vec<Box<dyn Layer>> {
    vec![
        Box::new(Conv1d::filters(2, [2]).padding(Padding::Same)),
        Box::new(Conv1d::filters(2, [2]).padding(Padding::Causal).dilation([2])),
        Box::new(DepthwiseConv1d::size([2])),
        Box::new(SeparableConv1d::filters(2, [2])),
        Box::new(MaxPool1d::new([2]).padding(Padding::Same)),
        Box::new(AveragePool1d::new([2])),
        Box::new(GlobalAveragePool1d),
        Box::new(GlobalMaxPool1d),
        Box::new(ZeroPadding1d::new((1, 2))),
        Box::new(UpSampling1d::new(2)),
    ]
}

/// Layers that treat each step separately, and chains.
fn steps() -> Vec<Box<dyn Layer>> {
    vec![
        Box::new(Dense::units(3).activation(Activation::Tanh)),
        Box::new(LayerNorm::default()),
        Box::new(RmsNorm::default()),
        Box::new(BatchNorm::default()),
        Box::new(Activation::Softmax),
        Box::new(Softmax::along(-1)),
        Box::new(PRelu::default()),
        Box::new(Dropout::new(0.5).seed(2)),
        Box::new(SinusoidalEncoding),
        Box::new(ActivityRegularization::new(L2(0.1))),
        Box::new(Residual::new(Dense::units(4))),
        Box::new(Sequential::new().add(Dense::units(3)).add(Lstm::units(2))),
        Box::new(Sequential::new().add(Residual::new(Dense::units(4))).add(GlobalMaxPool1d).add(Dense::units(1))),
    ]
}

macro_rules! nothing_counts {
    ($($name:ident: $layers:ident;)+) => {$(
        #[test]
        fn $name() {
            for layer in $layers() {
                for seed in 0..4 {
                    for mode in [Mode::Training, Mode::Inference] {
                        check(&layer, 10 * seed, mode);
                    }
                }
            }
        }
    )+};
}

nothing_counts! {
    recurrent_layers_do_not_see_padding: recurrent;
    attention_does_not_see_padding: attention;
    windows_do_not_see_padding: windows;
    single_steps_do_not_see_padding: steps;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Queries without a key and keys without a query have no effect, for masks of all shapes.
    #[test]
    fn attention_under_any_mask(
        (queries, keys) in (1..5usize, 1..5usize),
        broadcast in any::<[bool; 4]>(),
        three in any::<bool>(),
        causal in any::<bool>(),
        floating in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let (batch, heads) = (2, 2);
        let layer = MultiHeadAttention::heads(heads, 3);
        let layer = if causal { layer.causal() } else { layer };
        let mut generator = Generator::new(seed.into());
        let mut normal = |shape: &[usize]| generator.normal(shape, 0.0, 1.0).unwrap().cast(DType::F64);
        let inputs = [normal(&[batch, queries, 4]), normal(&[batch, keys, 3]), normal(&[batch, keys, 2])];
        let all = [batch, heads, queries, keys];
        let mut shape: Vec<usize> = (0..4).map(|axis| if broadcast[axis] { 1 } else { all[axis] }).collect();
        if three {
            shape.remove(1);
        }
        let mask = normal(&shape).greater(0)?;
        layer.attend(&inputs[0].cast(DType::F32), &inputs[1].cast(DType::F32), &inputs[2].cast(DType::F32), None, Mode::Inference)?;
        layer.cast(DType::F64)?;
        let by_head = if three { mask.expand_dims(1)? } else { mask.clone() };
        let earlier = Tensor::full_of([queries, keys], 1.0, DType::Bool);
        let earlier = if causal { earlier.tril(0)? } else { earlier };
        let allowed = by_head.expand(all)?.logical_and(&earlier)?.any_axis(1)?;
        let has = [allowed.any_axis(2)?, allowed.any_axis(1)?, allowed.any_axis(1)?];
        let mask = if floating { mask.select(0.5, f64::NEG_INFINITY)?.cast(DType::F64) } else { mask };
        let results = |with: f64| -> Result<Vec<Tensor>> {
            let x: Vec<Tensor> = inputs.iter().zip(&has).map(|(x, has)| has.expand_dims(-1)?.select(x, with)).collect::<Result<_>>()?;
            let weights = layer.weights();
            let tape = GradientTape::persistent();
            x.iter().for_each(|x| tape.watch(x));
            let y = layer.attend(&x[0], &x[1], &x[2], Some(&mask), Mode::Training)?;
            let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
            let mut all = tape.gradient_with(&y, &x, zeros())?;
            for (gradient, has) in all.iter().zip(&has) {
                let of_unused = has.expand_dims(-1)?.select(0.0, gradient)?;
                assert_eq!(of_unused.abs().sum().item()?, 0.0, "{gradient:?}");
            }
            all.extend(tape.gradient_with(&y, &weights, zeros())?);
            all.push(y);
            Ok(all)
        };
        let expected = results(0.0)?;
        for with in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (found, expected) in results(with)?.iter().zip(&expected) {
                assert!(found.allclose(expected, 1e-12, 1e-12)?, "{with}: {found:?} instead of {expected:?}");
            }
        }
    }
}

#[test]
fn decoders_do_not_see_padding() -> Result<()> {
    let block = TransformerDecoder::new(4, 2, 3);
    block.cast(DType::F64)?;
    let ((x, mask), (encoded, encoded_mask)) = (sequences(40), sequences(50));
    let results = |with: f64| -> Result<Vec<Tensor>> {
        let (x, encoded) = (padded(&x, &mask, with)?, padded(&encoded, &encoded_mask, with)?);
        let tape = GradientTape::persistent();
        [&x, &encoded].into_iter().for_each(|x| tape.watch(x));
        let y = block.decode((&x, Some(&mask)), (&encoded, Some(&encoded_mask)), Mode::Training)?;
        let mut all = tape.gradient(&y, &block.weights())?;
        all.extend(tape.gradient(&y, [&x, &encoded])?);
        all.push(y);
        Ok(all)
    };
    let expected = results(0.0)?;
    for with in [f64::NAN, f64::INFINITY] {
        for (found, expected) in results(with)?.iter().zip(&expected) {
            assert!(found.allclose(expected, 1e-12, 1e-12)?, "{found:?} instead of {expected:?}");
        }
    }
    Ok(())
}

#[test]
fn a_query_without_any_key_gives_the_bias() -> Result<()> {
    let layer = MultiHeadAttention::new(4, 2);
    layer.weight("output.bias")?.assign(tensor![1.0, 2.0, 3.0, 4.0])?;
    let (x, nothing) = (Tensor::ones([1, 2, 4]), Tensor::zeros([1, 0, 4]));
    let y = layer.attend(&x, &nothing, &nothing, None, Mode::Inference)?;
    assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
    let masked = layer.attend(&x, &x, &x, Some(&tensor![[[false]], [[false]]].slice(..1)?), Mode::Inference)?;
    assert_eq!(masked.to_vec::<f32>()?, y.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn integer_masks_are_errors() {
    let (layer, x) = (MultiHeadAttention::new(4, 2), Tensor::ones([1, 3, 4]));
    let error = layer.attend(&x, &x, &x, Some(&tensor![[[1, 1, 0]]]), Mode::Inference).unwrap_err().to_string();
    assert_eq!(
        error,
        "multi_head_attention: int64 is not bool, true where attention is allowed, or floating, to be added \
         to the scores"
    );
}

#[test]
fn the_embedding_of_the_padding_token_has_no_effect() -> Result<()> {
    let model = Sequential::new().add(Embedding::new(3, 2).mask_zero()).add(Dense::new(2, 2)).add(Gru::new(2, 2));
    let nan = f64::NAN;
    model.weight("embedding.embeddings")?.assign(tensor![[nan, nan], [0.5, 1.0], [1.0, -1.0]])?;
    let of = |tokens: Tensor| -> Result<Vec<Tensor>> {
        let tape = GradientTape::new();
        let y = model.forward(&tokens, Mode::Training)?;
        Ok([y.clone()].into_iter().chain(tape.gradient(&y, &model.weights())?).collect())
    };
    for (padded, short) in of(tensor![[2, 1, 0, 0]])?.iter().zip(&of(tensor![[2, 1]])?) {
        assert!(padded.allclose(short, 1e-6, 1e-6)?, "{padded:?} instead of {short:?}");
    }
    Ok(())
}

#[test]
fn nan_may_be_the_padding_value() -> Result<()> {
    let x = tensor![[[1.0, f64::NAN], [f64::NAN, f64::NAN], [2.0, 3.0]]];
    let (y, mask) = Masking::new(f64::NAN).forward_masked(&x, None, Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [true, false, true]);
    assert_eq!(y.slice((.., 1..))?.to_vec::<f32>()?, [0.0, 0.0, 2.0, 3.0]);
    let model = Sequential::new().add(Masking::new(f64::NAN)).add(Lstm::new(2, 3));
    let padded = model.forward(&tensor![[[0.3, 0.1], [f64::NAN, f64::NAN]]], Mode::Inference)?;
    assert!(padded.allclose(&model.forward(&tensor![[[0.3, 0.1]]], Mode::Inference)?, 0.0, 1e-6)?);
    Ok(())
}

#[test]
fn the_search_for_nan_ignores_padding() {
    let model = Sequential::new().add(Dense::new(1, 2)).add(Lstm::new(2, 2));
    let (x, mask) = (tensor![[[1.0], [f64::NAN]]], tensor![[true, false]]);
    assert_eq!(first_non_finite(&model, &x, Some(&mask), Mode::Training), None);
    let found = first_non_finite(&model, &x, None, Mode::Training).unwrap();
    assert_eq!(found, "input: shape [1, 2, 1]: has NaN or infinite elements");
}
