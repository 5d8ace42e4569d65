//! Where the elements of a tensor lie in its storage.

use crate::shape::{Shape, Strides};

/// Shape, strides and offset of a view of a slice.
#[derive(Clone)]
pub(crate) struct Layout {
    shape: Shape,
    strides: Strides,
    offset: usize,
    /// The number of elements. Stored, like the next field, because every operation asks for it, several times.
    size: usize,
    /// Whether the elements lie in row-major order without gaps.
    contiguous: bool,
}

impl Layout {
    /// A layout from a shape, one stride for each axis, and the position of the first element.
    pub(crate) fn new(shape: Shape, strides: Strides, offset: usize) -> Layout {
        let (size, row_major) = (shape.size(), strides == shape.strides());
        let contiguous = row_major || size == 0 || strides.are_row_major(&shape);
        Layout { shape, strides, offset, size, contiguous }
    }

    /// The layout of a whole slice in row-major order.
    #[inline]
    pub(crate) fn row_major(shape: Shape) -> Layout {
        Layout { strides: shape.strides(), offset: 0, size: shape.size(), contiguous: true, shape }
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn strides(&self) -> &Strides {
        &self.strides
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn rank(&self) -> usize {
        self.shape.rank()
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether the elements lie in row-major order without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// The layout that views the elements, in row-major order, as another shape of the same size; `None` if there is
    /// none and the elements must be copied.
    pub(crate) fn reshaped(&self, shape: &Shape) -> Option<Layout> {
        let strides = match self.is_contiguous() {
            true => shape.strides(),
            false => self.strides.reshaped(&self.shape, shape)?,
        };
        Some(Layout::new(shape.clone(), strides, self.offset))
    }

    /// This layout broadcast to a shape; `None` if it does not broadcast.
    pub(crate) fn broadcast(&self, shape: &Shape) -> Option<Layout> {
        let strides = self.strides.broadcast(&self.shape, shape)?;
        Some(Layout::new(shape.clone(), strides, self.offset))
    }

    /// Whether an axis repeats a single element.
    pub(crate) fn is_repeated(&self, axis: usize) -> bool {
        self.strides[axis] == 0 && self.shape[axis] > 1
    }

    /// This layout with its repeated axes reduced to size 1; `None` if no axis repeats elements.
    pub(crate) fn without_repeats(&self) -> Option<Layout> {
        if self.size() == 0 || !(0..self.rank()).any(|axis| self.is_repeated(axis)) {
            return None;
        }
        let size = |axis: usize| if self.is_repeated(axis) { 1 } else { self.shape[axis] };
        Some(Layout::new((0..self.rank()).map(size).collect(), self.strides.clone(), self.offset))
    }

    /// This layout with permuted axes. `order` names each axis once.
    pub(crate) fn permuted(&self, order: &[usize]) -> Layout {
        let shape = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        Layout::new(shape, strides, self.offset)
    }
}

/// The input of a kernel: a slice and a layout.
pub(crate) struct View<'a, T> {
    /// The whole slice. The view may cover only a part of it.
    pub(crate) data: &'a [T],
    layout: &'a Layout,
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<'a, T> View<'a, T> {
    /// The elements of `data` in the given layout.
    pub(crate) fn new(data: &'a [T], layout: &'a Layout) -> View<'a, T> {
        View { data, layout }
    }

    pub(crate) fn shape(self) -> &'a Shape {
        &self.layout.shape
    }

    pub(crate) fn strides(self) -> &'a Strides {
        &self.layout.strides
    }

    pub(crate) fn offset(self) -> usize {
        self.layout.offset
    }

    pub(crate) fn rank(self) -> usize {
        self.layout.rank()
    }

    pub(crate) fn size(self) -> usize {
        self.layout.size()
    }

    pub(crate) fn is_contiguous(self) -> bool {
        self.layout.is_contiguous()
    }

    pub(crate) fn layout(self) -> &'a Layout {
        self.layout
    }

    /// The elements as a slice, if they are contiguous.
    pub(crate) fn as_slice(self) -> Option<&'a [T]> {
        self.is_contiguous().then(|| match self.size() {
            0 => &[],
            size => &self.data[self.offset()..self.offset() + size],
        })
    }

    /// The strides that broadcast the elements to `shape`. The caller must have checked that they broadcast.
    pub(crate) fn broadcast_strides(self, shape: &Shape) -> Strides {
        self.strides().broadcast(self.shape(), shape).expect("the operation checks that its operands broadcast")
    }
}

impl<T: Copy> View<'_, T> {
    /// The first element of a view that is not empty.
    pub(crate) fn first(self) -> T {
        self.data[self.offset()]
    }
}
