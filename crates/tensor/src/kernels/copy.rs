//! Copies into row-major order.

use std::ops::Deref;

use crate::dtype::Element;
use crate::kernels::elementwise::map;
use crate::kernels::transpose::by_tiles;
use crate::layout::View;
use crate::storage::Buffer;

/// A copy of `x` whose elements lie in row-major order.
pub(crate) fn row_major<T: Element>(x: View<T>) -> Buffer {
    by_tiles(x).unwrap_or_else(|| map(x, |x: T| x))
}

/// The elements of `x` in row-major order, copied unless they are stored in it.
pub(crate) fn elements<T: Element>(x: View<'_, T>) -> Elements<'_, T> {
    match x.as_slice() {
        Some(elements) => Elements::Borrowed(elements),
        None => Elements::Copied(row_major(x)),
    }
}

/// Elements in row-major order; see [`elements`].
pub(crate) enum Elements<'a, T> {
    Borrowed(&'a [T]),
    Copied(Buffer),
}

impl<T: Element> Deref for Elements<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Elements::Borrowed(elements) => elements,
            Elements::Copied(buffer) => buffer.as_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    /// Checks every element of a copy of permuted axes against an index computed by hand.
    fn check<T: Element>(sizes: [usize; 3], order: [usize; 3]) {
        let values: Vec<T> = (0..sizes.iter().product::<usize>()).map(|k| T::from_i64(k as i64 % 251)).collect();
        let layout = Layout::row_major(sizes.into());
        let strides = layout.strides();
        let permuted = layout.permuted(&order);
        let shape = permuted.shape();
        let mut expected = Vec::new();
        for i in 0..shape[0] as isize {
            for j in 0..shape[1] as isize {
                for k in 0..shape[2] as isize {
                    let [a, b, c] = order.map(|axis| strides[axis]);
                    expected.push(values[(i * a + j * b + k * c) as usize]);
                }
            }
        }
        let copy = row_major(View::new(&values, &permuted));
        assert_eq!(copy.as_slice::<T>(), expected, "{sizes:?} by {order:?}");
    }

    #[test]
    fn a_copy_has_the_elements_of_any_permutation() {
        for sizes in
            [[2, 0, 3], [1, 1, 1], [1, 7, 9], [2, 33, 35], [3, 5, 70], [5, 4, 3], [1, 40_000, 3], [2, 300, 129]]
        {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                check::<f32>(sizes, order);
                check::<f64>(sizes, order);
                check::<i64>(sizes, order);
                check::<u8>(sizes, order);
            }
        }
    }

    #[test]
    fn a_copy_of_reversed_rows_keeps_their_order() {
        let x: Vec<f32> = (0..60).map(|k| k as f32).collect();
        // The transpose of a 10 × 6 matrix whose rows are reversed.
        let layout = Layout::new([6, 10].into(), [1, -6].into_iter().collect(), 54);
        let expected: Vec<f32> = (0..6).flat_map(|c| (0..10).rev().map(move |r| (r * 6 + c) as f32)).collect();
        assert_eq!(row_major(View::new(&x, &layout)).as_slice::<f32>(), expected);
    }
}
