//! Folders of pictures. Needs the feature `images`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{ImageReader, Limits};
use rayon::prelude::*;
use tensor::{Tensor, parallel_section};

use crate::batch::Batch;
use crate::dataset::{Dataset, no_sample};
use crate::error::{Error, Result};

/// The most pixels that a picture may be wide or high.
const LONGEST_SIDE: u32 = 16_384;
/// What decoding a picture may take, in bytes: a small file can unpack to more than any memory.
const MOST_MEMORY: u64 = 256 << 20;

/// A folder of folders of PNG and JPEG pictures, one folder for each class: the layout of torchvision's `ImageFolder`
/// and Keras' `image_dataset_from_directory`.
///
/// Features are uint8, `[batch, height, width, channels]`, of three channels (red, green, blue) unless
/// [`grayscale`](ImageFolder::grayscale) is asked for; targets int64, `[batch]`, the numbers of the
/// [`classes`](ImageFolder::classes). Transparency is left out, 16 bits a channel become 8. Pictures are decoded when they
/// are drawn, on all cores; only their paths are in memory. One that is more than 16,384 pixels wide or high, or
/// takes more than 256 MiB to decode, is refused.
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
    /// Each picture and the number of its class.
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

impl ImageFolder {
    /// The pictures whose names end with `.png`, `.jpg` or `.jpeg`, in the order of the names of folders and files.
    /// All must have the size of the first, unless [`resize`](ImageFolder::resize) is asked for.
    ///
    /// # Errors
    /// If a folder cannot be read, a class has no pictures or some of another format (AVIF, BMP, GIF, HEIC, TIFF,
    /// WebP), or the size of the first one cannot be found.
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
                        return Err(Error::Dataset(format!("{}: {message}", file.display())));
                    }
                    _ => {}
                }
            }
            if pictures.len() == before {
                let message = "a class without pictures; .png, .jpg and .jpeg are looked for";
                return Err(Error::Dataset(format!("{}: {message}", class.display())));
            }
            classes.push(class.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        let Some((first, _)) = pictures.first() else {
            let message = "no pictures; .png, .jpg and .jpeg are looked for in a folder for each class";
            return Err(Error::Dataset(format!("{}: {message}", folder.display())));
        };
        let (width, height) = reader(first)?.into_dimensions().map_err(|error| cannot_decode(first, &error))?;
        let size = Size { height, width };
        Ok(ImageFolder { classes, pictures, size, resize: false, grayscale: false })
    }

    /// Brings all pictures to this size: bilinearly, from all pixels where they become smaller (`antialias` in
    /// `tf.image.resize`), and without keeping their proportions.
    ///
    /// # Errors
    /// If height or width is 0 or above 16,384.
    pub fn resize(self, height: usize, width: usize) -> Result<ImageFolder> {
        let side = |side: usize| u32::try_from(side).ok().filter(|side| (1..=LONGEST_SIDE).contains(side));
        let (Some(height_in_range), Some(width_in_range)) = (side(height), side(width)) else {
            let message = format!("resize: {height} × {width} pixels; both must be 1 to {LONGEST_SIDE}");
            return Err(Error::Dataset(message));
        };
        Ok(ImageFolder { size: Size { height: height_in_range, width: width_in_range }, resize: true, ..self })
    }

    /// Gives one channel instead of three: the luminance of ITU-R BT.709, 0.2126 R + 0.7152 G + 0.0722 B.
    #[must_use]
    pub fn grayscale(self) -> ImageFolder {
        ImageFolder { grayscale: true, ..self }
    }

    /// The names of the folders, sorted; targets count them from 0.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file of a sample, or none if there are not so many.
    pub fn path(&self, sample: usize) -> Option<&Path> {
        self.pictures.get(sample).map(|(path, _)| path.as_path())
    }

    fn channels(&self) -> usize {
        if self.grayscale { 1 } else { 3 }
    }

    fn decode(&self, path: &Path) -> Result<Vec<u8>> {
        let Size { height, width } = self.size;
        let mut picture = reader(path)?.decode().map_err(|error| cannot_decode(path, &error))?;
        if (picture.height(), picture.width()) != (height, width) {
            if !self.resize {
                let (path, found) = (path.display(), format!("{} × {}", picture.height(), picture.width()));
                let message = "pictures must have the size of the first, or be brought to one by `resize`";
                return Err(Error::Dataset(format!("{path}: {found} pixels, not {height} × {width}: {message}")));
            }
            picture = picture.resize_exact(width, height, FilterType::Triangle);
        }
        Ok(if self.grayscale { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() })
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn gather(&self, _pass: u64, samples: &[usize]) -> Result<Batch> {
        let found = samples.iter().map(|&k| self.pictures.get(k).ok_or_else(|| no_sample(k, self.len())));
        let pictures = found.collect::<Result<Vec<_>>>()?;
        // Collected before errors are looked at, so that of several the first is given.
        let decode = || pictures.par_iter().map(|(path, _)| self.decode(path)).collect();
        let decoded: Vec<Result<Vec<u8>>> = parallel_section(decode);
        let pixels = decoded.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let shape = [samples.len(), self.size.height as usize, self.size.width as usize, self.channels()];
        let targets: Vec<i64> = pictures.iter().map(|(_, class)| *class).collect();
        Batch::new(&Tensor::from_vec(pixels, shape)?, &Tensor::from_vec(targets, [samples.len()])?)
    }
}

/// What is in a folder.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = list().map_err(|source| Error::file(folder.display().to_string(), "cannot list", source))?;
    paths.sort();
    Ok(paths)
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// A reader that goes by the content, whatever the file is called.
fn reader(path: &Path) -> Result<ImageReader<io::BufReader<fs::File>>> {
    let opened = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut reader = opened.map_err(|source| Error::file(path.display().to_string(), "cannot open", source))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    Ok(reader)
}

fn cannot_decode(path: &Path, error: &image::ImageError) -> Error {
    Error::Dataset(format!("{}: cannot decode: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("images-{test}-{}", std::process::id()));
        for class in ["b", "a"] {
            fs::create_dir_all(folder.join(class)).unwrap();
        }
        folder
    }

    #[test]
    fn classes_and_pictures_are_sorted_and_decoded_to_channels() {
        let folder = folder("sorted");
        RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 7])).save(folder.join("b/2.png")).unwrap();
        GrayImage::from_pixel(3, 2, Luma([9])).save(folder.join("b/1.PNG")).unwrap();
        RgbaImage::from_pixel(3, 2, Rgba([255, 0, 0, 3])).save(folder.join("a/x.png")).unwrap();
        fs::write(folder.join("a/notes.txt"), "not a picture").unwrap();
        let pictures = ImageFolder::open(&folder).unwrap();
        assert_eq!((pictures.classes(), pictures.len()), (&["a".to_string(), "b".into()][..], 3));
        assert_eq!(pictures.path(1), Some(folder.join("b/1.PNG").as_path()));
        let batch = pictures.gather(0, &[2, 0, 1]).unwrap();
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [1, 0, 1]);
        assert_eq!(batch.features.shape(), &[3, 2, 3, 3]);
        let features = batch.features.view::<u8>().unwrap();
        assert_eq!([0, 1, 2].map(|channel| features[[0, 1, 2, channel]]), [2, 1, 7]);
        assert_eq!([0, 1, 2].map(|channel| features[[1, 0, 0, channel]]), [255, 0, 0]);
        assert_eq!([0, 1, 2].map(|channel| features[[2, 0, 0, channel]]), [9, 9, 9]);
        let gray = pictures.clone().grayscale().gather(0, &[0]).unwrap().features;
        assert_eq!((gray.shape(), gray.to_vec::<u8>().unwrap()[0]), (&[1, 2, 3, 1].into(), 54));
        assert_eq!(pictures.gather(0, &[]).unwrap().features.shape(), &[0, 2, 3, 3]);
        assert_eq!(pictures.gather(0, &[3]).unwrap_err().to_string(), "there is no sample 3 among 3");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn other_sizes_are_refused_or_resized() {
        let folder = folder("sizes");
        RgbImage::from_pixel(4, 2, Rgb([10, 20, 30])).save(folder.join("a/1.png")).unwrap();
        // The left half 0, the right half 200.
        let other = folder.join("b/2.png");
        GrayImage::from_fn(4, 4, |x, _| Luma([if x < 2 { 0 } else { 200 }])).save(&other).unwrap();
        let pictures = ImageFolder::open(&folder).unwrap();
        assert_eq!(
            pictures.range(0, 0..2).unwrap_err().to_string(),
            format!(
                "{}: 4 × 4 pixels, not 2 × 4: pictures must have the size of the first, or be brought to one by `resize`",
                other.display()
            )
        );
        let resized = pictures.clone().resize(1, 2).unwrap().grayscale().range(0, 1..2).unwrap().features;
        // Triangles of half-width 2 about 1 and 3: weights 3 3 1 of 7 on columns 0, 1, 2 (and the same mirrored).
        assert_eq!(resized.to_vec::<u8>().unwrap(), [29, 171]);
        let refused = |height, width| pictures.clone().resize(height, width).unwrap_err().to_string();
        assert_eq!(refused(0, 5), "resize: 0 × 5 pixels; both must be 1 to 16384");
        assert_eq!(refused(5, 1 << 40), "resize: 5 × 1099511627776 pixels; both must be 1 to 16384");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn broken_and_absurd_files_are_named() {
        let folder = folder("broken");
        let message = || ImageFolder::open(&folder).and_then(|all| all.range(0, 0..1)).unwrap_err().to_string();
        assert_eq!(
            message(),
            format!("{}: a class without pictures; .png, .jpg and .jpeg are looked for", folder.join("a").display())
        );
        let strange = folder.join("a/1.WebP");
        fs::write(&strange, "").unwrap();
        assert_eq!(
            message(),
            format!("{}: pictures must be PNG or JPEG; leave others out or convert them", strange.display())
        );
        fs::remove_file(&strange).unwrap();
        fs::remove_dir(folder.join("b")).unwrap();
        let file = folder.join("a/1.jpg");
        let broken = || format!("{}: cannot decode: ", file.display());
        fs::write(&file, "<html>not found</html>").unwrap();
        assert!(message().starts_with(&broken()), "{}", message());
        RgbImage::new(16, 16).save(&file).unwrap();
        assert_eq!(ImageFolder::open(&folder).unwrap().range(0, 0..1).unwrap().features.shape(), &[1, 16, 16, 3]);
        let mut jpeg = fs::read(&file).unwrap();
        fs::write(&file, &jpeg[..30]).unwrap();
        assert!(message().starts_with(&broken()), "{}", message());
        // The frame header: marker, length, precision, height, width.
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        fs::write(&file, &jpeg).unwrap();
        assert_eq!(message(), broken() + "Image size exceeds limit");
        fs::create_dir(folder.join("empty")).unwrap();
        let empty = ImageFolder::open(folder.join("empty")).unwrap_err().to_string();
        let expected = "no pictures; .png, .jpg and .jpeg are looked for in a folder for each class";
        assert_eq!(empty, format!("{}: {expected}", folder.join("empty").display()));
        let missing = ImageFolder::open(folder.join("c")).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("{}: cannot list: ", folder.join("c").display())), "{missing}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
