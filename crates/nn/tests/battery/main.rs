//! One battery of checks that every layer passes.

mod checks;
mod graphs;
mod table;

use std::collections::BTreeSet;

use checks::Row;
use nn::Layer;

#[test]
fn every_layer_passes() {
    for row in table::rows() {
        row.check();
    }
}

/// The exports of `nn::layers` that are not layers: options, and the generic types behind some layers.
const OTHERS: [&str; 11] = [
    "CellStep",
    "Convolution",
    "GruCell",
    "Interpolation",
    "LstmCell",
    "Merge",
    "Pooling",
    "Recurrent",
    "RecurrentCell",
    "SimpleRnnCell",
    "SpatialDropout",
];

/// The layers that `layers/mod.rs` exports, and `Activation`.
fn exported() -> BTreeSet<String> {
    let names = include_str!("../../src/layers/mod.rs").lines().filter_map(|line| line.strip_prefix("pub use "));
    let names = names.flat_map(|line| {
        let (_, names) = line.trim_end_matches(';').split_once("::").expect("a path");
        names.trim_matches(['{', '}']).split(", ").map(str::to_string).collect::<Vec<_>>()
    });
    names.filter(|name| !OTHERS.contains(&name.as_str())).chain(["Activation".to_string()]).collect()
}

#[test]
fn every_layer_is_in_the_table() {
    let tested: BTreeSet<String> = table::rows().iter().map(|row: &Row| row.layer.kind().to_string()).collect();
    assert_eq!(tested, exported());
}

/// A row of `docs/layers.md` begins with the name of the layer here.
#[test]
fn every_layer_is_in_the_guide() {
    let rows = include_str!("../../../../docs/layers.md").lines();
    let names = rows.filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_string()));
    assert_eq!(names.collect::<BTreeSet<_>>(), exported());
}
