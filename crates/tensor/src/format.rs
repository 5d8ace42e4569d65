//! Formats tensors as NumPy prints arrays with its default options.
//!
//! Follows NumPy's `_core/arrayprint.py`: up to eight decimals and 75 columns a line. Arrays of more than 1000 elements
//! show only the first and last three along each axis.

use std::fmt;
use std::ops::Range;

use ndarray::{ArrayViewD, Axis};

use crate::dtype::{Element, with_dtype};
use crate::kernels::view::array_view;
use crate::tensor::Tensor;

/// The maximum number of decimals in an array.
const PRECISION: usize = 8;
/// The size above which arrays are abbreviated.
const THRESHOLD: usize = 1000;
/// The number of elements shown at either end of an abbreviated axis.
const EDGE: usize = 3;
/// The maximum number of columns in a line.
const LINE_WIDTH: usize = 75;

/// Prints like NumPy's `print(array)`.
///
/// ```
/// # use tensor::tensor;
/// let x = tensor![[1.0, 2.5], [-3.0, 4.0]];
/// assert_eq!(x.to_string(), "[[ 1.   2.5]\n [-3.   4. ]]");
/// ```
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, ""))
    }
}

/// Prints the elements like [`Display`](fmt::Display), then shape and type, as `tf.Tensor` does:
/// `Tensor([1. 2.], shape=[2], dtype=float32)`.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, shape={}, dtype={})", text(self, "Tensor("), self.shape(), self.dtype())
    }
}

/// The elements as text, aligned for a first line that begins with `prefix`.
fn text(x: &Tensor, prefix: &str) -> String {
    if x.size() == 0 {
        return "[]".into();
    }
    with_dtype!(x.dtype(), T => {
        if x.rank() == 0 {
            return x.first::<T>().scalar();
        }
        let elided = x.size() > THRESHOLD;
        let mut shown = Vec::new();
        collect(array_view::<T>(x.typed()), elided, &mut shown);
        let mut layout = Layout { words: T::column(&shown).into_iter(), elided };
        layout.array(x.shape(), &" ".repeat(prefix.len() + 1), LINE_WIDTH)
    })
}

/// Collects the elements that are shown, in row-major order.
fn collect<T: Element>(view: ArrayViewD<'_, T>, elided: bool, shown: &mut Vec<T>) {
    if view.ndim() == 0 {
        shown.extend(&view);
        return;
    }
    let (first, last) = shown_indices(view.len_of(Axis(0)), elided);
    for k in first.chain(last) {
        collect(view.index_axis(Axis(0), k), elided, shown);
    }
}

/// The indices of an axis that are shown: those before the dots (empty if there are no dots) and the others.
fn shown_indices(size: usize, elided: bool) -> (Range<usize>, Range<usize>) {
    if elided && size > 2 * EDGE { (0..EDGE, size - EDGE..size) } else { (0..0, 0..size) }
}

/// Arranges words, one for each element, in brackets and lines.
struct Layout {
    words: std::vec::IntoIter<String>,
    elided: bool,
}

impl Layout {
    /// The text of an array of `shape`; every line but the first begins with `indent`.
    fn array(&mut self, shape: &[usize], indent: &str, width: usize) -> String {
        let [size, inner @ ..] = shape else {
            return self.words.next().unwrap_or_default();
        };
        let (first, last) = shown_indices(*size, self.elided);
        let dots = (!first.is_empty()).then(|| "...".to_string());
        let before = first.len();
        let count = before + last.len();
        let mut out = String::new();
        if inner.is_empty() {
            let words: Vec<String> = self.words.by_ref().take(count).collect();
            let (head, tail) = words.split_at(before);
            let mut line = indent.to_string();
            for word in head.iter().chain(&dots).chain(tail) {
                if line.len() > indent.len() {
                    line.push(' ');
                    // One column is reserved for the bracket.
                    if line.len() + word.len() + 1 > width {
                        out += line.trim_end();
                        out.push('\n');
                        line = indent.to_string();
                    }
                }
                line += word;
            }
            out += &line;
        } else {
            let deeper = format!("{indent} ");
            let separator = "\n".repeat(inner.len());
            let parts: Vec<String> = (0..count).map(|_| self.array(inner, &deeper, width.saturating_sub(1))).collect();
            let (head, tail) = parts.split_at(before);
            let lines: Vec<String> =
                head.iter().chain(&dots).chain(tail).map(|part| format!("{indent}{part}")).collect();
            out = lines.join(&separator);
        }
        format!("[{}]", &out[indent.len()..])
    }
}

/// Formats the elements of one type.
trait Show: Element {
    /// The text of a scalar.
    fn scalar(self) -> String;

    /// The texts of the elements of an array, all of the same width.
    fn column(values: &[Self]) -> Vec<String>;
}

impl Show for bool {
    fn scalar(self) -> String {
        if self { "True".into() } else { "False".into() }
    }

    fn column(values: &[bool]) -> Vec<String> {
        // NumPy uses five columns even without a `False`.
        values.iter().map(|value| format!("{:>5}", value.scalar())).collect()
    }
}

macro_rules! show_integers {
    ($($type:ty),*) => {$(
        impl Show for $type {
            fn scalar(self) -> String {
                self.to_string()
            }

            fn column(values: &[$type]) -> Vec<String> {
                let words: Vec<String> = values.iter().map(|value| value.to_string()).collect();
                let width = words.iter().map(String::len).max().unwrap_or(0);
                words.iter().map(|word| format!("{word:>width$}")).collect()
            }
        }
    )*};
}

show_integers!(i64, u8);

/// The shortest text that identifies a number, with or without an exponent. If two such texts are equally close, this
/// is the one that ends in an even digit, as in NumPy; Rust does not always choose that one.
macro_rules! shortest {
    ($value:expr, $exponents:expr) => {{
        let value = $value;
        let text = if $exponents { format!("{value:e}") } else { format!("{value}") };
        let decimals = Digits::of(&text).fraction.len();
        let even = if $exponents { format!("{value:.decimals$e}") } else { format!("{value:.decimals$}") };
        if even.parse() == Ok(value) { even } else { text }
    }};
}

macro_rules! show_floats {
    ($($type:ty, $array_limit:expr, $scalar_limit:expr;)*) => {$(
        impl Show for $type {
            fn scalar(self) -> String {
                if !self.is_finite() {
                    return not_finite(self.into());
                }
                let size = f64::from(self).abs();
                let exponents = size != 0.0 && !(1e-4..$scalar_limit).contains(&size);
                let text = shortest!(self, exponents);
                if exponents {
                    let (mantissa, exponent) = scientific(&text);
                    return mantissa + &exponent_text(exponent, 2);
                }
                if text.contains('.') { text } else { text + ".0" }
            }

            fn column(values: &[$type]) -> Vec<String> {
                let sizes = || values.iter().map(|value| value.abs()).filter(|&size| size.is_finite() && size != 0.0);
                let greatest = sizes().fold(0.0, <$type>::max);
                let least = sizes().fold(<$type>::INFINITY, <$type>::min);
                let exponents =
                    greatest > 0.0 && (greatest >= $array_limit || least < 0.0001 || greatest / least > 1000.0);
                let parts = values.iter().map(|&value| {
                    NumberText::of(value.into(), &shortest!(value, exponents), exponents)
                });
                align(&parts.collect::<Vec<_>>(), exponents)
            }
        }
    )*};
}

// NumPy writes exponents from these sizes on: in arrays min(10⁸, 10^d), where d is the number of decimal digits that
// the type always holds; for a float64 scalar 10¹⁶.
show_floats! {
    f32, 1e6, 1e6;
    f64, 1e8, 1e16;
}

fn not_finite(value: f64) -> String {
    if value.is_nan() { "nan".into() } else { value.to_string() }
}

/// Mantissa and exponent of a text in Rust's notation, such as `1.5e-7`.
fn scientific(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (mantissa.into(), exponent.parse().unwrap_or(0))
}

fn exponent_text(exponent: i32, digits: usize) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:0>digits$}", exponent.abs())
}

/// The text of a number in an array, before alignment.
enum NumberText {
    /// A number and its digits.
    Finite(f64, Digits),
    /// `nan`, `inf` or `-inf`.
    Other(String),
}

/// The digits of a number: before the point (with the sign), after the point, and the exponent.
struct Digits {
    whole: String,
    fraction: String,
    exponent: i32,
}

impl Digits {
    fn of(text: &str) -> Digits {
        let (mantissa, exponent) = scientific(text);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
        Digits { whole: whole.into(), fraction: fraction.trim_end_matches('0').into(), exponent }
    }
}

impl NumberText {
    /// Takes the shortest digits that identify `value`. If they have more than [`PRECISION`] decimals, rounds the exact
    /// value instead.
    fn of(value: f64, shortest: &str, exponents: bool) -> NumberText {
        if !value.is_finite() {
            return NumberText::Other(not_finite(value));
        }
        let digits = match Digits::of(shortest) {
            digits if digits.fraction.len() <= PRECISION => digits,
            _ if exponents => Digits::of(&format!("{value:.PRECISION$e}")),
            _ => Digits::of(&format!("{value:.PRECISION$}")),
        };
        NumberText::Finite(value, digits)
    }
}

/// Aligns numbers at their decimal points. With exponents, all numbers get as many decimals as the longest, from their
/// exact values; without, spaces fill the gaps.
fn align(parts: &[NumberText], exponents: bool) -> Vec<String> {
    let (mut left, mut right, mut size) = (0, 0, 2);
    for part in parts {
        if let NumberText::Finite(_, digits) = part {
            left = left.max(digits.whole.len());
            right = right.max(digits.fraction.len());
            size = size.max(digits.exponent.abs().to_string().len());
        }
    }
    // The width of the text after the whole part.
    let tail = 1 + right + if exponents { 2 + size } else { 0 };
    for part in parts {
        if let NumberText::Other(word) = part {
            left = left.max(word.len().saturating_sub(tail));
        }
    }
    let width = left + tail;
    let words = parts.iter().map(|part| match part {
        NumberText::Finite(value, digits) if exponents => {
            let longer = (digits.fraction.len() < right).then(|| Digits::of(&format!("{value:.right$e}")));
            let Digits { whole, fraction, exponent } = longer.as_ref().unwrap_or(digits);
            format!("{whole:>left$}.{fraction:0<right$}{}", exponent_text(*exponent, size))
        }
        NumberText::Finite(_, Digits { whole, fraction, .. }) => format!("{whole:>left$}.{fraction:<right$}"),
        NumberText::Other(word) => format!("{word:>width$}"),
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::tensor;

    /// What NumPy 2.4.6 prints for the same arrays.
    #[test]
    fn arrays_print_as_in_numpy() {
        let cases = [
            (tensor![[1.0, 2.0], [3.0, 4.0]], "[[1. 2.]\n [3. 4.]]"),
            (tensor![0.1, -0.25, 100.0], "[  0.1   -0.25 100.  ]"),
            (tensor![1.0 / 3.0, 2.0 / 3.0], "[0.33333334 0.6666667 ]"),
            (Tensor::from([1.0f64 / 3.0, 200.0 / 3.0]), "[ 0.33333333 66.66666667]"),
            (tensor![1e-5, 1.0], "[1.e-05 1.e+00]"),
            (tensor![1.0, 1001.0], "[1.000e+00 1.001e+03]"),
            (tensor![-1.5, 1234.5], "[  -1.5 1234.5]"),
            (tensor![1e10, -2.5e-10, 0.0], "[ 1.0e+10 -2.5e-10  0.0e+00]"),
            (Tensor::from([1e100f64, 1e-100]), "[1.e+100 1.e-100]"),
            (Tensor::from([1e100f64, 2.5e7]), "[1.0e+100 2.5e+007]"),
            (tensor![1e6], "[1.e+06]"),
            (Tensor::from([1e6f64, 99999999.0]), "[ 1000000. 99999999.]"),
            (tensor![f32::NAN, 1.0, f32::INFINITY], "[nan  1. inf]"),
            (tensor![f32::NAN, f32::NEG_INFINITY], "[ nan -inf]"),
            (tensor![f32::NAN, f32::INFINITY], "[nan inf]"),
            (tensor![f32::NEG_INFINITY, 1e-7, 1.25], "[    -inf 1.00e-07 1.25e+00]"),
            (tensor![-0.0, 0.0], "[-0.  0.]"),
            (Tensor::from([0.123456789f64, 0.999999999]), "[0.12345679 1.        ]"),
            (tensor![16777216.0, 1.5], "[1.6777216e+07 1.5000000e+00]"),
            (tensor![1, -20, 300], "[  1 -20 300]"),
            (tensor![[1u8, 255], [30, 4]], "[[  1 255]\n [ 30   4]]"),
            (tensor![true, true], "[ True  True]"),
            (tensor![[true, false], [true, true]], "[[ True False]\n [ True  True]]"),
            (tensor![[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "[[[1 2]\n  [3 4]]\n\n [[5 6]\n  [7 8]]]"),
            (Tensor::zeros([2, 1, 1, 2]), "[[[[0. 0.]]]\n\n\n [[[0. 0.]]]]"),
            // The first is halfway between two texts of eight digits; the second needs exact digits beyond the
            // shortest.
            (tensor![-6076.40625, 10209.151], "[-6076.4062 10209.151 ]"),
            (tensor![9.47081e7, 3.6159504e7], "[9.4708096e+07 3.6159504e+07]"),
            (Tensor::zeros([0]), "[]"),
            (Tensor::zeros([2, 0, 3]), "[]"),
            (
                Tensor::arange(0, 1000, 1).unwrap().slice(..30).unwrap(),
                "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29]",
            ),
            (Tensor::arange(0, 1001, 1).unwrap(), "[   0    1    2 ...  998  999 1000]"),
            (
                Tensor::linspace(0.0, 1.0, 20),
                "[0.         0.05263158 0.10526316 0.15789473 0.21052632 0.2631579\n 0.31578946 0.36842105 0.42105263 0.47368422 0.5263158  0.57894737\n 0.6315789  0.68421054 0.7368421  0.7894737  0.84210527 0.8947368\n 0.94736844 1.        ]",
            ),
            (
                Tensor::arange(0, 10000, 1).unwrap().reshape([100, 100]).unwrap().cast(DType::F32),
                "[[0.000e+00 1.000e+00 2.000e+00 ... 9.700e+01 9.800e+01 9.900e+01]\n [1.000e+02 1.010e+02 1.020e+02 ... 1.970e+02 1.980e+02 1.990e+02]\n [2.000e+02 2.010e+02 2.020e+02 ... 2.970e+02 2.980e+02 2.990e+02]\n ...\n [9.700e+03 9.701e+03 9.702e+03 ... 9.797e+03 9.798e+03 9.799e+03]\n [9.800e+03 9.801e+03 9.802e+03 ... 9.897e+03 9.898e+03 9.899e+03]\n [9.900e+03 9.901e+03 9.902e+03 ... 9.997e+03 9.998e+03 9.999e+03]]",
            ),
            (
                Tensor::arange(0, 1200, 1).unwrap().reshape([2, 300, 2]).unwrap(),
                "[[[   0    1]\n  [   2    3]\n  [   4    5]\n  ...\n  [ 594  595]\n  [ 596  597]\n  [ 598  599]]\n\n [[ 600  601]\n  [ 602  603]\n  [ 604  605]\n  ...\n  [1194 1195]\n  [1196 1197]\n  [1198 1199]]]",
            ),
            (Tensor::arange(0, 6, 1).unwrap().reshape([2, 3]).unwrap().t().unwrap(), "[[0 3]\n [1 4]\n [2 5]]"),
        ];
        for (x, expected) in cases {
            assert_eq!(x.to_string(), expected);
        }
    }

    #[test]
    fn scalars_print_as_in_numpy() {
        let cases = [
            (Tensor::scalar(1.0), "1.0"),
            (Tensor::scalar(0.1), "0.1"),
            (Tensor::scalar(1e6), "1e+06"),
            (Tensor::scalar(999999.0), "999999.0"),
            (Tensor::scalar(123456789.0), "1.2345679e+08"),
            (Tensor::scalar(1e-4), "1e-04"),
            (Tensor::scalar(0.00012), "0.00012"),
            (Tensor::scalar(-0.0), "-0.0"),
            (Tensor::scalar(1e30), "1e+30"),
            (Tensor::scalar(1.5e-7), "1.5e-07"),
            (Tensor::from(1.0f64), "1.0"),
            (Tensor::from(1e15f64), "1000000000000000.0"),
            (Tensor::from(1e16f64), "1e+16"),
            (Tensor::from(1e-4f64), "0.0001"),
            (Tensor::from(1.5e-7f64), "1.5e-07"),
            (Tensor::from(-2.5e100f64), "-2.5e+100"),
            (Tensor::from(12345678901234567.0f64), "1.2345678901234568e+16"),
            (Tensor::scalar(f32::NAN), "nan"),
            (Tensor::from(f64::NEG_INFINITY), "-inf"),
            (Tensor::scalar(6076.40625), "6076.4062"),
            (Tensor::scalar(-3), "-3"),
            (Tensor::scalar(7u8), "7"),
            (Tensor::scalar(true), "True"),
        ];
        for (x, expected) in cases {
            assert_eq!(x.to_string(), expected);
        }
    }

    /// NumPy supports only 64 axes.
    #[test]
    fn brackets_may_fill_the_line() {
        let text = Tensor::ones(vec![1; 100]).to_string();
        assert_eq!(text, format!("{}1.{}", "[".repeat(100), "]".repeat(100)));
    }

    #[test]
    fn debug_names_shape_and_type() {
        let debug = |x: Tensor| format!("{x:?}");
        assert_eq!(
            debug(tensor![[1.0, 2.0], [3.0, 4.0]]),
            "Tensor([[1. 2.]\n        [3. 4.]], shape=[2, 2], dtype=float32)"
        );
        assert_eq!(debug(Tensor::scalar(5)), "Tensor(5, shape=[], dtype=int64)");
        assert_eq!(debug(Tensor::zeros([0, 3])), "Tensor([], shape=[0, 3], dtype=float32)");
    }
}
