//! The format of a picture, by its content.

use super::header::{Header, Problem, wrong};
use super::{jpeg, png};

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
}

impl Header {
    /// Reads the header of a file, by its content whatever it is called, and whether the file is whole.
    pub(super) fn read(bytes: &[u8]) -> Result<(Format, Header), Problem> {
        let (format, header) = if bytes.starts_with(png::SIGNATURE) {
            (Format::Png, png::header(bytes)?)
        } else if bytes.starts_with(jpeg::SIGNATURE) {
            (Format::Jpeg, jpeg::header(bytes)?)
        } else {
            let begin = &bytes[..bytes.len().min(8)];
            return Err(wrong(0, format!("the file is neither PNG nor JPEG; it begins with {begin:02x?}")));
        };
        match (header.width, header.height) {
            (0, _) | (_, 0) => Err(wrong(0, "the picture has no pixels")),
            _ => Ok((format, header)),
        }
    }
}
