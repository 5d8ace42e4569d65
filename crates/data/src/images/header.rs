//! The header of a picture, for all formats.

use image::metadata::Orientation;

/// What must be known about a picture before it is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// The size in the file, before rotation.
    pub(super) width: u32,
    pub(super) height: u32,
    /// The rotation and reflection from its EXIF data.
    pub(super) orientation: Orientation,
    /// The maximum bytes of a decoded pixel.
    pub(super) bytes_per_pixel: u64,
    /// The maximum memory of the decoder in bytes, besides the decoded pixels.
    pub(super) decoder: u64,
}

/// A problem in a file and its offset.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) offset: u64,
    pub(super) what: String,
}

pub(super) fn wrong(offset: usize, what: impl Into<String>) -> Problem {
    Problem { offset: offset as u64, what: what.into() }
}

/// The problem of a truncated file.
pub(super) fn ends_within<T>(bytes: &[u8], what: &str) -> Result<T, Problem> {
    Err(wrong(bytes.len(), format!("the file ends within {what}; it is cut off")))
}

impl Header {
    /// Whether the orientation swaps rows and columns.
    pub(super) fn is_turned(&self) -> bool {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        matches!(self.orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
    }
}
