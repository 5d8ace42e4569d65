//! Masks of scores.

use super::blocks::{Attention, Block, Stack};
use crate::dtype::Element;
use crate::kernels::tile::Tiled;
use crate::layout::View;

/// A mask that broadcasts to the scores, `[…, queries, keys]`.
pub(crate) enum Mask<'a, T> {
    /// True where a query may attend to a key.
    Allowed(View<'a, bool>),
    /// Numbers to be added to the scores. Minus infinity forbids attention, whatever the score.
    Added(View<'a, T>),
}

/// Which scores of a block count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    All,
    /// Some, or the scores change.
    Some,
    None,
}

impl<T: Tiled> Mask<'_, T> {
    pub(super) fn allowed(&self, attention: &Attention<T>, block: &Block) -> Allowed {
        let (allowed, all) = match self {
            Mask::Allowed(mask) => count(&stack(*mask, attention), block, |allowed| allowed),
            Mask::Added(mask) => {
                let (allowed, all) = count(&stack(*mask, attention), block, |added| added != T::neg_infinity());
                (allowed, all + 1)
            }
        };
        if allowed == 0 {
            Allowed::None
        } else if allowed == all {
            Allowed::All
        } else {
            Allowed::Some
        }
    }

    /// Changes scores, `[keys, columns]`.
    pub(super) fn restrict(&self, attention: &Attention<T>, block: &Block, scores: &mut [T], columns: usize) {
        let forbidden = T::neg_infinity();
        match self {
            Mask::Allowed(mask) => {
                let f = |score: T, allowed: bool| if allowed { score } else { forbidden };
                change(&stack(*mask, attention), block, scores, columns, f);
            }
            Mask::Added(mask) => {
                let f = |score: T, added: T| if added == forbidden { forbidden } else { score + added };
                change(&stack(*mask, attention), block, scores, columns, f);
            }
        }
    }
}

fn stack<'a, T: Tiled, U: Element>(mask: View<'a, U>, attention: &Attention<T>) -> Stack<'a, U> {
    Stack::new(mask, attention.batch, [attention.sizes.queries, attention.sizes.keys])
}

/// The number of elements of a block for which `f` is true, and the number of all, without repetitions.
fn count<U: Element>(mask: &Stack<U>, block: &Block, f: impl Fn(U) -> bool) -> (usize, usize) {
    let [down, right] = mask.places.steps();
    let rows = if down == 0 { 1 } else { block.queries.len() };
    let columns = if right == 0 { 1 } else { block.keys.len() };
    let in_row = |row: usize| -> usize {
        let at = mask.places.at(block.number, block.queries.start + row, block.keys.start);
        if right == 1 {
            return mask.data[at..at + columns].iter().map(|&x| usize::from(f(x))).sum();
        }
        (0..columns).map(|k| usize::from(f(mask.data[at.wrapping_add_signed(k as isize * right)]))).sum()
    };
    ((0..rows).map(in_row).sum(), rows * columns)
}

fn change<T: Copy, U: Element>(
    mask: &Stack<U>,
    block: &Block,
    scores: &mut [T],
    columns: usize,
    f: impl Fn(T, U) -> T,
) {
    let [down, _] = mask.places.steps();
    for (key, row) in block.keys.clone().zip(scores.chunks_exact_mut(columns)) {
        let at = mask.places.at(block.number, block.queries.start, key);
        if down == 0 {
            let of_key = mask.data[at];
            row.iter_mut().for_each(|score| *score = f(*score, of_key));
            continue;
        }
        for (query, score) in row[..block.queries.len()].iter_mut().enumerate() {
            *score = f(*score, mask.data[at.wrapping_add_signed(query as isize * down)]);
        }
    }
}
