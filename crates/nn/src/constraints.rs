//! Projections of weights after each step. Formulas and names are those of Keras.

use std::fmt::Debug;

use tensor::{Error, IntoIntegers, Result, Tensor};

/// Added to norms before a division, as in Keras.
const EPSILON: f64 = 1e-7;

/// A projection that is applied to a weight after each step: `.kernel_constraint(MaxNorm::new(2.0))`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a constraint",
    label = "expected a constraint such as `MaxNorm::new(2.0)` or `NonNeg`"
)]
pub trait Constraint: Debug + Send + Sync {
    /// The value that replaces the weight: a tensor of the same shape.
    ///
    /// # Errors
    /// Returns an error if the constraint is not defined for a weight of this shape.
    fn project(&self, weight: &Tensor) -> Result<Tensor>;
}

/// Replaces negative elements by 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonNeg;

impl Constraint for NonNeg {
    fn project(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.relu())
    }
}

/// Scales vectors that are longer than a maximum down to it.
///
/// The vectors run along the first axis, which gives one per unit for the kernel of a `Dense`; for a convolution see
/// [`MaxNorm::axes`].
#[derive(Clone, Debug, PartialEq)]
pub struct MaxNorm {
    max: f64,
    axes: Vec<isize>,
}

impl MaxNorm {
    /// With this maximum; 2 is Keras' default.
    pub fn new(max: f64) -> MaxNorm {
        MaxNorm { max, axes: vec![0] }
    }

    /// Sets the axes along which a vector runs, `axis` in Keras: `[0, 1, 2]` for each filter of a `Conv2d`; `[0]` by
    /// default.
    #[must_use]
    pub fn axes(self, axes: impl IntoIntegers) -> MaxNorm {
        MaxNorm { axes: axes.into_integers().into_vec(), ..self }
    }
}

impl Constraint for MaxNorm {
    fn project(&self, weight: &Tensor) -> Result<Tensor> {
        check_bounds(0.0, self.max)?;
        scale_to_norms(weight, &self.axes, |norms| norms.clamp(0.0, self.max))
    }
}

/// Scales vectors to length 1.
///
/// The vectors run along the first axis, which gives one per unit for the kernel of a `Dense`; for a convolution see
/// [`UnitNorm::axes`].
#[derive(Clone, Debug, PartialEq)]
pub struct UnitNorm {
    axes: Vec<isize>,
}

impl Default for UnitNorm {
    /// Along the first axis.
    fn default() -> UnitNorm {
        UnitNorm { axes: vec![0] }
    }
}

impl UnitNorm {
    /// Sets the axes along which a vector runs, `axis` in Keras: `[0, 1, 2]` for each filter of a `Conv2d`; `[0]` by
    /// default.
    #[must_use]
    pub fn axes(self, axes: impl IntoIntegers) -> UnitNorm {
        UnitNorm { axes: axes.into_integers().into_vec() }
    }
}

impl Constraint for UnitNorm {
    fn project(&self, weight: &Tensor) -> Result<Tensor> {
        scale_to_norms(weight, &self.axes, |norms| Ok(norms.ones_like()))
    }
}

/// Scales vectors whose length is out of a range to the nearest bound or, with a rate below 1, towards it.
///
/// The vectors run along the first axis, which gives one per unit for the kernel of a `Dense`; for a convolution see
/// [`MinMaxNorm::axes`].
#[derive(Clone, Debug, PartialEq)]
pub struct MinMaxNorm {
    min: f64,
    max: f64,
    rate: f64,
    axes: Vec<isize>,
}

impl MinMaxNorm {
    /// With this minimum and maximum; 0 and 1 are Keras' defaults.
    pub fn new(min: f64, max: f64) -> MinMaxNorm {
        MinMaxNorm { min, max, rate: 1.0, axes: vec![0] }
    }

    /// Sets the fraction of the distance to the bound that each step covers; 1 by default.
    #[must_use]
    pub fn rate(self, rate: f64) -> MinMaxNorm {
        MinMaxNorm { rate, ..self }
    }

    /// Sets the axes along which a vector runs, `axis` in Keras: `[0, 1, 2]` for each filter of a `Conv2d`; `[0]` by
    /// default.
    #[must_use]
    pub fn axes(self, axes: impl IntoIntegers) -> MinMaxNorm {
        MinMaxNorm { axes: axes.into_integers().into_vec(), ..self }
    }
}

impl Constraint for MinMaxNorm {
    fn project(&self, weight: &Tensor) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::argument("constraint", format!("the rate {:?} must lie between 0 and 1", self.rate)));
        }
        check_bounds(self.min, self.max)?;
        scale_to_norms(weight, &self.axes, |norms| {
            let bounded = norms.clamp(self.min, self.max)?;
            bounded.try_mul(self.rate)?.try_add(norms.try_mul(1.0 - self.rate)?)
        })
    }
}

/// Scales the vectors along some axes from their norms to the norms that `target` returns for them.
fn scale_to_norms(weight: &Tensor, axes: &[isize], target: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let norms = weight.square().sum_keepdims(axes)?.sqrt();
    weight.try_mul(target(&norms)?.try_div(norms.try_add(EPSILON)?)?)
}

/// Returns an error unless the bounds of a norm are in order and not negative.
fn check_bounds(min: f64, max: f64) -> Result<()> {
    if 0.0 <= min && min <= max {
        return Ok(());
    }
    Err(Error::argument("constraint", format!("lengths from {min:?} to {max:?}: must be in order, and not negative")))
}
