//! Element types in files and their tensor types.

use std::collections::TryReserveError;
use std::fmt;
use std::io::{self, Write};

use tensor::{DType, Element, Shape, Tensor};

use crate::error::{DataError, Result};
use crate::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::input::Input;

/// The number of bytes that are converted at a time.
const CHUNK: usize = 1 << 16;

/// An element type in a file. Tensors have fewer types: reading converts, without loss, to the type in the last column.
///
/// | in a file | as a tensor |
/// |---|---|
/// | `F16`, `Bf16`, `F32` | float32 |
/// | `F64` | float64 |
/// | `I8`, `I16`, `I32`, `I64`, `U16`, `U32`, `U64` | int64; an error for integers above 2⁶³ - 1 |
/// | `U8` | uint8 |
/// | `Bool` | bool; any byte but 0 is true |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StoredType {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl StoredType {
    /// The type that stores a tensor without loss.
    pub fn of(dtype: DType) -> StoredType {
        match dtype {
            DType::F32 => StoredType::F32,
            DType::F64 => StoredType::F64,
            DType::I64 => StoredType::I64,
            DType::U8 => StoredType::U8,
            DType::Bool => StoredType::Bool,
        }
    }

    /// The size of an element in bytes.
    pub const fn size_of(self) -> usize {
        match self {
            StoredType::F64 | StoredType::I64 | StoredType::U64 => 8,
            StoredType::F32 | StoredType::I32 | StoredType::U32 => 4,
            StoredType::F16 | StoredType::Bf16 | StoredType::I16 | StoredType::U16 => 2,
            StoredType::I8 | StoredType::U8 | StoredType::Bool => 1,
        }
    }

    /// The element type of the tensor.
    pub const fn dtype(self) -> DType {
        match self {
            StoredType::F16 | StoredType::Bf16 | StoredType::F32 => DType::F32,
            StoredType::F64 => DType::F64,
            StoredType::U8 => DType::U8,
            StoredType::Bool => DType::Bool,
            _ => DType::I64,
        }
    }
}

/// The NumPy name, such as `float16`.
impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StoredType::F16 => "float16",
            StoredType::Bf16 => "bfloat16",
            StoredType::F32 => "float32",
            StoredType::F64 => "float64",
            StoredType::I8 => "int8",
            StoredType::I16 => "int16",
            StoredType::I32 => "int32",
            StoredType::I64 => "int64",
            StoredType::U8 => "uint8",
            StoredType::U16 => "uint16",
            StoredType::U32 => "uint32",
            StoredType::U64 => "uint64",
            StoredType::Bool => "bool",
        })
    }
}

/// The byte order of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// The bytes of a tensor in a file; `None` if memory cannot address the tensor.
pub(crate) fn byte_count(shape: &Shape, stored: StoredType) -> Result<u64> {
    // At most 2⁶⁰ elements.
    Ok(shape.checked_size("read")? as u64 * stored.size_of() as u64)
}

/// A buffer of elements that are being read.
pub(crate) enum Elements {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

impl Elements {
    pub(crate) fn new(dtype: DType) -> Elements {
        match dtype {
            DType::F32 => Elements::F32(Vec::new()),
            DType::F64 => Elements::F64(Vec::new()),
            DType::I64 => Elements::I64(Vec::new()),
            DType::U8 => Elements::U8(Vec::new()),
            DType::Bool => Elements::Bool(Vec::new()),
        }
    }

    /// Reserves memory for `count` more elements, which must exist in the file.
    ///
    /// # Errors
    /// Returns an error if the allocation fails.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<()> {
        self.grow(count, count)
    }

    /// Reserves memory for all remaining elements if the `next` ones need a reallocation and doubling would reach the
    /// total size or nearly so. Otherwise appending grows the buffer.
    fn grow(&mut self, next: usize, remaining: usize) -> Result<()> {
        fn grow<T>(vec: &mut Vec<T>, next: usize, remaining: usize) -> std::result::Result<(), TryReserveError> {
            let has_room = vec.capacity() - vec.len() >= next;
            if has_room || next < remaining && remaining > vec.len() + vec.len() / 2 {
                return Ok(());
            }
            vec.try_reserve_exact(remaining)
        }
        let grown = match self {
            Elements::F32(elements) => grow(elements, next, remaining),
            Elements::F64(elements) => grow(elements, next, remaining),
            Elements::I64(elements) => grow(elements, next, remaining),
            Elements::U8(elements) => grow(elements, next, remaining),
            Elements::Bool(elements) => grow(elements, next, remaining),
        };
        grown.map_err(|error| DataError::dataset(format!("no room for {remaining} elements: {error}")))
    }

    /// Appends the elements of the next `count` bytes. Memory grows with the bytes that are read, up to the size of all
    /// elements.
    pub(crate) fn read(&mut self, input: &mut Input, count: u64, stored: StoredType, order: ByteOrder) -> Result<()> {
        let (start, mut left) = (input.offset, count);
        let mut bytes = Vec::new();
        while left > 0 {
            let wanted = left.min(CHUNK as u64);
            bytes.clear();
            let offset = input.offset;
            input.at_most(wanted, &mut bytes)?;
            if (bytes.len() as u64) < wanted {
                let found = input.offset - start;
                let message = format!("the file ends after {found} of the {count} bytes of {stored} elements");
                return Err(DataError::format(input.name, input.offset, message));
            }
            let elements = |bytes: u64| (bytes / stored.size_of() as u64) as usize;
            self.grow(elements(wanted), elements(left))?;
            if order == ByteOrder::Big {
                bytes.chunks_exact_mut(stored.size_of()).for_each(<[u8]>::reverse);
            }
            if let Err((index, value)) = self.extend(&bytes, stored) {
                let message = format!("the integer {value} is more than int64 holds");
                return Err(DataError::format(input.name, offset + 8 * index as u64, message));
            }
            left -= wanted;
        }
        Ok(())
    }

    /// Appends elements from little-endian bytes. Returns the index and value of an integer that is too large.
    fn extend(&mut self, bytes: &[u8], stored: StoredType) -> std::result::Result<(), (usize, u64)> {
        macro_rules! numbers {
            ($type:ty) => {
                bytes.as_chunks().0.iter().map(|&bytes| <$type>::from_le_bytes(bytes))
            };
        }
        match (self, stored) {
            (Elements::F32(out), StoredType::F16) => out.extend(numbers!(u16).map(f16_to_f32)),
            (Elements::F32(out), StoredType::Bf16) => out.extend(numbers!(u16).map(bf16_to_f32)),
            (Elements::F32(out), _) => out.extend(numbers!(f32)),
            (Elements::F64(out), _) => out.extend(numbers!(f64)),
            (Elements::U8(out), _) => out.extend(bytes),
            (Elements::Bool(out), _) => out.extend(bytes.iter().map(|&byte| byte != 0)),
            (Elements::I64(out), StoredType::I8) => out.extend(numbers!(i8).map(i64::from)),
            (Elements::I64(out), StoredType::I16) => out.extend(numbers!(i16).map(i64::from)),
            (Elements::I64(out), StoredType::I32) => out.extend(numbers!(i32).map(i64::from)),
            (Elements::I64(out), StoredType::U16) => out.extend(numbers!(u16).map(i64::from)),
            (Elements::I64(out), StoredType::U32) => out.extend(numbers!(u32).map(i64::from)),
            (Elements::I64(out), StoredType::U64) => {
                for (index, value) in numbers!(u64).enumerate() {
                    out.push(i64::try_from(value).map_err(|_| (index, value))?);
                }
            }
            (Elements::I64(out), _) => out.extend(numbers!(i64)),
        }
        Ok(())
    }

    pub(crate) fn into_tensor(self, shape: impl Into<Shape>) -> Result<Tensor> {
        // The vector becomes the tensor, so excess capacity would stay allocated.
        fn tensor<T: Element>(mut elements: Vec<T>, shape: Shape) -> Result<Tensor> {
            elements.shrink_to_fit();
            Tensor::from_vec(elements, shape)
        }
        let shape = shape.into();
        match self {
            Elements::F32(elements) => tensor(elements, shape),
            Elements::F64(elements) => tensor(elements, shape),
            Elements::I64(elements) => tensor(elements, shape),
            Elements::U8(elements) => tensor(elements, shape),
            Elements::Bool(elements) => tensor(elements, shape),
        }
    }
}

/// Reads a row-major tensor of this shape.
pub(crate) fn read_tensor(input: &mut Input, shape: &Shape, stored: StoredType, order: ByteOrder) -> Result<Tensor> {
    let mut elements = Elements::new(stored.dtype());
    elements.read(input, byte_count(shape, stored)?, stored, order)?;
    elements.into_tensor(shape)
}

/// The type for storing a tensor: its own, or `floats` if it is floating.
///
/// # Errors
/// Returns an error if `floats` is not floating, or finite numbers would become infinite.
pub(crate) fn stored_as(tensor: &Tensor, floats: Option<StoredType>) -> std::result::Result<StoredType, String> {
    let own = StoredType::of(tensor.dtype());
    let Some(floats) = floats.filter(|&floats| own.dtype().is_float() && floats != own) else {
        return Ok(own);
    };
    if !floats.dtype().is_float() {
        return Err(format!("floating numbers as {floats}; float16, bfloat16, float32 or float64 would do"));
    }
    let beyond = |x: f64| {
        let stored = match floats {
            StoredType::F16 => f16_to_f32(f32_to_f16(x as f32)),
            StoredType::Bf16 => bf16_to_f32(f32_to_bf16(x as f32)),
            _ => x as f32,
        };
        floats != StoredType::F64 && x.is_finite() && !stored.is_finite()
    };
    let found = match tensor.dtype() {
        DType::F64 => tensor.view::<f64>().map(|view| view.iter().copied().find(|&x| beyond(x))),
        _ => tensor.view::<f32>().map(|view| view.iter().map(|&x| f64::from(x)).find(|&x| beyond(x))),
    };
    match found.map_err(|error| error.to_string())? {
        Some(x) => Err(format!("the number {x:e}, which is beyond the range of {floats}")),
        None => Ok(floats),
    }
}

/// Writes the elements, row-major and little-endian, in a type from [`stored_as`].
pub(crate) fn write_elements(tensor: &Tensor, stored: StoredType, out: &mut dyn Write) -> io::Result<()> {
    fn write<T: Element, const N: usize>(
        tensor: &Tensor,
        out: &mut dyn Write,
        bytes: impl Fn(T) -> [u8; N],
    ) -> io::Result<()> {
        let view = tensor.view::<T>().map_err(io::Error::other)?;
        let mut chunk = Vec::with_capacity(CHUNK);
        for &x in &view {
            if chunk.len() + N > CHUNK {
                out.write_all(&chunk)?;
                chunk.clear();
            }
            chunk.extend_from_slice(&bytes(x));
        }
        out.write_all(&chunk)
    }
    match (tensor.dtype(), stored) {
        (DType::F32, StoredType::F16) => write(tensor, out, |x| f32_to_f16(x).to_le_bytes()),
        (DType::F32, StoredType::Bf16) => write(tensor, out, |x| f32_to_bf16(x).to_le_bytes()),
        (DType::F32, StoredType::F64) => write(tensor, out, |x: f32| f64::from(x).to_le_bytes()),
        (DType::F32, _) => write(tensor, out, f32::to_le_bytes),
        (DType::F64, StoredType::F16) => write(tensor, out, |x: f64| f32_to_f16(x as f32).to_le_bytes()),
        (DType::F64, StoredType::Bf16) => write(tensor, out, |x: f64| f32_to_bf16(x as f32).to_le_bytes()),
        (DType::F64, StoredType::F32) => write(tensor, out, |x: f64| (x as f32).to_le_bytes()),
        (DType::F64, _) => write(tensor, out, f64::to_le_bytes),
        (DType::I64, _) => write(tensor, out, i64::to_le_bytes),
        (DType::U8, _) => write(tensor, out, u8::to_le_bytes),
        (DType::Bool, _) => write(tensor, out, |x: bool| [u8::from(x)]),
    }
}
