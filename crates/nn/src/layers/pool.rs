//! Pooling: the maxima or averages of windows.

use tensor::ops::{Padding, PoolOptions};
use tensor::{Result, Tensor};

use crate::layer::{Layer, Mode};

macro_rules! pooling {
    ($($(#[doc = $doc:literal])+ $name:ident along $axes:literal, $method:ident;)+) => {$(
        $(#[doc = $doc])+
        ///
        /// What lies in the padding is left out. There are no weights.
        #[derive(Clone, Copy, Debug)]
        pub struct $name(PoolOptions<$axes>);

        impl $name {
            /// Windows of a size that follow one another without gap or overlap.
            pub fn new(size: [usize; $axes]) -> $name {
                $name(PoolOptions::new(size))
            }

            /// Sets how far windows lie apart; the size of one by default.
            #[must_use]
            pub fn stride(self, stride: [usize; $axes]) -> $name {
                $name(PoolOptions { stride, ..self.0 })
            }

            /// Sets how far windows may reach beyond the input; not at all by default.
            #[must_use]
            pub fn padding(self, padding: Padding<$axes>) -> $name {
                $name(PoolOptions { padding, ..self.0 })
            }
        }

        impl Layer for $name {
            fn forward(&self, input: &Tensor, _mode: Mode) -> Result<Tensor> {
                input.$method(self.0)
            }

            fn describe(&self) -> String {
                format!(concat!(stringify!($name), " {}"), self.0.size.map(|size| size.to_string()).join("×"))
            }
        }
    )+};
}

pooling! {
    /// The largest element of each window of sequences `[batch, steps, channels]`, channel by channel.
    MaxPool1d along 1, max_pool1d;
    /// The largest element of each window of images `[batch, height, width, channels]`, channel by
    /// channel.
    MaxPool2d along 2, max_pool2d;
    /// The average of each window of sequences `[batch, steps, channels]`, channel by channel.
    AveragePool1d along 1, average_pool1d;
    /// The average of each window of images `[batch, height, width, channels]`, channel by channel.
    AveragePool2d along 2, average_pool2d;
}
