//! What the header of a picture says, whatever its format.

use image::metadata::Orientation;

/// What has to be known of a picture before it is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// As it lies in the file: before it is turned.
    pub(super) width: u32,
    pub(super) height: u32,
    /// How it is to be turned or mirrored, by its EXIF data.
    pub(super) orientation: Orientation,
    /// What a decoded pixel takes at most.
    pub(super) bytes_per_pixel: u64,
    /// What the decoder takes at most, in bytes, beside the decoded pixels.
    pub(super) decoder: u64,
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) offset: u64,
    pub(super) what: String,
}

pub(super) fn wrong(offset: usize, what: impl Into<String>) -> Problem {
    Problem { offset: offset as u64, what: what.into() }
}

/// The problem of a file that was cut off.
pub(super) fn ends_within<T>(bytes: &[u8], what: &str) -> Result<T, Problem> {
    Err(wrong(bytes.len(), format!("the file ends within {what}; it is cut off")))
}

impl Header {
    /// Whether rows become columns when the picture is turned.
    pub(super) fn is_turned(&self) -> bool {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        matches!(self.orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
    }
}
