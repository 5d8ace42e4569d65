//! Random augmentation of images.

mod image;
mod mixup;

use std::ops::Range;

use tensor::{DType, Generator, Tensor};

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{DataError, Result};
use crate::random;
use image::Image;

pub use mixup::MixUp;
pub(crate) use mixup::Mixed;

/// Random changes of images, applied in the order in which they are added: see [`Dataset::augment`].
///
/// Features must be images, `[batch, height, width, channels]`, and become float32. The random numbers of an image
/// depend only on the seed, the epoch and the index of the image. Pixels from outside an image are 0.
///
/// ```
/// use data::{ArrayDataset, Augmentation, Dataset};
/// use tensor::Tensor;
///
/// let images = ArrayDataset::from_tensors(&Tensor::ones([10, 32, 32, 3]), &Tensor::zeros([10]))?;
/// let train = images.augment(Augmentation::new(1).flip_horizontal(0.5).pad_crop(4).rotate(10.0).noise(0.01))?;
/// assert_eq!(train.range(0, 0..4)?.features.shape(), &[4, 32, 32, 3]);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    seed: u64,
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    FlipHorizontal(f64),
    FlipVertical(f64),
    Crop(usize, usize),
    PadCrop(usize),
    Shift(f64, f64),
    Rotate(f64),
    Noise(f64),
    Brightness(f64),
    Contrast(f64),
    Cutout(usize),
}

impl Augmentation {
    /// No changes. The changes that are added draw their random numbers from this seed.
    pub fn new(seed: u64) -> Augmentation {
        Augmentation { seed, changes: Vec::new() }
    }

    /// Mirrors left to right with this probability.
    #[must_use]
    pub fn flip_horizontal(self, probability: f64) -> Augmentation {
        self.with(Change::FlipHorizontal(probability))
    }

    /// Mirrors top to bottom with this probability.
    #[must_use]
    pub fn flip_vertical(self, probability: f64) -> Augmentation {
        self.with(Change::FlipVertical(probability))
    }

    /// Crops to this size at a random position.
    #[must_use]
    pub fn crop(self, height: usize, width: usize) -> Augmentation {
        self.with(Change::Crop(height, width))
    }

    /// Pads each side with `pixels` zeros and crops to the original size at a random position.
    #[must_use]
    pub fn pad_crop(self, pixels: usize) -> Augmentation {
        self.with(Change::PadCrop(pixels))
    }

    /// Shifts by a random whole number of pixels, at most by these fractions of height and width in both directions.
    #[must_use]
    pub fn shift(self, height: f64, width: f64) -> Augmentation {
        self.with(Change::Shift(height, width))
    }

    /// Rotates about the centre by a random angle of at most `degrees` in both directions, with bilinear interpolation.
    #[must_use]
    pub fn rotate(self, degrees: f64) -> Augmentation {
        self.with(Change::Rotate(degrees))
    }

    /// Adds normally distributed noise with this standard deviation to each value.
    #[must_use]
    pub fn noise(self, std: f64) -> Augmentation {
        self.with(Change::Noise(std))
    }

    /// Adds a random number between `-most` and `most` to all values of an image.
    #[must_use]
    pub fn brightness(self, most: f64) -> Augmentation {
        self.with(Change::Brightness(most))
    }

    /// Multiplies the distances of values from the mean of their channel by a random number between `1 - most` and `1 +
    /// most`.
    #[must_use]
    pub fn contrast(self, most: f64) -> Augmentation {
        self.with(Change::Contrast(most))
    }

    /// Sets a square with sides of `side` pixels to 0. Its centre is a random pixel, so the square may extend beyond
    /// the image. See DeVries and Taylor (2017).
    #[must_use]
    pub fn cutout(self, side: usize) -> Augmentation {
        self.with(Change::Cutout(side))
    }

    fn with(mut self, change: Change) -> Augmentation {
        self.changes.push(change);
        self
    }

    /// Changes the image with index `number` in this epoch.
    fn apply(&self, mut image: Image, epoch: u64, number: usize) -> Result<Image> {
        let mut generator = random::of_sample(self.seed, "augment", epoch, number);
        for change in &self.changes {
            image = change.apply(image, &mut generator)?;
        }
        Ok(image)
    }
}

impl Change {
    fn check(self) -> Result<()> {
        let (what, value, most) = match self {
            Change::FlipHorizontal(p) => ("flip_horizontal: the probability", p, 1.0),
            Change::FlipVertical(p) => ("flip_vertical: the probability", p, 1.0),
            Change::Shift(height, width) => ("shift: the larger fraction", height.max(width), 1.0),
            Change::Rotate(degrees) => ("rotate: the angle in degrees", degrees, 360.0),
            Change::Noise(std) => ("noise: the standard deviation", std, f64::from(f32::MAX)),
            Change::Brightness(most) => ("brightness: the number", most, f64::from(f32::MAX)),
            Change::Contrast(most) => ("contrast: the number", most, 1.0),
            Change::Crop(..) | Change::PadCrop(_) | Change::Cutout(_) => return Ok(()),
        };
        let negative = matches!(self, Change::Shift(height, width) if !(height >= 0.0 && width >= 0.0));
        match (0.0..=most).contains(&value) && !negative {
            true => Ok(()),
            false => Err(DataError::dataset(format!("{what} is {value:?}; it must lie between 0 and {most:?}"))),
        }
    }

    fn apply(self, mut image: Image, generator: &mut Generator) -> Result<Image> {
        /// A random number between `-most` and `most`.
        fn either_way(most: f64, generator: &mut Generator) -> Result<f64> {
            Ok(most * (2.0 * random::unit(generator)? - 1.0))
        }
        /// A random whole number between 0 and `most`.
        fn up_to(most: usize, generator: &mut Generator) -> Result<isize> {
            Ok((random::unit(generator)? * (most as f64 + 1.0)) as isize)
        }
        Ok(match self {
            Change::FlipHorizontal(p) if random::unit(generator)? < p => image.flipped(false, true),
            Change::FlipVertical(p) if random::unit(generator)? < p => image.flipped(true, false),
            Change::FlipHorizontal(_) | Change::FlipVertical(_) => image,
            Change::Crop(height, width) => {
                if height > image.height || width > image.width {
                    let (h, w) = (image.height, image.width);
                    let message = format!("crop: there is no part of {height} × {width} in an image of {h} × {w}");
                    return Err(DataError::dataset(message));
                }
                let top = up_to(image.height - height, generator)?;
                let left = up_to(image.width - width, generator)?;
                image.cut(top, left, height, width)
            }
            Change::PadCrop(pixels) => {
                let pixels = pixels.min(image.height.max(image.width));
                let top = up_to(2 * pixels, generator)? - pixels as isize;
                let left = up_to(2 * pixels, generator)? - pixels as isize;
                image.cut(top, left, image.height, image.width)
            }
            Change::Shift(height, width) => {
                let down = either_way(height * image.height as f64, generator)?.round() as isize;
                let right = either_way(width * image.width as f64, generator)?.round() as isize;
                image.cut(-down, -right, image.height, image.width)
            }
            Change::Rotate(degrees) => image.rotated(either_way(degrees, generator)?.to_radians()),
            Change::Noise(std) => {
                let noise = generator.normal([image.values.len()], 0.0, std)?.to_vec::<f32>()?;
                image.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
                image
            }
            Change::Brightness(most) => {
                let more = either_way(most, generator)? as f32;
                image.values.iter_mut().for_each(|value| *value += more);
                image
            }
            Change::Contrast(most) => {
                let factor = 1.0 + either_way(most, generator)?;
                image.with_contrast(factor as f32)
            }
            Change::Cutout(side) => {
                let row = up_to(image.height.saturating_sub(1), generator)?;
                let column = up_to(image.width.saturating_sub(1), generator)?;
                image.without_square(row, column, side)
            }
        })
    }
}

/// See [`Dataset::augment`].
pub(crate) struct Augmented<D> {
    dataset: D,
    augmentation: Augmentation,
}

impl<D: Dataset> Augmented<D> {
    pub(crate) fn new(dataset: D, augmentation: Augmentation) -> Result<Self> {
        augmentation.changes.iter().try_for_each(|change| change.check())?;
        Ok(Augmented { dataset, augmentation })
    }

    fn augmented(&self, batch: Batch, epoch: u64, number: impl Fn(usize) -> usize) -> Result<Batch> {
        let &[count, height, width, channels] = &batch.features.shape()[..] else {
            let shape = batch.features.shape();
            return Err(DataError::dataset(format!(
                "augment: images are [batch, height, width, channels], not {shape}"
            )));
        };
        let values = batch.features.cast(DType::F32).to_vec::<f32>()?;
        let size = height * width * channels;
        let (mut out, mut shape) = (Vec::with_capacity(values.len()), [count, height, width, channels]);
        for k in 0..count {
            let image = Image { height, width, channels, values: values[k * size..(k + 1) * size].to_vec() };
            let image = self.augmentation.apply(image, epoch, number(k))?;
            shape = [count, image.height, image.width, channels];
            out.extend(image.values);
        }
        Ok(Batch { features: Tensor::from_vec(out, shape)?, ..batch })
    }
}

impl<D: Dataset> Dataset for Augmented<D> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn gather(&self, epoch: u64, samples: &[usize]) -> Result<Batch> {
        self.augmented(self.dataset.gather(epoch, samples)?, epoch, |k| samples[k])
    }

    fn range(&self, epoch: u64, range: Range<usize>) -> Result<Batch> {
        self.augmented(self.dataset.range(epoch, range.clone())?, epoch, |k| range.start + k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArrayDataset;

    /// `count` images `[4, 4, 1]` of the numbers 1 to 16.
    fn images(count: usize) -> ArrayDataset {
        let one: Tensor = (1..17).map(|k| k as f32).collect();
        let all = one.reshape([1, 4, 4, 1]).unwrap().expand([count, 4, 4, 1]).unwrap();
        ArrayDataset::from_tensors(&all, &(0..count as i64).collect()).unwrap()
    }

    fn rows(augmentation: Augmentation, count: usize, epoch: u64) -> Vec<Vec<f32>> {
        let set = images(count).augment(augmentation).unwrap();
        let values = set.range(epoch, 0..count).unwrap().features.to_vec::<f32>().unwrap();
        values.chunks(values.len() / count).map(<[f32]>::to_vec).collect()
    }

    fn original() -> Vec<f32> {
        (1..17).map(|k| k as f32).collect()
    }

    #[test]
    fn changes_depend_only_on_seed_epoch_and_number() {
        let all = || Augmentation::new(1).flip_horizontal(0.5).pad_crop(2).rotate(20.0).noise(0.1).brightness(1.0);
        let set = images(20).augment(all().contrast(0.5).cutout(2).shift(0.3, 0.3)).unwrap();
        let values = |batch: Batch| batch.features.to_vec::<f32>().unwrap();
        let whole = values(set.range(3, 0..20).unwrap());
        assert_eq!(values(set.range(3, 5..8).unwrap()), whole[5 * 16..8 * 16]);
        assert_eq!(values(set.gather(3, &[7, 0]).unwrap()), [&whole[7 * 16..8 * 16], &whole[..16]].concat());
        assert_ne!(values(set.range(4, 0..20).unwrap()), whole);
        assert_ne!(whole[..16], whole[16..32]);
        assert_ne!(rows(all(), 1, 0), rows(Augmentation { seed: 2, ..all() }, 1, 0));
    }

    #[test]
    fn flips_have_their_probability_and_undo_themselves() {
        let mirrored = [4.0, 3.0, 2.0, 1.0, 8.0, 7.0, 6.0, 5.0, 12.0, 11.0, 10.0, 9.0, 16.0, 15.0, 14.0, 13.0];
        assert_eq!(rows(Augmentation::new(0).flip_horizontal(1.0), 1, 0)[0], mirrored);
        let upside_down = rows(Augmentation::new(0).flip_vertical(1.0), 1, 0);
        assert_eq!(upside_down[0][..8], [13.0, 14.0, 15.0, 16.0, 9.0, 10.0, 11.0, 12.0]);
        let twice =
            Augmentation::new(0).flip_horizontal(1.0).flip_vertical(1.0).flip_horizontal(1.0).flip_vertical(1.0);
        assert_eq!(rows(twice, 1, 0)[0], original());
        let flipped =
            rows(Augmentation::new(5).flip_horizontal(0.3), 10_000, 0).iter().filter(|row| row[0] == 4.0).count();
        // Five standard deviations of a binomial distribution are 229.
        assert!((2771..3229).contains(&flipped), "{flipped}");
    }

    #[test]
    fn crops_and_shifts_are_parts_of_the_image() {
        let mut corners: Vec<f32> = rows(Augmentation::new(1).crop(3, 2), 500, 0)
            .iter()
            .map(|row| {
                assert_eq!(*row, [0.0, 1.0, 4.0, 5.0, 8.0, 9.0].map(|step| row[0] + step));
                row[0]
            })
            .collect();
        corners.sort_by(f32::total_cmp);
        corners.dedup();
        assert_eq!(corners, [1.0, 2.0, 3.0, 5.0, 6.0, 7.0]);
        for augmentation in [Augmentation::new(1).pad_crop(1), Augmentation::new(1).shift(0.25, 0.25)] {
            let mut corners: Vec<f32> = rows(augmentation, 500, 0).iter().map(|row| row[5]).collect();
            corners.sort_by(f32::total_cmp);
            corners.dedup();
            assert_eq!(corners, [1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 10.0, 11.0]);
        }
        let message =
            images(1).augment(Augmentation::new(1).crop(5, 2)).unwrap().range(0, 0..1).unwrap_err().to_string();
        assert_eq!(message, "crop: there is no part of 5 × 2 in an image of 4 × 4");
    }

    #[test]
    fn noise_brightness_contrast_and_cutout_have_their_sizes() {
        let original = original();
        let noise: Vec<f64> = rows(Augmentation::new(1).noise(0.5), 1000, 0)
            .iter()
            .flat_map(|row| row.iter().zip(&original).map(|(a, b)| f64::from(a - b)).collect::<Vec<_>>())
            .collect();
        let variance = noise.iter().map(|x| x * x).sum::<f64>() / 16_000.0;
        // The standard deviation of a variance of 16,000 values is its size times √(2 / 16,000) = 0.011.
        assert!((variance / 0.25 - 1.0).abs() < 0.06, "{variance}");
        for row in rows(Augmentation::new(1).brightness(2.0), 100, 0) {
            let more = row[0] - 1.0;
            assert!(more.abs() <= 2.0 && row.iter().zip(&original).all(|(a, b)| (a - b - more).abs() < 1e-5));
        }
        for row in rows(Augmentation::new(1).contrast(0.5), 100, 0) {
            let factor = (row[15] - row[0]) / 15.0;
            assert!((0.5..=1.5).contains(&factor), "{factor}");
            assert!((row.iter().sum::<f32>() / 16.0 - 8.5).abs() < 1e-5);
        }
        let sizes: Vec<usize> = rows(Augmentation::new(1).cutout(2), 400, 0)
            .iter()
            .map(|row| row.iter().filter(|&&value| value == 0.0).count())
            .collect();
        assert!([1, 2, 4].iter().all(|size| sizes.contains(size)) && sizes.iter().all(|size| [1, 2, 4].contains(size)));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let message = |augmentation: Augmentation| images(1).augment(augmentation).unwrap_err().to_string();
        let new = || Augmentation::new(0);
        assert_eq!(
            message(new().flip_vertical(1.5)),
            "flip_vertical: the probability is 1.5; it must lie between 0 and 1.0"
        );
        assert_eq!(message(new().noise(f64::NAN)).split(';').next(), Some("noise: the standard deviation is NaN"));
        assert!(message(new().shift(-0.5, 0.5)).starts_with("shift: "));
        assert!(message(new().shift(f64::NAN, 0.5)).starts_with("shift: "));
        let flat = ArrayDataset::from_tensors(&Tensor::zeros([2, 784]), &Tensor::zeros([2])).unwrap();
        let message = flat.augment(new()).unwrap().range(0, 0..2).unwrap_err().to_string();
        assert_eq!(message, "augment: images are [batch, height, width, channels], not [2, 784]");
    }
}
