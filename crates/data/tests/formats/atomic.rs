use std::io::{Error, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use data::{npy, remove_abandoned, write_atomically};
use tensor::{Tensor, tensor};

use super::{Temporary, show};

#[test]
fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = Temporary::new("fails");
    let path = folder.path("x");
    write_atomically(&path, |file| file.write_all(b"old")).unwrap();
    let failed = write_atomically(&path, |file| {
        file.write_all(&[0; 1 << 20])?;
        Err(Error::other("no more"))
    });
    assert_eq!(failed.unwrap_err().to_string(), format!("{}: cannot write: no more", path.display()));
    assert_eq!((std::fs::read(&path).unwrap(), folder.names()), (b"old".to_vec(), vec!["x".to_string()]));
}

#[test]
fn files_of_killed_processes_are_removed() {
    let folder = Temporary::new("abandoned");
    for name in [".tmp-4194305-0", ".tmp-1-", ".tmp-1-2x", "x.tmp-1-2", "x"] {
        std::fs::write(folder.path(name), "half").unwrap();
    }
    std::fs::create_dir(folder.path(".tmp-1-1")).unwrap();
    remove_abandoned(folder.path("")).unwrap();
    let mut names = folder.names();
    names.sort();
    assert_eq!(names, [".tmp-1-", ".tmp-1-1", ".tmp-1-2x", "x", "x.tmp-1-2"]);
    let missing = folder.path("missing");
    let message = remove_abandoned(&missing).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: cannot read the folder: ", missing.display())), "{message}");
}

#[test]
fn files_that_are_being_written_are_not_removed() {
    let folder = Temporary::new("removing");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(SeqCst) {
                remove_abandoned(folder.path("")).unwrap();
            }
        });
        let written: Vec<_> =
            (0..300).map(|k| write_atomically(folder.path("x"), |file| write!(file, "{k}"))).collect();
        ended.store(true, SeqCst);
        written.into_iter().for_each(|written| written.unwrap());
    });
    assert_eq!((std::fs::read(folder.path("x")).unwrap(), folder.names()), (b"299".to_vec(), vec!["x".to_string()]));
}

#[test]
fn paths_that_cannot_be_written_are_named() {
    let folder = Temporary::new("paths");
    std::fs::write(folder.path("file"), "x").unwrap();
    for path in [folder.path("file").join("below"), folder.path("missing").join("x"), folder.path("")] {
        let message = npy::write(&path, &tensor![1]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: cannot write: ", path.display())), "{message}");
    }
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn a_bare_name_is_written_in_the_current_folder() {
    // Cargo runs tests in the folder of the package.
    let name = format!("bare-{}", std::process::id());
    write_atomically(&name, |file| file.write_all(b"x")).unwrap();
    assert_eq!(std::fs::read(&name).unwrap(), b"x");
    std::fs::remove_file(&name).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_permissions_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Temporary::new("links");
    std::fs::write(folder.path("target"), "old").unwrap();
    std::fs::set_permissions(folder.path("target"), std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("target", folder.path("link")).unwrap();
    write_atomically(folder.path("link"), |file| file.write_all(b"new")).unwrap();
    assert!(std::fs::symlink_metadata(folder.path("link")).unwrap().is_symlink());
    assert_eq!(std::fs::read(folder.path("target")).unwrap(), b"new");
    assert_eq!(std::fs::metadata(folder.path("target")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let full = npy::write("/dev/full", &tensor![1]).unwrap_err().to_string();
    assert!(full.starts_with("/dev/full: cannot write: No space left on device"), "{full}");
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

/// The child process of the two tests below, which may write at most 64 KiB.
const WRITER: &str = "atomic::writer_in_a_separate_process";

#[test]
fn writer_in_a_separate_process() {
    if let Some(path) = std::env::var_os("WRITE_TO") {
        match npy::write(&path, &Tensor::zeros([1 << 20])) {
            Ok(()) => println!("written"),
            Err(error) => println!("refused: {error}"),
        }
    }
}

#[cfg(target_os = "linux")]
fn write_limited(path: &Path, trap: &str) -> String {
    let script = format!("{trap}; ulimit -f 64; exec \"$0\" {WRITER} --exact --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env("WRITE_TO", path);
    let output = command.output().unwrap();
    format!("{:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stdout))
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_half_way_leaves_the_old_file() {
    let folder = Temporary::new("full");
    let path = folder.path("x.npy");
    npy::write(&path, &tensor![7]).unwrap();
    let output = write_limited(&path, "trap '' XFSZ");
    assert!(output.contains(&format!("refused: {}: cannot write: File too large", path.display())), "{output}");
    assert_eq!((show(&npy::read(&path).unwrap()), folder.names()), ("int64 [1] [7]".into(), vec!["x.npy".into()]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_killed_half_way_leaves_the_old_file() {
    let folder = Temporary::new("killed");
    let path = folder.path("x.npy");
    npy::write(&path, &tensor![7]).unwrap();
    let output = write_limited(&path, "true");
    assert!(output.starts_with("None") && !output.contains("written") && !output.contains("refused"), "{output}");
    assert_eq!(show(&npy::read(&path).unwrap()), "int64 [1] [7]");
    // Its temporary file is ignored, and does not stop later writers.
    let mut names = folder.names();
    names.sort();
    assert!(names.len() == 2 && names[0].starts_with(".tmp-") && names[1] == "x.npy", "{names:?}");
    npy::write(&path, &tensor![8]).unwrap();
    assert_eq!(show(&npy::read(&path).unwrap()), "int64 [1] [8]");
}
