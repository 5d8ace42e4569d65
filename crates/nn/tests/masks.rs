//! Masks, from where they are made to the layers that heed them.

use nn::*;
use tensor::{DType, Result, Tensor, tensor};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

fn assert_equal(a: &Tensor, b: &Tensor) {
    assert!(a.allclose(b, 0.0, 1e-12).unwrap(), "{a:?}\n{b:?}");
}

/// Two sequences of four steps, of which the second ends after two.
fn sequences() -> (Tensor, Tensor, Tensor) {
    let whole = tensor::Generator::new(5).normal([2, 4, 3], 0.0, 1.0).unwrap().cast(DType::F64);
    let kept = tensor![[[1.0], [1.0], [1.0], [1.0]], [[1.0], [1.0], [0.0], [0.0]]].cast(DType::F64);
    let padded = &whole * kept;
    (padded.slice(0..1).unwrap(), padded.slice((1..2, ..2)).unwrap(), padded)
}

/// What a model makes of the padded batch is what it makes of each sequence in its own length.
fn check(model: &dyn Layer) {
    let (long, short, padded) = sequences();
    // Builds the layers that wait for an input; others are float32 at first.
    model.forward(&padded.cast(DType::F32), Mode::Inference).unwrap();
    model.cast(DType::F64).unwrap();
    let both = model.forward(&padded, Mode::Inference).unwrap();
    let row = |k: isize| both.at(k, 0).unwrap();
    assert_equal(&row(0), &model.forward(&long, Mode::Inference).unwrap().at(0, 0).unwrap());
    assert_equal(&row(1), &model.forward(&short, Mode::Inference).unwrap().at(0, 0).unwrap());
}

#[test]
fn a_mask_goes_through_a_chain() {
    let masked = || Sequential::new().add(Masking::new(0.0));
    check(&masked().add(Lstm::units(4).return_sequences()).add(Gru::units(3)));
    check(&masked().add(Bidirectional::new(SimpleRnn::units(3).return_sequences())).add(Lstm::units(2)));
    check(&masked().add(Bidirectional::new(Gru::units(3))));
    // Backwards and back again: the outputs of the first come last step first.
    let backwards = || Lstm::units(3).return_sequences().go_backwards();
    check(&masked().add(backwards()).add(backwards()).add(GlobalAveragePool1d));
    // Through layers that take no mask, a chain inside, and a way around one.
    let inner = Sequential::new().add(Dense::units(3).activation(Activation::Tanh)).add(Dropout::new(0.5));
    check(&masked().add(inner).add(Residual::new(Gru::units(3).return_sequences())).add(Lstm::units(2)));
    check(
        &masked()
            .add(Box::new(Dense::units(3)) as Box<dyn Layer>)
            .add(MultiHeadAttention::new(3, 1))
            .add(GlobalAveragePool1d),
    );
    check(&masked().add(Dense::units(4)).add(TransformerEncoder::new(4, 2, 5)).add(Lstm::units(2)));
}

#[test]
fn masks_narrow_and_end() -> Result<()> {
    let x = tensor![[[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]]];
    let (y, mask) = Masking::new(0.0).forward_masked(&x, Some(&tensor![[true, true, false]]), Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [false, true, false]);
    assert_eq!(y.to_vec::<f32>()?, x.to_vec::<f32>()?);
    let (y, mask) = Masking::new(1.0).forward_masked(&tensor![[[1.0, 1.0], [1.0, 2.0]]], None, Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [false, true]);
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, 2.0]);
    for (layer, goes_on) in [(Lstm::new(2, 3), false), (Lstm::new(2, 3).return_sequences(), true)] {
        let (_, mask) = layer.forward_masked(&x, Some(&tensor![[true, true, false]]), Mode::Inference)?;
        assert_eq!(mask.is_some(), goes_on);
    }
    let (nothing, mask) = GlobalAveragePool1d.forward_masked(&x, Some(&tensor![[false; 3]]), Mode::Inference)?;
    assert_eq!((nothing.to_vec::<f32>()?, mask.is_none()), (vec![0.0, 0.0], true));
    Ok(())
}

#[test]
fn what_is_left_out_is_zero_whatever_it_was() -> Result<()> {
    let x = tensor![[[f64::INFINITY, f64::INFINITY], [1.0, f64::INFINITY]]];
    let (y, mask) = Masking::new(f64::INFINITY).forward_masked(&x, None, Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [false, true]);
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, f32::INFINITY]);
    Ok(())
}

#[test]
fn channels_first_hands_masks_on() -> Result<()> {
    let (x, mask) = (tensor![[[1.0, 2.0, 9.0]]], tensor![[true, true, false]]);
    let (mean, left) = ChannelsFirst::new(GlobalAveragePool1d).forward_masked(&x, Some(&mask), Mode::Inference)?;
    assert_eq!((mean.to_vec::<f32>()?, left.is_none()), (vec![1.5], true));
    Ok(())
}

#[test]
fn token_zero_may_be_a_mask() -> Result<()> {
    let model = Sequential::new().add(Embedding::new(5, 3).mask_zero()).add(Lstm::new(3, 2));
    let padded = model.forward(&tensor![[3, 1, 0, 0]], Mode::Inference)?;
    assert!(padded.allclose(&model.forward(&tensor![[3, 1]], Mode::Inference)?, 0.0, 1e-6)?);
    let plain = Sequential::new().add(Embedding::new(5, 3)).add(Lstm::new(3, 2));
    let with_zeros = plain.forward(&tensor![[3, 1, 0, 0]], Mode::Inference)?;
    assert!(!with_zeros.allclose(&plain.forward(&tensor![[3, 1]], Mode::Inference)?, 0.0, 1e-4)?);
    Ok(())
}

#[test]
fn a_mask_of_another_length_is_refused_where_it_would_count() {
    // Pooling halves the time, of which the mask knows nothing.
    let model = || Sequential::new().add(Masking::new(0.0)).add(MaxPool1d::new([2]));
    let x = Tensor::ones([1, 4, 2]);
    assert_eq!(
        message(model().add(Lstm::new(2, 3)).forward(&x, Mode::Inference)),
        "lstm (Lstm 2→3): lstm: shape [1, 4]: a mask must be [batch, time], here [1, 2]"
    );
    assert_eq!(
        message(model().add(TransformerEncoder::new(2, 1, 3)).forward(&x, Mode::Inference)),
        "transformer_encoder (TransformerEncoder 2, 1 heads, 3): transformer_encoder: shape [1, 4]: a mask must be \
         [batch, time], here of a sequence [1, 2, 2]"
    );
    assert_eq!(
        message(GlobalAveragePool1d.forward_masked(&x, Some(&Tensor::ones([1, 4])), Mode::Inference)),
        "global_average_pool1d: float32 is not bool, as a mask must be"
    );
}
