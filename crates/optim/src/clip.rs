//! Gradient clipping.

use std::borrow::Cow;

use autograd::Variable;
use tensor::{Error, Result, Tensor, no_record};

use crate::hyperparameter::{Hyperparameter, Range};

/// How gradients are clipped, before an optimizer uses them. A limit must be finite and above 0; [`apply`](Clip::apply) and
/// optimizers return an error for other values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Clips every element to `-limit ..= limit`; Keras' `clipvalue`, PyTorch's
    /// `clip_grad_value_`. NaN stays NaN.
    Value(f64),
    /// Scales every gradient whose Euclidean norm is above the limit down to it; Keras' `clipnorm`.
    Norm(f64),
    /// Scales all gradients by one factor, `limit / (norm + epsilon)`, if their common norm is above the limit. Keras' `global_clipnorm` is the Euclidean norm with `epsilon` 0,
    /// PyTorch's `clip_grad_norm_` has 1e-6. From Pascanu, Mikolov and Bengio, "On the difficulty of
    /// training recurrent neural networks" (2013).
    GlobalNorm {
        /// The largest norm, above 0.
        limit: f64,
        /// The kind of norm.
        norm: Norm,
        /// Added to the norm, 0 or more.
        epsilon: f64,
    },
}

impl Clip {
    /// [`Clip::GlobalNorm`] in Keras' form.
    pub const fn global_norm(limit: f64) -> Clip {
        Clip::GlobalNorm { limit, norm: Norm::L2, epsilon: 0.0 }
    }

    /// The clipped gradients of some variables, in the same order. Unchanged gradients share their elements with the
    /// arguments.
    ///
    /// Finite gradients of any size are clipped correctly, even if their norm overflows their type.
    ///
    /// # Errors
    /// Returns an error if a limit is not a finite number above 0, if the numbers of variables and
    /// gradients differ, or if a gradient whose norm is to be limited has infinite or NaN elements;
    /// it names the variable.
    ///
    /// ```
    /// use autograd::Variable;
    /// use optim::Clip;
    /// use tensor::tensor;
    ///
    /// let weights = [Variable::new(tensor![1.0, 1.0])];
    /// let clipped = Clip::global_norm(1.0).apply(&weights, &[tensor![3.0, 4.0]])?;
    /// assert_eq!(clipped[0].to_vec::<f32>()?, [0.6, 0.8]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    pub fn apply(&self, variables: &[Variable], gradients: &[Tensor]) -> Result<Vec<Tensor>> {
        self.hyperparameters().into_iter().try_for_each(|limit| limit.check("clip"))?;
        if variables.len() != gradients.len() {
            let message = format!("{0} variables need {0} gradients, not {1}", variables.len(), gradients.len());
            return Err(Error::argument("clip", message));
        }
        no_record(|| match *self {
            Clip::Value(limit) => gradients.iter().map(|gradient| gradient.clamp(-limit, limit)).collect(),
            Clip::Norm(limit) => {
                let limited = |(variable, gradient): (&Variable, &Tensor)| {
                    let (variables, gradients) = (std::slice::from_ref(variable), std::slice::from_ref(gradient));
                    ClipScale::to(limit, Norm::L2, 0.0, variables, gradients)?.of(gradient)
                };
                variables.iter().zip(gradients).map(limited).collect()
            }
            Clip::GlobalNorm { limit, norm, epsilon } => {
                let scale = ClipScale::to(limit, norm, epsilon, variables, gradients)?;
                gradients.iter().map(|gradient| scale.of(gradient)).collect()
            }
        })
    }

    /// Whether gradients with infinite or NaN elements are errors of [`apply`](Clip::apply).
    pub(crate) fn rejects_non_finite(&self) -> bool {
        !matches!(self, Clip::Value(_))
    }

    pub(crate) fn hyperparameters(&self) -> Vec<Hyperparameter> {
        match *self {
            Clip::Value(limit) => vec![Hyperparameter::new("clip_value", limit, Range::Positive)],
            Clip::Norm(limit) => vec![Hyperparameter::new("clip_norm", limit, Range::Positive)],
            Clip::GlobalNorm { limit, epsilon, .. } => vec![
                Hyperparameter::new("clip_global_norm", limit, Range::Positive),
                Hyperparameter::new("clip_epsilon", epsilon, Range::NonNegative),
            ],
        }
    }
}

/// A norm of all elements of some tensors together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// The sum of the absolute values.
    L1,
    /// The root of the sum of squares.
    L2,
    /// The largest absolute value.
    Max,
}

impl Norm {
    /// The norm; 0 without elements, NaN if an element is NaN. It may be larger than the largest number of the elements'
    /// type. Tensors are added in the given order, so the result is reproducible.
    ///
    /// # Errors
    /// Returns an error if a tensor is not floating.
    pub fn of(self, tensors: &[Tensor]) -> Result<f64> {
        no_record(|| {
            let direct = self.of_divided(tensors, 1.0)?;
            if direct != f64::INFINITY {
                return Ok(direct);
            }
            match Norm::Max.of_divided(tensors, 1.0)? {
                largest if largest.is_finite() => Ok(largest * self.of_divided(tensors, largest)?),
                infinite => Ok(infinite),
            }
        })
    }

    /// The norm of all elements divided by `divisor`; infinite if the norm of one tensor overflows its type. If the divisor
    /// is the largest absolute value, the norm is at most the number of elements.
    fn of_divided(self, tensors: &[Tensor], divisor: f64) -> Result<f64> {
        tensors.iter().filter(|tensor| tensor.size() > 0).try_fold(0.0, |total: f64, tensor| {
            let tensor = divided(tensor, divisor)?;
            Ok(match self {
                Norm::L1 => total + tensor.abs().sum().item()?,
                Norm::L2 => total.hypot(tensor.norm().item()?),
                // Not `f64::max`, which would ignore NaN.
                Norm::Max => match tensor.abs().max()?.item()? {
                    largest if largest > total || largest.is_nan() => largest,
                    _ => total,
                },
            })
        })
    }
}

/// How gradients are scaled: divided by `divisor`, then multiplied by `factor`.
struct ClipScale {
    divisor: f64,
    factor: f64,
}

impl ClipScale {
    const NONE: ClipScale = ClipScale { divisor: 1.0, factor: 1.0 };

    /// The scale that brings the norm of some gradients within a limit.
    fn to(limit: f64, norm: Norm, epsilon: f64, variables: &[Variable], gradients: &[Tensor]) -> Result<ClipScale> {
        let total = norm.of(gradients)? + epsilon;
        if total <= limit {
            return Ok(ClipScale::NONE);
        }
        let factor = limit / total;
        if factor >= f64::from(f32::MIN_POSITIVE) {
            return Ok(ClipScale { factor, ..ClipScale::NONE });
        }
        if let Some((variable, _)) = variables.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite()) {
            let message = "the gradient has infinite or NaN elements, so its norm cannot be clipped";
            return Err(Error::argument("clip", message).context(variable.name()));
        }
        // The norm or the factor overflows the elements' type. Relative to the largest element it does not.
        let largest = Norm::Max.of(gradients)?;
        let relative = norm.of_divided(gradients, largest)? + epsilon / largest;
        Ok(ClipScale { divisor: largest, factor: limit / relative })
    }

    fn of(&self, gradient: &Tensor) -> Result<Tensor> {
        let divided = divided(gradient, self.divisor)?;
        if self.factor == 1.0 { Ok(divided.into_owned()) } else { divided.try_mul(self.factor) }
    }
}

fn divided(tensor: &Tensor, divisor: f64) -> Result<Cow<'_, Tensor>> {
    Ok(if divisor == 1.0 { Cow::Borrowed(tensor) } else { Cow::Owned(tensor.try_div(divisor)?) })
}
