use data::StoredType;
use data::npy::{self, Npy};
use tensor::{DType, Tensor, tensor};

use super::{ARRAYS, Temporary, all_types, file, show};

#[test]
fn every_type_that_numpy_writes_is_read() {
    for (code, _, expected) in ARRAYS {
        assert_eq!(show(&npy::read(file(&format!("{code}.npy"))).unwrap()), expected);
    }
    assert_eq!(show(&npy::read(file("big_endian.npy")).unwrap()), ARRAYS[1].2);
    assert_eq!(show(&npy::read(file("big_endian_i2.npy")).unwrap()), ARRAYS[5].2);
    assert_eq!(show(&npy::read(file("version_2.npy")).unwrap()), ARRAYS[6].2);
    assert_eq!(show(&npy::read(file("version_3.npy")).unwrap()), ARRAYS[6].2);
    assert_eq!(show(&npy::read(file("scalar.npy")).unwrap()), "float32 [] [2.5e-1]");
    assert_eq!(show(&npy::read(file("empty.npy")).unwrap()), "float32 [0, 3] []");
    let counting: Vec<i64> = (0..24).collect();
    assert_eq!(show(&npy::read(file("fortran.npy")).unwrap()), format!("int64 [2, 3, 4] {counting:?}"));
}

#[test]
fn written_files_round_trip_and_equal_those_of_numpy() {
    let folder = Temporary::new("npy");
    for (name, x) in all_types() {
        npy::write(folder.path(&name), &x).unwrap();
        assert_eq!(show(&npy::read(folder.path(&name)).unwrap()), show(&x));
    }
    for name in ["f4.npy", "f8.npy", "i8.npy", "u1.npy", "b1.npy", "scalar.npy", "empty.npy"] {
        npy::write(folder.path(name), &npy::read(file(name)).unwrap()).unwrap();
        assert_eq!(std::fs::read(folder.path(name)).unwrap(), std::fs::read(file(name)).unwrap(), "{name}");
    }
    let many = npy::write(folder.path("many"), &Tensor::zeros(vec![1; 30_000])).unwrap_err().to_string();
    assert!(many.ends_with("many: cannot hold 30000 axes"), "{many}");
}

#[test]
fn rows_are_read_where_they_lie() {
    let folder = Temporary::new("rows");
    let x: Tensor = (0..3000i64).collect();
    npy::write(folder.path("x"), &x.reshape([1000, 3]).unwrap()).unwrap();
    let rows = Npy::open(folder.path("x")).unwrap();
    assert_eq!((rows.len(), rows.is_empty(), rows.row_shape()), (1000, false, [3].into()));
    assert_eq!((rows.shape(), rows.dtype(), rows.stored_type()), (&[1000, 3].into(), DType::I64, StoredType::I64));
    assert_eq!(show(&rows.rows(&[999, 0, 999]).unwrap()), "int64 [3, 3] [2997, 2998, 2999, 0, 1, 2, 2997, 2998, 2999]");
    assert_eq!(show(&rows.rows(&[]).unwrap()), "int64 [0, 3] []");
    assert_eq!(show(&rows.range(1..3).unwrap()), "int64 [2, 3] [3, 4, 5, 6, 7, 8]");
    assert_eq!(show(&rows.range(7..7).unwrap()), "int64 [0, 3] []");
    let name = folder.path("x").display().to_string();
    assert_eq!(rows.rows(&[1000]).unwrap_err().to_string(), format!("{name}: there is no row 1000 among 1000"));
    assert_eq!(rows.range(5..1001).unwrap_err().to_string(), format!("{name}: there are no rows 5..1001 among 1000"));

    // One axis, a single element, big-endian float, and arrays without access by rows.
    npy::write(folder.path("y"), &tensor![1.5, 2.5, 3.5]).unwrap();
    assert_eq!(show(&Npy::open(folder.path("y")).unwrap().rows(&[2, 1]).unwrap()), "float32 [2] [3.5e0, 2.5e0]");
    let scalar = Npy::open(file("scalar.npy")).unwrap();
    assert_eq!((scalar.len(), show(&scalar.range(0..1).unwrap())), (1, "float32 [1] [2.5e-1]".into()));
    let big = Npy::open(file("big_endian.npy")).unwrap();
    assert_eq!(show(&big.rows(&[1]).unwrap()), "float32 [1, 3] [inf, 1e-1, 2e0]");
    let wrong = Npy::open(file("fortran.npy")).unwrap().rows(&[0]).unwrap_err().to_string();
    assert!(
        wrong.ends_with("the array is in Fortran order, in which rows are not contiguous; read it whole"),
        "{wrong}"
    );

    // A file that shrinks while it is open.
    std::fs::OpenOptions::new().write(true).open(folder.path("x")).unwrap().set_len(200).unwrap();
    let wrong = rows.range(2..4).unwrap_err().to_string();
    assert_eq!(wrong, format!("{name}: at byte 200: the file ends after 24 of the 48 bytes of int64 elements"));
}

#[test]
fn wrong_files_are_named_with_the_place() {
    let good = std::fs::read(file("f4.npy")).unwrap();
    let message = |bytes: &[u8]| npy::parse(bytes, "f").unwrap_err().to_string();
    assert_eq!(
        message(b"PK\x03\x04"),
        "f: at byte 4: the file ends within the magic number, of which 4 bytes are missing"
    );
    assert_eq!(
        message(b"PK\x03\x04ABCD"),
        "f: at byte 0: the magic number is [50, 4b, 03, 04, 41, 42]; .npy files begin with [93, 4e, 55, 4d, 50, 59]"
    );
    assert_eq!(message(&good[..20]), "f: at byte 20: the file ends within the header, of which 108 bytes are missing");
    assert_eq!(
        message(&good[..good.len() - 1]),
        "f: at byte 128: the file has 23 bytes of elements; the shape [2, 3] requires 24"
    );
    assert_eq!(
        message(&[&good[..], b"x"].concat()),
        "f: at byte 128: the file has 25 bytes of elements; the shape [2, 3] requires 24"
    );
    let mut version = good.clone();
    version[6] = 4;
    assert_eq!(message(&version), "f: at byte 6: version 4 of the format is not one of 1, 2, 3");
    assert_eq!(
        message(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        "f: at byte 8: a header of 4294967295 bytes is more than the 65535 that are allowed"
    );
    let text = |text: &str| [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    assert_eq!(
        message(&text("{'descr': '<V2', 'fortran_order': False, 'shape': (3,)}")),
        "f: at byte 25: the element type \"<V2\" is not one of f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1"
    );
    // 8 EiB, hidden behind an axis of size 0, and 64 TiB, which the machine does not have.
    for sizes in ["(9223372036854775807, 2)", "(0, 9223372036854775807, 2)"] {
        let absurd = message(&text(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {sizes}}}")));
        assert!(absurd.ends_with("is larger than memory can address"), "{absurd}");
    }
    assert_eq!(
        message(&text("{'descr': '<f4', 'fortran_order': False, 'shape': (17592186044416,)}")),
        "f: at byte 78: the file has 0 bytes of elements; the shape [17592186044416] requires 70368744177664"
    );
    let large = npy::read(file("too_large.npy")).unwrap_err().to_string();
    assert!(large.ends_with(": at byte 136: the integer 9223372036854775808 is more than int64 holds"), "{large}");
    let missing = npy::read("/nowhere/x.npy").unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/x.npy: cannot open: "), "{missing}");
}
