//! Columns of categories.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A column of texts with few distinct values, which may be missing. Each distinct text is stored once. Like
/// `Categorical` of pandas.
///
/// ```
/// use data::table::Categories;
///
/// let colours = Categories::from_iter([Some("red"), None, Some("blue"), Some("red")]);
/// assert_eq!(colours.get(3), Some("red"));
/// assert_eq!(colours.iter().flatten().count(), 3);
/// assert_eq!(colours.counts(), [("red", 2), ("blue", 1)]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Categories {
    /// In the order of their first occurrence.
    names: Arc<Vec<Arc<str>>>,
    rows: Vec<Option<u32>>,
}

impl Categories {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text in a row; `None` if it is missing or there is no such row.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.name(*self.rows.get(row)?)
    }

    /// The text of each row; `None` if it is missing.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.rows.iter().map(|&code| self.name(code))
    }

    /// The texts with their numbers of rows, the most frequent first, then by text. Texts without rows are left out.
    pub fn counts(&self) -> Vec<(&str, usize)> {
        let mut counts = vec![0; self.names.len()];
        self.rows.iter().flatten().for_each(|&code| counts[code as usize] += 1);
        let mut counts: Vec<(&str, usize)> =
            self.names.iter().map(|name| &**name).zip(counts).filter(|(_, count)| *count > 0).collect();
        counts.sort_by(|(name, count), (other, others)| others.cmp(count).then(name.cmp(other)));
        counts
    }

    /// The texts of the codes. Some may be in no row.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The code of each row: an index into [`names`](Categories::names).
    pub(crate) fn codes(&self) -> impl Iterator<Item = Option<u32>> {
        self.rows.iter().copied()
    }

    pub(super) fn gather(&self, rows: &[usize]) -> Categories {
        Categories { names: Arc::clone(&self.names), rows: rows.iter().map(|&row| self.rows[row]).collect() }
    }

    fn name(&self, code: Option<u32>) -> Option<&str> {
        code.map(|code| &*self.names[code as usize])
    }
}

impl<S: AsRef<str>> FromIterator<Option<S>> for Categories {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(texts: I) -> Categories {
        let mut builder = CategoriesBuilder::default();
        texts.into_iter().for_each(|text| builder.push(text.as_ref().map(AsRef::as_ref)));
        builder.finish()
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Categories").field("rows", &self.len()).field("names", &self.names).finish()
    }
}

/// A builder for [`Categories`].
#[derive(Default)]
pub(crate) struct CategoriesBuilder {
    codes: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    rows: Vec<Option<u32>>,
}

impl CategoriesBuilder {
    pub(crate) fn push(&mut self, text: Option<&str>) {
        let code = text.map(|text| match self.codes.get(text) {
            Some(&code) => code,
            None => {
                let (name, code): (Arc<str>, u32) = (text.into(), self.names.len() as u32);
                self.codes.insert(Arc::clone(&name), code);
                self.names.push(name);
                code
            }
        });
        self.rows.push(code);
    }

    pub(crate) fn finish(mut self) -> Categories {
        self.rows.shrink_to_fit();
        Categories { names: Arc::new(self.names), rows: self.rows }
    }
}
