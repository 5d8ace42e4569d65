//! Files that are written whole or not at all, and those that grow by lines.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file under another name beside it, which then becomes its own: whoever reads it sees
/// the old contents or the new ones.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(Error::file(path, std::io::Error::other("is not the name of a file")));
    };
    let mut name = name.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = fs::write(&part, contents).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        // It may not exist; what went wrong first is what counts.
        let _ = fs::remove_file(&part);
        Error::file(path, error)
    })
}

/// A file of which each line is on its way to the disk before the next one is written.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// A new file, in place of one that may be there.
    pub(crate) fn create(path: &Path) -> Result<Lines> {
        let file = File::create(path).map_err(|error| Error::file(path, error))?;
        Ok(Lines { path: path.to_owned(), file })
    }

    /// A file to write on to, if there is one, and its first line. A last line without an end, which
    /// was being written when its program was killed, is cut off.
    pub(crate) fn append(path: &Path) -> Result<(Lines, Option<Vec<u8>>)> {
        let open = || {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let (mut reader, mut line, mut first, mut end) = (BufReader::new(&file), Vec::new(), None, 0);
            while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                end += line.len() as u64;
                first.get_or_insert_with(|| line.clone());
                line.clear();
            }
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            Ok((file, first))
        };
        let (file, first) = open().map_err(|error| Error::file(path, error))?;
        Ok((Lines { path: path.to_owned(), file }, first))
    }

    /// Writes a line, whose end it has.
    pub(crate) fn write(&mut self, line: &[u8]) -> Result<()> {
        self.file.write_all(line).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: std::io::Error) -> Error {
        Error::file(&self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = std::env::temp_dir().join(format!("write-whole-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("text");
        write_whole(&path, b"old and long").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let error = write_whole(&folder.join("none").join("text"), b"new").unwrap_err().to_string();
        assert!(error.ends_with("none/text: No such file or directory (os error 2)"), "{error}");
        // A folder cannot be replaced by a file.
        fs::create_dir(folder.join("folder")).unwrap();
        assert!(write_whole(&folder.join("folder"), b"new").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert!(write_whole(Path::new("/"), b"new").unwrap_err().to_string().contains("is not the name of a file"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
