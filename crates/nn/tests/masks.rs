//! Masks, from the layers that make them to the layers that use them.

use nn::*;
use tensor::ops::Padding;
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

/// The output for the padded batch equals the outputs for the sequences without padding.
fn check(model: &dyn Layer) {
    let (long, short, padded) = sequences();
    // Initializes layers whose sizes depend on an input; others are initially float32.
    model.forward(&padded.cast(DType::F32), Mode::Inference).unwrap();
    model.cast(DType::F64).unwrap();
    let both = model.forward(&padded, Mode::Inference).unwrap();
    let row = |k: isize| both.at(k, 0).unwrap();
    assert_equal(&row(0), &model.forward(&long, Mode::Inference).unwrap().at(0, 0).unwrap());
    assert_equal(&row(1), &model.forward(&short, Mode::Inference).unwrap().at(0, 0).unwrap());
}

#[test]
fn a_mask_is_passed_through_a_chain() {
    let masked = || Sequential::new().add(Masking::new(0.0));
    check(&masked().add(Lstm::units(4).return_sequences()).add(Gru::units(3)));
    check(&masked().add(Bidirectional::new(SimpleRnn::units(3).return_sequences())).add(Lstm::units(2)));
    check(&masked().add(Bidirectional::new(Gru::units(3))));
    // Backwards twice: the outputs of the first layer are in reverse order.
    let backwards = || Lstm::units(3).return_sequences().go_backwards();
    check(&masked().add(backwards()).add(backwards()).add(GlobalAveragePool1d));
    // Through layers without special treatment of masks, an inner chain, and a residual connection.
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
fn windows_do_not_see_excluded_steps() {
    let masked = || Sequential::new().add(Masking::new(0.0)).add(Dense::units(4).bias_initializer(Initializer::Ones));
    let last = || GlobalMaxPool1d;
    check(&masked().add(last()));
    for padding in [Padding::Valid, Padding::Causal, Padding::Same, Padding::Explicit([(2, 1)])] {
        check(&masked().add(Conv1d::filters(3, [2]).padding(padding)).add(Lstm::units(2)));
        check(&masked().add(DepthwiseConv1d::size([2]).padding(padding)).add(GlobalAveragePool1d));
        check(&masked().add(SeparableConv1d::filters(3, [2]).padding(padding)).add(last()));
    }
    check(&masked().add(Conv1d::filters(3, [2]).stride([2])).add(last()));
    check(&masked().add(Conv1d::filters(3, [2]).dilation([2]).padding(Padding::Causal)).add(last()));
    check(&masked().add(MaxPool1d::new([2])).add(last()));
    check(&masked().add(AveragePool1d::new([2])).add(GlobalAveragePool1d));
    check(&masked().add(ZeroPadding1d::new((1, 0))).add(GlobalMaxPool1d));
    check(&masked().add(UpSampling1d::new(3)).add(GlobalAveragePool1d));
}

#[test]
fn the_output_of_a_sequence_does_not_depend_on_the_batch() -> Result<()> {
    let whole = tensor::Generator::new(6).normal([1, 9, 2], 0.0, 1.0)?;
    let mut layers: Vec<Box<dyn Layer>> = vec![Box::new(Conv1d::filters(3, [2]).stride([2]).padding(Padding::Same))];
    for padding in [Padding::Valid, Padding::Causal, Padding::Explicit([(1, 1)])] {
        layers.push(Box::new(Conv1d::filters(3, [3]).stride([2]).padding(padding)));
        layers.push(Box::new(SeparableConv1d::filters(3, [2]).padding(padding)));
        layers.push(Box::new(MaxPool1d::new([2]).padding(padding)));
        layers.push(Box::new(AveragePool1d::new([3]).stride([2]).padding(padding)));
    }
    for layer in layers {
        for (length, steps) in (3..7).flat_map(|length| (length..10).map(move |steps| (length, steps))) {
            let alone = layer.forward(&whole.slice((.., ..length))?, Mode::Inference)?;
            let mask: Tensor = (0..steps).map(|step| step < length).collect();
            let padded = whole.slice((.., ..steps))?;
            let (y, kept) = layer.forward_masked(&padded, Some(&mask.expand_dims(0)?), Mode::Inference)?;
            let kept = kept.expect("there are steps").flatten().nonzero().flatten();
            let what = format!("{}, {length} of {steps} steps", layer.describe());
            let y = y.take(&kept, 1)?;
            assert_eq!(y.shape(), alone.shape(), "{what}");
            assert!(y.allclose(&alone, 0.0, 1e-6)?, "{what}");
        }
    }
    Ok(())
}

#[test]
fn masks_work_in_residual_and_bidirectional_layers() -> Result<()> {
    let (f, t) = (false, true);
    // The residual connection does not see excluded steps either.
    let x = tensor![[[1.0], [2.0], [50.0]]];
    let conv = || Conv1d::new(1, 1, [2]).kernel_initializer(Initializer::Ones).padding(Padding::Same);
    let (y, _) =
        Residual::new(conv()).shortcut(conv()).forward_masked(&x, Some(&tensor![[t, t, f]]), Mode::Inference)?;
    assert_eq!(y.to_vec::<f32>()?, [6.0, 4.0, 0.0]);
    // Tokens that are not padding can be excluded too.
    let words = Embedding::new(5, 3).mask_zero();
    let (_, mask) = words.forward_masked(&tensor![[0, 2, 3]], Some(&tensor![[t, t, f]]), Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [f, t, f]);
    // They do not have to be in the vocabulary.
    for words in [Embedding::new(5, 3), Embedding::new(5, 3).mask_zero()] {
        let (_, mask) = words.forward_masked(&tensor![[1, 2, -100]], Some(&tensor![[t, t, f]]), Mode::Inference)?;
        assert_eq!(mask.unwrap().to_vec::<bool>()?, [t, t, f]);
    }
    assert_eq!(
        message(words.forward_masked(&tensor![[0, 2, 3]], Some(&tensor![[t]]), Mode::Inference).map(|_| ())),
        "embedding: shape [1, 1]: a mask must be [batch, time], here of a sequence [1, 3]"
    );
    Ok(())
}

#[test]
fn masks_of_windows() -> Result<()> {
    let (f, t) = (false, true);
    let x = tensor![[[-1.0], [-2.0], [-3.0], [-4.0], [9.0]]];
    let mask = tensor![[t, t, t, f, f]];
    let run = |layer: &dyn Layer| -> Result<(Vec<f32>, Vec<bool>)> {
        let (y, mask) = layer.forward_masked(&x, Some(&mask), Mode::Inference)?;
        Ok((y.to_vec()?, mask.expect("there are steps").to_vec()?))
    };
    let ones = |size| Conv1d::new(1, 1, [size]).kernel_initializer(Initializer::Ones);
    assert_eq!(run(&ones(2))?, (vec![-3.0, -5.0, -3.0, 0.0], vec![t, t, f, f]));
    assert_eq!(run(&ones(3).padding(Padding::Same))?, (vec![-3.0, -6.0, -5.0, -3.0, 0.0], vec![t, t, t, f, f]));
    assert_eq!(run(&ones(2).padding(Padding::Causal))?, (vec![-1.0, -3.0, -5.0, -3.0, 0.0], vec![t, t, t, f, f]));
    // One window for every second step, including the third, as without the padding.
    let (even, kept) = (x.slice((.., ..4))?, tensor![[t, t, t, f]]);
    let strided = ones(2).stride([2]).padding(Padding::Same);
    let (y, kept) = strided.forward_masked(&even, Some(&kept), Mode::Inference)?;
    assert_eq!((y.to_vec::<f32>()?, kept.unwrap().to_vec::<bool>()?), (vec![-3.0, -3.0], vec![t, t]));
    assert_eq!(strided.forward(&x.slice((.., ..3))?, Mode::Inference)?.to_vec::<f32>()?, [-3.0, -3.0]);
    let wide = ones(1).padding(Padding::Explicit([(1, 1)]));
    assert_eq!(run(&wide)?, (vec![0.0, -1.0, -2.0, -3.0, 0.0, 0.0, 0.0], vec![t, t, t, t, t, f, f]));
    // Pooling windows count if any of their steps count, except those that reach beyond the end.
    let holes = tensor![[t, f, f, f, t]];
    let (y, kept) = MaxPool1d::new([2]).stride([1]).forward_masked(&x, Some(&holes), Mode::Inference)?;
    assert_eq!((y.to_vec::<f32>()?, kept.unwrap().to_vec::<bool>()?), (vec![-1.0, 0.0, 0.0, 9.0], vec![t, f, f, t]));
    assert_eq!(run(&MaxPool1d::new([2]))?, (vec![-1.0, -3.0], vec![t, f]));
    let (y, kept) = run(&MaxPool1d::new([2]).padding(Padding::Same))?;
    assert_eq!((y, kept), (vec![-1.0, -3.0, 0.0], vec![t, t, f]));
    let (y, kept) = run(&AveragePool1d::new([2]).padding(Padding::Same))?;
    assert_eq!((y, kept), (vec![-1.5, -3.0, 0.0], vec![t, t, f]));
    let (y, kept) = run(&ZeroPadding1d::new((1, 1)))?;
    assert_eq!((y.len(), kept), (7, vec![f, t, t, t, f, f, f]));
    assert_eq!(run(&UpSampling1d::new(2))?.1, [t, t, t, t, t, t, f, f, f, f]);
    let (y, after) = GlobalMaxPool1d.forward_masked(&x, Some(&mask), Mode::Inference)?;
    assert_eq!((y.to_vec::<f32>()?, after.is_none()), (vec![-1.0], true));
    let (y, _) = GlobalMaxPool1d.forward_masked(&x, Some(&tensor![[f; 5]]), Mode::Inference)?;
    assert_eq!(y.to_vec::<f32>()?, [0.0]);
    Ok(())
}

#[test]
fn batch_statistics_are_those_of_kept_steps() -> Result<()> {
    let x = tensor![[[1.0], [3.0], [100.0]], [[5.0], [-100.0], [f64::NAN]]].cast(DType::F64);
    let mask = tensor![[true, true, false], [true, false, false]];
    let layer = BatchNorm::new(1).momentum(0.0).epsilon(0.0);
    layer.cast(DType::F64)?;
    let (y, after) = layer.forward_masked(&x, Some(&mask), Mode::Training)?;
    let step = 1.5f64.sqrt();
    let expected = Tensor::from([-step, 0.0, 0.0, step, 0.0, 0.0]).reshape([2, 3, 1])?;
    assert_equal(&y, &expected);
    assert_eq!(after.unwrap().to_vec::<bool>()?, mask.to_vec::<bool>()?);
    assert_eq!(layer.weight("moving_mean")?.value().item()?, 3.0);
    assert!((layer.weight("moving_variance")?.value().item()? - 8.0 / 3.0).abs() < 1e-12);
    Ok(())
}

#[test]
fn layers_that_do_not_support_masks_return_errors() {
    let x = Tensor::ones([1, 4, 2]);
    let refused = |layer: &dyn Layer| {
        let mask = tensor![[true, true, true, false]];
        message(layer.call_masked("name", &x, Some(&mask), Mode::Training).map(|_| ()))
    };
    let advice = "move it before the layer that makes the mask, or after a layer that ends it";
    assert_eq!(
        refused(&GroupNorm::groups(1)),
        format!(
            "name (GroupNorm 1): group_norm: does not support a mask of steps: mean and variance are over all steps of a sample; \
             {advice}"
        )
    );
    for (layer, reason) in [
        (Box::new(LayerNorm::over([4, 2])) as Box<dyn Layer>, "mean and variance are over several steps"),
        (Box::new(Softmax::along(1)), "the sums are over all steps"),
        (Box::new(ConvTranspose1d::filters(2, [2])), "the outputs of neighbouring steps overlap"),
        (Box::new(Conv2d::filters(2, [2, 2])), "windows slide over images, not along steps"),
        (Box::new(MaxPool2d::new([2, 2])), "windows slide over images, not along steps"),
        (Box::new(GlobalAveragePool2d), "an image has no steps"),
        (Box::new(BatchNorm::default().axis(1)), "the axis of channels comes before that of steps"),
        (Box::new(InstanceNorm::default()), "mean and variance are over all steps of a sample"),
        (Box::new(UnitNormalization::along(-2)), "the norm is over several steps"),
        (Box::new(RepeatVector::new(2)), "a vector has no steps"),
        (Box::new(Permute::new([2, 1])), "it moves the axis of steps"),
    ] {
        let found = refused(&layer);
        assert!(found.ends_with(&format!("does not support a mask of steps: {reason}; {advice}")), "{found}");
    }
    assert_eq!(
        refused(&Flatten),
        "name (Flatten): Flatten: shape [1, 8]: the mask [1, 4] marks steps that this output does not have: end \
         the mask before, as a recurrent layer or global pooling does, or override `forward_masked` to return the mask of this output"
    );
    assert!(refused(&Reshape::new([2, 4])).contains("the mask [1, 4] marks steps that this output does not have"));
    // One number per step, like attention weights: sums over them would include excluded steps.
    for layer in [&Dense::units(4) as &dyn Layer, &RmsNorm::default(), &Activation::Softmax, &Activation::Glu] {
        let mask = tensor![[true, true, true, false]];
        let found = message(layer.forward_masked(&Tensor::ones([1, 4]), Some(&mask), Mode::Inference).map(|_| ()));
        let reason = "does not support a mask of steps: it combines all elements of the last axis, which are the steps";
        assert!(found.ends_with(&format!("{reason}; {advice}")), "{found}");
    }
    let relu = Activation::Relu.forward_masked(&Tensor::ones([1, 4]), Some(&tensor![[true; 4]]), Mode::Inference);
    assert_eq!(message(relu.map(|_| ())), "no error");
    // The features of steps may change.
    assert_eq!(refused(&Reshape::new([4, 2, 1])), "no error");
}

#[test]
fn decoders_do_not_attend_to_excluded_steps() -> Result<()> {
    let (_, _, padded) = sequences();
    let (source, target) = (padded.clone(), padded.flip(0)?.try_add(0.5)?);
    let model = TransformerDecoder::new(3, 1, 5);
    model.cast(DType::F64)?;
    let source_mask = tensor![[true, true, true, true], [true, true, false, false]];
    let target_mask = tensor![[true, true, false, false], [true, true, true, true]];
    let both = model.decode((&target, Some(&target_mask)), (&source, Some(&source_mask)), Mode::Inference)?;
    for (row, steps, encoded) in [(0, 2, 4), (1, 4, 2)] {
        let alone = |x: &Tensor, steps: usize| x.slice((row..row + 1, ..steps));
        let (target, source) = (alone(&target, steps)?, alone(&source, encoded)?);
        let expected = model.forward_many(&[&target, &source], Mode::Inference)?;
        assert_equal(&alone(&both, steps)?, &expected);
    }
    // Without the mask the decoder attends to the padding.
    let unmasked = model.decode((&target, Some(&target_mask)), (&source, None), Mode::Inference)?;
    assert!(!unmasked.slice(1..)?.allclose(&both.slice(1..)?, 0.0, 1e-3)?);
    assert_eq!(
        message(model.decode((&target, None), (&source, Some(&tensor![[true]])), Mode::Inference)),
        "transformer_decoder: shape [1, 1]: a mask must be [batch, time], here of a sequence [2, 4, 3]"
    );
    Ok(())
}

#[test]
fn masks_narrow_and_end() -> Result<()> {
    let x = tensor![[[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]]];
    let (y, mask) = Masking::new(0.0).forward_masked(&x, Some(&tensor![[true, true, false]]), Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [false, true, false]);
    // The mask of the input excludes the last step.
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
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
fn excluded_steps_become_zero() -> Result<()> {
    let x = tensor![[[f64::INFINITY, f64::INFINITY], [1.0, f64::INFINITY]]];
    let (y, mask) = Masking::new(f64::INFINITY).forward_masked(&x, None, Mode::Inference)?;
    assert_eq!(mask.unwrap().to_vec::<bool>()?, [false, true]);
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, f32::INFINITY]);
    Ok(())
}

#[test]
fn channels_first_passes_masks_on() -> Result<()> {
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
fn a_mask_of_another_length_is_an_error() {
    let (x, mask) = (Tensor::ones([1, 4, 2]), tensor![[true, false]]);
    let refused = |layer: &dyn Layer| message(layer.forward_masked(&x, Some(&mask), Mode::Inference).map(|_| ()));
    assert_eq!(
        refused(&Lstm::new(2, 3)),
        "lstm: shape [1, 2]: a mask must be [batch, time], here of a sequence [1, 4, 2]"
    );
    assert_eq!(
        refused(&TransformerEncoder::new(2, 1, 3)),
        "transformer_encoder: shape [1, 2]: a mask must be [batch, time], here of a sequence [1, 4, 2]"
    );
    for (layer, kind) in [
        (&Conv1d::filters(2, [2]) as &dyn Layer, "conv1d"),
        (&MaxPool1d::new([2]), "max_pool1d"),
        (&AveragePool1d::new([2]), "average_pool1d"),
        (&GlobalMaxPool1d, "global_max_pool1d"),
        (&ZeroPadding1d::new((1, 0)), "zero_padding1d"),
        (&UpSampling1d::new(2), "up_sampling1d"),
        (&BatchNorm::default(), "batch_norm"),
        (&Masking::new(0.0), "masking"),
    ] {
        let training = layer.forward_masked(&x, Some(&mask), Mode::Training);
        let expected = format!("{kind}: shape [1, 2]: a mask must be [batch, time], here of a sequence [1, 4, 2]");
        assert_eq!(message(training.map(|_| ())), expected);
    }
    assert_eq!(
        message(GlobalAveragePool1d.forward_masked(&x, Some(&Tensor::ones([1, 4])), Mode::Inference)),
        "global_average_pool1d: float32 is not bool, as a mask must be"
    );
}

#[test]
fn masking_keeps_steps_excluded() {
    let x = tensor![[[1.0, 2.0], [f32::NAN, 1.0]]];
    let mask = Tensor::from([[true, false]]);
    let (y, mask) = Masking::new(0.0).forward_masked(&x, Some(&mask), Mode::Inference).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [1.0, 2.0, 0.0, 0.0]);
    assert_eq!(mask.unwrap().to_vec::<bool>().unwrap(), [true, false]);
}

#[test]
fn cropping_crops_the_mask() -> Result<()> {
    let x = tensor![[[1.0], [f32::NAN], [3.0], [4.0]]];
    let mask = tensor![[true, false, true, true]];
    let (output, after) = Cropping1d::new((1, 1)).forward_masked(&x, Some(&mask), Mode::Inference)?;
    assert_eq!(output.to_vec::<f32>()?, [0.0, 3.0]);
    assert_eq!(after.expect("a mask").to_vec::<bool>()?, [false, true]);
    Ok(())
}

#[test]
fn a_layer_for_each_step_sees_zeros_at_excluded_steps() -> Result<()> {
    let dense = Dense::new(2, 1).kernel_initializer(Initializer::Ones).bias_initializer(Initializer::Ones);
    let layer = TimeDistributed::new(dense);
    let x = tensor![[[1.0, 2.0], [f32::NAN, 1.0]]];
    let mask = tensor![[true, false]];
    let (output, after) = layer.forward_masked(&x, Some(&mask), Mode::Inference)?;
    assert_eq!(output.to_vec::<f32>()?, [4.0, 1.0]);
    assert_eq!(after.expect("a mask").to_vec::<bool>()?, [true, false]);
    // A step may itself be a sequence or an image: the mask is that of the outer steps.
    let pooled = TimeDistributed::new(GlobalAveragePool1d);
    let (output, _) = pooled.forward_masked(&Tensor::ones([1, 2, 3, 4]), Some(&mask), Mode::Inference)?;
    assert_eq!(output.to_vec::<f32>()?, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn layers_that_keep_the_steps_pass_the_mask_on() -> Result<()> {
    let mask = tensor![[true, false]];
    let layers: [&dyn Layer; 3] = [&Permute::new([1, 3, 2]), &UnitNormalization::along([2, 3]), &Average];
    for layer in layers {
        let (_, after) = layer.forward_masked(&Tensor::ones([1, 2, 3, 4]), Some(&mask), Mode::Inference)?;
        assert_eq!(after.expect("a mask").to_vec::<bool>()?, [true, false]);
    }
    Ok(())
}
