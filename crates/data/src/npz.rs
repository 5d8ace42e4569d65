//! `.npz` files of NumPy: zip archives of `.npy` files, one for each named array.
//!
//! Reads archives of `numpy.savez` and `numpy.savez_compressed`, and writes such archives, with 64-bit sizes if
//! necessary. Names are those given to NumPy, without `.npy`; other files in the archive are ignored.
//!
//! Reading an array takes at most 32 times its unpacked bytes plus 1 MiB, whatever the archive says. The unpacked bytes
//! are at most 1032 times those in the file. Arrays that share bytes of the file are refused, so this bound holds for
//! all of them together.

use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rawzip::path::ZipFilePath;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipArchiveWriter, ZipLocator};
use tensor::{Tensor, escaped};

use crate::atomic::write_atomically;
use crate::byte_source::ByteSource;
use crate::error::{DataError, Error, Result, listed, shown};
use crate::input::Input;
use crate::npy;
use crate::stored::{StoredType, write_elements};

/// Options for writing.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether to compress, like `numpy.savez_compressed`.
    pub compressed: bool,
    /// The type for floating tensors; `None` keeps their own. NumPy has no bfloat16.
    pub floats: Option<StoredType>,
}

/// Reads all arrays with their names, in the order of the file.
///
/// # Errors
/// Returns an error as [`Npz::open`] and [`Npz::tensor`] do.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    Npz::open(path)?.tensors()
}

/// Writes named tensors, [atomically](crate::write_atomically).
///
/// ```
/// use data::npz::{self, Npz, Options};
/// use tensor::tensor;
///
/// let path = std::env::temp_dir().join("doctest.npz");
/// npz::write(&path, &[("x".into(), tensor![1.0, 2.0]), ("y".into(), tensor![3])], &Options::default())?;
/// let file = Npz::open(&path)?;
/// assert_eq!(file.names().collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(file.tensor("x")?.to_vec::<f32>()?, [1.0, 2.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
///
/// # Errors
/// Returns an error, and leaves an existing file unchanged, if two tensors have the same name, a name is not a relative
/// path, `floats` does not fit a tensor, or the file cannot be written.
pub fn write(path: impl AsRef<Path>, tensors: &[(String, Tensor)], options: &Options) -> Result<()> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let mut headers = Vec::with_capacity(tensors.len());
    let mut seen = BTreeSet::new();
    for (name, tensor) in tensors {
        if !seen.insert(name) {
            return Err(DataError::cannot_hold(&file, &format!("two arrays named {}", escaped(name))));
        }
        if ZipFilePath::from_str(name).as_str() != name {
            let message = format!("the name {}: a name is a relative path with / between its parts", shown(name));
            return Err(DataError::cannot_hold(&file, &message));
        }
        let header = npy::header_of(tensor, options.floats);
        headers.push(header.map_err(|what| DataError::cannot_hold(&file, &format!("{what}, in {}", escaped(name))))?);
    }
    let method = if options.compressed { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    write_atomically(path, |out| {
        let mut archive = ZipArchiveWriter::new(out);
        for ((name, tensor), (stored, header)) in tensors.iter().zip(&headers) {
            let start = archive.new_file(format!("{name}.npy")).compression_method(method).start();
            let (mut entry, config) = start.map_err(std::io::Error::other)?;
            let write = |out: &mut dyn Write| {
                out.write_all(header)?;
                write_elements(tensor, *stored, out)
            };
            let descriptor = if options.compressed {
                let mut out = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
                write(&mut out)?;
                let (encoder, descriptor) = out.finish().map_err(std::io::Error::other)?;
                encoder.finish()?;
                descriptor
            } else {
                let mut out = config.wrap(&mut entry);
                write(&mut out)?;
                out.finish().map_err(std::io::Error::other)?.1
            };
            entry.finish(descriptor).map_err(std::io::Error::other)?;
        }
        archive.finish().map(drop).map_err(std::io::Error::other)
    })
}

/// An open `.npz` file whose arrays are read on request.
#[derive(Debug)]
pub struct Npz {
    source: ByteSource,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    method: CompressionMethod,
    wayfinder: ZipArchiveEntryWayfinder,
}

impl Npz {
    /// Opens a file and reads the archive's directory.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or is not a zip archive, two arrays have the same name, arrays
    /// overlap, or an array is encrypted or uses a compression other than deflate.
    pub fn open(path: impl AsRef<Path>) -> Result<Npz> {
        Npz::from_source(ByteSource::open(path.as_ref())?)
    }

    /// Like [`Npz::open`], but from bytes. `name` replaces the file name in messages.
    ///
    /// # Errors
    /// Returns an error as [`Npz::open`] does.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Npz> {
        Npz::from_source(ByteSource::memory(bytes, name))
    }

    fn from_source(source: ByteSource) -> Result<Npz> {
        let mut entries = Vec::new();
        let mut spans = Vec::new();
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let archive = locate(&source)?;
        let mut directory = archive.entries(&mut buffer);
        while let Some(record) = directory.next_entry().map_err(|error| broken(&source, error))? {
            let name = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
            let offset = record.local_header_offset();
            let refused = |what: &str| DataError::format(source.name(), offset, format!("{}: {what}", escaped(&name)));
            let Some(array) = name.strip_suffix(".npy") else { continue };
            let method = record.compression_method();
            if record.flags().is_encrypted() {
                return Err(refused("is encrypted"));
            }
            if method != CompressionMethod::STORE && method != CompressionMethod::DEFLATE {
                return Err(refused("uses a compression other than deflate"));
            }
            let wayfinder = record.wayfinder();
            let entry = archive.get_entry(wayfinder).map_err(|error| broken(&source, error))?;
            spans.push((offset, entry.compressed_data_range().1, name.clone()));
            entries.push(Entry { name: array.to_string(), method, wayfinder });
        }
        spans.sort();
        for pair in spans.windows(2) {
            let [(_, end, first), (start, _, second)] = pair else { unreachable!("windows of two") };
            if start < end {
                let (first, second) = (escaped(first), escaped(second));
                let message = format!("{second} begins before {first} ends, at byte {end}");
                return Err(DataError::format(source.name(), *start, message));
            }
        }
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("there are two arrays named {}", escaped(twice[0]));
            return Err(DataError::format(source.name(), archive.directory_offset(), message));
        }
        Ok(Npz { source, entries })
    }

    /// The names of the arrays, in the order of the archive's directory.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Reads an array by name.
    ///
    /// # Errors
    /// Returns an error if there is no such array, with a list of the names, or its data is corrupt, which its checksum
    /// shows.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.entries.iter().find(|entry| entry.name == name) {
            Some(entry) => self.read(entry),
            None => {
                let names = listed(self.entries.iter().map(|entry| &entry.name));
                let (file, name) = (escaped(self.source.name()), escaped(name));
                Err(DataError::dataset(format!("{file}: has no array {name}; it has {names}")))
            }
        }
    }

    /// Reads all arrays with their names.
    ///
    /// # Errors
    /// Returns an error if the data of an array is corrupt.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.entries.iter().map(|entry| Ok((entry.name.clone(), self.read(entry)?))).collect()
    }

    fn read(&self, entry: &Entry) -> Result<Tensor> {
        let archive = locate(&self.source)?;
        let found = archive.get_entry(entry.wayfinder).map_err(|error| broken(&self.source, error))?;
        let packed = BufReader::with_capacity(1 << 16, found.reader());
        let mut unpacked: Box<dyn Read> = match entry.method {
            CompressionMethod::DEFLATE => Box::new(found.verifying_reader(DeflateDecoder::new(packed))),
            _ => Box::new(found.verifying_reader(packed)),
        };
        let name = format!("{}: {}.npy", self.source.name(), entry.name);
        npy::read_from(&mut Input { name: &name, offset: 0, packing: Some("zip"), reader: &mut unpacked })
    }
}

fn locate(source: &ByteSource) -> Result<ZipArchive<&ByteSource>> {
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let located = ZipLocator::new().locate_in_reader(source, &mut buffer, source.length());
    located.map_err(|(_, error)| broken(source, error))
}

fn broken(source: &ByteSource, error: rawzip::Error) -> Error {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            DataError::file(source.name(), "cannot read", error)
        }
        kind => DataError::format(source.name(), source.length(), format!("the zip archive is broken: {kind}")),
    }
}
