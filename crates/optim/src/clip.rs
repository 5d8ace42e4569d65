//! Limits on gradients.

use autograd::Variable;
use tensor::{Error, Result, Tensor, no_record};

use crate::hyperparameter::{Hyperparameter, Range};

/// A limit on gradients, which is applied before anything else is done with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Every element is limited to `-limit ..= limit`; Keras' `clipvalue`, PyTorch's
    /// `clip_grad_value_`. NaN stays NaN.
    Value(f64),
    /// Every gradient whose Euclidean norm is above the limit is scaled down to it; Keras' `clipnorm`.
    Norm(f64),
    /// If the norm of all gradients together is above the limit, they are scaled by one factor,
    /// `limit / (norm + epsilon)`. Keras' `global_clipnorm` is the Euclidean norm with `epsilon` 0,
    /// PyTorch's `clip_grad_norm_` has 1e-6. From Pascanu, Mikolov and Bengio, "On the difficulty of
    /// training recurrent neural networks" (2013).
    GlobalNorm {
        /// The largest norm allowed, above 0.
        limit: f64,
        /// Which norm.
        norm: Norm,
        /// What is added to the norm, 0 or more.
        epsilon: f64,
    },
}

impl Clip {
    /// [`Clip::GlobalNorm`] in Keras' form.
    pub const fn global_norm(limit: f64) -> Clip {
        Clip::GlobalNorm { limit, norm: Norm::L2, epsilon: 0.0 }
    }

    /// The limited gradients of some variables, in the same order. Those that need no change share
    /// their elements with what was given.
    ///
    /// # Errors
    /// If the norm of a gradient is infinite or NaN; names the variable.
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
        no_record(|| match *self {
            Clip::Value(limit) => gradients.iter().map(|gradient| gradient.clamp(-limit, limit)).collect(),
            Clip::Norm(limit) => {
                let pairs = variables.iter().zip(gradients);
                let clip = |(variable, gradient): (&Variable, &Tensor)| {
                    let of = std::slice::from_ref(gradient);
                    let norm = finite_norm(Norm::L2, std::slice::from_ref(variable), of)?;
                    scaled(gradient, factor(norm, limit, 0.0))
                };
                pairs.map(clip).collect()
            }
            Clip::GlobalNorm { limit, norm, epsilon } => {
                let factor = factor(finite_norm(norm, variables, gradients)?, limit, epsilon);
                gradients.iter().map(|gradient| scaled(gradient, factor)).collect()
            }
        })
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
    /// The norm; 0 of nothing. The parts are added in the order given, so that the result is the
    /// same on every run.
    ///
    /// # Errors
    /// If a tensor is not floating.
    pub fn of(self, tensors: &[Tensor]) -> Result<f64> {
        no_record(|| {
            tensors.iter().filter(|tensor| tensor.size() > 0).try_fold(0.0, |total: f64, tensor| {
                Ok(match self {
                    Norm::L1 => total + tensor.abs().sum().item()?,
                    Norm::L2 => total.hypot(tensor.norm().item()?),
                    // Not `max`, which would drop NaN.
                    Norm::Max => match tensor.abs().max()?.item()? {
                        largest if largest <= total => total,
                        largest => largest,
                    },
                })
            })
        })
    }
}

fn factor(norm: f64, limit: f64, epsilon: f64) -> f64 {
    let norm = norm + epsilon;
    if norm > limit { limit / norm } else { 1.0 }
}

fn scaled(gradient: &Tensor, factor: f64) -> Result<Tensor> {
    if factor == 1.0 { Ok(gradient.clone()) } else { gradient.try_mul(factor) }
}

fn finite_norm(norm: Norm, variables: &[Variable], gradients: &[Tensor]) -> Result<f64> {
    let total = norm.of(gradients)?;
    if total.is_finite() {
        return Ok(total);
    }
    let culprit = variables.iter().zip(gradients).find(|(_, gradient)| !gradient.all_finite());
    Err(match culprit {
        Some((variable, _)) => {
            Error::argument("clip", "the gradient has infinite or NaN elements, so that it has no norm to limit")
                .context(variable.name())
        }
        None => Error::argument("clip", format!("the norm of the gradients is {total}, beyond their element type")),
    })
}
