//! Loops over elements: slices and layouts in, slices or buffers out. Nothing here knows tensors, operations, tapes or
//! profiles.
//!
//! This folder and the memory pool are the only places of the workspace with `unsafe` code.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod copy;
pub(crate) mod depthwise;
pub(crate) mod elementwise;
pub(crate) mod finite;
pub(crate) mod fold;
pub(crate) mod functions;
pub(crate) mod gemm;
mod gemv;
pub(crate) mod gradients;
pub(crate) mod index;
mod lanes;
mod layer_norm;
mod layer_norm_loops;
#[cfg(feature = "linalg")]
pub(crate) mod linalg;
pub(crate) mod loop_nest;
pub(crate) mod masked_softmax;
pub(crate) mod math;
pub(crate) mod matrices;
pub(crate) mod normalize;
mod normalize_loops;
pub(crate) mod peak;
pub(crate) mod pool;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod scaled;
pub(crate) mod scan;
pub(crate) mod select;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod sparse;
mod sparse_conv;
pub(crate) mod threads;
pub(crate) mod tile;
mod transpose;
pub(crate) mod update;
mod vector;
pub(crate) mod view;
pub(crate) mod windows;
