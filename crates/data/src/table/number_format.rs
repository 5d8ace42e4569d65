//! The notation of numbers in a file.

use std::borrow::Cow;
use std::str::FromStr;

use tensor::Float;

/// The decimal mark, and an optional separator of groups of three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    pub(crate) decimal: u8,
    pub(crate) thousands: Option<u8>,
}

impl Default for NumberFormat {
    fn default() -> NumberFormat {
        NumberFormat { decimal: b'.', thousands: None }
    }
}

impl NumberFormat {
    /// Parses a number; `None` for `nan`, because missing values are stated separately.
    pub(crate) fn number<T: Float + FromStr>(self, text: &str) -> Option<T> {
        self.plain(text)?.parse().ok().filter(|number: &T| !number.is_nan())
    }

    /// Parses a whole number.
    pub(crate) fn whole(self, text: &str) -> Option<i64> {
        self.plain(text)?.parse().ok()
    }

    /// Whether the text is a whole number that float64 rounds.
    pub(crate) fn is_rounded(self, text: &str) -> bool {
        // Float64 represents all numbers of 15 digits exactly.
        const EXACT: usize = 15;
        text.len() > EXACT
            && self.plain(text).is_some_and(|text| {
                let digits = text.trim_start_matches(['+', '-', '0']);
                let whole = digits.len() > EXACT && digits.bytes().all(|byte| byte.is_ascii_digit());
                whole && text.parse().is_ok_and(|number: f64| format!("{:.0}", number.abs()) != digits)
            })
    }

    /// The number in Rust's notation; `None` if marks are in invalid places.
    fn plain(self, text: &str) -> Option<Cow<'_, str>> {
        if self == NumberFormat::default() {
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

/// Removes the separators of groups of three digits. The first group may be shorter and have a sign. Returns `None` for
/// other texts, such as dates.
fn ungrouped(whole: &str, mark: char) -> Option<String> {
    let mut groups = whole.strip_prefix(['+', '-']).unwrap_or(whole).split(mark);
    let first = groups.next()?;
    let lengths = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    let ungrouped = whole.replace(mark, "");
    (lengths && ungrouped.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit())).then_some(ungrouped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A whole number with separators between groups of three digits.
    fn grouped(whole: i64, mark: char) -> String {
        let digits = whole.unsigned_abs().to_string();
        let mut text = if whole < 0 { "-".to_string() } else { String::new() };
        for (k, digit) in digits.chars().enumerate() {
            if k > 0 && (digits.len() - k).is_multiple_of(3) {
                text.push(mark);
            }
            text.push(digit);
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn numbers_mean_the_same_in_every_notation(
            whole in any::<i64>(), shift in 0u32..63, fraction in "[0-9]{0,20}(e-?[0-9]{1,2})?",
        ) {
            let whole = whole >> shift;
            let german = NumberFormat { decimal: b',', thousands: Some(b'.') };
            let text = grouped(whole, '.');
            prop_assert_eq!(german.whole(&text), Some(whole));
            let rounded = whole as f64 as i128 != i128::from(whole);
            prop_assert_eq!(german.is_rounded(&text), rounded);
            prop_assert_eq!(NumberFormat::default().is_rounded(&whole.to_string()), rounded);
            let expected: f64 = format!("{whole}.{fraction}").parse().unwrap();
            prop_assert_eq!(german.number(&format!("{text},{fraction}")), Some(expected));
            prop_assert_eq!(german.number::<f64>(&format!("{text},{fraction}.5")), None);
        }
    }
}
