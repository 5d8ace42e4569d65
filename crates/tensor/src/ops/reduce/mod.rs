//! Reductions over any number of axes.

mod bytes;
mod repeated;

use crate::dtype::{DType, Element, Float, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::fold::{Combine, Fold, larger, largest, smallest, sum, sum_of};
use crate::kernels::reduce;
use crate::kernels::scaled::{is_ordinary, magnitude};
use crate::kernels::softmax::log_sum_exp;
use crate::ops::apply::apply;
use crate::ops::cast::converted;
use crate::ops::checks::{check_axis, operands};
use crate::ops::elementwise::{map, zip};
use crate::shape::{Axes, IntoAxes};
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A reduction with its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// The function that is computed along the axes.
    pub reduction: Reduction,
    /// The axes, ascending.
    pub axes: Axes,
    /// Whether to keep the axes with size 1.
    pub keepdims: bool,
}

/// The function that a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// The sum. Integers and bools give int64.
    Sum,
    /// The product. Integers and bools give int64.
    Prod,
    /// The arithmetic mean.
    Mean,
    /// The sum of squared deviations from the mean, divided by the number of elements minus `correction`.
    Var {
        /// 0 for the population variance, 1 for the unbiased sample variance.
        correction: f64,
    },
    /// The largest element; NaN if any element is NaN.
    Max,
    /// The smallest element; NaN if any element is NaN.
    Min,
    /// `ln Σ eˣ`, without overflow.
    LogSumExp,
    /// `√Σ x²`.
    Norm,
    /// The index of the first largest element, counted in row-major order along the axes.
    ArgMax,
    /// The index of the first smallest element, counted likewise.
    ArgMin,
    /// Whether any element is true.
    Any,
    /// Whether all elements are true.
    All,
}

names! { Reduction:
    Reduction::Sum => "sum",
    Reduction::Prod => "prod",
    Reduction::Mean => "mean",
    Reduction::Var { .. } => "var",
    Reduction::Max => "max",
    Reduction::Min => "min",
    Reduction::LogSumExp => "logsumexp",
    Reduction::Norm => "norm",
    Reduction::ArgMax => "argmax",
    Reduction::ArgMin => "argmin",
    Reduction::Any => "any",
    Reduction::All => "all",
}

/// The reductions, grouped by how they use elements.
enum Kind {
    /// Compares elements of any type.
    Order(Order),
    /// Combines bools into a bool.
    Logic(Logic),
    /// Computes with elements as numbers.
    Arithmetic(Arithmetic),
}

enum Order {
    Max,
    Min,
    ArgMax,
    ArgMin,
}

enum Logic {
    Any,
    All,
}

enum Arithmetic {
    Sum,
    Prod,
    Mean,
    Var { correction: f64 },
    LogSumExp,
    Norm,
}

impl Reduction {
    fn kind(self) -> Kind {
        match self {
            Reduction::Max => Kind::Order(Order::Max),
            Reduction::Min => Kind::Order(Order::Min),
            Reduction::ArgMax => Kind::Order(Order::ArgMax),
            Reduction::ArgMin => Kind::Order(Order::ArgMin),
            Reduction::Any => Kind::Logic(Logic::Any),
            Reduction::All => Kind::Logic(Logic::All),
            Reduction::Sum => Kind::Arithmetic(Arithmetic::Sum),
            Reduction::Prod => Kind::Arithmetic(Arithmetic::Prod),
            Reduction::Mean => Kind::Arithmetic(Arithmetic::Mean),
            Reduction::Var { correction } => Kind::Arithmetic(Arithmetic::Var { correction }),
            Reduction::LogSumExp => Kind::Arithmetic(Arithmetic::LogSumExp),
            Reduction::Norm => Kind::Arithmetic(Arithmetic::Norm),
        }
    }
}

impl Reduce {
    /// The names of all reductions.
    pub const NAMES: &'static [&'static str] = Reduction::NAMES;

    /// The operation's name.
    pub fn name(&self) -> &'static str {
        self.reduction.name()
    }

    pub(crate) fn flops(&self, inputs: &[&Tensor], _: &[Tensor]) -> u64 {
        let each = match self.reduction.kind() {
            // The sum, then subtract, square, add.
            Kind::Arithmetic(Arithmetic::Var { .. }) => 4,
            // Compare, subtract, exp, add.
            Kind::Arithmetic(Arithmetic::LogSumExp) => 4,
            // Compare, divide, square, add.
            Kind::Arithmetic(Arithmetic::Norm) => 4,
            Kind::Arithmetic(Arithmetic::Sum | Arithmetic::Prod | Arithmetic::Mean) => 1,
            Kind::Order(_) | Kind::Logic(_) => 1,
        };
        each * inputs[0].size() as u64
    }

    pub(super) fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [x] = operands(inputs, self.name())?;
        for (k, &axis) in self.axes.iter().enumerate() {
            check_axis(axis, x.rank(), self.name())?;
            if k > 0 && self.axes[k - 1] >= axis {
                return Err(Error::argument(self.name(), format!("axes {:?} are not ascending", &self.axes[..])));
            }
        }
        let kind = self.reduction.kind();
        if matches!(kind, Kind::Order(_)) && self.count(x) == 0 {
            return Err(Error::shape(self.name(), x.shape(), "needs at least one element along the axes"));
        }
        if matches!(kind, Kind::Logic(_)) && x.dtype() != DType::Bool {
            return Err(Error::dtype(self.name(), x.dtype(), "bool; compare first, as in `x.not_equal(0)`"));
        }
        if x.size() == 0 {
            x.shape().reduced(&self.axes, self.keepdims).checked_size(self.name())?;
        }
        Ok(match x.layout().without_repeats().map(|layout| x.with_layout(layout)) {
            Some(once) => self.of_repeated(x, &once, |reduce| reduce.computed(&once)),
            None => self.computed(x),
        })
    }

    /// The number of elements that each element of the result reduces.
    fn count(&self, x: &Tensor) -> usize {
        x.shape().product(self.axes.iter().copied())
    }

    /// The result as a tensor, from a kernel's output for `x`.
    fn reduced(&self, x: &Tensor, buffer: Buffer) -> Tensor {
        Tensor::from_buffer(buffer, x.shape().reduced(&self.axes, self.keepdims))
    }

    /// Folds `x` over the axes.
    fn fold<T: Element, A: Element, C: Combine<A>>(
        &self,
        x: &Tensor,
        fold: &Fold<A, impl Fn(T) -> A + Sync, C>,
    ) -> Tensor {
        self.reduced(x, fold.over(x.typed(), &self.axes))
    }

    /// Applies `f` to every row along the axes.
    fn by_row<T: Element, A: Element>(&self, x: &Tensor, f: impl Fn(&[T]) -> A + Sync) -> Tensor {
        self.reduced(x, reduce::by_row(x.typed(), &self.axes, f))
    }

    /// Computes the reduction of a valid operand.
    fn computed(&self, x: &Tensor) -> Tensor {
        match self.reduction.kind() {
            Kind::Order(order) => with_dtype!(x.dtype(), T => self.order::<T>(x, &order)),
            Kind::Logic(Logic::Any) => {
                self.fold(x, &Fold { neutral: false, lift: |x: bool| x, combine: |a: bool, b: bool| a | b })
            }
            Kind::Logic(Logic::All) => {
                self.fold(x, &Fold { neutral: true, lift: |x: bool| x, combine: |a: bool, b: bool| a & b })
            }
            Kind::Arithmetic(arithmetic) => match x.dtype() {
                DType::F32 => self.float::<f32>(x, &arithmetic),
                DType::F64 => self.float::<f64>(x, &arithmetic),
                DType::I64 => self.integer(x, &arithmetic),
                DType::U8 => self.of_bytes::<u8>(x, &arithmetic),
                DType::Bool => self.of_bytes::<bool>(x, &arithmetic),
            },
        }
    }

    fn integer(&self, x: &Tensor, arithmetic: &Arithmetic) -> Tensor {
        match arithmetic {
            Arithmetic::Sum => self.fold(x, &Fold { neutral: 0, lift: |x: i64| x, combine: i64::wrapping_add }),
            Arithmetic::Prod => self.fold(x, &Fold { neutral: 1, lift: |x: i64| x, combine: i64::wrapping_mul }),
            Arithmetic::Mean | Arithmetic::Var { .. } | Arithmetic::LogSumExp | Arithmetic::Norm => {
                // Rounds only the result to float32, which cannot represent the differences between large integers.
                let wide = self.float::<f64>(&converted(x, DType::F64), arithmetic);
                converted(&wide, DType::F32).into_owned()
            }
        }
    }

    fn float<T: Float>(&self, x: &Tensor, arithmetic: &Arithmetic) -> Tensor {
        let count = self.count(x);
        match *arithmetic {
            Arithmetic::Sum => self.fold(x, &sum::<T>()),
            Arithmetic::Mean => {
                let divisor = T::from_f64(count as f64);
                let sums = self.fold(x, &sum::<T>());
                if sums.elements::<T>().iter().fold(true, |all, sum| all & sum.is_finite()) {
                    return map(&sums, move |sum: T| sum / divisor);
                }
                let means = self.by_row(x, scaled_mean::<T>);
                zip(
                    sums.shape().clone(),
                    &sums,
                    &means,
                    move |sum: T, mean: T| {
                        if sum.is_finite() { sum / divisor } else { mean }
                    },
                )
            }
            Arithmetic::Prod => self.fold(x, &Fold { neutral: T::one(), lift: |x: T| x, combine: |a: T, b: T| a * b }),
            Arithmetic::Var { correction } => {
                let divisor = T::from_f64((count as f64 - correction).max(0.0));
                self.by_row(x, |row: &[T]| {
                    let mean = sum().row(row) / T::from_f64(row.len() as f64);
                    let squares = sum_of(move |x: T| (x - mean) * (x - mean)).row(row);
                    let are_equal = || row.iter().all(|&x| x == row[0]);
                    if is_ordinary::<T>(squares.to_f64(), 0.0) || (squares == T::zero() && are_equal()) {
                        return squares / divisor;
                    }
                    scaled_variance(row, divisor)
                })
            }
            Arithmetic::LogSumExp => self.reduced(x, log_sum_exp::<T>(x.typed(), &self.axes)),
            Arithmetic::Norm => {
                let squares = self.fold(x, &sum_of(|x: T| x * x));
                // The sums of squares are exact enough unless some over- or underflowed.
                let safe = T::from_f64(1e-20)..T::from_f64(1e30);
                if squares.elements::<T>().iter().all(|square| safe.contains(square)) {
                    return map(&squares, |x: T| x.sqrt());
                }
                let norms = self.by_row(x, scaled_norm::<T>);
                zip(squares.shape().clone(), &squares, &norms, move |squares: T, norm: T| {
                    if safe.contains(&squares) { squares.sqrt() } else { norm }
                })
            }
        }
    }

    fn order<T: Element>(&self, x: &Tensor, order: &Order) -> Tensor {
        match order {
            Order::Max => self.fold(x, &largest::<T>()),
            Order::Min => self.fold(x, &smallest::<T>()),
            Order::ArgMax => self.by_row(x, |row: &[T]| first_extreme(row, |a, b| a > b)),
            Order::ArgMin => self.by_row(x, |row: &[T]| first_extreme(row, |a, b| a < b)),
        }
    }
}

/// The Euclidean norm. Elements are divided by the largest absolute value, which keeps their squares from over- and
/// underflowing.
fn scaled_norm<T: Float>(row: &[T]) -> T {
    let largest = row.iter().fold(T::zero(), |a, &x| larger(a, x.abs()));
    if largest == T::zero() || !largest.is_finite() {
        return largest;
    }
    largest * sum_of(move |x: T| (x / largest) * (x / largest)).row(row).sqrt()
}

/// The mean. Elements are divided by the largest absolute value, which keeps their sum from overflowing.
fn scaled_mean<T: Float>(row: &[T]) -> T {
    let (largest, count) = (magnitude(row), T::from_f64(row.len() as f64));
    largest * (sum_of(move |x: T| x / largest).row(row) / count)
}

/// The sum of squared deviations from the mean, divided by `divisor`. Elements are divided by the largest absolute
/// value, so it overflows only if the result does.
fn scaled_variance<T: Float>(row: &[T], divisor: T) -> T {
    let (largest, count) = (magnitude(row), T::from_f64(row.len() as f64));
    let mean = sum_of(move |x: T| x / largest).row(row) / count;
    let squares = sum_of(move |x: T| (x / largest - mean) * (x / largest - mean)).row(row);
    squares / divisor * largest * largest
}

/// The index of the first NaN, or else of the first element that no other element beats.
fn first_extreme<T: Element>(row: &[T], beats: impl Fn(T, T) -> bool) -> i64 {
    let mut best = 0;
    for (k, &x) in row.iter().enumerate() {
        #[allow(clippy::eq_op)]
        if x != x {
            return k as i64;
        }
        if beats(x, row[best]) {
            best = k;
        }
    }
    best as i64
}

impl Tensor {
    /// Reduces the tensor over some axes. The methods below are shorthands.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice, if the reduction does not support the element type,
    /// or if an extreme is taken over zero elements.
    #[track_caller]
    pub fn reduce(&self, reduction: Reduction, axes: impl IntoAxes, keepdims: bool) -> Result<Tensor> {
        let axes = axes.into_sorted_axes(self.rank(), reduction.name())?;
        apply(Reduce { reduction, axes, keepdims }, &[self])
    }

    /// The sum of all elements. Integers and bools give int64, which wraps.
    #[must_use]
    pub fn sum(&self) -> Tensor {
        self.reduce(Reduction::Sum, .., false).expect("defined for every tensor")
    }

    /// The mean of all elements; NaN if the tensor is empty. Integers and bools give float32.
    #[must_use]
    pub fn mean(&self) -> Tensor {
        self.reduce(Reduction::Mean, .., false).expect("defined for every tensor")
    }

    /// The variance with divisor `n - correction`. [`Tensor::var_axis`] uses the correction 0.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    pub fn var_corrected(&self, axes: impl IntoAxes, keepdims: bool, correction: f64) -> Result<Tensor> {
        self.reduce(Reduction::Var { correction }, axes, keepdims)
    }

    /// The standard deviation, `‖x - mean‖ / √(n - correction)`. [`Tensor::std_axis`] uses the correction 0. Integers
    /// and bools give float32. The gradient is 0 by convention where all elements are equal.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    pub fn std_corrected(&self, axes: impl IntoAxes, keepdims: bool, correction: f64) -> Result<Tensor> {
        let axes = axes.into_sorted_axes(self.rank(), "std")?;
        let count = self.shape().product(axes.iter().copied()) as f64;
        // Rounds only the result to float32, as the variance does.
        let x = if self.dtype().is_float() { self.clone() } else { self.cast(DType::F64) };
        let reduce = |x: &Tensor, reduction, keepdims| apply(Reduce { reduction, axes: axes.clone(), keepdims }, &[x]);
        let deviations = x.try_sub(reduce(&x, Reduction::Mean, true)?)?;
        let root = (count - correction).max(0.0).sqrt();
        Ok(reduce(&deviations, Reduction::Norm, keepdims)?.try_div(root)?.cast(self.dtype().to_float()))
    }

    /// The standard deviation along axes, with divisor `n`. Where all elements are equal, the gradient is 0.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    pub fn std_axis(&self, axes: impl IntoAxes) -> Result<Tensor> {
        self.std_corrected(axes, false, 0.0)
    }

    /// [`Tensor::std_axis`] that keeps the axes with size 1.
    ///
    /// # Errors
    /// Returns an error if an axis is out of range or given twice.
    #[track_caller]
    pub fn std_keepdims(&self, axes: impl IntoAxes) -> Result<Tensor> {
        self.std_corrected(axes, true, 0.0)
    }

    /// The standard deviation of all elements, with divisor `n`. If all elements are equal, the gradient is 0.
    #[must_use]
    pub fn std(&self) -> Tensor {
        self.std_axis(..).expect("defined for every tensor")
    }
}

/// Rows: the reduction, its methods without and with the axes kept, and documentation.
macro_rules! along_axes {
    ($($(#[doc = $doc:literal])+ $reduction:expr, $drop:ident $keep:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])+
            /// Reduces along one axis, several (`[0, -1]`), or all (`..`), and removes them from the shape.
            ///
            /// # Errors
            /// Returns an error if an axis is out of range or given twice, if the reduction does not support the
            /// element type, or if an extreme is taken over zero elements.
            #[track_caller]
            pub fn $drop(&self, axes: impl IntoAxes) -> Result<Tensor> {
                self.reduce($reduction, axes, false)
            }

            #[doc = concat!("[`Tensor::", stringify!($drop), "`] that keeps the axes with size 1.")]
            ///
            /// # Errors
            #[doc = concat!("Returns an error in the same cases as [`Tensor::", stringify!($drop), "`].")]
            #[track_caller]
            pub fn $keep(&self, axes: impl IntoAxes) -> Result<Tensor> {
                self.reduce($reduction, axes, true)
            }
        )*}
    };
}

along_axes! {
    /// Sums, accumulated pairwise. Integers and bools give int64.
    Reduction::Sum, sum_axis sum_keepdims;
    /// Products. Integers and bools give int64. The gradient is exact even if elements are 0.
    Reduction::Prod, prod_axis prod_keepdims;
    /// Means; NaN over zero elements. Integers and bools give float32.
    Reduction::Mean, mean_axis mean_keepdims;
    /// Variances with divisor `n`.
    Reduction::Var { correction: 0.0 }, var_axis var_keepdims;
    /// Largest elements. Equal ones share the gradient evenly. Where the result is NaN, all gradients are NaN.
    Reduction::Max, max_axis max_keepdims;
    /// Smallest elements. Equal ones share the gradient evenly. Where the result is NaN, all gradients are NaN.
    Reduction::Min, min_axis min_keepdims;
    /// `ln Σ eˣ`, without overflow; -∞ over zero elements.
    Reduction::LogSumExp, logsumexp_axis logsumexp_keepdims;
    /// Euclidean norms. The gradient at 0 is 0.
    Reduction::Norm, norm_axis norm_keepdims;
    /// The int64 indices of the first largest elements. Over several axes, they count in row-major order.
    Reduction::ArgMax, argmax_axis argmax_keepdims;
    /// The int64 indices of the first smallest elements, counted likewise.
    Reduction::ArgMin, argmin_axis argmin_keepdims;
    /// Whether any element is true; for bool only.
    Reduction::Any, any_axis any_keepdims;
    /// Whether all elements are true; for bool only.
    Reduction::All, all_axis all_keepdims;
}

/// Rows: methods over all elements that return a `Result`.
macro_rules! over_all {
    ($($(#[doc = $doc:literal])+ $reduction:expr, $name:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])+
            ///
            /// # Errors
            /// Returns an error if the reduction does not support the element type, or if the tensor is empty and the
            /// result an extreme.
            #[track_caller]
            pub fn $name(&self) -> Result<Tensor> {
                self.reduce($reduction, .., false)
            }
        )*}
    };
}

over_all! {
    /// The largest element, as a scalar; its gradient is that of [`Tensor::max_axis`].
    Reduction::Max, max;
    /// The smallest element, as a scalar; its gradient is that of [`Tensor::min_axis`].
    Reduction::Min, min;
    /// The index (int64) of the first largest element, counted in row-major order.
    Reduction::ArgMax, argmax;
    /// The index (int64) of the first smallest element, counted in row-major order.
    Reduction::ArgMin, argmin;
    /// Whether any element is true.
    Reduction::Any, any;
    /// Whether all elements are true.
    Reduction::All, all;
}

macro_rules! over_all_total {
    ($($(#[doc = $doc:literal])+ $reduction:expr, $name:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])+
            #[must_use]
            pub fn $name(&self) -> Tensor {
                self.reduce($reduction, .., false).expect("defined for every tensor")
            }
        )*}
    };
}

over_all_total! {
    /// The product of all elements; 1 if the tensor is empty.
    Reduction::Prod, prod;
    /// The variance of all elements, with divisor `n`.
    Reduction::Var { correction: 0.0 }, var;
    /// `ln Σ eˣ` over all elements.
    Reduction::LogSumExp, logsumexp;
    /// The Euclidean norm of all elements.
    Reduction::Norm, norm;
}
