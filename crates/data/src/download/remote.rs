//! One file from one of several places.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};

use crate::error::{DataError, Result};

/// How often each mirror is asked.
const ROUNDS: usize = 3;
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a file of unknown size may have: 4 GiB.
const MOST_BYTES: u64 = 4 << 30;

/// A file that can be had from several places, and what is known about it.
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
    /// A file that will have this name.
    pub fn new(name: impl Into<String>) -> Remote {
        Remote { name: name.into(), mirrors: Vec::new(), size: None, sha256: None, check: None }
    }

    /// Adds an address; the first is asked first.
    #[must_use]
    pub fn mirror(mut self, url: impl Into<String>) -> Remote {
        self.mirrors.push(url.into());
        self
    }

    /// States the size in bytes.
    #[must_use]
    pub fn size(self, size: u64) -> Remote {
        Remote { size: Some(size), ..self }
    }

    /// States the SHA-256 sum, as 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(self, sum: impl Into<String>) -> Remote {
        Remote { sha256: Some(sum.into().to_lowercase()), ..self }
    }

    /// Refuses a file for which this fails: before it gets its name, and whenever it is found in the folder.
    #[must_use]
    pub fn check(self, check: fn(&Path) -> Result<()>) -> Remote {
        Remote { check: Some(check), ..self }
    }

    /// The file in this folder, fetched if it is not there or not what it should be: what is stated of size, sum and
    /// check is looked at each time. What is being fetched ends with `.part`; when it is whole and passed all checks it
    /// gets its name, and takes the place of a file that is wrong. After an interruption, in this call or an earlier one,
    /// the rest is asked for where servers can give it. Processes that fetch into the same folder wait for each other, by
    /// a lock on its file `.lock`.
    ///
    /// # Errors
    /// If no mirror gives the file, tried three times each: the message says what was wrong with each, and with the file
    /// in the folder if there is one, which stays. A mirror that sends nothing for 30 seconds is given up. If the file
    /// cannot be written, as when the disk is full, which no mirror can help.
    pub fn fetch(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.fetch_with(&agent(PATIENCE, ureq::Proxy::try_from_env()), folder.as_ref())
    }

    fn fetch_with(&self, agent: &Agent, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(&self.name);
        let kept = self.kept(&path)?;
        if let Kept::Good = kept {
            return Ok(path);
        }
        let part = folder.join(format!("{}.part", self.name));
        let cannot_write = |source| DataError::file(part.display().to_string(), "cannot write", source);
        fs::create_dir_all(folder).map_err(cannot_write)?;
        let lock = folder.join(".lock");
        let cannot_lock = |source| {
            let error = DataError::file(lock.display().to_string(), "cannot lock", source);
            match &kept {
                Kept::Wrong(what) => {
                    DataError::dataset(format!("{}: {what}; it cannot be fetched anew: {error}", path.display()))
                }
                _ => error,
            }
        };
        // Held until the end of this function.
        let held = File::create(&lock).map_err(cannot_lock)?;
        held.lock().map_err(cannot_lock)?;
        let mut failures = vec![String::new(); self.mirrors.len()];
        match self.kept(&path)? {
            // Another process had the lock, and is done.
            Kept::Good => return Ok(path),
            Kept::Wrong(what) => failures.push(format!("{}: {what}", path.display())),
            Kept::Nothing => {}
        }
        let open = OpenOptions::new().create(true).write(true).truncate(false).open(&part);
        let mut file = open.map_err(cannot_write)?;
        for _ in 0..ROUNDS {
            for (url, failure) in self.mirrors.iter().zip(&mut failures) {
                match self.fetch_from(agent, url, &mut file, &part) {
                    Ok(()) => {
                        file.sync_all().and_then(|()| fs::rename(&part, &path)).map_err(cannot_write)?;
                        return Ok(path);
                    }
                    Err(Fault::Here(source)) => return Err(cannot_write(source)),
                    Err(Fault::Mirror(what)) => *failure = format!("{url}: {what}"),
                }
            }
        }
        Err(DataError::dataset(format!("{}: cannot be downloaded: {}", self.name, failures.join("; "))))
    }

    /// What is there of this name.
    fn kept(&self, path: &Path) -> Result<Kept> {
        if !path.is_file() {
            return Ok(Kept::Nothing);
        }
        match self.verify(path) {
            Ok(()) => Ok(Kept::Good),
            Err(Fault::Mirror(what)) => Ok(Kept::Wrong(what)),
            Err(Fault::Here(source)) => Err(DataError::file(path.display().to_string(), "cannot read", source)),
        }
    }

    /// Adds to the file what it lacks, and checks it. Content that is wrong is dropped, for the next try to begin anew.
    fn fetch_from(&self, agent: &Agent, url: &str, file: &mut File, part: &Path) -> Try<()> {
        let have = file.metadata()?.len();
        if have == 0 || self.size != Some(have) {
            self.receive(agent, url, file, have)?;
        }
        let verified = self.verify(part);
        if let Err(Fault::Mirror(_)) = verified {
            file.set_len(0)?;
        }
        verified
    }

    fn receive(&self, agent: &Agent, url: &str, file: &mut File, have: u64) -> Try<()> {
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => {
                // The server has no such rest: what is there is not the beginning of its file.
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
        // One more, to see whether there are more than there should be.
        let mut body = response.body_mut().as_reader().take(most.saturating_add(1).saturating_sub(have));
        file.seek(SeekFrom::Start(have))?;
        let mut bytes = vec![0; 1 << 16];
        loop {
            match body.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => file.write_all(&bytes[..count])?,
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

    /// Whether a file is what is stated.
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

/// What lies in the folder from an earlier time.
enum Kept {
    Nothing,
    /// Not what is stated, and why.
    Wrong(String),
    Good,
}

/// Why a try gave no file.
enum Fault {
    /// The next mirror may do better.
    Mirror(String),
    /// The file cannot be written or read here, whoever sends it.
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

/// One that waits so long for a connection, an answer, and each piece of it.
fn agent(patience: Duration, proxy: Option<ureq::Proxy>) -> Agent {
    let config = Agent::config_builder()
        .proxy(proxy)
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience));
    config.build().into()
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
