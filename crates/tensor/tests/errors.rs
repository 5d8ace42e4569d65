//! The messages of wrong calls. A message names the operation, the given values, and what would be right.

use tensor::ops::{Fused, Index, Movement, Reduce, Reduction, Scan, apply};
use tensor::{DType, Op, Result, Tensor, tensor};

/// The message of a call that must fail, with an error whose place is in this file.
fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "no error".into(),
        Err(error) => match error.place() {
            Some(place) if place.file() == file!() => error.to_string(),
            place => format!("{error} at {place:?}"),
        },
    }
}

#[test]
fn every_wrong_call_says_what_is_wrong() {
    let x = Tensor::zeros([2, 3]);
    let y = Tensor::zeros([2, 4]);
    let v = Tensor::zeros([3]);
    let scalar = Tensor::scalar(1.0);
    let wide = x.cast(DType::F64);
    let labels = tensor![0, 1];
    let bytes = labels.cast(DType::U8);
    let mask = tensor![true, false];
    let empty = Tensor::zeros([2, 0]);
    let table: Vec<(String, &str)> = vec![
        // Construction.
        (message(Tensor::from_vec(vec![1.0f32; 5], [2, 3])), "from_vec: shape [2, 3]: takes 6 elements, not 5"),
        (
            message(Tensor::from_vec(vec![0u8], [usize::MAX, 2])),
            "from_vec: a tensor of shape [18446744073709551615, 2] is larger than memory can address",
        ),
        (message(Tensor::arange(0, 5, 0)), "arange: from 0 to 5 in steps of 0: the step must not be 0"),
        (
            message(Tensor::arange(0.0, f64::INFINITY, 1.0)),
            "arange: from 0 to inf in steps of 1: all must be finite and the step not 0",
        ),
        (
            message(Tensor::arange(u64::MAX - 1, u64::MAX, 1)),
            "arange: from 18446744073709551614 to 18446744073709551615 in steps of 1: all must be int64",
        ),
        // Access to elements.
        (message(x.item()), "item: shape [2, 3]: needs exactly one element"),
        (
            message(x.to_vec::<f64>()),
            "to_vec: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`",
        ),
        (message(labels.view::<u8>()), "view: int64 and uint8 differ; cast the int64 one, as in `x.cast(DType::U8)`"),
        // Two operands.
        (
            message(x.try_add(&y)),
            "add: [2, 3] and [2, 4] do not broadcast: 3 and 4 differ on axis -1, and neither is 1",
        ),
        (
            message(x.less(Tensor::zeros([3, 3]))),
            "less: [2, 3] and [3, 3] do not broadcast: 2 and 3 differ on axis -2, and neither is 1",
        ),
        (
            message(x.try_mul(&wide)),
            "mul: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`",
        ),
        (message(labels.try_add(0.5)), "add: 0.5 is not a value of int64; cast the tensor first"),
        (message(labels.try_add(u64::MAX)), "add: 18446744073709551615 is not a value of int64; cast the tensor first"),
        (message(labels.try_add(f64::NAN)), "add: NaN is not a value of int64; cast the tensor first"),
        (message(bytes.try_sub(256)), "sub: 256 is not a value of uint8; cast the tensor first"),
        (message(bytes.try_mul(-1)), "mul: -1 is not a value of uint8; cast the tensor first"),
        (message(mask.try_add(&mask)), "add: bool is not a number; cast it first, as in `x.cast(DType::F32)`"),
        (message(x.logical_and(&x)), "logical_and: float32 is not bool; compare first, as in `x.not_equal(0)`"),
        (
            message(x.allclose(&y, 0.0, 0.0)),
            "allclose: [2, 3] and [2, 4] do not broadcast: 3 and 4 differ on axis -1, and neither is 1",
        ),
        // One operand.
        (message(x.logical_not()), "logical_not: float32 is not bool; compare first, as in `x.not_equal(0)`"),
        (message(mask.try_neg()), "neg: bool is not a number; cast it first, as in `x.cast(DType::F32)`"),
        (
            message(x.clamp(2.0, 1.0)),
            "clamp: bounds Some(2.0) and Some(1.0): neither may be NaN, and the lower must not exceed the upper",
        ),
        // Reductions.
        (message(x.sum_axis(2)), "sum: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1"),
        (message(scalar.mean_axis(0)), "mean: axis 0 is out of range for a tensor of rank 0, which has no axes"),
        (message(x.prod_axis([0, -2])), "prod: axis 0 is given twice"),
        (message(empty.max()), "max: shape [2, 0]: needs at least one element along the axes"),
        (message(empty.argmin_axis(1)), "argmin: shape [2, 0]: needs at least one element along the axes"),
        (message(x.any()), "any: float32 is not bool; compare first, as in `x.not_equal(0)`"),
        // Matrix products.
        (message(x.matmul(&y)), "matmul: [2, 3] × [2, 4]: the inner sizes 3 and 2 differ"),
        (
            message(x.matmul(&scalar)),
            "matmul: [2, 3] × []: both operands need at least one axis; `*` scales by a number",
        ),
        (
            message(Tensor::zeros([2, 1, 3]).matmul(Tensor::zeros([4, 3, 1]))),
            "matmul: [2, 1, 3] × [4, 3, 1]: the batch axes (all but the last two) do not broadcast",
        ),
        (message(labels.matmul(&labels)), "matmul: int64 is not a floating type; cast the operands first"),
        // Movements.
        (message(x.reshape([4, 2])), "reshape: [2, 3] → [4, 2]: 6 elements cannot become 8"),
        (
            message(x.reshape([4, -1])),
            "reshape: [2, 3] → [4, -1]: no integer in place of -1 gives the same number of elements",
        ),
        (message(x.reshape([-1, -1])), "reshape: [2, 3] → [-1, -1]: only one size may be -1"),
        (message(x.reshape([-2, 3])), "reshape: [2, 3] → [-2, 3]: a size is negative"),
        (
            message(x.transpose(0, 2)),
            "transpose: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1",
        ),
        (message(v.t()), "transpose: shape [3]: needs at least two axes"),
        (message(x.permute([0, 0])), "permute: axis 0 is given twice"),
        (message(x.permute([1])), "permute: needs each of the axes of [2, 3] once, not [1]"),
        (
            message(x.expand([2, 2, 4])),
            "expand: [2, 3] does not broadcast to [2, 2, 4]: only axes of size 1 and new leading axes can grow",
        ),
        (
            message(v.expand([1])),
            "expand: [3] does not broadcast to [1]: only axes of size 1 and new leading axes can grow",
        ),
        (message(x.slice(0..3)), "slice: position 3 is out of range for an axis of size 2, whose ends are 0 and 2"),
        (
            message(x.slice(..usize::MAX)),
            "slice: position 18446744073709551615 is out of range for an axis of size 2, whose ends are 0 and 2",
        ),
        (message(x.slice((.., .., 1..))), "slice: shape [2, 3]: has fewer axes than the 3 ranges"),
        (message(x.slice((None, None, 0))), "slice: the step must not be 0"),
        (message(Tensor::concat(&[], 0)), "concat: needs at least one tensor"),
        (message(Tensor::concat(&[&x, &y], 0)), "concat: [2, 3] and [2, 4] differ on another axis than 0"),
        (
            message(Tensor::concat(&[&x, &wide], 0)),
            "concat: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`",
        ),
        (
            message(Tensor::concat(&[&scalar], 0)),
            "concat: axis 0 is out of range for a tensor of rank 0, which has no axes",
        ),
        (message(Tensor::stack(&[&x, &y], 0)), "stack: [2, 3] and [2, 4] differ; all shapes must be equal"),
        (message(x.squeeze(0)), "squeeze: shape [2, 3]: axis 0 has size 2, not 1"),
        (message(v.squeeze(0)), "squeeze: shape [3]: axis 0 has size 3, not 1"),
        (message(x.pad([(1, 1)], 0.0)), "pad: shape [2, 3]: needs 2 pairs of sizes, one for each axis, not 1"),
        (message(labels.pad([(1, 1)], 0.5)), "pad: 0.5 is not a value of int64; cast the tensor first"),
        (message(v.tril(0)), "band_part: shape [3]: needs at least two axes"),
        (message(x.split([1, 1], 1)), "split: shape [2, 3]: sizes [1, 1] must add up to 3, that of axis 1"),
        (message(x.chunk(0, 1)), "chunk: needs a count of at least 1, not 0"),
        (message(x.outer(&v)), "outer: shape [2, 3]: needs a vector; `x.flatten()` makes one"),
        (message(x.at(-3, 0)), "at: index -3 is out of range for an axis of size 2"),
        (message(x.roll(1, 5)), "roll: axis 5 is out of range for a tensor of rank 2, whose axes are -2 to 1"),
        // Selections.
        (message(x.select(1.0, 0.0)), "where: float32 is not bool, as a condition must be"),
        (
            message(mask.select(&x, &wide)),
            "where: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`",
        ),
        (message(tensor![0, 3].one_hot(3)), "one_hot: index 3 is out of range for an axis of size 3"),
        (message(tensor![-1].one_hot(3)), "one_hot: index -1 is out of range for an axis of size 3"),
        (message(x.one_hot(3)), "one_hot: float32 is not int64 or uint8, as indices must be"),
        (message(x.take(&tensor![2], 0)), "take: index 2 is out of range for an axis of size 2"),
        (message(x.take(&tensor![-1], 0)), "take: index -1 is out of range for an axis of size 2"),
        (
            message(x.index_add(&labels, 1, 2)),
            "index_add: shape [2, 3]: must have the sizes [2] of the index from axis 1 on",
        ),
        (
            message(x.gather(&tensor![[0], [1], [0]], 1)),
            "gather: shape [3, 1]: an index must have the rank of [2, 3] and must not be larger except along axis 1",
        ),
        (
            message(x.scatter_add(&tensor![[0, 0]], &Tensor::zeros([1, 1]), 0)),
            "scatter_add: shape [1, 2]: an index must have the rank of [1, 1] and must not be larger",
        ),
        (
            message(x.masked_select(&tensor![true])),
            "masked_select: shape [1]: the mask must have the sizes of the leading axes of [2, 3]",
        ),
        (message(x.masked_select(&labels)), "masked_select: int64 is not bool, as a mask must be"),
        (
            message(v.masked_fill(&Tensor::full([2, 3], true), 0)),
            "masked_fill: [2, 3] does not broadcast to the shape [3] of the tensor",
        ),
        // Scans and fused operations.
        (message(x.cumsum(2)), "cumsum: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1"),
        (message(x.topk(4, 1)), "topk: shape [2, 3]: axis 1 has 3 elements, fewer than k = 4"),
        (message(scalar.softmax(0)), "softmax: axis 0 is out of range for a tensor of rank 0, which has no axes"),
        (
            message(x.softmax_cross_entropy(&tensor![0, 3])),
            "softmax_cross_entropy: index 3 is out of range for an axis of size 3",
        ),
        (
            message(x.softmax_cross_entropy(&tensor![0])),
            "softmax_cross_entropy: logits [2, 3] need targets of shape [2], not [1]",
        ),
    ];
    let wrong: Vec<_> = table.iter().filter(|(found, expected)| found != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn operations_made_by_hand_are_checked_too() {
    let x = Tensor::zeros([2, 3]);
    let whole = |count| tensor::ops::Range { start: 0, count, step: 1 };
    let slice_backward =
        |ranges: &[tensor::ops::Range]| Movement::SliceBackward { shape: [4, 3].into(), ranges: ranges.into() };
    let reduce = |axes: &[usize]| Reduce { reduction: Reduction::Sum, axes: axes.into(), keepdims: false };
    let ops: Vec<(Op, &str)> = vec![
        (reduce(&[5]).into(), "sum: axis 5 is out of range for a tensor of rank 2, whose axes are -2 to 1"),
        (reduce(&[1, 0]).into(), "sum: axes [1, 0] are not ascending"),
        (
            Scan::CumSum { axis: 2 }.into(),
            "cumsum: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1",
        ),
        (
            Fused::Softmax { axis: 2 }.into(),
            "softmax: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1",
        ),
        (
            Movement::Concat { axis: 2 }.into(),
            "concat: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1",
        ),
        (Movement::Slice { ranges: [whole(2)].as_slice().into() }.into(), "slice: shape [2, 3]: needs 2 ranges, not 1"),
        (
            Movement::Slice { ranges: [whole(2), whole(4)].as_slice().into() }.into(),
            "slice: index 3 is out of range for an axis of size 3",
        ),
        (
            slice_backward(&[whole(4), whole(3)]).into(),
            "slice_backward: shape [2, 3]: the ranges select the shape [4, 3]",
        ),
        (Index::Gather { axis: 0 }.into(), "gather: takes 2 operands, not 1"),
    ];
    for (op, expected) in ops {
        assert_eq!(message(apply(op, &[&x])), expected);
    }
}

#[test]
#[should_panic(expected = "add: [2, 3] and [4] do not broadcast: 3 and 4 differ on axis -1, and neither is 1")]
fn operators_panic_with_the_same_message() {
    let _ = Tensor::zeros([2, 3]) + Tensor::zeros([4]);
}

#[test]
fn numbers_take_the_type_of_the_other_operand() {
    let dtypes = |results: [Tensor; 5]| results.map(|x| x.dtype());
    let labels = tensor![7, -7];
    assert_eq!(
        dtypes([&labels + 1, &labels + 2.0, 2.0 - &labels, &labels / 2, labels.pow(2).unwrap()]),
        [DType::I64, DType::I64, DType::I64, DType::F32, DType::F32]
    );
    assert_eq!(labels.floor_div(2).unwrap().to_vec::<i64>().unwrap(), [3, -4]);
    assert_eq!(labels.remainder(-2).unwrap().to_vec::<i64>().unwrap(), [-1, -1]);
    let bytes = Tensor::from(vec![0u8, 255]);
    assert_eq!((&bytes + 1).to_vec::<u8>().unwrap(), [1, 0]);
    assert_eq!((&bytes / 255).to_vec::<f32>().unwrap(), [0.0, 1.0]);
    assert_eq!(bytes.clamp(-5.0, 300.0).unwrap().to_vec::<u8>().unwrap(), [0, 255]);
    assert_eq!(bytes.clamp(300.0, None).unwrap().to_vec::<u8>().unwrap(), [255, 255]);
    assert_eq!(bytes.sum().to_vec::<i64>().unwrap(), [255]);
    assert_eq!((Tensor::from(0.5f64) + 1).dtype(), DType::F64);
    assert_eq!(Tensor::full([1], true).equal(1).unwrap().to_vec::<bool>().unwrap(), [true]);
    assert_eq!((Tensor::full([1], 0) + 9.2e18).to_vec::<i64>().unwrap(), [9_200_000_000_000_000_000]);
}

// `1..-1` is empty as a Rust range, but as a slice it ends before the last element.
#[allow(clippy::reversed_empty_ranges)]
#[test]
fn edge_cases_of_constructors_and_views() {
    let integers = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
    assert_eq!(integers(Tensor::arange(5, 0, -2)), [5, 3, 1]);
    assert_eq!(integers(Tensor::arange(0, 6, 2)), [0, 2, 4]);
    assert_eq!(integers(Tensor::arange(3, 3, 1)), []);
    assert_eq!(integers(Tensor::arange(i64::MAX - 2, i64::MAX, 1)), [i64::MAX - 2, i64::MAX - 1]);
    assert_eq!(Tensor::arange(0, 1.0, 0.25).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.25, 0.5, 0.75]);
    assert_eq!(Tensor::linspace(0.0, 1.0, 1).to_vec::<f32>().unwrap(), [0.0]);
    assert_eq!(Tensor::linspace(1.0, 0.0, 3).to_vec::<f32>().unwrap(), [1.0, 0.5, 0.0]);
    assert_eq!(Tensor::linspace(0.0, 1.0, 0).shape()[..], [0]);

    // Slices of slices, backwards and forwards.
    let x: Tensor = (0..10i64).collect();
    let odd = x.slice((Some(-1), None, -2)).unwrap();
    assert_eq!(odd.to_vec::<i64>().unwrap(), [9, 7, 5, 3, 1]);
    assert_eq!(odd.slice((None, None, -2)).unwrap().to_vec::<i64>().unwrap(), [1, 5, 9]);
    assert_eq!(odd.slice(1..-1).unwrap().view::<i64>().unwrap().as_slice(), None);
    assert_eq!(odd.slice(4..2).unwrap().size(), 0);
    assert_eq!(x.slice((Some(isize::MIN), Some(isize::MAX), isize::MAX)).unwrap().to_vec::<i64>().unwrap(), [0]);
    assert_eq!(odd.reshape([5, 1]).unwrap().t().unwrap().shape()[..], [1, 5]);
    assert_eq!(odd.into_array::<i64>().unwrap().as_slice().unwrap(), [9, 7, 5, 3, 1]);

    // Empty tensors.
    let empty = Tensor::zeros([2, 0, 3]);
    assert_eq!(empty.reshape([0, 5]).unwrap().shape()[..], [0, 5]);
    assert_eq!(empty.flatten().to_vec::<f32>().unwrap(), []);
    assert_eq!(empty.clone().into_array::<f32>().unwrap().shape(), [2, 0, 3]);
    assert_eq!(empty.softmax(1).unwrap().shape()[..], [2, 0, 3]);
    assert_eq!(empty.softmax(2).unwrap().shape()[..], [2, 0, 3]);
    assert!(empty.mean().item().unwrap().is_nan());
    assert_eq!((empty.sum().item().unwrap(), empty.prod().item().unwrap()), (0.0, 1.0));
    assert_eq!(empty.logsumexp().item().unwrap(), f64::NEG_INFINITY);
    assert_eq!(empty.roll(3, 1).unwrap().shape()[..], [2, 0, 3]);
    assert_eq!(empty.chunk(2, 1).unwrap().len(), 1);
    assert_eq!(Tensor::zeros([2, 0]).matmul(Tensor::zeros([0, 2])).unwrap().to_vec::<f32>().unwrap(), [0.0; 4]);
    assert_eq!(Tensor::broadcast(&[]).unwrap().len(), 0);

    // Infinity is close only to itself, and a quotient by it has a sign.
    let infinity = tensor![f32::INFINITY];
    assert!(!tensor![1.0].allclose(&infinity, 1.0, 1.0).unwrap());
    assert!(infinity.allclose(&infinity, 0.0, 0.0).unwrap());
    assert_eq!(tensor![-1.0, 1.0].floor_div(&infinity).unwrap().to_vec::<f32>().unwrap(), [-1.0, 0.0]);
}

#[test]
fn normalizations_say_which_shapes_they_take() {
    let (one, zero) = (Tensor::scalar(1.0), Tensor::scalar(0.0));
    let message = |x: &Tensor, gamma: &Tensor, epsilon: f64| {
        x.normalize_groups(gamma, &zero, epsilon).map(drop).unwrap_err().to_string()
    };
    let x = Tensor::ones([2, 3, 4, 5]);
    assert_eq!(
        message(&Tensor::ones([2, 3]), &one, 0.1),
        "normalize: shape [2, 3]: must be [outer, rows, groups, columns]"
    );
    assert_eq!(
        message(&x, &Tensor::ones([3]), 0.1),
        "normalize: shape [3]: must broadcast to [4, 5], the groups and columns of [2, 3, 4, 5]"
    );
    assert_eq!(message(&x, &one, f64::NAN), "normalize: epsilon NaN must be a number from 0 on");
    assert_eq!(
        message(&x, &one.cast(DType::F64), 0.1),
        "normalize: float32 and float64 differ; cast the float32 one, as in `x.cast(DType::F64)`"
    );
    // With nothing to normalize, the mean is NaN, and nothing panics.
    let [y, mean, _] = Tensor::ones([2, 0, 3, 1]).normalize_groups(&one, &zero, 0.1).unwrap();
    assert_eq!((y.size(), mean.to_vec::<f32>().unwrap().iter().all(|mean| mean.is_nan())), (0, true));
    let side = 1 << 40;
    assert!(Tensor::ones([side, 0, side, 1]).normalize_groups(&one, &zero, 0.1).is_err());
}
