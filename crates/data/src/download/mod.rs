//! Data sets fetched by name, and files from lists of mirrors. Needs the feature `download`.
//!
//! Files are kept in [`cache_folder`] and fetched once. Of MNIST, Fashion-MNIST and CIFAR-10 the sizes
//! of the files are checked, and of all sets the gzip checksums and the content. A SHA-256 sum is checked where a
//! [`Remote`] states one, which those of the known sets do not.

mod remote;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::atomic::write_atomically;
use crate::cifar::{self, Cifar10, Cifar100};
use crate::error::{Error, Result};
use crate::idx;
use crate::mnist::{self, Mnist};

pub use remote::Remote;

/// Fetches [MNIST](crate::mnist), unless it is there already. [`mnist::load`] needs no network.
///
/// # Errors
/// If a file cannot be fetched from any mirror or is not what it should be.
pub fn mnist() -> Result<Mnist> {
    const MIRRORS: [&str; 2] =
        ["https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"];
    idx_files("mnist", &MIRRORS, [Some(9_912_422), Some(28_881), Some(1_648_877), Some(4_542)])
}

/// Fetches [Fashion-MNIST](crate::fashion_mnist), unless it is there already.
///
/// # Errors
/// As [`mnist()`].
///
/// ```no_run
/// let clothes = data::download::fashion_mnist()?;
/// assert_eq!(clothes.train_images.shape(), &[60_000, 28, 28]);
/// # Ok::<(), data::Error>(())
/// ```
pub fn fashion_mnist() -> Result<Mnist> {
    const MIRRORS: [&str; 2] = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    ];
    idx_files("fashion_mnist", &MIRRORS, [Some(26_421_880), Some(29_515), Some(4_422_102), Some(5_148)])
}

/// Fetches [KMNIST](crate::kmnist), unless it is there already.
///
/// # Errors
/// As [`mnist()`].
pub fn kmnist() -> Result<Mnist> {
    idx_files("kmnist", &["http://codh.rois.ac.jp/kmnist/dataset/kmnist"], [None; 4])
}

/// Fetches [CIFAR-10](cifar), unless it is there already.
///
/// # Errors
/// As [`mnist()`].
pub fn cifar10() -> Result<Cifar10> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
    let archive = Remote::new("cifar-10-binary.tar.gz").mirror(url).size(170_052_171);
    cifar::load_10_from(unpacked(&archive, "cifar10", &cifar::FILES_10)?)
}

/// Fetches [CIFAR-100](cifar), unless it is there already.
///
/// # Errors
/// As [`mnist()`].
pub fn cifar100() -> Result<Cifar100> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz";
    let archive = Remote::new("cifar-100-binary.tar.gz").mirror(url);
    cifar::load_100_from(unpacked(&archive, "cifar100", &cifar::FILES_100)?)
}

/// The folder of a set that has these files, which come in an archive.
fn unpacked(archive: &Remote, set: &str, files: &[&str]) -> Result<PathBuf> {
    let folder = cache_folder()?.join(set);
    if !files.iter().all(|file| folder.join(file).is_file()) {
        let path = archive.clone().check(|path| unpack(path, None, &[])).fetch(&folder)?;
        // The archive stays: another process may be at it.
        unpack(&path, Some(&folder), files)?;
    }
    Ok(folder)
}

/// Goes through a gzipped tar archive to its end, where the checksum is, and writes those of these files that are in
/// it, whatever their folders in it are.
fn unpack(archive: &Path, into: Option<&Path>, files: &[&str]) -> Result<()> {
    /// Above what any of the files has.
    const LARGEST: u64 = 200_000_000;
    let name = archive.display().to_string();
    let failed = |source| Error::file(&name, "cannot unpack", source);
    let unpacked = MultiGzDecoder::new(BufReader::new(File::open(archive).map_err(failed)?));
    let mut tar = tar::Archive::new(unpacked);
    for entry in tar.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let Some(file) = files.iter().find(|file| path.file_name().is_some_and(|name| name == **file)) else {
            continue;
        };
        if entry.size() > LARGEST {
            return Err(Error::Dataset(format!("{name}: {file} has {} bytes; {LARGEST} at most", entry.size())));
        }
        if let Some(folder) = into {
            write_atomically(folder.join(file), |out| io::copy(&mut entry.take(LARGEST), out).map(drop))?;
        }
    }
    io::copy(&mut tar.into_inner(), &mut io::sink()).map(drop).map_err(failed)
}

fn idx_files(set: &str, mirrors: &[&str], sizes: [Option<u64>; 4]) -> Result<Mnist> {
    let folder = cache_folder()?.join(set);
    for (name, size) in mnist::NAMES.into_iter().zip(sizes) {
        let file = format!("{name}.gz");
        let mut remote = Remote::new(&file).check(|path| idx::read(path).map(drop));
        for mirror in mirrors {
            remote = remote.mirror(format!("{mirror}/{file}"));
        }
        if let Some(size) = size {
            remote = remote.size(size);
        }
        remote.fetch(&folder)?;
    }
    mnist::load_from(folder)
}

/// Where data sets are kept: `facade` in the folder that the environment variable `XDG_CACHE_HOME` names, or in `.cache` in
/// the user's home.
///
/// # Errors
/// If the user has no home.
pub fn cache_folder() -> Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let caches = named.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let missing = || Error::Dataset("no folder for downloads: set XDG_CACHE_HOME to an absolute path".into());
    Ok(caches.ok_or_else(missing)?.join("facade"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn named_files_are_taken_from_archives_and_broken_ones_refused() {
        let folder = std::env::temp_dir().join(format!("unpack-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (path, content) in [("set/wanted.bin", "wanted"), ("set/readme.html", "other")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        let archive = folder.join("set.tar.gz");
        fs::write(&archive, &bytes).unwrap();
        unpack(&archive, Some(&folder), &["wanted.bin"]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("wanted.bin")).unwrap(), "wanted");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

        let message = |bytes: &[u8]| {
            fs::write(&archive, bytes).unwrap();
            unpack(&archive, None, &[]).unwrap_err().to_string()
        };
        let start = format!("{}: cannot unpack: ", archive.display());
        let mut damaged = bytes.clone();
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        for broken in [&bytes[..bytes.len() - 20], b"<html></html>", &damaged] {
            assert!(message(broken).starts_with(&start), "{}", message(broken));
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
