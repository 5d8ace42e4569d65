//! A kernel and a bias.

use tensor::{Result, Shape, Tensor};

use crate::activation::Activation;
use crate::layer::Visitor;
use crate::lazy_weights::WeightBuilder;
use crate::weight::{Weight, WeightOptions};

/// The kernel and the bias of a layer.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) kernel: Weight,
    pub(super) bias: Option<Weight>,
}

impl Linear {
    pub(super) fn new(
        builder: &mut WeightBuilder,
        kernel: (&WeightOptions, impl Into<Shape>),
        bias: (&Option<WeightOptions>, impl Into<Shape>),
    ) -> Result<Linear> {
        let kernel = builder.weight("kernel", kernel.0, kernel.1)?;
        Ok(Linear { kernel, bias: builder.optional_weight("bias", bias.0, bias.1)? })
    }

    /// `activation(product + bias)`.
    pub(super) fn finish(&self, product: Tensor, activation: Activation) -> Result<Tensor> {
        activation.apply(&with_bias(product, self.bias.as_ref())?)
    }

    pub(super) fn visit(&self, visitor: &mut Visitor) {
        visitor.weight("kernel", &self.kernel);
        if let Some(bias) = &self.bias {
            visitor.weight("bias", bias);
        }
    }
}

/// `x + bias`, or `x` without a bias.
pub(super) fn with_bias(x: Tensor, bias: Option<&Weight>) -> Result<Tensor> {
    match bias {
        Some(bias) => x.try_add(bias),
        None => Ok(x),
    }
}
