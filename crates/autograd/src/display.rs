//! A recording as text and as a graph.

use std::fmt;

use crate::recording::{Leaf, Recording};
use crate::saved::{CONSTANT, Node, SavedTensor};
use crate::variable::name_of;

impl Leaf {
    fn name(self) -> String {
        match self {
            Leaf::Variable(variable) => name_of(variable),
            Leaf::Tensor { .. } => "watched tensor".to_string(),
        }
    }
}

/// Element type and shape, as in `float32 [3]`.
fn spec(value: &SavedTensor) -> String {
    let spec = value.spec();
    format!("{} {}", spec.dtype, spec.shape)
}

impl Recording {
    /// The recorded operations as a graph in the DOT language.
    pub(crate) fn to_dot(&self) -> String {
        let mut dot = String::from("digraph tape {\n  rankdir=BT;\n  node [fontname=\"sans-serif\"];\n");
        let mut line = |text: String| {
            dot.push_str("  ");
            dot.push_str(&text);
            dot.push('\n');
        };
        for (node, leaf) in &self.leaves {
            let name = leaf.name().replace('\\', "\\\\").replace('"', "\\\"");
            line(format!("n{node} [shape=box, style=filled, fillcolor=lightblue, label=\"{name}\"];"));
        }
        for op in &self.ops {
            let outputs: Vec<String> = op.outputs.iter().map(spec).collect();
            let name = op.op.name().replace('"', "\\\"");
            line(format!("n{} [label=\"{name}\\n{}\"];", op.first_output, outputs.join(", ")));
            for node in op.input_nodes() {
                line(format!("n{} -> n{};", self.drawn_node(node), op.first_output));
            }
        }
        dot.push_str("}\n");
        dot
    }

    /// The node of the graph that stands for a node of the tape. All outputs of an operation are drawn as one.
    fn drawn_node(&self, node: Node) -> Node {
        let following = self.ops.partition_point(|op| op.first_output <= node);
        match following.checked_sub(1).map(|k| &self.ops[k]) {
            Some(op) if node - op.first_output < op.outputs.len() as Node => op.first_output,
            _ => node,
        }
    }
}

/// One line for each leaf and each operation, in order: `%2: float32 [3] = mul(%0, %1)`. A constant is shown by its type
/// and shape.
impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut leaves = self.leaves.iter().peekable();
        let mut leaves_before = |f: &mut fmt::Formatter<'_>, node: Node| {
            while let Some((leaf, kind)) = leaves.next_if(|(leaf, _)| *leaf < node) {
                writeln!(f, "%{leaf} = {}", kind.name())?;
            }
            Ok(())
        };
        for op in &self.ops {
            leaves_before(f, op.first_output)?;
            let outputs: Vec<String> =
                op.outputs().map(|(node, output)| format!("%{node}: {}", spec(output))).collect();
            let input = |node: Node, value: &SavedTensor| match node {
                CONSTANT => spec(value),
                node => format!("%{node}"),
            };
            let inputs: Vec<String> = op.inputs.iter().map(|saved| input(saved.node, &saved.tensor)).collect();
            writeln!(f, "{} = {}({})", outputs.join(", "), op.op.name(), inputs.join(", "))?;
        }
        leaves_before(f, Node::MAX)
    }
}
