//! Types of columns: stated, or inferred from their texts.

use tensor::Tensor;

use crate::error::{Result, shown};
use crate::table::{CategoriesBuilder, Column, ColumnType, NumberFormat};

/// The inference of a column's type from its texts.
#[derive(Clone, Copy)]
pub(super) struct Inferred {
    any: bool,
    missing: bool,
    whole: bool,
    numbers: bool,
    /// Whether float64 represents all whole numbers exactly.
    exact: bool,
}

impl Inferred {
    pub(super) fn new() -> Inferred {
        Inferred { any: false, missing: false, whole: true, numbers: true, exact: true }
    }

    /// Adds a text; `None` for a missing value.
    pub(super) fn see(&mut self, text: Option<&[u8]>, number_format: NumberFormat) {
        let Some(text) = text else {
            self.missing = true;
            return;
        };
        self.any = true;
        if self.numbers {
            let text = std::str::from_utf8(text).unwrap_or_default();
            self.whole = self.whole && number_format.whole(text).is_some();
            self.numbers = self.whole || number_format.number::<f64>(text).is_some();
            self.exact = self.exact && !number_format.is_rounded(text);
        }
    }

    /// As in pandas: int64 if all values are whole numbers and none is missing, float64 if they are numbers, otherwise
    /// a category. If not `all` rows were seen, whole numbers are float64, because a later value may be a fraction or
    /// missing. Unlike in pandas, whole numbers that float64 would round are a category, which preserves them.
    pub(super) fn column_type(self, all: bool) -> ColumnType {
        match self {
            Inferred { numbers: false, .. } => ColumnType::Category,
            Inferred { whole: true, missing: false, any: true, .. } if all => ColumnType::I64,
            Inferred { exact: false, .. } => ColumnType::Category,
            _ => ColumnType::F64,
        }
    }
}

/// A column being filled.
pub(super) enum Filling {
    F32(Vec<f32>),
    F64 {
        numbers: Vec<f64>,
        /// Whether whole numbers may be rounded: the type was stated, not inferred.
        rounds: bool,
    },
    I64(Vec<i64>),
    Category(CategoriesBuilder),
    Ignored,
}

impl Filling {
    pub(super) fn new(column_type: ColumnType, stated: bool) -> Filling {
        match column_type {
            ColumnType::F32 => Filling::F32(Vec::new()),
            ColumnType::F64 => Filling::F64 { numbers: Vec::new(), rounds: stated },
            ColumnType::I64 => Filling::I64(Vec::new()),
            ColumnType::Category => Filling::Category(Default::default()),
            ColumnType::Ignored => Filling::Ignored,
        }
    }

    /// Appends a text; `None` for a missing value. Returns what is wrong with it as the error.
    pub(super) fn push(&mut self, text: Option<&[u8]>, number_format: NumberFormat) -> std::result::Result<(), String> {
        if let Filling::Ignored = self {
            return Ok(());
        }
        let text = match text.map(std::str::from_utf8) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => {
                let lossy = String::from_utf8_lossy(text.unwrap_or_default());
                return Err(format!("{} is not UTF-8; the file must be converted to it", shown(&lossy)));
            }
        };
        let wrong = |what: &str| {
            let found = text.map_or("a missing value".into(), shown);
            Err(format!("{found} is not {what}"))
        };
        match (self, text) {
            (Filling::F32(numbers), None) => numbers.push(f32::NAN),
            (Filling::F64 { numbers, .. }, None) => numbers.push(f64::NAN),
            (Filling::F32(numbers), Some(text)) => match number_format.number(text) {
                Some(number) => numbers.push(number),
                None => return wrong("a number, as the type float32 wants"),
            },
            (Filling::F64 { rounds: false, .. }, Some(text)) if number_format.is_rounded(text) => {
                return wrong("a float64 without rounding; state the type of the column, as category or float64");
            }
            (Filling::F64 { numbers, .. }, Some(text)) => match number_format.number(text) {
                Some(number) => numbers.push(number),
                None => return wrong("a number, as the type float64 wants"),
            },
            (Filling::I64(numbers), text) => match text.and_then(|text| number_format.whole(text)) {
                Some(number) => numbers.push(number),
                None => {
                    return wrong("a whole number, as the type int64 wants; float64 takes fractions and missing ones");
                }
            },
            (Filling::Category(categories), text) => categories.push(text),
            (Filling::Ignored, _) => {}
        }
        Ok(())
    }

    /// The column, unless it is ignored.
    pub(super) fn finish(self) -> Result<Option<Column>> {
        fn numbers<T: tensor::Element>(mut numbers: Vec<T>) -> Result<Option<Column>> {
            // The vector becomes the tensor, so excess capacity would stay allocated.
            numbers.shrink_to_fit();
            let rows = numbers.len();
            Ok(Some(Column::Numbers(Tensor::from_vec(numbers, [rows])?)))
        }
        match self {
            Filling::F32(vec) => numbers(vec),
            Filling::F64 { numbers: vec, .. } => numbers(vec),
            Filling::I64(vec) => numbers(vec),
            Filling::Category(categories) => Ok(Some(Column::Categories(categories.finish()))),
            Filling::Ignored => Ok(None),
        }
    }
}
