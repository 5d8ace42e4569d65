//! Every row of the table gives the same bits on any number of threads, for operands large enough to be split.

use autograd::Result;
use autograd::tensor::{DType, Tensor};
use serde_json::Value;

use crate::differences::evaluate;
use crate::table::{Row, Sampler, rows};

/// Shapes with odd sizes and more elements than one task handles.
const SHAPES: [&[usize]; 3] = [&[70_001], &[261, 301], &[9, 83, 101]];

fn bits(tensors: &[Tensor]) -> Result<Vec<u64>> {
    let mut bits = Vec::new();
    for tensor in tensors {
        bits.extend(tensor.cast(DType::F64).to_vec::<f64>()?.into_iter().map(f64::to_bits));
    }
    Ok(bits)
}

/// The bits of the output and of all gradients, if it has any.
fn result(row: &Row, inputs: &[Tensor], attrs: &Value) -> Result<Vec<u64>> {
    let output = (row.apply)(inputs, attrs)?;
    if output.dtype().is_float() { bits(&evaluate(row, inputs, attrs, false)?) } else { bits(&[output]) }
}

#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let (one, others) = (pool(1), [2, 3, 8].map(|threads| (threads, pool(threads))));
    for row in rows() {
        for (seed, shape) in SHAPES.iter().enumerate() {
            let Some((inputs, attrs)) = (row.sample)(&mut Sampler::new(shape, seed as u64)) else { continue };
            // Float32 is used most, and has its own kernels.
            let single = |x: &Tensor| if x.dtype().is_float() { x.cast(DType::F32) } else { x.clone() };
            let inputs: Vec<Tensor> = inputs.iter().map(single).collect();
            let expected = one.install(|| result(&row, &inputs, &attrs))?;
            for (threads, pool) in &others {
                let found = pool.install(|| result(&row, &inputs, &attrs))?;
                assert!(found == expected, "{} {attrs} of {shape:?} differs on {threads} threads", row.name);
            }
        }
    }
    Ok(())
}
