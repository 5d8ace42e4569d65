//! Typed buffers that hold the elements of tensors.

use crate::dtype::{DType, Element};
use crate::memory::Memory;

/// A contiguous block of elements of one type.
pub(crate) struct Buffer {
    len: usize,
    memory: Memory,
}

impl Buffer {
    /// `len` elements of unspecified (but valid) value.
    pub(crate) fn new<T: Element>(len: usize) -> Buffer {
        Buffer { len, memory: Memory::new::<T>(len) }
    }

    /// A buffer that takes over a vector without a copy.
    pub(crate) fn from_vec<T: Element>(values: Vec<T>) -> Buffer {
        Buffer { len: values.len(), memory: Memory::from_vec(values) }
    }

    /// A buffer of `len` elements, all equal to `value`.
    pub(crate) fn filled<T: Element>(len: usize, value: T) -> Buffer {
        let mut buffer = Buffer::new::<T>(len);
        buffer.as_mut_slice::<T>().fill(value);
        buffer
    }

    pub(crate) fn dtype(&self) -> DType {
        self.memory.dtype()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The elements. `T` must be the type that `dtype` names.
    #[inline]
    pub(crate) fn as_slice<T: Element>(&self) -> &[T] {
        self.memory.as_slice(self.len)
    }

    /// The elements for writing. `T` must be the type that `dtype` names.
    #[inline]
    pub(crate) fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        self.memory.as_mut_slice(self.len)
    }

    /// The vector that this buffer was made from, or a copy of the elements.
    pub(crate) fn into_vec<T: Element>(self) -> Vec<T> {
        self.memory.into_vec().unwrap_or_else(|memory| memory.as_slice(self.len).to_vec())
    }
}
