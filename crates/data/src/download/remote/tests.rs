//! Against a server of this process that answers as it is told.

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
    /// A byte ten times a second, until the client is gone.
    Drip,
    /// Bytes without end, until the client is gone.
    Endless,
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
            Reply::Drip => {
                respond("200 OK", "", size, b"");
                while stream.get_ref().write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(100));
                }
            }
            Reply::Endless => {
                let _ = stream.get_ref().write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                while stream.get_ref().write_all(&[b'x'; 1 << 16]).is_ok() {}
            }
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

fn client() -> Client {
    Client::new(Duration::from_secs(2), None)
}

fn fetch(remote: &Remote, folder: &Path) -> Result<PathBuf> {
    remote.fetch_with(&client(), folder)
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
fn an_interrupted_download_is_continued() {
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
fn an_invalid_local_file_is_fetched_again() {
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

    // A file that cannot be fetched again stays, and is named.
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
fn a_full_disk_is_not_a_fault_of_the_mirror() {
    let full = Path::new("/dev/full");
    let mut file = OpenOptions::new().write(true).open(full).unwrap();
    // Asked once: the second mirror is not tried.
    let (url, server) = serve(vec![Reply::Whole]);
    let remote = Remote::new("file").mirror(&url).mirror(url);
    let error = remote.fetch_into(&client(), &mut file, full, &mut [String::new(), String::new()]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    server.join().unwrap();
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let folder = folder("names");
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "x/",
        "/tmp/x",
        ".lock",
        ".LOCK",
        "x.part",
        "x\ny",
        if cfg!(windows) { "c:x" } else { "/" },
    ] {
        let message = fetch(&Remote::new(name).mirror("http://127.0.0.1:1/"), &folder).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name:?} is not a valid name for a download; it must be")), "{message}");
    }
    assert!(!folder.exists(), "nothing is made for a name that is refused");
    let message = fetch(&Remote::new("file"), &folder).unwrap_err().to_string();
    assert_eq!(message, "file: cannot be downloaded: no mirror was stated; `Remote::mirror` adds one");
}

#[test]
#[cfg(unix)]
fn links_in_the_folder_are_not_followed() {
    let folder = folder("links");
    fs::create_dir_all(&folder).unwrap();
    let others = folder.join("others");
    for link in ["file.part", ".lock"] {
        fs::write(&others, "not to be changed").unwrap();
        let _ = fs::remove_file(folder.join(link));
        std::os::unix::fs::symlink(&others, folder.join(link)).unwrap();
        let (url, server) = serve(vec![Reply::Whole]);
        let path = fetch(&Remote::new("file").mirror(url).sha256(SUM), &folder).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_to_string(&others).unwrap(), "not to be changed");
        server.join().unwrap();
        fs::remove_file(&path).unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_server_that_is_too_slow_or_never_ends_is_given_up() {
    let folder = folder("slow");
    let part = folder.join("file.part");
    let message = |reply, size: u64| {
        let (url, server) = serve(vec![reply; ROUNDS]);
        let client = Client::new(Duration::from_secs(1), None);
        let remote = Remote::new("file").mirror(&url).size(size);
        let message = remote.fetch_with(&client, &folder).unwrap_err().to_string();
        server.join().unwrap();
        message.strip_prefix(&format!("file: cannot be downloaded: {url}: ")).unwrap().to_string()
    };
    let slow = message(Reply::Drip, CONTENT.len() as u64);
    assert!(slow.ends_with(" bytes a second came; 1024 are expected at least"), "{slow}");
    assert!(fs::metadata(&part).unwrap().len() < CONTENT.len() as u64);
    fs::remove_file(&part).unwrap();
    assert_eq!(message(Reply::Endless, 100_000), "the file has more than 100000 bytes");
    assert_eq!(fs::metadata(&part).unwrap().len(), 0, "what is wrong does not stay on the disk");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_locked_is_named() {
    let folder = folder("lock");
    let lock = folder.join(".lock");
    fs::create_dir_all(&lock).unwrap();
    let remote = || Remote::new("file").mirror("http://127.0.0.1:1/");
    let message = fetch(&remote(), &folder).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: cannot lock: ", lock.display())), "{message}");
    // What is there is good without a lock, as in a folder that is only to be read; or it is named as well.
    let path = folder.join("file");
    fs::write(&path, CONTENT).unwrap();
    assert_eq!(fetch(&remote().sha256(SUM), &folder).unwrap(), path);
    let message = fetch(&remote().size(22), &folder).unwrap_err().to_string();
    let start = format!("{}: the file ends after 21 of 22 bytes; it cannot be fetched again: ", path.display());
    assert!(message.starts_with(&format!("{start}{}: cannot lock: ", lock.display())), "{message}");
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
fn failures_are_reported_and_leave_no_file() {
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
    assert_eq!(message(Reply::Whole, remote().sha256(&sum)), cannot(&format!("the SHA-256 sum is {SUM}, not {sum}")));
    let check = |path: &Path| idx::read(path).map(drop);
    let refused = message(Reply::Whole, remote().check(check));
    assert!(
        refused.ends_with("at byte 0: the magic number is [77, 68, 61, 74]; IDX files begin with two zero bytes"),
        "{refused}"
    );
    assert_eq!(message(Reply::Whole, remote().size(22)), cannot("the file ends after 21 of 22 bytes"));
    fs::remove_dir_all(&folder).unwrap();
}
