//! Hostile options: zeros, and numbers whose sums and products overflow. A call must return an error or the result of
//! the definition, computed here in 128 bits, and must not read beyond its operands.
//!
//! Overflow wraps silently in release builds, where this test matters most; `.ci/run` runs it in both. It is in this
//! crate because the examples need a release build anyway.

mod conv;
mod elements;
mod gradients;
mod pool;
mod sizes;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tensor::{DType, Result, Tensor};

/// Numbers around which sums and products of two or three begin to overflow.
const HOSTILE: [usize; 12] =
    [0, 1, 2, 3, 1 << 31, 1 << 32, 1 << 59, (1 << 62) - 1, 1 << 62, isize::MAX as usize, 1 << 63, usize::MAX];

/// The maximum number of windows along an axis, or of elements, that is computed here. More would be correct, but take
/// too long.
const FEW: i128 = 64;

/// The result of a call, which must not panic.
fn called<T>(what: impl std::fmt::Debug, call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| panic!("{what:?} panicked"))
}

/// Small integers that depend on the seed.
fn integers(shape: [usize; 4], seed: usize) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|k| ((k * 7 + seed) % 11) as f32 - 5.0).collect();
    Tensor::from_vec(values, shape).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).to_vec::<f64>().unwrap()
}

/// Windows along one axis, in 128 bits.
#[derive(Clone, Copy, Debug)]
struct Axis {
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: (usize, usize),
}

impl Axis {
    /// The number of windows; `None` if an option is invalid, or an index into the padded axis overflows.
    fn count(&self) -> Option<i128> {
        let [input, kernel, stride, dilation] =
            [self.input, self.kernel, self.stride, self.dilation].map(|option| option as i128);
        let padded = input + self.padding.0 as i128 + self.padding.1 as i128;
        let reach = (kernel - 1).checked_mul(dilation)? + 1;
        let is_right = kernel > 0 && stride > 0 && dilation > 0 && reach <= padded && padded <= isize::MAX as i128;
        is_right.then(|| (padded - reach) / stride + 1)
    }

    /// The elements of a window, each with its index in the kernel.
    fn elements(&self, window: i128) -> Vec<(usize, usize)> {
        let place = |input: usize| {
            let distance = input as i128 + self.padding.0 as i128 - window * self.stride as i128;
            let place = distance / self.dilation as i128;
            let is_place = distance >= 0 && distance % self.dilation as i128 == 0 && place < self.kernel as i128;
            is_place.then_some((input, place as usize))
        };
        (0..self.input).filter_map(place).collect()
    }
}
