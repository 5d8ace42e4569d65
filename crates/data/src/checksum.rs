//! Checksums of named tensors.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tensor::Tensor;

use crate::error::{DataError, Result};
use crate::stored::{StoredType, write_elements};

/// The CRC-32C of metadata and named tensors, over their names, types, shapes and elements in the order of names. It
/// does not depend on the layout of a file.
///
/// ```
/// use data::checksum;
/// use tensor::tensor;
///
/// let (one, other) = ([("x".to_string(), tensor![1.0, 2.0])], [("x".to_string(), tensor![1.0, 2.5])]);
/// assert_ne!(checksum(&one, &Default::default())?, checksum(&other, &Default::default())?);
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the elements cannot be read, which does not happen in practice.
pub fn checksum(tensors: &[(String, Tensor)], metadata: &BTreeMap<String, String>) -> Result<u32> {
    let mut sum = Sum(0);
    let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
    sorted.sort_by_key(|(name, _)| name);
    let add = || -> io::Result<()> {
        // Every part ends with a byte that does not occur in text, so that different parts cannot form the same bytes.
        for (key, note) in metadata {
            write!(sum, "{key}\0{note}\0")?;
        }
        for (name, tensor) in sorted {
            write!(sum, "{name}\0{}{}\0", tensor.dtype(), tensor.shape())?;
            write_elements(tensor, StoredType::of(tensor.dtype()), &mut sum)?;
        }
        Ok(())
    };
    add().map_err(|source| DataError::file("checksum", "cannot read", source))?;
    Ok(sum.0)
}

struct Sum(u32);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = crc32c::crc32c_append(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
