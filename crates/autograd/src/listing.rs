//! A tape in print.

use std::fmt;

use crate::tape::{CONSTANT, GradientTape, Leaf, Node, PersistentTape, Tape};
use crate::variable::name_of;

impl fmt::Display for GradientTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PersistentTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A line for each leaf and each operation, in order: `%2: float32 [3] = mul(%0, %1)`; `_` stands
/// for a constant.
impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record.borrow();
        let mut leaves = record.leaves.iter().peekable();
        let mut leaves_before = |f: &mut fmt::Formatter<'_>, node: Node| {
            while let Some((leaf, kind)) = leaves.next_if(|(leaf, _)| *leaf < node) {
                match kind {
                    Leaf::Variable(variable) => writeln!(f, "%{leaf} = {}", name_of(*variable))?,
                    Leaf::Tensor => writeln!(f, "%{leaf} = watched tensor")?,
                }
            }
            Ok(())
        };
        for entry in &record.entries {
            leaves_before(f, entry.first)?;
            for (k, output) in entry.outputs.iter().enumerate() {
                let separator = if k == 0 { "" } else { ", " };
                write!(f, "{separator}%{}: {} {}", entry.first as usize + k, output.dtype(), output.shape())?;
            }
            write!(f, " = {}(", entry.op.name())?;
            for (k, (node, kept)) in entry.inputs.iter().enumerate() {
                let separator = if k == 0 { "" } else { ", " };
                match *node {
                    CONSTANT => write!(f, "{separator}{} {}", kept.dtype(), kept.shape())?,
                    node => write!(f, "{separator}%{node}")?,
                }
            }
            writeln!(f, ")")?;
        }
        leaves_before(f, Node::MAX)
    }
}
