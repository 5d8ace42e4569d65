//! Recurrent cells over whole sequences: the forward pass and the gradient.
//!
//! The rows of a batch are independent: a task takes some of them through all steps and never waits for another. The
//! working set of these rows at one step stays in the core's cache, as does the recurrent kernel, which is packed once
//! for all steps and tasks.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::dtype::Float;
use crate::kernels::math::{Fused, MultiplyAdd, Separate, sigmoid, tanh};
use crate::kernels::simd::{Loop, Set, vectorized};
use crate::kernels::threads::for_rows;
use crate::kernels::tile::{self, Output, Products, RowLayout, Rows, Tile, Tiled};
use crate::storage::Buffer;

/// The number of multiply-adds below which a pass is one task.
const SINGLE: usize = 1 << 18;
/// The size from which on a recurrent kernel no longer stays in a core's cache. Tasks then have more rows, to load it
/// less often.
const LARGE: usize = 1 << 18;

/// A recurrent cell in the form of Keras and PyTorch; [`Cell::step`] states the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The plain cell (Elman 1990).
    SimpleRnn,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    Lstm,
    /// The gated recurrent unit (Cho et al. 2014), its reset gate applied after the product.
    Gru,
}

impl Cell {
    /// The number of gates: the width of the kernels in multiples of the number of units.
    pub const fn gates(self) -> usize {
        match self {
            Cell::SimpleRnn => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// The number of states; the first is the output.
    pub const fn states(self) -> usize {
        match self {
            Cell::SimpleRnn | Cell::Gru => 1,
            Cell::Lstm => 2,
        }
    }

    /// Whether a gate multiplies the product with the state. Then its gradient differs from that of the projected
    /// input.
    pub const fn gates_product(self) -> bool {
        matches!(self, Cell::Gru)
    }

    /// The number of parts, each with one column per unit, that the gradient needs of every step besides the states:
    /// the gates and `tanh(c)` of an LSTM; the gates of a GRU and, in the last part, the product with the state.
    pub(crate) const fn saved_parts(self) -> usize {
        match self {
            Cell::SimpleRnn => 0,
            Cell::Lstm => 5,
            Cell::Gru => 4,
        }
    }
}

/// A pass over a batch of sequences.
pub(crate) struct Pass<'a, T> {
    pub(crate) cell: Cell,
    /// Whether the pass goes from the last step to the first.
    pub(crate) backwards: bool,
    /// `[batch, time, units]`.
    pub(crate) sizes: [usize; 3],
    /// `[units, gates · units]`.
    pub(crate) kernel: &'a [T],
    /// The states before the first step, each `[batch, units]`; the second is empty if the cell has only one.
    pub(crate) initial: [&'a [T]; 2],
    /// `[batch, time]`: where false, a step changes no state.
    pub(crate) mask: Option<&'a [bool]>,
}

/// The result of a pass: the states after each step, each `[batch, time, units]` (the second is empty if the cell has
/// only one), and the other values that the gradient needs, `[batch, time, saved_parts · units]`.
pub(crate) struct States<B> {
    pub(crate) states: [B; 2],
    pub(crate) saved: B,
}

/// The gradients of a pass: of the projected inputs and of the products with the recurrent kernel, each
/// `[batch, time, gates · units]` (the latter is empty if it is the same), and of the initial states.
pub(crate) struct Gradients {
    pub(crate) projected: Buffer,
    pub(crate) product: Buffer,
    pub(crate) initial: [Buffer; 2],
}

impl<T: Tiled> Pass<'_, T> {
    /// Elements of the projected input of a step.
    fn width(&self) -> usize {
        self.cell.gates() * self.sizes[2]
    }

    /// The `k`-th step in the order of computation.
    fn step(&self, k: usize) -> usize {
        if self.backwards { self.sizes[1] - 1 - k } else { k }
    }

    /// Rows per task.
    fn rows(&self) -> usize {
        let [batch, time, units] = self.sizes;
        let kernel = units * self.width();
        let height = tile::height::<T>();
        if batch * time * kernel < SINGLE {
            batch.max(1)
        } else if kernel < LARGE {
            height
        } else {
            2 * height
        }
    }

    /// Whether a step of a row changes its state.
    fn is_live(&self, row: usize, step: usize) -> bool {
        self.mask.is_none_or(|mask| mask[row * self.sizes[1] + step])
    }

    /// Runs the pass, given the projected inputs `[batch, time, gates · units]` and the bias of the product,
    /// `[gates · units]`.
    pub(crate) fn states(&self, projected: &[T], bias: &[T]) -> States<Buffer> {
        let [batch, time, units] = self.sizes;
        let width = self.width();
        let kernel = Panels::new([units, width], |k, column| self.kernel[k * width + column]);
        let size = batch * time * units;
        let mut states = [Buffer::new::<T>(size), Buffer::new::<T>(size * (self.cell.states() - 1))];
        let mut saved = Buffer::new::<T>(size * self.cell.saved_parts());
        let outputs = {
            let [h, c] = states.each_mut().map(|states| states.as_mut_slice::<T>());
            [h, c, saved.as_mut_slice::<T>()]
        };
        for_rows(batch, self.rows(), outputs, |rows, [h, c, saved]| {
            let mut current = self.initial.map(|initial| part(initial, &rows, batch).to_vec());
            let mut product = vec![T::zero(); rows.len() * width];
            let projected = part(projected, &rows, batch);
            for k in 0..time {
                let step = self.step(k);
                kernel.multiply(&current[0], [0, units], rows.len(), &mut product, false);
                let current = current.each_mut().map(|states| &mut states[..]);
                let states = [&mut *h, &mut *c];
                let (product, saved) = (&product[..], &mut *saved);
                vectorized(Forward { pass: self, rows: &rows, step, projected, product, bias, current, states, saved });
            }
        });
        States { states, saved }
    }

    /// The gradients of the pass, given the gradients of the states after each step.
    pub(crate) fn gradients(&self, gradients: [&[T]; 2], after: &States<&[T]>) -> Gradients {
        let [batch, time, units] = self.sizes;
        let width = self.width();
        let kernel = Panels::new([width, units], |k, column| self.kernel[column * width + k]);
        let size = batch * time * width;
        let mut projected = Buffer::new::<T>(size);
        let mut product = Buffer::new::<T>(if self.cell.gates_product() { size } else { 0 });
        let states = batch * units;
        let mut initial =
            [Buffer::filled(states, T::zero()), Buffer::filled(states * (self.cell.states() - 1), T::zero())];
        let outputs = {
            let [dh, dc] = initial.each_mut().map(|states| states.as_mut_slice::<T>());
            [projected.as_mut_slice::<T>(), product.as_mut_slice::<T>(), dh, dc]
        };
        for_rows(batch, self.rows(), outputs, |rows, [projected, product, dh, dc]| {
            for k in (0..time).rev() {
                let (step, before) = (self.step(k), k.checked_sub(1).map(|k| self.step(k)));
                let outputs = [&mut *projected, &mut *product];
                let current = [&mut *dh, &mut *dc];
                vectorized(Backward { pass: self, rows: &rows, step, before, gradients, after, current, outputs });
                let of_product = if self.cell.gates_product() { &*product } else { &*projected };
                kernel.multiply(of_product, [step * width, time * width], rows.len(), dh, true);
            }
        });
        Gradients { projected, product, initial }
    }
}

/// The elements of some of `count` rows.
fn part<'a, T>(all: &'a [T], rows: &Range<usize>, count: usize) -> &'a [T] {
    let width = all.len() / count;
    &all[rows.start * width..rows.end * width]
}

/// A matrix packed into panels as wide as a tile, to be multiplied by rows from the left.
struct Panels<T: 'static> {
    tile: &'static Tile<T>,
    /// Rows and columns.
    sizes: [usize; 2],
    packed: Buffer,
}

impl<T: Tiled> Panels<T> {
    fn new([depth, columns]: [usize; 2], element: impl Fn(usize, usize) -> T) -> Panels<T> {
        let tile = Tile::of(columns);
        let mut packed = Buffer::new::<T>(columns.div_ceil(tile.width) * depth * tile.width);
        for (index, row) in packed.as_mut_slice::<T>().chunks_mut(tile.width).enumerate() {
            let (first, k) = (index / depth * tile.width, index % depth);
            for (column, to) in row.iter_mut().enumerate() {
                *to = if first + column < columns { element(k, first + column) } else { T::zero() };
            }
        }
        Panels { tile, sizes: [depth, columns], packed }
    }

    /// Multiplies `count` rows of `data` by the matrix; the first row starts at `first`, the others `stride` apart.
    /// Writes the products to consecutive rows of `out`, or adds them if `add` is set.
    fn multiply(&self, data: &[T], [first, stride]: [usize; 2], count: usize, out: &mut [T], add: bool) {
        let ([depth, columns], width) = (self.sizes, self.tile.width);
        for (panel, rows) in self.packed.as_slice::<T>().chunks(depth * width).enumerate() {
            let products = Products { data, runs: &[0], length: depth, step: 1, rows, stride: width };
            let column = panel * width;
            let left = Rows { count, start: first, layout: RowLayout::Strided(stride) };
            let width = width.min(columns - column);
            self.tile.sum_rows(&products, left, Output::of(out), [column, columns], width, add);
        }
    }
}

/// One step of some rows.
struct Forward<'a, T> {
    pass: &'a Pass<'a, T>,
    rows: &'a Range<usize>,
    step: usize,
    projected: &'a [T],
    product: &'a [T],
    bias: &'a [T],
    /// The states before the step; afterwards those after it.
    current: [&'a mut [T]; 2],
    /// The states of all steps.
    states: [&'a mut [T]; 2],
    saved: &'a mut [T],
}

impl<T: Tiled> Loop for Forward<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        self.step::<Separate>();
    }

    #[inline(always)]
    fn run_fused(self) {
        self.step::<Fused>();
    }
}

impl<T: Tiled> Forward<'_, T> {
    #[inline(always)]
    fn step<M: MultiplyAdd>(self) {
        let Forward { pass, rows, step, projected, product, bias, current: [h, c], states, saved } = self;
        let ([_, time, units], width, kept) = (pass.sizes, pass.width(), pass.cell.saved_parts() * pass.sizes[2]);
        let [all_h, all_c] = states;
        for row in 0..rows.len() {
            let place = row * time + step;
            let (x, p) = (&projected[place * width..][..width], &product[row * width..][..width]);
            let h = &mut h[row * units..][..units];
            let kept = &mut saved[place * kept..][..kept];
            let live = pass.is_live(rows.start + row, step);
            match pass.cell {
                _ if !live => kept.fill(T::zero()),
                Cell::SimpleRnn => each(h, [x, p, bias], |_, [x, p, b]| tanh::<M, T>(x + (p + b))),
                Cell::Lstm => lstm::<M, T>(x, p, bias, [h, &mut c[row * units..][..units]], kept),
                Cell::Gru => gru::<M, T>(x, p, bias, h, kept),
            }
            all_h[place * units..][..units].copy_from_slice(h);
            if pass.cell == Cell::Lstm {
                all_c[place * units..][..units].copy_from_slice(&c[row * units..][..units]);
            }
        }
    }
}

/// The gradients of one step of some rows.
struct Backward<'a, T> {
    pass: &'a Pass<'a, T>,
    rows: &'a Range<usize>,
    step: usize,
    /// The step computed before this, if there is one.
    before: Option<usize>,
    /// The gradients of the states after each step of all rows.
    gradients: [&'a [T]; 2],
    /// The states after each step of all rows.
    after: &'a States<&'a [T]>,
    /// The gradients of the states after the step, without `gradients` of this step; afterwards those of the states
    /// before the step, without the part that passes through the product.
    current: [&'a mut [T]; 2],
    /// The gradients of the projected inputs and of the products.
    outputs: [&'a mut [T]; 2],
}

impl<T: Tiled> Loop for Backward<'_, T> {
    type Output = ();
    const WIDEST: Set = Set::of(T::DTYPE);

    #[inline(always)]
    fn run(self) {
        let Backward { pass, rows, step, before, gradients, after, current: [dh, dc], outputs } = self;
        let ([_, time, units], width, kept) = (pass.sizes, pass.width(), pass.cell.saved_parts() * pass.sizes[2]);
        let [projected, product] = outputs;
        for row in 0..rows.len() {
            let (local, global) = (row * time + step, (rows.start + row) * time + step);
            let of_row = |states: usize| match before {
                Some(before) => &after.states[states][((rows.start + row) * time + before) * units..][..units],
                None => &pass.initial[states][(rows.start + row) * units..][..units],
            };
            let kept = &after.saved[global * kept..][..kept];
            let dh = &mut dh[row * units..][..units];
            let dx = &mut projected[local * width..][..width];
            each(dh, [&gradients[0][global * units..][..units]], |dh, [g]| dh + g);
            let live = pass.is_live(rows.start + row, step);
            match pass.cell {
                Cell::SimpleRnn if live => {
                    each(dx, [&*dh, &after.states[0][global * units..][..units]], |_, [dh, h]| dh * (T::one() - h * h));
                    dh.fill(T::zero());
                }
                Cell::Lstm => {
                    let dc = &mut dc[row * units..][..units];
                    each(dc, [&gradients[1][global * units..][..units]], |dc, [g]| dc + g);
                    if live {
                        lstm_gradient(of_row(1), kept, [dh, dc], dx);
                    }
                }
                Cell::Gru if live => gru_gradient(of_row(0), kept, dh, [dx, &mut product[local * width..][..width]]),
                Cell::SimpleRnn | Cell::Gru => {}
            }
            if !live {
                projected[local * width..][..width].fill(T::zero());
                if pass.cell.gates_product() {
                    product[local * width..][..width].fill(T::zero());
                }
            }
        }
    }
}

/// `out[k] = f(out[k], [inputs[0][k], …])`. The compiler vectorizes this, because there is a single output.
#[inline(always)]
fn each<T: Float, const N: usize>(out: &mut [T], inputs: [&[T]; N], f: impl Fn(T, [T; N]) -> T) {
    let length = out.len();
    let inputs = inputs.map(|input| &input[..length]);
    for (k, out) in out.iter_mut().enumerate() {
        // SAFETY: `k < length`, the length that all inputs were cut to above. With a bounds check the compiler does not
        // vectorize the remainder of some loops.
        *out = f(*out, inputs.map(|input| unsafe { *input.get_unchecked(k) }));
    }
}

/// `x (1 - x)`, the slope of a gate.
#[inline(always)]
fn slope<T: Float>(gate: T) -> T {
    gate * (T::one() - gate)
}

/// Splits a row into parts of equal size.
#[inline(always)]
fn parts<T, const N: usize>(row: &[T]) -> [&[T]; N] {
    let size = row.len() / N;
    std::array::from_fn(|k| &row[k * size..][..size])
}

#[inline(always)]
fn lstm<M: MultiplyAdd, T: Float>(x: &[T], p: &[T], bias: &[T], [h, c]: [&mut [T]; 2], saved: &mut [T]) {
    let units = h.len();
    let (gates, tanh_c) = saved.split_at_mut(4 * units);
    let (first, rest) = gates.split_at_mut(2 * units);
    let (third, last) = rest.split_at_mut(units);
    let from = |part: usize| [x, p, bias].map(|row| &row[part * units..]);
    each(first, from(0), |_, [x, p, b]| sigmoid::<M, T>(x + (p + b)));
    each(third, from(2), |_, [x, p, b]| tanh::<M, T>(x + (p + b)));
    each(last, from(3), |_, [x, p, b]| sigmoid::<M, T>(x + (p + b)));
    let [i, f, g, o] = parts(gates);
    each(c, [i, f, g], |c, [i, f, g]| f * c + i * g);
    each(tanh_c, [&*c], |_, [c]| tanh::<M, T>(c));
    each(h, [o, &*tanh_c], |_, [o, t]| o * t);
}

#[inline(always)]
fn lstm_gradient<T: Float>(c: &[T], saved: &[T], [dh, dc]: [&mut [T]; 2], dx: &mut [T]) {
    let units = dh.len();
    let [i, f, g, o, tanh_c] = parts(saved);
    each(dc, [&*dh, o, tanh_c], |dc, [dh, o, t]| dc + dh * o * (T::one() - t * t));
    let mut columns = dx.chunks_exact_mut(units.max(1));
    let mut next = || columns.next().unwrap_or_default();
    each(next(), [&*dc, i, g], |_, [dc, i, g]| dc * g * slope(i));
    each(next(), [&*dc, c, f], |_, [dc, c, f]| dc * c * slope(f));
    each(next(), [&*dc, i, g], |_, [dc, i, g]| dc * i * (T::one() - g * g));
    each(next(), [&*dh, o, tanh_c], |_, [dh, o, t]| dh * t * slope(o));
    each(dc, [f], |dc, [f]| dc * f);
    dh.fill(T::zero());
}

#[inline(always)]
fn gru<M: MultiplyAdd, T: Float>(x: &[T], p: &[T], bias: &[T], h: &mut [T], saved: &mut [T]) {
    let units = h.len();
    let (gates, rest) = saved.split_at_mut(2 * units);
    let (n, last) = rest.split_at_mut(units);
    each(gates, [x, p, bias], |_, [x, p, b]| sigmoid::<M, T>(x + (p + b)));
    let [z, r] = parts(gates);
    each(last, [&p[2 * units..], &bias[2 * units..]], |_, [p, b]| p + b);
    each(n, [&x[2 * units..], r, &*last], |_, [x, r, p]| tanh::<M, T>(x + r * p));
    each(h, [z, &*n], |h, [z, n]| n + z * (h - n));
}

#[inline(always)]
fn gru_gradient<T: Float>(h: &[T], saved: &[T], dh: &mut [T], [dx, dp]: [&mut [T]; 2]) {
    let units = dh.len();
    let [z, r, n, last] = parts(saved);
    let (gates, dn) = dx.split_at_mut(2 * units);
    let (dz, dr) = gates.split_at_mut(units);
    each(dz, [&*dh, h, n, z], |_, [dh, h, n, z]| dh * (h - n) * slope(z));
    each(dn, [&*dh, z, n], |_, [dh, z, n]| dh * (T::one() - z) * (T::one() - n * n));
    each(dr, [&*dn, last, r], |_, [dn, p, r]| dn * p * slope(r));
    let (dp_gates, dp_last) = dp.split_at_mut(2 * units);
    dp_gates.copy_from_slice(gates);
    each(dp_last, [&*dn, r], |_, [dn, r]| dn * r);
    each(dh, [z], |dh, [z]| dh * z);
}
