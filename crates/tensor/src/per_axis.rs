//! One value for each axis of a tensor.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};

/// Ranks up to this one are stored without a heap allocation; higher ones work too.
pub(crate) const INLINE_RANK: usize = 4;

/// One value for each axis.
///
/// Every operation copies shapes and strides, compares them and multiplies sizes. Up to [`INLINE_RANK`] values are
/// padded with ones, which change no product, so that the compiler can unroll these loops: a loop over a list of
/// variable length, or a call of `memcpy` or `memcmp` for it, takes several times as long.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum PerAxis<T> {
    Inline(Inline<T>),
    /// More than [`INLINE_RANK`] values.
    Heap(Vec<T>),
}

/// The values of a low rank, followed by ones.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Inline<T> {
    /// The rank plus 1. A [`PerAxis`] on the heap has 0 here, so its discriminant takes no further word.
    end: NonZeroUsize,
    values: [T; INLINE_RANK],
}

/// An integer type.
pub(crate) trait Value: Copy {
    const ONE: Self;
}

impl Value for usize {
    const ONE: usize = 1;
}

impl Value for isize {
    const ONE: isize = 1;
}

impl<T: Value> Inline<T> {
    const EMPTY: Inline<T> = Inline { end: NonZeroUsize::MIN, values: [T::ONE; INLINE_RANK] };

    #[inline]
    fn rank(&self) -> usize {
        self.end.get() - 1
    }
}

impl<T: Value> PerAxis<T> {
    /// `value` for each of `rank` axes.
    #[inline]
    pub(crate) fn repeat(value: T, rank: usize) -> PerAxis<T> {
        (0..rank).map(|_| value).collect()
    }

    /// The values and the padding.
    #[inline(always)]
    pub(crate) fn fold<R>(&self, start: R, f: impl FnMut(R, T) -> R) -> R {
        match self {
            PerAxis::Inline(inline) => inline.values.into_iter().fold(start, f),
            PerAxis::Heap(values) => values.iter().copied().fold(start, f),
        }
    }

    /// The results of `f`, which is called for the last axis first. For the padding, it must return 1.
    #[inline(always)]
    pub(crate) fn map_from_last<U: Value>(&self, mut f: impl FnMut(T) -> U) -> PerAxis<U> {
        match self {
            PerAxis::Inline(Inline { end, values }) => {
                let mut results = [U::ONE; INLINE_RANK];
                for (result, &value) in results.iter_mut().zip(values).rev() {
                    *result = f(value);
                }
                PerAxis::Inline(Inline { end: *end, values: results })
            }
            PerAxis::Heap(values) => {
                let mut results: Vec<U> = values.iter().rev().map(|&value| f(value)).collect();
                results.reverse();
                PerAxis::Heap(results)
            }
        }
    }

    /// Inserts a value before `axis`.
    pub(crate) fn insert(&mut self, axis: usize, value: T) {
        *self = self[..axis].iter().chain(&[value]).chain(&self[axis..]).copied().collect();
    }
}

impl<T: Value> Default for PerAxis<T> {
    #[inline]
    fn default() -> Self {
        PerAxis::Inline(Inline::EMPTY)
    }
}

impl<T: Value> Deref for PerAxis<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            PerAxis::Inline(inline) => &inline.values[..inline.rank()],
            PerAxis::Heap(values) => values,
        }
    }
}

impl<T: Value> DerefMut for PerAxis<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            PerAxis::Inline(inline) => {
                let rank = inline.rank();
                &mut inline.values[..rank]
            }
            PerAxis::Heap(values) => values,
        }
    }
}

impl<T: Value> From<&[T]> for PerAxis<T> {
    #[inline]
    fn from(values: &[T]) -> Self {
        values.iter().copied().collect()
    }
}

impl<T: Value> FromIterator<T> for PerAxis<T> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut iterator = values.into_iter();
        let (mut values, mut rank) = ([T::ONE; INLINE_RANK], 0);
        while let Some(value) = iterator.next() {
            if rank == INLINE_RANK {
                return PerAxis::Heap(values.into_iter().chain([value]).chain(iterator).collect());
            }
            values[rank] = value;
            rank += 1;
        }
        PerAxis::Inline(Inline { end: NonZeroUsize::MIN.saturating_add(rank), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_its_values_at_any_rank() {
        for rank in 0..7 {
            let values: Vec<usize> = (1..=rank).collect();
            let list: PerAxis<usize> = values.iter().copied().collect();
            assert_eq!(list[..], values[..]);
            assert!(list == PerAxis::from(&values[..]) && list == list.clone());
            assert!(PerAxis::repeat(7usize, rank)[..] == vec![7; rank][..]);
            assert_eq!(list.fold(1, |product, value| product * value), (1..=rank).product());
            let mut size = 1;
            let sizes = list.map_from_last(|value| {
                size *= value;
                size
            });
            assert_eq!(sizes[..], (1..=rank).map(|k| (k..=rank).product()).collect::<Vec<usize>>()[..]);
            for axis in 0..=rank {
                let (mut longer, mut expected) = (list.clone(), values.clone());
                longer.insert(axis, 9);
                expected.insert(axis, 9);
                assert!(longer[..] == expected[..] && longer == PerAxis::from(&expected[..]) && longer != list);
            }
        }
    }

    #[test]
    fn the_discriminant_takes_no_space() {
        assert_eq!(size_of::<PerAxis<usize>>(), 8 * (INLINE_RANK + 1));
    }
}
