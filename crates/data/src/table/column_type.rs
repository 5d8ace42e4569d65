//! The type of a column.

use std::fmt;

/// What a column of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers, rounded to float32; NaN where one is missing.
    F32,
    /// Numbers, rounded to float64, as whole ones beyond 2⁵³ may have to be; NaN where one is missing.
    F64,
    /// Whole numbers; none may be missing.
    I64,
    /// Texts, of which there are few different ones.
    Category,
    /// Nothing that is wanted: it is not even looked at.
    Ignored,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::F32 => "float32",
            ColumnType::F64 => "float64",
            ColumnType::I64 => "int64",
            ColumnType::Category => "category",
            ColumnType::Ignored => "ignored",
        })
    }
}
