//! How numbers are written in a file.

use std::borrow::Cow;
use std::str::FromStr;

use tensor::Float;

/// What stands before a fraction, and between groups of three digits, if they are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notation {
    pub(super) decimal: u8,
    pub(super) thousands: Option<u8>,
}

impl Default for Notation {
    fn default() -> Notation {
        Notation { decimal: b'.', thousands: None }
    }
}

impl Notation {
    /// The number in a text; `nan` is none, as what stands for a missing one is stated apart.
    pub(crate) fn number<T: Float + FromStr>(self, text: &str) -> Option<T> {
        self.plain(text)?.parse().ok().filter(|number: &T| !number.is_nan())
    }

    /// The whole number in a text.
    pub(super) fn whole(self, text: &str) -> Option<i64> {
        self.plain(text)?.parse().ok()
    }

    /// Whether the text is a whole number that float64 rounds.
    pub(crate) fn is_rounded(self, text: &str) -> bool {
        // It holds all of 15 digits.
        const EXACT: usize = 15;
        text.len() > EXACT
            && self.plain(text).is_some_and(|text| {
                let digits = text.trim_start_matches(['+', '-', '0']);
                let whole = digits.len() > EXACT && digits.bytes().all(|byte| byte.is_ascii_digit());
                whole && text.parse().is_ok_and(|number: f64| format!("{:.0}", number.abs()) != digits)
            })
    }

    /// The number as Rust writes it; none if the text has marks where this notation has no place for them.
    fn plain(self, text: &str) -> Option<Cow<'_, str>> {
        if self == Notation::default() {
            return Some(text.into());
        }
        let (whole, fraction) = match text.split_once(char::from(self.decimal)) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let whole = match self.thousands.map(char::from) {
            Some(mark) if whole.contains(mark) => Cow::Owned(ungrouped(whole, mark)?),
            _ => whole.into(),
        };
        if whole.contains('.') || fraction.is_some_and(|fraction| fraction.contains('.')) {
            return None;
        }
        Some(match fraction {
            Some(fraction) => format!("{whole}.{fraction}").into(),
            None => whole,
        })
    }
}

/// Groups of three digits without the marks between them; the first may be shorter, and have a sign. A date is none.
fn ungrouped(whole: &str, mark: char) -> Option<String> {
    let mut groups = whole.strip_prefix(['+', '-']).unwrap_or(whole).split(mark);
    let first = groups.next()?;
    let lengths = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    let ungrouped = whole.replace(mark, "");
    (lengths && ungrouped.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit())).then_some(ungrouped)
}
