//! Texts for missing values.

/// The texts for a missing value by default: `?` and those of pandas, except `1.#IND` and similar ones.
/// [`Csv::missing`](super::Csv::missing) replaces them.
pub const MISSING: [&str; 16] = [
    "", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None",
    "?",
];

/// The texts for a missing value.
#[derive(Clone, Debug)]
pub(super) struct MissingTexts {
    texts: Vec<String>,
    /// Whether a text begins with this byte. For most fields the first byte already shows that they are not missing.
    begins: [bool; 256],
}

impl MissingTexts {
    /// Surrounding white space is removed, as it is from fields.
    pub(super) fn new(texts: impl IntoIterator<Item = impl Into<String>>) -> MissingTexts {
        let texts: Vec<String> = texts.into_iter().map(|text| text.into().trim_ascii().into()).collect();
        let mut begins = [false; 256];
        for first in texts.iter().filter_map(|text| text.bytes().next()) {
            begins[usize::from(first)] = true;
        }
        MissingTexts { texts, begins }
    }

    /// The field; `None` if it is a missing value.
    pub(super) fn present<'a>(&self, field: &'a [u8]) -> Option<&'a [u8]> {
        let may_be = field.first().is_none_or(|&first| self.begins[usize::from(first)]);
        let missing = may_be && self.texts.iter().any(|text| text.as_bytes() == field);
        (!missing).then_some(field)
    }
}
