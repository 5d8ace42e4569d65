//! The results of a profiler, and their display as a table.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::{Event, Machine, Phase, What};
use crate::dtype::DType;

/// The calls of one operation in one phase.
#[derive(Clone, Debug)]
pub struct OpRow {
    /// The operation, as errors and tapes name it; `update` for an optimizer's pass over a parameter.
    pub name: String,
    /// Its family, as [`Op::families`](crate::Op::families) lists them; `Custom` or `Update` for others.
    pub family: &'static str,
    /// The phase.
    pub phase: Phase,
    /// How many calls there were.
    pub calls: u64,
    /// Their time, excluding nested operations.
    pub time: Duration,
    /// Bytes of operands and results.
    pub bytes: u64,
    /// The number of arithmetic operations.
    pub flops: u64,
    /// The fraction of the peak: the least time in which the machine can move the bytes and do the arithmetic of these
    /// calls (see [`Machine`]), divided by the time they took. [`None`] if there are neither bytes nor arithmetic.
    pub peak_share: Option<f64>,
}

/// All scopes of one path.
#[derive(Clone, Debug)]
pub struct ScopeRow {
    /// The names of the scopes, outermost first, joined by dots.
    pub path: String,
    /// How many calls there were.
    pub calls: u64,
    /// Their time, including nested scopes.
    pub time: Duration,
}

/// The result of a [`Profiler`](super::Profiler). It is displayed as a table of operations and one of scopes.
pub struct Profile {
    rows: Vec<OpRow>,
    scopes: Vec<ScopeRow>,
    pub(super) events: Vec<Event>,
    /// The names of threads, by number.
    pub(super) threads: Vec<String>,
    summary: Summary,
}

/// The results that do not come from events.
pub(super) struct Summary {
    pub(super) wall: Duration,
    pub(super) machine: Machine,
    /// The number of the thread that started the profiler.
    pub(super) thread: usize,
    pub(super) fresh_blocks: u64,
    pub(super) page_faults: Option<u64>,
}

impl Profile {
    pub(super) fn new(events: Vec<Event>, threads: Vec<String>, summary: Summary) -> Profile {
        let (rows, scopes) = (rows(&events, &summary.machine), scopes(&events));
        Profile { rows, scopes, events, threads, summary }
    }

    /// A row for each operation and phase, longest time first.
    pub fn rows(&self) -> &[OpRow] {
        &self.rows
    }

    /// The calls of an operation in a phase, if there were any.
    pub fn row(&self, name: &str, phase: Phase) -> Option<&OpRow> {
        self.rows.iter().find(|row| row.name == name && row.phase == phase)
    }

    /// The scopes, longest time first.
    pub fn scopes(&self) -> &[ScopeRow] {
        &self.scopes
    }

    /// The time from start to stop.
    pub fn wall(&self) -> Duration {
        self.summary.wall
    }

    /// The part of [`wall`](Profile::wall) that the thread that started the profiler spent outside of operations: in
    /// tapes, layers, data, the program itself, and the profiler.
    pub fn outside(&self) -> Duration {
        let here = self.events.iter().filter(|event| event.thread == self.summary.thread);
        let inside: Duration = here.filter_map(|event| event.call().map(|call| call.own)).sum();
        self.summary.wall.saturating_sub(inside)
    }

    /// The peaks of the machine, to which [`OpRow::peak_share`] refers.
    pub fn machine(&self) -> Machine {
        self.summary.machine
    }

    /// How many buffers the pool allocated from the system meanwhile, because it had none of the right size; 0 in a
    /// steady state of training.
    pub fn fresh_blocks(&self) -> u64 {
        self.summary.fresh_blocks
    }

    /// How many minor page faults the process had meanwhile; known on Linux only.
    pub fn page_faults(&self) -> Option<u64> {
        self.summary.page_faults
    }
}

fn rows(events: &[Event], machine: &Machine) -> Vec<OpRow> {
    let mut places = HashMap::new();
    // Each row with its least number of seconds.
    let mut rows: Vec<(OpRow, f64)> = Vec::new();
    for call in events.iter().filter_map(Event::call) {
        let place = *places.entry((&call.name, call.family, call.phase)).or_insert_with(|| {
            let (name, family, phase) = (call.name.clone(), call.family, call.phase);
            let (time, calls, bytes, flops, peak_share) = (Duration::ZERO, 0, 0, 0, None);
            rows.push((OpRow { name, family, phase, calls, time, bytes, flops, peak_share }, 0.0));
            rows.len() - 1
        });
        let (row, least) = &mut rows[place];
        row.calls += 1;
        row.time += call.own;
        row.bytes += call.bytes;
        row.flops += call.flops;
        // Per call: some are bound by arithmetic and some by memory.
        *least += machine.seconds(call.bytes, call.flops, call.dtype);
    }
    let finished = rows.into_iter().map(|(row, least)| {
        let peak_share = (least > 0.0).then(|| least / row.time.as_secs_f64());
        OpRow { peak_share, ..row }
    });
    let mut rows: Vec<OpRow> = finished.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    rows
}

fn scopes(events: &[Event]) -> Vec<ScopeRow> {
    let mut places = HashMap::new();
    let mut rows: Vec<ScopeRow> = Vec::new();
    for event in events {
        let What::Scope { path } = &event.what else { continue };
        let place = *places.entry(path).or_insert_with(|| {
            rows.push(ScopeRow { path: path.clone(), calls: 0, time: Duration::ZERO });
            rows.len() - 1
        });
        rows[place].calls += 1;
        rows[place].time += event.time;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    rows
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.wall();
        let share = |time: Duration| format!("{:.1} %", 100.0 * time.as_secs_f64() / wall.as_secs_f64());
        let heading = ["operation", "phase", "calls", "time", "share", "bytes", "FLOPs", "of peak"];
        let mut table = vec![heading.map(String::from)];
        table.extend(self.rows.iter().map(|row| {
            [
                row.name.clone(),
                row.phase.to_string(),
                row.calls.to_string(),
                seconds(row.time),
                share(row.time),
                prefixed(row.bytes as f64, "B"),
                prefixed(row.flops as f64, ""),
                row.peak_share.map_or("–".into(), |peak| format!("{:.0} %", 100.0 * peak)),
            ]
        }));
        let line = |name: &str, time| {
            let mut cells: [String; 8] = Default::default();
            (cells[0], cells[3], cells[4]) = (name.to_string(), seconds(time), share(time));
            cells
        };
        table.extend([line("outside operations", self.outside()), line("wall time", wall)]);
        write_table(f, &table, 2)?;
        if !self.scopes.is_empty() {
            let mut table = vec![["scope", "calls", "time", "share"].map(String::from)];
            table.extend(
                self.scopes
                    .iter()
                    .map(|row| [row.path.clone(), row.calls.to_string(), seconds(row.time), share(row.time)]),
            );
            writeln!(f)?;
            write_table(f, &table, 1)?;
        }
        let machine = self.machine();
        let [float32, float64] = [DType::F32, DType::F64].map(|dtype| prefixed(machine.flops(dtype), "FLOP/s"));
        let [caches, memory] = [0, u64::MAX].map(|bytes| prefixed(machine.bandwidth(bytes), "B/s"));
        write!(f, "\npeaks with {} threads: {float32} in float32, {float64} in float64", machine.threads)?;
        writeln!(f, ", {caches} in the L1 cache, {memory} in memory")?;
        write!(f, "new from the system: {} buffers", self.fresh_blocks())?;
        self.page_faults().map_or(Ok(()), |faults| write!(f, ", {faults} pages"))
    }
}

/// Writes columns of minimal width, the first `names` of them left-aligned, and a rule below the heading.
fn write_table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]], names: usize) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for (k, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            line += &if column < names { format!("{gap}{cell:width$}") } else { format!("{gap}{cell:>width$}") };
        }
        writeln!(f, "{}", line.trim_end())?;
        if k == 0 {
            writeln!(f, "{}", "─".repeat(widths.iter().sum::<usize>() + 2 * (N - 1)))?;
        }
    }
    Ok(())
}

/// A number with three digits and a decimal prefix.
fn prefixed(value: f64, unit: &str) -> String {
    let mut prefixes = ["", "k", "M", "G", "T", "P"].into_iter().peekable();
    let mut value = value;
    // From here on three digits would round to a thousand.
    while value >= 999.5 && prefixes.len() > 1 {
        prefixes.next();
        value /= 1000.0;
    }
    let prefix = prefixes.next().unwrap_or("");
    let space = if prefix.is_empty() && unit.is_empty() { "" } else { " " };
    format!("{}{space}{prefix}{unit}", three_digits(value))
}

fn seconds(time: Duration) -> String {
    let (value, unit) = match time.as_nanos() as f64 {
        ns if ns < 999.5 => (ns, "ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "µs"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

fn three_digits(value: f64) -> String {
    match value {
        _ if value == value.round() && value < 1000.0 => format!("{value}"),
        _ if value < 9.995 => format!("{value:.2}"),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Call;
    use super::*;

    fn call(name: &str, phase: Phase, own: u64, bytes: u64, flops: u64, thread: usize) -> Event {
        let (name, own) = (name.into(), Duration::from_micros(own));
        let call = Call { name, family: "Test", phase, own, bytes, flops, dtype: DType::F32, shapes: Vec::new() };
        Event { what: What::Call(call), start: Duration::ZERO, time: own, thread }
    }

    fn sample() -> Profile {
        let scope = What::Scope { path: "block.dense".into() };
        let events = vec![
            call("add", Phase::Forward, 10, 400, 100, 0),
            call("matmul", Phase::Forward, 200, 0, 20_000, 0),
            call("matmul", Phase::Backward, 400, 1000, 40_000, 0),
            call("matmul", Phase::Forward, 100, 3000, 10_000, 1),
            call("reshape", Phase::Forward, 1, 0, 0, 0),
            Event { what: scope, start: Duration::ZERO, time: Duration::from_micros(250), thread: 0 },
        ];
        let machine = Machine { threads: 2, flops: [2e8, 1e8], bandwidths: [2e7, 7e6, 6e6, 5e6, 4e6, 3e6, 2e6] };
        let wall = Duration::from_millis(1);
        let summary = Summary { wall, machine, thread: 0, fresh_blocks: 3, page_faults: Some(1234) };
        Profile::new(events, vec!["main".into(), "other".into()], summary)
    }

    #[test]
    fn calls_are_summed_by_operation_and_phase() {
        let profile = sample();
        let order: Vec<_> = profile.rows().iter().map(|row| (row.name.as_str(), row.phase, row.calls)).collect();
        let expected = [
            ("matmul", Phase::Backward, 1),
            ("matmul", Phase::Forward, 2),
            ("add", Phase::Forward, 1),
            ("reshape", Phase::Forward, 1),
        ];
        assert_eq!(order, expected);
        let product = profile.row("matmul", Phase::Forward).unwrap();
        assert_eq!((product.bytes, product.flops, product.time.as_micros()), (3000, 30_000, 300));
        // One call bound by arithmetic (100 µs), one by memory (150 µs).
        assert!((product.peak_share.unwrap() - 250.0 / 300.0).abs() < 1e-12);
        assert_eq!(profile.row("reshape", Phase::Forward).unwrap().peak_share, None);
        assert!(profile.row("add", Phase::Update).is_none());
        // The other thread's 100 µs are not part of this one's.
        assert_eq!(profile.outside().as_micros(), 1000 - 10 - 200 - 400 - 1);
    }

    #[test]
    fn it_prints_as_a_table() {
        let expected = "\
operation           phase     calls    time    share  bytes  FLOPs  of peak
───────────────────────────────────────────────────────────────────────────
matmul              backward      1  400 µs   40.0 %   1 kB   40 k     50 %
matmul              forward       2  300 µs   30.0 %   3 kB   30 k     83 %
add                 forward       1   10 µs    1.0 %  400 B    100    200 %
reshape             forward       1    1 µs    0.1 %    0 B      0        –
outside operations                   389 µs   38.9 %
wall time                              1 ms  100.0 %

scope        calls    time   share
──────────────────────────────────
block.dense      1  250 µs  25.0 %

peaks with 2 threads: 200 MFLOP/s in float32, 100 MFLOP/s in float64, 20 MB/s in the L1 cache, 2 MB/s in memory
new from the system: 3 buffers, 1234 pages";
        assert_eq!(sample().to_string(), expected);
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.0, 1.0, 999.0, 999.6, 1234.0, 12_345.0, 123_456.0, 999_600.0, 2.5e9, 1e18];
        let printed = numbers.map(|value| prefixed(value, "B"));
        let expected =
            ["0 B", "1 B", "999 B", "1.00 kB", "1.23 kB", "12.3 kB", "123 kB", "1.00 MB", "2.50 GB", "1000 PB"];
        assert_eq!(printed, expected);
        let times = [7, 999, 1000, 12_340, 999_600, 61_250_000_000].map(|ns| seconds(Duration::from_nanos(ns)));
        assert_eq!(times, ["7 ns", "999 ns", "1 µs", "12.3 µs", "1.00 ms", "61.2 s"]);
    }
}
