//! Text: lines of files, tokens of characters, and windows over tokens.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::iter;
use std::path::Path;

use tensor::Tensor;

use crate::array::ArrayDataset;
use crate::dataset::{Dataset, Pipeline, Window};
use crate::error::{DataError, Result};
use crate::open::open;
use crate::stream::Stream;

/// The maximum number of bytes of a line for [`lines`]: 1 MiB.
pub const LONGEST_LINE: usize = 1 << 20;

/// Streams the lines of a UTF-8 file, which may be larger than memory. `sample` converts each line to features and
/// target; all must have the same shape. Line breaks (`\n` or `\r\n`) and a byte order mark are removed.
///
/// # Errors
/// Drawing samples returns an error if the file cannot be read, a line is not UTF-8 or longer than [`LONGEST_LINE`], or
/// `sample` fails. The message names file, offset and line, counted from 1.
///
/// ```
/// use data::{DataSource, text};
/// use tensor::Tensor;
///
/// let path = std::env::temp_dir().join(format!("lines-{}.txt", std::process::id()));
/// std::fs::write(&path, "a cat\nsat\n").unwrap();
/// let lengths = text::lines(&path, |line| {
///     Ok((Tensor::scalar(line.len() as i64), Tensor::scalar(line.starts_with('a'))))
/// });
/// let batch = lengths.epoch(0)?.next(2)?.unwrap();
/// assert_eq!(batch.features.to_vec::<i64>()?, [5, 3]);
/// assert_eq!(batch.targets.to_vec::<bool>()?, [true, false]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
pub fn lines(
    path: impl AsRef<Path>,
    sample: impl Fn(&str) -> Result<(Tensor, Tensor)> + Clone + Send + Sync + 'static,
) -> Stream {
    let path = path.as_ref().to_path_buf();
    Stream::of_samples(move |_epoch| {
        let mut lines = LineReader::open(&path)?;
        let sample = sample.clone();
        let mut failed = false;
        Ok(iter::from_fn(move || {
            if failed {
                return None;
            }
            let line = lines.next().transpose()?.and_then(|line| sample(&line));
            failed = line.is_err();
            Some(line)
        }))
    })
}

/// Reads a file line by line.
struct LineReader {
    name: String,
    reader: BufReader<File>,
    /// The offset of the next line, and the number of lines before it.
    offset: u64,
    number: u64,
}

impl LineReader {
    fn open(path: &Path) -> Result<LineReader> {
        let name = path.display().to_string();
        Ok(LineReader { name, reader: BufReader::with_capacity(1 << 16, open(path)?), offset: 0, number: 0 })
    }

    fn next(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        // Room for the line break, and one more byte to see whether the line continues.
        let most = LONGEST_LINE as u64 + 3;
        let read = (&mut self.reader).take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|source| DataError::file(&self.name, "cannot read", source))?;
        if read == 0 {
            return Ok(None);
        }
        let start = self.offset;
        self.offset += read as u64;
        self.number += 1;
        if line.ends_with(b"\n") {
            line.truncate(line.len() - if line.ends_with(b"\r\n") { 2 } else { 1 });
        }
        let number = self.number;
        if line.len() > LONGEST_LINE {
            let message = format!("line {number} is longer than {LONGEST_LINE} bytes");
            return Err(DataError::format(&self.name, start, message));
        }
        let line = String::from_utf8(line).map_err(|error| {
            let valid = error.utf8_error().valid_up_to() as u64;
            DataError::format(&self.name, start + valid, format!("line {number} is not UTF-8 from here on"))
        })?;
        match line.strip_prefix('\u{feff}') {
            Some(rest) if number == 1 => Ok(Some(rest.into())),
            _ => Ok(Some(line)),
        }
    }
}

/// A vocabulary of characters: tokens 0, 1, … in the order of code points.
///
/// ```
/// use data::text::CharVocabulary;
///
/// let vocabulary = CharVocabulary::from_text("hello");
/// assert_eq!(vocabulary.characters(), ['e', 'h', 'l', 'o']);
/// assert_eq!(vocabulary.encode("hole")?, [1, 3, 2, 0]);
/// assert_eq!(vocabulary.decode(&[1, 3, 2, 0])?, "hole");
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharVocabulary {
    /// Sorted and unique.
    characters: Vec<char>,
}

impl CharVocabulary {
    /// The vocabulary of all characters in a text.
    pub fn from_text(text: &str) -> CharVocabulary {
        let characters: BTreeSet<char> = text.chars().collect();
        CharVocabulary { characters: characters.into_iter().collect() }
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.characters.len()
    }

    /// Whether the text was empty.
    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// The character of each token.
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// Converts a text to tokens.
    ///
    /// # Errors
    /// Returns an error if a character is not in the vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>> {
        let token = |(k, c): (usize, char)| {
            self.characters.binary_search(&c).map(|token| token as i64).map_err(|_| {
                DataError::dataset(format!(
                    "encode: character {k} is {c:?}, which is not one of the {} known",
                    self.len()
                ))
            })
        };
        text.chars().enumerate().map(token).collect()
    }

    /// Converts tokens to a text.
    ///
    /// # Errors
    /// Returns an error if a token is negative or not below [`len`](CharVocabulary::len).
    pub fn decode(&self, tokens: &[i64]) -> Result<String> {
        let character = |(k, &token): (usize, &i64)| {
            usize::try_from(token).ok().and_then(|token| self.characters.get(token)).ok_or_else(|| {
                DataError::dataset(format!("decode: token {k} is {token}; there are {} tokens, from 0 on", self.len()))
            })
        };
        tokens.iter().enumerate().map(character).collect()
    }
}

/// Windows over tokens as features, and for each token the next one as target: both int64, `[batch, length]`. This is
/// the training data of language models.
///
/// # Errors
/// Returns an error if length, shift or stride of the window is 0.
///
/// ```
/// use data::{Dataset, Window, text};
///
/// let excerpts = text::next_tokens(&[5, 6, 7, 8, 9], Window::new(3))?;
/// let batch = excerpts.range(0, 0..2)?;
/// assert_eq!(batch.features.to_vec::<i64>()?, [5, 6, 7, 6, 7, 8]);
/// assert_eq!(batch.targets.to_vec::<i64>()?, [6, 7, 8, 7, 8, 9]);
/// # Ok::<(), data::Error>(())
/// ```
pub fn next_tokens(tokens: &[i64], window: Window) -> Result<Pipeline> {
    let with_next = tokens.len().saturating_sub(1);
    let rows = |part: &[i64]| Tensor::from_vec(part.to_vec(), [part.len()]);
    let next = tokens.get(1..).unwrap_or_default();
    ArrayDataset::from_tensors(&rows(&tokens[..with_next])?, &rows(next)?)?.window(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_source::DataSource;

    fn lengths(content: &[u8], test: &str) -> (Result<Vec<i64>>, String) {
        let path = std::env::temp_dir().join(format!("text-{test}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let length = |line: &str| Ok((Tensor::scalar(line.len() as i64), Tensor::scalar(0)));
        let stream = lines(&path, length);
        let all = || Ok(stream.epoch(0)?.next(100)?.map_or(vec![], |batch| batch.features.to_vec().unwrap()));
        let found = all();
        std::fs::remove_file(&path).unwrap();
        (found, path.display().to_string())
    }

    #[test]
    fn line_ends_and_mark_are_left_out() {
        assert_eq!(lengths("\u{feff}ab\r\n\nö\r\nlast".as_bytes(), "ends").0.unwrap(), [2, 0, 2, 4]);
        assert_eq!(lengths(b"one\n", "one").0.unwrap(), [3]);
        assert!(lengths(b"", "none").0.unwrap().is_empty());
    }

    #[test]
    fn broken_lines_are_named() {
        let (found, name) = lengths(b"good\nba\xffd\ngood\n", "utf8");
        assert_eq!(found.unwrap_err().to_string(), format!("{name}: at byte 7: line 2 is not UTF-8 from here on"));
        let longest = [vec![b'x'; LONGEST_LINE], b"\r\ny".to_vec()].concat();
        assert_eq!(lengths(&longest, "longest").0.unwrap(), [LONGEST_LINE as i64, 1]);
        let (found, name) = lengths(&[b"a\n".to_vec(), vec![b'x'; LONGEST_LINE + 1]].concat(), "long");
        let message = format!("{name}: at byte 2: line 2 is longer than 1048576 bytes");
        assert_eq!(found.unwrap_err().to_string(), message);
        let missing = lines("/no/such/file", |_| unreachable!()).epoch(0).err().unwrap().to_string();
        assert!(missing.starts_with("/no/such/file: cannot open: "), "{missing}");
    }

    #[test]
    fn unknown_characters_and_tokens_are_errors() {
        let vocabulary = CharVocabulary::from_text("où là");
        assert_eq!(vocabulary.characters(), [' ', 'l', 'o', 'à', 'ù']);
        assert_eq!(
            vocabulary.encode("lo!").unwrap_err().to_string(),
            "encode: character 2 is '!', which is not one of the 5 known"
        );
        let decoded = |token| vocabulary.decode(&[0, token]).unwrap_err().to_string();
        assert_eq!(decoded(5), "decode: token 1 is 5; there are 5 tokens, from 0 on");
        assert_eq!(decoded(-1), "decode: token 1 is -1; there are 5 tokens, from 0 on");
    }

    #[test]
    fn every_token_but_the_last_can_be_followed() {
        assert_eq!(next_tokens(&[1, 2, 3, 4], Window::new(3)).unwrap().len(), 1);
        assert_eq!(next_tokens(&[1, 2, 3], Window::new(3)).unwrap().len(), 0);
        assert_eq!(next_tokens(&[], Window::new(1)).unwrap().len(), 0);
    }
}
