//! A word on builds without optimization, which look as if they hung.

use std::sync::Once;

use crate::progress::{Verbose, say};

/// What is said, and in the README too.
const NOTE: &str = "\
note: the crate `tensor` was compiled without optimization, so that training takes hundreds of times as long.
Build with --release, or add this to your Cargo.toml:

[profile.dev]
opt-level = 1

[profile.dev.package.\"*\"]
opt-level = 3
";

/// Says once in a process, on the standard error stream, that kernels are slow, if they are.
pub(crate) fn note(verbose: Verbose) {
    static SAID: Once = Once::new();
    if !tensor::OPTIMIZED && verbose != Verbose::Silent {
        SAID.call_once(|| say(format_args!("{NOTE}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_same_lines() {
        let (_, lines) = NOTE.split_once("\n\n").unwrap();
        assert!(include_str!("../../../README.md").contains(&format!("```toml\n{lines}```")), "{lines}");
    }
}
