//! One file from one of several places.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};

use crate::error::{Error, Result};

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
        if let Kept::Good = self.kept(&path)? {
            return Ok(path);
        }
        let part = folder.join(format!("{}.part", self.name));
        let cannot_write = |source| Error::file(part.display().to_string(), "cannot write", source);
        fs::create_dir_all(folder).map_err(cannot_write)?;
        let lock = folder.join(".lock");
        let cannot_lock = |source| Error::file(lock.display().to_string(), "cannot lock", source);
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
        Err(Error::Dataset(format!("{}: cannot be downloaded: {}", self.name, failures.join("; "))))
    }

    /// What is there of this name.
    fn kept(&self, path: &Path) -> Result<Kept> {
        if !path.is_file() {
            return Ok(Kept::Nothing);
        }
        match self.verify(path) {
            Ok(()) => Ok(Kept::Good),
            Err(Fault::Mirror(what)) => Ok(Kept::Wrong(what)),
            Err(Fault::Here(source)) => Err(Error::file(path.display().to_string(), "cannot read", source)),
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
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::idx;

    const CONTENT: &[u8] = b"what is to be fetched";
    /// Of [`CONTENT`], from Python's `hashlib`.
    const SUM: &str = "ba3501f6f7a206f89f4c32bfa084483499a2be37c1e4d3ae0a504385018c9e72";

    #[derive(Clone, Copy)]
    enum Reply {
        Whole,
        /// What is asked for, by its range.
        Rest,
        /// So many bytes of all, then the connection ends.
        Cut(usize),
        Html,
        Wrong,
        /// Nothing, until the client is gone.
        Silence,
        /// So many bytes of what is asked for, by its range, then nothing, until the client is gone.
        Stall(usize),
        Status(u16),
    }

    /// Answers one request after the other as it is told, and gives the ranges that were asked for.
    fn serve(replies: Vec<Reply>) -> (String, JoinHandle<Vec<Option<usize>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let answer = move |reply: &Reply| {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut range = None;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(from) = line.to_lowercase().trim().strip_prefix("range: bytes=") {
                    range = Some(from.trim_end_matches('-').parse().unwrap());
                }
            }
            let respond = |status: &str, headers: &str, size: usize, body: &[u8]| {
                let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {size}\r\nConnection: close\r\n\r\n");
                // The client may be gone.
                let _ = stream.get_ref().write_all(&[head.as_bytes(), body].concat());
            };
            let size = CONTENT.len();
            match *reply {
                Reply::Whole => respond("200 OK", "", size, CONTENT),
                Reply::Rest => {
                    let from: usize = range.unwrap();
                    let headers = format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1);
                    respond("206 Partial Content", &headers, size - from, &CONTENT[from..]);
                }
                Reply::Cut(count) => respond("200 OK", "", size, &CONTENT[..count]),
                Reply::Html => respond("200 OK", "Content-Type: text/html\r\n", 13, b"<html></html>"),
                Reply::Wrong => respond("200 OK", "", size, &[b'x'; CONTENT.len()]),
                Reply::Silence => drop(stream.read(&mut [0])),
                Reply::Stall(count) => {
                    let from: usize = range.unwrap_or(0);
                    let headers = format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1);
                    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
                    respond(status, &headers, size - from, &CONTENT[from..][..count]);
                    drop(stream.read(&mut [0]));
                }
                Reply::Status(status) => respond(&format!("{status} No"), "", 0, b""),
            }
            range
        };
        (url, thread::spawn(move || replies.iter().map(answer).collect()))
    }

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("download-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn fetch(remote: &Remote, folder: &Path) -> Result<PathBuf> {
        remote.fetch_with(&agent(Duration::from_secs(2), None), folder)
    }

    /// Fetches from a server with these replies; gives the ranges that were asked for.
    fn ranges(test: &str, replies: Vec<Reply>) -> Vec<Option<usize>> {
        let (folder, (url, server)) = (folder(test), serve(replies));
        let remote = Remote::new("file").mirror(url).size(CONTENT.len() as u64).sha256(SUM);
        let path = fetch(&remote, &folder).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert!(!folder.join("file.part").exists(), "the partial file got its name");
        let ranges = server.join().unwrap();
        // The server is gone: it is not asked again.
        assert_eq!(fetch(&remote, &folder).unwrap(), path);
        fs::remove_dir_all(&folder).unwrap();
        ranges
    }

    #[test]
    fn what_was_cut_off_is_continued() {
        assert_eq!(ranges("cut", vec![Reply::Cut(5), Reply::Rest]), [None, Some(5)]);
        assert_eq!(ranges("ignored", vec![Reply::Cut(5), Reply::Cut(7), Reply::Whole]), [None, Some(5), Some(7)]);
        assert_eq!(ranges("416", vec![Reply::Cut(5), Reply::Status(416), Reply::Whole]), [None, Some(5), None]);
    }

    #[test]
    fn wrong_answers_are_asked_for_again() {
        assert_eq!(ranges("wrong", vec![Reply::Wrong, Reply::Html, Reply::Whole]), [None; 3]);
        assert_eq!(ranges("silent", vec![Reply::Silence, Reply::Status(500), Reply::Whole]), [None; 3]);
    }

    #[test]
    fn a_server_that_stalls_is_given_up_and_a_later_call_goes_on() {
        let folder = folder("stall");
        let (url, server) = serve(vec![Reply::Stall(5), Reply::Stall(1), Reply::Stall(0), Reply::Rest]);
        let remote = Remote::new("file").mirror(&url).size(CONTENT.len() as u64).sha256(SUM);
        let message = fetch(&remote, &folder).unwrap_err().to_string();
        assert_eq!(message, format!("file: cannot be downloaded: {url}: timeout: per read"));
        assert_eq!(fs::read(folder.join("file.part")).unwrap(), CONTENT[..6]);
        assert_eq!(fs::read(fetch(&remote, &folder).unwrap()).unwrap(), CONTENT);
        assert_eq!(server.join().unwrap(), [None, Some(5), Some(6), Some(6)]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_there_and_wrong_is_fetched_anew() {
        let folder = folder("kept");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let remote = || Remote::new("file");
        let (size, check) = (CONTENT.len() as u64, |path: &Path| idx::read(path).map(drop));
        let (cut, other) = (&CONTENT[..5], [b'x'; CONTENT.len()]);
        for (remote, kept) in [
            (remote().size(size), cut),
            (remote().size(size), &CONTENT.repeat(2)),
            (remote().sha256(SUM), cut),
            (remote().size(size).sha256(SUM), &other),
        ] {
            fs::write(&path, kept).unwrap();
            let (url, server) = serve(vec![Reply::Whole]);
            assert_eq!(fs::read(fetch(&remote.mirror(url), &folder).unwrap()).unwrap(), CONTENT);
            assert_eq!(server.join().unwrap(), [None]);
        }

        // What cannot be had anew stays, and is named.
        let message = |remote: Remote, kept: &[u8]| {
            fs::write(&path, kept).unwrap();
            let (url, server) = serve(vec![Reply::Status(404); ROUNDS]);
            let message = fetch(&remote.mirror(&url), &folder).unwrap_err().to_string();
            server.join().unwrap();
            assert_eq!(fs::read(&path).unwrap(), kept);
            let start = format!("file: cannot be downloaded: {url}: http status: 404; {}: ", path.display());
            message.strip_prefix(&start).unwrap_or_else(|| panic!("{message}")).to_string()
        };
        assert_eq!(message(remote().size(size), cut), "the file ends after 5 of 21 bytes");
        assert_eq!(message(remote().size(4), cut), "the file has more than 4 bytes");
        let sum = "0".repeat(64);
        assert_eq!(message(remote().sha256(&sum), CONTENT), format!("the SHA-256 sum is {SUM}, not {sum}"));
        assert!(message(remote().check(check), cut).contains("IDX files begin with two zero bytes"));
        // Nothing is stated of it: it is as it is, and no server is asked.
        fs::write(&path, cut).unwrap();
        assert_eq!(fs::read(fetch(&remote(), &folder).unwrap()).unwrap(), cut);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn of_several_that_want_a_file_one_fetches_it() {
        let folder = folder("together");
        let (url, server) = serve(vec![Reply::Cut(5), Reply::Rest]);
        let remote = Remote::new("file").mirror(url).sha256(SUM);
        thread::scope(|scope| {
            // Each has a handle of its own on the lock file, as processes have.
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(fs::read(fetch(&remote, &folder).unwrap()).unwrap(), CONTENT));
            }
        });
        assert_eq!(server.join().unwrap(), [None, Some(5)]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_no_fault_of_the_mirror() {
        let folder = folder("full");
        fs::create_dir_all(&folder).unwrap();
        let part = folder.join("file.part");
        std::os::unix::fs::symlink("/dev/full", &part).unwrap();
        // Asked once: the second mirror is not tried.
        let (url, server) = serve(vec![Reply::Whole]);
        let remote = Remote::new("file").mirror(&url).mirror(url);
        let message = fetch(&remote, &folder).unwrap_err().to_string();
        assert_eq!(message, format!("{}: cannot write: No space left on device (os error 28)", part.display()));
        server.join().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_locked_is_named() {
        let folder = folder("lock");
        let lock = folder.join(".lock");
        fs::create_dir_all(&lock).unwrap();
        let message = fetch(&Remote::new("file"), &folder).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: cannot lock: ", lock.display())), "{message}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_next_mirror_goes_on_where_the_first_stopped() {
        let folder = folder("mirrors");
        let ((first, one), (second, other)) = (serve(vec![Reply::Cut(9)]), serve(vec![Reply::Rest]));
        let path = fetch(&Remote::new("file").mirror(first).mirror(second).sha256(SUM), &folder).unwrap();
        assert_eq!(fs::read(path).unwrap(), CONTENT);
        assert_eq!((one.join().unwrap(), other.join().unwrap()), (vec![None], vec![Some(9)]));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn failures_are_named_and_leave_no_file() {
        let folder = folder("failures");
        let message = |reply, remote: Remote| {
            let (url, server) = serve(vec![reply; ROUNDS]);
            let message = fetch(&remote.mirror(&url), &folder).unwrap_err().to_string();
            server.join().unwrap();
            assert!(!folder.join("file").exists());
            message.replace(&url, "URL")
        };
        let remote = || Remote::new("file");
        let cannot = |what: &str| format!("file: cannot be downloaded: URL: {what}");
        assert_eq!(message(Reply::Html, remote()), cannot("an HTML page instead of the file"));
        assert_eq!(message(Reply::Status(404), remote()), cannot("http status: 404"));
        assert_eq!(message(Reply::Whole, remote().size(20)), cannot("the file has more than 20 bytes"));
        let sum = "0".repeat(64);
        assert_eq!(
            message(Reply::Whole, remote().sha256(&sum)),
            cannot(&format!("the SHA-256 sum is {SUM}, not {sum}"))
        );
        let check = |path: &Path| idx::read(path).map(drop);
        let refused = message(Reply::Whole, remote().check(check));
        assert!(
            refused.ends_with("at byte 0: the magic number is [77, 68, 61, 74]; IDX files begin with two zero bytes"),
            "{refused}"
        );
        assert_eq!(message(Reply::Whole, remote().size(22)), cannot("the file ends after 21 of 22 bytes"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
