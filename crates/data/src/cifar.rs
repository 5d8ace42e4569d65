//! The CIFAR-10 and CIFAR-100 data sets of small photographs, from the files of their binary version.
//!
//! A file is a sequence of records: one label (for CIFAR-100 two, the coarse one first), then 1024 bytes each of red,
//! green and blue, row by row from the top. See <https://www.cs.toronto.edu/~kriz/cifar.html>.
//!
//! ```no_run
//! use data::{ArrayDataset, Dataset, cifar};
//!
//! let cifar10 = cifar::load_10_from("cifar-10-batches-bin")?;
//! let train = ArrayDataset::from_tensors(&cifar10.train_images, &cifar10.train_labels)?.divide_features(255.0);
//! assert_eq!(train.range(0, 0..64)?.features.shape(), &[64, 32, 32, 3]);
//! # Ok::<(), data::Error>(())
//! ```

use std::io::Read;
use std::path::Path;

use tensor::Tensor;

use crate::error::{DataError, Result};
use crate::input::Input;
use crate::open::open;

/// CIFAR-10: 50,000 training images and 10,000 test images of [`CLASSES_10`].
#[derive(Clone, Debug)]
pub struct Cifar10 {
    /// Uint8, `[50000, 32, 32, 3]`: red, green and blue.
    pub train_images: Tensor,
    /// Uint8, `[50000]`: the classes 0 to 9.
    pub train_labels: Tensor,
    /// Uint8, `[10000, 32, 32, 3]`.
    pub test_images: Tensor,
    /// Uint8, `[10000]`.
    pub test_labels: Tensor,
}

/// CIFAR-100: 50,000 training images and 10,000 test images of a hundred classes in twenty groups.
#[derive(Clone, Debug)]
pub struct Cifar100 {
    /// Uint8, `[50000, 32, 32, 3]`: red, green and blue.
    pub train_images: Tensor,
    /// Uint8, `[50000]`: the classes 0 to 99, known as fine labels.
    pub train_labels: Tensor,
    /// Uint8, `[50000]`: the groups 0 to 19.
    pub train_coarse_labels: Tensor,
    /// Uint8, `[10000, 32, 32, 3]`.
    pub test_images: Tensor,
    /// Uint8, `[10000]`.
    pub test_labels: Tensor,
    /// Uint8, `[10000]`.
    pub test_coarse_labels: Tensor,
}

/// The names of the classes of CIFAR-10.
pub const CLASSES_10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The training files and the test file.
pub(crate) const FILES_10: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
pub(crate) const FILES_100: [&str; 2] = ["train.bin", "test.bin"];

/// Reads CIFAR-10 from a directory with the files `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
///
/// # Errors
/// Returns an error if a file is missing or empty, does not end with a whole record, has more records than the whole
/// data set (60,000), or a label is not below 10. The message names file, offset and what was expected.
pub fn load_10_from(directory: impl AsRef<Path>) -> Result<Cifar10> {
    load_10(|file| opened(&directory.as_ref().join(file)))
}

/// The same, with a function that opens the files.
pub(crate) fn load_10(mut open: impl FnMut(&str) -> Result<Opened>) -> Result<Cifar10> {
    let (train, test) = FILES_10.split_at(5);
    let mut read = |files: &[&str]| read(&mut open, files, [("label", 10)]);
    let (train_images, [train_labels]) = read(train)?;
    let (test_images, [test_labels]) = read(test)?;
    Ok(Cifar10 { train_images, train_labels, test_images, test_labels })
}

/// Reads CIFAR-100 from a directory with the files `train.bin` and `test.bin`.
///
/// # Errors
/// Returns an error as [`load_10_from`] does. Fine labels must be below 100, coarse labels below 20.
pub fn load_100_from(directory: impl AsRef<Path>) -> Result<Cifar100> {
    load_100(|file| opened(&directory.as_ref().join(file)))
}

/// The same, with a function that opens the files.
pub(crate) fn load_100(mut open: impl FnMut(&str) -> Result<Opened>) -> Result<Cifar100> {
    let mut read = |file| read(&mut open, &[file], [("coarse label", 20), ("fine label", 100)]);
    let (train_images, [train_coarse_labels, train_labels]) = read(FILES_100[0])?;
    let (test_images, [test_coarse_labels, test_labels]) = read(FILES_100[1])?;
    Ok(Cifar100 { train_images, train_labels, train_coarse_labels, test_images, test_labels, test_coarse_labels })
}

/// The name of a file, for messages, and its content.
pub(crate) type Opened = (String, Box<dyn Read>);

fn opened(path: &Path) -> Result<Opened> {
    Ok((path.display().to_string(), Box::new(open(path)?)))
}

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// More than any valid file has. It bounds the memory that an invalid file can use.
const MOST_RECORDS: usize = 60_000;

/// The images of all files and their `N` kinds of labels, given by name and number of classes.
fn read<const N: usize>(
    open: &mut impl FnMut(&str) -> Result<Opened>,
    files: &[&str],
    kinds: [(&str, u8); N],
) -> Result<(Tensor, [Tensor; N])> {
    let (mut images, mut labels) = (Vec::new(), [(); N].map(|()| Vec::new()));
    for file in files {
        read_file(open(file)?, kinds, &mut images, &mut labels)?;
    }
    let count = labels[0].len();
    let images = Tensor::from_vec(images, [count, SIDE, SIDE, 3])?;
    Ok((images, labels.map(Tensor::from)))
}

/// Appends the content of a file: the pixels and labels of its records.
fn read_file<const N: usize>(
    (name, mut file): Opened,
    kinds: [(&str, u8); N],
    images: &mut Vec<u8>,
    labels: &mut [Vec<u8>; N],
) -> Result<()> {
    let record = N + 3 * PLANE;
    let mut input = Input { name: &name, offset: 0, packing: None, reader: &mut *file };
    let mut bytes = Vec::new();
    input.at_most((MOST_RECORDS * record) as u64 + 1, &mut bytes)?;
    if bytes.is_empty() {
        return Err(DataError::format(&name, 0, format!("the file is empty; records of {record} bytes are expected")));
    }
    if bytes.len() > MOST_RECORDS * record {
        let message = format!("the file continues after {MOST_RECORDS} records of {record} bytes");
        return Err(DataError::format(&name, (MOST_RECORDS * record) as u64, message));
    }
    let (count, rest) = (bytes.len() / record, bytes.len() % record);
    if rest != 0 {
        let message =
            format!("the file ends within record {count}, of which {} of {record} bytes are missing", record - rest);
        return Err(DataError::format(&name, bytes.len() as u64, message));
    }
    images.reserve_exact(count * 3 * PLANE);
    for (number, record_bytes) in bytes.chunks_exact(record).enumerate() {
        let (found, planes) = record_bytes.split_at(N);
        for (k, (&label, (kind, classes))) in found.iter().zip(kinds).enumerate() {
            if label >= classes {
                let message = format!("{kind} {label} of record {number}; it must be 0 to {}", classes - 1);
                return Err(DataError::format(&name, (number * record + k) as u64, message));
            }
            labels[k].push(label);
        }
        images.extend((0..PLANE).flat_map(|pixel| [0, 1, 2].map(|colour| planes[colour * PLANE + pixel])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A record whose pixel `p` is `(p % 251, first, p / 32)`.
    fn record(labels: &[u8], first: u8) -> Vec<u8> {
        let red = (0..PLANE).map(|pixel| (pixel % 251) as u8);
        let blue = (0..PLANE).map(|pixel| (pixel / 32) as u8);
        labels.iter().copied().chain(red).chain([first; PLANE]).chain(blue).collect()
    }

    fn directory(test: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("cifar-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn planes_become_pixels_and_files_follow_each_other() {
        let directory = directory("10");
        for k in 1..=5u8 {
            let file = [record(&[k], k), record(&[9], 10 * k)].concat();
            std::fs::write(directory.join(format!("data_batch_{k}.bin")), file).unwrap();
        }
        std::fs::write(directory.join("test_batch.bin"), record(&[0], 77)).unwrap();
        let cifar = load_10_from(&directory).unwrap();
        assert_eq!(cifar.train_images.shape(), &[10, 32, 32, 3]);
        assert_eq!(cifar.test_images.shape(), &[1, 32, 32, 3]);
        assert_eq!(cifar.train_labels.to_vec::<u8>().unwrap(), [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
        assert_eq!(cifar.test_labels.to_vec::<u8>().unwrap(), [0]);
        let images = cifar.train_images.view::<u8>().unwrap();
        // Row 10, column 3 is pixel 323.
        assert_eq!([0, 1, 2].map(|colour| images[[5, 10, 3, colour]]), [72, 30, 10]);
        assert_eq!([0, 1, 2].map(|colour| images[[8, 0, 31, colour]]), [31, 5, 0]);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn coarse_labels_come_before_fine_ones() {
        let directory = directory("100");
        std::fs::write(directory.join("train.bin"), [record(&[19, 99], 1), record(&[3, 4], 2)].concat()).unwrap();
        std::fs::write(directory.join("test.bin"), record(&[7, 60], 3)).unwrap();
        let cifar = load_100_from(&directory).unwrap();
        assert_eq!(cifar.train_coarse_labels.to_vec::<u8>().unwrap(), [19, 3]);
        assert_eq!(cifar.train_labels.to_vec::<u8>().unwrap(), [99, 4]);
        assert_eq!(cifar.test_coarse_labels.to_vec::<u8>().unwrap(), [7]);
        assert_eq!(cifar.test_labels.to_vec::<u8>().unwrap(), [60]);
        assert_eq!(cifar.train_images.view::<u8>().unwrap()[[1, 31, 31, 1]], 2);

        let file = directory.join("train.bin");
        let message = || load_100_from(&directory).unwrap_err().to_string();
        std::fs::write(&file, [record(&[19, 99], 1), record(&[20, 4], 2)].concat()).unwrap();
        let name = file.display();
        assert_eq!(message(), format!("{name}: at byte 3074: coarse label 20 of record 1; it must be 0 to 19"));
        std::fs::write(&file, record(&[19, 100], 1)).unwrap();
        assert_eq!(message(), format!("{name}: at byte 1: fine label 100 of record 0; it must be 0 to 99"));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn broken_files_are_named() {
        let directory = directory("broken");
        let file = directory.join("data_batch_1.bin");
        let name = file.display();
        let message = || load_10_from(&directory).unwrap_err().to_string();
        assert!(message().starts_with(&format!("{name}: cannot open: ")), "{}", message());
        std::fs::write(&file, []).unwrap();
        assert_eq!(message(), format!("{name}: at byte 0: the file is empty; records of 3073 bytes are expected"));
        std::fs::write(&file, [record(&[0], 0), vec![1; 73]].concat()).unwrap();
        assert_eq!(
            message(),
            format!("{name}: at byte 3146: the file ends within record 1, of which 3000 of 3073 bytes are missing")
        );
        std::fs::write(&file, record(&[10], 0)).unwrap();
        assert_eq!(message(), format!("{name}: at byte 0: label 10 of record 0; it must be 0 to 9"));
        // A sparse file: it has a large length but uses no disk space.
        std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(
            message(),
            format!("{name}: at byte 184380000: the file continues after 60000 records of 3073 bytes")
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
