//! A note about builds without optimization, which seem to hang.

use std::sync::Once;

use crate::progress::{Verbose, say};

/// The note. The README has the same lines.
const NOTE: &str = "\
note: the crate `tensor` was compiled without optimization, which makes training hundreds of times slower.
Build with --release, or add this to your Cargo.toml:

[profile.dev]
opt-level = 1

[profile.dev.package.\"*\"]
opt-level = 3
";

/// Prints the note to the standard error stream, once per process, if kernels are not optimized.
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
