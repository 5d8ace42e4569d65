//! Printing, for the examples.
#![allow(unused_imports, unused_macros, reason = "not all examples print to both streams")]

/// Prints a line to standard output and ignores errors. `println!` would panic, and end a training, if the reader is
/// gone (as with `| head -1`) or the disk is full.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

/// As `say!`, to standard error.
macro_rules! complain {
    ($($line:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($line)*);
    }};
}

pub(crate) use complain;
pub(crate) use say;
