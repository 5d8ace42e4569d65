//! Keys and texts in the metadata of checkpoints.

use autograd::Variable;
use tensor::GeneratorState;

/// The key of the training's own optimizer. The other optimizers have the prefix `optimizers`.
pub(super) const OPTIMIZER: &str = "optimizer";

/// The key of a JSON list: the paths of the weights whose gradients are accumulated.
pub(super) const ACCUMULATED_WEIGHTS: &str = "accumulator.weights";

/// The text for a random stream that has not been used.
pub(super) const UNUSED: &str = "not begun";

/// The key of an optimizer's learning rate. That of the training's own optimizer has no prefix.
pub(super) fn learning_rate_key(optimizer: &str) -> String {
    if optimizer == OPTIMIZER { "learning_rate".into() } else { format!("{optimizer}.learning_rate") }
}

/// A list of names as one text.
pub(super) fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The state of a generator, or of a random stream, as a text.
pub(super) fn generator_text(state: Option<GeneratorState>) -> String {
    match state {
        Some(GeneratorState { seed, stream, position }) => format!("{seed} {stream} {position}"),
        None => UNUSED.into(),
    }
}

/// The variables of named weights.
pub(super) fn variables(weights: &[(String, Variable)]) -> Vec<Variable> {
    weights.iter().map(|(_, weight)| weight.clone()).collect()
}
