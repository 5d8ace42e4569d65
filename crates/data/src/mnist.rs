//! The MNIST database of handwritten digits.

use std::path::Path;

use tensor::{DType, Tensor};

use crate::error::{DataError, Result};
use crate::idx;

/// 60,000 training images and 10,000 test images of handwritten digits, with their labels.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// Uint8, `[60000, 28, 28]`: 0 is the background, 255 the ink.
    pub train_images: Tensor,
    /// Uint8, `[60000]`: the digits 0 to 9.
    pub train_labels: Tensor,
    /// Uint8, `[10000, 28, 28]`.
    pub test_images: Tensor,
    /// Uint8, `[10000]`.
    pub test_labels: Tensor,
}

pub(crate) const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Returns the data set that is embedded in this library, without files or downloads. It takes 55 MB of memory, and
/// makes a program that calls this function 11 MB larger.
///
/// By Yann LeCun, Corinna Cortes and Christopher J.C. Burges, under CC BY-SA 3.0.
///
/// # Errors
/// Returns an error only if the program is damaged.
///
/// ```
/// use data::{Mnist, mnist};
///
/// let Mnist { train_images, train_labels, .. } = mnist::load()?;
/// assert_eq!(train_images.shape(), &[60_000, 28, 28]);
/// assert_eq!(train_labels.slice(..5)?.to_vec::<u8>()?, [5, 0, 4, 1, 9]);
/// # Ok::<(), data::Error>(())
/// ```
pub fn load() -> Result<Mnist> {
    const FILES: [&[u8]; 4] = [
        include_bytes!("../assets/mnist/train-images-idx3-ubyte.gz"),
        include_bytes!("../assets/mnist/train-labels-idx1-ubyte.gz"),
        include_bytes!("../assets/mnist/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../assets/mnist/t10k-labels-idx1-ubyte.gz"),
    ];
    assemble("the embedded MNIST", |k| idx::parse(FILES[k], NAMES[k]))
}

/// Reads the data set, or one in the same format ([`fashion_mnist`](crate::fashion_mnist), [`kmnist`](crate::kmnist)),
/// from a directory with its four files (`train-images-idx3-ubyte`, …) under their usual names, either gzipped with the
/// suffix `.gz` or plain.
///
/// # Errors
/// Returns an error if a file is missing or malformed (see [`idx::read`]), images are not 28 × 28 bytes, the number of
/// labels is not that of the images, or a label is not below 10.
pub fn load_from(directory: impl AsRef<Path>) -> Result<Mnist> {
    let directory = directory.as_ref();
    assemble(&directory.display().to_string(), |k| {
        let zipped = directory.join(format!("{}.gz", NAMES[k]));
        if zipped.exists() { idx::read(zipped) } else { idx::read(directory.join(NAMES[k])) }
    })
}

fn assemble(place: &str, file: impl Fn(usize) -> Result<Tensor>) -> Result<Mnist> {
    let (train_images, train_labels) = part(place, 0, &file)?;
    let (test_images, test_labels) = part(place, 2, &file)?;
    Ok(Mnist { train_images, train_labels, test_images, test_labels })
}

/// The images in file `first` and the labels in the next one.
fn part(place: &str, first: usize, file: impl Fn(usize) -> Result<Tensor>) -> Result<(Tensor, Tensor)> {
    let wrong = |k: usize, what: String| Err(DataError::dataset(format!("{place}: {}: {what}", NAMES[k])));
    let (images, labels) = (file(first)?, file(first + 1)?);
    if images.dtype() != DType::U8 || !matches!(images.shape()[..], [_, 28, 28]) {
        let (dtype, shape) = (images.dtype(), images.shape());
        return wrong(first, format!("images must be uint8 of shape [count, 28, 28], not {dtype} of shape {shape}"));
    }
    if labels.dtype() != DType::U8 || labels.rank() != 1 {
        let (dtype, shape) = (labels.dtype(), labels.shape());
        return wrong(first + 1, format!("labels must be uint8 of shape [count], not {dtype} of shape {shape}"));
    }
    if images.shape()[0] != labels.size() {
        return wrong(first + 1, format!("{} labels for {} images", labels.size(), images.shape()[0]));
    }
    match labels.view::<u8>()?.iter().enumerate().find(|(_, label)| **label > 9) {
        Some((k, label)) => wrong(first + 1, format!("label {k} is {label}; labels are 0 to 9")),
        None => Ok((images, labels)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(labels: &Tensor) -> Vec<usize> {
        let labels = labels.to_vec::<u8>().unwrap();
        (0..10).map(|digit| labels.iter().filter(|&&label| label == digit).count()).collect()
    }

    fn ink(images: &Tensor) -> u64 {
        images.view::<u8>().unwrap().iter().map(|&x| u64::from(x)).sum()
    }

    // The expected numbers come from Python's `gzip` and `Counter` on the original files.
    #[test]
    fn the_embedded_set_is_the_published_one() {
        let mnist = load().unwrap();
        assert_eq!(mnist.train_images.shape(), &[60_000, 28, 28]);
        assert_eq!(mnist.test_images.shape(), &[10_000, 28, 28]);
        assert_eq!(mnist.train_images.dtype(), DType::U8);
        assert_eq!(counts(&mnist.train_labels), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
        assert_eq!(counts(&mnist.test_labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
        assert_eq!(mnist.train_labels.slice(..5).unwrap().to_vec::<u8>().unwrap(), [5, 0, 4, 1, 9]);
        assert_eq!(mnist.test_labels.slice(9997..).unwrap().to_vec::<u8>().unwrap(), [4, 5, 6]);
        assert_eq!((ink(&mnist.train_images), ink(&mnist.test_images)), (1_567_298_545, 264_923_200));
        assert_eq!(ink(&mnist.train_images.slice(..1).unwrap()), 27_525);
        assert_eq!(mnist.train_images.view::<u8>().unwrap()[[0, 5, 12]], 3);
    }

    #[test]
    fn directories_may_mix_plain_and_zipped_files() {
        let directory = std::env::temp_dir().join(format!("mnist-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let missing = load_from(&directory).unwrap_err().to_string();
        let first = directory.join(NAMES[0]);
        assert!(missing.starts_with(&format!("{}: cannot open: ", first.display())), "{missing}");

        let write = |name: &str, tensor: &Tensor| idx::write(directory.join(name), tensor).unwrap();
        write(NAMES[0], &Tensor::full([2, 28, 28], 7u8));
        write(NAMES[1], &Tensor::from([3u8, 9]));
        write(NAMES[2], &Tensor::full([1, 28, 28], 1u8));
        write(NAMES[3], &Tensor::from([0u8]));
        let mnist = load_from(&directory).unwrap();
        assert_eq!(mnist.train_labels.to_vec::<u8>().unwrap(), [3, 9]);
        assert_eq!(ink(&mnist.test_images), 784);

        let place = directory.display();
        let message = || load_from(&directory).unwrap_err().to_string();
        write(NAMES[1], &Tensor::from([3u8, 10]));
        assert_eq!(message(), format!("{place}: train-labels-idx1-ubyte: label 1 is 10; labels are 0 to 9"));
        write(NAMES[1], &Tensor::from([3u8]));
        assert_eq!(message(), format!("{place}: train-labels-idx1-ubyte: 1 labels for 2 images"));
        write(NAMES[1], &Tensor::from([[3u8]]));
        assert_eq!(
            message(),
            format!(
                "{place}: train-labels-idx1-ubyte: labels must be uint8 of shape [count], not uint8 of shape [1, 1]"
            )
        );
        write(NAMES[0], &Tensor::zeros([2, 28, 28]));
        assert_eq!(
            message(),
            format!(
                "{place}: train-images-idx3-ubyte: images must be uint8 of shape [count, 28, 28], not float32 of shape [2, 28, 28]"
            )
        );
        // A gzipped file is preferred to a plain one.
        let zipped: &[u8] = include_bytes!("../assets/mnist/t10k-labels-idx1-ubyte.gz");
        std::fs::write(directory.join("train-labels-idx1-ubyte.gz"), zipped).unwrap();
        write(NAMES[0], &Tensor::full([2, 28, 28], 7u8));
        assert_eq!(message(), format!("{place}: train-labels-idx1-ubyte: 10000 labels for 2 images"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
