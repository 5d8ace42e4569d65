//! Hostile files: for any bytes, every reader returns without a panic, takes no more memory than documented, and its
//! error is one line of bounded length without control characters. `FUZZ_CASES` sets the number of files. Pictures are
//! included with the feature `images`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use data::csv::{ColumnType, Csv, MOST_COLUMNS};
use data::{idx, npy, npz::Npz, safetensors::Safetensors};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The maximum expansion of deflate.
const DEFLATE: usize = 1032;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Idx,
    IdxGzip,
    Npy,
    Npz,
    Safetensors,
    Csv,
}

impl Format {
    const ALL: [Format; 6] = [Format::Idx, Format::IdxGzip, Format::Npy, Format::Npz, Format::Safetensors, Format::Csv];

    /// Reads everything in the file.
    fn read(self, bytes: &[u8]) -> data::Result<()> {
        match self {
            Format::Idx | Format::IdxGzip => idx::parse(bytes, "f").map(drop),
            Format::Npy => npy::parse(bytes, "f").map(drop),
            Format::Npz => Npz::parse(bytes, "f")?.tensors().map(drop),
            Format::Safetensors => Safetensors::parse(bytes, "f")?.tensors().map(drop),
            Format::Csv => {
                let file = Csv::from_bytes(bytes, "f").comment(b'#');
                let (table, summary) =
                    file.read().and_then(|table| Ok((table.to_string(), table.summary()?.to_string())))?;
                std::hint::black_box((table, summary));
                file.delimiter(b' ')
                    .decimal(b',')
                    .thousands(b'.')
                    .infer_from(2)
                    .chunks(2)?
                    .try_for_each(|table| table.map(drop))
            }
        }
    }

    /// The documented memory bound of reading. Any bytes may be a gzip stream.
    fn bound(self, bytes: usize) -> usize {
        let unpacked = match self {
            // CSV files also take 1 KiB for each column; these have few.
            Format::Npy | Format::Safetensors | Format::Csv => bytes,
            Format::Idx | Format::IdxGzip | Format::Npz => DEFLATE * bytes,
        };
        32 * unpacked + (1 << 20)
    }
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    FlipBit(Index, u8),
    /// Overwrites 1, 2, 4 or 8 bytes with a number near a limit, little- or big-endian.
    Number(Index, u64, u8, bool),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Repeats a part of the file elsewhere.
    Copy(Index, Index, usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Change::FlipBit(place, bit) => bytes[place.index(length)] ^= 1 << bit,
            Change::Number(place, value, width, big) => {
                let mut number = value.to_le_bytes()[..1 << width].to_vec();
                if *big {
                    number.reverse();
                }
                let place = place.index(length);
                let end = (place + number.len()).min(length);
                bytes[place..end].copy_from_slice(&number[..end - place]);
            }
            Change::Truncate(place) => bytes.truncate(place.index(length)),
            Change::Insert(place, more) => drop(bytes.splice(place.index(length)..place.index(length), more.clone())),
            Change::Remove(place, count) => {
                let place = place.index(length);
                bytes.drain(place..(place + count).min(length));
            }
            Change::Copy(from, to, count) => {
                let from = from.index(length);
                let part = bytes[from..(from + count).min(length)].to_vec();
                let to = to.index(length);
                bytes.splice(to..to, part);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        Just(0),
        Just(u64::MAX),
        (0u32..64).prop_map(|k| 1 << k),
        (0u32..64).prop_map(|k| (1 << k) - 1),
        any::<u64>()
    ];
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), 0u8..8).prop_map(|(place, bit)| Change::FlipBit(place, bit)),
        4 => (place(), number, 0u8..4, any::<bool>()).prop_map(|(place, x, width, big)| Change::Number(place, x, width, big)),
        1 => place().prop_map(Change::Truncate),
        1 => (place(), proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(place, more)| Change::Insert(place, more)),
        1 => (place(), 0usize..20).prop_map(|(place, count)| Change::Remove(place, count)),
        1 => (place(), place(), 0usize..100).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
    ]
}

/// Files of each format to begin with.
fn seeds() -> Vec<(Format, Vec<u8>)> {
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/files")).unwrap() {
        let path = entry.unwrap().path();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Format::Npy,
            Some("npz") => Format::Npz,
            _ => Format::Safetensors,
        };
        seeds.push((format, std::fs::read(path).unwrap()));
    }
    for code in [0x08u8, 0x09, 0x0B, 0x0C, 0x0D, 0x0E] {
        let header = [0, 0, code, 2, 0, 0, 0, 2, 0, 0, 0, 2];
        let plain = [&header[..], &vec![1; 4 * [1, 1, 0, 2, 4, 4, 8][usize::from(code - 8)]]].concat();
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut zip, &plain).unwrap();
        seeds.extend([(Format::Idx, plain), (Format::IdxGzip, zip.finish().unwrap())]);
    }
    // Names that would fake lines.
    let name = "x\u{1b}[2K\\nloaded";
    let header = format!("{{\"{name}\":{{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]}}}}")
        .replace('\u{1b}', "\\u001b");
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1, 2]].concat();
    seeds.push((Format::Safetensors, bytes));
    for text in [
        "\"a\u{1b}]0;x\u{7}\n\",b\n\"\u{1b}[2K\r\n\",x\n",
        "a,b\n1,x\n2,\"y\"\"\"\n",
        "\u{feff}id,size\r\n# no\r\n1,2.5\r\n\r\n2,NA\r\n",
        ",x\n1,\"two\nlines\"\n-3,\n",
    ] {
        seeds.push((Format::Csv, text.into()));
    }
    seeds.sort();
    seeds
}

fn case() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let seeds = seeds();
    let starts = seeds.clone();
    let changed = (any::<Index>(), proptest::collection::vec(change(), 0..6)).prop_map(move |(k, changes)| {
        let (format, mut bytes) = seeds[k.index(seeds.len())].clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        (format, bytes)
    });
    let random = (0..Format::ALL.len(), proptest::collection::vec(any::<u8>(), 0..300));
    let random = random.prop_map(|(k, bytes)| (Format::ALL[k], bytes));
    // The beginning of a file, then random bytes.
    let begun = (any::<Index>(), any::<Index>(), proptest::collection::vec(any::<u8>(), 0..100));
    let begun = begun.prop_map(move |(k, length, rest)| {
        let (format, bytes) = &starts[k.index(starts.len())];
        (*format, [&bytes[..length.index(bytes.len() + 1)], &rest].concat())
    });
    prop_oneof![8 => changed, 1 => random, 1 => begun]
}

/// Whether an error is one line without effect on a terminal.
fn is_harmless(error: &data::Error) -> bool {
    let message = error.to_string();
    message.chars().all(|character| !character.is_control()) && message.chars().count() < 10_000
}

/// Held while memory is measured, because the allocator counts all threads.
static ALONE: Mutex<()> = Mutex::new(());

/// The result of `run`, and its peak memory.
fn measured<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = run();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

/// Files that are large compared with the additional mebibyte, and that take as much memory as possible: bytes that
/// become int64, sizes of axes, names.
#[test]
fn large_files_stay_within_the_memory_bound() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // One more than a power of two: the vector has just doubled.
    let count = (1 << 20) + 1;
    let zip = |bytes: &[u8]| {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut zip, bytes).unwrap();
        zip.finish().unwrap()
    };
    let idx = [&[0, 0, 9, 1][..], &(count as u32).to_be_bytes(), &vec![0; count]].concat();
    let mut dictionary = format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({count},)}}");
    let npy = |dictionary: &str| {
        let length = (dictionary.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), &vec![0; count]].concat()
    };
    let safetensors = |header: &str, elements: usize| {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; elements]].concat()
    };
    let one = format!("{{\"x\":{{\"dtype\":\"I8\",\"shape\":[{count}],\"data_offsets\":[0,{count}]}}}}");
    let axes = vec!["0"; count].join(",");
    let many_axes = format!("{{\"x\":{{\"dtype\":\"I8\",\"shape\":[{axes}],\"data_offsets\":[0,0]}}}}");
    let empty = |k: usize| format!("\"{k}\":{{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    let names = format!("{{{}}}", (0..=1 << 15).map(empty).collect::<Vec<_>>().join(","));
    let notes = (0..=1 << 16).map(|k| format!("\"{k}\":\"\"")).collect::<Vec<_>>().join(",");
    let files = [
        (Format::Idx, idx.clone()),
        (Format::IdxGzip, zip(&idx)),
        (Format::Npy, npy(&dictionary)),
        (Format::Safetensors, safetensors(&one, count)),
        (Format::Safetensors, safetensors(&many_axes, 0)),
        (Format::Safetensors, safetensors(&names, 0)),
        (Format::Safetensors, safetensors(&format!("{{\"__metadata__\":{{{notes}}}}}"), 0)),
    ];
    for (format, bytes) in files {
        let (result, taken) = measured(|| format.read(&bytes));
        println!("{format:?}: {} bytes take {:.1} times as much", bytes.len(), taken as f64 / bytes.len() as f64);
        assert!(result.is_ok(), "{format:?}: {result:?}");
        assert!(taken <= format.bound(bytes.len()), "{format:?}: {} bytes take {taken}", bytes.len());
        if let Format::Idx | Format::IdxGzip = format {
            // Each byte becomes an int64, in a vector that has just grown; the bytes themselves are not kept.
            assert!(taken <= 12 * count + (1 << 20), "{format:?}: {taken}");
        }
    }
    // A header that promises all memory that can be addressed.
    dictionary = dictionary.replace(&count.to_string(), "1152921504606846975");
    let (result, taken) = measured(|| Format::Npy.read(&npy(&dictionary)));
    assert!(result.is_err() && taken < 3 * count, "{taken}");
}

/// Tables that take as much memory as possible: empty fields, distinct categories, many columns.
#[test]
fn tables_stay_within_the_memory_bound() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let rows = (1 << 17) + 1;
    let empty = format!("a,b\n{}", ",\n".repeat(rows));
    let digits = format!("a\n{}", "1\n".repeat(rows));
    let words = format!("a\n{}", (0..rows).map(|k| format!("x{k:x}\n")).collect::<String>());
    let wide = (0..MOST_COLUMNS).map(|k| format!("{k:x}")).collect::<Vec<_>>().join(",");
    let files = [
        ("numbers", &empty, ColumnType::F64),
        ("categories", &empty, ColumnType::Category),
        ("digits", &digits, ColumnType::I64),
        ("words", &words, ColumnType::Category),
        ("columns", &wide, ColumnType::Category),
    ];
    for (what, text, column_type) in files {
        let columns = text.lines().next().unwrap().split(',').map(|name| (name.to_string(), column_type));
        let file = Csv::from_bytes(text, "f");
        let count = columns.clone().count();
        let allowed = 32 * text.len() + (count << 10) + (1 << 20);
        let file = file.columns(columns);
        let (table, taken) = measured(|| file.read());
        println!(
            "{what}: {} bytes take {taken}, {:.0} % of what is allowed",
            text.len(),
            100.0 * taken as f64 / allowed as f64
        );
        assert!(table.is_ok() && taken <= allowed, "{what}: {} bytes take {taken} of {allowed}", text.len());
    }
    // In chunks, a file of any size takes the memory of one chunk.
    let file = Csv::from_bytes("0.5,word\n".repeat(rows), "f").no_header();
    let (count, taken) = measured(|| file.chunks(1000).unwrap().map(|table| table.unwrap().rows()).sum::<usize>());
    assert!(count == rows && taken < 1 << 20, "{taken}");
}

#[test]
fn readers_withstand_any_bytes() {
    let cases = std::env::var("FUZZ_CASES").map_or(500, |cases| cases.parse().unwrap());
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (tried, read) = (Cell::new(0u32), Cell::new(0u32));
    let (slowest, worst) = (Cell::new(Duration::ZERO), Cell::new(0f64));
    let begin = Instant::now();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let result = runner.run(&case(), |(format, bytes)| {
        let start = Instant::now();
        let (outcome, taken) = measured(|| catch_unwind(AssertUnwindSafe(|| format.read(&bytes))));
        let time = start.elapsed();
        prop_assert!(outcome.is_ok(), "{format:?} panics");
        let outcome = outcome.unwrap();
        let harmless = outcome.as_ref().err().is_none_or(is_harmless);
        prop_assert!(harmless, "{format:?}: {outcome:?}");
        let bound = format.bound(bytes.len());
        prop_assert!(taken <= bound, "{format:?}: {} bytes take {taken} of memory; {bound} are allowed", bytes.len());
        tried.set(tried.get() + 1);
        read.set(read.get() + u32::from(outcome.is_ok()));
        slowest.set(slowest.get().max(time));
        worst.set(worst.get().max(taken as f64 / bound as f64));
        Ok(())
    });
    println!(
        "{cases} files, of which {} were read; slowest {:?}, {:?} in all",
        read.get(),
        slowest.get(),
        begin.elapsed()
    );
    println!("at most {:.0} % of the memory that is allowed", 100.0 * worst.get());
    result.unwrap();
}

#[cfg(feature = "images")]
mod pictures {
    use std::path::PathBuf;

    use data::{Dataset, ImageFolder};
    use rayon::prelude::*;

    use super::*;

    /// The memory bounds of one picture, and of all concurrent ones.
    const ONE: usize = 512 << 20;
    const ALL: usize = 1 << 30;

    /// A folder of one class with these files.
    fn folder(test: &str, files: &[&[u8]]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fuzz-pictures-{test}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("a")).unwrap();
        for (k, file) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("a/{k:03}.jpg")), file).unwrap();
        }
        folder
    }

    fn seeds() -> Vec<Vec<u8>> {
        let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/pictures");
        let mut seeds: Vec<Vec<u8>> =
            std::fs::read_dir(pictures).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
        seeds.sort();
        seeds
    }

    #[test]
    fn any_bytes_are_a_picture_or_an_error() {
        let cases = std::env::var("FUZZ_CASES").map_or(300, |cases| cases.parse().unwrap());
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let seeds = seeds();
        let changed = (any::<Index>(), proptest::collection::vec(change(), 0..6)).prop_map(move |(k, changes)| {
            let mut bytes = seeds[k.index(seeds.len())].clone();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            bytes
        });
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
        let result = runner.run(&changed, |bytes| {
            let folder = folder("any", &[&bytes]);
            let read = || ImageFolder::open(&folder)?.resize(8, 8)?.range(0, 0..1).map(drop);
            let (outcome, taken) = measured(|| catch_unwind(AssertUnwindSafe(read)));
            prop_assert!(outcome.is_ok(), "a picture panics");
            let outcome = outcome.unwrap();
            prop_assert!(outcome.as_ref().err().is_none_or(is_harmless), "{outcome:?}");
            prop_assert!(taken <= ONE + (1 << 20), "{taken}");
            Ok(())
        });
        std::fs::remove_dir_all(folder("any", &[])).unwrap();
        result.unwrap();
    }

    /// Pictures near the limit, in more threads than the budget allows.
    #[test]
    fn concurrent_decoding_stays_within_the_budget() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut png = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(10_000, 10_000).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let folder = folder("all", &[&png[..]; 8]);
        let pictures = ImageFolder::open(&folder).unwrap().resize(8, 8).unwrap();
        let (batch, one) = measured(|| pictures.range(0, 0..1));
        assert!(batch.is_ok() && one > 100_000_000 && one <= ONE, "{one}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
        // Batches in a parallel loop of the caller, each of which decodes in parallel.
        let (read, all) = measured(|| {
            pool.install(|| (0..3).into_par_iter().map(|_| pictures.range(0, 0..8).is_ok()).collect::<Vec<_>>())
        });
        println!("one picture takes {} MiB, all together {} MiB", one >> 20, all >> 20);
        assert!(read.iter().all(|&read| read) && all <= ALL, "{all}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
