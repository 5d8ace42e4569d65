//! Downloads of known data sets, and of files from lists of mirrors. Needs the feature `download`.
//!
//! Files are stored unchanged in [`cache_folder`] and fetched once. The sizes and SHA-256 sums of all known data sets
//! are checked whenever they are loaded, which takes less time than unpacking them. An invalid file is fetched again.
//! The sums are those that TensorFlow Datasets records for the first mirror of each file.

mod remote;

use std::collections::HashMap;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::cifar::{self, Cifar10, Cifar100, Opened};
use crate::error::{DataError, Result};
use crate::mnist::{self, Mnist};
use crate::open::open;

pub use remote::Remote;

/// Loads [MNIST](crate::mnist) and fetches it if necessary. [`mnist::load`] needs no network.
///
/// # Errors
/// Returns an error if a file cannot be fetched from any mirror or is invalid.
pub fn mnist() -> Result<Mnist> {
    const MIRRORS: [&str; 2] =
        ["https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"];
    const SUMS: [(u64, &str); 4] = [
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ];
    idx_files("mnist", &MIRRORS, SUMS)
}

/// Loads [Fashion-MNIST](crate::fashion_mnist) and fetches it if necessary.
///
/// # Errors
/// Returns an error as [`mnist()`] does.
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
    const SUMS: [(u64, &str); 4] = [
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ];
    idx_files("fashion_mnist", &MIRRORS, SUMS)
}

/// Loads [KMNIST](crate::kmnist) and fetches it if necessary.
///
/// # Errors
/// Returns an error as [`mnist()`] does.
pub fn kmnist() -> Result<Mnist> {
    const SUMS: [(u64, &str); 4] = [
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ];
    idx_files("kmnist", &["http://codh.rois.ac.jp/kmnist/dataset/kmnist"], SUMS)
}

/// Loads [CIFAR-10](cifar) and fetches it if necessary.
///
/// # Errors
/// Returns an error as [`mnist()`] does.
pub fn cifar10() -> Result<Cifar10> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
    let sum = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
    let archive = Remote::new("cifar-10-binary.tar.gz").mirror(url).size(170_052_171).sha256(sum);
    cifar::load_10(unpacked(&archive.fetch(cache_folder()?.join("cifar10"))?, &cifar::FILES_10)?)
}

/// Loads [CIFAR-100](cifar) and fetches it if necessary.
///
/// # Errors
/// Returns an error as [`mnist()`] does.
pub fn cifar100() -> Result<Cifar100> {
    let url = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz";
    let sum = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec";
    let archive = Remote::new("cifar-100-binary.tar.gz").mirror(url).size(168_513_733).sha256(sum);
    cifar::load_100(unpacked(&archive.fetch(cache_folder()?.join("cifar100"))?, &cifar::FILES_100)?)
}

/// The requested files of a gzipped tar archive, in whatever folder they are. Each can be opened once.
fn unpacked(archive: &Path, files: &[&str]) -> Result<impl FnMut(&str) -> Result<Opened>> {
    /// More than any of the files has.
    const LARGEST: u64 = 200_000_000;
    let name = archive.display().to_string();
    let failed = |source| DataError::file(&name, "cannot unpack", source);
    let gzip = BufReader::new(open(archive)?);
    let mut contents = HashMap::new();
    for entry in tar::Archive::new(MultiGzDecoder::new(gzip)).entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let Some(file) = files.iter().find(|file| path.file_name().is_some_and(|name| name == **file)) else {
            continue;
        };
        if entry.size() > LARGEST {
            return Err(DataError::dataset(format!("{name}: {file} has {} bytes; {LARGEST} at most", entry.size())));
        }
        let mut content = Vec::new();
        entry.take(LARGEST).read_to_end(&mut content).map_err(failed)?;
        contents.insert(file.to_string(), content);
    }
    Ok(move |file: &str| match contents.remove(file) {
        Some(content) => Ok((format!("{name}: {file}"), Box::new(Cursor::new(content)) as Box<dyn Read>)),
        None => Err(DataError::dataset(format!("{name}: there is no {file} in the archive"))),
    })
}

/// A data set whose files have these sizes and SHA-256 sums.
fn idx_files(set: &str, mirrors: &[&str], sums: [(u64, &str); 4]) -> Result<Mnist> {
    let folder = cache_folder()?.join(set);
    for (name, (size, sum)) in mnist::NAMES.into_iter().zip(sums) {
        let file = format!("{name}.gz");
        let mut remote = Remote::new(&file).size(size).sha256(sum);
        for mirror in mirrors {
            remote = remote.mirror(format!("{mirror}/{file}"));
        }
        remote.fetch(&folder)?;
    }
    mnist::load_from(folder)
}

/// The folder of downloaded data sets: `facade` in the folder of the environment variable `XDG_CACHE_HOME`, or else in
/// `.cache` in the user's home directory.
///
/// # Errors
/// Returns an error if there is no home directory.
pub fn cache_folder() -> Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let caches = named.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let missing = || DataError::dataset("no folder for downloads: set XDG_CACHE_HOME to an absolute path".into());
    Ok(caches.ok_or_else(missing)?.join("facade"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archived(files: &[(&str, &[u8])], compression: Compression) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), compression));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, *content).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn sets_are_read_from_archives() {
        let archive = std::env::temp_dir().join(format!("archive-{}.tar.gz", std::process::id()));
        let record = |label: u8| [&[label][..], &[label; 3072]].concat();
        let [one, two, three, four, five, six] = [1, 2, 3, 4, 5, 6].map(record);
        // In another order, and among other files.
        let files: [(&str, &[u8]); 7] = [
            ("set/test_batch.bin", &six),
            ("set/readme.html", b"other"),
            ("set/data_batch_3.bin", &three),
            ("set/data_batch_1.bin", &one),
            ("set/data_batch_2.bin", &two),
            ("set/data_batch_5.bin", &five),
            ("set/data_batch_4.bin", &four),
        ];
        let load = |files: &[(&str, &[u8])]| {
            fs::write(&archive, archived(files, Compression::default())).unwrap();
            cifar::load_10(unpacked(&archive, &cifar::FILES_10)?)
        };
        let set = load(&files).unwrap();
        assert_eq!(set.train_labels.to_vec::<u8>().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(set.test_images.to_vec::<u8>().unwrap(), [6; 3072]);
        let name = archive.display();
        let message = load(&files[..6]).unwrap_err().to_string();
        assert_eq!(message, format!("{name}: there is no data_batch_4.bin in the archive"));
        let broken = [&files[..6], &[("set/data_batch_4.bin", &four[1..])]].concat();
        let message = load(&broken).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name}: data_batch_4.bin: at byte 3072: the file ends")), "{message}");
        fs::remove_file(&archive).unwrap();
    }

    #[test]
    fn invalid_archives_are_refused() {
        let archive = std::env::temp_dir().join(format!("broken-{}.tar.gz", std::process::id()));
        // The archive ends within the file.
        let cut = archived(&[("set/wanted.bin", &[7; 100_000])], Compression::none());
        for broken in [&b"<html></html>"[..], &cut[..60_000]] {
            fs::write(&archive, broken).unwrap();
            let message = unpacked(&archive, &["wanted.bin"]).err().expect("an error").to_string();
            assert!(message.starts_with(&format!("{}: cannot unpack: ", archive.display())), "{message}");
        }
        fs::remove_file(&archive).unwrap();
    }
}
