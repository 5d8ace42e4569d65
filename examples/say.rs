//! Printing, for the examples.
#![allow(unused_imports, unused_macros, reason = "not all examples print to both streams")]

/// Prints a line to standard output. `println!` panics if it cannot, because nobody reads the output any more, as with
/// `| head -1`, or the disk is full: that would end a training.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

/// The same to standard error.
macro_rules! complain {
    ($($line:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($line)*);
    }};
}

pub(crate) use complain;
pub(crate) use say;
