//! A file with several mirrors.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tensor::escaped;
use ureq::Agent;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};

use crate::error::{DataError, Result, shown};

/// The number of attempts for each mirror.
const ROUNDS: usize = 3;
/// How long a server may be silent, or send less than [`LEAST_RATE`].
const PATIENCE: Duration = Duration::from_secs(30);
/// The minimum rate in bytes per second. A slower server would take forever.
const LEAST_RATE: f64 = 1024.0;
/// The maximum size of a file of unknown size: 4 GiB.
const MOST_BYTES: u64 = 4 << 30;

/// A file with several mirrors, and what is known about its content.
///
/// ```no_run
/// use data::download::{Remote, cache_folder};
///
/// let file = Remote::new("iris.csv")
///     .mirror("https://example.org/iris.csv")
///     .mirror("https://example.com/data/iris.csv")
///     .size(4_551)
///     .fetch(cache_folder()?)?;
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    name: String,
    mirrors: Vec<String>,
    size: Option<u64>,
    sha256: Option<String>,
    check: Option<fn(&Path) -> Result<()>>,
}

impl Remote {
    /// A file that gets this name in the folder it is [fetched](Remote::fetch) into. The name must not contain folders,
    /// be `.lock`, or end with `.part`: fetching uses such files itself.
    pub fn new(name: impl Into<String>) -> Remote {
        Remote { name: name.into(), mirrors: Vec::new(), size: None, sha256: None, check: None }
    }

    /// Adds the URL of a mirror. Mirrors are tried in this order.
    #[must_use]
    pub fn mirror(mut self, url: impl Into<String>) -> Remote {
        self.mirrors.push(url.into());
        self
    }

    /// Sets the size in bytes. At most 4 GiB of a file of unknown size are fetched.
    #[must_use]
    pub fn size(self, size: u64) -> Remote {
        Remote { size: Some(size), ..self }
    }

    /// Sets the SHA-256 sum, as 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(self, sum: impl Into<String>) -> Remote {
        Remote { sha256: Some(sum.into().to_lowercase()), ..self }
    }

    /// Adds a check of the file, which runs before the file gets its name and whenever it is found in the folder.
    #[must_use]
    pub fn check(self, check: fn(&Path) -> Result<()>) -> Remote {
        Remote { check: Some(check), ..self }
    }

    /// Returns the path of the file in this folder. Fetches it first if it does not exist or its size, sum or check is
    /// wrong. A partial file has the suffix `.part`; when it is complete and valid it is renamed and replaces an
    /// invalid file. After an interruption, in this call or an earlier one, only the rest is requested if the server
    /// supports that. Processes that fetch into the same folder wait for each other by a lock on the file `.lock`.
    ///
    /// # Errors
    /// Returns an error if the [name](Remote::new) is invalid, there is no mirror, or the file cannot be written, for
    /// example because the disk is full. Also returns an error if three attempts on each mirror fail; the message lists
    /// what was wrong with each, and with the existing file, which stays. An attempt fails if the mirror sends nothing
    /// for 30 seconds, less than 30 KiB in 30 seconds, or more bytes than the stated size.
    pub fn fetch(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.fetch_with(&Client::new(PATIENCE, ureq::Proxy::try_from_env()), folder.as_ref())
    }

    fn fetch_with(&self, client: &Client, folder: &Path) -> Result<PathBuf> {
        self.check_name()?;
        let path = folder.join(&self.name);
        let kept = self.kept(&path)?;
        if let LocalCopy::Valid = kept {
            return Ok(path);
        }
        if self.mirrors.is_empty() {
            let name = escaped(&self.name);
            let message = "cannot be downloaded: no mirror was stated; `Remote::mirror` adds one";
            return Err(DataError::dataset(format!("{name}: {message}")));
        }
        let part = folder.join(format!("{}.part", self.name));
        let cannot_write = |source| DataError::file(part.display().to_string(), "cannot write", source);
        fs::create_dir_all(folder).map_err(cannot_write)?;
        let lock = folder.join(".lock");
        let cannot_lock = |source| {
            let error = DataError::file(lock.display().to_string(), "cannot lock", source);
            match &kept {
                LocalCopy::Invalid(what) => {
                    DataError::dataset(format!("{}: {what}; it cannot be fetched again: {error}", path.display()))
                }
                _ => error,
            }
        };
        // Held until the end of this function.
        let held = open_or_create(&lock).map_err(cannot_lock)?;
        held.lock().map_err(cannot_lock)?;
        let mut failures = vec![String::new(); self.mirrors.len()];
        match self.kept(&path)? {
            // Another process may have fetched the file while this one waited for the lock.
            LocalCopy::Valid => return Ok(path),
            LocalCopy::Invalid(what) => failures.push(format!("{}: {what}", path.display())),
            LocalCopy::Missing => {}
        }
        let mut file = open_or_create(&part).map_err(cannot_write)?;
        let fetched = self.fetch_into(client, &mut file, &part, &mut failures).map_err(cannot_write)?;
        if !fetched {
            return Err(DataError::dataset(format!("{}: cannot be downloaded: {}", self.name, failures.join("; "))));
        }
        file.sync_all().and_then(|()| fs::rename(&part, &path)).map_err(cannot_write)?;
        Ok(path)
    }

    /// Requests the missing part of the file from one mirror after the other. Returns whether one succeeded, and adds
    /// the failures to `failures`.
    fn fetch_into(&self, client: &Client, file: &mut File, part: &Path, failures: &mut [String]) -> io::Result<bool> {
        for _ in 0..ROUNDS {
            for (url, failure) in self.mirrors.iter().zip(&mut *failures) {
                match self.fetch_from(client, url, file, part) {
                    Ok(()) => return Ok(true),
                    Err(Fault::Here(source)) => return Err(source),
                    Err(Fault::Mirror(what)) => *failure = format!("{url}: {what}"),
                }
            }
        }
        Ok(false)
    }

    /// Whether the name is a plain file name that fetching does not use itself.
    fn check_name(&self) -> Result<()> {
        let mut parts = Path::new(&self.name).components();
        let is_file =
            matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == &*self.name);
        let lower = self.name.to_lowercase();
        if is_file && lower != ".lock" && !lower.ends_with(".part") && !self.name.contains(char::is_control) {
            return Ok(());
        }
        let message = "is not a valid name for a download; it must be that of a file, without folders and control characters, \
                       and neither be `.lock` nor end with `.part`";
        Err(DataError::dataset(format!("{} {message}", shown(&self.name))))
    }

    /// The state of the local file.
    fn kept(&self, path: &Path) -> Result<LocalCopy> {
        if !path.is_file() {
            return Ok(LocalCopy::Missing);
        }
        match self.verify(path) {
            Ok(()) => Ok(LocalCopy::Valid),
            Err(Fault::Mirror(what)) => Ok(LocalCopy::Invalid(what)),
            Err(Fault::Here(source)) => Err(DataError::file(path.display().to_string(), "cannot read", source)),
        }
    }

    /// Fetches the missing part of the file and checks the whole. Invalid content is dropped, so that the next attempt
    /// starts over.
    fn fetch_from(&self, client: &Client, url: &str, file: &mut File, part: &Path) -> Try<()> {
        let have = file.metadata()?.len();
        if have == 0 || self.size != Some(have) {
            self.receive(client, url, file, have)?;
        }
        let verified = self.verify(part);
        if let Err(Fault::Mirror(_)) = verified {
            file.set_len(0)?;
        }
        verified
    }

    fn receive(&self, client: &Client, url: &str, file: &mut File, have: u64) -> Try<()> {
        let mut request = client.agent.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => {
                // The server has no such range, so the partial file is not the beginning of its file.
                if matches!(error, ureq::Error::StatusCode(416)) {
                    file.set_len(0)?;
                }
                return mirror(error.to_string());
            }
        };
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header(CONTENT_TYPE).starts_with("text/html") {
            return mirror("an HTML page instead of the file");
        }
        let continues = response.status() == 206 && header(CONTENT_RANGE).starts_with(&format!("bytes {have}-"));
        if !continues && response.status() != 200 {
            return mirror(format!("status {} was not asked for", response.status()));
        }
        if !continues && have > 0 {
            file.set_len(0)?;
        }
        let have = if continues { have } else { 0 };
        let most = self.size.unwrap_or(MOST_BYTES);
        // One more byte, to detect content that is too long.
        let mut body = response.body_mut().as_reader().take(most.saturating_add(1).saturating_sub(have));
        file.seek(SeekFrom::Start(have))?;
        let mut bytes = vec![0; 1 << 16];
        let mut pace = Pace::new(client.patience);
        loop {
            match body.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => {
                    file.write_all(&bytes[..count])?;
                    if let Some(rate) = pace.too_slow(count) {
                        return mirror(format!("{rate:.0} bytes a second came; {LEAST_RATE} are expected at least"));
                    }
                }
                Err(error) => return mirror(error.to_string()),
            }
        }
        self.is_whole(file.metadata()?.len())
    }

    fn is_whole(&self, size: u64) -> Try<()> {
        match self.size {
            Some(whole) if size < whole => mirror(format!("the file ends after {size} of {whole} bytes")),
            _ => Ok(()),
        }
    }

    /// Checks size, sum and content of a file.
    fn verify(&self, path: &Path) -> Try<()> {
        let size = fs::metadata(path)?.len();
        self.is_whole(size)?;
        let most = self.size.unwrap_or(MOST_BYTES);
        if size > most {
            return mirror(format!("the file has more than {most} bytes"));
        }
        if let Some(expected) = &self.sha256 {
            let found = sha256(path)?;
            if found != *expected {
                return mirror(format!("the SHA-256 sum is {found}, not {expected}"));
            }
        }
        self.check.map_or(Ok(()), |check| check(path).or_else(|error| mirror(error.to_string())))
    }
}

/// The state of the file in the folder.
enum LocalCopy {
    Missing,
    /// The file is invalid for this reason.
    Invalid(String),
    Valid,
}

/// Why an attempt failed.
enum Fault {
    /// A fault of the mirror; another one may succeed.
    Mirror(String),
    /// The file cannot be written or read on this machine.
    Here(io::Error),
}

type Try<T> = std::result::Result<T, Fault>;

fn mirror<T>(what: impl Into<String>) -> Try<T> {
    Err(Fault::Mirror(what.into()))
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Here(error)
    }
}

/// An HTTP client with a timeout.
struct Client {
    agent: Agent,
    patience: Duration,
}

impl Client {
    /// `patience` limits the wait for a connection, a response, and each piece of it, and is the period over which
    /// [`LEAST_RATE`] is measured.
    fn new(patience: Duration, proxy: Option<ureq::Proxy>) -> Client {
        let config = Agent::config_builder()
            .proxy(proxy)
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience));
        Client { agent: config.build().into(), patience }
    }
}

/// Measures the rate of bytes in consecutive periods.
struct Pace {
    span: Duration,
    start: Instant,
    bytes: usize,
}

impl Pace {
    fn new(span: Duration) -> Pace {
        Pace { span, start: Instant::now(), bytes: 0 }
    }

    /// Adds bytes. Returns the rate of a period that has ended if it is too low.
    fn too_slow(&mut self, bytes: usize) -> Option<f64> {
        self.bytes += bytes;
        let passed = self.start.elapsed();
        if passed < self.span {
            return None;
        }
        let rate = self.bytes as f64 / passed.as_secs_f64();
        *self = Pace::new(self.span);
        (rate < LEAST_RATE).then_some(rate)
    }
}

/// Opens a file for writing without truncating it, or creates it. Removes a link, which could lead anywhere, and a
/// FIFO, which would block.
fn open_or_create(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => return OpenOptions::new().write(true).open(path),
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        // Another process has created it in between, as a plain file.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path),
        created => created,
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut sum, mut bytes) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => sum.update(&bytes[..count]),
        }
    }
}

#[cfg(test)]
mod tests;
