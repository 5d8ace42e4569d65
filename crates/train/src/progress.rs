//! Progress on the standard error stream.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::history::{Score, number};

/// How much [`Trainer::fit`](crate::Trainer::fit) prints to the standard error stream. If the stream cannot be written,
/// because a disk is full or the terminal was closed, the training continues without output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbose {
    /// [`Bar`](Verbose::Bar) on a terminal, [`Lines`](Verbose::Lines) elsewhere.
    #[default]
    Auto,
    /// A bar with the remaining time, the loss, the metrics and the learning rate. A line replaces it after each epoch.
    Bar,
    /// A line after each epoch.
    Lines,
    /// Nothing.
    Silent,
}

/// How often the numbers beside the bar are updated.
const REFRESH: Duration = Duration::from_millis(100);

/// The progress of one epoch.
pub(crate) struct Progress {
    title: String,
    start: Instant,
    silent: bool,
    bar: ProgressBar,
    refreshed: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(verbose: Verbose, epoch: usize, epochs: usize, batches: Option<usize>, done: usize) -> Progress {
        let has_bar = verbose == Verbose::Bar || (verbose == Verbose::Auto && std::io::stderr().is_terminal());
        let target = if has_bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(batches.map(|batches| batches as u64), target);
        let title = format!("epoch {epoch} of {epochs}");
        let template = "{prefix} {bar:24} {pos}/{len} {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(title.clone());
        bar.set_position(done as u64);
        Progress { title, start: Instant::now(), silent: verbose == Verbose::Silent, bar, refreshed: None }
    }

    /// Ends a batch. `state` computes the results so far and the learning rate.
    pub(crate) fn batch(&mut self, state: impl FnOnce() -> (Score, f64)) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.inc(1);
        if self.refreshed.is_none_or(|then| then.elapsed() >= REFRESH) {
            let (score, rate) = state();
            self.bar.set_message(format!("{score}, learning rate {}", number(rate)));
            self.refreshed = Some(Instant::now());
        }
    }

    /// Ends the epoch early.
    pub(crate) fn abandon(self) {
        self.bar.abandon();
    }

    /// Ends the epoch and removes the bar.
    pub(crate) fn finish(self) -> Finished {
        self.bar.finish_and_clear();
        Finished { title: self.title, seconds: self.start.elapsed().as_secs_f64(), silent: self.silent }
    }
}

/// An epoch that has ended.
pub(crate) struct Finished {
    title: String,
    seconds: f64,
    silent: bool,
}

impl Finished {
    pub(crate) fn show(self, score: &Score, validation: Option<&Score>) {
        if self.silent {
            return;
        }
        let validation = validation.map_or(String::new(), |score| format!("; validation {score}"));
        say(format_args!("{}: {:.1} s, {score}{validation}", self.title, self.seconds));
    }
}

/// Writes a line to the standard error stream. Unlike `eprintln!`, it does not panic if that fails.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
