//! Traces in the format of Chrome's tracing, which Perfetto reads as well: "Trace Event Format" by
//! Google, complete events (`X`) and metadata (`M`), times in microseconds.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use super::{Call, Event, Profile, What};
use crate::error::{Error, Result};

impl Profile {
    /// Writes every call and scope to a file that `chrome://tracing` and <https://ui.perfetto.dev> can open. An
    /// existing file is replaced only once the new one is complete.
    ///
    /// # Errors
    /// Returns an error with the path and the system's reason if the file cannot be written.
    pub fn write_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.replace(path).map_err(|error| Error::argument("write_trace", format!("{}: {error}", path.display())))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut temporary = name.to_os_string();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let written = self.write(&temporary).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // It may not even exist. The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        write!(file, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        for (number, name) in self.threads.iter().enumerate() {
            let separator = if number == 0 { "" } else { "," };
            let name = Quoted(name);
            write!(
                file,
                "{separator}\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{number},\"ts\":0,\
                 \"args\":{{\"name\":{name}}}}}"
            )?;
        }
        // There is at least one name, that of the thread that started the profiler, so a comma is always right.
        for event in &self.events {
            write!(file, ",\n{}", event.json())?;
        }
        writeln!(file, "\n]}}")?;
        file.flush()
    }
}

impl Event {
    fn json(&self) -> String {
        let Event { what, start, time, thread } = self;
        let (name, category, arguments) = match what {
            What::Scope { path } => (path, "scope".to_string(), String::new()),
            What::Call(call) => (&call.name, call.phase.to_string(), call.arguments()),
        };
        let (name, start, time) = (Quoted(name), microseconds(*start), microseconds(*time));
        format!(
            "{{\"ph\":\"X\",\"name\":{name},\"cat\":\"{category}\",\"ts\":{start},\"dur\":{time},\"pid\":1,\
             \"tid\":{thread},\"args\":{{{arguments}}}}}"
        )
    }
}

impl Call {
    fn arguments(&self) -> String {
        let Call { family, bytes, flops, shapes, .. } = self;
        format!("\"family\":\"{family}\",\"bytes\":{bytes},\"flops\":{flops},\"shapes\":{shapes:?}")
    }
}

/// Microseconds with all digits of the clock.
fn microseconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_micros(), time.subsec_nanos() % 1000)
}

/// A string as JSON writes it (RFC 8259, section 7).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", letter as u32)?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
