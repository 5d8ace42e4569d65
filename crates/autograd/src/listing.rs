//! A tape in print and as a drawing.

use std::fmt;

use crate::site::{CONSTANT, Node};
use crate::tape::{Leaf, Tape};
use crate::variable::name_of;

impl Tape {
    /// The recorded operations as a graph in the DOT language.
    pub(crate) fn to_dot(&self) -> String {
        let record = self.record.borrow();
        let mut dot = String::from("digraph tape {\n  rankdir=BT;\n  node [fontname=\"sans-serif\"];\n");
        let mut line = |text: String| {
            dot.push_str("  ");
            dot.push_str(&text);
            dot.push('\n');
        };
        for (node, leaf) in &record.leaves {
            let name = match leaf {
                Leaf::Variable(variable) => name_of(*variable),
                Leaf::Tensor { .. } => "watched tensor".to_string(),
            };
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            line(format!("n{node} [shape=box, style=filled, fillcolor=lightblue, label=\"{name}\"];"));
        }
        for entry in &record.entries {
            let outputs: Vec<String> =
                entry.outputs.iter().map(|kept| format!("{} {}", kept.dtype(), kept.shape())).collect();
            let name = entry.op.name().replace('"', "\\\"");
            line(format!("n{} [label=\"{name}\\n{}\"];", entry.first, outputs.join(", ")));
            for (node, _) in entry.inputs.iter().filter(|(node, _)| *node != CONSTANT) {
                // All outputs of an operation are drawn as one.
                let source = record.entries.partition_point(|other| other.first <= *node);
                let drawn = match source.checked_sub(1).map(|k| &record.entries[k]) {
                    Some(other) if (*node - other.first) < other.outputs.len() as Node => other.first,
                    _ => *node,
                };
                line(format!("n{drawn} -> n{};", entry.first));
            }
        }
        dot.push_str("}\n");
        dot
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
                    Leaf::Tensor { .. } => writeln!(f, "%{leaf} = watched tensor")?,
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
