//! Normalization to mean 0 and variance 1, as in normalization layers, and its gradient.

use smallvec::{SmallVec, smallvec};

use crate::dtype::{Element, with_float};
use crate::error::{Error, Result};
use crate::kernels::normalize::{Groups, Statistics};
use crate::kernels::reduce::by_row;
use crate::kernels::scaled::{is_ordinary, magnitude};
use crate::ops::apply::{apply, apply_all};
use crate::ops::checks::{check_axis, operands, same_dtype};
use crate::ops::elementwise::zip;
use crate::ops::{Outputs, Reduce, Reduction};
use crate::shape::{Axes, IntoAxes, Shape};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A normalization or its gradient. The input is `[outer, rows, groups, columns]`. The mean and the variance, taken
/// along axes 1 and 3, are `[outer, 1, groups, 1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalize {
    /// Three outputs from `x`, `gamma` and `beta`: `(x - mean) / √(variance + epsilon) · gamma + beta`, the mean, and
    /// the variance (divisor `n`). `gamma` and `beta` broadcast to `[groups, columns]`. Groups whose squares would
    /// over- or underflow are scaled first. A variance that overflows the element type is infinite.
    Normalize {
        /// The number that is added to the variance.
        epsilon: f64,
    },
    /// The gradients of `x`, `gamma` and `beta` from the gradient of the first output, `x`, `gamma`, and the mean and
    /// variance of `x`. The gradients of `gamma` and `beta` are `[groups, columns]`. Mean and variance are operands
    /// only to avoid recomputing them: they are functions of `x`, so no gradient flows into them.
    NormalizeGradient {
        /// The number that is added to the variance.
        epsilon: f64,
    },
}

names! { Normalize:
    Normalize::Normalize { .. } => "normalize",
    Normalize::NormalizeGradient { .. } => "normalize_gradient",
}

impl Normalize {
    pub(crate) fn flops(&self, inputs: &[&Tensor], outputs: &[Tensor]) -> u64 {
        let (x, each) = match self {
            // Mean: add. Variance: subtract, square, add. Result: subtract, scale, shift.
            Normalize::Normalize { .. } => (inputs[0], 7),
            // Subtract, multiply, add twice; scale, subtract, multiply, add, subtract.
            Normalize::NormalizeGradient { .. } => (&outputs[0], 9),
        };
        each * x.size() as u64
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Outputs> {
        let name = self.name();
        match *self {
            Normalize::Normalize { epsilon } => {
                let [x, gamma, beta] = operands(inputs, name)?;
                check_epsilon(epsilon, name)?;
                let groups = groups(x, name)?;
                let [gamma, beta] = [line(gamma, x, &groups, name)?, line(beta, x, &groups, name)?];
                let small = Shape::from([groups.outer, 1, groups.groups, 1]);
                if x.size() == 0 {
                    let none = Tensor::full_of(&small, f64::NAN, x.dtype());
                    return Ok(smallvec![x.clone(), none.clone(), none]);
                }
                with_float!(x.dtype(), T => {
                    let (x, gamma, beta) = (x.elements::<T>(), gamma.elements::<T>(), beta.elements::<T>());
                    let shape = inputs[0].shape().clone();
                    if let Some(parts) = groups.lines_forward(&x, [&gamma, &beta], epsilon) {
                        let shapes = [shape, small.clone(), small];
                        return Ok(parts.into_iter().zip(shapes).map(|(part, shape)| Tensor::from_buffer(part, shape)).collect());
                    }
                    let (x, statistics) = groups.in_range(&x, groups.statistics(&x), epsilon);
                    let y = groups.forward(&x, [&gamma, &beta], &statistics, epsilon);
                    let [mean, variance] = statistics.of_elements();
                    let numbers = |values: Vec<f64>| Buffer::from_vec(values.into_iter().map(T::from_f64).collect());
                    Ok(smallvec![
                        Tensor::from_buffer(y, shape),
                        Tensor::from_buffer(numbers(mean), small.clone()),
                        Tensor::from_buffer(numbers(variance), small),
                    ])
                }, else Err(Error::dtype(name, x.dtype(), "a floating type; cast the tensor first")))
            }
            Normalize::NormalizeGradient { epsilon } => {
                let [g, x, gamma, mean, variance] = operands(inputs, name)?;
                check_epsilon(epsilon, name)?;
                let groups = groups(x, name)?;
                let gamma = line(gamma, x, &groups, name)?;
                let small = Shape::from([groups.outer, 1, groups.groups, 1]);
                for (other, shape) in [(g, x.shape()), (mean, &small), (variance, &small)] {
                    same_dtype(other, x, name)?;
                    if other.shape() != shape {
                        return Err(Error::shape(name, other.shape(), format!("must be {shape} for {}", x.shape())));
                    }
                }
                let places = Shape::from([groups.groups, groups.columns]);
                with_float!(x.dtype(), T => {
                    let (g, x, gamma) = (g.elements::<T>(), x.elements::<T>(), gamma.elements::<T>());
                    let (mean, variance) = (mean.elements::<T>(), variance.elements::<T>());
                    let parts = if x.is_empty() {
                        let zeros = || Buffer::filled(places.size(), T::from_f64(0.0));
                        [Buffer::new::<T>(0), zeros(), zeros()]
                    } else if let Some(parts) = groups.lines_gradient([&g, &x], &gamma, [&mean, &variance], epsilon) {
                        parts
                    } else {
                        let numbers = |values: &[T]| values.iter().map(|x| x.to_f64()).collect();
                        let statistics = Statistics::new(numbers(&mean), numbers(&variance));
                        let (x, statistics) = groups.in_range(&x, statistics, epsilon);
                        let mut parts = groups.gradient([&g, &x], &gamma, &statistics, epsilon);
                        groups.multiply(parts[0].as_mut_slice::<T>(), &statistics.factors);
                        parts
                    };
                    let shapes = [inputs[1].shape(), &places, &places];
                    Ok(parts.into_iter().zip(shapes).map(|(part, shape)| Tensor::from_buffer(part, shape.clone())).collect())
                }, else Err(Error::dtype(name, x.dtype(), "a floating type; cast the tensor first")))
            }
        }
    }
}

/// The sizes of the axes, from a shape of rank 4.
fn groups(x: &Tensor, operation: &str) -> Result<Groups> {
    match x.shape()[..] {
        [outer, rows, groups, columns] => {
            // If `x` is empty, the statistics or the weights could still be larger than memory can address.
            Shape::from([outer, groups]).checked_size(operation)?;
            Shape::from([groups, columns]).checked_size(operation)?;
            Ok(Groups { outer, rows, groups, columns })
        }
        _ => Err(Error::shape(operation, x.shape(), "must be [outer, rows, groups, columns]")),
    }
}

/// `weight` broadcast to `[groups, columns]`.
fn line(weight: &Tensor, x: &Tensor, groups: &Groups, operation: &str) -> Result<Tensor> {
    same_dtype(x, weight, operation)?;
    let places = Shape::from([groups.groups, groups.columns]);
    let layout = weight.layout().broadcast(&places).ok_or_else(|| {
        let message = format!("must broadcast to {places}, the groups and columns of {}", x.shape());
        Error::shape(operation, weight.shape(), message)
    })?;
    Ok(weight.with_layout(layout))
}

#[track_caller]
fn check_epsilon(epsilon: f64, operation: &str) -> Result<()> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::argument(operation, format!("epsilon {epsilon:?} must be a number from 0 on")))
}

impl Tensor {
    /// Normalizes along axes: `(x - mean) / √(variance + epsilon)`, with divisor `n` in the variance. Layer
    /// normalization uses the last axis (Ba et al. 2016), batch normalization all axes but the channels (Ioffe &
    /// Szegedy 2015).
    ///
    /// ```
    /// # use tensor::tensor;
    /// let y = tensor![[1.0, 3.0], [2.0, 2.0]].normalize(-1, 0.0001)?;
    /// assert!(y.allclose(&tensor![[-1.0, 1.0], [0.0, 0.0]], 0.0, 1e-4)?);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice, if the tensor is not floating-point, or if `epsilon`
    /// is negative or not finite.
    #[track_caller]
    pub fn normalize(&self, axes: impl IntoAxes, epsilon: f64) -> Result<Tensor> {
        let axes = checked(self, axes, epsilon, "normalize")?;
        let [one, zero] = [1.0, 0.0].map(|value| Tensor::full_of(Shape::from([]), value, self.dtype()));
        let normalized = |x: &Tensor, grouped: [usize; 4]| {
            let [y, ..] = x.reshape(grouped)?.normalize_groups(&one, &zero, epsilon)?;
            y.reshape(x.shape())
        };
        if let Some(grouped) = grouped(self.shape(), &axes) {
            return normalized(self, grouped);
        }
        // Move the axes to normalize along to the end.
        let kept = (0..self.rank()).filter(|axis| !axes.contains(axis));
        let order: SmallVec<[usize; 8]> = kept.chain(axes.iter().copied()).collect();
        let mut inverse: SmallVec<[usize; 8]> = smallvec![0; order.len()];
        (0..).zip(&order).for_each(|(place, &axis)| inverse[axis] = place);
        let moved = self.permute(&order[..])?;
        let count = self.shape().product(axes.iter().copied());
        let rows = moved.shape().product(0..self.rank() - axes.len());
        normalized(&moved, [rows, 1, 1, count])?.permute(&inverse[..])
    }

    /// Normalizes this tensor, `[outer, rows, groups, columns]`, along axes 1 and 3, multiplies by `gamma` and adds
    /// `beta`. Returns the result, the mean and the variance. `gamma` and `beta` broadcast to `[groups, columns]`; mean
    /// and variance are `[outer, 1, groups, 1]`.
    ///
    /// Layer normalization takes `[samples, 1, 1, features]`, batch normalization `[1, positions, channels, 1]`, and
    /// group normalization `[samples, positions, groups, channels]`.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![[1.0, 4.0], [3.0, 8.0]].reshape([1, 2, 2, 1])?;
    /// let [y, mean, variance] = x.normalize_groups(&tensor![[1.0], [2.0]], &tensor![[0.0], [5.0]], 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, 3.0, 1.0, 7.0]);
    /// assert_eq!((mean.to_vec::<f32>()?, variance.to_vec::<f32>()?), (vec![2.0, 6.0], vec![1.0, 4.0]));
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if a shape does not match, if the types differ or are not floating-point, or if `epsilon` is
    /// negative or not finite.
    #[track_caller]
    pub fn normalize_groups(&self, gamma: &Tensor, beta: &Tensor, epsilon: f64) -> Result<[Tensor; 3]> {
        let outputs = apply_all(Normalize::Normalize { epsilon }, &[self, gamma, beta])?;
        Ok(<[Tensor; 3]>::try_from(outputs.into_vec()).expect("three outputs"))
    }

    /// RMS normalization, `x / √(mean x² + epsilon)`, with the mean along axes (Zhang & Sennrich 2019). Elements whose
    /// squares would over- or underflow are scaled first.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice, if the tensor is not floating-point, or if `epsilon`
    /// is negative or not finite.
    #[track_caller]
    pub fn rms_normalize(&self, axes: impl IntoAxes, epsilon: f64) -> Result<Tensor> {
        let axes = checked(self, axes, epsilon, "rms_normalize")?;
        let mean = Reduce { reduction: Reduction::Mean, axes, keepdims: true };
        let squares = apply(mean.clone(), &[&self.square()])?;
        let Some(magnitudes) = magnitudes(self, &squares, &mean.axes, epsilon)? else {
            return self.try_mul(squares.try_add(epsilon)?.rsqrt());
        };
        let scaled = self.try_div(&magnitudes)?;
        let epsilon = magnitudes.reciprocal().try_mul(epsilon)?.try_div(&magnitudes)?;
        scaled.try_mul(apply(mean, &[&scaled.square()])?.try_add(epsilon)?.rsqrt())
    }
}

/// Returns divisors for the elements of `x` that keep the means of their squares from over- or underflowing.
/// `mean_squares` are these means along `axes`, which are kept with size 1, and `epsilon` is the number that will be
/// added to them. A divisor is the largest absolute value where the mean over- or underflows, and 1 elsewhere. Returns
/// `None` if all means are in range. The result is a constant.
///
/// # Errors
/// Returns an error if an axis is out of range, if the shapes do not match, or if the types differ or are not
/// floating-point.
#[track_caller]
pub fn magnitudes(x: &Tensor, mean_squares: &Tensor, axes: &[usize], epsilon: f64) -> Result<Option<Tensor>> {
    axes.iter().try_for_each(|&axis| check_axis(axis, x.rank(), "magnitudes"))?;
    same_dtype(x, mean_squares, "magnitudes")?;
    let shape = x.shape().reduced(axes, true);
    if *mean_squares.shape() != shape {
        return Err(Error::shape("magnitudes", mean_squares.shape(), format!("must be {shape}")));
    }
    with_float!(x.dtype(), T => {
        let is_ordinary = |square: T| is_ordinary::<T>(square.to_f64(), epsilon);
        if mean_squares.elements::<T>().iter().all(|&square| is_ordinary(square)) {
            return Ok(None);
        }
        let largest = Tensor::from_buffer(by_row::<T, T>(x.typed(), axes, magnitude), shape.clone());
        let pick = |square: T, largest: T| if is_ordinary(square) { T::from_f64(1.0) } else { largest };
        Ok(Some(zip(shape, mean_squares, &largest, pick)))
    }, else Err(Error::dtype("magnitudes", x.dtype(), "a floating type; cast it first")))
}

/// A shape of rank 4 that merges `axes` into axes 1 and 3, and all other axes into 0 and 2, if their order allows it.
fn grouped(shape: &Shape, axes: &Axes) -> Option<[usize; 4]> {
    let mut sizes = [1usize; 4];
    let mut place = 0;
    for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
        // `axes` go to odd positions.
        if (place % 2 == 1) != axes.contains(&axis) {
            place += 1;
        }
        let joined = sizes.get_mut(place)?;
        *joined = joined.saturating_mul(size);
    }
    Some(sizes)
}

#[track_caller]
fn checked(x: &Tensor, axes: impl IntoAxes, epsilon: f64, operation: &str) -> Result<Axes> {
    if !x.dtype().is_float() {
        return Err(Error::dtype(operation, x.dtype(), "a floating type; cast the tensor first"));
    }
    check_epsilon(epsilon, operation)?;
    axes.into_sorted_axes(x.rank(), operation)
}
