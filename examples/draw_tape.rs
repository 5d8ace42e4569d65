//! Prints what a tape recorded, as a listing and as a graph for Graphviz.
//!
//! ```text
//! cargo run --example draw_tape > tape.dot && dot -Tsvg tape.dot -o tape.svg
//! ```

mod say;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use facade::prelude::*;

use say::complain;

/// Records the forward pass of a small network: the listing goes to standard error, the graph in
/// the DOT language to standard output.
#[derive(Parser)]
struct Options {
    /// Units of the hidden layer
    #[arg(long, default_value_t = 4)]
    hidden: usize,
}

fn run(options: &Options) -> std::result::Result<(), Box<dyn Error>> {
    let model = Sequential::new()
        .add(Dense::new(3, options.hidden).activation(Activation::Tanh))
        .add(Dense::new(options.hidden, 2));
    let (x, labels) = (Tensor::ones([5, 3]), tensor![0, 1, 0, 1, 1]);

    let tape = GradientTape::new();
    let logits = model.forward(&x, Mode::Training)?;
    let _loss = sparse_categorical_crossentropy_from_logits(&labels, &logits)?.mean();
    complain!("{tape}{} bytes are held for the gradient", tape.memory());
    // The graph is the result, so failing to write it is an error.
    std::io::stdout().write_all(tape.to_dot().as_bytes())?;
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("draw_tape: {error}");
            ExitCode::FAILURE
        }
    }
}
