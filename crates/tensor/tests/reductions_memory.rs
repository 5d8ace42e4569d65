//! Reductions take little memory besides their operand, and none for elements that a view repeats.

use peak_alloc::PeakAlloc;
use tensor::ops::Reduction;
use tensor::{DType, Tensor, clear_pool, set_pool_limit};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The peak of the bytes that are allocated during a call, in addition to those before.
fn bytes<R>(call: impl FnOnce() -> R) -> (usize, R) {
    clear_pool();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = call();
    (MEMORY.peak_usage() - before, result)
}

const ALL: [Reduction; 11] = [
    Reduction::Sum,
    Reduction::Prod,
    Reduction::Mean,
    Reduction::Var { correction: 0.0 },
    Reduction::Var { correction: 1.0 },
    Reduction::Max,
    Reduction::Min,
    Reduction::LogSumExp,
    Reduction::Norm,
    Reduction::ArgMax,
    Reduction::ArgMin,
];

// One test, because memory is counted for the whole process.
#[test]
fn reductions_take_little_memory() {
    set_pool_limit(0);
    const MANY: usize = 8 << 20;
    // Starting the threads of the pool takes memory, too.
    let _ = Tensor::ones([MANY]).sum();

    // Bytes from 0 to 250, again and again; and `bool`.
    let values: Vec<u8> = (0..MANY).map(|k| (k % 251) as u8).collect();
    let x = Tensor::from_vec(values.clone(), [1 << 10, MANY >> 10]).unwrap();
    let truth =
        Tensor::from_vec(values.iter().map(|&x| x > 100).collect::<Vec<bool>>(), [1 << 10, MANY >> 10]).unwrap();
    for x in [&x, &truth] {
        for reduction in ALL {
            // Rows that are not contiguous are copied.
            let room = |axis: isize| if axis == 0 { MANY + (1 << 20) } else { 1 << 20 };
            for axis in [0, 1] {
                let (bytes, _) = bytes(|| x.reduce(reduction, axis, false).unwrap());
                assert!(bytes <= room(axis), "{reduction:?} along {axis}: {bytes}");
            }
            let (bytes, _) = bytes(|| x.reduce(reduction, .., false).unwrap());
            assert!(bytes <= 1 << 20, "{reduction:?}: {bytes}");
        }
    }
    for x in [x, truth] {
        let wide = x.cast(DType::F64);
        for reduction in ALL {
            let of_wide = wide.reduce(reduction, 1, false).unwrap().cast(DType::F32);
            let found = x.reduce(reduction, 1, false).unwrap();
            // Products of integers wrap.
            if reduction != Reduction::Prod || x.dtype() == DType::Bool {
                assert!(found.cast(DType::F32).allclose(&of_wide, 1e-6, 0.0).unwrap(), "{reduction:?}");
            }
        }
    }

    // A view of 2³¹ elements that repeats each of four numbers 2²⁹ times, in pairs of rows.
    let small = Tensor::from([[-1f32], [0.5], [2.0], [2.0]]);
    let all = small.expand([1 << 28, 2, 4, 1]).unwrap();
    let all = all.reshape([1 << 28, 2, 4]).unwrap();
    let eight = small.expand([2, 4, 1]).unwrap().reshape([8]).unwrap().cast(DType::F64);
    assert_eq!(all.size(), 1 << 31);
    let count = (1u64 << 28) as f64;
    for reduction in ALL {
        let (bytes, found) = bytes(|| all.reduce(reduction, .., false).unwrap());
        assert!(bytes < 1 << 16, "{reduction:?} of a view: {bytes}");
        let one = eight.reduce(reduction, .., false).unwrap().item().unwrap();
        let expected = match reduction {
            Reduction::Sum => one * count,
            // (1 · ½ · 2 · 2)² = 4
            Reduction::Prod => f64::INFINITY,
            Reduction::Norm => one * count.sqrt(),
            Reduction::LogSumExp => one + count.ln(),
            // For this many elements, the correction makes no difference.
            Reduction::Var { .. } => eight.var().item().unwrap(),
            _ => one,
        };
        let found = found.item().unwrap();
        assert!(found == expected || (found - expected).abs() <= 1e-6 * expected.abs(), "{reduction:?}: {found}");
    }
    // Views that repeat elements along several axes, against their copies.
    let view = Tensor::from([[3i64, 1, 4], [1, 5, 9]]).reshape([2, 1, 3, 1]).unwrap().expand([2, 2, 3, 5]).unwrap();
    let copy = Tensor::from_vec(view.to_vec::<i64>().unwrap(), [2, 2, 3, 5]).unwrap();
    for (view, copy) in [(view.clone(), copy.clone()), (view.cast(DType::F64), copy.cast(DType::F64))] {
        for axes in [&[0, 1][..], &[1], &[2], &[3], &[1, 2], &[1, 3], &[0, 2], &[0, 1, 2, 3], &[]] {
            for (reduction, keep) in ALL.iter().flat_map(|&reduction| [false, true].map(|keep| (reduction, keep))) {
                let [found, expected] = [&view, &copy].map(|x| x.reduce(reduction, axes, keep).unwrap());
                assert_eq!(found.shape(), expected.shape());
                // The variance of a single element with correction 1 is NaN.
                let undefined = axes.is_empty() && reduction == Reduction::Var { correction: 1.0 };
                let close = undefined || found.allclose(&expected, 1e-6, 1e-12).unwrap();
                assert!(close, "{reduction:?} along {axes:?}: {found}, not {expected}");
            }
        }
    }
}
