//! The scale and shift that follow a normalization.

use tensor::{Result, Shape, Tensor};

use crate::initializers::Initializer;
use crate::layer::Visitor;
use crate::lazy_weights::WeightBuilder;
use crate::weight::{Weight, WeightOptions};

/// The options of scale and shift; `None` if the layer is built without it.
#[derive(Clone, Debug)]
pub(super) struct AffineOptions {
    pub(super) gamma: Option<WeightOptions>,
    pub(super) beta: Option<WeightOptions>,
}

impl Default for AffineOptions {
    fn default() -> Self {
        AffineOptions { gamma: Some(Initializer::Ones.into()), beta: Some(Initializer::Zeros.into()) }
    }
}

/// The weights `gamma` and `beta`.
#[derive(Debug)]
pub(super) struct Affine {
    pub(super) gamma: Option<Weight>,
    pub(super) beta: Option<Weight>,
}

impl Affine {
    pub(super) fn new(options: &AffineOptions, sizes: &[usize], builder: &mut WeightBuilder) -> Result<Affine> {
        let gamma = builder.optional_weight("gamma", &options.gamma, sizes)?;
        Ok(Affine { gamma, beta: builder.optional_weight("beta", &options.beta, sizes)? })
    }

    /// Normalizes `[outer, rows, groups, columns]` along the axes 1 and 3, multiplies by `gamma` and adds `beta`, which are
    /// reshaped to `shape`, `[groups, columns]`. Returns the output and the mean and variance of each group.
    pub(super) fn normalize(&self, grouped: &Tensor, shape: [usize; 2], epsilon: f64) -> Result<[Tensor; 3]> {
        let weight = |weight: &Option<Weight>, without: f64| match weight {
            Some(weight) => weight.value().reshape(shape),
            None => Ok(Tensor::full_of(Shape::from([]), without, grouped.dtype())),
        };
        grouped.normalize_groups(&weight(&self.gamma, 1.0)?, &weight(&self.beta, 0.0)?, epsilon)
    }

    /// `x · gamma + beta`, with the weights reshaped to a shape that broadcasts to that of `x`.
    pub(super) fn apply(&self, x: Tensor, shape: &Shape) -> Result<Tensor> {
        let scaled = match &self.gamma {
            Some(gamma) => x.try_mul(gamma.value().reshape(shape)?)?,
            None => x,
        };
        match &self.beta {
            Some(beta) => scaled.try_add(beta.value().reshape(shape)?),
            None => Ok(scaled),
        }
    }

    pub(super) fn visit(&self, visitor: &mut Visitor) {
        for (name, weight) in [("gamma", &self.gamma), ("beta", &self.beta)] {
            if let Some(weight) = weight {
                visitor.weight(name, weight);
            }
        }
    }
}
