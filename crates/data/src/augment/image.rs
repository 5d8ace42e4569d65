//! An image and its transformations.

/// Values in the order of rows, columns, channels.
pub(super) struct Image {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) values: Vec<f32>,
}

impl Image {
    /// The channels of a pixel; `None` outside the image.
    fn pixel(&self, row: isize, column: isize) -> Option<&[f32]> {
        let inside = (0..self.height as isize).contains(&row) && (0..self.width as isize).contains(&column);
        let start = (row as usize).wrapping_mul(self.width).wrapping_add(column as usize).wrapping_mul(self.channels);
        inside.then(|| &self.values[start..start + self.channels])
    }

    /// Mirrored top to bottom, left to right, or both.
    pub(super) fn flipped(&self, vertical: bool, horizontal: bool) -> Image {
        let place = |mirrored: bool, k: usize, size: usize| if mirrored { size - 1 - k } else { k } as isize;
        let mut values = Vec::with_capacity(self.values.len());
        for row in 0..self.height {
            for column in 0..self.width {
                let from = self.pixel(place(vertical, row, self.height), place(horizontal, column, self.width));
                values.extend(from.into_iter().flatten());
            }
        }
        Image { values, ..*self }
    }

    /// The part of this size at a position, with zeros outside the image.
    pub(super) fn cut(&self, top: isize, left: isize, height: usize, width: usize) -> Image {
        let mut values = vec![0.0; height * width * self.channels];
        for (k, out) in values.chunks_exact_mut(self.channels.max(1)).enumerate() {
            if let Some(pixel) = self.pixel(top + (k / width) as isize, left + (k % width) as isize) {
                out.copy_from_slice(pixel);
            }
        }
        Image { height, width, channels: self.channels, values }
    }

    /// Rotated counter-clockwise about the centre by an angle in radians, with bilinear interpolation.
    pub(super) fn rotated(&self, angle: f64) -> Image {
        // `libm` gives the same bits on every platform, unlike `std`.
        let (sine, cosine) = libm::sincos(angle);
        let centre = (self.height as f64 / 2.0 - 0.5, self.width as f64 / 2.0 - 0.5);
        let mut values = vec![0.0; self.values.len()];
        for (k, out) in values.chunks_exact_mut(self.channels.max(1)).enumerate() {
            let (down, right) = ((k / self.width) as f64 - centre.0, (k % self.width) as f64 - centre.1);
            let row = centre.0 + cosine * down + sine * right;
            let column = centre.1 - sine * down + cosine * right;
            let (above, before) = (row.floor(), column.floor());
            let (low, late) = ((row - above) as f32, (column - before) as f32);
            for (r, c, share) in [
                (0, 0, (1.0 - low) * (1.0 - late)),
                (0, 1, (1.0 - low) * late),
                (1, 0, low * (1.0 - late)),
                (1, 1, low * late),
            ] {
                if let Some(pixel) = self.pixel(above as isize + r, before as isize + c) {
                    out.iter_mut().zip(pixel).for_each(|(out, value)| *out += share * value);
                }
            }
        }
        Image { values, ..*self }
    }

    /// Multiplies the distances from the mean of each channel.
    pub(super) fn with_contrast(mut self, factor: f32) -> Image {
        for channel in 0..self.channels {
            let of_channel = self.values.iter().skip(channel).step_by(self.channels);
            let sum: f64 = of_channel.map(|&value| f64::from(value)).sum();
            let mean = (sum / (self.height * self.width) as f64) as f32;
            let of_channel = self.values.iter_mut().skip(channel).step_by(self.channels);
            of_channel.for_each(|value| *value = mean + factor * (*value - mean));
        }
        self
    }

    /// Sets a square around a pixel to zero. If the side is even, there is one more pixel before the centre than after
    /// it.
    pub(super) fn without_square(mut self, row: isize, column: isize, side: usize) -> Image {
        let before = (side / 2).min(self.height.max(self.width)) as isize;
        let inside = |k: usize, centre: isize| {
            let first = centre - before;
            k as isize >= first && ((k as isize - first) as usize) < side
        };
        let width = self.width;
        for (k, pixel) in self.values.chunks_exact_mut(self.channels.max(1)).enumerate() {
            if inside(k / width, row) && inside(k % width, column) {
                pixel.fill(0.0);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

    fn image(height: usize, width: usize, values: &[f32]) -> Image {
        Image { height, width, channels: values.len() / height / width, values: values.to_vec() }
    }

    fn close(found: &Image, expected: &[f32]) {
        let apart = found.values.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.values.len() == expected.len() && apart < 1e-5, "{:?}", found.values);
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        // Two channels: a number and its negative.
        let two = |values: &[f32]| values.iter().flat_map(|&x| [x, -x]).collect::<Vec<f32>>();
        let square = image(3, 3, &two(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]));
        close(&square.rotated(FRAC_PI_2), &two(&[3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]));
        close(&square.rotated(-FRAC_PI_2), &two(&[7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0]));
        close(&square.rotated(PI), &two(&[9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]));
        assert_eq!(square.rotated(0.0).values, square.values);
        close(&image(2, 2, &[1.0, 2.0, 3.0, 4.0]).rotated(FRAC_PI_2), &[2.0, 4.0, 1.0, 3.0]);
    }

    #[test]
    fn an_eighth_of_a_turn_is_bilinear() {
        // One bright pixel in the middle of 3 × 3. The corners come from a distance of √2, beyond its reach. The edges
        // come from (1/√2, 1/√2), which gives the weight (1 - 1/√2)².
        let turned = image(3, 3, &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).rotated(FRAC_PI_4);
        let edge = (1.0 - 0.5f32.sqrt()).powi(2);
        close(&turned, &[0.0, edge, 0.0, edge, 1.0, edge, 0.0, edge, 0.0]);
    }
}
