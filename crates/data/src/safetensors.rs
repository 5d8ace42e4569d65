//! Safetensors files: named tensors and string metadata.
//!
//! A file has a 64-bit little-endian length, a JSON header of this length, and the elements, little-endian and
//! row-major, without gaps: <https://github.com/huggingface/safetensors>. The JSON may be padded with spaces; as in the
//! format's own library, padding with NUL bytes is an error. [`StoredType`] lists the resulting element types. Complex
//! numbers and types with less than a byte per element are not supported.
//!
//! Opening a file takes at most 32 times the bytes of its header, which may have 100 MB; reading a tensor takes at most
//! 32 times the bytes of its elements plus 1 MiB, whatever the header says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use tensor::{Shape, Tensor, escaped};

use crate::atomic::write_atomically;
use crate::byte_source::ByteSource;
use crate::error::{DataError, Result, listed, shown};
use crate::stored::{ByteOrder, StoredType, byte_count, read_tensor, stored_as, write_elements};

/// The maximum length of the header, as in the format's own library.
const MOST: u64 = 100_000_000;

/// The key of the metadata in the header.
const METADATA: &str = "__metadata__";

/// The names of element types in the format.
const NAMES: [(&str, StoredType); 13] = [
    ("F16", StoredType::F16),
    ("BF16", StoredType::Bf16),
    ("F32", StoredType::F32),
    ("F64", StoredType::F64),
    ("I8", StoredType::I8),
    ("I16", StoredType::I16),
    ("I32", StoredType::I32),
    ("I64", StoredType::I64),
    ("U8", StoredType::U8),
    ("U16", StoredType::U16),
    ("U32", StoredType::U32),
    ("U64", StoredType::U64),
    ("BOOL", StoredType::Bool),
];

/// Options for writing.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The metadata: any keys and strings.
    pub metadata: BTreeMap<String, String>,
    /// The type for floating tensors; `None` keeps their own.
    pub floats: Option<StoredType>,
}

/// Reads all tensors with their names, in the order of the file.
///
/// # Errors
/// Returns an error as [`Safetensors::open`] and [`Safetensors::tensor`] do.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    Safetensors::open(path)?.tensors()
}

/// Writes named tensors, [atomically](crate::write_atomically) and without copying them all. Tensors with larger
/// elements come first, so that every tensor is aligned to its element size.
///
/// ```
/// use data::safetensors::{self, Options, Safetensors};
/// use tensor::tensor;
///
/// let path = std::env::temp_dir().join("doctest.safetensors");
/// let metadata = [("model_version".to_string(), "3".to_string())].into();
/// let options = Options { metadata, ..Options::default() };
/// safetensors::write(&path, &[("x".into(), tensor![1.0, 2.0]), ("y".into(), tensor![3])], &options)?;
///
/// let file = Safetensors::open(&path)?;
/// assert_eq!(file.metadata()["model_version"], "3");
/// assert_eq!(file.tensor("x")?.to_vec::<f32>()?, [1.0, 2.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// Returns an error, and leaves an existing file unchanged, if two tensors have the same name or one is named
/// `__metadata__`, `floats` does not fit a tensor, or the file cannot be written.
pub fn write(path: impl AsRef<Path>, tensors: &[(String, Tensor)], options: &Options) -> Result<()> {
    let path = path.as_ref();
    let refused = |what: String| DataError::cannot_hold(&path.display().to_string(), &what);
    let mut seen = BTreeSet::from([METADATA]);
    let mut parts = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        if !seen.insert(name) {
            return Err(refused(format!("two entries named {}", escaped(name))));
        }
        let stored =
            stored_as(tensor, options.floats).map_err(|what| refused(format!("{what}, in {}", escaped(name))))?;
        parts.push((name, tensor, stored));
    }
    parts.sort_by_key(|(_, _, stored)| std::cmp::Reverse(stored.size_of()));
    let header = header_of(&parts, &options.metadata)?;
    if header.len() as u64 > MOST {
        return Err(refused(format!("a header of {} bytes; {MOST} are allowed", header.len())));
    }
    write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        parts.iter().try_for_each(|(_, tensor, stored)| write_elements(tensor, *stored, file))
    })
}

fn header_of(parts: &[(&String, &Tensor, StoredType)], metadata: &BTreeMap<String, String>) -> Result<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut fields = Vec::with_capacity(parts.len() + 1);
    if !metadata.is_empty() {
        let notes: Vec<String> =
            metadata.iter().map(|(key, note)| format!("{}:{}", quoted(key), quoted(note))).collect();
        fields.push(format!("\"{METADATA}\":{{{}}}", notes.join(",")));
    }
    let mut begin = 0;
    for (name, tensor, stored) in parts {
        let dtype = NAMES.iter().find(|(_, known)| known == stored).map_or("", |(name, _)| name);
        let sizes: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
        let end = begin + byte_count(tensor.shape(), *stored)?;
        let (name, shape) = (quoted(name), sizes.join(","));
        fields.push(format!("{name}:{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}"));
        begin = end;
    }
    let mut header = format!("{{{}}}", fields.join(","));
    // Pads the header, so that the elements begin at a multiple of 8 bytes.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}

/// An open safetensors file whose tensors are read on request.
#[derive(Debug)]
pub struct Safetensors {
    source: ByteSource,
    metadata: BTreeMap<String, String>,
    /// In the order of the file.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    stored: StoredType,
    shape: Shape,
    /// The offset of the elements.
    offset: u64,
}

impl Safetensors {
    /// Opens a file, and reads and checks its header.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or is malformed: if the header is too long or not JSON, a name is
    /// used twice, a type is unknown, sizes and offsets contradict each other, or elements overlap, belong to no tensor
    /// or are missing. The message names file, offset and what was expected.
    pub fn open(path: impl AsRef<Path>) -> Result<Safetensors> {
        Safetensors::from_source(ByteSource::open(path.as_ref())?)
    }

    /// Like [`Safetensors::open`], but from bytes. `name` replaces the file name in messages.
    ///
    /// # Errors
    /// Returns an error as [`Safetensors::open`] does.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Safetensors> {
        Safetensors::from_source(ByteSource::memory(bytes, name))
    }

    fn from_source(source: ByteSource) -> Result<Safetensors> {
        let text = source.input_at(0, |input| {
            let mut length = [0; 8];
            input.exactly(&mut length, "the length of the header")?;
            let number = u64::from_le_bytes(length);
            if number > MOST {
                // Recognizes zip archives and pickles by their first bytes.
                let message = if length.starts_with(b"PK\x03\x04") || length.starts_with(b"\x80") {
                    "this is not a safetensors file, but looks like one of `torch.save`; in Python, \
                     `safetensors.torch.save_file(state_dict, \"model.safetensors\")` writes its tensors as safetensors"
                        .into()
                } else {
                    format!("a header of {number} bytes is more than the {MOST} that are allowed")
                };
                return Err(DataError::format(input.name, 0, message));
            }
            let length = number;
            let mut text = Vec::new();
            input.at_most(length, &mut text)?;
            if (text.len() as u64) < length {
                let missing = length - text.len() as u64;
                let message = format!("the file ends within the header, of which {missing} bytes are missing");
                return Err(DataError::format(input.name, input.offset, message));
            }
            Ok(text)
        })?;
        let json = text.trim_ascii_end();
        if json.ends_with(b"\0") {
            let count = json.iter().rev().take_while(|&&byte| byte == 0).count();
            let message = format!(
                "the header is padded with NUL bytes, {count} from here on; the format allows spaces (0x20) only"
            );
            return Err(DataError::format(source.name(), 8 + (json.len() - count) as u64, message));
        }
        let header: Header = serde_json::from_slice(json).map_err(|error| {
            let lines = text.split(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
            let place = lines.map(|line| line.len() + 1).sum::<usize>() + error.column().saturating_sub(1);
            DataError::format(
                source.name(),
                8 + place as u64,
                format!("the header is wrong: {}", escaped(&error.to_string())),
            )
        })?;
        let entries = checked(header.tensors, 8 + text.len() as u64, &source)?;
        Ok(Safetensors { source, metadata: header.metadata, entries })
    }

    /// The metadata of the file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of the tensors, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The shape of a tensor and the element type in the file.
    ///
    /// # Errors
    /// Returns an error if there is no such tensor.
    pub fn info(&self, name: &str) -> Result<(&Shape, StoredType)> {
        self.entry(name).map(|entry| (&entry.shape, entry.stored))
    }

    /// Reads a tensor by name.
    ///
    /// # Errors
    /// Returns an error if there is no such tensor, with a list of the names, the file cannot be read, or an integer
    /// exceeds int64.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.read(self.entry(name)?)
    }

    /// Reads all tensors with their names.
    ///
    /// # Errors
    /// Returns an error as [`Safetensors::tensor`] does.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.entries.iter().map(|entry| Ok((entry.name.clone(), self.read(entry)?))).collect()
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let names = listed(self.entries.iter().map(|entry| &entry.name));
            let (file, name) = (escaped(self.source.name()), escaped(name));
            DataError::dataset(format!("{file}: has no tensor {name}; it has {names}"))
        })
    }

    fn read(&self, entry: &Entry) -> Result<Tensor> {
        self.source.input_at(entry.offset, |input| read_tensor(input, &entry.shape, entry.stored, ByteOrder::Little))
    }
}

/// Sorts the entries by offset, and checks that their elements fill the file after `start` exactly.
fn checked(tensors: Vec<(String, Field)>, start: u64, source: &ByteSource) -> Result<Vec<Entry>> {
    let wrong = |offset: u64, message: String| Err(DataError::format(source.name(), offset, message));
    let length = source.length() - start;
    let mut fields: Vec<(String, Field)> = tensors;
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(twice) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return wrong(8, format!("there are two tensors named {}", escaped(&twice[0].0)));
    }
    fields.sort_by_key(|(_, field)| field.data_offsets);
    let mut entries = Vec::with_capacity(fields.len());
    let mut end = 0;
    for (original, field) in fields {
        let name = escaped(&original);
        let Some((_, stored)) = NAMES.iter().find(|(known, _)| *known == field.dtype) else {
            let known = NAMES.map(|(known, _)| known).join(", ");
            return wrong(8, format!("{name}: the element type {} is not one of {known}", shown(&field.dtype)));
        };
        let shape = Shape::from(field.shape);
        let bytes = match byte_count(&shape, *stored) {
            Ok(bytes) => bytes,
            Err(_) => {
                let shape = shape.to_string();
                return wrong(8, format!("{name}: the shape {} is larger than memory can address", escaped(&shape)));
            }
        };
        let [from, to] = field.data_offsets;
        if to.checked_sub(from) != Some(bytes) {
            let shape = shape.to_string();
            let wanted = format!("{stored} {} calls for {bytes} bytes between them", escaped(&shape));
            return wrong(8, format!("{name}: data_offsets [{from}, {to}]; {wanted}"));
        }
        if to > length {
            return wrong(start + length, format!("the file ends before {name} does, at {}", start + to));
        }
        if from < end {
            return wrong(start + from, format!("{name} overlaps the tensor before it, which ends at {}", start + end));
        }
        if from > end {
            return wrong(start + end, format!("{} bytes before {name} belong to no tensor", from - end));
        }
        entries.push(Entry { name: original, stored: *stored, shape, offset: start + from });
        end = to;
    }
    if end < length {
        return wrong(start + end, format!("the last {} bytes belong to no tensor", length - end));
    }
    Ok(entries)
}

/// The entry of a tensor in the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `dtype`, `shape` and `data_offsets`")]
struct Field {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The header, as a list: a map would hide a name that is used twice.
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, Field)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Header, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object with an entry for each tensor")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Header, M::Error> {
                let mut header = Header { metadata: BTreeMap::new(), tensors: Vec::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        header.metadata = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
