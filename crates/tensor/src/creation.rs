//! Constructors of tensors.

use std::panic::Location;

use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::literal::ScalarLiteral;
use crate::operand::Number;
use crate::shape::Shape;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// Construction.
///
/// Functions that do not return a `Result` treat memory as `Vec` does. They panic with `capacity overflow` if the size
/// in elements or bytes exceeds the address space, and the process aborts if the allocation fails.
impl Tensor {
    /// A tensor of rank 0. Literals become float32 or int64, as in [`tensor!`](crate::tensor).
    pub fn scalar(value: impl ScalarLiteral) -> Tensor {
        value.into_tensor()
    }

    /// A tensor from the elements of a vector in row-major order, without a copy.
    ///
    /// # Errors
    /// Returns an error if the vector's length is not the size of `shape`, or if `shape` is larger than memory can
    /// address.
    #[track_caller]
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let size = shape.checked_size("from_vec")?;
        if values.len() != size {
            return Err(Error::shape("from_vec", &shape, format!("takes {size} elements, not {}", values.len())));
        }
        Ok(Tensor::from_buffer(Buffer::from_vec(values), shape))
    }

    /// A float32 tensor of zeros.
    ///
    /// # Panics
    /// Panics if the shape is larger than memory can address. The process aborts if the allocation fails.
    pub fn zeros(shape: impl Into<Shape>) -> Tensor {
        Tensor::full_of(shape, 0.0, DType::F32)
    }

    /// A float32 tensor of ones.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn ones(shape: impl Into<Shape>) -> Tensor {
        Tensor::full_of(shape, 1.0, DType::F32)
    }

    /// A tensor filled with `value`. The literal determines the element type, as in [`tensor!`](crate::tensor).
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn full(shape: impl Into<Shape>, value: impl ScalarLiteral) -> Tensor {
        let value = value.into_tensor();
        let shape = shape.into();
        with_dtype!(value.dtype(), T => {
            Tensor::from_buffer(Buffer::filled::<T>(shape.size(), value.first()), shape)
        })
    }

    /// A tensor of type `dtype` filled with `value`, which is converted as Rust's `as` does.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn full_of(shape: impl Into<Shape>, value: f64, dtype: DType) -> Tensor {
        let shape = shape.into();
        with_dtype!(dtype, T => Tensor::from_buffer(Buffer::filled(shape.size(), T::from_f64(value)), shape))
    }

    /// Zeros of the same shape and type as this tensor. Every element takes memory, even if this tensor is a broadcast
    /// view.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn zeros_like(&self) -> Tensor {
        Tensor::full_of(self.shape(), 0.0, self.dtype())
    }

    /// Ones of the same shape and type as this tensor.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn ones_like(&self) -> Tensor {
        Tensor::full_of(self.shape(), 1.0, self.dtype())
    }

    /// The float32 identity matrix, `[size, size]`.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn eye(size: usize) -> Tensor {
        let mut values = vec![0f32; Shape::from([size, size]).size()];
        values.iter_mut().step_by(size + 1).for_each(|value| *value = 1.0);
        Tensor::from_buffer(Buffer::from_vec(values), [size, size].into())
    }

    /// The numbers from `start` up to but not including `end`, in steps of `step`: `[ceil((end - start) / step)]`. The
    /// type is int64 if all three are integers, else float32.
    ///
    /// # Errors
    /// Returns an error if `step` is zero, if a number is not finite, if an integer does not fit into int64, or if
    /// there are more numbers than memory can address.
    #[track_caller]
    pub fn arange(start: impl Into<Number>, end: impl Into<Number>, step: impl Into<Number>) -> Result<Tensor> {
        let numbers = [start.into(), end.into(), step.into()];
        if let [Number::Integer(start), Number::Integer(end), Number::Integer(step)] = numbers {
            let place = Location::caller();
            let wrong = |expected: &str| {
                Error::argument("arange", format!("from {start} to {end} in steps of {step}: {expected}")).at(place)
            };
            if step == 0 {
                return Err(wrong("the step must not be 0"));
            }
            // Sums and products of these do not overflow.
            let wide = -(1i128 << 64)..=1 << 64;
            if [start, end, step].iter().any(|number| !wide.contains(number)) {
                return Err(wrong("all must be int64"));
            }
            let count = ((end - start + step - step.signum()) / step).max(0);
            let last = start + (count - 1).max(0) * step;
            if count > 0 && (i64::try_from(start).is_err() || i64::try_from(last).is_err()) {
                return Err(wrong("all must be int64"));
            }
            let count = Shape::from([usize::try_from(count).unwrap_or(usize::MAX)]).checked_size("arange")?;
            return Ok((0..count as i128).map(|k| (start + k * step) as i64).collect());
        }
        let [start, end, step] = numbers.map(Number::to_f64);
        let count = ((end - start) / step).ceil();
        if step == 0.0 || !count.is_finite() || !step.is_finite() {
            let message = format!("from {start} to {end} in steps of {step}: all must be finite and the step not 0");
            return Err(Error::argument("arange", message));
        }
        let count = Shape::from([count.max(0.0) as usize]).checked_size("arange")?;
        Ok((0..count).map(|k| (start + k as f64 * step) as f32).collect())
    }

    /// `count` evenly spaced float32 numbers from `start` to `end`, both included.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn linspace(start: f64, end: f64, count: usize) -> Tensor {
        let step = if count > 1 { (end - start) / (count - 1) as f64 } else { 0.0 };
        (0..count)
            .map(|k| if k + 1 == count && k > 0 { end as f32 } else { (start + k as f64 * step) as f32 })
            .collect()
    }
}
