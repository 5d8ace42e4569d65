//! The IDX file format of MNIST, plain or gzipped.
//!
//! A file is big-endian: two zero bytes, a code of the element type, the number of axes, the size of each axis as a
//! 32-bit number, then the elements in row-major order. See <https://yann.lecun.org/exdb/mnist/>.
//!
//! | code | elements | read as |
//! |---|---|---|
//! | 0x08 | unsigned byte | uint8 |
//! | 0x09, 0x0B, 0x0C | signed integer of 8, 16, 32 bits | int64 |
//! | 0x0D | 32-bit float | float32 |
//! | 0x0E | 64-bit float | float64 |

use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tensor::{DType, Tensor, escaped};

use crate::atomic::write_atomically;
use crate::error::{DataError, Result};
use crate::input::Input;
use crate::open::open;
use crate::stored::{ByteOrder, Elements, StoredType};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads an IDX file, gzipped or not.
///
/// Memory grows with the data that is read, whatever the header says: at most 32 times the bytes of the file plus 1
/// MiB. For a gzipped file this refers to the unpacked bytes, of which a hostile file may have 1032 times as many. An
/// int64 tensor takes 8 bytes for each byte of the file.
///
/// # Errors
/// Returns an error if the file cannot be read, is malformed, or is shorter or longer than its header says. The message
/// names file, offset and what was expected.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    decode(BufReader::new(open(path)?), &path.display().to_string())
}

/// Like [`read`], but from bytes. `name` replaces the file name in messages.
///
/// # Errors
/// Returns an error as [`read`] does.
///
/// ```
/// let labels = data::idx::parse(&[0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4], "labels")?;
/// assert_eq!(labels.to_vec::<u8>()?, [5, 0, 4]);
/// # Ok::<(), data::Error>(())
/// ```
pub fn parse(bytes: &[u8], name: &str) -> Result<Tensor> {
    decode(bytes, name)
}

/// Writes a tensor as a plain IDX file: the inverse of [`read`]. Int64 is written with the format's 32 bits.
///
/// # Errors
/// Returns an error if the file cannot be written, the tensor is bool, an integer exceeds 32 bits, there are more than
/// 255 axes, or the size of an axis exceeds 32 bits.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let bytes = encode(tensor, &name)?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// An element type of the format.
#[derive(Clone, Copy)]
struct Code {
    byte: u8,
    stored: StoredType,
}

const CODES: [Code; 6] = [
    Code { byte: 0x08, stored: StoredType::U8 },
    Code { byte: 0x09, stored: StoredType::I8 },
    Code { byte: 0x0B, stored: StoredType::I16 },
    Code { byte: 0x0C, stored: StoredType::I32 },
    Code { byte: 0x0D, stored: StoredType::F32 },
    Code { byte: 0x0E, stored: StoredType::F64 },
];

/// Unpacks and parses a file.
fn decode(mut source: impl std::io::BufRead, name: &str) -> Result<Tensor> {
    let mut magic = [0; 2];
    let mut input = Input { name, offset: 0, packing: None, reader: &mut source };
    input.exactly(&mut magic, "the magic number")?;
    let start = magic.as_slice().chain(source);
    if magic == GZIP_MAGIC {
        parse_plain(&mut MultiGzDecoder::new(start), Some("gzip"), name)
    } else {
        parse_plain(&mut { start }, None, name)
    }
}

fn parse_plain(reader: &mut dyn Read, packing: Option<&'static str>, name: &str) -> Result<Tensor> {
    let mut input = Input { name, offset: 0, packing, reader };
    let mut magic = [0; 4];
    input.exactly(&mut magic, "the magic number")?;
    let [0, 0, byte, rank] = magic else {
        let message = format!("the magic number is {magic:02x?}; IDX files begin with two zero bytes");
        return Err(DataError::format(name, 0, message));
    };
    let Some(code) = CODES.into_iter().find(|code| code.byte == byte) else {
        let message = format!("element type 0x{byte:02x} is not one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e");
        return Err(DataError::format(name, 2, message));
    };
    let mut sizes = vec![0; 4 * usize::from(rank)];
    input.exactly(&mut sizes, &format!("the sizes of {rank} axes"))?;
    let shape: Vec<usize> = sizes.as_chunks().0.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
    // Sizes of 0 must not hide an overflow of the other sizes: strides are products of those.
    let bytes = shape
        .iter()
        .try_fold(code.stored.size_of(), |product, &size| product.checked_mul(size.max(1)))
        .filter(|&bytes| bytes <= isize::MAX as usize / 8)
        .map(|bytes| if shape.contains(&0) { 0 } else { bytes });
    let Some(bytes) = bytes else {
        let sizes = format!("{shape:?}");
        let message = format!("the sizes {} are more than memory can address", escaped(&sizes));
        return Err(DataError::format(name, 4, message));
    };
    let mut elements = Elements::new(code.stored.dtype());
    elements.read(&mut input, bytes as u64, code.stored, ByteOrder::Big)?;
    let mut more = Vec::new();
    input.at_most(1, &mut more)?;
    if !more.is_empty() {
        let sizes = format!("{shape:?}");
        let message =
            format!("the file continues after the {bytes} bytes of elements for its sizes {}", escaped(&sizes));
        return Err(DataError::format(name, input.offset - 1, message));
    }
    elements.into_tensor(shape)
}

fn encode(tensor: &Tensor, name: &str) -> Result<Vec<u8>> {
    let refused = |what: String| DataError::dataset(format!("{name}: an IDX file cannot hold {what}"));
    let (code, elements): (u8, Vec<u8>) = match tensor.dtype() {
        DType::U8 => (0x08, tensor.to_vec()?),
        DType::I64 => {
            let mut bytes = Vec::with_capacity(4 * tensor.size());
            for value in tensor.to_vec::<i64>()? {
                let value =
                    i32::try_from(value).map_err(|_| refused(format!("the integer {value}: 32 bits at most")))?;
                bytes.extend(value.to_be_bytes());
            }
            (0x0C, bytes)
        }
        DType::F32 => (0x0D, tensor.to_vec::<f32>()?.into_iter().flat_map(f32::to_be_bytes).collect()),
        DType::F64 => (0x0E, tensor.to_vec::<f64>()?.into_iter().flat_map(f64::to_be_bytes).collect()),
        DType::Bool => return Err(refused("truth values; cast them to uint8".into())),
    };
    let rank = u8::try_from(tensor.rank()).map_err(|_| refused(format!("{} axes: 255 at most", tensor.rank())))?;
    let mut out = vec![0, 0, code, rank];
    for &size in tensor.shape().iter() {
        let size = u32::try_from(size).map_err(|_| refused(format!("an axis of {size}: 32 bits at most")))?;
        out.extend(size.to_be_bytes());
    }
    out.extend_from_slice(&elements);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn file(code: u8, sizes: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, code, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(elements);
        bytes
    }

    fn message(bytes: &[u8]) -> String {
        parse(bytes, "f").unwrap_err().to_string()
    }

    #[test]
    fn every_type_is_read_plain_and_zipped() {
        let both = |bytes: Vec<u8>| {
            let (plain, zipped) = (parse(&bytes, "f").unwrap(), parse(&gzip(&bytes), "f").unwrap());
            assert_eq!(format!("{plain:?}"), format!("{zipped:?}"));
            format!("{plain:?}")
        };
        assert_eq!(both(file(0x08, &[2], &[1, 255])), "Tensor([  1 255], shape=[2], dtype=uint8)");
        assert_eq!(both(file(0x09, &[2], &[1, 255])), "Tensor([ 1 -1], shape=[2], dtype=int64)");
        assert_eq!(both(file(0x0B, &[2], &[1, 0, 255, 254])), "Tensor([256  -2], shape=[2], dtype=int64)");
        assert_eq!(both(file(0x0C, &[1, 1], &[128, 0, 0, 0])), "Tensor([[-2147483648]], shape=[1, 1], dtype=int64)");
        assert_eq!(both(file(0x0D, &[], &1.5f32.to_be_bytes())), "Tensor(1.5, shape=[], dtype=float32)");
        assert_eq!(both(file(0x0E, &[1], &0.1f64.to_be_bytes())), "Tensor([0.1], shape=[1], dtype=float64)");
        assert_eq!(both(file(0x08, &[0, 3], &[])), "Tensor([], shape=[0, 3], dtype=uint8)");
    }

    #[test]
    fn written_files_round_trip() {
        let path = std::env::temp_dir().join(format!("idx-{}", std::process::id()));
        for x in [
            Tensor::from([[1u8, 2], [3, 255]]).t().unwrap(),
            Tensor::from([-5i64, 1 << 30]),
            Tensor::from([0.1f32, f32::INFINITY]),
            Tensor::from([[0.1f64]]),
            Tensor::scalar(3),
        ] {
            write(&path, &x).unwrap();
            assert_eq!(format!("{:?}", read(&path).unwrap()), format!("{x:?}"));
        }
        let name = path.display();
        let refused = |x: Tensor| write(&path, &x).unwrap_err().to_string();
        assert_eq!(
            refused(Tensor::from([1i64 << 31])),
            format!("{name}: an IDX file cannot hold the integer 2147483648: 32 bits at most")
        );
        assert_eq!(
            refused(Tensor::from([true])),
            format!("{name}: an IDX file cannot hold truth values; cast them to uint8")
        );
        assert_eq!(
            refused(Tensor::zeros(vec![1; 256])),
            format!("{name}: an IDX file cannot hold 256 axes: 255 at most")
        );
        assert_eq!(read(&path).unwrap().item().unwrap(), 3.0, "a refused tensor leaves the file as it was");
        std::fs::remove_file(&path).unwrap();
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("{name}: cannot open: ")), "{missing}");
        let directory = read(std::env::temp_dir()).unwrap_err().to_string();
        assert!(directory.ends_with(": cannot open: it is a folder, not a regular file"), "{directory}");
    }

    #[test]
    fn truncated_files_say_where_they_end() {
        assert_eq!(message(&[]), "f: at byte 0: the file ends within the magic number, of which 2 bytes are missing");
        assert_eq!(
            message(&[0, 0, 8]),
            "f: at byte 3: the file ends within the magic number, of which 1 bytes are missing"
        );
        assert_eq!(
            message(&[0, 0, 8, 2, 0, 0, 0, 1]),
            "f: at byte 8: the file ends within the sizes of 2 axes, of which 4 bytes are missing"
        );
        assert_eq!(
            message(&file(8, &[2, 3], &[1; 5])),
            "f: at byte 17: the file ends after 5 of the 6 bytes of uint8 elements"
        );
    }

    #[test]
    fn wrong_content_is_named() {
        assert_eq!(
            message(b"PK\x03\x04"),
            "f: at byte 0: the magic number is [50, 4b, 03, 04]; IDX files begin with two zero bytes"
        );
        assert_eq!(
            message(&file(0x0A, &[1], &[1])),
            "f: at byte 2: element type 0x0a is not one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e"
        );
        assert_eq!(
            message(&file(8, &[2], &[1; 3])),
            "f: at byte 10: the file continues after the 2 bytes of elements for its sizes [2]"
        );
    }

    #[test]
    fn absurd_sizes_allocate_nothing() {
        let most = u32::MAX;
        let many = message(&file(8, &[most; 255], &[]));
        assert!(many.ends_with(" are more than memory can address") && many.len() < 300, "{many}");
        assert_eq!(
            message(&file(8, &[most, most, most], &[])),
            format!("f: at byte 4: the sizes [{most}, {most}, {most}] are more than memory can address")
        );
        assert_eq!(
            message(&file(8, &[0, most, most, most], &[])),
            format!("f: at byte 4: the sizes [0, {most}, {most}, {most}] are more than memory can address")
        );
        // 128 PiB, which is addressable but not available.
        assert_eq!(
            message(&file(0x0E, &[1 << 27, 1 << 27], &[])),
            "f: at byte 12: the file ends after 0 of the 144115188075855872 bytes of float64 elements"
        );
    }

    #[test]
    fn broken_gzip_and_broken_idx_have_different_errors() {
        let zipped = gzip(&file(8, &[1000], &[7; 1000]));
        assert_eq!(
            message(&zipped[..zipped.len() - 9]),
            "f: at byte 1008: the gzip stream ends early; the file is cut off"
        );
        assert_eq!(message(&zipped[..5]), "f: at byte 0: the gzip stream ends early; the file is cut off");
        let mut damaged = zipped.clone();
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        assert_eq!(
            message(&damaged),
            "f: at byte 1008: the gzip stream is broken: corrupt gzip stream does not have a matching checksum"
        );
        let mut trailing = zipped.clone();
        trailing.extend([1; 20]);
        assert_eq!(message(&trailing), "f: at byte 1008: the gzip stream is broken: invalid gzip header");
        // Unpacks to 100 MB, but only 3 bytes are read.
        let bomb = gzip(&file(8, &[2], &vec![0; 100_000_000]));
        assert!(bomb.len() < 200_000);
        assert_eq!(message(&bomb), "f: at byte 10: the file continues after the 2 bytes of elements for its sizes [2]");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, "f");
            let _ = parse(&[&GZIP_MAGIC[..], &[8, 0], &bytes].concat(), "f");
        }

        #[test]
        fn random_files_are_read_or_refused(
            code in 0u8..16,
            sizes in proptest::collection::vec(prop_oneof![0u32..4, any::<u32>()], 0..5),
            elements in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = file(code, &sizes, &elements);
            match (parse(&bytes, "f"), parse(&gzip(&bytes), "f")) {
                (Ok(plain), Ok(zipped)) => {
                    prop_assert_eq!(plain.shape().to_vec(), sizes.iter().map(|&size| size as usize).collect::<Vec<_>>());
                    prop_assert_eq!(format!("{plain:?}"), format!("{zipped:?}"));
                }
                (Err(plain), Err(zipped)) => prop_assert_eq!(plain.to_string(), zipped.to_string()),
                (plain, zipped) => prop_assert!(false, "{plain:?} {zipped:?}"),
            }
        }
    }
}
