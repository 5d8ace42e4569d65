//! The scale and shift that follow a normalization.

use tensor::{Result, Shape, Tensor};

use crate::initializers::Initializer;
use crate::layer::Visitor;
use crate::lazy_weights::WeightBuilder;
use crate::weight::{Weight, WeightOptions};

/// What there is to say about scale and shift; `None` leaves one out.
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

    /// `[outer, rows, groups, columns]` normalized along the axes 1 and 3, times `gamma` plus `beta`, which have as
    /// many elements as `places`, `[groups, columns]`; and mean and variance of each group.
    pub(super) fn normalize(&self, grouped: &Tensor, places: [usize; 2], epsilon: f64) -> Result<[Tensor; 3]> {
        let weight = |weight: &Option<Weight>, without: f64| match weight {
            Some(weight) => weight.value().reshape(places),
            None => Ok(Tensor::full_of(Shape::from([]), without, grouped.dtype())),
        };
        grouped.normalize_groups(&weight(&self.gamma, 1.0)?, &weight(&self.beta, 0.0)?, epsilon)
    }

    /// `x · gamma + beta`, with the weights under a shape that broadcasts to that of `x`.
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

/// The options of a layer with `affine: AffineOptions`, `weights` and `epsilon`.
macro_rules! affine_options {
    ($layer:ident) => {
        impl $layer {
            /// Sets what is added to the variance, from 0 on; 0.001 by default, as in Keras.
            #[must_use]
            pub fn epsilon(self, epsilon: f64) -> $layer {
                $layer { epsilon, ..self }
            }

            $crate::weight::weight_options!(
                "gamma" in affine.gamma: without_scale, gamma_initializer, gamma_regularizer, gamma_constraint
            );
            $crate::weight::weight_options!(
                "beta" in affine.beta: without_center, beta_initializer, beta_regularizer, beta_constraint
            );
        }
    };
}

pub(super) use affine_options;
