//! Random access to the bytes of a file or of memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{DataError, Result};
use crate::input::Input;
use crate::open::open;

/// The bytes of a file or of memory, read by position. Several readers do not interfere with each other.
#[derive(Debug)]
pub(crate) struct ByteSource {
    name: String,
    length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File(File),
    Memory(Vec<u8>),
}

impl ByteSource {
    pub(crate) fn open(path: &Path) -> Result<ByteSource> {
        let name = path.display().to_string();
        let file = open(path)?;
        let length = file.metadata().map_err(|source| DataError::file(&name, "cannot open", source))?.len();
        Ok(ByteSource { name, length, content: Content::File(file) })
    }

    /// Bytes in memory. `name` replaces the file name in messages.
    pub(crate) fn memory(bytes: &[u8], name: &str) -> ByteSource {
        ByteSource { name: name.into(), length: bytes.len() as u64, content: Content::Memory(bytes.into()) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The number of bytes at the time the file was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads some bytes at `offset`; returns 0 at the end.
    pub(crate) fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.content {
            Content::File(file) => read_file_at(file, out, offset),
            Content::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(out)
            }
        }
    }

    /// Reads from `offset` to the end.
    pub(crate) fn reader(&self, offset: u64) -> Reader<'_> {
        Reader { source: self, offset }
    }

    /// Calls `read` with an input that begins at `offset`.
    pub(crate) fn input_at<T>(&self, offset: u64, read: impl FnOnce(&mut Input) -> Result<T>) -> Result<T> {
        read(&mut Input { name: &self.name, offset, packing: None, reader: &mut self.reader(offset) })
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

impl rawzip::ReaderAt for &ByteSource {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        ByteSource::read_at(self, out, offset)
    }
}

/// See [`ByteSource::reader`].
pub(crate) struct Reader<'a> {
    source: &'a ByteSource,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(out, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
