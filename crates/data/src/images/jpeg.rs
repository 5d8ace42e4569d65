//! The structure of JPEG files: ITU-T T.81.

use image::metadata::Orientation;

use super::header::{Header, Problem, ends_within, wrong};

pub(super) const SIGNATURE: &[u8; 3] = b"\xff\xd8\xff";

/// Reads the header and checks that the file continues to the end of the picture.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Problem> {
    let mut segments = Segments::new(bytes);
    let (mut frame, mut scanned) = (None, None);
    let mut orientation = Orientation::NoTransforms;
    while let Some(Segment { start, code, data }) = segments.next()? {
        match code {
            // Frames: baseline, extended, progressive. The decoder refuses others.
            0xc0..=0xc2 if frame.is_none() => {
                let read = Frame::read(data, code == 0xc2);
                frame = Some(read.ok_or_else(|| wrong(start, "a frame header that is broken"))?);
            }
            0xe1 => {
                let exif = data.strip_prefix(b"Exif\0\0");
                orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(orientation);
            }
            // The first scan.
            0xda if scanned.is_none() => scanned = data.first().copied(),
            _ => {}
        }
    }
    let nothing =
        || wrong(segments.place - 2, "the image ends, without a frame and a scan of a kind that is supported");
    let (frame, scanned) = frame.zip(scanned).ok_or_else(nothing)?;
    Ok(frame.header(orientation, scanned))
}

/// An iterator over the segments of a file up to the end of its image.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// The position after the last segment.
    pub(super) place: usize,
}

/// A marker, its position, and its data.
pub(super) struct Segment<'a> {
    pub(super) start: usize,
    pub(super) code: u8,
    pub(super) data: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Segments<'a> {
        Segments { bytes, place: 2 }
    }

    /// The next segment; `None` at the end of the image.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, Problem> {
        let Segments { bytes, .. } = *self;
        loop {
            let Some((start, code)) = self.marker() else { return ends_within(bytes, "the picture") };
            let place = start + 2;
            self.place = place;
            match code {
                // The end of the image.
                0xd9 => return Ok(None),
                // Segments without a length: restarts, the start of an image, and one for temporary use.
                0xd0..=0xd8 | 0x01 => continue,
                _ => {}
            }
            let Some(&length) = bytes[place..].first_chunk() else {
                return ends_within(bytes, "the length of a segment");
            };
            let length = usize::from(u16::from_be_bytes(length));
            if length < 2 {
                return Err(wrong(place, "a segment has a length of 2 bytes at least"));
            }
            let Some(data) = bytes.get(place + 2..place + length) else { return ends_within(bytes, "a segment") };
            self.place += length;
            return Ok(Some(Segment { start, code, data }));
        }
    }

    /// The next marker and its position. Skips everything else, including entropy-coded data, where 0xff is followed by
    /// 0.
    fn marker(&self) -> Option<(usize, u8)> {
        let mut place = self.place;
        loop {
            place += self.bytes.get(place..)?.iter().position(|&byte| byte == 0xff)?;
            match *self.bytes.get(place + 1)? {
                0x00 => place += 2,
                // A fill byte.
                0xff => place += 1,
                code => return Some((place, code)),
            }
        }
    }
}

/// The content of a frame header.
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) progressive: bool,
    /// The identifiers of the components in scans.
    pub(super) ids: Vec<u8>,
    /// The number of blocks of each component in a unit, horizontally and vertically.
    pub(super) factors: Vec<[usize; 2]>,
}

impl Frame {
    pub(super) fn read(data: &[u8], progressive: bool) -> Option<Frame> {
        let &[_precision, height_high, height_low, width_high, width_low, count, ref components @ ..] = data else {
            return None;
        };
        let (components, _) = components.get(..3 * usize::from(count))?.as_chunks::<3>();
        Some(Frame {
            width: u16::from_be_bytes([width_high, width_low]),
            height: u16::from_be_bytes([height_high, height_low]),
            progressive,
            ids: components.iter().map(|component| component[0]).collect(),
            factors: components.iter().map(|[_, both, _]| [usize::from(both >> 4), usize::from(both & 15)]).collect(),
        })
    }

    /// The maximum number of blocks in a unit, horizontally and vertically.
    pub(super) fn most(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.factors.iter().map(|factors| factors[axis]).max().unwrap_or(1).max(1))
    }

    /// How many units there are, across and down.
    pub(super) fn units(&self) -> [usize; 2] {
        let [across, down] = self.most();
        [usize::from(self.width).div_ceil(8 * across), usize::from(self.height).div_ceil(8 * down)]
    }

    /// The header of a picture whose first scan has this many components.
    fn header(&self, orientation: Orientation, scanned: u8) -> Header {
        let ([across, down], [columns, rows]) = (self.most(), self.units());
        // If a block is in several scans, 64 coefficients of 16 bits are stored for it, and a bit for each.
        let kept = match self.progressive || usize::from(scanned) != self.factors.len() {
            true => self.factors.iter().map(|[across, down]| (128 + 8) * (columns * rows * across * down) as u64).sum(),
            false => 0,
        };
        // Rows of blocks of up to four components, before and after upsampling.
        let rows_of_blocks = 512 * (usize::from(self.width) + 8 * across) * down;
        Header {
            width: self.width.into(),
            height: self.height.into(),
            orientation,
            bytes_per_pixel: if self.factors.len() == 1 { 1 } else { 3 },
            decoder: (1 << 20) + rows_of_blocks as u64 + kept,
        }
    }
}
