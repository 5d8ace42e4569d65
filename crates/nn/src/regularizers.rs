//! Penalties on weights or activations, added to the loss. Formulas and names are those of Keras.

use std::fmt::Debug;

use tensor::{Error, Result, Tensor};

/// A penalty of a tensor that is added to the loss: `.kernel_regularizer(L2(1e-4))`.
///
/// Implement it with differentiable operations for a regularizer of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a regularizer",
    label = "expected a regularizer such as `L2(1e-4)`"
)]
pub trait Regularizer: Debug + Send + Sync {
    /// The penalty, a scalar.
    ///
    /// # Errors
    /// Returns an error if the penalty is not defined for a tensor of this shape, or a factor is negative, infinite or NaN.
    fn penalty(&self, x: &Tensor) -> Result<Tensor>;
}

/// `l1 · Σ |x|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1(
    /// The factor; 0.01 is Keras' default.
    pub f64,
);

/// `l2 · Σ x²`. Its gradient is `2 · l2 · x`: PyTorch's `weight_decay` is twice this factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2(
    /// The factor; 0.01 is Keras' default.
    pub f64,
);

/// `l1 · Σ |x| + l2 · Σ x²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1L2 {
    /// The factor of the absolute values.
    pub l1: f64,
    /// The factor of the squares.
    pub l2: f64,
}

/// A factor times the mean of `|cos|` of the angles between all pairs of rows, or of columns, of a matrix. It is 0 if
/// they are orthogonal.
///
/// ```
/// # use nn::{OrthogonalRegularizer, Regularizer};
/// # use tensor::tensor;
/// let rows = OrthogonalRegularizer::rows(0.1);
/// assert_eq!(rows.penalty(&tensor![[1.0, 0.0], [0.0, 5.0]])?.item()?, 0.0);
/// assert!((rows.penalty(&tensor![[1.0, 2.0], [2.0, 4.0]])?.item()? - 0.1).abs() < 1e-6);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrthogonalRegularizer {
    factor: f64,
    /// The axis along which a vector runs.
    axis: isize,
}

impl OrthogonalRegularizer {
    /// Penalizes the angles between rows, `mode="rows"` in Keras.
    pub fn rows(factor: f64) -> OrthogonalRegularizer {
        OrthogonalRegularizer { factor, axis: 1 }
    }

    /// Penalizes the angles between columns, `mode="columns"` in Keras.
    pub fn columns(factor: f64) -> OrthogonalRegularizer {
        OrthogonalRegularizer { factor, axis: 0 }
    }
}

impl Regularizer for L1 {
    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        x.abs().sum().try_mul(factor("l1", self.0)?)
    }
}

impl Regularizer for L2 {
    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        x.square().sum().try_mul(factor("l2", self.0)?)
    }
}

impl Regularizer for L1L2 {
    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        L1(self.l1).penalty(x)?.try_add(L2(self.l2).penalty(x)?)
    }
}

impl Regularizer for OrthogonalRegularizer {
    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() != 2 {
            return Err(Error::shape("orthogonal_regularizer", x.shape(), "needs two axes"));
        }
        let factor = factor("orthogonal_regularizer", self.factor)?;
        // The vectors as rows. The lower bound keeps a row of zeros from becoming NaN.
        let x = if self.axis == 0 { x.t()? } else { x.clone() };
        let lengths = x.square().sum_keepdims(1)?.maximum(1e-12)?;
        let unit = x.try_mul(lengths.rsqrt())?;
        let cosines = unit.matmul(unit.t()?)?.abs();
        // The matrix is symmetric: each pair counts once.
        let pairs = cosines.tril(-1)?.sum();
        let count = x.shape()[0] as f64 * (x.shape()[0] as f64 - 1.0) / 2.0;
        pairs.try_mul(factor / count.max(1.0))
    }
}

/// The factor, or an error: a negative factor would reward what the penalty should reduce.
fn factor(kind: &str, factor: f64) -> Result<f64> {
    if factor >= 0.0 && factor.is_finite() {
        return Ok(factor);
    }
    Err(Error::argument(kind, format!("the factor {factor:?} must be finite and at least 0")))
}
