//! The step of one variable.

use autograd::Variable;
use tensor::{Error, Float, Result, Tensor, Update};

/// The step of one variable: what it is given, and the ways to change the variable. No tape records
/// what is computed in it.
pub struct Step<'a> {
    /// The variable to change.
    pub variable: &'a Variable,
    /// Its gradient, of its shape and type, limited and with the L2 penalty.
    pub gradient: &'a Tensor,
    /// Its states in the order of [`Optimizer::slots`](crate::Optimizer::slots), of its type.
    pub states: &'a mut [Tensor],
    /// Which step of this variable it is, counted from 1.
    pub number: u64,
    /// The learning rate in force for this variable.
    pub learning_rate: f64,
    /// The part of the variable that weight decay takes away before its step: learning rate times
    /// weight decay.
    pub decay: f64,
}

impl Step<'_> {
    /// Changes every element by a formula: in place, in one pass, on all threads. Weight decay is
    /// part of that pass.
    ///
    /// # Errors
    /// If the formula takes another number of states than there are.
    pub fn update<const S: usize>(self, rule: impl Update<S>) -> Result<()> {
        let states = exactly(self.states)?;
        if self.decay == 0.0 {
            return self.variable.update(self.gradient, states, &rule);
        }
        self.variable.update(self.gradient, states, &Decayed { rule, decay: self.decay })
    }

    /// The tensor that a formula makes of the parameter, the gradient and the states, which change.
    /// The variable does not: for optimizers that do something with the whole before they
    /// [`descend`](Step::descend).
    ///
    /// # Errors
    /// If the formula takes another number of states than there are.
    pub fn direction<const S: usize>(&mut self, rule: impl Update<S>) -> Result<Tensor> {
        tensor::update(&self.variable.value(), self.gradient, exactly(self.states)?, &rule)
    }

    /// The variable after weight decay: where the step starts.
    ///
    /// # Errors
    /// None for a variable that `apply` has checked.
    pub fn start(&self) -> Result<Tensor> {
        let value = self.variable.value();
        if self.decay == 0.0 { Ok(value) } else { value.try_sub(value.try_mul(self.decay)?) }
    }

    /// Subtracts `rate` times a direction of the variable's shape, after weight decay.
    ///
    /// # Errors
    /// If the direction has another shape or type.
    pub fn descend(self, direction: &Tensor, rate: f64) -> Result<()> {
        #[derive(Clone, Copy)]
        struct Descent(f64);
        impl Update<0> for Descent {
            #[inline(always)]
            fn element<T: Float>(&self, p: T, direction: T, []: [T; 0]) -> (T, [T; 0]) {
                (p - T::from_f64(self.0) * direction, [])
            }
        }
        Step { gradient: direction, states: &mut [], ..self }.update(Descent(rate))
    }
}

fn exactly<const S: usize>(states: &mut [Tensor]) -> Result<[&mut Tensor; S]> {
    let count = states.len();
    <[&mut Tensor; S]>::try_from(states.iter_mut().collect::<Vec<_>>())
        .map_err(|_| Error::argument("update", format!("the formula takes {S} states, the optimizer has {count}")))
}

/// A formula after weight decay.
#[derive(Clone, Copy)]
struct Decayed<R> {
    rule: R,
    decay: f64,
}

impl<const S: usize, R: Update<S>> Update<S> for Decayed<R> {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, states: [T; S]) -> (T, [T; S]) {
        // The factor 1 - decay would lose digits of a small decay in float32.
        self.rule.element(p - p * T::from_f64(self.decay), g, states)
    }
}
