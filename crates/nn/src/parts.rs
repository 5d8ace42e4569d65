//! The macro `parts!`, which writes `visit`.

use autograd::Variable;

use crate::layer::{Layer, Visitor};
use crate::penalty::Penalty;
use crate::stream::RandomStream;
use crate::weight::Weight;

/// A field that [`parts!`](crate::parts) can show to a visitor: a layer, a weight, a random stream, a penalty, or an
/// `Option` or `Vec` of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a layer nor a weight",
    label = "cannot be shown to a visitor",
    note = "`parts!` and `keep` take layers (`nn::Layer`), variables, weights, random streams, penalties, and `Option` or `Vec` of these",
    note = "leave fields without weights, such as sizes and rates, out of `parts!`"
)]
pub trait Visitable: Send + Sync {
    /// Shows the value under this name.
    fn visit_as(&self, name: &str, visitor: &mut Visitor);
}

impl<L: Layer> Visitable for L {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.layer(name, self);
    }
}

impl Visitable for Variable {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.weight(name, self);
    }
}

impl Visitable for Weight {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.weight(name, self);
    }
}

impl Visitable for RandomStream {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.stream(name, self);
    }
}

impl Visitable for Penalty {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.penalty(name, self);
    }
}

impl<V: Visitable> Visitable for Option<V> {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        if let Some(part) = self {
            part.visit_as(name, visitor);
        }
    }
}

/// Named by their indices: `blocks.0`, `blocks.1`, …
impl<V: Visitable> Visitable for Vec<V> {
    fn visit_as(&self, name: &str, visitor: &mut Visitor) {
        visitor.group(name, |visitor| {
            for (index, part) in self.iter().enumerate() {
                part.visit_as(&index.to_string(), visitor);
            }
        });
    }
}

/// Writes [`Layer::visit`](crate::Layer::visit) inside an `impl Layer`: it shows the fields under their names, in the
/// given order. Write `visit` by hand if the names must differ.
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
            $($crate::Visitable::visit_as(&self.$field, stringify!($field), visitor);)+
        }
    };
}
