//! The type of a column.

use std::fmt;

/// The type of a column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers, rounded to float32; NaN for a missing number.
    F32,
    /// Numbers, rounded to float64; NaN for a missing number. Whole numbers beyond 2⁵³ may be rounded.
    F64,
    /// Whole numbers; none may be missing.
    I64,
    /// Texts with few distinct values.
    Category,
    /// Not read at all.
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
