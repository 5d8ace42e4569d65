//! Decoding of one picture.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, Limits, RgbImage};
use tensor::escaped;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::budget::{ALL, MOST, Part};
use super::format::Format;
use super::header::Header;
use super::{LONGEST_SIDE, Size, entropy, png};
use crate::error::{DataError, Error, Result};
use crate::open::open;

/// The requested form of pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) size: Size,
    /// Whether pictures of other sizes are resized.
    pub(super) resize: bool,
    pub(super) grayscale: bool,
}

/// A file in memory with its header.
struct Loaded<'a> {
    name: String,
    bytes: Vec<u8>,
    format: Format,
    header: Header,
    /// The memory for loading and decoding. Declared last, so that it is returned after the bytes are freed.
    _part: Part<'a>,
}

/// The size of a picture in its final orientation.
pub(super) fn size(path: &Path) -> Result<Size> {
    Ok(turned(&load(path, |_| 0)?.header))
}

/// The pixels of a picture, row by row, with one channel or three.
pub(super) fn pixels(path: &Path, wanted: Wanted) -> Result<Vec<u8>> {
    let loaded = load(path, |header| cost(header, wanted))?;
    let found = turned(&loaded.header);
    if found != wanted.size && !wanted.resize {
        let (file, found, size) = (escaped(&loaded.name), found.to_string(), wanted.size);
        let message = "pictures must have the size of the first, or be brought to one by `resize`";
        return Err(DataError::dataset(format!("{file}: {found} pixels, not {size}: {message}")));
    }
    let mut picture = match loaded.format {
        Format::Png => decode_png(&loaded)?,
        Format::Jpeg => decode_jpeg(&loaded)?,
    };
    if found != wanted.size {
        // Resized before it is rotated, because then there are usually fewer pixels to rotate.
        let Size { height, width } = wanted.size;
        let (width, height) = if loaded.header.is_turned() { (height, width) } else { (width, height) };
        picture = picture.resize_exact(width, height, FilterType::Triangle);
    }
    picture.apply_orientation(loaded.header.orientation);
    Ok(if wanted.grayscale { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() })
}

fn turned(header: &Header) -> Size {
    let Header { width, height, .. } = *header;
    if header.is_turned() { Size { height: width, width: height } } else { Size { height, width } }
}

/// The maximum memory for decoding in bytes, without the file.
fn cost(header: &Header, wanted: Wanted) -> u64 {
    let pixels = |height: u32, width: u32| u64::from(height) * u64::from(width);
    let own = pixels(header.height, header.width);
    let decoded = header.decoder + own * header.bytes_per_pixel;
    let result = if wanted.grayscale { 1 } else { 3 };
    if turned(header) == wanted.size {
        let copy_that_is_turned = if header.is_turned() { own * header.bytes_per_pixel } else { 0 };
        return decoded + copy_that_is_turned + own * result;
    }
    let new = turned(&Header { width: wanted.size.width, height: wanted.size.height, ..*header });
    // Resizing works on columns first, with four 32-bit numbers for each pixel.
    let columns = 16 * pixels(new.height, header.width);
    decoded + columns + pixels(new.height, new.width) * (2 * header.bytes_per_pixel + result)
}

/// Reads a file when the memory for it and for decoding it, by `cost`, is available.
fn load(path: &Path, cost: impl Fn(&Header) -> u64) -> Result<Loaded<'static>> {
    let name = path.display().to_string();
    let cannot_read = |source| DataError::file(&name, "cannot read", source);
    let mut file = open(path)?;
    let length = file.metadata().map_err(cannot_read)?.len();
    let too_much = |bytes: u64| {
        let (needed, most) = (bytes.div_ceil(1 << 20), MOST >> 20);
        let message = format!("decoding takes up to {needed} MiB; {most} MiB are allowed");
        Err(DataError::dataset(format!("{}: {message}", escaped(&name))))
    };
    if length > MOST {
        return too_much(length);
    }
    // Enough for most pictures. The exact amount is known after the header was read. It is not allowed to wait for more
    // memory while holding a part, so a larger file is then read a second time.
    let mut needed = (32 * length + (4 << 20)).min(MOST);
    loop {
        let mut part = ALL.take(needed);
        let bytes = read(&mut file, length).map_err(cannot_read)?;
        let (format, header) =
            Header::read(&bytes).map_err(|problem| DataError::format(&name, problem.offset, problem.what))?;
        if header.width.max(header.height) > LONGEST_SIDE {
            let found = Size { height: header.height, width: header.width };
            let message = format!("{found} pixels; {LONGEST_SIDE} are allowed on each side");
            return Err(DataError::dataset(format!("{}: {message}", escaped(&name))));
        }
        needed = bytes.len() as u64 + cost(&header);
        if needed > MOST {
            return too_much(needed);
        }
        if part.shrink_to(needed) {
            return Ok(Loaded { name, bytes, format, header, _part: part });
        }
    }
}

fn read(file: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    file.seek(SeekFrom::Start(0))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode_png(loaded: &Loaded) -> Result<DynamicImage> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(png::CHUNKS);
    let decoder = PngDecoder::with_limits(Cursor::new(&loaded.bytes), limits);
    decoder.and_then(DynamicImage::from_decoder).map_err(|error| cannot_decode(loaded, &error.to_string()))
}

/// Strict decoding, because otherwise corrupt data would be filled with grey. Missing data still would be.
fn decode_jpeg(loaded: &Loaded) -> Result<DynamicImage> {
    let checked = entropy::check(&loaded.bytes);
    let (components, progressive) =
        checked.map_err(|problem| DataError::format(&loaded.name, problem.offset, problem.what))?;
    let wrong = |error: zune_jpeg::errors::DecodeErrors| cannot_decode(loaded, &error.to_string());
    let strict = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&loaded.bytes[..]), strict);
    decoder.decode_headers().map_err(wrong)?;
    // The memory was computed for this frame, so the decoder must not find another one among stray bytes.
    let Header { width, height, .. } = loaded.header;
    let frame = |info: zune_jpeg::ImageInfo| {
        (u32::from(info.width), u32::from(info.height), info.components.into(), info.sof.is_progressive())
    };
    if decoder.info().map(frame) != Some((width, height, components, progressive)) {
        return Err(cannot_decode(loaded, "there are two frame headers"));
    }
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(strict.jpeg_set_out_colorspace(if gray { ColorSpace::Luma } else { ColorSpace::RGB }));
    let pixels = decoder.decode().map_err(wrong)?;
    let picture = match gray {
        true => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    picture.ok_or_else(|| cannot_decode(loaded, "there are fewer pixels than its header says"))
}

fn cannot_decode(loaded: &Loaded, error: &str) -> Error {
    DataError::dataset(format!("{}: cannot decode: {}", escaped(&loaded.name), escaped(error)))
}
