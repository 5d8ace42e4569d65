//! The table: every layer, with its options, on small inputs.

use std::sync::Arc;

use nn::layers::*;
use nn::{Activation, Initializer, L1L2, Layer};
use tensor::ops::Padding;
use tensor::{DType, Tensor, random, tensor};

use crate::checks::{Row, input, row};
use crate::graphs;

pub(crate) fn rows() -> Vec<Row> {
    random::seed(3);
    [
        shapes(),
        graphs::rearrangements(),
        dense(),
        convolutions(),
        pooling(),
        noise(),
        normalizations(),
        recurrent(),
        attention(),
        transformers(),
        graphs::wrappers(),
        graphs::merging(),
        activations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn shapes() -> Vec<Row> {
    vec![
        row(Flatten, [&[2, 3, 4]], &[2, 12])
            .refuses([tensor::Tensor::scalar(1.0)], "flatten: shape []: needs a batch axis"),
        row(Flatten, [&[3]], &[3, 1]),
        row(Reshape::new([2, -1]), [&[3, 4]], &[3, 2, 2])
            .refuses([input(&[3, 5])], "reshape: shape [3, 5]: a sample of 5 elements cannot become [2, -1]"),
        row(Reshape::new([4]), [&[3, 2, 2]], &[3, 4]),
        row(ZeroPadding1d::new((1, 2)), [&[2, 3, 2]], &[2, 6, 2])
            .refuses([input(&[2, 3])], "zero_padding1d: shape [2, 3]: needs 3 axes, [batch, time, channels]"),
        row(ZeroPadding2d::new((1, 0), (0, 2)), [&[2, 2, 1, 2]], &[2, 3, 3, 2])
            .refuses([input(&[2, 3])], "zero_padding2d: shape [2, 3]: needs 4 axes, [batch, height, width, channels]"),
        row(UpSampling1d::new(3), [&[2, 2, 2]], &[2, 6, 2])
            .refuses([input(&[2, 3])], "up_sampling1d: shape [2, 3]: needs 3 axes, [batch, time, channels]"),
        row(UpSampling2d::new(2, 3), [&[2, 2, 1, 2]], &[2, 4, 3, 2])
            .refuses([input(&[2, 3])], "up_sampling2d: shape [2, 3]: needs 4 axes, [batch, height, width, channels]"),
        row(UpSampling2d::new(3, 2).interpolation(Interpolation::Bilinear), [&[1, 2, 3, 2]], &[1, 6, 6, 2]),
    ]
}

fn convolutions() -> Vec<Row> {
    vec![
        row(Conv1d::new(2, 3, [2]), [&[2, 4, 2]], &[2, 3, 3])
            .weights([("kernel", &[2, 2, 3]), ("bias", &[3])])
            .refuses([input(&[2, 2])], "conv1d: shape [2, 2]: needs the axes [batch, steps, channels]")
            .refuses([input(&[2, 4, 3])], "conv1d: shape [2, 4, 3]: the weights are for 2 features, not 3"),
        row(Conv1d::filters(2, [3]).padding(Padding::Causal).dilation([2]).stride([2]), [&[1, 5, 2]], &[1, 3, 2])
            .weights([("kernel", &[3, 2, 2]), ("bias", &[2])]),
        row(Conv1d::filters(2, [3]).padding(Padding::Explicit([(2, 0)])).dilation([1]), [&[1, 3, 2]], &[1, 3, 2])
            .weights([("kernel", &[3, 2, 2]), ("bias", &[2])]),
        row(Conv2d::new(2, 3, [2, 1]).activation(Activation::Tanh), [&[2, 3, 2, 2]], &[2, 2, 2, 3])
            .weights([("kernel", &[2, 1, 2, 3]), ("bias", &[3])])
            .refuses([input(&[2, 2])], "conv2d: shape [2, 2]: needs the axes [batch, height, width, channels]"),
        row(
            Conv2d::filters(2, [2, 2]).padding(Padding::Same).stride([2, 2]).without_bias(),
            [&[1, 3, 3, 1]],
            &[1, 2, 2, 2],
        )
        .weights([("kernel", &[2, 2, 1, 2])]),
        row(Conv2d::filters(4, [1, 2]).groups(2), [&[1, 2, 3, 2]], &[1, 2, 2, 4])
            .weights([("kernel", &[1, 2, 1, 4]), ("bias", &[4])]),
        row(DepthwiseConv1d::new(2, [2]).depth_multiplier(2), [&[2, 4, 2]], &[2, 3, 4])
            .weights([("kernel", &[2, 2, 2]), ("bias", &[4])])
            .refuses([input(&[2, 2])], "depthwise_conv1d: shape [2, 2]: needs the axes [batch, steps, channels]")
            .refuses([input(&[2, 4, 3])], "depthwise_conv1d: shape [2, 4, 3]: the weights are for 2 features, not 3"),
        row(
            DepthwiseConv2d::size([2, 2]).stride([1, 2]).padding(Padding::Same).activation(Activation::Tanh),
            [&[1, 2, 3, 2]],
            &[1, 2, 2, 2],
        )
        .weights([("kernel", &[2, 2, 2, 1]), ("bias", &[2])]),
        row(SeparableConv1d::new(2, 3, [2]).depth_multiplier(2), [&[2, 4, 2]], &[2, 3, 3])
            .weights([("depthwise_kernel", &[2, 2, 2]), ("pointwise_kernel", &[1, 4, 3]), ("bias", &[3])])
            .refuses([input(&[2, 4, 3])], "separable_conv1d: shape [2, 4, 3]: the weights are for 2 features, not 3"),
        row(SeparableConv2d::filters(3, [2, 2]).dilation([1, 2]).without_bias(), [&[1, 3, 4, 2]], &[1, 2, 2, 3])
            .weights([("depthwise_kernel", &[2, 2, 2, 1]), ("pointwise_kernel", &[1, 1, 2, 3])]),
        row(ConvTranspose1d::new(2, 3, [2]).stride([2]).output_padding([1]), [&[2, 3, 2]], &[2, 7, 3])
            .weights([("kernel", &[2, 3, 2]), ("bias", &[3])])
            .refuses([input(&[2, 4, 3])], "conv_transpose1d: shape [2, 4, 3]: the weights are for 2 features, not 3"),
        row(ConvTranspose2d::filters(2, [3, 2]).stride([2, 1]).padding(Padding::Same), [&[1, 2, 3, 2]], &[1, 4, 3, 2])
            .weights([("kernel", &[3, 2, 2, 2]), ("bias", &[2])])
            .refuses(
                [input(&[2, 2])],
                "conv_transpose2d: shape [2, 2]: needs the axes [batch, height, width, channels]",
            ),
        row(ChannelsFirst::new(Conv2d::filters(3, [2, 1])), [&[2, 2, 3, 2]], &[2, 3, 2, 2])
            .weights([("kernel", &[2, 1, 2, 3]), ("bias", &[3])])
            .refuses([input(&[2])], "channels_first: shape [2]: needs at least two axes, [batch, channels, …]")
            .refuses(
                [input(&[2, 3, 5])],
                "with channels last: conv2d: shape [2, 5, 3]: needs the axes [batch, height, width, channels]",
            ),
    ]
}

fn pooling() -> Vec<Row> {
    vec![
        row(MaxPool1d::new([2]), [&[2, 5, 2]], &[2, 2, 2]),
        row(MaxPool2d::new([2, 2]).stride([1, 1]), [&[1, 3, 3, 2]], &[1, 2, 2, 2]),
        row(AveragePool1d::new([2]).padding(Padding::Same), [&[2, 3, 1]], &[2, 2, 1]),
        row(AveragePool2d::new([2, 1]), [&[1, 4, 2, 1]], &[1, 2, 2, 1]),
        row(GlobalMaxPool1d, [&[2, 3, 2]], &[2, 2])
            .refuses([input(&[2, 3])], "global_max_pool1d: shape [2, 3]: needs the axes [batch, steps, channels]"),
        row(GlobalMaxPool2d, [&[2, 2, 3, 2]], &[2, 2]),
        row(GlobalAveragePool1d, [&[2, 3, 2]], &[2, 2]),
        row(GlobalAveragePool2d, [&[2, 2, 3, 2]], &[2, 2]),
    ]
}

fn dense() -> Vec<Row> {
    let weights = |row: Row| row.weights([("kernel", &[4, 2]), ("bias", &[2])]);
    let boxed: Box<dyn Layer> = Box::new(Dense::new(4, 2));
    let deep = Sequential::new()
        .add(Dense::units(3).activation(Activation::Tanh))
        .add(Sequential::new().add(Dense::new(3, 3)).add(Dropout::new(0.3).seed(5)))
        .add_named("out", Dense::units(2));
    vec![
        weights(row(Dense::new(4, 2), [&[3, 4]], &[3, 2]))
            .refuses([input(&[3, 5])], "matmul: [3, 5] × [4, 2]: the inner sizes 5 and 4 differ"),
        row(Dense::units(2).without_bias(), [&[3, 4]], &[3, 2]).weights([("kernel", &[4, 2])]),
        weights(row(Dense::units(2).activation(Activation::Softmax), [&[2, 3, 4]], &[2, 3, 2])),
        weights(row(boxed, [&[3, 4]], &[3, 2])),
        weights(row(Arc::new(Dense::new(4, 2)), [&[3, 4]], &[3, 2])),
        row(deep, [&[3, 4]], &[3, 2]).modes_differ().weights([
            ("dense.kernel", &[4, 3]),
            ("dense.bias", &[3]),
            ("sequential.dense.kernel", &[3, 3]),
            ("sequential.dense.bias", &[3]),
            ("out.kernel", &[3, 2]),
            ("out.bias", &[2]),
        ]),
        row(Embedding::new(5, 3), [], &[2, 4, 3])
            .and(tensor![[0, 4, 1, 4], [2, 2, 2, 3]])
            .weights([("embeddings", &[5, 3])])
            .refuses(
                [tensor![[1, 5]]],
                "embedding: tokens: 5 at [0, 1] is not in the vocabulary, 0 to 4; its size (Keras' input_dim) is 5",
            )
            .refuses(
                [tensor![[-1]]],
                "embedding: tokens: -1 at [0, 0] is not in the vocabulary, 0 to 4; its size (Keras' input_dim) is 5",
            )
            .refuses([tensor![[1.0]]], "embedding: take: float32 is not int64 or uint8, as indices must be"),
        row(PRelu::default(), [&[3, 4]], &[3, 4])
            .weights([("alpha", &[4])])
            .refuses([tensor![1.0]], "prelu: shape [1]: needs at least 2 axes, [batch, …]"),
        row(PRelu::new([3, 2]).alpha_initializer(Initializer::Constant(0.3)), [&[2, 3, 2]], &[2, 3, 2])
            .weights([("alpha", &[3, 2])])
            .refuses([input(&[2, 2, 2])], "prelu: shape [2, 2, 2]: the weights are for [3, 2] features, not [2, 2]"),
        row(PRelu::default().shared_axes([1]), [&[2, 3, 2]], &[2, 3, 2]).weights([("alpha", &[1, 2])]),
    ]
}

fn noise() -> Vec<Row> {
    vec![
        row(Dropout::new(0.4).seed(1), [&[3, 4]], &[3, 4])
            .modes_differ()
            .refuses([tensor![1]], "dropout: int64 is not a floating type; cast the input first"),
        row(Dropout::new(1.0), [&[3, 4]], &[3, 4]).modes_differ(),
        row(Dropout::new(0.0), [&[3, 4]], &[3, 4]),
        row(SpatialDropout1d::new(0.5).seed(1), [&[3, 2, 4]], &[3, 2, 4])
            .modes_differ()
            .refuses([input(&[3, 4])], "spatial_dropout1d: shape [3, 4]: needs 3 axes, [batch, time, channels]"),
        row(SpatialDropout2d::new(0.5).seed(1), [&[2, 2, 2, 3]], &[2, 2, 2, 3])
            .modes_differ()
            .refuses([tensor![[1]]], "spatial_dropout2d: int64 is not a floating type; cast the input first"),
        row(GaussianNoise::new(0.5).seed(1), [&[3, 4]], &[3, 4])
            .modes_differ()
            .refuses([tensor![1]], "gaussian_noise: int64 is not a floating type; cast the input first"),
        row(GaussianDropout::new(0.3).seed(1), [&[3, 4]], &[3, 4])
            .modes_differ()
            .refuses([tensor![1]], "gaussian_dropout: int64 is not a floating type; cast the input first"),
    ]
}

fn normalizations() -> Vec<Row> {
    let of = |row: Row, size: &'static [usize]| row.weights([("gamma", size), ("beta", size)]);
    let batch = |row: Row, size: &'static [usize]| {
        row.weights([("gamma", size), ("beta", size), ("moving_mean", size), ("moving_variance", size)])
            .states(["moving_mean", "moving_variance"])
            .modes_differ()
    };
    vec![
        of(row(LayerNorm::new(4), [&[2, 3, 4]], &[2, 3, 4]), &[4])
            .refuses([input(&[2, 5])], "layer_norm: shape [2, 5]: the weights are for 4 features, not 5")
            .refuses([tensor![[1, 2, 3, 4]]], "layer_norm: int64 is not a floating type; cast the input first"),
        of(row(LayerNorm::over([3, 2]), [&[2, 3, 2]], &[2, 3, 2]), &[3, 2])
            .refuses([input(&[2])], "layer_norm: shape [2]: needs at least 2 axes, those to normalize"),
        row(LayerNorm::default().without_center(), [&[3, 4]], &[3, 4]).weights([("gamma", &[4])]),
        row(LayerNorm::default().without_scale(), [&[3, 4]], &[3, 4]).weights([("beta", &[4])]),
        row(ActivityRegularization::new(L1L2 { l1: 0.1, l2: 0.2 }), [&[2, 3]], &[2, 3]),
        row(RmsNorm::default(), [&[2, 3, 4]], &[2, 3, 4]).weights([("scale", &[4])]),
        row(RmsNorm::new(4).epsilon(0.1), [&[3, 4]], &[3, 4])
            .weights([("scale", &[4])])
            .refuses([input(&[2, 5])], "rms_norm: shape [2, 5]: the weights are for 4 features, not 5"),
        of(row(GroupNorm::new(4, 2), [&[2, 3, 4]], &[2, 3, 4]), &[4])
            .refuses([input(&[2, 6])], "group_norm: shape [2, 6]: the weights are for 4 features, not 6"),
        of(row(GroupNorm::groups(4), [&[2, 2, 2, 4]], &[2, 2, 2, 4]), &[4])
            .refuses([input(&[2, 6])], "group_norm: 6 channels cannot be divided into 4 groups of equal size"),
        row(InstanceNorm::default(), [&[2, 3, 4]], &[2, 3, 4])
            .refuses([input(&[2, 3])], "instance_norm: shape [2, 3]: needs at least 3 axes, [batch, …, channels]")
            .refuses(
                [input(&[2, 1, 3])],
                "instance_norm: shape [2, 1, 3]: needs at least 2 positions, not 1: a single value has no variance",
            ),
        of(row(InstanceNorm::new(2).affine().epsilon(0.1), [&[2, 2, 3, 2]], &[2, 2, 3, 2]), &[2])
            .refuses([input(&[2, 3, 5])], "instance_norm: shape [2, 3, 5]: the weights are for 2 features, not 5"),
        row(InstanceNorm::default().without_center().affine(), [&[2, 3, 2]], &[2, 3, 2]).weights([("gamma", &[2])]),
        row(UnitNormalization::default(), [&[2, 3]], &[2, 3])
            .refuses([tensor![1]], "unit_normalization: int64 is not a floating type; cast the input first"),
        row(UnitNormalization::along([1, 2]), [&[2, 3, 2]], &[2, 3, 2]),
        batch(row(BatchNorm::new(3), [&[5, 3]], &[5, 3]), &[3])
            .refuses([input(&[5, 4])], "batch_norm: shape [5, 4]: the weights are for 3 features, not 4")
            .refuses(
                [input(&[1, 3])],
                "batch_norm: shape [1, 3]: in training a channel needs at least 2 values, not 1: a single value has no variance",
            ),
        batch(row(BatchNorm::default(), [&[1, 2, 3, 2]], &[1, 2, 3, 2]), &[2]),
        batch(row(BatchNorm::default().axis(1).unbiased_variance(), [&[2, 3, 4]], &[2, 3, 4]), &[3]),
        row(BatchNorm::default().without_scale().without_center(), [&[4, 2]], &[4, 2])
            .weights([("moving_mean", &[2]), ("moving_variance", &[2])])
            .states(["moving_mean", "moving_variance"])
            .modes_differ(),
    ]
}

fn recurrent() -> Vec<Row> {
    let lstm = |row: Row| row.weights([("kernel", &[2, 12]), ("recurrent_kernel", &[3, 12]), ("bias", &[12])]);
    let gru = |row: Row| row.weights([("kernel", &[2, 9]), ("recurrent_kernel", &[3, 9]), ("bias", &[2, 9])]);
    let both: [(&'static str, &[usize]); 6] = [
        ("forward.kernel", &[2, 12]),
        ("forward.recurrent_kernel", &[3, 12]),
        ("forward.bias", &[12]),
        ("backward.kernel", &[2, 12]),
        ("backward.recurrent_kernel", &[3, 12]),
        ("backward.bias", &[12]),
    ];
    let (x, h): (&[usize], &[usize]) = (&[2, 4, 2], &[2, 3]);
    vec![
        row(Masking::new(0.0), [x], x)
            .refuses([input(&[2, 4])], "masking: shape [2, 4]: needs at least 3 axes, [batch, time, features]"),
        row(SimpleRnn::units(3), [x], h)
            .weights([("kernel", &[2, 3]), ("recurrent_kernel", &[3, 3]), ("bias", &[3])])
            .refuses([input(&[2, 4])], "simple_rnn: shape [2, 4]: needs at least 3 axes, [batch, time, features]")
            .refuses([input(&[2, 0, 2])], "simple_rnn: shape [2, 0, 2]: needs at least one step"),
        row(SimpleRnn::new(2, 3).return_sequences().without_bias(), [x], &[2, 4, 3])
            .weights([("kernel", &[2, 3]), ("recurrent_kernel", &[3, 3])]),
        lstm(row(Lstm::new(2, 3), [x], h))
            .refuses([input(&[2, 4, 5])], "lstm: shape [2, 4, 5]: the weights are for 2 features, not 5")
            .refuses([input(x), input(h)], "lstm: needs 2 initial states or none, not 1")
            .refuses(
                [input(x), input(h), input(&[2, 4])],
                "lstm: shape [2, 4]: the initial state for an input [2, 4, 2] must be [2, 3]",
            )
            .refuses([tensor![[[1]]]], "lstm: int64 is not a floating type; cast the input first")
            .refuses([], "lstm: needs a sequence and optional initial states, not 0 inputs"),
        lstm(row(Lstm::units(3).return_sequences().go_backwards(), [x], &[2, 4, 3])),
        lstm(row(Lstm::units(3), [x, h, h], h)),
        lstm(row(Lstm::units(3).dropout(0.4).recurrent_dropout(0.4), [x], h))
            .modes_differ()
            .refuses([input(&[2, 4])], "lstm: shape [2, 4]: needs at least 3 axes, [batch, time, features]"),
        gru(row(Gru::new(2, 3), [x], h)),
        gru(row(Gru::units(3).return_sequences(), [x, h], &[2, 4, 3])),
        row(Gru::units(3).reset_before(), [x], h).weights([
            ("kernel", &[2, 9]),
            ("recurrent_kernel", &[3, 9]),
            ("bias", &[9]),
        ]),
        row(Bidirectional::new(Lstm::units(3)), [x], &[2, 6])
            .weights(both)
            .refuses([input(&[2, 0, 2])], "forward: lstm: shape [2, 0, 2]: needs at least one step")
            .refuses(
                [input(x), input(h)],
                "bidirectional: needs the initial states of both directions, an even number, not 1",
            ),
        row(Bidirectional::new(Lstm::new(2, 3).return_sequences()), [x], &[2, 4, 6]).weights(both),
        row(Bidirectional::new(Lstm::units(3)).merge(Merge::Sum), [x, h, h, h, h], h).weights(both),
        row(Bidirectional::new(Lstm::units(3)).merge(Merge::Product), [x], h).weights(both),
        row(Bidirectional::new(Lstm::units(3)).merge(Merge::Mean), [x], h).weights(both),
    ]
}

fn attention() -> Vec<Row> {
    let x: &[usize] = &[2, 3, 4];
    let weights: [(&'static str, &[usize]); 8] = [
        ("query.kernel", &[4, 2, 2]),
        ("query.bias", &[2, 2]),
        ("key.kernel", &[4, 2, 2]),
        ("key.bias", &[2, 2]),
        ("value.kernel", &[4, 2, 2]),
        ("value.bias", &[2, 2]),
        ("output.kernel", &[2, 2, 4]),
        ("output.bias", &[4]),
    ];
    let mask = tensor![[[true, false], [true, true], [true, true]], [[false, true], [false, true], [false, false]]];
    vec![
        row(MultiHeadAttention::new(4, 2), [x], x)
            .weights(weights)
            .refuses(
                [input(&[2, 4])],
                "multi_head_attention: shape [2, 4]: needs at least 3 axes, [batch, time, width]",
            )
            .refuses(
                [input(&[2, 3, 5])],
                "multi_head_attention: shape [2, 3, 5]: the weights are for [4, 4, 4] features, not [5, 5, 5]",
            )
            .refuses(
                [input(x), input(&[2, 5, 4]), input(x)],
                "multi_head_attention: shape [2, 5, 4]: the numbers of values and keys must be equal; the keys are [2, 3, 4]",
            )
            .refuses(
                [input(x), input(x), input(x), tensor![[true, false]]],
                "multi_head_attention: shape [1, 2]: a mask must broadcast to [batch, queries, keys], here [2, 3, 3]",
            )
            .refuses([], "multi_head_attention: needs 1 to 4 inputs, query, value, key and mask, not 0"),
        row(MultiHeadAttention::new(4, 2).causal().rotary(RotaryEncoding::default()), [x], x).weights(weights),
        row(MultiHeadAttention::new(4, 2).dropout(0.5), [x], x).modes_differ().weights(weights),
        row(MultiHeadAttention::new(4, 2), [x, &[2, 2, 4], &[2, 2, 4]], x).and(mask).weights(weights),
        row(MultiHeadAttention::heads(2, 3).without_bias(), [x, &[2, 5, 2], &[2, 5, 3]], x).weights([
            ("query.kernel", &[4, 2, 3]),
            ("key.kernel", &[3, 2, 3]),
            ("value.kernel", &[2, 2, 3]),
            ("output.kernel", &[2, 3, 4]),
        ]),
        row(RotaryEncoding::with_base(10.0), [x], x)
            .refuses([input(&[2, 3])], "rotary_encoding: shape [2, 3]: the width 3 must be even"),
        row(SinusoidalEncoding, [x], x)
            .refuses([input(&[2, 3])], "sinusoidal_encoding: shape [2, 3]: the width 3 must be even"),
        row(PositionEmbedding::length(5), [x], x).weights([("embeddings", &[5, 4])]),
        row(PositionEmbedding::new(3, 4), [x], x)
            .weights([("embeddings", &[3, 4])])
            .refuses([input(&[1, 4, 4])], "position_embedding: shape [1, 4, 4]: there are embeddings for 3 steps, not for 4")
            .refuses([input(&[1, 3, 1])], "position_embedding: shape [1, 3, 1]: the weights are for 4 features, not 1"),
    ]
}

/// The weights of an attention of 2 heads for a width of 4.
macro_rules! attention_weights {
    ($name:literal) => {
        [
            (concat!($name, ".query.kernel"), &[4usize, 2, 2] as &[usize]),
            (concat!($name, ".query.bias"), &[2, 2]),
            (concat!($name, ".key.kernel"), &[4, 2, 2]),
            (concat!($name, ".key.bias"), &[2, 2]),
            (concat!($name, ".value.kernel"), &[4, 2, 2]),
            (concat!($name, ".value.bias"), &[2, 2]),
            (concat!($name, ".output.kernel"), &[2, 2, 4]),
            (concat!($name, ".output.bias"), &[4]),
            (concat!($name, "_norm.gamma"), &[4]),
            (concat!($name, "_norm.beta"), &[4]),
        ]
    };
}

const FEEDFORWARD: [(&str, &[usize]); 6] = [
    ("feedforward.hidden.kernel", &[4, 5]),
    ("feedforward.hidden.bias", &[5]),
    ("feedforward.output.kernel", &[5, 4]),
    ("feedforward.output.bias", &[4]),
    ("feedforward_norm.gamma", &[4]),
    ("feedforward_norm.beta", &[4]),
];

fn transformers() -> Vec<Row> {
    let x: &[usize] = &[2, 3, 4];
    let encoder = |row: Row| {
        let weights = [&attention_weights!("attention")[..], &FEEDFORWARD].concat();
        row.weights::<16>(weights.try_into().unwrap())
    };
    let decoder = |row: Row| {
        let weights =
            [&attention_weights!("attention")[..], &attention_weights!("cross_attention"), &FEEDFORWARD].concat();
        row.weights::<26>(weights.try_into().unwrap())
    };
    let causal = Tensor::full_of([3, 3], 1.0, DType::Bool).tril(0).unwrap();
    vec![
        encoder(row(TransformerEncoder::new(4, 2, 5), [x], x)).refuses(
            [input(&[2, 3, 6])],
            "attention (MultiHeadAttention 2 heads): multi_head_attention: shape [2, 3, 6]: the weights are for \
             [4, 4, 4] features, not [6, 6, 6]",
        ),
        encoder(row(TransformerEncoder::new(4, 2, 5).norm_first().activation(Activation::Gelu).causal(), [x], x)),
        encoder(row(TransformerEncoder::new(4, 2, 5).dropout(0.2).epsilon(0.01), [x], x)).and(causal).modes_differ(),
        decoder(row(TransformerDecoder::new(4, 2, 5), [x, &[2, 2, 4]], x)).refuses(
            [input(x)],
            "transformer_decoder: needs 2 to 4 inputs, the sequence, the output of the encoder and masks, not 1",
        ),
        decoder(row(TransformerDecoder::new(4, 2, 5).norm_first().activation(Activation::Gelu), [x, &[2, 2, 4]], x))
            .and(tensor![[true, false], [true, true], [true, true]]),
    ]
}

fn activations() -> Vec<Row> {
    use Activation::*;
    let all = [
        Linear,
        Relu,
        Relu6,
        LeakyRelu { alpha: 0.2 },
        Elu { alpha: 1.5 },
        Celu { alpha: 1.5 },
        Selu,
        Gelu,
        GeluTanh,
        Silu,
        HardSilu,
        Mish,
        Softplus,
        Squareplus { b: 4.0 },
        SparsePlus,
        Softsign,
        Sigmoid,
        LogSigmoid,
        HardSigmoid,
        SparseSigmoid,
        Tanh,
        HardTanh,
        TanhShrink,
        HardShrink { threshold: 0.5 },
        SoftShrink { threshold: 0.5 },
        Threshold { threshold: 0.3, value: -2.0 },
        Exponential,
        Softmax,
        LogSoftmax,
        Sparsemax,
    ];
    let layers = vec![
        row(Glu, [&[3, 4]], &[3, 2])
            .refuses([input(&[2, 3])], "glu: shape [2, 3]: the last axis must be even, to be halved"),
        row(nn::Softmax::along(1), [&[2, 3, 2]], &[2, 3, 2])
            .refuses([input(&[2])], "softmax: axis 1 is out of range for a tensor of rank 1, whose axes are -1 to 0"),
        row(nn::Relu::default().threshold(0.3).negative_slope(0.1).max_value(0.9), [&[3, 4]], &[3, 4]),
    ];
    all.into_iter().map(|activation| row(activation, [&[3, 4]], &[3, 4])).chain(layers).collect()
}
