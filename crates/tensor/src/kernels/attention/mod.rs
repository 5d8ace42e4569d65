//! Scaled dot-product attention in blocks of queries by blocks of keys, so that the matrix of all weights is never in
//! memory: forward with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022), backward with blocks that are
//! computed again (Dao 2023).
//!
//! Blocks are transposed: a row of scores belongs to a key, and its elements to consecutive queries. So maxima and sums
//! over keys are sums of vectors, and keys and values are left operands of products, which the tiles read where they lie.
//! Only queries are packed, once for all keys.
#![allow(unsafe_code)]

mod backward;
mod blocks;
mod exponential;
mod forward;
mod mask;
mod pack;
mod products;

pub(crate) use backward::Gradients;
pub(crate) use blocks::{Attention, Operands, Sizes};
pub(crate) use mask::Mask;
