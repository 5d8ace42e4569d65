//! Rules for weights, applied after each step. Formulas and names are those of Keras.

use std::fmt::Debug;

use tensor::{Error, IntoIntegers, Result, Tensor};

/// Added to lengths that are divided by, as in Keras.
const EPSILON: f64 = 1e-7;

/// What is made of a weight after each step: `.kernel_constraint(MaxNorm::new(2.0))`.
pub trait Constraint: Debug + Send + Sync {
    /// What takes the place of the weight: a tensor of the same shape.
    ///
    /// # Errors
    /// If it is not defined for a weight of this shape.
    fn project(&self, weight: &Tensor) -> Result<Tensor>;
}

/// Negative elements become 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonNeg;

impl Constraint for NonNeg {
    fn project(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.relu())
    }
}

macro_rules! norm_constraint {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $field:ident),* }, $target:expr) => {
        $(#[$meta])*
        ///
        /// Lengths are those along the first axis, which for the kernel of a `Dense` gives one for each unit; for a
        /// convolution's see `axes`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($field: f64,)*
            axes: Vec<isize>,
        }

        impl $name {
            /// Sets the axes along which a vector runs: `[0, 1, 2]` for each filter of a `Conv2d`, `[0]` by
            /// default; `axis` in Keras.
            #[must_use]
            pub fn axes(mut self, axes: impl IntoIntegers) -> $name {
                self.axes = axes.into_integers().into_vec();
                self
            }
        }

        impl Constraint for $name {
            fn project(&self, weight: &Tensor) -> Result<Tensor> {
                let lengths = weight.square().sum_keepdims(&self.axes[..])?.sqrt();
                let target: fn(&$name, &Tensor) -> Result<Tensor> = $target;
                weight.try_mul(target(self, &lengths)?.try_div(lengths.try_add(EPSILON)?)?)
            }
        }
    };
}

norm_constraint! {
    /// Vectors longer than a bound are shortened to it.
    MaxNorm { max }, |rule, lengths| lengths.clamp(0.0, checked(0.0, rule.max)?)
}

norm_constraint! {
    /// Vectors are brought to length 1.
    UnitNorm {}, |_, lengths| Ok(lengths.ones_like())
}

norm_constraint! {
    /// Vectors shorter or longer than two bounds are brought to them, or, with a rate below 1, towards them.
    MinMaxNorm { min, max, rate }, |rule, lengths| {
        if !(0.0..=1.0).contains(&rule.rate) {
            return Err(Error::argument("constraint", format!("the rate {:?} must lie between 0 and 1", rule.rate)));
        }
        let bounded = lengths.clamp(rule.min, checked(rule.min, rule.max)?)?;
        bounded.try_mul(rule.rate)?.try_add(lengths.try_mul(1.0 - rule.rate)?)
    }
}

impl MaxNorm {
    /// With the greatest length; 2 in Keras if not given.
    pub fn new(max: f64) -> MaxNorm {
        MaxNorm { max, axes: vec![0] }
    }
}

impl Default for UnitNorm {
    /// Along the first axis.
    fn default() -> UnitNorm {
        UnitNorm { axes: vec![0] }
    }
}

impl MinMaxNorm {
    /// With the least and the greatest length; 0 and 1 in Keras if not given.
    pub fn new(min: f64, max: f64) -> MinMaxNorm {
        MinMaxNorm { min, max, rate: 1.0, axes: vec![0] }
    }

    /// Sets which part of the way to the bounds is made at each step; 1, all of it, by default.
    #[must_use]
    pub fn rate(self, rate: f64) -> MinMaxNorm {
        MinMaxNorm { rate, ..self }
    }
}

/// The upper one of two bounds of a length.
fn checked(min: f64, max: f64) -> Result<f64> {
    if 0.0 <= min && min <= max {
        return Ok(max);
    }
    Err(Error::argument("constraint", format!("lengths from {min:?} to {max:?}: must be in order, and not negative")))
}
