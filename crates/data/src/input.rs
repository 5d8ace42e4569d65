//! Sequential input from an untrusted source.

use std::io::{ErrorKind, Read};

use crate::error::{DataError, Result};

/// An input and its position.
pub(crate) struct Input<'a> {
    /// The file, for messages.
    pub(crate) name: &'a str,
    /// The offset of the next byte, for messages.
    pub(crate) offset: u64,
    /// The compression of the bytes, if any: `gzip` or `deflate`.
    pub(crate) packing: Option<&'static str>,
    pub(crate) reader: &'a mut dyn Read,
}

impl Input<'_> {
    /// Fills `out`.
    pub(crate) fn exactly(&mut self, out: &mut [u8], what: &str) -> Result<()> {
        let mut found = Vec::new();
        self.at_most(out.len() as u64, &mut found)?;
        if found.len() < out.len() {
            let message =
                format!("the file ends within {what}, of which {} bytes are missing", out.len() - found.len());
            return Err(DataError::format(self.name, self.offset, message));
        }
        out.copy_from_slice(&found);
        Ok(())
    }

    /// Appends up to `limit` bytes, fewer only at the end. Memory grows with the bytes that are read.
    pub(crate) fn at_most(&mut self, limit: u64, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        let result = (&mut *self.reader).take(limit).read_to_end(out);
        self.offset += (out.len() - before) as u64;
        let error = match result {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        Err(match (error.kind(), self.packing) {
            (ErrorKind::InvalidInput | ErrorKind::InvalidData, Some(packing)) => {
                DataError::format(self.name, self.offset, format!("the {packing} stream is broken: {error}"))
            }
            (ErrorKind::UnexpectedEof, Some(packing)) => {
                let message = format!("the {packing} stream ends early; the file is cut off");
                DataError::format(self.name, self.offset, message)
            }
            _ => DataError::file(self.name, "cannot read", error),
        })
    }
}
