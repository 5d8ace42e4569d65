//! The scale and shift that follow a normalization.

use autograd::Variable;
use tensor::{Result, Shape, Tensor};

use crate::initializers::Initializer;
use crate::layer::Visitor;
use crate::weights::Draw;

/// How scale and shift begin; `None` leaves one out.
#[derive(Clone, Debug)]
pub(super) struct AffineOptions {
    pub(super) gamma: Option<Initializer>,
    pub(super) beta: Option<Initializer>,
}

impl Default for AffineOptions {
    fn default() -> Self {
        AffineOptions { gamma: Some(Initializer::Ones), beta: Some(Initializer::Zeros) }
    }
}

/// The weights `gamma` and `beta`.
#[derive(Debug)]
pub(super) struct Affine {
    pub(super) gamma: Option<Variable>,
    pub(super) beta: Option<Variable>,
}

impl Affine {
    pub(super) fn new(options: &AffineOptions, sizes: &[usize], draw: &mut Draw) -> Result<Affine> {
        let mut weight = |name: &str, initializer: &Option<Initializer>| {
            initializer.as_ref().map(|initializer| draw.weight(name, initializer, sizes)).transpose()
        };
        Ok(Affine { gamma: weight("gamma", &options.gamma)?, beta: weight("beta", &options.beta)? })
    }

    /// `[outer, rows, groups, columns]` normalized along the axes 1 and 3, times `gamma` plus `beta`, which have as
    /// many elements as `places`, `[groups, columns]`; and mean and variance of each group.
    pub(super) fn normalize(&self, grouped: &Tensor, places: [usize; 2], epsilon: f64) -> Result<[Tensor; 3]> {
        let weight = |weight: &Option<Variable>, without: f64| match weight {
            Some(weight) => weight.value().with_shape(places),
            None => Ok(Tensor::full_of(Shape::from([]), without, grouped.dtype())),
        };
        grouped.normalize_groups(&weight(&self.gamma, 1.0)?, &weight(&self.beta, 0.0)?, epsilon)
    }

    /// `x · gamma + beta`, with the weights under a shape that broadcasts to that of `x`.
    pub(super) fn apply(&self, x: Tensor, shape: &Shape) -> Result<Tensor> {
        let scaled = match &self.gamma {
            Some(gamma) => x.try_mul(gamma.value().with_shape(shape)?)?,
            None => x,
        };
        match &self.beta {
            Some(beta) => scaled.try_add(beta.value().with_shape(shape)?),
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

            /// Sets how `gamma` begins. Weights that have been made are made anew.
            #[must_use]
            pub fn gamma_initializer(self, initializer: Initializer) -> $layer {
                let affine = AffineOptions { gamma: Some(initializer), ..self.affine };
                $layer { affine, weights: self.weights.anew(), ..self }
            }

            /// Sets how `beta` begins. Weights that have been made are made anew.
            #[must_use]
            pub fn beta_initializer(self, initializer: Initializer) -> $layer {
                let affine = AffineOptions { beta: Some(initializer), ..self.affine };
                $layer { affine, weights: self.weights.anew(), ..self }
            }

            /// Leaves `gamma` out. Weights that have been made are made anew.
            #[must_use]
            pub fn without_scale(self) -> $layer {
                let affine = AffineOptions { gamma: None, ..self.affine };
                $layer { affine, weights: self.weights.anew(), ..self }
            }

            /// Leaves `beta` out. Weights that have been made are made anew.
            #[must_use]
            pub fn without_center(self) -> $layer {
                let affine = AffineOptions { beta: None, ..self.affine };
                $layer { affine, weights: self.weights.anew(), ..self }
            }
        }
    };
}

pub(super) use affine_options;
