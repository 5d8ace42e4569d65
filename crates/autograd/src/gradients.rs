//! Sources and options of a request for gradients, and the form of the result.

use tensor::{Error, Result, Tensor};

use crate::variable::Variable;

/// A value that a gradient can be computed for.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A variable. The gradient is the sum over all its reads.
    Variable(&'a Variable),
    /// A tensor that is watched, or computed on the tape.
    Tensor(&'a Tensor),
}

/// A variable or a tensor.
pub trait Differentiable {
    /// Returns `self` as a source.
    fn source(&self) -> Source<'_>;
}

impl Differentiable for Variable {
    fn source(&self) -> Source<'_> {
        Source::Variable(self)
    }
}

impl Differentiable for Tensor {
    fn source(&self) -> Source<'_> {
        Source::Tensor(self)
    }
}

impl Differentiable for Source<'_> {
    fn source(&self) -> Source<'_> {
        *self
    }
}

impl<D: Differentiable> Differentiable for &D {
    fn source(&self) -> Source<'_> {
        (**self).source()
    }
}

/// One source, or several. Elements are variables, tensors, [`Source`]s, or references to these.
///
/// | sources | gradients |
/// |---|---|
/// | `&D` | `Tensor` |
/// | `[D; N]`, `&[D; N]` | `[Tensor; N]` |
/// | `&[D]`, `&Vec<D>` | `Vec<Tensor>` |
///
/// ```
/// # use autograd::{GradientTape, Variable};
/// # use tensor::tensor;
/// let weights = [Variable::new(tensor![2.0]), Variable::new(tensor![3.0])];
/// let tape = GradientTape::persistent();
/// let loss = &weights[0] * &weights[1];
/// let one = tape.gradient(&loss, &weights[0])?;
/// let [first, second] = tape.gradient(&loss, &weights)?;
/// let [again] = tape.gradient(&loss, [&weights[1]])?;
/// let all: Vec<_> = tape.gradient(&loss, &weights[..])?;
/// # assert_eq!((one.item()?, first.item()?, second.item()?, again.item()?, all.len()), (3.0, 3.0, 2.0, 2.0, 2));
/// # Ok::<(), autograd::Error>(())
/// ```
pub trait Sources {
    /// The gradients in the form of the sources.
    type Gradients;

    /// The sources in order.
    fn sources(&self) -> Vec<Source<'_>>;

    /// Brings the gradients, in the order of the sources, into this form.
    ///
    /// # Errors
    /// Returns an error if the form is for a different number of gradients.
    fn arrange(gradients: Vec<Tensor>) -> Result<Self::Gradients>;
}

/// Exactly `N` gradients.
fn exactly<const N: usize>(gradients: Vec<Tensor>) -> Result<[Tensor; N]> {
    gradients.try_into().map_err(|gradients: Vec<Tensor>| {
        Error::argument("arrange", format!("{} gradients for {N} sources", gradients.len()))
    })
}

impl<D: Differentiable> Sources for &D {
    type Gradients = Tensor;

    fn sources(&self) -> Vec<Source<'_>> {
        vec![self.source()]
    }

    fn arrange(gradients: Vec<Tensor>) -> Result<Tensor> {
        exactly(gradients).map(|[gradient]| gradient)
    }
}

impl<D: Differentiable, const N: usize> Sources for [D; N] {
    type Gradients = [Tensor; N];

    fn sources(&self) -> Vec<Source<'_>> {
        self.iter().map(D::source).collect()
    }

    fn arrange(gradients: Vec<Tensor>) -> Result<[Tensor; N]> {
        exactly(gradients)
    }
}

impl<D: Differentiable, const N: usize> Sources for &[D; N] {
    type Gradients = [Tensor; N];

    fn sources(&self) -> Vec<Source<'_>> {
        self.iter().map(D::source).collect()
    }

    fn arrange(gradients: Vec<Tensor>) -> Result<[Tensor; N]> {
        exactly(gradients)
    }
}

impl<D: Differentiable> Sources for &[D] {
    type Gradients = Vec<Tensor>;

    fn sources(&self) -> Vec<Source<'_>> {
        self.iter().map(D::source).collect()
    }

    fn arrange(gradients: Vec<Tensor>) -> Result<Vec<Tensor>> {
        Ok(gradients)
    }
}

impl<D: Differentiable> Sources for &Vec<D> {
    type Gradients = Vec<Tensor>;

    fn sources(&self) -> Vec<Source<'_>> {
        self.iter().map(D::source).collect()
    }

    fn arrange(gradients: Vec<Tensor>) -> Result<Vec<Tensor>> {
        Ok(gradients)
    }
}

/// The result for a source that does not contribute to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconnected {
    /// An error that names the source.
    #[default]
    Error,
    /// A gradient of zeros.
    Zeros,
}

/// Options of a request for gradients.
///
/// ```
/// # use autograd::{GradientOptions, GradientTape, Unconnected, Variable};
/// # use tensor::tensor;
/// let (x, unused) = (Variable::new(tensor![1.0, 2.0]), Variable::new(tensor![5.0]));
/// let tape = GradientTape::new();
/// let y = &x * &x;
/// let weights = tensor![1.0, 10.0];
/// let options = GradientOptions::default().output_gradient(&weights).unconnected(Unconnected::Zeros);
/// let [dx, dunused] = tape.gradient_with(&y, [&x, &unused], options)?;
/// assert_eq!((dx.to_vec::<f32>()?, dunused.item()?), (vec![2.0, 40.0], 0.0));
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct GradientOptions {
    pub(crate) output_gradient: Option<Tensor>,
    pub(crate) unconnected: Unconnected,
}

impl GradientOptions {
    /// The gradient of a later result with respect to the target, of the same shape as the target. The default is ones:
    /// a target that is not a scalar counts as the sum of its elements.
    #[must_use]
    pub fn output_gradient(self, gradient: &Tensor) -> GradientOptions {
        GradientOptions { output_gradient: Some(gradient.clone()), ..self }
    }

    /// The result for a source that does not contribute to the target. The default is an error.
    #[must_use]
    pub fn unconnected(self, unconnected: Unconnected) -> GradientOptions {
        GradientOptions { unconnected, ..self }
    }
}
