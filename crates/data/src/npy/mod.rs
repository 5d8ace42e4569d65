//! `.npy` files of NumPy, which hold one array each.
//!
//! Reads versions 1, 2 and 3 of the format with elements of float16, float32, float64, integers of 8 to 64 bits and
//! bool, little- and big-endian, in C and Fortran order; [`StoredType`] lists the resulting element types. Writes
//! version 1 in little-endian C order. The format is described at
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
//!
//! Reading takes at most 32 times the bytes of the file plus 1 MiB, whatever the header says: int8 becomes int64, in a
//! vector that grows by doubling.

mod header;

use std::ops::Range;
use std::path::Path;

use tensor::{DType, Shape, Tensor, escaped};

use self::header::Header;
use crate::atomic::write_atomically;
use crate::byte_source::ByteSource;
use crate::error::{DataError, Result};
use crate::input::Input;
use crate::stored::{ByteOrder, Elements, StoredType, byte_count, read_tensor, stored_as, write_elements};

/// Reads a whole `.npy` file.
///
/// # Errors
/// Returns an error if the file cannot be read, is malformed, has an unsupported element type, or is shorter or longer
/// than its header says. The message names file, offset and what was expected.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    Npy::open(path)?.read()
}

/// Like [`read`], but from bytes. `name` replaces the file name in messages.
///
/// # Errors
/// Returns an error as [`read`] does.
pub fn parse(bytes: &[u8], name: &str) -> Result<Tensor> {
    Npy::from_source(ByteSource::memory(bytes, name))?.read()
}

/// Writes a tensor as a `.npy` file, [atomically](crate::write_atomically).
///
/// ```
/// use tensor::tensor;
///
/// let path = std::env::temp_dir().join("doctest.npy");
/// data::npy::write(&path, &tensor![[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(data::npy::read(&path)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// Returns an error, and leaves an existing file unchanged, if the file cannot be written.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let header = header_of(tensor, None).map_err(|what| DataError::cannot_hold(&path.display().to_string(), &what))?;
    write_atomically(path, |file| {
        std::io::Write::write_all(file, &header.1)?;
        write_elements(tensor, header.0, file)
    })
}

/// The element type for writing a tensor, and the header.
pub(crate) fn header_of(
    tensor: &Tensor,
    floats: Option<StoredType>,
) -> std::result::Result<(StoredType, Vec<u8>), String> {
    let stored = stored_as(tensor, floats)?;
    let header = Header { stored, order: ByteOrder::Little, fortran: false, shape: tensor.shape().clone() };
    Ok((stored, header.write()?))
}

/// Reads the header and the elements, and checks that nothing follows.
pub(crate) fn read_from(input: &mut Input) -> Result<Tensor> {
    let header = Header::read(input)?;
    let tensor = read_elements(&header, input)?;
    let mut more = Vec::new();
    input.at_most(1, &mut more)?;
    if !more.is_empty() {
        let shape = header.shape.to_string();
        let message = format!("the file continues after the elements of its shape {}", escaped(&shape));
        return Err(DataError::format(input.name, input.offset - 1, message));
    }
    Ok(tensor)
}

fn read_elements(header: &Header, input: &mut Input) -> Result<Tensor> {
    if !header.fortran {
        return read_tensor(input, &header.shape, header.stored, header.order);
    }
    let reversed: Shape = header.shape.iter().rev().copied().collect();
    let order: Vec<usize> = (0..reversed.rank()).rev().collect();
    read_tensor(input, &reversed, header.stored, header.order)?.permute(&order)
}

/// An open `.npy` file whose parts are read on request, for arrays larger than memory.
///
/// Rows are the subarrays along the first axis. Each call reads them from the file by position, so several threads can
/// read at once; the operating system caches them. (This is the purpose of `mmap_mode` in NumPy, but without a mapping:
/// if the file shrinks, this returns an error instead of killing the process.)
///
/// ```
/// use data::npy::{self, Npy};
/// use tensor::tensor;
///
/// let path = std::env::temp_dir().join("doctest-rows.npy");
/// npy::write(&path, &tensor![[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])?;
/// let file = Npy::open(&path)?;
/// assert_eq!((file.len(), file.row_shape()), (3, [2].into()));
/// assert_eq!(file.rows(&[2, 0])?.to_vec::<f32>()?, [2.0, 2.5, 0.0, 0.5]);
/// assert_eq!(file.range(1..3)?.to_vec::<f32>()?, [1.0, 1.5, 2.0, 2.5]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Debug)]
pub struct Npy {
    source: ByteSource,
    header: Header,
    /// The offset of the elements.
    start: u64,
}

impl Npy {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, is malformed, or is shorter or longer than its header says.
    pub fn open(path: impl AsRef<Path>) -> Result<Npy> {
        Npy::from_source(ByteSource::open(path.as_ref())?)
    }

    fn from_source(source: ByteSource) -> Result<Npy> {
        let (header, start) = source.input_at(0, |input| Ok((Header::read(input)?, input.offset)))?;
        let (expected, found) = (byte_count(&header.shape, header.stored)?, source.length() - start);
        if expected != found {
            let shape = header.shape.to_string();
            let shape = escaped(&shape);
            let message = format!("the file has {found} bytes of elements; the shape {shape} requires {expected}");
            return Err(DataError::format(source.name(), start, message));
        }
        Ok(Npy { source, header, start })
    }

    /// The shape of the whole array.
    pub fn shape(&self) -> &Shape {
        &self.header.shape
    }

    /// The number of rows; 1 for a scalar.
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one row: the shape of the array without its first axis.
    pub fn row_shape(&self) -> Shape {
        self.shape().iter().skip(1).copied().collect()
    }

    /// The element type of the tensors that are read.
    pub fn dtype(&self) -> DType {
        self.header.stored.dtype()
    }

    /// The element type in the file.
    pub fn stored_type(&self) -> StoredType {
        self.header.stored
    }

    /// Reads the whole array.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or an integer exceeds int64.
    pub fn read(&self) -> Result<Tensor> {
        self.source.input_at(self.start, |input| read_elements(&self.header, input))
    }

    /// Reads the rows with these indices, in this order: `[rows.len(), …]`.
    ///
    /// # Errors
    /// Returns an error if an index is not below [`Npy::len`], the file cannot be read, or the array is in Fortran
    /// order, in which rows are not contiguous.
    pub fn rows(&self, rows: &[usize]) -> Result<Tensor> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(DataError::dataset(format!(
                "{}: there is no row {row} among {}",
                self.source.name(),
                self.len()
            )));
        }
        self.gather(rows.iter().map(|&row| row..row + 1), rows.len())
    }

    /// Reads a range of rows: `[range.len(), …]`.
    ///
    /// # Errors
    /// Returns an error if the range exceeds the array, or [`Npy::rows`] would fail.
    pub fn range(&self, range: Range<usize>) -> Result<Tensor> {
        if range.start > range.end || range.end > self.len() {
            let message = format!("{}: there are no rows {range:?} among {}", self.source.name(), self.len());
            return Err(DataError::dataset(message));
        }
        self.gather([range.clone()].into_iter(), range.len())
    }

    fn gather(&self, ranges: impl Iterator<Item = Range<usize>>, count: usize) -> Result<Tensor> {
        let Header { stored, order, fortran, ref shape } = self.header;
        if fortran && shape.rank() > 1 {
            let name = self.source.name();
            let message =
                format!("{name}: the array is in Fortran order, in which rows are not contiguous; read it whole");
            return Err(DataError::dataset(message));
        }
        let row = byte_count(&self.row_shape(), stored)?;
        let mut elements = Elements::new(stored.dtype());
        elements.reserve(count.saturating_mul(row as usize / stored.size_of()))?;
        for range in ranges {
            let (start, bytes) = (self.start + range.start as u64 * row, range.len() as u64 * row);
            self.source.input_at(start, |input| elements.read(input, bytes, stored, order))?;
        }
        elements.into_tensor(std::iter::once(count).chain(self.row_shape().iter().copied()).collect::<Shape>())
    }
}
