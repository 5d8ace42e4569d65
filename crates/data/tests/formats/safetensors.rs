use data::StoredType;
use data::safetensors::{self, Options, Safetensors};
use tensor::{Tensor, tensor};

use super::{ARRAYS, Temporary, all_types, file, show};

#[test]
fn every_type_that_python_writes_is_read() {
    let read = Safetensors::open(file("all_types.safetensors")).unwrap();
    for (_, name, expected) in ARRAYS {
        assert_eq!(show(&read.tensor(name).unwrap()), expected);
    }
    let expected = "float32 [2, 3] [1.5e0, -3.3895314e38, 9.1835e-41, inf, 1.00097656e-1, 2e0]";
    assert_eq!(show(&read.tensor("BF16").unwrap()), expected);
    assert_eq!(read.info("BF16").unwrap(), (&[2, 3].into(), StoredType::Bf16));
    assert_eq!(read.metadata()["quote"], "a \"b\" ü");
    assert_eq!(read.names().count(), 13);
    let wrong = read.tensor("F8").unwrap_err().to_string();
    assert!(wrong.contains("has no tensor F8; it has ") && wrong.contains("BF16"), "{wrong}");
}

#[test]
fn written_files_round_trip() {
    let folder = Temporary::new("safetensors");
    let path = folder.path("x.safetensors");
    let metadata = [("a\n\"b\"".to_string(), "ü\\".to_string())].into();
    let options = Options { metadata, floats: None };
    let mut tensors = all_types();
    tensors.push(("a \"name\"\n".into(), Tensor::zeros([100, 100])));
    safetensors::write(&path, &tensors, &options).unwrap();
    let read = Safetensors::open(&path).unwrap();
    assert_eq!(read.metadata(), &options.metadata);
    assert_eq!(read.names().count(), tensors.len());
    for (name, x) in &tensors {
        assert_eq!(show(&read.tensor(name).unwrap()), show(x));
    }
    // Elements are aligned: the header ends at a multiple of 8, and larger elements come first.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
    let sizes: Vec<usize> = read.names().map(|name| read.info(name).unwrap().1.size_of()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");

    for (floats, expected) in [
        (StoredType::F16, "float32 [2] [9.9975586e-2, -6.5504e4]"),
        (StoredType::Bf16, "float32 [2] [1.00097656e-1, -6.5536e4]"),
        (StoredType::F64, "float64 [2] [1.0000000149011612e-1, -6.5504e4]"),
    ] {
        let options = Options { floats: Some(floats), ..Options::default() };
        safetensors::write(&path, &[("x".into(), tensor![0.1, -65504.0]), ("n".into(), tensor![3])], &options).unwrap();
        let read = Safetensors::open(&path).unwrap();
        assert_eq!(show(&read.tensor("x").unwrap()), expected);
        assert_eq!(read.info("n").unwrap().1, StoredType::I64);
    }
    let double = [("x".to_string(), Tensor::from([0.1f64, 1e300]))];
    let options = Options { floats: Some(StoredType::F32), ..Options::default() };
    let wrong = safetensors::write(&path, &double, &options).unwrap_err().to_string();
    assert!(wrong.ends_with("cannot hold the number 1e300, which is beyond the range of float32, in x"), "{wrong}");
    for name in ["__metadata__", "x"] {
        let twice = [("x".to_string(), tensor![1]), (name.to_string(), tensor![1])];
        let wrong = safetensors::write(&path, &twice, &Options::default()).unwrap_err().to_string();
        assert!(wrong.ends_with(&format!("cannot hold two entries named {name}")), "{wrong}");
    }
}

#[test]
fn wrong_files_are_named_with_the_place() {
    let bytes =
        |header: &str, data: usize| [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat();
    let message = |header: &str, data: usize| Safetensors::parse(&bytes(header, data), "f").unwrap_err().to_string();
    let tensor = |name: &str, from: usize, to: usize| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{from},{to}]}}", (to - from) / 4)
    };
    let two = |a: String, b: String| format!("{{{a},{b}}}");
    assert!(Safetensors::parse(&bytes(&two(tensor("b", 4, 8), tensor("a", 0, 4)), 8), "f").is_ok());

    let raw = |bytes: &[u8]| Safetensors::parse(bytes, "f").unwrap_err().to_string();
    assert_eq!(
        raw(b"PK\x03"),
        "f: at byte 3: the file ends within the length of the header, of which 5 bytes are missing"
    );
    assert_eq!(
        raw(&[255; 20]),
        "f: at byte 0: a header of 18446744073709551615 bytes is more than the 100000000 that are allowed"
    );
    assert_eq!(
        raw(&[64, 0, 0, 0, 0, 0, 0, 0, b'{']),
        "f: at byte 9: the file ends within the header, of which 63 bytes are missing"
    );
    assert_eq!(
        message("[]", 0),
        "f: at byte 8: the header is wrong: invalid type: sequence, expected an object with an entry for each tensor at line 1 column 0"
    );
    assert_eq!(
        message("{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4),
        "f: at byte 38: the header is wrong: invalid value: integer `-1`, expected usize at line 1 column 31"
    );
    assert!(message("{\"x\":{\"dtype\":\"F32\"}}", 0).contains("missing field `shape`"));
    assert!(message(&"[".repeat(1 << 20), 0).contains("the header is wrong"));

    let two_a = two(tensor("a", 0, 4), tensor("a", 4, 8));
    assert_eq!(message(&two_a, 8), "f: at byte 8: there are two tensors named a");
    let overlap = two(tensor("a", 0, 8), tensor("b", 4, 12));
    let start = 8 + overlap.len();
    assert_eq!(
        message(&overlap, 12),
        format!("f: at byte {}: b overlaps the tensor before it, which ends at {}", start + 4, start + 8)
    );
    let hole = two(tensor("a", 0, 4), tensor("b", 8, 12));
    assert_eq!(message(&hole, 12), format!("f: at byte {}: 4 bytes before b belong to no tensor", 8 + hole.len() + 4));
    let one = format!("{{{}}}", tensor("a", 0, 4));
    let start = 8 + one.len();
    assert_eq!(message(&one, 3), format!("f: at byte {}: the file ends before a does, at {}", start + 3, start + 4));
    assert_eq!(message(&one, 6), format!("f: at byte {}: the last 2 bytes belong to no tensor", start + 4));
    assert_eq!(
        message("{\"x\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
        "f: at byte 8: x: the element type \"F8_E4M3\" is not one of F16, BF16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL"
    );
    assert_eq!(
        message("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4),
        "f: at byte 8: x: data_offsets [0, 4]; float32 [2] calls for 8 bytes between them"
    );
    assert_eq!(
        message("{\"x\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807,2],\"data_offsets\":[0,0]}}", 0),
        "f: at byte 8: x: the shape [0, 9223372036854775807, 2] is larger than memory can address"
    );
    assert_eq!(
        message("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4),
        "f: at byte 8: x: data_offsets [4, 0]; float32 [1] calls for 4 bytes between them"
    );
}
