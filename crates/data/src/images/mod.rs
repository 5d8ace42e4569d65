//! Image folders. Needs the feature `images`.

mod budget;
mod decode;
mod entropy;
mod format;
mod header;
mod jpeg;
mod png;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tensor::{Tensor, escaped, parallel_map};

use self::decode::Wanted;
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{DataError, Result, no_sample};

/// The maximum width and height of a picture in pixels.
const LONGEST_SIDE: u32 = 16_384;

/// A folder of folders of PNG and JPEG pictures, one folder for each class: the layout of torchvision's `ImageFolder`
/// and Keras' `image_dataset_from_directory`.
///
/// Features are uint8, `[batch, height, width, channels]`, with three channels (red, green, blue), or one with
/// [`grayscale`](ImageFolder::grayscale). Targets are int64, `[batch]`, the indices of the
/// [`classes`](ImageFolder::classes). Transparency is dropped, and 16-bit channels become 8-bit. Pictures are decoded
/// on all cores when they are drawn; only their paths are in memory. They are rotated and mirrored by their EXIF data
/// (torchvision and Keras ignore it).
///
/// A truncated or corrupt picture is an error that names the file and the offset; it is never filled with grey. Stray
/// bytes between the segments of a JPEG, which some decoders skip, are errors too. So are pictures that are more than
/// 16,384 pixels wide or high, or that take more than 512 MiB to decode, including the file. All pictures that are
/// decoded at the same time take at most 1 GiB, however many threads there are; others wait. The batch itself takes
/// additional memory, twice its size while it is assembled.
///
/// ```
/// use data::{Dataset, ImageFolder};
///
/// # let folder = std::env::temp_dir().join(format!("image-folder-{}", std::process::id()));
/// # for class in ["cats", "dogs"] {
/// #     std::fs::create_dir_all(folder.join(class)).unwrap();
/// #     image::RgbImage::new(40, 30).save(folder.join(class).join("1.png")).unwrap();
/// # }
/// let pictures = ImageFolder::open(&folder)?.resize(24, 24)?;
/// assert_eq!(pictures.classes(), ["cats", "dogs"]);
/// let batch = pictures.shuffle(1).divide_features(255.0).range(0, 0..2)?;
/// assert_eq!(batch.features.shape(), &[2, 24, 24, 3]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    classes: Vec<String>,
    /// Each picture and the index of its class.
    pictures: Vec<(PathBuf, i64)>,
    size: Size,
    resize: bool,
    grayscale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    height: u32,
    width: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.height, self.width)
    }
}

impl ImageFolder {
    /// Lists the pictures with the extensions `.png`, `.jpg` and `.jpeg`, in the order of the names of folders and
    /// files. All must have the size of the first one, unless [`resize`](ImageFolder::resize) is called.
    ///
    /// # Errors
    /// Returns an error if a folder cannot be read, a class has no pictures, has pictures of other formats (AVIF, BMP,
    /// GIF, HEIC, TIFF, WebP), or the first picture is corrupt, so that its size cannot be determined.
    pub fn open(folder: impl AsRef<Path>) -> Result<ImageFolder> {
        let folder = folder.as_ref();
        let (mut classes, mut pictures) = (Vec::new(), Vec::new());
        for class in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
            let (number, before) = (classes.len() as i64, pictures.len());
            for file in sorted(&class)?.into_iter().filter(|file| file.is_file()) {
                match extension(&file).as_str() {
                    "png" | "jpg" | "jpeg" => pictures.push((file, number)),
                    "avif" | "bmp" | "gif" | "heic" | "tif" | "tiff" | "webp" => {
                        let message = "pictures must be PNG or JPEG; leave others out or convert them";
                        return Err(DataError::dataset(format!("{}: {message}", escaped(&file.display().to_string()))));
                    }
                    _ => {}
                }
            }
            if pictures.len() == before {
                let message = "a class without pictures; .png, .jpg and .jpeg are looked for";
                return Err(DataError::dataset(format!("{}: {message}", escaped(&class.display().to_string()))));
            }
            classes.push(class.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        let Some((first, _)) = pictures.first() else {
            let message = "no pictures; .png, .jpg and .jpeg are looked for in a folder for each class";
            return Err(DataError::dataset(format!("{}: {message}", escaped(&folder.display().to_string()))));
        };
        let size = decode::size(first)?;
        Ok(ImageFolder { classes, pictures, size, resize: false, grayscale: false })
    }

    /// Resizes all pictures to this size, with bilinear interpolation. Reduction uses all pixels, like `antialias` in
    /// `tf.image.resize`. Proportions are not preserved.
    ///
    /// # Errors
    /// Returns an error if height or width is 0 or above 16,384.
    pub fn resize(self, height: usize, width: usize) -> Result<ImageFolder> {
        let side = |side: usize| u32::try_from(side).ok().filter(|side| (1..=LONGEST_SIDE).contains(side));
        let (Some(height_in_range), Some(width_in_range)) = (side(height), side(width)) else {
            let message = format!("resize: {height} × {width} pixels; both must be 1 to {LONGEST_SIDE}");
            return Err(DataError::dataset(message));
        };
        Ok(ImageFolder { size: Size { height: height_in_range, width: width_in_range }, resize: true, ..self })
    }

    /// Converts to one channel, the luminance of ITU-R BT.709: 0.2126 R + 0.7152 G + 0.0722 B.
    #[must_use]
    pub fn grayscale(self) -> ImageFolder {
        ImageFolder { grayscale: true, ..self }
    }

    /// The sorted names of the folders. Targets are their indices.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file of a sample; `None` if there is no such sample.
    pub fn path(&self, sample: usize) -> Option<&Path> {
        self.pictures.get(sample).map(|(path, _)| path.as_path())
    }

    fn channels(&self) -> usize {
        if self.grayscale { 1 } else { 3 }
    }

    fn wanted(&self) -> Wanted {
        Wanted { size: self.size, resize: self.resize, grayscale: self.grayscale }
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn gather(&self, _epoch: u64, samples: &[usize]) -> Result<Batch> {
        let found = samples.iter().map(|&k| self.pictures.get(k).ok_or_else(|| no_sample(k, self.len())));
        let pictures = found.collect::<Result<Vec<_>>>()?;
        // All results are collected first, so that the first of several errors is returned.
        let decoded = parallel_map(pictures.len(), &|k| decode::pixels(&pictures[k].0, self.wanted()));
        let pixels = decoded.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let shape = [samples.len(), self.size.height as usize, self.size.width as usize, self.channels()];
        let targets: Vec<i64> = pictures.iter().map(|(_, class)| *class).collect();
        Batch::new(&Tensor::from_vec(pixels, shape)?, &Tensor::from_vec(targets, [samples.len()])?)
    }
}

/// The content of a folder.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = list().map_err(|source| DataError::file(folder.display().to_string(), "cannot list", source))?;
    paths.sort();
    Ok(paths)
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}
