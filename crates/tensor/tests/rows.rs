//! Operations over rows of many widths against formulas in float64: short rows, rows with remainders, long rows.

use tensor::ops::{Fused, apply};
use tensor::{DType, Result, Tensor};

const WIDTHS: [usize; 22] =
    [1, 2, 7, 8, 10, 15, 16, 17, 31, 32, 33, 64, 100, 127, 128, 129, 1000, 4095, 4096, 4097, 4111, 8200];

/// Numbers from -5 to 5.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|k| ((k * 7919 + seed * 104_729) % 10_007) as f32 / 1000.7 - 5.0).collect()
}

fn tensor(values: &[f32], width: usize) -> Result<Tensor> {
    Tensor::from(values).reshape([-1, width as isize])
}

/// Compares values with float64. The limit of the error is `units` times 2⁻²⁴, relative to the expected value; or,
/// unless `relative`, to the larger of 1 and that.
#[track_caller]
fn check(what: &str, width: usize, found: &Tensor, expected: &[f64], units: f64, relative: bool) {
    let found = found.to_vec::<f32>().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}, width {width}");
    for (k, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let size = if relative { expected.abs() } else { expected.abs().max(1.0) };
        let error = (found as f64 - expected).abs() / size * 2f64.powi(24);
        assert!(error <= units, "{what}, width {width}, place {k}: {found}, not {expected}: {error:.1} units");
    }
}

#[test]
fn rows_of_every_width_agree_with_float64() -> Result<()> {
    for width in WIDTHS {
        let rows = 3 + 300 / width;
        let (x, g) = (numbers(rows * width, width), numbers(rows * width, width + 1));
        let targets: Vec<usize> = (0..rows).map(|row| (row * 5 + 1) % width).collect();
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let each = |f: &dyn Fn(&[f64]) -> f64| wide(&x).chunks(width).map(f).collect::<Vec<f64>>();
        let most = each(&|row| row.iter().copied().fold(f64::MIN, f64::max));
        let least = each(&|row| row.iter().copied().fold(f64::MAX, f64::min));
        let sums = each(&|row| row.iter().map(|x| x.exp()).sum());
        let logs: Vec<f64> = sums.iter().map(|sum| sum.ln()).collect();
        let y: Vec<f64> = wide(&x).iter().enumerate().map(|(k, x)| x.exp() / sums[k / width]).collect();
        let losses: Vec<f64> = (0..rows).map(|row| logs[row] - f64::from(x[row * width + targets[row]])).collect();

        let (x, g) = (tensor(&x, width)?, tensor(&g, width)?);
        let indices = Tensor::from(targets.iter().map(|&k| k as i64).collect::<Vec<_>>());
        check("max", width, &x.max_axis(-1)?, &most, 0.0, true);
        check("min", width, &x.min_axis(-1)?, &least, 0.0, true);
        // A difference to the largest element, up to 10, is rounded by up to 8 units.
        check("softmax", width, &x.softmax(-1)?, &y, 24.0, true);
        check("logsumexp", width, &x.logsumexp_axis(-1)?, &logs, 6.0, false);
        check("log_softmax", width, &x.log_softmax(-1)?, &y.iter().map(|y| y.ln()).collect::<Vec<_>>(), 6.0, false);
        check("cross_entropy", width, &x.softmax_cross_entropy(&indices)?, &losses, 6.0, false);

        let gradients = wide(&g.to_vec::<f32>()?);
        let softmax = tensor(&y.iter().map(|&y| y as f32).collect::<Vec<_>>(), width)?;
        let log = tensor(&y.iter().map(|y| y.ln() as f32).collect::<Vec<_>>(), width)?;
        let of_row =
            |f: &dyn Fn(usize) -> f64, k: usize| (k / width * width..(k / width + 1) * width).map(f).sum::<f64>();
        let weighted: Vec<f64> = (0..rows).map(|row| of_row(&|k| gradients[k] * y[k], row * width)).collect();
        let plain: Vec<f64> = (0..rows).map(|row| of_row(&|k| gradients[k], row * width)).collect();
        let expected: Vec<f64> = (0..y.len()).map(|k| y[k] * (gradients[k] - weighted[k / width])).collect();
        check(
            "softmax_gradient",
            width,
            &apply(Fused::SoftmaxGradient { axis: 1 }, &[&g, &softmax])?,
            &expected,
            12.0,
            false,
        );
        let expected: Vec<f64> = (0..y.len()).map(|k| gradients[k] - y[k] * plain[k / width]).collect();
        // The error of a sum of numbers of both signs is relative to the sum of their absolute values: up to 2.5 units
        // each, times their share.
        let units = 24.0 + width as f64 * 2.5 / width.min(64) as f64;
        check(
            "log_softmax_gradient",
            width,
            &apply(Fused::LogSoftmaxGradient { axis: 1 }, &[&g, &log])?,
            &expected,
            units,
            false,
        );
        let loss_gradients = numbers(rows, 3);
        let expected: Vec<f64> = (0..y.len())
            .map(|k| f64::from(loss_gradients[k / width]) * (y[k] - f64::from(targets[k / width] == k % width)))
            .collect();
        let operands = [&Tensor::from(loss_gradients), &x, &indices];
        let found = apply(Fused::SoftmaxCrossEntropyGradient, &operands)?;
        check("softmax_cross_entropy_gradient", width, &found, &expected, 24.0, false);
    }
    Ok(())
}

#[test]
fn other_axes_have_rows_too() -> Result<()> {
    let (g, y) = (tensor(&numbers(24, 1), 6)?.reshape([2, 4, 3])?, tensor(&numbers(24, 2), 6)?.reshape([2, 4, 3])?);
    let swapped = |x: &Tensor| x.permute([0, 2, 1]);
    for (inner, outer) in [
        (Fused::SoftmaxGradient { axis: 1 }, Fused::SoftmaxGradient { axis: 2 }),
        (Fused::LogSoftmaxGradient { axis: 1 }, Fused::LogSoftmaxGradient { axis: 2 }),
    ] {
        let found = apply(inner, &[&g, &y])?;
        let expected = swapped(&apply(outer, &[&swapped(&g)?, &swapped(&y)?])?)?;
        assert_eq!(found.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn nan_is_found_at_every_position() -> Result<()> {
    for width in [3, 10, 16, 40, 64, 150, 1000] {
        for place in 0..width {
            let mut values = numbers(3 * width, 0);
            values[width + place] = f32::NAN;
            let x = tensor(&values, width)?;
            for (what, found) in [
                ("max", x.max_axis(-1)?),
                ("min", x.min_axis(-1)?),
                ("logsumexp", x.logsumexp_axis(-1)?),
                ("softmax", x.softmax(-1)?.sum_axis(-1)?),
                ("log_softmax", x.log_softmax(-1)?.sum_axis(-1)?),
            ] {
                let nan: Vec<bool> = found.to_vec::<f32>()?.iter().map(|x| x.is_nan()).collect();
                assert_eq!(nan, [false, true, false], "{what}, width {width}, place {place}");
            }
        }
    }
    Ok(())
}

/// As in PyTorch.
#[test]
fn a_row_with_infinity_as_its_largest_has_no_probabilities() -> Result<()> {
    let infinity = f32::INFINITY;
    for width in [2, 5, 40, 5000] {
        for (other, first) in [(0.0, infinity), (-infinity, -infinity), (-infinity, infinity)] {
            let mut row = vec![other; width];
            row[0] = first;
            let x = Tensor::from_vec(row, [1, width])?;
            let all_nan = |x: Tensor| x.to_vec::<f32>().map(|x| x.iter().all(|x| x.is_nan()));
            assert!(all_nan(x.softmax(-1)?)?, "softmax of {first} beside {other}, width {width}");
            assert!(all_nan(x.log_softmax(-1)?)?, "log_softmax of {first} beside {other}, width {width}");
            let loss = x.softmax_cross_entropy(&Tensor::from_vec(vec![1i64], [1])?)?;
            assert!(all_nan(loss)?, "cross-entropy of {first} beside {other}, width {width}");
        }
    }
    Ok(())
}

#[test]
fn infinities_and_ties_have_their_logarithms() -> Result<()> {
    let infinity = f32::INFINITY;
    for width in [3, 16, 40, 5000] {
        let row = |first: f32, rest: f32| [vec![first], vec![rest; width - 1]].concat();
        let rows = [row(-infinity, -infinity), row(infinity, 0.0), row(infinity, -infinity), row(0.0, -infinity)];
        let found = tensor(&rows.concat(), width)?.logsumexp_axis(-1)?;
        assert_eq!(found.to_vec::<f32>()?, [-infinity, infinity, infinity, 0.0], "width {width}");
        let found = tensor(&row(f32::NAN, infinity), width)?.logsumexp_axis(-1)?;
        assert!(found.to_vec::<f32>()?[0].is_nan(), "width {width}");
        // All elements are the largest.
        check(
            "ties",
            width,
            &tensor(&row(2.0, 2.0), width)?.logsumexp_axis(-1)?,
            &[2.0 + (width as f64).ln()],
            2.0,
            false,
        );
        // The rest is far below 1, and is not lost.
        let expected = [(f64::from(width as u32 - 1) * (-30f64).exp()).ln_1p()];
        check("tail", width, &tensor(&row(0.0, -30.0), width)?.logsumexp_axis(-1)?, &expected, 40.0, true);
    }
    Ok(())
}

#[test]
fn gradients_that_do_not_fit_their_results_are_refused() {
    let (x, y) = (Tensor::zeros([2, 3]), Tensor::zeros([3, 2]));
    let message = |found: Result<Tensor>| found.unwrap_err().to_string();
    assert_eq!(
        message(apply(Fused::SoftmaxGradient { axis: 1 }, &[&x, &y])),
        "softmax_gradient: shape [2, 3]: must be that of the result, [3, 2]"
    );
    assert_eq!(
        message(apply(Fused::LogSoftmaxGradient { axis: 2 }, &[&x, &x])),
        "log_softmax_gradient: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1"
    );
    assert_eq!(
        message(apply(Fused::SoftmaxCrossEntropyGradient, &[&x, &x, &Tensor::zeros([2]).cast(DType::I64)])),
        "softmax_cross_entropy_gradient: shape [2, 3]: must be that of the targets, [2]"
    );
}

/// All results for rows along the last axis, with their names.
fn all(x: &Tensor, g: &Tensor, targets: &Tensor) -> Result<[(&'static str, Tensor); 7]> {
    let axis = x.rank() - 1;
    let (y, log, loss) = (x.softmax(-1)?, x.log_softmax(-1)?, x.softmax_cross_entropy(targets)?);
    let of_loss = apply(Fused::SoftmaxCrossEntropyGradient, &[&loss, x, targets])?;
    Ok([
        ("softmax_gradient", apply(Fused::SoftmaxGradient { axis }, &[g, &y])?),
        ("log_softmax_gradient", apply(Fused::LogSoftmaxGradient { axis }, &[g, &log])?),
        ("softmax", y),
        ("log_softmax", log),
        ("logsumexp", x.logsumexp_axis(-1)?),
        ("softmax_cross_entropy_gradient", of_loss),
        ("softmax_cross_entropy", loss),
    ])
}

/// Operands for [`all`].
fn operands(rows: usize, width: usize, dtype: DType) -> Result<[Tensor; 3]> {
    let draw = |seed| tensor(&numbers(rows * width, seed), width).map(|x| x.cast(dtype));
    Ok([draw(1)?, draw(2)?, (0..rows).map(|row| ((row * 5 + 1) % width) as i64).collect()])
}

#[test]
fn float64_agrees_with_compositions() -> Result<()> {
    for width in WIDTHS {
        let [x, g, targets] = operands(3, width, DType::F64)?;
        let sum = |x: Tensor| x.sum_keepdims(-1);
        let y = x.exp().try_div(sum(x.exp())?)?;
        let hot = targets.one_hot(width)?.cast(DType::F64);
        let loss = sum(&hot * &y)?.log().try_neg()?;
        let expected = [
            &y * g.try_sub(sum(&g * &y)?)?,
            &g - &y * sum(g.clone())?,
            y.clone(),
            y.log(),
            sum(x.exp())?.log().squeeze(-1)?,
            &loss * (&y - hot),
            loss.squeeze(-1)?,
        ];
        for ((what, found), expected) in all(&x, &g, &targets)?.iter().zip(&expected) {
            assert_eq!(found.shape(), expected.shape(), "{what}, width {width}");
            let found = found.to_vec::<f64>()?;
            for (k, (found, expected)) in found.iter().zip(expected.to_vec::<f64>()?).enumerate() {
                // The error of sums up to some hundreds.
                let error = (found - expected).abs();
                assert!(error < 2e-13, "{what}, width {width}, place {k}: {found}, not {expected}: {error:.1e}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_row_has_the_same_bits_alone_and_beside_others() -> Result<()> {
    for width in WIDTHS {
        for dtype in [DType::F32, DType::F64] {
            // Several tasks, and blocks of several rows in each.
            let rows = 3 + 20_000 / width;
            let operands = operands(rows, width, dtype)?;
            let [x, g, targets] = &operands;
            let beside = all(x, g, targets)?;
            for row in [0, 1, rows / 2, rows - 1] {
                let only = |x: &Tensor| x.slice(row as isize..row as isize + 1);
                let alone = all(&only(x)?, &only(g)?, &only(targets)?)?;
                for ((what, alone), (_, beside)) in alone.iter().zip(&beside) {
                    let bits = |x: &Tensor| -> Result<Vec<u64>> {
                        Ok(x.cast(DType::F64).to_vec::<f64>()?.into_iter().map(f64::to_bits).collect())
                    };
                    assert_eq!(bits(alone)?, bits(&only(beside)?)?, "{what}, {dtype}, width {width}, row {row}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn masked_elements_are_ignored() -> Result<()> {
    let targets = Tensor::from([0i64]);
    for width in [4, 40, 5000] {
        for masked in [f32::NEG_INFINITY, -1e30] {
            let row = |first: f32, second: f32, rest: f32| [vec![first, second], vec![rest; width - 2]].concat();
            let found = all(&tensor(&row(2.0, 1.0, masked), width)?, &tensor(&row(1.0, -2.0, 3.0), width)?, &targets)?;
            let two = all(&tensor(&[2.0, 1.0], 2)?, &tensor(&[1.0, -2.0], 2)?, &targets)?;
            for ((what, found), (_, two)) in found.iter().zip(&two) {
                let (found, two) = (found.to_vec::<f32>()?, two.to_vec::<f32>()?);
                let rest = match *what {
                    "log_softmax" => masked,
                    "log_softmax_gradient" => 3.0,
                    _ => 0.0,
                };
                assert!(found[two.len()..].iter().all(|&x| x == rest), "{what}, width {width}: {found:?}");
                // The sum of this gradient is not weighted.
                if *what != "log_softmax_gradient" {
                    assert_eq!(found[..two.len()], two, "{what}, width {width}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn empty_rows_have_empty_gradients() -> Result<()> {
    for shape in [[0, 5], [3, 0], [0, 0]] {
        let (x, g, targets) =
            (Tensor::zeros(shape), Tensor::zeros(&shape[..1]), Tensor::zeros(&shape[..1]).cast(DType::I64));
        for axis in [0, 1] {
            assert_eq!(apply(Fused::SoftmaxGradient { axis }, &[&x, &x])?.shape()[..], shape);
            assert_eq!(apply(Fused::LogSoftmaxGradient { axis }, &[&x, &x])?.shape()[..], shape);
        }
        let found = apply(Fused::SoftmaxCrossEntropyGradient, &[&g, &x, &targets]).map(|x| x.shape().to_vec());
        match found.map_err(|error| error.to_string()) {
            Ok(found) => assert!(shape[0] == 0 && found == shape),
            Err(message) => {
                assert_eq!(message, "softmax_cross_entropy_gradient: index 0 is out of range for an axis of size 0")
            }
        }
    }
    Ok(())
}
