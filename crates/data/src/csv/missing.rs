//! What stands for a missing value in a file.

/// What stands for a missing value unless [`Csv::missing`](super::Csv::missing) says otherwise: `?`, and what pandas
/// takes for one (without `1.#IND` and the like).
pub const MISSING: [&str; 16] = [
    "", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None",
    "?",
];

/// The texts that stand for a missing value.
#[derive(Clone, Debug)]
pub(super) struct MissingTexts {
    texts: Vec<String>,
    /// Whether one begins with this byte: the first byte tells most fields from all of them.
    begins: [bool; 256],
}

impl MissingTexts {
    /// Blanks around them are left out, as around fields.
    pub(super) fn new(texts: impl IntoIterator<Item = impl Into<String>>) -> MissingTexts {
        let texts: Vec<String> = texts.into_iter().map(|text| text.into().trim_ascii().into()).collect();
        let mut begins = [false; 256];
        for first in texts.iter().filter_map(|text| text.bytes().next()) {
            begins[usize::from(first)] = true;
        }
        MissingTexts { texts, begins }
    }

    /// The field, unless it stands for a missing value.
    pub(super) fn present<'a>(&self, field: &'a [u8]) -> Option<&'a [u8]> {
        let may_be = field.first().is_none_or(|&first| self.begins[usize::from(first)]);
        let missing = may_be && self.texts.iter().any(|text| text.as_bytes() == field);
        (!missing).then_some(field)
    }
}
