//! An error records the call that caused it: the innermost one outside of this library.

use std::io;

use tensor::ops::{Matmul, apply};
use tensor::{Error, Result, Tensor};

/// The line of the call, and its error.
macro_rules! line_of {
    ($call:expr) => {
        (line!(), $call.unwrap_err())
    };
}

#[test]
fn the_debug_form_ends_with_the_line_of_the_call() {
    let (x, y) = (Tensor::zeros([2, 3]), Tensor::zeros([4, 5]));
    let (line, error) = line_of!(x.matmul(&y));
    let place = error.place().expect("a call in this file");
    assert_eq!((place.file(), place.line()), (file!(), line));
    assert_eq!(format!("{error:?}"), format!("{error}\n    at {place}"));
    assert_eq!(error.to_string(), "matmul: [2, 3] × [4, 5]: the inner sizes 3 and 4 differ");
    // Adding context keeps the place.
    let framed = error.context("dense");
    assert_eq!(framed.place().map(|place| place.line()), Some(line));
}

#[test]
fn checks_of_all_kinds_record_the_call() {
    let x = Tensor::zeros([2, 3]);
    for (line, error) in [
        line_of!(x.softmax(7)),
        line_of!(x.sum_axis([1, 1])),
        line_of!(x.reshape([4, 4])),
        line_of!(x.reshape([-1, -1])),
        line_of!(x.slice(5..9)),
        line_of!(x.item()),
        line_of!(Tensor::from_vec(vec![1.0f32], [2])),
        line_of!(Tensor::normal([2], 0.0, -1.0)),
        line_of!(apply(Matmul::Dense, &[&x])),
        line_of!(Err::<(), _>(Error::argument("mine", "is wrong"))),
        line_of!(Err::<(), _>(Error::other("is wrong"))),
    ] {
        assert_eq!(error.place().map(|place| (place.file(), place.line())), Some((file!(), line)), "{error}");
    }
}

/// A function may report its caller with `#[track_caller]`, as in the standard library.
#[test]
fn a_function_of_the_user_may_report_its_caller() {
    #[track_caller]
    fn halves(x: &Tensor) -> Result<Vec<Tensor>> {
        x.split([1, 1], 0)
    }
    let (line, error) = line_of!(halves(&Tensor::zeros([3])));
    assert_eq!(error.place().map(|place| place.line()), Some(line));
}

#[test]
fn errors_of_other_types_are_wrapped_and_can_be_downcast() {
    let missing = io::Error::new(io::ErrorKind::NotFound, "no such file");
    let error = Error::other(missing).context("weights");
    assert_eq!(error.to_string(), "weights: no such file");
    assert_eq!(error.downcast_ref::<io::Error>().map(io::Error::kind), Some(io::ErrorKind::NotFound));
    assert!(Error::argument("sum", "is wrong").downcast_ref::<io::Error>().is_none());
}
