//! The tensor type: access and conversion. Constructors are in `creation.rs`, operations in `ops/`.

use ndarray::{ArrayD, ArrayViewD};
use triomphe::Arc;

use crate::array::Array;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::kernels::copy::{Elements, elements, row_major};
use crate::kernels::view::array_view;
use crate::layout::{Layout, View};
use crate::shape::{Shape, Strides};
use crate::storage::Buffer;
use crate::value_id::ValueId;

/// An n-dimensional array of one element type.
///
/// Clones share their storage and cost about as much as copying a reference. Tensors are immutable, so sharing is never
/// visible. Views (`slice`, `transpose`, `expand`, …) share storage too.
///
/// ```
/// use tensor::{Tensor, tensor};
///
/// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
/// let b = (2.0 * a.matmul(&a)?).relu() + 1.0;
/// assert_eq!(b.to_vec::<f32>()?, [15.0, 21.0, 31.0, 45.0]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Array>);

impl Tensor {
    pub(crate) fn from_buffer(buffer: Buffer, shape: Shape) -> Tensor {
        let layout = Layout::row_major(shape);
        assert_eq!(buffer.len(), layout.size(), "the buffer's length is the size of the shape");
        Tensor(Array::new(buffer, layout))
    }
}

/// Access and conversion.
impl Tensor {
    /// The sizes of the axes; `[]` for a scalar.
    pub fn shape(&self) -> &Shape {
        self.layout().shape()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.layout().rank()
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.layout().size()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.0.buffer().dtype()
    }

    /// The address and the size in bytes of the storage. Views and clones share it, so it may hold more elements than
    /// this tensor has.
    pub fn storage(&self) -> (usize, usize) {
        let buffer = self.0.buffer();
        (std::ptr::from_ref(buffer).addr(), buffer.len() * buffer.dtype().size_of())
    }

    /// The identity by which tapes know this value.
    pub fn value_id(&self) -> ValueId {
        self.0.id()
    }

    /// The same value under another identity. Only types that define leaves of a tape need this.
    #[must_use]
    pub fn with_value_id(&self, id: ValueId) -> Tensor {
        Tensor(Array::view(&self.0, self.layout().clone(), id))
    }

    /// The same value as a constant: no gradient flows through it, on any tape.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![1.0, 2.0];
    /// assert_eq!(x.stop_gradient().to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    #[must_use]
    pub fn stop_gradient(&self) -> Tensor {
        self.with_value_id(ValueId::fresh())
    }

    /// The value of a tensor with exactly one element.
    ///
    /// # Errors
    /// Returns an error if the tensor has zero or several elements.
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        if self.size() != 1 {
            return Err(Error::shape("item", self.shape(), "needs exactly one element"));
        }
        Ok(with_dtype!(self.dtype(), T => self.first::<T>().to_f64()))
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// Returns an error if `T` is not the element type. Use [`Tensor::cast`] to convert.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_dtype::<T>("to_vec")?;
        Ok(self.elements::<T>().to_vec())
    }

    /// The elements as an ndarray view, without a copy.
    ///
    /// # Errors
    /// Returns an error if `T` is not the element type.
    ///
    /// ```
    /// # use tensor::tensor;
    /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(x.view::<f32>()?[[1, 0]], 3.0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    #[track_caller]
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.check_dtype::<T>("view")?;
        self.check_array("view")?;
        Ok(array_view(self.typed()))
    }

    /// The elements as an ndarray array, without a copy if this tensor was made from a vector or an array and does not
    /// share its storage.
    ///
    /// # Errors
    /// Returns an error if `T` is not the element type.
    #[track_caller]
    pub fn into_array<T: Element>(mut self) -> Result<ArrayD<T>> {
        self.check_dtype::<T>("into_array")?;
        self.check_array("into_array")?;
        let shape = self.shape().to_vec();
        let is_whole = self.is_whole();
        let values = match Array::buffer_mut(&mut self.0) {
            Some(buffer) if is_whole => std::mem::replace(buffer, Buffer::new::<T>(0)).into_vec(),
            _ => self.elements().to_vec(),
        };
        Ok(ArrayD::from_shape_vec(shape, values).expect("the number of elements is the size of the shape"))
    }

    /// Returns an error if ndarray cannot represent this shape: if one size is 0, the others may be too large.
    #[track_caller]
    fn check_array(&self, operation: &str) -> Result<()> {
        if self.size() == 0 { self.shape().checked_size(operation).map(drop) } else { Ok(()) }
    }

    #[track_caller]
    fn check_dtype<T: Element>(&self, operation: &str) -> Result<()> {
        if T::DTYPE == self.dtype() { Ok(()) } else { Err(Error::dtypes(operation, self.dtype(), T::DTYPE)) }
    }
}

/// Internals for operations: storage, layout, views.
impl Tensor {
    pub(crate) fn layout(&self) -> &Layout {
        self.0.layout()
    }

    pub(crate) fn strides(&self) -> &Strides {
        self.layout().strides()
    }

    pub(crate) fn offset(&self) -> usize {
        self.layout().offset()
    }

    /// Whether the elements lie in row-major order without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.layout().is_contiguous()
    }

    /// The elements as kernels read them. `T` must be the element type.
    pub(crate) fn typed<T: Element>(&self) -> View<'_, T> {
        View::new(self.0.buffer().as_slice(), self.layout())
    }

    /// The elements in row-major order, copied unless they are contiguous.
    pub(crate) fn elements<T: Element>(&self) -> Elements<'_, T> {
        elements(self.typed())
    }

    /// Whether this is all of the storage, in row-major order.
    fn is_whole(&self) -> bool {
        self.is_contiguous() && self.0.buffer().len() == self.size()
    }

    /// The elements for writing in place, copied first if they are shared.
    pub(crate) fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        if !self.is_whole() || Array::buffer_mut(&mut self.0).is_none() {
            *self = self.row_major();
        }
        Array::buffer_mut(&mut self.0).expect("a copy is not shared").as_mut_slice()
    }

    /// The first element of a tensor that is not empty.
    pub(crate) fn first<T: Element>(&self) -> T {
        self.typed().first()
    }

    /// Marks a new value as computed from another one.
    pub(crate) fn mark_as_computed_from(&mut self, source: &Tensor) {
        let id = self.value_id().computed_from(source.value_id());
        match Arc::get_mut(&mut self.0) {
            Some(array) => array.set_id(id),
            // The operation returned its operand.
            None => *self = self.with_value_id(id),
        }
    }

    /// A view of the same storage with another layout, as a new value.
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor(Array::view(&self.0, layout, ValueId::fresh()))
    }

    /// The elements in row-major order with another shape of the same size: a view if possible.
    pub(crate) fn reshaped(&self, shape: Shape) -> Tensor {
        match self.layout().reshaped(&shape) {
            Some(layout) => self.with_layout(layout),
            None => self.row_major().with_layout(Layout::row_major(shape)),
        }
    }

    /// A contiguous copy.
    pub(crate) fn row_major(&self) -> Tensor {
        let buffer = with_dtype!(self.dtype(), T => row_major::<T>(self.typed()));
        Tensor::from_buffer(buffer, self.shape().clone())
    }
}
