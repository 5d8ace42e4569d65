//! Common mistakes with networks: each error names the layer's path, both shapes and the rule.

use nn::*;
use tensor::ops::Padding;
use tensor::{Result, Tensor, tensor};

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

/// The message when a model with this layer gets inputs of ones.
fn refused(layer: impl Layer + 'static, shape: &[usize]) -> String {
    refused_with(layer, &[Tensor::ones(shape)])
}

fn refused_with(layer: impl Layer + 'static, inputs: &[Tensor]) -> String {
    let model = Sequential::new().add_named("net", Sequential::new().add_named("part", layer));
    message(model.forward_many(&inputs.iter().collect::<Vec<_>>(), Mode::Training))
}

#[test]
fn windows_that_do_not_fit() {
    assert_eq!(
        refused(Conv2d::new(3, 8, [5, 3]), &[2, 4, 9, 3]),
        "net (Sequential): part (Conv2d 3→8 5×3): conv: [2, 4, 9, 3] × [5, 3, 3, 8]: a kernel of height 5 with \
         dilation 1 does not fit into 4 and padding 0 + 0"
    );
    assert_eq!(
        refused(Conv2d::new(3, 8, [3, 3]).dilation([1, 4]).padding(Padding::Explicit([(0, 0), (1, 1)])), &[2, 4, 6, 3]),
        "net (Sequential): part (Conv2d 3→8 3×3): conv: [2, 4, 6, 3] × [3, 3, 3, 8]: a kernel of width 3 with \
         dilation 4 does not fit into 6 and padding 1 + 1"
    );
    assert_eq!(
        refused(DepthwiseConv2d::new(3, [5, 3]), &[2, 4, 9, 3]),
        "net (Sequential): part (DepthwiseConv2d 3→3 5×3): conv: [2, 4, 9, 3] × [5, 3, 1, 3]: a kernel of height 5 \
         with dilation 1 does not fit into 4 and padding 0 + 0"
    );
    assert_eq!(
        refused(ConvTranspose2d::new(3, 8, [2, 2]).padding(Padding::Explicit([(3, 3), (0, 0)])), &[1, 2, 2, 3]),
        "net (Sequential): part (ConvTranspose2d 3→8 2×2): conv_input: padding 3 + 3 is more than the 3 elements of \
         the result"
    );
}

#[test]
fn strides_and_paddings() {
    assert_eq!(
        refused(Conv2d::new(3, 8, [3, 3]).stride([0, 1]), &[2, 4, 6, 3]),
        "net (Sequential): part (Conv2d 3→8 3×3): conv: stride 0: must be at least 1"
    );
    assert_eq!(
        refused(SeparableConv1d::new(3, 8, [3]).stride([0]), &[2, 4, 3]),
        "net (Sequential): part (SeparableConv1d 3→8 3): conv: stride 0: must be at least 1"
    );
    assert_eq!(
        refused(ConvTranspose1d::new(3, 8, [3]).stride([2]).output_padding([2]), &[2, 4, 3]),
        "net (Sequential): part (ConvTranspose1d 3→8 3): conv_input: output_padding 2: must be below the stride 2"
    );
    assert_eq!(
        refused(ConvTranspose1d::new(3, 8, [3]).padding(Padding::Same).output_padding([1]), &[2, 4, 3]),
        "net (Sequential): part (ConvTranspose1d 3→8 3): conv_input: output_padding 1: must be 0 with padding `Same`"
    );
    assert_eq!(
        refused(MaxPool2d::new([2, 2]).stride([0, 1]), &[2, 4, 6, 3]),
        "net (Sequential): part (MaxPool2d 2×2): max_pool: shape [2, 4, 6, 3]: stride 0: must be at least 1"
    );
}

#[test]
fn groups_and_channels() {
    let groups = "2 groups must divide 3 channels and 8 filters, of which there must be at least 1";
    assert_eq!(
        refused(Conv2d::new(3, 8, [3, 3]).groups(2), &[2, 4, 6, 3]),
        format!("net (Sequential): part (Conv2d 3→8 3×3): conv2d: {groups}")
    );
    assert_eq!(
        refused(ConvTranspose1d::new(3, 8, [3]).groups(2), &[2, 4, 3]),
        format!("net (Sequential): part (ConvTranspose1d 3→8 3): conv_transpose1d: {groups}")
    );
    assert_eq!(
        refused(Conv1d::new(3, 0, [3]), &[2, 4, 3]),
        "net (Sequential): part (Conv1d 3→0 3): conv1d: 1 groups must divide 3 channels and 0 filters, of which there \
         must be at least 1"
    );
    assert_eq!(
        refused(DepthwiseConv2d::new(3, [3, 3]).depth_multiplier(0), &[2, 4, 6, 3]),
        "net (Sequential): part (DepthwiseConv2d 3→0 3×3): depthwise_conv2d: 3 channels times a depth multiplier of 0: \
         must be at least 1"
    );
    assert_eq!(
        refused(SeparableConv2d::new(3, 0, [3, 3]), &[2, 4, 6, 3]),
        "net (Sequential): part (SeparableConv2d 3→0 3×3): separable_conv2d: the number of filters is 0; it must be at \
         least 1"
    );
    assert_eq!(
        refused(Conv2d::new(3, 8, [3, 3]), &[2, 4, 6, 4]),
        "net (Sequential): part (Conv2d 3→8 3×3): conv2d: shape [2, 4, 6, 4]: the weights are for 3 features, not 4"
    );
    assert_eq!(
        refused(GroupNorm::groups(4), &[2, 4, 6]),
        "net (Sequential): part (GroupNorm 4): group_norm: 6 channels cannot be divided into 4 groups of equal size"
    );
}

#[test]
fn attention_and_tokens() {
    assert_eq!(
        refused(MultiHeadAttention::new(6, 4), &[2, 3, 6]),
        "net (Sequential): part (MultiHeadAttention 4 heads): multi_head_attention: the width 6 cannot be divided \
         among 4 heads"
    );
    let x = Tensor::ones([2, 3, 4]);
    assert_eq!(
        refused_with(MultiHeadAttention::new(4, 2), &[x.clone(), x.clone(), x, tensor![[true, false]]]),
        "net (Sequential): part (MultiHeadAttention 2 heads): multi_head_attention: shape [1, 2]: a mask must broadcast \
         to [batch, queries, keys], here [2, 3, 3]"
    );
    assert_eq!(
        refused_with(Embedding::new(100, 8), &[tensor![[7, 100]]]),
        "net (Sequential): part (Embedding 100→8): embedding: tokens: 100 at [0, 1] is not in the \
         vocabulary, 0 to 99; its size (Keras' input_dim) is 100"
    );
    assert_eq!(
        refused_with(Embedding::new(100, 8).mask_zero(), &[tensor![[-1]]]),
        "net (Sequential): part (Embedding 100→8): embedding: tokens: -1 at [0, 0] is not in the \
         vocabulary, 0 to 99; its size (Keras' input_dim) is 100"
    );
}

#[test]
fn sequences_and_batches() {
    assert_eq!(
        refused(Gru::new(3, 4), &[2, 0, 3]),
        "net (Sequential): part (Gru 3→4): gru: shape [2, 0, 3]: needs at least one step"
    );
    assert_eq!(
        refused(BatchNorm::new(3), &[1, 3]),
        "net (Sequential): part (BatchNorm 3): batch_norm: shape [1, 3]: in training a channel needs at least 2 values, \
         not 1: a single value has no variance"
    );
    let lstm = Lstm::new(3, 4);
    let masked = lstm.forward_masked(&Tensor::ones([2, 5, 3]), Some(&tensor![[true, false]]), Mode::Inference);
    assert_eq!(message(masked), "lstm: shape [1, 2]: a mask must be [batch, time], here of a sequence [2, 5, 3]");
    assert_eq!(
        refused(Masking::new(0.0), &[2, 5]),
        "net (Sequential): part (Masking 0): masking: shape [2, 5]: needs at least 3 axes, [batch, time, features]"
    );
}

/// Loading by name: the path exists, but with another shape.
#[test]
fn weights_of_another_architecture() {
    let model = |units| Sequential::new().add_named("net", Sequential::new().add(Dense::new(3, units)));
    let (there, here) = (model(4), model(5));
    let load = |path: &str| here.weight(path)?.assign(there.weight(path)?.value());
    assert_eq!(
        message(load("net.dense.kernel")),
        "net.dense.kernel: assign: shape [3, 4]: the variable has shape [3, 5]"
    );
    assert_eq!(
        message(load("net.dense_1.kernel")),
        "weight: Sequential has no weight net.dense_1.kernel; it has [net.dense.kernel, net.dense.bias]"
    );
}

#[test]
fn parameters_out_of_their_range() {
    assert_eq!(
        refused(Relu::default().negative_slope(-0.1), &[2]),
        "net (Sequential): part (Relu): relu: negative_slope -0.1 must be finite and at least 0"
    );
    assert_eq!(
        refused(Relu::default().max_value(f64::NAN), &[2]),
        "net (Sequential): part (Relu): relu: max_value NaN must be finite and at least 0"
    );
    assert_eq!(
        refused(UpSampling1d::new(0), &[2, 3, 1]),
        "net (Sequential): part (UpSampling1d 0): up_sampling1d: the factor 0 must be at least 1, and the output size must not overflow"
    );
    assert_eq!(
        refused(UpSampling1d::new(usize::MAX), &[2, 3, 1]),
        format!(
            "net (Sequential): part (UpSampling1d {0}): up_sampling1d: the factor {0} must be at least 1, and the output size \
             must not overflow",
            usize::MAX
        )
    );
}

/// An axis in a layer's options is checked with the first input, and never ignored.
#[test]
fn axes_that_the_input_does_not_have() {
    let out_of_range =
        |axis: isize| format!("axis {axis} is out of range for a tensor of rank 2, whose axes are -2 to 1");
    let part = |layer: &str, message: &str| format!("net (Sequential): part ({layer}): {message}");
    assert_eq!(
        refused(PRelu::default().shared_axes([1, 7]), &[2, 3]),
        part("PRelu", &format!("prelu: {}", out_of_range(7)))
    );
    assert_eq!(
        refused(PRelu::new([3]).shared_axes(-3), &[2, 3]),
        part("PRelu", &format!("prelu: {}", out_of_range(-3)))
    );
    assert_eq!(refused(PRelu::default().shared_axes([1, -1]), &[2, 3]), part("PRelu", "prelu: axis 1 is given twice"));
    assert_eq!(
        refused(PRelu::default().shared_axes([0]), &[2, 3]),
        part("PRelu", "prelu: shared axis 0 is the batch, whose samples always share their slopes")
    );
    assert_eq!(
        refused(BatchNorm::default().axis(2), &[2, 3]),
        part("BatchNorm", &format!("batch_norm: {}", out_of_range(2)))
    );
    assert_eq!(
        refused(BatchNorm::default().axis(-2), &[2, 3]),
        part("BatchNorm", "batch_norm: axis 0 is the batch; the channels need another axis")
    );
    assert_eq!(refused(Softmax::along(2), &[2, 3]), part("Softmax 2", &format!("softmax: {}", out_of_range(2))));
    assert_eq!(
        refused(Concatenate::along(2), &[2, 3]),
        part("Concatenate", &format!("concatenate: {}", out_of_range(2)))
    );
    assert_eq!(
        refused(UnitNormalization::along(2), &[2, 3]),
        part("UnitNormalization", &format!("unit_normalization: norm: {}", out_of_range(2)))
    );
    assert_eq!(
        refused(Permute::new([2, 2]), &[2, 3, 4]),
        part("Permute [2, 2]", "permute: the axes [2, 2] are not the numbers from 1 to 2, each one once")
    );
    let pair = [Tensor::ones([2, 3]), Tensor::ones([2, 3])];
    let dot = |dot: Dot| message(dot.forward_many(&[&pair[0], &pair[1]], Mode::Training));
    assert_eq!(dot(Dot::along(2)), format!("dot: {}", out_of_range(2)));
    assert_eq!(dot(Dot::axes(1, -2)), "dot: axis 0 is the batch; the sum needs another axis");
    let constrained = Dense::new(3, 2).kernel_constraint(MaxNorm::new(1.0).axes([0, 2]));
    assert_eq!(message(constrained.apply_constraints()), format!("kernel: sum: {}", out_of_range(2)));
    let loss = Dice::default().axes(2).loss(&Tensor::ones([2, 3]), &Tensor::ones([2, 3]));
    assert_eq!(message(loss), format!("dice of targets [2, 3] and predictions [2, 3]: sum: {}", out_of_range(2)));
    // Negative axes count from the end.
    let slopes = PRelu::default().shared_axes([-1, 1]);
    assert_eq!(message(slopes.forward(&Tensor::ones([2, 3, 4]), Mode::Inference).map(drop)), "no error");
    assert_eq!(slopes.weight("alpha").unwrap().shape(), [1, 1]);
}

#[test]
fn sizes_of_zero() {
    let part = |layer: &str, message: &str| format!("net (Sequential): part ({layer}): {message}");
    assert_eq!(
        refused(RepeatVector::new(0), &[2, 3]),
        part("RepeatVector 0", "repeat_vector: the number of repetitions is 0; it must be at least 1")
    );
    assert_eq!(
        refused(Dense::new(3, 0), &[2, 3]),
        part("Dense 3→0", "dense: the number of units is 0; it must be at least 1")
    );
    assert_eq!(
        refused(Dense::new(0, 3), &[2, 0]),
        part("Dense 0→3", "dense: shape [0, 3]: no size of the weight kernel may be 0")
    );
    assert_eq!(
        refused(Conv2d::new(3, 2, [0, 3]), &[2, 5, 5, 3]),
        part("Conv2d 3→2 0×3", "conv2d: shape [0, 3, 3, 2]: no size of the weight kernel may be 0")
    );
    let norm = LayerNorm::new(0).forward(&Tensor::ones([2, 0]), Mode::Inference);
    assert_eq!(message(norm), "layer_norm: shape [0]: no size of the weight gamma may be 0");
}
