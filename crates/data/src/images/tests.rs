//! Valid and corrupt pictures.

use image::codecs::jpeg::JpegEncoder;
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
    // The left half is 0, the right half 200.
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
    fs::write(&file, "<html>not found</html>").unwrap();
    let neither = "the file is neither PNG nor JPEG; it begins with [3c, 68, 74, 6d, 6c, 3e, 6e, 6f]";
    assert_eq!(message(), format!("{}: at byte 0: {neither}", file.display()));
    RgbImage::new(16, 16).save(&file).unwrap();
    assert_eq!(ImageFolder::open(&folder).unwrap().range(0, 0..1).unwrap().features.shape(), &[1, 16, 16, 3]);
    let mut jpeg = fs::read(&file).unwrap();
    fs::write(&file, &jpeg[..30]).unwrap();
    assert_eq!(message(), format!("{}: at byte 30: the file ends within a segment; it is cut off", file.display()));
    // The frame header: marker, length, precision, height, width.
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    fs::write(&file, &jpeg).unwrap();
    assert_eq!(message(), format!("{}: 65535 × 65535 pixels; 16384 are allowed on each side", file.display()));
    fs::create_dir(folder.join("empty")).unwrap();
    let empty = ImageFolder::open(folder.join("empty")).unwrap_err().to_string();
    let expected = "no pictures; .png, .jpg and .jpeg are looked for in a folder for each class";
    assert_eq!(empty, format!("{}: {expected}", folder.join("empty").display()));
    let missing = ImageFolder::open(folder.join("c")).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{}: cannot list: ", folder.join("c").display())), "{missing}");
    fs::remove_dir_all(&folder).unwrap();
}

/// A folder with one class and one file. Returns the pixels.
fn read(test: &str, bytes: &[u8], wanted: impl Fn(ImageFolder) -> Result<ImageFolder>) -> Result<Tensor> {
    let folder = std::env::temp_dir().join(format!("image-{test}-{}", std::process::id()));
    fs::create_dir_all(folder.join("a")).unwrap();
    fs::write(folder.join("a/x.jpg"), bytes).unwrap();
    wanted(ImageFolder::open(&folder)?)?.range(0, 0..1).map(|batch| batch.features)
}

fn textured(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(7 * x) as u8, (9 * y) as u8, (x * y) as u8]))
}

/// The files of `tests/formats/make_pictures.py`, with the heights, widths and channel means that Pillow computes.
const PICTURES: [(&str, [usize; 2], [f64; 3]); 9] = [
    ("baseline_420.jpg", [29, 43], [111.2, 125.9, 115.3]),
    ("baseline_422_restarts.jpg", [29, 43], [111.1, 126.0, 115.3]),
    ("progressive_444.jpg", [29, 43], [111.1, 126.1, 115.0]),
    ("progressive_420_turned.jpg", [43, 29], [111.1, 126.1, 114.8]),
    ("progressive_restarts.jpg", [29, 43], [111.1, 126.1, 114.8]),
    ("gray.jpg", [29, 43], [120.3, 120.3, 120.3]),
    ("progressive_gray.jpg", [29, 43], [120.3, 120.3, 120.3]),
    ("cmyk.jpg", [29, 43], [111.3, 126.0, 114.9]),
    ("palette.png", [29, 43], [111.4, 126.0, 114.9]),
];

fn picture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/pictures").join(name)).unwrap()
}

#[test]
fn all_kinds_of_jpeg_are_decoded_as_pillow_does() {
    for (name, size, means) in PICTURES {
        let pixels = read("kinds", &picture(name), Ok).unwrap();
        assert_eq!(pixels.shape(), &[1, size[0], size[1], 3], "{name}");
        let found = pixels.cast(tensor::DType::F64).mean_axis([0, 1, 2]).unwrap().to_vec::<f64>().unwrap();
        let near = found.iter().zip(means).all(|(found, mean)| (found - mean).abs() < 1.0);
        assert!(near, "{name}: {found:?}, not {means:?}");
    }
}

/// A file that is truncated anywhere is refused.
#[test]
fn pictures_that_are_cut_off_are_refused() {
    let mut encoded = Vec::new();
    JpegEncoder::new_with_quality(&mut encoded, 90).encode_image(&textured(40, 30)).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    textured(40, 30).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let files = PICTURES.iter().map(|(name, ..)| picture(name)).chain([encoded, png.into_inner()]);
    for (k, bytes) in files.enumerate() {
        for length in 0..bytes.len() {
            let message = read("cut", &bytes[..length], Ok).unwrap_err().to_string();
            let place = if length < 3 { 0 } else { length };
            // The signature of PNG has 8 bytes.
            let signature = length < 8 && message.contains("at byte 0: the file is neither PNG nor JPEG");
            assert!(message.contains(&format!("x.jpg: at byte {place}: the file ")) || signature, "{k}: {message}");
        }
        assert!(read("cut", &bytes, Ok).is_ok());
    }
}

/// A truncated file with an end marker: only the number of its blocks shows that data is missing.
#[test]
fn pictures_whose_data_end_early_are_refused() {
    let mut encoded = Vec::new();
    JpegEncoder::new_with_quality(&mut encoded, 90).encode_image(&textured(40, 30)).unwrap();
    let jpegs = PICTURES.iter().filter(|(name, ..)| name.ends_with("jpg"));
    for (k, bytes) in jpegs.map(|(name, ..)| picture(name)).chain([encoded]).enumerate() {
        // The data of the first scan, which is complete in itself in a progressive picture.
        let scan = bytes.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 2;
        let data = scan + usize::from(bytes[scan + 1]);
        let end = (data..).find(|&k| bytes[k] == 0xff && !matches!(bytes[k + 1], 0 | 0xd0..=0xd7)).unwrap();
        for length in data..end {
            let read = read("early", &[&bytes[..length], &[0xff, 0xd9]].concat(), Ok).map(drop);
            let message = read.expect_err("a part is missing").to_string();
            // Cut between 0xff and what follows it, 0xff becomes a fill byte of the marker.
            let at = |place: usize| {
                message.contains(&format!("x.jpg: at byte {place}: the data of the picture ends, and a"))
            };
            assert!(at(length) || bytes[length - 1] == 0xff && at(length - 1), "{k}, {length}: {message}");
        }
    }
}

/// A PNG file of these pixels with an EXIF orientation.
fn turned(pixels: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    // Big-endian, one entry: tag 0x112, a short, one of them, its value; no further directory.
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(b"eXIf");
    checksum.update(&exif);
    let chunk = [&(exif.len() as u32).to_be_bytes()[..], b"eXIf", &exif, &checksum.sum().to_be_bytes()].concat();
    // After the signature and the header.
    let (before, after) = png.split_at(8 + 25);
    [before, &chunk, after].concat()
}

#[test]
fn pictures_are_turned_and_mirrored_as_exif_says() {
    let pixels = GrayImage::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let pixels = image::DynamicImage::from(pixels).into_rgb8();
    for (orientation, [height, width], expected) in [
        (1, [2, 3], [1, 2, 3, 4, 5, 6]),
        (2, [2, 3], [3, 2, 1, 6, 5, 4]),
        (3, [2, 3], [6, 5, 4, 3, 2, 1]),
        (4, [2, 3], [4, 5, 6, 1, 2, 3]),
        (5, [3, 2], [1, 4, 2, 5, 3, 6]),
        (6, [3, 2], [4, 1, 5, 2, 6, 3]),
        (7, [3, 2], [6, 3, 5, 2, 4, 1]),
        (8, [3, 2], [3, 6, 2, 5, 1, 4]),
        // Not one of them.
        (9, [2, 3], [1, 2, 3, 4, 5, 6]),
    ] {
        let file = turned(&pixels, orientation);
        let found = read("turned", &file, |folder| Ok(folder.grayscale())).unwrap();
        assert_eq!(found.shape(), &[1, height, width, 1], "{orientation}");
        assert_eq!(found.to_vec::<u8>().unwrap(), expected, "{orientation}");
        // Resized to its own size, it is the same; to another, it has that one.
        let same = read("turned", &file, |folder| folder.grayscale().resize(height, width)).unwrap();
        assert_eq!(same.to_vec::<u8>().unwrap(), expected, "{orientation}");
        let other = read("turned", &file, |folder| folder.resize(5, 7)).unwrap();
        assert_eq!(other.shape(), &[1, 5, 7, 3], "{orientation}");
    }
    let jpeg = picture("progressive_420_turned.jpg");
    let upright = read("turned", &jpeg, |folder| folder.grayscale().resize(86, 58)).unwrap();
    // The rows of the file are columns from the right: green, which grew from row to row, grows from right to left.
    let mean = |columns: std::ops::Range<usize>| upright.slice((.., .., columns)).unwrap().mean().item().unwrap();
    assert!(mean(0..10) > mean(48..58) + 50.0);
}

/// A progressive JPEG of this size, all gray: a header, tables with one code, and a scan without data.
fn tiny_progressive(side: u16) -> Vec<u8> {
    let [high, low] = side.to_be_bytes();
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    bytes.extend([0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0, 0xff, 0xd9]);
    bytes
}

#[test]
fn pictures_that_take_too_much_memory_are_refused() {
    let message = |bytes: &[u8]| read("large", bytes, Ok).unwrap_err().to_string();
    let large = message(&tiny_progressive(16_384));
    // Coefficients of 16 bits, decoded pixels, and three channels of them.
    assert!(large.ends_with(": decoding takes up to 1578 MiB; 512 MiB are allowed"), "{large}");
    // In gray 16 MiB, and as much for each channel; 33 MiB of coefficients at most.
    let folder = |folder: ImageFolder| folder.grayscale().resize(4, 4);
    assert!(!read("large", &tiny_progressive(4096), folder).unwrap_err().to_string().contains("MiB"));

    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(64, 64).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    // Width and height in the header, and its checksum.
    png[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let large = message(&png);
    assert!(large.ends_with(": decoding takes up to 1297 MiB; 512 MiB are allowed"), "{large}");
}
