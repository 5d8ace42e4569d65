//! The bytes that an operation reads and writes, and the type in which it computes.

use crate::dtype::DType;
use crate::ops::{Index, Op};
use crate::tensor::Tensor;

/// The bytes that an operation reads and writes, as defined in the documentation of the parent module.
pub(super) fn bytes(op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
    let is_view = |output: &Tensor| inputs.iter().any(|input| input.storage().0 == output.storage().0);
    if outputs.iter().all(is_view) {
        return 0;
    }
    let written: u64 = outputs.iter().map(distinct_bytes).sum();
    match (op, inputs) {
        (Op::Index(Index::Take { .. } | Index::Gather { .. }), [_, index]) => 2 * written + distinct_bytes(index),
        _ => inputs.iter().map(|input| distinct_bytes(input)).sum::<u64>() + written,
    }
}

/// The type whose peak bounds the arithmetic: float64 if an operand or a result has it, otherwise float32.
pub(super) fn dtype(inputs: &[&Tensor], outputs: &[Tensor]) -> DType {
    let mut dtypes = inputs.iter().map(|input| input.dtype()).chain(outputs.iter().map(Tensor::dtype));
    if dtypes.any(|dtype| dtype == DType::F64) { DType::F64 } else { DType::F32 }
}

/// The bytes of a tensor; elements that broadcasting repeats count once.
fn distinct_bytes(x: &Tensor) -> u64 {
    let sizes = x.shape().iter().zip(x.strides().iter());
    let count: usize = sizes.map(|(&size, &stride)| if stride == 0 { size.min(1) } else { size }).product();
    (count * x.dtype().size_of()) as u64
}
