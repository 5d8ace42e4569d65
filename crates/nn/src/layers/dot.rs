//! Dot products of two inputs.

use tensor::{Error, Integer, Result, Shape, Tensor, normalize_axis};

use super::merging::pair;
use super::unit_normalization::scale_to_unit_norm;
use crate::layer::Layer;
use crate::mode::Mode;

/// Keras' `backend.epsilon()`, the smallest norm that normalized vectors are divided by.
const EPSILON: f64 = 1e-7;

/// The dot products of two inputs along one axis of each, sample by sample, like Keras' Dot. Call it with
/// [`forward_many`](Layer::forward_many).
///
/// | | shape |
/// |---|---|
/// | inputs | `[batch, …]` and `[batch, …]`, with axes of equal size to sum over |
/// | output | `[batch, …]`, with the remaining axes of the first input, then those of the second one; `[batch, 1]` if none remain |
///
/// # Errors
/// Returns an error unless there are two inputs of one floating type with a batch of the same size, if an axis is out of
/// range or is the batch, and if the sizes of the two axes differ.
///
/// ```
/// # use nn::{Dot, Layer, Mode};
/// # use tensor::{Tensor, tensor};
/// let (a, b) = (tensor![[3.0, 4.0]], tensor![[0.0, 2.0]]);
/// assert_eq!(Dot::along(-1).forward_many(&[&a, &b], Mode::Inference)?.to_vec::<f32>()?, [8.0]);
/// let cosine = Dot::along(-1).normalize().forward_many(&[&a, &b], Mode::Inference)?;
/// assert!(cosine.allclose(&tensor![[0.8]], 0.0, 1e-6)?);
///
/// let (queries, keys) = (Tensor::ones([2, 5, 8]), Tensor::ones([2, 7, 8]));
/// assert_eq!(Dot::along(2).forward_many(&[&queries, &keys], Mode::Inference)?.shape(), &[2, 5, 7]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dot {
    axes: [isize; 2],
    normalize: bool,
}

impl Dot {
    /// Sums over this axis of both inputs. Axis 0 is the batch, and a negative axis counts from the end of each input.
    pub fn along(axis: impl Integer) -> Dot {
        let axis = axis.to_isize();
        Dot { axes: [axis; 2], normalize: false }
    }

    /// Sums over `first` of the first input and `second` of the second one, which count as in [`along`](Dot::along).
    pub fn axes(first: impl Integer, second: impl Integer) -> Dot {
        Dot { axes: [first.to_isize(), second.to_isize()], normalize: false }
    }

    /// Scales the vectors to norm 1 first, so that the results are cosines. As in Keras, vectors are divided by
    /// `max(norm, 1e-7)`, so a vector of zeros gives 0.
    #[must_use]
    pub fn normalize(self) -> Dot {
        Dot { normalize: true, ..self }
    }

    /// The input as matrices `[batch, kept, summed]`, and the sizes of the axes that are kept.
    #[track_caller]
    fn matrices(&self, input: &Tensor, axis: isize) -> Result<(Tensor, Vec<usize>)> {
        if !input.dtype().is_float() {
            return Err(Error::dtype("dot", input.dtype(), "a floating type; cast the input first"));
        }
        let rank = input.rank();
        if rank < 2 {
            return Err(Error::shape("dot", input.shape(), "needs at least 2 axes, [batch, …]"));
        }
        let axis = normalize_axis(axis, rank, "dot")?;
        if axis == 0 {
            return Err(Error::argument("dot", "axis 0 is the batch; the sum needs another axis"));
        }
        let input = if self.normalize { scale_to_unit_norm(input, &[axis as isize], EPSILON)? } else { input.clone() };
        let order: Vec<usize> = (0..rank).filter(|&other| other != axis).chain([axis]).collect();
        let kept: Vec<usize> = order[1..rank - 1].iter().map(|&axis| input.shape()[axis]).collect();
        let sizes = [input.shape()[0], kept.iter().product(), input.shape()[axis]];
        Ok((input.permute(&order[..])?.reshape(sizes)?, kept))
    }
}

impl Layer for Dot {
    #[track_caller]
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_many(&[input], mode)
    }

    #[track_caller]
    fn forward_many(&self, inputs: &[&Tensor], _mode: Mode) -> Result<Tensor> {
        let [a, b] = pair("dot", inputs)?;
        let (first, rows) = self.matrices(a, self.axes[0])?;
        let (second, columns) = self.matrices(b, self.axes[1])?;
        // `matmul` would broadcast a batch of 1.
        for (axis, what) in [(0, "batches"), (2, "axes to sum over")] {
            let [x, y] = [first.shape()[axis], second.shape()[axis]];
            if x != y {
                let message =
                    format!("{} and {}: the {what} have the sizes {x} and {y}, which differ", a.shape(), b.shape());
                return Err(Error::argument("dot", message));
            }
        }
        let products = first.matmul(&second.t()?)?;
        let kept = if rows.is_empty() && columns.is_empty() { vec![1] } else { [rows, columns].concat() };
        products.reshape([first.shape()[0]].into_iter().chain(kept).collect::<Shape>())
    }

    fn describe(&self) -> String {
        let [first, second] = self.axes;
        format!("Dot {first}, {second}{}", if self.normalize { ", normalized" } else { "" })
    }
}
