//! Tests that run again with narrower instruction sets.

use std::process::Command;

use tensor::{InstructionSet, instruction_set};

/// Runs all tests of this file but `except`, the one that calls this, in a child process for each instruction set that
/// is narrower than the widest of this processor.
pub(crate) fn run_again_with_narrower_sets(except: &str) {
    if std::env::var_os("TENSOR_MAX_ISA").is_some() {
        return;
    }
    let sets = [InstructionSet::Base, InstructionSet::Avx2];
    for set in sets.into_iter().filter(|&set| set < instruction_set()) {
        let mut tests = Command::new(std::env::current_exe().unwrap());
        let output = tests.env("TENSOR_MAX_ISA", set.to_string()).args(["--skip", except]).output().unwrap();
        assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
