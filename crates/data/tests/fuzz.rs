//! Hostile files: whatever the bytes are, every reader returns, does not panic, and takes no more memory than
//! its documentation says. `FUZZ_CASES` sets how many files are tried.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use data::{idx, npy, npz::Npz, safetensors::Safetensors};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What deflate can make of a byte at most.
const DEFLATE: usize = 1032;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Idx,
    IdxGzip,
    Npy,
    Npz,
    Safetensors,
}

impl Format {
    const ALL: [Format; 5] = [Format::Idx, Format::IdxGzip, Format::Npy, Format::Npz, Format::Safetensors];

    /// Reads everything in the file.
    fn read(self, bytes: &[u8]) -> data::Result<()> {
        match self {
            Format::Idx | Format::IdxGzip => idx::parse(bytes, "f").map(drop),
            Format::Npy => npy::parse(bytes, "f").map(drop),
            Format::Npz => Npz::parse(bytes, "f")?.tensors().map(drop),
            Format::Safetensors => Safetensors::parse(bytes, "f")?.tensors().map(drop),
        }
    }

    /// The most memory that reading may take, by the documentation. Any bytes may be a gzip stream.
    fn bound(self, bytes: usize) -> usize {
        let unpacked = match self {
            Format::Npy | Format::Safetensors => bytes,
            Format::Idx | Format::IdxGzip | Format::Npz => DEFLATE * bytes,
        };
        32 * unpacked + (1 << 20)
    }
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    FlipBit(Index, u8),
    /// Overwrites with a number that is near a limit, of 1, 2, 4 or 8 bytes, little- or big-endian.
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
    // The beginning of a file, then anything.
    let begun = (any::<Index>(), any::<Index>(), proptest::collection::vec(any::<u8>(), 0..100));
    let begun = begun.prop_map(move |(k, length, rest)| {
        let (format, bytes) = &starts[k.index(starts.len())];
        (*format, [&bytes[..length.index(bytes.len() + 1)], &rest].concat())
    });
    prop_oneof![8 => changed, 1 => random, 1 => begun]
}

#[test]
fn readers_withstand_any_bytes() {
    let cases = std::env::var("FUZZ_CASES").map_or(500, |cases| cases.parse().unwrap());
    let (read, slowest, worst) = (Cell::new(0u32), Cell::new(Duration::ZERO), Cell::new(0f64));
    let begin = Instant::now();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let result = runner.run(&case(), |(format, bytes)| {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| format.read(&bytes).is_ok()));
        let (time, taken) = (start.elapsed(), MEMORY.peak_usage().saturating_sub(before));
        prop_assert!(outcome.is_ok(), "{format:?} panics");
        let bound = format.bound(bytes.len());
        prop_assert!(taken <= bound, "{format:?}: {} bytes take {taken} of memory; {bound} are allowed", bytes.len());
        read.set(read.get() + u32::from(outcome.unwrap_or(false)));
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
