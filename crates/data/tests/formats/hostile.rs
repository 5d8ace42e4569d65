//! Common behaviour of all readers for invalid files.

use std::path::Path;

use data::npz::{self, Npz};
use data::safetensors::{self, Safetensors};
use data::table::Column;
use data::{Csv, Error, Preprocessing, Table, cifar, idx, npy, text};
use tensor::tensor;

use super::Temporary;

/// All readers. Each opens this file and returns an error.
fn errors(path: &Path) -> Vec<Error> {
    let line = |line: &str| Ok((tensor![line.len() as i64], tensor![0]));
    vec![
        idx::read(path).unwrap_err(),
        npy::read(path).unwrap_err(),
        npz::read(path).unwrap_err(),
        safetensors::read(path).unwrap_err(),
        Csv::new(path).read().unwrap_err(),
        Preprocessing::load(path).unwrap_err(),
        data::DataSource::epoch(&text::lines(path, line), 0).and_then(|mut lines| lines.next(1)).map(drop).unwrap_err(),
        cifar::load_10_from(path.parent().unwrap()).map(drop).unwrap_err(),
    ]
}

/// Opening a FIFO without a writer would block forever.
#[test]
#[cfg(unix)]
fn a_fifo_or_a_device_in_place_of_a_file_is_an_error() {
    let folder = Temporary::new("fifo");
    // The name of the first file of CIFAR-10.
    let path = folder.path("data_batch_1.bin");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (done, ended) = std::sync::mpsc::channel();
    let fifo = path.clone();
    std::thread::spawn(move || done.send(errors(&fifo)).unwrap());
    let errors = ended.recv_timeout(std::time::Duration::from_secs(60)).expect("a reader waits for a FIFO");
    for error in errors {
        assert_eq!(error.to_string(), format!("{}: cannot open: it is a FIFO, not a regular file", path.display()));
    }
    let device = npy::read("/dev/zero").unwrap_err().to_string();
    assert_eq!(device, "/dev/zero: cannot open: it is a device, not a regular file");
}

/// A name that would fake a line and set the title of a terminal, and one that would fill it.
const NAME: &str = "x\nepoch 1: loss 0\u{1b}]0;\u{7}\u{202e}";

fn harmless(message: &str) {
    assert!(!message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{message:?}");
    assert!(message.chars().count() < 6000, "{} characters", message.chars().count());
}

#[test]
fn names_from_files_are_printed_escaped_and_bounded() {
    let folder = Temporary::new("names");
    let long = "y".repeat(100_000);
    for name in [NAME, &long] {
        let path = folder.path("x.safetensors");
        safetensors::write(&path, &[(name.into(), tensor![1.0])], &Default::default()).unwrap();
        let file = Safetensors::open(&path).unwrap();
        harmless(&file.tensor("other").unwrap_err().to_string());
        harmless(&file.tensor(&format!("{name}z")).unwrap_err().to_string());

        // The name in the header, and a field that is not known.
        let quoted = serde_json::to_string(name).unwrap();
        for header in [
            format!("{{{quoted}:{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}}}"),
            format!("{{\"x\":{{{quoted}:1}}}}"),
            format!("{{\"x\":{{\"dtype\":{quoted},\"shape\":[1],\"data_offsets\":[0,4]}}}}"),
        ] {
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
            harmless(&Safetensors::parse(&bytes, name).unwrap_err().to_string());
        }

        let table = Csv::from_bytes(format!("\"{name}\",b\n\"{name}\",1\n"), name).read().unwrap();
        harmless(&table.column("other").map(drop).unwrap_err().to_string());
        harmless(&table.column(name).unwrap().numbers().unwrap_err().to_string());
        harmless(&table.to_string().replace('\n', " "));
        harmless(&table.summary().unwrap().to_string().replace('\n', " "));
        assert_eq!((table.to_string().lines().count(), table.summary().unwrap().to_string().lines().count()), (3, 4));
        harmless(&Csv::from_bytes(format!("\"{name}\",\"{name}\"\n"), name).read().unwrap_err().to_string());
        let column = || Column::Numbers(tensor![1.0]);
        harmless(&Table::new([(name, column()), (name, column())]).unwrap_err().to_string());
    }
    let path = folder.path("x.npz");
    // A colon is not allowed in paths of archives.
    let name = NAME.replace(':', "");
    npz::write(&path, &[(name.clone(), tensor![1.0])], &Default::default()).unwrap();
    let file = Npz::open(&path).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), [name]);
    harmless(&file.tensor("other").unwrap_err().to_string());

    let missing = npy::read(folder.path(NAME)).unwrap_err().to_string();
    harmless(&missing);
    assert!(missing.contains(r"x\nepoch 1: loss 0\u{1b}]0;\u{7}\u{202e}: cannot open: "), "{missing}");
}

#[test]
fn a_table_of_many_columns_prints_the_first() {
    let names = (0..50).map(|k| k.to_string()).collect::<Vec<_>>().join(",");
    let table = Csv::from_bytes(format!("{names}\n{names}\n"), "wide.csv").read().unwrap();
    let lines: Vec<String> = table.to_string().lines().map(String::from).collect();
    assert!(lines[0].ends_with(" 18  19") && lines[2..] == ["…", "1 rows, 50 columns"], "{table}");
}

#[test]
fn padding_with_nul_bytes_and_files_of_other_programs_are_explained() {
    let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    let file = |padding: &[u8]| {
        let length = ((header.len() + padding.len()) as u64).to_le_bytes();
        Safetensors::parse(&[&length[..], header.as_bytes(), padding, &[0; 4]].concat(), "f")
    };
    assert!(file(b"   ").is_ok());
    let explained = "the header is padded with NUL bytes, 3 from here on; the format allows spaces (0x20) only";
    assert_eq!(file(b"\0\0\0").unwrap_err().to_string(), format!("f: at byte {}: {explained}", 8 + header.len()));
    assert!(
        file(b"\0 \0\0\n")
            .unwrap_err()
            .to_string()
            .ends_with("padded with NUL bytes, 2 from here on; the format allows spaces (0x20) only")
    );
    for begin in [b"PK\x03\x04\x00\x00\x08\x08", b"\x80\x02\x8a\x0al\xfc\x9cF"] {
        let message = Safetensors::parse(begin, "f").unwrap_err().to_string();
        let way_round = "in Python, `safetensors.torch.save_file(state_dict, \"model.safetensors\")` writes its tensors as safetensors";
        assert!(message.ends_with(way_round), "{message}");
    }
}

#[test]
fn shapes_that_memory_cannot_address_are_named_with_file_and_place() {
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2)}";
    let bytes = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    let message = "the shape [9223372036854775807, 2] is larger than memory can address";
    assert_eq!(npy::parse(&bytes, "f.npy").unwrap_err().to_string(), format!("f.npy: at byte 10: {message}"));
}

#[test]
fn an_invalid_preprocessing_file_says_what_was_expected() {
    let folder = Temporary::new("preprocessing");
    let path = folder.path("x.json");
    let feature = "{\"format\":\"preprocessing 1\",\"target\":null,\"features\":[";
    for (text, expected) in [
        (
            "3".to_string(),
            "expected an object with `format`, `features` and `target`, as `Preprocessing::save` writes it",
        ),
        (format!("{feature}{{\"number\":3}}]}}"), "unknown variant `number`, expected `numeric` or `categorical`"),
        (format!("{feature}{{\"numeric\":3}}]}}"), "expected what was fitted on a column of numbers, as an object"),
    ] {
        std::fs::write(&path, text).unwrap();
        let message = Preprocessing::load(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
