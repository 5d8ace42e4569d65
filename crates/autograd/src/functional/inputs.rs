//! The forms in which a function takes its inputs.

use std::slice;

use tensor::{Error, Result, Tensor};

/// The inputs of a function to differentiate: a [`Tensor`], an array `[Tensor; N]`, a slice `[Tensor]` or a `Vec<Tensor>`.
/// The function takes them by reference. Results for each input come back in the same form.
///
/// ```
/// # use autograd::grad;
/// # use tensor::tensor;
/// let (a, b) = (tensor![1.0, 2.0], tensor![3.0, 4.0]);
/// let da = grad(|a| Ok((a * &b).sum()), &a)?;
/// let [da_too, db] = grad(|[a, b]| Ok((a * b).sum()), &[a.clone(), b.clone()])?;
/// let all = grad(|x| Ok((&x[0] * &x[1]).sum()), &vec![a, b])?;
/// assert_eq!(da.to_vec::<f32>()?, [3.0, 4.0]);
/// assert_eq!(da_too.to_vec::<f32>()?, [3.0, 4.0]);
/// assert_eq!(db.to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(all[1].to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
pub trait Inputs {
    /// A `T` for each input, in the form of the inputs.
    type Of<T>;

    /// The inputs in order.
    fn tensors(&self) -> &[Tensor];

    /// Brings one item for each input, in the same order, into the form of the inputs.
    ///
    /// # Errors
    /// Returns an error if the form is for a different number of items.
    fn arrange<T>(items: Vec<T>) -> Result<Self::Of<T>>;

    /// Borrows tensors in the form of the inputs as inputs.
    fn borrow(tensors: &Self::Of<Tensor>) -> &Self;
}

fn wrong_count(found: usize, right: usize) -> Error {
    Error::argument("arrange", format!("{found} items for {right} inputs"))
}

impl Inputs for Tensor {
    type Of<T> = T;

    fn tensors(&self) -> &[Tensor] {
        slice::from_ref(self)
    }

    fn arrange<T>(items: Vec<T>) -> Result<T> {
        let [item] = <[Tensor; 1]>::arrange(items)?;
        Ok(item)
    }

    fn borrow(tensors: &Tensor) -> &Tensor {
        tensors
    }
}

impl<const N: usize> Inputs for [Tensor; N] {
    type Of<T> = [T; N];

    fn tensors(&self) -> &[Tensor] {
        self
    }

    fn arrange<T>(items: Vec<T>) -> Result<[T; N]> {
        items.try_into().map_err(|items: Vec<T>| wrong_count(items.len(), N))
    }

    fn borrow(tensors: &[Tensor; N]) -> &[Tensor; N] {
        tensors
    }
}

impl Inputs for [Tensor] {
    type Of<T> = Vec<T>;

    fn tensors(&self) -> &[Tensor] {
        self
    }

    fn arrange<T>(items: Vec<T>) -> Result<Vec<T>> {
        Ok(items)
    }

    fn borrow(tensors: &Vec<Tensor>) -> &[Tensor] {
        tensors
    }
}

impl Inputs for Vec<Tensor> {
    type Of<T> = Vec<T>;

    fn tensors(&self) -> &[Tensor] {
        self
    }

    fn arrange<T>(items: Vec<T>) -> Result<Vec<T>> {
        Ok(items)
    }

    fn borrow(tensors: &Vec<Tensor>) -> &Vec<Tensor> {
        tensors
    }
}
