//! Masks of scores.

use super::blocks::{Block, Stack};
use crate::dtype::{Element, Float};

/// A mask that broadcasts to the scores, `[…, queries, keys]`: truth values or numbers, as views or stacks of matrices.
pub(crate) enum Mask<Truth, Numbers> {
    /// True where a query may attend to a key.
    Allowed(Truth),
    /// Numbers to be added to the scores. Minus infinity forbids attention, whatever the score.
    Added(Numbers),
}

/// Which scores of a block count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    All,
    /// Some, or the scores change.
    Some,
    None,
}

impl<T: Float> Mask<Stack<'_, bool>, Stack<'_, T>> {
    pub(super) fn allowed(&self, block: &Block) -> Allowed {
        let (allowed, all) = match self {
            Mask::Allowed(mask) => count(mask, block, |allowed| allowed),
            Mask::Added(mask) => {
                let (allowed, all) = count(mask, block, |added| added != T::neg_infinity());
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
    pub(super) fn restrict(&self, block: &Block, scores: &mut [T], columns: usize) {
        let forbidden = T::neg_infinity();
        match self {
            Mask::Allowed(mask) => {
                let f = |score: T, allowed: bool| if allowed { score } else { forbidden };
                change(mask, block, scores, columns, f);
            }
            Mask::Added(mask) => {
                let f = |score: T, added: T| if added == forbidden { forbidden } else { score + added };
                change(mask, block, scores, columns, f);
            }
        }
    }
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
