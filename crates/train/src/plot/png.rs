//! PNG plots. The font is embedded, because the machine may have none.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::register_font;

use super::Plot;
use crate::error::{Result, TrainError};

impl Plot<'_> {
    /// The plot as the bytes of a PNG file. Needs the feature `png`.
    ///
    /// # Errors
    /// Returns an error as [`Plot::to_svg`] does.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        static LETTERS: Once = Once::new();
        LETTERS.call_once(|| {
            let known = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
            assert!(known.is_ok(), "the font is whole");
        });
        let sheet = self.sheet()?;
        let (width, height) = sheet.size();
        let mut pixels = vec![0; 3 * width as usize * height as usize];
        sheet.draw(BitMapBackend::with_buffer(&mut pixels, (width, height)))?;
        encode(&pixels, width, height).map_err(|error| TrainError::trainer(format!("plot: {error}")))
    }
}

/// Encodes RGB pixels, row by row, as a PNG file.
fn encode(pixels: &[u8], width: u32, height: u32) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use crate::history::History;

    #[test]
    fn a_picture_of_pixels_has_lines_and_letters() {
        let history =
            History::of_columns(vec![("loss".into(), vec![2.0, 1.0, 0.5]), ("val_loss".into(), vec![2.5, 1.5, 1.0])])
                .unwrap();
        let file = history.plot().to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (480, 360));
        let count = |color: [u8; 3]| pixels.chunks(3).filter(|pixel| **pixel == color).count();
        // Three dots, their line and the legend for each color; axes and letters are black.
        assert!(count([0, 114, 178]) > 300 && count([213, 94, 0]) > 300);
        let row = |y: usize| &pixels[3 * 480 * y..3 * 480 * (y + 1)];
        let dark = |y: usize| row(y).chunks(3).filter(|pixel| pixel.iter().all(|c| *c < 100)).count();
        // Only the words of the legend are dark above the panel.
        assert!((10..30).map(dark).sum::<usize>() > 50, "letters");
    }
}
