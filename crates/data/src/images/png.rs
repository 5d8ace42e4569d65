//! The structure of PNG files: <https://www.w3.org/TR/png-3/>.

use image::metadata::Orientation;

use super::header::{Header, Problem, ends_within, wrong};

pub(super) const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// The memory for ancillary chunks such as colour profiles, and for rows that are being decoded.
pub(super) const CHUNKS: u64 = 16 << 20;

/// Reads the header and checks that the file continues to its end.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Problem> {
    let mut header = None;
    let mut orientation = Orientation::NoTransforms;
    let mut rest = &bytes[SIGNATURE.len()..];
    loop {
        let place = bytes.len() - rest.len();
        let Some((length, after)) = rest.split_first_chunk() else {
            return ends_within(bytes, "the length of a chunk");
        };
        let Some((kind, after)) = after.split_first_chunk() else { return ends_within(bytes, "the name of a chunk") };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((data, after)) = after.split_at_checked(length) else { return ends_within(bytes, "a chunk") };
        let Some((_checksum, after)) = after.split_first_chunk::<4>() else {
            return ends_within(bytes, "the checksum of a chunk");
        };
        match (kind, &header) {
            (b"IHDR", None) => {
                header = Some(image_header(data).ok_or_else(|| wrong(place, "a header that is broken"))?)
            }
            (_, None) => return Err(wrong(place, "the first chunk is not the header, IHDR")),
            (b"eXIf", _) => orientation = Orientation::from_exif_chunk(data).unwrap_or(orientation),
            (b"IEND", Some(header)) => return Ok(Header { orientation, ..*header }),
            _ => {}
        }
        rest = after;
    }
}

fn image_header(data: &[u8]) -> Option<Header> {
    let (width, rest) = data.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    let &[depth, colour, ..] = rest else { return None };
    // Including transparency, which a later chunk may add.
    let channels = match colour {
        0 | 4 => 2,
        _ => 4,
    };
    Some(Header {
        width: u32::from_be_bytes(*width),
        height: u32::from_be_bytes(*height),
        orientation: Orientation::NoTransforms,
        bytes_per_pixel: channels * if depth == 16 { 2 } else { 1 },
        decoder: CHUNKS,
    })
}
