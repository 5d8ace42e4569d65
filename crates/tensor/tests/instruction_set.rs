//! The environment variable that caps the instruction set.

use std::process::{Command, Output};

use tensor::{InstructionSet, Tensor, instruction_set};

/// Runs one test of this file in a child process.
fn with_cap(cap: &str, test: &str) -> Output {
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.env("TENSOR_MAX_ISA", cap).args([test, "--exact", "--nocapture"]).output().unwrap()
}

#[test]
fn a_kernel_runs() {
    println!("used: {}", instruction_set());
    assert_eq!(Tensor::zeros([2]).exp().sum().item().unwrap(), 2.0);
}

#[test]
fn the_cap_is_used_if_the_processor_is_wider() {
    if std::env::var_os("TENSOR_MAX_ISA").is_some() {
        return;
    }
    let widest = instruction_set();
    for set in [InstructionSet::Base, InstructionSet::Avx2, InstructionSet::Avx512] {
        let output = with_cap(&set.to_string(), "a_kernel_runs");
        assert!(output.status.success());
        let used = format!("used: {}\n", set.min(widest));
        assert!(String::from_utf8_lossy(&output.stdout).contains(&used), "{set}: {output:?}");
    }
}

#[test]
fn an_unknown_cap_panics_with_the_list_of_values() {
    for cap in ["neon", "AVX2", ""] {
        let output = with_cap(cap, "a_kernel_runs");
        assert!(!output.status.success());
        let message =
            format!("TENSOR_MAX_ISA: {cap:?} is not an instruction set; the values are base, avx2 and avx512");
        let printed = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains(&message), "{printed}");
    }
}
