//! The part of the table with layers that combine inputs, wrap other layers or only move elements.

use nn::Activation;
use nn::layers::*;

use crate::checks::{Row, input, row};

pub(crate) fn rearrangements() -> Vec<Row> {
    vec![
        row(RepeatVector::new(3), [&[2, 4]], &[2, 3, 4])
            .refuses([input(&[2, 3, 4])], "repeat_vector: shape [2, 3, 4]: needs 2 axes, [batch, features]"),
        row(Permute::new([3, 1, 2]), [&[2, 2, 3, 4]], &[2, 4, 2, 3])
            .refuses([input(&[2, 3])], "permute: shape [2, 3]: needs 4 axes, the batch and those of [3, 1, 2]"),
        row(Cropping1d::new((1, 2)), [&[2, 5, 2]], &[2, 2, 2])
            .refuses([input(&[2, 3])], "cropping1d: shape [2, 3]: needs 3 axes, [batch, time, channels]")
            .refuses(
                [input(&[2, 3, 2])],
                "cropping1d: shape [2, 3, 2]: cropping 1 and 2 of the 3 on axis 1 leaves nothing; leave at least 1",
            ),
        row(Cropping2d::new((1, 0), (0, 2)), [&[2, 3, 4, 2]], &[2, 2, 2, 2])
            .refuses([input(&[2, 3])], "cropping2d: shape [2, 3]: needs 4 axes, [batch, height, width, channels]")
            .refuses(
                [input(&[2, 3, 1, 2])],
                "cropping2d: shape [2, 3, 1, 2]: cropping 0 and 2 of the 1 on axis 2 leaves nothing; leave at least 1",
            ),
    ]
}

pub(crate) fn wrappers() -> Vec<Row> {
    vec![
        row(Add, [&[2, 3], &[1, 3], &[2, 1]], &[2, 3]).refuses([], "add: takes at least 1 input, not 0").refuses(
            [input(&[2]), input(&[3])],
            "add: [2] and [3] do not broadcast: 2 and 3 differ on axis -1, and neither is 1",
        ),
        row(Add, [&[2, 3]], &[2, 3]),
        row(Concatenate::default(), [&[2, 3], &[2, 1]], &[2, 4])
            .refuses([], "concatenate: takes at least 1 input, not 0")
            .refuses([input(&[2, 3]), input(&[3, 3])], "concat: [2, 3] and [3, 3] differ on another axis than 1"),
        row(Concatenate::along(0), [&[2, 3], &[1, 3]], &[3, 3]),
        row(Residual::new(Dense::new(3, 3).activation(Activation::Tanh)), [&[2, 3]], &[2, 3])
            .weights([("layer.kernel", &[3, 3]), ("layer.bias", &[3])])
            .refuses([input(&[2, 4])], "layer (Dense 3→3): matmul: [2, 4] × [3, 3]: the inner sizes 4 and 3 differ"),
        row(Residual::new(Dense::new(3, 4)).shortcut(Dense::new(3, 4).without_bias()), [&[2, 3]], &[2, 4]).weights([
            ("layer.kernel", &[3, 4]),
            ("layer.bias", &[4]),
            ("shortcut.kernel", &[3, 4]),
        ]),
        row(TimeDistributed::new(Dense::new(3, 4).activation(Activation::Tanh)), [&[2, 5, 3]], &[2, 5, 4])
            .weights([("dense.kernel", &[3, 4]), ("dense.bias", &[4])])
            .refuses([input(&[2, 3])], "time_distributed: shape [2, 3]: needs at least 3 axes, [batch, time, …]")
            .refuses(
                [input(&[2, 5, 4])],
                "dense (Dense 3→4): matmul: [10, 4] × [3, 4]: the inner sizes 4 and 3 differ",
            ),
        row(TimeDistributed::new(Flatten), [&[2, 3, 2, 2]], &[2, 3, 4]),
    ]
}

pub(crate) fn merging() -> Vec<Row> {
    let unlike = || [input(&[2]), input(&[3])];
    // Equal elements have no derivative, and `input` begins with the same numbers each time.
    let unequal = |row: Row| row.and(input(&[1, 4, 1, 1]) * 0.7 + 0.05).and(input(&[1, 3]) * -0.6 + 0.2);
    vec![
        row(Multiply, [&[2, 3], &[1, 3], &[2, 1]], &[2, 3])
            .refuses([], "multiply: takes at least 1 input, not 0")
            .refuses(unlike(), "mul: [2] and [3] do not broadcast: 2 and 3 differ on axis -1, and neither is 1"),
        row(Average, [&[2, 3], &[1, 3], &[2, 1]], &[2, 3]).refuses([], "average: takes at least 1 input, not 0"),
        row(Average, [&[2, 3]], &[2, 3]),
        unequal(row(Maximum, [&[2, 3]], &[1, 4, 2, 3])).refuses([], "maximum: takes at least 1 input, not 0"),
        unequal(row(Minimum, [&[2, 3]], &[1, 4, 2, 3])).refuses([], "minimum: takes at least 1 input, not 0"),
        row(Subtract, [&[2, 3], &[1, 3]], &[2, 3])
            .refuses([input(&[2])], "subtract: takes 2 inputs, not 1")
            .refuses([input(&[2]), input(&[2]), input(&[2])], "subtract: takes 2 inputs, not 3"),
        row(Dot::along(1), [&[2, 3], &[2, 3]], &[2, 1])
            .refuses([input(&[2, 3])], "dot: takes 2 inputs, not 1")
            .refuses(unlike(), "dot: shape [2]: needs at least 2 axes, [batch, …]")
            .refuses(
                [input(&[2, 3]), input(&[2, 4])],
                "dot: [2, 3] and [2, 4]: the axes to sum over have the sizes 3 and 4, which differ",
            )
            .refuses(
                [input(&[2, 3]), input(&[1, 3])],
                "dot: [2, 3] and [1, 3]: the batches have the sizes 2 and 1, which differ",
            ),
        row(Dot::axes(1, -1).normalize(), [&[2, 3, 2], &[2, 2, 3]], &[2, 2, 2]),
    ]
}
