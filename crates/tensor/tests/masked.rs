//! Masked softmax, and products in which zeros are absent, in all sizes: against plain formulas.

use tensor::ops::{Fused, Matmul, apply};
use tensor::{DType, Generator, Result, Tensor, tensor};

const WIDTHS: [usize; 14] = [1, 2, 7, 15, 16, 17, 31, 33, 100, 129, 1000, 4096, 4097, 8200];

/// The softmax of the allowed elements of a row.
fn softmax(row: &[f64], allowed: &[bool]) -> Vec<f64> {
    let chosen = || row.iter().zip(allowed).filter(|(_, allowed)| **allowed).map(|(x, _)| *x);
    let top = chosen().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = chosen().map(|x| (x - top).exp()).sum();
    row.iter().zip(allowed).map(|(x, allowed)| if *allowed { (x - top).exp() / sum } else { 0.0 }).collect()
}

/// Asserts equality up to a few rounding errors of numbers up to 5.
#[track_caller]
fn close(what: &str, found: &Tensor, expected: &[f64]) {
    let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 5e-6, "{what}, place {k}: {found} instead of {expected}");
    }
}

#[test]
fn rows_of_every_width_agree_with_float64() -> Result<()> {
    for width in WIDTHS {
        // Causality starts again after four rows; short rows are enough for several tasks.
        let rows = 4 * (1 + 3000 / width);
        let x = Generator::new(1).normal([rows / 4, 4, width], 0.0, 2.0)?;
        let g = Generator::new(2).normal(x.shape(), 0.0, 1.0)?;
        let masks = [
            Generator::new(3).normal(x.shape(), 0.0, 1.0)?.greater(0)?,
            Generator::new(3).normal([rows / 4, 1, width], 0.0, 1.0)?.greater(0)?,
            Generator::new(3).normal([4, 1], 0.0, 1.0)?.greater(0)?,
            Generator::new(3).normal([width, 4], 0.0, 1.0)?.greater(-0.5)?.t()?,
        ];
        for (mask, causal) in masks.iter().map(Some).chain([None]).flat_map(|mask| [(mask, false), (mask, true)]) {
            let what = format!("width {width}, causal {causal}, mask {:?}", mask.map(|mask| mask.shape()));
            let by_mask = match mask {
                Some(mask) => mask.expand(x.shape())?.to_vec::<bool>()?,
                None => vec![true; x.size()],
            };
            let allowed = by_mask.iter().enumerate();
            let allowed: Vec<bool> =
                allowed.map(|(k, allowed)| *allowed && (!causal || k % width <= k / width % 4)).collect();
            let shown = Tensor::from_vec(allowed.clone(), x.shape())?;
            let spoilt = shown.select(&x, f64::NAN)?;
            let operands: Vec<&Tensor> = [&spoilt].into_iter().chain(mask).collect();
            let y = apply(Fused::MaskedSoftmax { causal }, &operands)?;
            let wide = |x: &Tensor| x.cast(DType::F64).to_vec::<f64>();
            let (numbers, gradients) = (wide(&x)?, wide(&g)?);
            let each = numbers.chunks(width).zip(allowed.chunks(width));
            let expected: Vec<f64> = each.flat_map(|(row, allowed)| softmax(row, allowed)).collect();
            close(&what, &y, &expected);
            assert_eq!(shown.select(0.0, &y)?.abs().sum().item()?, 0.0, "{what}");

            let of_rows = expected.chunks(width).zip(gradients.chunks(width)).flat_map(|(y, g)| {
                let sum: f64 = y.iter().zip(g).map(|(y, g)| y * g).sum();
                y.iter().zip(g).map(|(y, g)| y * (g - sum)).collect::<Vec<_>>()
            });
            let of_x = apply(Fused::MaskedSoftmaxGradient, &[&shown.select(&g, f64::INFINITY)?, &y])?;
            close(&what, &of_x, &of_rows.collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// An allowed NaN makes its row NaN, except for elements that are not allowed, which stay 0.
#[test]
fn an_allowed_nan_makes_its_row_nan() -> Result<()> {
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    let x = tensor![[nan, 1.0, 2.0], [1.0, nan, -infinite], [nan, nan, nan], [-infinite, 3.0, 3.0]];
    let mask = tensor![[true, true, false], [true, false, true], [false, false, false], [true, true, true]];
    let y = apply(Fused::MaskedSoftmax { causal: false }, &[&x, &mask])?.to_vec::<f32>()?;
    assert!(y[0].is_nan() && y[1].is_nan());
    assert_eq!(y[2..], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
    Ok(())
}

/// Products in which zeros meet NaN in the other operand: on both sides, batched and transposed.
#[test]
fn zeros_are_absent_in_products_of_all_sizes() -> Result<()> {
    let sizes = [[1, 1, 1], [3, 2, 5], [8, 8, 8], [1, 40, 9], [30, 1, 20], [130, 70, 90], [600, 65, 40]];
    for (case, [m, n, k]) in sizes.into_iter().enumerate() {
        let normal = |seed: u64, shape: [usize; 3]| Generator::new(seed + case as u64).normal(shape, 0.0, 1.0);
        for batch in [1, 3] {
            // Rows of the other operand that only zeros meet are NaN.
            let live = normal(10, [1, 1, k])?.greater(0)?;
            let sparse = live.select(normal(20, [batch, m, k])?, 0.0)?;
            let numbers = normal(30, [batch, k, n])?;
            let live = live.transpose(1, 2)?;
            let (zeroed, spoilt) = (live.select(&numbers, 0.0)?, live.select(&numbers, f64::NAN)?);
            let expected = sparse.matmul(&zeroed)?;
            let what = format!("{batch} of [{m}, {n}, {k}]");
            let check = |found: Tensor| assert!(found.allclose(&expected, 1e-4, 1e-4).unwrap(), "{what}");
            check(sparse.sparse_matmul(&spoilt)?);
            check(sparse.t()?.try_mul(1.0)?.t()?.sparse_matmul(&spoilt)?);
            let turned = apply(Matmul::SparseRight, &[&spoilt.t()?, &sparse.t()?])?;
            check(turned.t()?);
            // For finite operands, every bit is that of the dense product.
            let bits = |x: Tensor| x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(sparse.sparse_matmul(&zeroed)?), bits(sparse.matmul(&zeroed)?), "{what}");
        }
    }
    assert_eq!(Tensor::zeros([0, 3]).sparse_matmul(Tensor::zeros([3, 0]))?.shape(), &[0, 0]);
    assert_eq!(Tensor::zeros([2, 0]).sparse_matmul(Tensor::zeros([0, 1]))?.to_vec::<f32>()?, [0.0, 0.0]);
    assert_eq!(tensor![0.0, 2.0].sparse_matmul(tensor![f64::NAN, 3.0])?.item()?, 6.0);
    Ok(())
}

#[test]
fn unsuitable_operands_are_errors() {
    let message = |result: Result<Tensor>| result.unwrap_err().to_string();
    let softmax = |inputs: &[&Tensor]| message(apply(Fused::MaskedSoftmax { causal: true }, inputs));
    let x = Tensor::ones([2, 3]);
    assert_eq!(softmax(&[]), "masked_softmax: takes 1 or 2 operands, not 0");
    assert_eq!(softmax(&[&tensor![1.0]]), "masked_softmax: shape [1]: needs 2 axes or more");
    assert_eq!(softmax(&[&x, &x]), "masked_softmax: float32 is not bool, as a mask must be");
    assert_eq!(
        softmax(&[&x, &tensor![[[true]], [[true]]]]),
        "masked_softmax: shape [2, 1, 1]: a mask must broadcast to [2, 3]"
    );
    assert_eq!(softmax(&[&x.cast(DType::I64)]), "masked_softmax: int64 is not a floating type");
    let scalar = Tensor::scalar(1.0);
    assert!(message(apply(Fused::MaskedSoftmaxGradient, &[&scalar, &scalar])).starts_with("masked_softmax_gradient"));
    assert_eq!(message(x.sparse_matmul(&x)), "sparse_matmul: [2, 3] × [2, 3]: the inner sizes 3 and 2 differ");
}
