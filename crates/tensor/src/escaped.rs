//! Text from files, made safe to print.

use std::fmt;

/// The default of [`Escaped::at_most`].
const MOST: usize = 200;

/// Makes a text from a file, such as the name of a tensor or of a column, safe to print to a terminal.
///
/// Replaces control characters (such as line breaks and escape sequences), line and paragraph separators, and
/// characters that are invisible or change the direction of the text by escapes such as `\n` and `\u{1b}`. All other
/// characters, including backslashes and quotes, are unchanged. Texts of more than 200 characters are cut in the
/// middle; [`at_most`](Escaped::at_most) sets another limit.
///
/// ```
/// use tensor::escaped;
///
/// assert_eq!(escaped("größe.kernel").to_string(), "größe.kernel");
/// assert_eq!(escaped("x\n\u{1b}[1mloss").to_string(), r"x\n\u{1b}[1mloss");
/// assert_eq!(escaped("abcdefghijkl").at_most(8).to_string(), "abcdef…(4 more)…kl");
/// ```
pub fn escaped(text: &str) -> Escaped<'_> {
    Escaped { text, most: MOST }
}

/// A text as [`escaped`] displays it.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
    most: usize,
}

impl Escaped<'_> {
    /// Limits the number of characters shown: three quarters of them come from the beginning of the text, the rest from
    /// its end. An escape counts as one character.
    #[must_use]
    pub fn at_most(self, characters: usize) -> Self {
        Escaped { most: characters, ..self }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character takes at least one byte, so short texts need not be counted.
        let count = if self.text.len() <= self.most { 0 } else { self.text.chars().count() };
        if count <= self.most {
            return write_escaped(f, self.text);
        }
        let last = self.most / 4;
        let place = |k: usize| self.text.char_indices().nth(k).map_or(self.text.len(), |(place, _)| place);
        write_escaped(f, &self.text[..place(self.most - last)])?;
        write!(f, "…({} more)…", count - self.most)?;
        write_escaped(f, &self.text[place(count - last)..])
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(place) = rest.find(must_be_escaped) {
        f.write_str(&rest[..place])?;
        let mut characters = rest[place..].chars();
        match characters.next() {
            Some('\n') => f.write_str("\\n")?,
            Some('\r') => f.write_str("\\r")?,
            Some('\t') => f.write_str("\\t")?,
            Some(character) => write!(f, "{}", character.escape_unicode())?,
            None => {}
        }
        rest = characters.as_str();
    }
    f.write_str(rest)
}

/// Whether a terminal may interpret this character or show nothing for it. The joiners U+200C and U+200D are excluded
/// because Persian words and emoji need them.
fn must_be_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_interprets_are_escaped() {
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let shown = escaped(&character.to_string()).to_string();
            assert!(!shown.chars().any(|shown| shown.is_control()), "{character:?}");
            if character.is_alphanumeric() || character.is_ascii_punctuation() || character == ' ' {
                assert_eq!(shown, character.to_string());
            }
        }
        assert_eq!(escaped("a\r\n\tb\u{7f}\u{9b}31m").to_string(), r"a\r\n\tb\u{7f}\u{9b}31m");
        assert_eq!(escaped("abc\u{202e}fed\u{2028}").to_string(), r"abc\u{202e}fed\u{2028}");
        assert_eq!(escaped(r#"C:\new "x"'"#).to_string(), r#"C:\new "x"'"#);
        // Escaping is idempotent.
        let once = escaped("\u{0}\n").to_string();
        assert_eq!(escaped(&once).to_string(), once);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(escaped("").to_string(), "");
        assert_eq!(escaped(&"é".repeat(200)).to_string(), "é".repeat(200));
        let cut = format!("{}…(101 more)…{}", "é".repeat(150), "é".repeat(50));
        assert_eq!(escaped(&"é".repeat(301)).to_string(), cut);
        assert_eq!(escaped("\n\n\n\n\n").at_most(4).to_string(), r"\n\n\n…(1 more)…\n");
        assert_eq!(escaped("abc").at_most(0).to_string(), "…(3 more)…");
        assert_eq!(escaped("abc").at_most(usize::MAX).to_string(), "abc");
    }
}
