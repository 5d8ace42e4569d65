//! Fashion-MNIST: pictures of clothes in the form of [`mnist`](crate::mnist), by Zalando, under the MIT licence.

pub use crate::mnist::load_from;

/// The names of the classes.
pub const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
