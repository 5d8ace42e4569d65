//! Detection of picture formats.

use super::header::{Header, Problem, wrong};
use super::{jpeg, png};

/// The supported formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
}

impl Header {
    /// Reads the header of a file and checks that the file is complete. The format is detected from the content, not
    /// the name.
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
