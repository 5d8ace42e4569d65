//! Kuzushiji-MNIST: cursive Japanese characters in the form of [`mnist`](crate::mnist), under CC BY-SA 4.0.
//!
//! By the ROIS-DS Center for Open Data in the Humanities, from the KMNIST Dataset (doi:10.20676/00000341).

pub use crate::mnist::load_from;

/// The names of the classes: the modern form of each character.
pub const CLASSES: [&str; 10] = ["お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を"];
