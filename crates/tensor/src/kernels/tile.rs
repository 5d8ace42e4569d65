//! The micro-kernel of matrix products and convolutions: a register tile of sums of products.
//!
//! A tile is up to twelve rows by one or two vectors of columns: few enough to stay in the vector registers beside the
//! factors, and enough independent accumulators to keep the multiply-add units busy. Every sum is accumulated in the
//! order of the runs, so it depends on nothing but the operands.
//!
//! A loop that keeps one address per row executes more instructions per multiply-add, and another program on the same
//! core takes up to half of what is decoded. So adjacent rows share one address, and loops over contiguous elements are
//! unrolled.
#![allow(unsafe_code)]

use std::cmp::min;
use std::marker::PhantomData;

use smallvec::SmallVec;

use crate::dtype::Float;
use crate::kernels::simd::{InstructionSet, instruction_set};
use crate::kernels::vector::Vector;

/// The maximum number of rows of a tile.
pub(crate) const HEIGHT: usize = 12;
/// The maximum number of rows of a tile whose rows have an address each: x86-64 has 16 registers for addresses.
const APART: usize = 8;
/// There is a loop for each multiple of this many rows; between them, the last row is computed twice.
const STEP: usize = 2;
/// The maximum number of columns of a tile.
const WIDTH: usize = 32;

/// Approximate number of inner elements that are accumulated in registers before the sums are added to the result: a
/// panel of this depth fits into the L2 cache, and the start-up of a tile takes a hundredth of its time.
pub(super) const DEPTH: usize = 512;

/// The operands of a tile. Its element in row `p` and column `c` is
/// `Σ data[starts[p] + run + j · step] · rows[i · stride + c]`, summed over all runs and, within each, over
/// `j < length`; `i` counts these terms.
pub(crate) struct Products<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) runs: &'a [usize],
    pub(crate) length: usize,
    pub(crate) step: usize,
    pub(crate) rows: &'a [T],
    pub(crate) stride: usize,
}

/// Where the sums go: row `p` to the `width` elements from `places[p]` on. The sums overwrite these elements, or are
/// added to them if `add` is set.
pub(crate) struct Target<'a, T> {
    pub(crate) out: Output<'a, T>,
    pub(crate) places: &'a [usize],
    pub(crate) width: usize,
    pub(crate) add: bool,
}

/// Rows of data that are processed tile by tile: their number and the start of the first.
pub(crate) struct Rows {
    pub(crate) count: usize,
    pub(crate) start: usize,
    pub(crate) layout: RowLayout,
}

/// How rows lie in memory.
#[derive(Clone, Copy)]
pub(crate) enum RowLayout {
    /// Rows start this far apart.
    Strided(usize),
    /// In groups of [`adjacent_height`] adjacent rows, the last one padded, of a copy of this depth: the elements of a
    /// group for one term are contiguous, and those for the next term follow.
    Packed(usize),
}

/// Several tiles, one below the other: their number, and the strides from one to the next in `data` and in the target.
#[derive(Clone, Copy)]
struct Repeat {
    count: usize,
    read: usize,
    written: usize,
}

impl Repeat {
    const ONCE: Repeat = Repeat { count: 1, read: 0, written: 0 };
}

/// A slice that a tile writes to.
pub(crate) struct Output<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: a shared reference only gives further outputs, by `after`, which is unsafe: its caller makes sure that what is
// written through them at the same time does not overlap.
unsafe impl<T: Send> Sync for Output<'_, T> {}

impl<'a, T> Output<'a, T> {
    pub(crate) fn of(slice: &'a mut [T]) -> Output<'a, T> {
        Output { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A second output that starts at element `first` of this one, for another tile.
    ///
    /// # Safety
    /// The slice has at least `first` elements, and outputs that are written at the same time are written at different
    /// places.
    pub(crate) unsafe fn after(&self, first: usize) -> Output<'a, T> {
        // SAFETY: `first` is at most the length of the slice, as this function demands.
        Output { start: unsafe { self.start.add(first) }, length: self.length - first, slice: PhantomData }
    }
}

/// An element type for which there are tiles.
pub(crate) trait Tiled: Float {
    /// The tiles of the instruction set in use, widest first.
    fn tiles() -> &'static [Tile<Self>] {
        // SAFETY: the processor supports the set in use.
        unsafe { Self::tiles_of(instruction_set()) }
    }

    /// The tiles of an instruction set, widest first.
    ///
    /// # Safety
    /// The processor supports the set.
    unsafe fn tiles_of(set: InstructionSet) -> &'static [Tile<Self>];
}

/// A micro-kernel for tiles of `width` columns.
pub(crate) struct Tile<T: 'static> {
    pub(crate) width: usize,
    /// The loops for 2, 4, … rows.
    sums: &'static [Sum<T>],
    pack: Pack<T>,
}

/// Sums tiles; see [`Tile::sum_each`]. Reads as many rows as the loop is made for, from the first of the starts.
///
/// # Safety
/// The processor has the instructions, there are at most as many places as rows, and all that is read or written lies
/// within the slices.
type Sum<T> = unsafe fn(&Products<T>, &[usize; HEIGHT], Target<T>, Repeat);

/// Copies rows; see [`Tile::pack`]. The arguments are the first element, the stride from row to row, the number of
/// rows, and the destination.
///
/// # Safety
/// The processor has the instructions; the rows may be read, and as many elements written.
type Pack<T> = unsafe fn(*const T, usize, usize, *mut T);

impl<T: Tiled> Tile<T> {
    /// The narrowest tile with at least `columns` columns, or the widest if none has that many.
    pub(crate) fn of(columns: usize) -> &'static Tile<T> {
        let tiles = T::tiles();
        tiles.iter().rev().find(|tile| tile.width >= columns).unwrap_or(&tiles[0])
    }

    /// The maximum number of rows that have an address each. It is the same for all tiles of an instruction set and
    /// element type.
    pub(crate) fn height(&self) -> usize {
        APART.min(self.adjacent_height())
    }

    /// The maximum number of rows, if the elements of all rows for one term are contiguous.
    pub(crate) fn adjacent_height(&self) -> usize {
        STEP * self.sums.len()
    }

    /// Sums a tile whose rows start at `starts`; rows without a place in the target are left out.
    #[inline]
    pub(crate) fn sum(&self, products: &Products<T>, starts: &[usize; HEIGHT], target: Target<T>) {
        self.sum_each(products, starts, target, Repeat::ONCE);
    }

    /// Sums all rows, tile by tile. Row 0 goes to the `width` elements from `place` on, and each further row `stride`
    /// elements after the previous one.
    pub(crate) fn sum_rows(
        &self,
        products: &Products<T>,
        rows: Rows,
        out: Output<T>,
        [place, stride]: [usize; 2],
        width: usize,
        add: bool,
    ) {
        let most = match rows.layout {
            RowLayout::Strided(step) if step != 1 => self.height(),
            _ => self.adjacent_height(),
        };
        // Between rows and between tiles, and the rows of the last tile that may be read.
        let (step, next, padded) = match rows.layout {
            RowLayout::Strided(step) => (step, most * step, rows.count % most),
            RowLayout::Packed(depth) => {
                assert_eq!(products.step, most, "one term of a group follows the other");
                (1, most * depth, most)
            }
        };
        let whole = rows.count / most;
        for (first, height, count, read) in [(0, most, whole, most), (whole, rows.count % most, 1, padded)] {
            if height * count == 0 {
                continue;
            }
            let start = rows.start + first * next;
            let starts = std::array::from_fn(|p| start + p.min(read - 1) * step);
            let places: [usize; HEIGHT] = std::array::from_fn(|p| place + (first * most + p) * stride);
            // SAFETY: `out` has an element 0 or is empty. The tiles are summed one after the other.
            let out = unsafe { out.after(0) };
            let target = Target { out, places: &places[..height], width, add };
            self.sum_each(products, &starts, target, Repeat { count, read: next, written: most * stride });
        }
    }

    /// Sums several tiles; `starts` and `target.places` are those of the first.
    #[inline]
    fn sum_each(&self, products: &Products<T>, starts: &[usize; HEIGHT], target: Target<T>, repeat: Repeat) {
        let Products { data, runs, length, step, rows, stride } = products;
        // Saturating: an index that overflows is beyond the end of every slice.
        let furthest = |indices: &[usize]| indices.iter().copied().max().unwrap_or(0);
        let after = |place: usize, count: usize, step: usize| place.saturating_add(count.saturating_mul(step));
        let before = repeat.count.saturating_sub(1);
        if !runs.is_empty() && *length > 0 {
            let first = furthest(starts).saturating_add(furthest(runs));
            let last = after(after(first, length - 1, *step), before, repeat.read);
            assert!(last < data.len(), "windows lie within the data");
            let count = runs.len().saturating_mul(*length);
            assert!(after(self.width, count - 1, *stride) <= rows.len(), "there is a row for each product");
        }
        let Target { out, places, width, .. } = &target;
        assert!(*width <= self.width && places.len() <= self.adjacent_height(), "the sums fit into a tile");
        let end = after(furthest(places), before, repeat.written).saturating_add(*width);
        assert!(end <= out.length, "the sums lie within their target");
        let Some(last) = places.len().checked_sub(1) else { return };
        let sum = self.sums[last / STEP];
        // SAFETY: `Tiled::tiles` returns tiles of instructions that the processor has. The assertions above show that the
        // furthest elements that are read and written lie within the slices, and no index is negative.
        unsafe { sum(products, starts, target, repeat) }
    }

    /// Packs rows of the tile's width, which start `stride` apart, into contiguous memory.
    pub(crate) fn pack(&self, rows: &[T], stride: usize, packed: &mut [T]) {
        let count = packed.len() / self.width;
        let end = |count: usize| (count - 1).saturating_mul(stride).saturating_add(self.width);
        assert!(count == 0 || end(count) <= rows.len(), "there are enough rows to fill `packed`");
        // SAFETY: `Tiled::tiles` returns tiles of instructions that the processor has. The last row lies within the slice, as was
        // asserted, and `packed` has room for `count` rows.
        unsafe { (self.pack)(rows.as_ptr(), stride, count, packed.as_mut_ptr()) }
    }
}

/// The height of the tiles of the instruction set in use.
pub(crate) fn height<T: Tiled>() -> usize {
    T::tiles()[0].height()
}

/// The height of the tiles of the instruction set in use whose rows are adjacent.
pub(crate) fn adjacent_height<T: Tiled>() -> usize {
    T::tiles()[0].adjacent_height()
}

/// The columns that one tile covers: the first, their number, and the tile.
pub(crate) type Panel<T> = (usize, usize, &'static Tile<T>);

/// Splits `columns` columns into panels.
pub(crate) fn panels<T: Tiled>(columns: usize) -> SmallVec<[Panel<T>; 8]> {
    let mut panels = SmallVec::new();
    let mut start = 0;
    while start < columns {
        let tile = Tile::of(columns - start);
        panels.push((start, tile.width.min(columns - start), tile));
        start += tile.width;
    }
    panels
}

/// Terms in a pass of an unrolled loop.
const UNROLLED: usize = 4;
/// Prefetch distance, in rows.
const AHEAD: usize = 8;

/// The sums of a tile, whose terms are taken `UNROLL` in a pass. `stride` is that of the products, and `place` is where
/// the element of a term and a row of the tile lies after the start of a run.
///
/// Each way in which elements lie has a call of its own, outside of all loops: between loops that share sums, the
/// compiler copies them from register to register. What a pass does is a function and not a closure, which might not be
/// inlined and then runs without the instructions of its caller.
///
/// # Safety
/// The processor has the instructions of `V`. There is a row for each term of each run, and `run + place(term, p)` lies
/// within the data for all runs, `term < length` and `p < ROWS`. This is inlined into functions that enable the
/// instructions of `V`.
#[inline(always)]
unsafe fn sum_terms<T: Float, V: Vector<T>, const ROWS: usize, const VECTORS: usize, const UNROLL: usize>(
    products: &Products<T>,
    stride: usize,
    place: impl Fn(usize, usize) -> usize,
) -> [[V; VECTORS]; ROWS] {
    let mut row = products.rows.as_ptr();
    let whole = products.length / UNROLL;
    // SAFETY: the processor has the instructions of `V`. There is a row for each term of each run, and the elements of
    // the term lie within the data, as this function demands.
    unsafe {
        let mut sums = [[V::splat(T::zero()); VECTORS]; ROWS];
        for &run in products.runs {
            let from = products.data.as_ptr().wrapping_add(run);
            for pass in 0..whole {
                for term in 0..UNROLL {
                    let element = |p| from.wrapping_add(place(pass * UNROLL + term, p));
                    add_term(&mut sums, row, stride, std::array::from_fn(element));
                    row = row.wrapping_add(stride);
                }
            }
            for term in whole * UNROLL..products.length {
                add_term(&mut sums, row, stride, std::array::from_fn(|p| from.wrapping_add(place(term, p))));
                row = row.wrapping_add(stride);
            }
        }
        sums
    }
}

/// Adds a term to the sums of a tile: the products of an element for each row of the tile and the vectors of `row`.
///
/// # Safety
/// The processor has the instructions of `V`; `VECTORS · LANES` elements from `row` on and each of `elements` may be
/// read. This is inlined into functions that enable the instructions.
#[inline(always)]
unsafe fn add_term<T: Float, V: Vector<T>, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[V; VECTORS]; ROWS],
    row: *const T,
    stride: usize,
    elements: [*const T; ROWS],
) {
    // Prefetch: rows with a large stride miss the caches, and no hardware prefetcher predicts such strides.
    for v in 0..VECTORS {
        V::prefetch(row.wrapping_add(AHEAD * stride + v * V::LANES));
    }
    // SAFETY: the processor has the instructions of `V`, and the elements and vectors may be read.
    unsafe {
        let factors: [V; VECTORS] = std::array::from_fn(|v| V::load(row.add(v * V::LANES)));
        for (sums, element) in sums.iter_mut().zip(elements) {
            let value = V::splat(*element);
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = value.multiply_add(factor, *sum);
            }
        }
    }
}

/// Sums one tile of `ROWS` rows, of `MOST` that a tile has.
///
/// # Safety
/// As of [`Sum`], for one tile. This is inlined into functions that enable the instructions of `V`.
#[inline(always)]
unsafe fn sum_tile<T: Float, V: Vector<T>, const ROWS: usize, const VECTORS: usize, const MOST: usize>(
    products: &Products<T>,
    starts: &[usize; ROWS],
    target: Target<T>,
) {
    let Products { step, stride, .. } = *products;
    // Prefetch the target: it is written at the end, and a large one is not in the cache.
    for &place in target.places {
        for v in 0..VECTORS {
            V::prefetch(target.out.start.wrapping_add(place + v * V::LANES));
        }
    }
    let adjacent = starts.iter().enumerate().all(|(p, &start)| start == starts[0].wrapping_add(p));
    let beside = |step: usize| move |term: usize, p: usize| starts[0].wrapping_add(term * step + p);
    let apart = |step: usize| move |term: usize, p: usize| starts[p].wrapping_add(term * step);
    let packed = VECTORS * V::LANES;
    // SAFETY: the contract of `Sum` holds: the processor has the instructions of `V`; `starts[p] + run + j · step` lies in
    // `products.data` for all runs and `j < length`; the rows that are loaded, one for each of these, and the `width`
    // elements that are stored at each place lie in their slices. `beside` gives the same places as `apart`, because
    // `adjacent` says that `starts[p]` is `starts[0] + p`, and `packed` is passed where it is the stride. `parts` has
    // WIDTH columns, the most that a tile has.
    unsafe {
        // Loops are unrolled where all offsets within a pass are constants, in tiles of the heights that
        // `Tile::sum_rows` repeats: the others would take as long to compile.
        let sums: [[V; VECTORS]; ROWS] = if ROWS == MOST && adjacent && step == ROWS && stride == packed {
            sum_terms::<_, _, _, _, UNROLLED>(products, packed, beside(ROWS))
        } else if ROWS == min(MOST, APART) && step == 1 && stride == packed {
            sum_terms::<_, _, _, _, UNROLLED>(products, packed, apart(1))
        } else if adjacent {
            sum_terms::<_, _, _, _, 1>(products, stride, beside(step))
        } else {
            sum_terms::<_, _, _, _, 1>(products, stride, apart(step))
        };
        // All loops over the sums have constant trip counts: otherwise the sums would not stay in registers.
        let Target { out, places, width, add } = target;
        match <&[usize; ROWS]>::try_from(places) {
            Ok(places) if width == VECTORS * V::LANES && add => {
                for (sums, place) in sums.iter().zip(places) {
                    for (v, sum) in sums.iter().enumerate() {
                        let to = out.start.add(place + v * V::LANES);
                        sum.multiply_add(V::splat(T::one()), V::load(to)).store(to);
                    }
                }
            }
            Ok(places) if width == VECTORS * V::LANES => {
                for (sums, place) in sums.iter().zip(places) {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(out.start.add(place + v * V::LANES));
                    }
                }
            }
            _ => {
                let mut parts = [[T::zero(); WIDTH]; ROWS];
                for (sums, part) in sums.iter().zip(&mut parts) {
                    for (v, sum) in sums.iter().enumerate() {
                        sum.store(part.as_mut_ptr().add(v * V::LANES));
                    }
                }
                for (part, &place) in parts.iter().zip(places) {
                    for (column, &part) in part[..width].iter().enumerate() {
                        let to = out.start.add(place + column);
                        to.write(if add { to.read() + part } else { part });
                    }
                }
            }
        }
    }
}

/// Sums tiles of `ROWS` rows, of `MOST` that a tile has.
///
/// # Safety
/// As of [`Sum`].
#[inline(always)]
unsafe fn sum<T: Float, V: Vector<T>, const ROWS: usize, const VECTORS: usize, const MOST: usize>(
    products: &Products<T>,
    starts: &[usize; HEIGHT],
    target: Target<T>,
    repeat: Repeat,
) {
    let Target { out, places, width, add } = target;
    let starts = starts.first_chunk::<ROWS>().expect("a tile has at most HEIGHT rows");
    for tile in 0..repeat.count {
        let products = Products { data: &products.data[tile * repeat.read..], ..*products };
        // SAFETY: the contract of `Sum` holds for all tiles, so it holds for this one: its elements are `read` and its
        // places `written` further than those of the tile before. `out` is the only output that writes to them.
        unsafe {
            let out = out.after(tile * repeat.written);
            sum_tile::<T, V, ROWS, VECTORS, MOST>(&products, starts, Target { out, places, width, add });
        }
    }
}

/// # Safety
/// As of [`Pack`].
#[inline(always)]
unsafe fn pack<T, V: Vector<T>, const VECTORS: usize>(mut from: *const T, stride: usize, count: usize, mut to: *mut T) {
    for _ in 0..count {
        for v in 0..VECTORS {
            V::prefetch(from.wrapping_add(AHEAD * stride + v * V::LANES));
        }
        for v in 0..VECTORS {
            // SAFETY: the processor has the instructions of `V`, and the row has `VECTORS · LANES` elements and as much room
            // in `to`, as `Pack` demands.
            unsafe { V::load(from.add(v * V::LANES)).store(to.add(v * V::LANES)) };
        }
        from = from.wrapping_add(stride);
        to = to.wrapping_add(VECTORS * V::LANES);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    use super::{HEIGHT, Products, Repeat, Target, Tile, pack, sum};

    /// A tile of `$vectors` vectors, with loops for each number of `$rows`.
    macro_rules! tile {
        ($features:literal: $vectors:literal of $vector:ty, [$($rows:literal),*] of $T:ty) => {{
            const MOST: usize = [$($rows),*][[$($rows),*].len() - 1];
            #[target_feature(enable = $features)]
            unsafe fn sums<const ROWS: usize>(
                products: &Products<$T>,
                starts: &[usize; HEIGHT],
                target: Target<$T>,
                repeat: Repeat,
            ) {
                // SAFETY: this function has the contract of `Sum`, as `sum` has.
                unsafe { sum::<$T, $vector, ROWS, $vectors, MOST>(products, starts, target, repeat) }
            }
            #[target_feature(enable = $features)]
            unsafe fn packed(from: *const $T, stride: usize, count: usize, to: *mut $T) {
                // SAFETY: this function has the contract of `Pack`, as `pack` has.
                unsafe { pack::<$T, $vector, $vectors>(from, stride, count, to) }
            }
            Tile {
                width: $vectors * size_of::<$vector>() / size_of::<$T>(),
                sums: &[$(sums::<$rows>),*],
                pack: packed,
            }
        }};
    }

    pub(super) static AVX512_F32: [Tile<f32>; 2] = [
        tile!("avx512f": 2 of __m512, [2, 4, 6, 8, 10, 12] of f32),
        tile!("avx512f": 1 of __m512, [2, 4, 6, 8, 10, 12] of f32),
    ];
    // Loops for ten and twelve rows of float64 take seconds to compile, for the few programs that compute in it.
    pub(super) static AVX512_F64: [Tile<f64>; 2] =
        [tile!("avx512f": 2 of __m512d, [2, 4, 6, 8] of f64), tile!("avx512f": 1 of __m512d, [2, 4, 6, 8] of f64)];
    pub(super) static AVX2_F32: [Tile<f32>; 2] =
        [tile!("avx2,fma": 2 of __m256, [2, 4, 6] of f32), tile!("avx2,fma": 1 of __m256, [2, 4, 6] of f32)];
    pub(super) static AVX2_F64: [Tile<f64>; 2] =
        [tile!("avx2,fma": 2 of __m256d, [2, 4, 6] of f64), tile!("avx2,fma": 1 of __m256d, [2, 4, 6] of f64)];
}

macro_rules! tiled {
    ($T:ty: $avx512:ident $avx2:ident) => {
        impl Tiled for $T {
            unsafe fn tiles_of(set: InstructionSet) -> &'static [Tile<$T>] {
                match set {
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 => &x86::$avx512,
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx2 => &x86::$avx2,
                    _ => portable(),
                }
            }
        }
    };
}

tiled!(f32: AVX512_F32 AVX2_F32);
tiled!(f64: AVX512_F64 AVX2_F64);

fn portable<T: Tiled>() -> &'static [Tile<T>] {
    // x86-64 has 16 registers of 128 bits, and 64-bit ARM has 32.
    const MOST: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };
    const {
        &[
            Tile {
                width: 8,
                sums: &[
                    sum::<T, [T; 4], 2, 2, MOST>,
                    sum::<T, [T; 4], 4, 2, MOST>,
                    #[cfg(target_arch = "aarch64")]
                    sum::<T, [T; 4], 6, 2, MOST>,
                    #[cfg(target_arch = "aarch64")]
                    sum::<T, [T; 4], 8, 2, MOST>,
                ],
                pack: pack::<T, [T; 4], 2>,
            },
            Tile {
                width: 4,
                sums: &[
                    sum::<T, [T; 4], 2, 1, MOST>,
                    sum::<T, [T; 4], 4, 1, MOST>,
                    #[cfg(target_arch = "aarch64")]
                    sum::<T, [T; 4], 6, 1, MOST>,
                    #[cfg(target_arch = "aarch64")]
                    sum::<T, [T; 4], 8, 1, MOST>,
                ],
                pack: pack::<T, [T; 4], 1>,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::sets;

    /// Checks the tiles of every instruction set that this processor has.
    fn check<T: Tiled>() {
        let numbers = |count: usize, scale: usize| -> Vec<T> {
            (0..count).map(|k| T::from_f64((k * scale % 17) as f64 - 8.0)).collect()
        };
        let (data, rows) = (numbers(400, 5), numbers(20 * 40, 7));
        let apart = [3, 0, 17, 9, 40, 1, 2, 50, 4, 80, 33, 5];
        let adjacent = std::array::from_fn(|p| 3 + p);
        // SAFETY: the processor supports the available sets.
        for tile in sets::available().flat_map(|set| unsafe { T::tiles_of(set) }) {
            let height = tile.adjacent_height();
            // Rows apart or adjacent, elements of a row apart or contiguous, the right operand packed or not; sums
            // within a pass of the unrolled loops and beyond.
            for (starts, step, gap) in
                [(apart, 4, 3), (apart, 1, 3), (apart, 1, 0), (adjacent, 4, 3), (adjacent, height, 0)]
            {
                for length in [3, 4, 9] {
                    let stride = tile.width + gap;
                    let products = Products { data: &data, runs: &[5, 20], length, step, rows: &rows, stride };
                    let cases = (1..=height).flat_map(|count| [(tile.width, count, count % 2 == 0), (1, count, true)]);
                    for (width, count, add) in cases.chain([(tile.width - 1, height, true)]) {
                        check_tiles(tile, &products, &starts, [width, count], add);
                    }
                }
            }
            let stride = tile.width + 3;
            let mut packed = vec![T::zero(); 5 * tile.width];
            tile.pack(&rows[1..], stride, &mut packed);
            for (row, packed) in packed.chunks(tile.width).enumerate() {
                assert_eq!(packed, &rows[1 + row * stride..][..tile.width]);
            }
        }
    }

    /// Checks three tiles of `count` rows, one below the other.
    fn check_tiles<T: Tiled>(
        tile: &Tile<T>,
        products: &Products<T>,
        starts: &[usize; HEIGHT],
        [width, count]: [usize; 2],
        add: bool,
    ) {
        let &Products { data, runs, length, step, rows, stride } = products;
        let height = tile.adjacent_height();
        let size = height * tile.width;
        let mut out = vec![T::one(); 3 * size];
        let places: [usize; HEIGHT] = std::array::from_fn(|p| (height - 1).saturating_sub(p) * tile.width);
        let target = Target { out: Output::of(&mut out), places: &places[..count], width, add };
        tile.sum_each(products, starts, target, Repeat { count: 3, read: 7, written: size });
        for (p, c) in (0..3 * height).flat_map(|p| (0..tile.width).map(move |c| (p, c))) {
            // Sums of small integers are exact in any order.
            let product = |i: usize| {
                let at = starts[p % height] + p / height * 7 + runs[i / length] + i % length * step;
                data[at].to_f64() * rows[i * stride + c].to_f64()
            };
            let expected = match p % height < count && c < width {
                true => f64::from(add) + (0..2 * length).map(product).sum::<f64>(),
                false => 1.0,
            };
            let sum = out[p / height * size + places[p % height] + c].to_f64();
            assert_eq!(sum, expected, "{starts:?}, {step}, {stride}, {length}: row {p} of {count}, column {c}");
        }
    }

    #[test]
    fn a_tile_sums_products_on_every_instruction_set() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn tiles_of_one_instruction_set_have_the_same_height() {
        for set in sets::available() {
            // SAFETY: the processor supports the available sets.
            let (single, double) = unsafe { (f32::tiles_of(set), f64::tiles_of(set)) };
            assert!(single.iter().all(|tile| tile.adjacent_height() == single[0].adjacent_height()), "{set}");
            assert!(double.iter().all(|tile| tile.adjacent_height() == double[0].adjacent_height()), "{set}");
        }
    }

    #[test]
    #[should_panic(expected = "there are enough rows to fill `packed`")]
    fn a_tile_does_not_pack_beyond_the_rows() {
        let tile = &f32::tiles()[0];
        tile.pack(&vec![0.0; 4 * tile.width - 1], tile.width, &mut vec![0.0; 4 * tile.width]);
    }

    #[test]
    #[should_panic(expected = "the sums lie within their target")]
    fn the_last_of_several_tiles_is_not_written_beyond_the_target() {
        let products = Products { data: &[0f32; 100], runs: &[0], length: 2, step: 3, rows: &[0.0; 100], stride: 32 };
        let mut out = [0.0; 32];
        let target = Target { out: Output::of(&mut out), places: &[0], width: 8, add: false };
        f32::tiles()[0].sum_each(&products, &[0; HEIGHT], target, Repeat { count: 4, read: 8, written: 9 });
    }

    #[test]
    #[should_panic(expected = "windows lie within the data")]
    fn a_tile_does_not_read_at_an_index_that_overflows() {
        let (rows, step) = ([0.0; 1000], usize::MAX / 2 + 1);
        let products = Products { data: &[0f32; 10], runs: &[0], length: 3, step, rows: &rows, stride: 32 };
        let mut out = [0.0; 32];
        let target = Target { out: Output::of(&mut out), places: &[0], width: 1, add: false };
        f32::tiles()[0].sum(&products, &[0; HEIGHT], target);
    }

    #[test]
    #[should_panic(expected = "windows lie within the data")]
    fn a_tile_does_not_read_beyond_the_data() {
        let products = Products { data: &[0f32; 10], runs: &[0], length: 2, step: 3, rows: &[0.0; 100], stride: 32 };
        let mut out = [0.0; 32];
        let target = Target { out: Output::of(&mut out), places: &[0], width: 1, add: false };
        let starts = std::array::from_fn(|p| p.saturating_sub(HEIGHT - 8));
        f32::tiles()[0].sum(&products, &starts, target);
    }
}
