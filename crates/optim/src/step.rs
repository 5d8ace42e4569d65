//! The step of one variable.

use autograd::Variable;
use tensor::{Error, Float, Result, Tensor, Update};

/// The step of one variable: its inputs, and methods that update the variable. Tapes do not record the computation.
pub struct Step<'a> {
    /// The variable to change.
    pub variable: &'a Variable,
    /// The gradient, in the variable's shape and type, clipped and with the L2 penalty added.
    pub gradient: &'a Tensor,
    /// The states, in the order of [`Optimizer::slots`](crate::Optimizer::slots) and in the variable's type.
    pub states: &'a mut [Tensor],
    /// The number of this step of the variable, starting at 1.
    pub number: u64,
    /// The learning rate of this variable.
    pub learning_rate: f64,
    /// The fraction of the variable that weight decay subtracts before the step: learning rate times weight decay.
    pub decay: f64,
}

impl Step<'_> {
    /// Updates every element with a formula: in place, in one pass, on all threads. The pass includes weight decay.
    ///
    /// # Errors
    /// Returns an error if the number of states is not the formula's.
    pub fn update<const S: usize>(self, formula: impl Update<S>) -> Result<()> {
        let states = exactly(self.states)?;
        if self.decay == 0.0 {
            return self.variable.update(self.gradient, states, &formula);
        }
        self.variable.update(self.gradient, states, &Decayed { formula, decay: self.decay })
    }

    /// Evaluates a formula of the variable, the gradient and the states, and returns its result without assigning it to
    /// the variable. The states are updated. It is for optimizers that process the whole direction before they
    /// [`descend`](Step::descend).
    ///
    /// # Errors
    /// Returns an error if the number of states is not the formula's.
    pub fn direction<const S: usize>(&mut self, formula: impl Update<S>) -> Result<Tensor> {
        tensor::update(&self.variable.value(), self.gradient, exactly(self.states)?, &formula)
    }

    /// The value of the variable after weight decay, where the step starts.
    ///
    /// # Errors
    /// Returns an error if the variable is not floating, which `apply` has checked.
    pub fn start(&self) -> Result<Tensor> {
        let value = self.variable.value();
        if self.decay == 0.0 { Ok(value) } else { value.try_sub(value.try_mul(self.decay)?) }
    }

    /// Subtracts `rate` times a direction of the variable's shape, after weight decay.
    ///
    /// # Errors
    /// Returns an error if the direction has a different shape or type.
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
        .map_err(|_| Error::argument("update", format!("the formula needs {S} states, the optimizer has {count}")))
}

/// A formula with weight decay before it.
#[derive(Clone, Copy)]
struct Decayed<F> {
    formula: F,
    decay: f64,
}

impl<const S: usize, F: Update<S>> Update<S> for Decayed<F> {
    #[inline(always)]
    fn element<T: Float>(&self, p: T, g: T, states: [T; S]) -> (T, [T; S]) {
        // Not p * (1 - decay): rounding 1 - decay to float32 would lose digits of a small decay.
        self.formula.element(p - p * T::from_f64(self.decay), g, states)
    }
}
