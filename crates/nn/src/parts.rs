//! `visit` in one line.

use autograd::Variable;

use crate::layer::{Layer, Visitor};
use crate::penalty::Penalty;
use crate::stream::RandomStream;
use crate::weight::Weight;

/// What a field of a layer must be for [`parts!`](crate::parts) to show it: a layer, a weight, a random stream, or
/// several or none of these.
pub trait Shown: Send + Sync {
    /// Shows it under this name.
    fn show(&self, name: &str, visitor: &mut Visitor);
}

impl<L: Layer> Shown for L {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.layer(name, self);
    }
}

impl Shown for Variable {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.weight(name, self);
    }
}

impl Shown for Weight {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.weight(name, self);
    }
}

impl Shown for RandomStream {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.stream(name, self);
    }
}

impl Shown for Penalty {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.penalty(name, self);
    }
}

impl<S: Shown> Shown for Option<S> {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        if let Some(shown) = self {
            shown.show(name, visitor);
        }
    }
}

/// Under their places: `blocks.0`, `blocks.1`, …
impl<S: Shown> Shown for Vec<S> {
    fn show(&self, name: &str, visitor: &mut Visitor) {
        visitor.group(name, |visitor| {
            for (place, shown) in self.iter().enumerate() {
                shown.show(&place.to_string(), visitor);
            }
        });
    }
}

/// Writes [`Layer::visit`](crate::Layer::visit) inside an `impl Layer`: the named fields are shown under their names,
/// in this order. For what else there is to show, write `visit` by hand.
///
/// ```
/// use nn::{Dense, Layer, Mode, TransformerEncoder, parts};
/// use tensor::{Result, Tensor};
///
/// struct Encoder {
///     projection: Dense,
///     blocks: Vec<TransformerEncoder>,
/// }
///
/// impl Layer for Encoder {
///     parts!(projection, blocks);
///
///     fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
///         let projected = self.projection.call("projection", input, mode)?;
///         let mut blocks = self.blocks.iter().enumerate();
///         blocks.try_fold(projected, |x, (k, block)| block.call(&format!("blocks.{k}"), &x, mode))
///     }
/// }
///
/// let blocks = (0..2).map(|_| TransformerEncoder::new(8, 2, 16)).collect();
/// let model = Encoder { projection: Dense::new(3, 8), blocks };
/// assert_eq!(model.weight("blocks.1.attention.query.kernel")?.shape(), [8, 2, 4]);
/// assert_eq!(model.forward(&Tensor::ones([1, 5, 3]), Mode::Inference)?.shape(), &[1, 5, 8]);
/// # Ok::<(), tensor::Error>(())
/// ```
#[macro_export]
macro_rules! parts {
    ($($field:ident),+ $(,)?) => {
        fn visit(&self, visitor: &mut $crate::Visitor) {
            $($crate::Shown::show(&self.$field, stringify!($field), visitor);)+
        }
    };
}
