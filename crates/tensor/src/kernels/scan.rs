//! Cumulative operations and sorting along one axis.

use crate::dtype::Element;
use crate::kernels::copy::elements;
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::layout::View;
use crate::shape::Shape;
use crate::storage::Buffer;

/// The number of lanes outside and inside an axis.
fn around(shape: &Shape, axis: usize) -> (usize, usize) {
    (shape[..axis].iter().product(), shape[axis + 1..].iter().product())
}

/// Rows that are processed at a time: within a row, each result depends on the previous one.
const ABREAST: usize = 4;

/// The cumulative result along an axis: an accumulator begins as `start`, `step` updates it with each element, and
/// `value` turns it into the output.
pub(crate) fn cumulate<T: Element, A: Copy + Sync>(
    x: View<T>,
    axis: usize,
    start: A,
    step: impl Fn(A, T) -> A + Sync,
    value: impl Fn(A) -> T + Sync,
) -> Buffer {
    if x.size() == 0 {
        return Buffer::new::<T>(0);
    }
    let inner = around(x.shape(), axis).1;
    let lane = x.shape()[axis] * inner;
    let source = elements(x);
    let mut out = Buffer::new::<T>(x.size());
    for_chunks(out.as_mut_slice::<T>(), lane * (CHUNK / lane).max(1), |first, out| {
        let source = &source[first..][..out.len()];
        if inner == 1 {
            let (sources, outs) = (source.chunks(lane * ABREAST), out.chunks_mut(lane * ABREAST));
            return sources.zip(outs).for_each(|(source, out)| cumulate_rows(source, lane, out, start, &step, &value));
        }
        let mut running = vec![start; inner];
        for (source, out) in source.chunks(lane).zip(out.chunks_mut(lane)) {
            running.fill(start);
            for (source, out) in source.chunks_exact(inner).zip(out.chunks_exact_mut(inner)) {
                for ((running, &x), out) in running.iter_mut().zip(source).zip(out) {
                    *running = step(*running, x);
                    *out = value(*running);
                }
            }
        }
    });
    out
}

/// [`cumulate`] along a few rows of `width` elements.
fn cumulate_rows<T: Copy, A: Copy>(
    source: &[T],
    width: usize,
    out: &mut [T],
    start: A,
    step: impl Fn(A, T) -> A,
    value: impl Fn(A) -> T,
) {
    let (mut sources, mut outs) = (source.chunks_exact(width), out.chunks_exact_mut(width));
    let sources = [(); ABREAST].map(|()| sources.next());
    if let ([Some(a), Some(b), Some(c), Some(d)], [Some(w), Some(x), Some(y), Some(z)]) =
        (sources, [(); ABREAST].map(|()| outs.next()))
    {
        let mut running = [start; ABREAST];
        let inputs = a.iter().zip(b).zip(c.iter().zip(d));
        let outputs = w.iter_mut().zip(x).zip(y.iter_mut().zip(z));
        for (((&a, &b), (&c, &d)), ((w, x), (y, z))) in inputs.zip(outputs) {
            let [p, q, r, s] = running;
            running = [step(p, a), step(q, b), step(r, c), step(s, d)];
            [*w, *x, *y, *z] = running.map(&value);
        }
        return;
    }
    for (source, out) in source.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut running = start;
        for (&x, out) in source.iter().zip(out) {
            running = step(running, x);
            *out = value(running);
        }
    }
}

/// The indices (int64) of the first `count` elements along an axis in sorted order. NaN comes last; equal elements keep
/// their order.
pub(crate) fn order<T: Element>(x: View<T>, axis: usize, count: usize, descending: bool) -> Buffer {
    let keys: Vec<u64> = elements(x).iter().map(|&x| key(x, descending)).collect();
    if keys.is_empty() || count == 0 {
        return Buffer::new::<i64>(0);
    }
    order_of_keys(&keys, x.shape(), axis, count)
}

/// [`order`] by ascending keys.
fn order_of_keys(keys: &[u64], shape: &Shape, axis: usize, count: usize) -> Buffer {
    let (outer, inner) = around(shape, axis);
    let length = shape[axis];
    let mut out = Buffer::new::<i64>(outer * count * inner);
    let indices = out.as_mut_slice::<i64>();
    // With the index as second key no two keys are equal, so an unstable sort preserves the order.
    let mut lane: Vec<(u64, usize)> = Vec::with_capacity(length);
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        lane.clear();
        lane.extend((0..length).map(|k| (keys[(o * length + k) * inner + i], k)));
        if count < length {
            lane.select_nth_unstable(count - 1);
        }
        let first = &mut lane[..count];
        first.sort_unstable();
        for (k, &(_, index)) in first.iter().enumerate() {
            indices[(o * count + k) * inner + i] = index as i64;
        }
    }
    out
}

/// An unsigned key with the order of the elements, or the reverse if `descending`. NaN has the greatest key in both
/// cases.
fn key<T: Element>(x: T, descending: bool) -> u64 {
    const SIGN: u64 = 1 << 63;
    let ascending = if T::DTYPE.is_float() {
        let x = x.to_f64();
        if x.is_nan() {
            return u64::MAX;
        }
        // -0.0 + 0.0 is 0.0: the two zeros are equal.
        let bits = (x + 0.0).to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    } else {
        x.to_i64() as u64 ^ SIGN
    };
    if descending { !ascending } else { ascending }
}
