//! The guide and the lists of these tests name all types in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::zoo;

/// The types in a folder of the sources that implement a trait, without boxes and other wrappers.
fn implementors(folder: &str, trait_name: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let key = format!(" {trait_name} for ");
    files
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("impl") && !line.contains("?Sized"))
        .filter_map(|line| Some(line.split_once(&key)?.1.split(['<', ' ']).next().unwrap().to_owned()))
        .collect()
}

#[test]
fn the_guide_names_every_optimizer_and_schedule() {
    let guide = include_str!("../../../../docs/optimizers.md");
    let (optimizers, mut schedules) = (implementors("src", "Optimizer"), implementors("src/schedules", "Schedule"));
    assert!(optimizers.contains("Sgd") && schedules.contains("WarmUp"));
    schedules.insert("ReduceOnPlateau".to_owned());
    for name in optimizers.iter().chain(&schedules) {
        assert!(guide.contains(&format!("| `{name}")), "docs/optimizers.md has no row that begins with `{name}`");
    }
}

#[test]
fn the_lists_of_these_tests_are_complete() {
    let listed: BTreeSet<&str> = zoo::optimizers(0.1).iter().map(|optimizer| optimizer.name()).collect();
    assert_eq!(listed.len(), implementors("src", "Optimizer").len());
    // The last one in the list combines the three schedules that combine others.
    assert_eq!(zoo::schedules().len() - 1, implementors("src/schedules", "Schedule").len() - 3);
}
