//! Softmax over some elements of each row: those that a mask and causality allow.

use crate::dtype::Float;
use crate::kernels::copy::elements;
use crate::kernels::fold::Fold;
use crate::kernels::loop_nest::LoopNest;
use crate::kernels::math::{self, Fused, MultiplyAdd, Separate};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::softmax::{along_rows, scaled, total};
use crate::layout::View;
use crate::storage::Buffer;

/// Elements whose exponentials are computed at a time.
const LANES: usize = 16;

/// `eˣ / Σ eˣ` along the last axis over the allowed elements. An element is allowed if `mask`, which broadcasts to `x`,
/// is true there (or absent) and, if `causal`, if its index is at most the index of its row along the second to last
/// axis. Minus infinity counts as not allowed. Elements that are not allowed become 0; so a row without allowed
/// elements is all 0.
pub(crate) fn masked_softmax<T: Float>(x: View<T>, mask: Option<View<bool>>, causal: bool) -> Buffer {
    let source = elements(x);
    let mask = mask.map(|mask| {
        let walk = LoopNest::new(x.shape(), [(&mask.broadcast_strides(x.shape()), mask.offset())]);
        (walk, mask.data)
    });
    let queries = if causal { Some(x.shape()[x.rank() - 2]) } else { None };
    along_rows(x.shape(), |width, start, out| {
        out.copy_from_slice(&source[start..][..out.len()]);
        if let Some((walk, mask)) = &mask {
            forbid(out, walk, mask, start);
        }
        vectorized(MaskedSoftmax { width, first: start / width, queries, out });
    })
}

/// Writes minus infinity where the mask is false; `start` is the position of the first element.
fn forbid<T: Float>(out: &mut [T], walk: &LoopNest<1>, mask: &[bool], start: usize) {
    for (position, [at], length) in walk.runs(start, out.len()) {
        let out = &mut out[position..position + length];
        match walk.steps[0] {
            1 => {
                for (x, &allowed) in out.iter_mut().zip(&mask[at as usize..][..length]) {
                    *x = if allowed { *x } else { T::neg_infinity() };
                }
            }
            0 if mask[at as usize] => {}
            0 => out.fill(T::neg_infinity()),
            step => {
                for (k, x) in out.iter_mut().enumerate() {
                    if !mask[(at + k as isize * step) as usize] {
                        *x = T::neg_infinity();
                    }
                }
            }
        }
    }
}

/// `y (g - Σ g y)` along the last axis. Elements whose `y` is 0 are ignored, whatever their `g`.
pub(crate) fn masked_softmax_gradient<T: Float>(g: View<T>, y: View<T>) -> Buffer {
    let (g_all, y_all) = (elements(g), elements(y));
    along_rows(y.shape(), |width, start, out| {
        let (g, y) = (&g_all[start..][..out.len()], &y_all[start..][..out.len()]);
        vectorized(MaskedSoftmaxGradient { width, g, y, out });
    })
}

/// Computes the softmax of each row in place; minus infinity marks elements that are not allowed.
struct MaskedSoftmax<'a, T> {
    width: usize,
    /// The number of the first row.
    first: usize,
    /// The number of rows after which causality starts again with one allowed element.
    queries: Option<usize>,
    out: &'a mut [T],
}

impl<T: Float> Loop for MaskedSoftmax<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.softmax::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.softmax::<Fused>();
    }
}

impl<T: Float> MaskedSoftmax<'_, T> {
    #[inline(always)]
    fn softmax<M: MultiplyAdd>(self) {
        let MaskedSoftmax { width, first, queries, out } = self;
        for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let end = queries.map_or(width, |queries| (row % queries + 1).min(width));
            // NaN does not count as the largest element: all differences to it would be NaN, even for elements that are
            // not allowed.
            let larger = |a: T, b: T| if a > b { a } else { b };
            let number = |x: T| larger(x, T::neg_infinity());
            let top = Fold { neutral: T::neg_infinity(), lift: number, combine: larger }.block(&out[..end]);
            // Minus infinity minus itself would be NaN.
            let top = if top == T::neg_infinity() { T::zero() } else { top };
            for x in &mut out[..end] {
                *x -= top;
            }
            // Exponentials are computed in whole vectors, which may include elements that are not allowed.
            let whole = end.next_multiple_of(LANES).min(width);
            out[end..].fill(T::zero());
            for x in &mut out[..whole] {
                *x = math::exp_of_negative::<M, T>(*x);
            }
            out[end..whole].fill(T::zero());
            let out = &mut out[..end];
            let sum = total(out);
            if sum > T::zero() {
                scaled(out, sum.recip());
            } else if sum.is_nan() {
                // All elements become NaN, except those that are not allowed, which must stay 0.
                for x in out {
                    *x = if *x == T::zero() { T::zero() } else { T::nan() };
                }
            }
        }
    }
}

struct MaskedSoftmaxGradient<'a, T> {
    width: usize,
    g: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Loop for MaskedSoftmaxGradient<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let MaskedSoftmaxGradient { width, g, y, out } = self;
        let each = g.chunks_exact(width).zip(y.chunks_exact(width)).zip(out.chunks_exact_mut(width));
        for ((g, y), out) in each {
            for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
                *out = if y == T::zero() { T::zero() } else { g * y };
            }
            let sum = total(out);
            for (out, &y) in out.iter_mut().zip(y) {
                *out = if y == T::zero() { T::zero() } else { *out - y * sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets::{self, plain_on, vectorized_on};

    macro_rules! bits {
        ($T:ty, $width:expr, |$loop:ident| $run:expr) => {{
            let (width, count): (usize, usize) = ($width, 12);
            let value = |k: usize| ((k * 7919) % 1009) as $T * 0.013 - 7.0;
            let value = |k: usize| if k % 5 == 0 { <$T>::NEG_INFINITY } else { value(k) };
            let mut y: Vec<$T> = (0..count * width).map(value).collect();
            let g: Vec<$T> = (0..count * width).map(|k| (k % 13) as $T * 0.1).collect();
            let $loop = MaskedSoftmax { width, first: 3, queries: Some(5), out: &mut y };
            $run;
            let mut out = vec![0.0; y.len()];
            let $loop = MaskedSoftmaxGradient { width, g: &g, y: &y, out: &mut out };
            $run;
            y.iter().chain(&out).map(|x| f64::from(*x).to_bits()).collect::<Vec<_>>()
        }};
    }

    #[test]
    fn rows_give_the_bits_of_plain_code_on_every_instruction_set() {
        for (set, width) in sets::available().flat_map(|set| (1..40).chain([100, 1000, 4100]).map(move |w| (set, w))) {
            let compare = |found: Vec<u64>, expected: Vec<u64>| assert_eq!(found, expected, "{set}, width {width}");
            compare(bits!(f32, width, |l| vectorized_on(set, l)), bits!(f32, width, |l| plain_on(set, l)));
            compare(bits!(f64, width, |l| vectorized_on(set, l)), bits!(f64, width, |l| plain_on(set, l)));
        }
    }
}
