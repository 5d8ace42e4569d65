//! Features from categories.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tensor::escaped;

use crate::error::{DataError, Result, listed, shown};
use crate::table::Table;

/// The maximum number of categories of one-hot features, unless [`Categorical::limit`] sets another.
const MOST_ONE_HOT: usize = 1000;

/// How a column of categories becomes features.
///
/// The categories are those of the training rows, sorted by bytes. Missing and unknown values have their own slot
/// before them, or are errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Categorical {
    encoding: Encoding,
    unknown: Unknown,
    /// The maximum number of categories.
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "an encoding, `one_hot` or `index`")]
enum Encoding {
    OneHot,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "`slot`, `zeros` or `refused`")]
enum Unknown {
    Slot,
    /// All features are 0; only for one-hot encoding.
    Zeros,
    Refused,
}

impl Categorical {
    /// One-hot encoding: a feature for each slot, 1 for the slot of the category and 0 for the others. If no value is
    /// missing in the training rows, there is no slot for unknown values, because its weights would never be trained.
    /// Then all features are 0 for an unknown value.
    ///
    /// More than 1,000 categories are an error unless the [limit](Categorical::limit) is changed: a table takes 4 bytes
    /// for each row and slot, and an identifier has a slot for each row.
    pub fn one_hot() -> Categorical {
        Categorical { encoding: Encoding::OneHot, unknown: Unknown::Slot, limit: MOST_ONE_HOT }
    }

    /// The index of the slot, from 0, for an `Embedding` of [`slots`](crate::Preprocessing::slots).
    ///
    /// The features are int64 if all of them are indices. Next to other features an index is float32; slice it by
    /// [`range`](crate::Preprocessing::range) and cast it.
    pub fn index() -> Categorical {
        Categorical { encoding: Encoding::Index, unknown: Unknown::Slot, limit: usize::MAX }
    }

    /// Makes it an error if the training rows have more categories. Indices have no limit by default.
    #[must_use]
    pub fn limit(self, categories: usize) -> Categorical {
        Categorical { limit: categories, ..self }
    }

    /// Makes missing values, and categories that were not in the training rows, errors.
    #[must_use]
    pub fn refuse_unknown(self) -> Categorical {
        Categorical { unknown: Unknown::Refused, ..self }
    }
}

/// A categorical feature with the categories of the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "what was fitted on a column of categories, as an object")]
pub(super) struct FittedCategorical {
    pub(super) column: String,
    encoding: Encoding,
    unknown: Unknown,
    /// Sorted.
    categories: Vec<String>,
}

impl FittedCategorical {
    pub(super) fn is_index(&self) -> bool {
        self.encoding == Encoding::Index
    }

    pub(super) fn width(&self) -> usize {
        if self.is_index() { 1 } else { self.slots() }
    }

    pub(super) fn slots(&self) -> usize {
        self.first() + self.categories.len()
    }

    /// The slot of the first category.
    fn first(&self) -> usize {
        usize::from(self.unknown == Unknown::Slot)
    }

    pub(super) fn names(&self) -> Vec<String> {
        let column = &self.column;
        if self.is_index() {
            return vec![column.clone()];
        }
        let unknown = (self.unknown == Unknown::Slot).then(|| format!("{column} unknown"));
        unknown.into_iter().chain(self.categories.iter().map(|category| format!("{column}={category}"))).collect()
    }

    pub(super) fn write(&self, table: &Table, put: &mut dyn FnMut(usize, usize, f64)) -> Result<()> {
        let unknown = match self.unknown {
            Unknown::Slot => Some(0),
            Unknown::Zeros => Some(self.slots()),
            Unknown::Refused => None,
        };
        let slots = slots(table, &self.column, &self.categories, self.first(), unknown)?;
        for (row, slot) in slots.into_iter().enumerate() {
            match self.encoding {
                Encoding::OneHot if slot == self.slots() => {}
                Encoding::OneHot => put(row, slot, 1.0),
                Encoding::Index => put(row, 0, slot as f64),
            }
        }
        Ok(())
    }

    pub(super) fn check(&self) -> std::result::Result<(), String> {
        if self.is_index() && self.unknown == Unknown::Zeros {
            return Err(format!("column {}: an index has no zeros for what is unknown", escaped(&self.column)));
        }
        sorted(&self.column, &self.categories)
    }
}

/// The slot of each row: from `first` on for these categories, and `unknown` for everything else; without `unknown`
/// that is an error.
pub(super) fn slots(
    table: &Table,
    column: &str,
    categories: &[String],
    first: usize,
    unknown: Option<usize>,
) -> Result<Vec<usize>> {
    let values = table.column(column)?.categories()?;
    let known: HashMap<&str, usize> = categories.iter().map(String::as_str).zip(first..).collect();
    // Looks up each text once, not each row.
    let of_code: Vec<Option<usize>> =
        values.names().iter().map(|name| known.get(&**name).copied().or(unknown)).collect();
    let slot = |(row, code): (usize, Option<u32>)| {
        code.map_or(unknown, |code| of_code[code as usize]).ok_or_else(|| {
            let found = values.get(row).map_or("a missing value".into(), shown);
            let message =
                format!("{found} is not one of the categories it was fitted on: {}", listed(categories.iter()));
            table.error_at(row, column, message)
        })
    };
    values.codes().enumerate().map(slot).collect()
}

/// Checks that categories from a file are sorted and unique.
pub(super) fn sorted(column: &str, categories: &[String]) -> std::result::Result<(), String> {
    match !categories.is_empty() && categories.is_sorted_by(|one, next| one < next) {
        true => Ok(()),
        false => Err(format!("column {}: categories must be sorted, each once, and one at least", escaped(column))),
    }
}

/// Gathers the categories of the training rows, and whether any was missing.
#[derive(Default)]
pub(super) struct CategoryFitter {
    categories: BTreeSet<String>,
    missing: bool,
}

impl CategoryFitter {
    /// Adds a table. A missing value is an error with the reason `refused`, if that is given.
    pub(super) fn update(&mut self, table: &Table, column: &str, refused: Option<&str>) -> Result<()> {
        let values = table.column(column)?.categories()?;
        let missing = values.iter().position(|value| value.is_none());
        if let (Some(why), Some(row)) = (refused, missing) {
            return Err(table.error_at(row, column, why.into()));
        }
        self.missing |= missing.is_some();
        for (category, _) in values.counts() {
            if !self.categories.contains(category) {
                self.categories.insert(category.into());
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, column: &str) -> Result<Vec<String>> {
        match self.categories.is_empty() {
            false => Ok(self.categories.into_iter().collect()),
            true => Err(DataError::dataset(format!(
                "preprocessing: column {}: there is no category in the training rows",
                escaped(column)
            ))),
        }
    }
}

impl Categorical {
    pub(super) fn update(self, seen: &mut CategoryFitter, table: &Table, column: &str) -> Result<()> {
        let why = "the category is missing; without `Categorical::refuse_unknown` it has a slot";
        seen.update(table, column, (self.unknown == Unknown::Refused).then_some(why))?;
        // Checked after each table, because there may be more categories than fit into memory.
        let (found, limit) = (seen.categories.len(), self.limit);
        if found <= limit {
            return Ok(());
        }
        let right = match self.encoding {
            Encoding::OneHot => "leave out an identifier, use `Categorical::index` with an `Embedding`, or raise",
            Encoding::Index => "leave out an identifier, or raise",
        };
        Err(DataError::dataset(format!(
            "preprocessing: column {}: there are {found} categories in the training rows, and {limit} at most are wanted; {right} `Categorical::limit`",
            escaped(column)
        )))
    }

    pub(super) fn fitted(self, column: &str, seen: CategoryFitter) -> Result<FittedCategorical> {
        let (encoding, missing) = (self.encoding, seen.missing);
        let unknown = match self.unknown {
            Unknown::Slot if encoding == Encoding::OneHot && !missing => Unknown::Zeros,
            stated => stated,
        };
        let categories = seen.finish(column)?;
        Ok(FittedCategorical { column: column.into(), encoding, unknown, categories })
    }
}
