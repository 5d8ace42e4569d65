use std::collections::BTreeMap;

use data::StoredType;
use data::npz::{self, Npz, Options};
use tensor::{Tensor, tensor};

use super::{ARRAYS, Temporary, all_types, file, show};

#[test]
fn archives_that_numpy_writes_are_read() {
    let stored: BTreeMap<String, Tensor> = npz::read(file("stored.npz")).unwrap().into_iter().collect();
    assert_eq!(stored.len(), ARRAYS.len());
    for (code, _, expected) in ARRAYS {
        assert_eq!(show(&stored[code]), expected);
    }
    let deflated = Npz::open(file("deflated.npz")).unwrap();
    assert_eq!(deflated.names().collect::<Vec<_>>(), ["zeros", "dense/kernel"]);
    assert_eq!(show(&deflated.tensor("dense/kernel").unwrap()), ARRAYS[1].2);
    assert_eq!(deflated.tensor("zeros").unwrap().shape(), &[100, 100]);
    let wrong = deflated.tensor("x").unwrap_err().to_string();
    assert!(wrong.ends_with("deflated.npz: has no array x; it has zeros, dense/kernel"), "{wrong}");
}

#[test]
fn written_files_round_trip() {
    let folder = Temporary::new("npz");
    for compressed in [false, true] {
        let options = Options { compressed, ..Options::default() };
        let mut tensors = all_types();
        tensors.push(("blocks.0/größe".into(), Tensor::zeros([300, 300])));
        npz::write(folder.path("x.npz"), &tensors, &options).unwrap();
        let read = npz::read(folder.path("x.npz")).unwrap();
        assert_eq!(read.len(), tensors.len());
        for ((name, x), (read_name, read)) in tensors.iter().zip(&read) {
            assert_eq!((name, show(x)), (read_name, show(read)));
        }
        let size = std::fs::metadata(folder.path("x.npz")).unwrap().len();
        assert_eq!(size < 10_000, compressed, "{size}");
    }
    let halves = Options { floats: Some(StoredType::F16), ..Options::default() };
    npz::write(folder.path("x.npz"), &[("x".into(), tensor![0.1, 2.0]), ("n".into(), tensor![3])], &halves).unwrap();
    let read = npz::read(folder.path("x.npz")).unwrap();
    assert_eq!(show(&read[0].1), "float32 [2] [9.9975586e-2, 2e0]");
    assert_eq!(show(&read[1].1), "int64 [1] [3]");

    let name = folder.path("x.npz").display().to_string();
    let refused = |tensors: &[(&str, Tensor)], floats: Option<StoredType>| {
        let tensors: Vec<_> = tensors.iter().map(|(name, x)| (name.to_string(), x.clone())).collect();
        let options = Options { floats, ..Options::default() };
        npz::write(&name, &tensors, &options).unwrap_err().to_string().replace(&name, "f")
    };
    assert_eq!(refused(&[("x", tensor![1]), ("x", tensor![2])], None), "f: cannot hold two arrays named x");
    assert_eq!(
        refused(&[("../x", tensor![1])], None),
        "f: cannot hold the name \"../x\": a name is a relative path with / between its parts"
    );
    assert_eq!(refused(&[("x", tensor![1.0])], Some(StoredType::Bf16)), "f: cannot hold bfloat16 elements, in x");
    assert_eq!(
        refused(&[("x", tensor![1.0, -65520.0])], Some(StoredType::F16)),
        "f: cannot hold the number -6.552e4, which is beyond the range of float16, in x"
    );
    assert_eq!(
        refused(&[("x", tensor![1.0])], Some(StoredType::I32)),
        "f: cannot hold floating numbers as int32; float16, bfloat16, float32 or float64 would do, in x"
    );
    assert_eq!(npz::read(&name).unwrap().len(), 2, "a refused tensor leaves the file as it was");
}

#[test]
fn wrong_archives_are_named_with_the_place() {
    let message = |bytes: &[u8]| match Npz::parse(bytes, "f") {
        Ok(npz) => npz.tensors().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(message(b""), "f: at byte 0: the zip archive is broken: Missing end of central directory");
    let good = std::fs::read(file("stored.npz")).unwrap();
    assert_eq!(
        message(&good[..good.len() - 1]),
        format!("f: at byte {}: the zip archive is broken: Unexpected end of file", good.len() - 1)
    );
    // One bit of an element.
    let mut flipped = good.clone();
    let place = flipped.windows(4).position(|bytes| bytes == 1.5f32.to_le_bytes()).unwrap();
    flipped[place] ^= 1;
    let checksum = message(&flipped);
    assert!(checksum.starts_with("f: f4.npy: at byte 128: the zip stream is broken: Invalid checksum: "), "{checksum}");
    let twice = message(&std::fs::read(file("twice.npz")).unwrap());
    assert!(twice.ends_with(": there are two arrays named x"), "{twice}");
    let lzma = message(&std::fs::read(file("lzma.npz")).unwrap());
    assert_eq!(lzma, "f: at byte 0: x.npy: uses a compression other than deflate");

    // Two entries of the directory for the same part of the file.
    let folder = Temporary::new("overlap");
    let both = [("xx".to_string(), Tensor::zeros([64])), ("yy".to_string(), Tensor::ones([64]))];
    npz::write(folder.path("x.npz"), &both, &Options::default()).unwrap();
    let mut overlap = std::fs::read(folder.path("x.npz")).unwrap();
    let second = overlap.windows(4).enumerate().rfind(|(_, bytes)| bytes == b"PK\x01\x02").unwrap().0;
    overlap[second + 42..second + 46].fill(0);
    assert_eq!(message(&overlap), "f: at byte 0: yy.npy begins before xx.npy ends, at byte 420");
}
