//! The layers, one file each.

mod dense;
mod dropout;
mod flatten;
mod sequential;

pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use sequential::Sequential;
