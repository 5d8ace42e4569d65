//! Conversion of table columns to features and targets, with the statistics of the training data.
//!
//! [`Features`] says which columns are used and how. [`fit`](Features::fit) on the training rows returns a
//! [`Preprocessing`], which converts any table with these columns to tensors, and is saved with the model.

mod categorical;
mod features;
mod numeric;
mod saved;
mod scale;
mod stream;
mod target;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tensor::{Tensor, escaped};

pub use categorical::Categorical;
pub use features::Features;
pub use numeric::{Missing, Numeric};

use crate::array::ArrayDataset;
use crate::batch::Batch;
use crate::error::{DataError, Error, Result, listed};
use crate::table::{ColumnType, Table};
use categorical::FittedCategorical;
use numeric::FittedNumeric;
use target::FittedTarget;

/// Converts columns to features and targets, with the statistics that [`Features::fit`] has computed.
///
/// ```
/// use data::preprocessing::{Categorical, Features, Missing, Numeric, Preprocessing};
/// use data::Csv;
///
/// let train = Csv::from_bytes("age,city,bought\n30,Bern,no\n50,Rome,yes\n?,Bern,no\n", "train.csv").read()?;
/// let preprocessing = Features::new()
///     .numeric(["age"], Numeric::standardize().missing(Missing::Mean))
///     .categorical(["city"], Categorical::one_hot())
///     .target_class("bought")
///     .fit(&train)?;
/// assert_eq!(preprocessing.feature_names(), ["age", "city=Bern", "city=Rome"]);
/// let train = preprocessing.dataset(&train)?;
/// assert_eq!(train.features().slice(..2)?.to_vec::<f32>()?, [-1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(train.targets().to_vec::<i64>()?, [0, 1, 0]);
///
/// // In another program, later.
/// let path = std::env::temp_dir().join("doctest-preprocessing.json");
/// preprocessing.save(&path)?;
/// let preprocessing = Preprocessing::load(&path)?;
/// let new = Csv::from_bytes("city,age\nOslo,40\n", "new.csv").columns(preprocessing.columns()).read()?;
/// assert_eq!(preprocessing.transform(&new)?.to_vec::<f32>()?, [0.0, 0.0, 0.0]);
/// assert_eq!(preprocessing.classes(), ["no", "yes"]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    features: Vec<Feature>,
    target: Option<FittedTarget>,
}

/// The features of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "a feature, `numeric` or `categorical`")]
enum Feature {
    Numeric(FittedNumeric),
    Categorical(FittedCategorical),
}

impl Feature {
    fn column(&self) -> &String {
        match self {
            Feature::Numeric(numeric) => &numeric.column,
            Feature::Categorical(categorical) => &categorical.column,
        }
    }

    fn column_type(&self) -> ColumnType {
        match self {
            Feature::Numeric(_) => ColumnType::F64,
            Feature::Categorical(_) => ColumnType::Category,
        }
    }

    /// The number of features.
    fn width(&self) -> usize {
        match self {
            Feature::Numeric(numeric) => numeric.width(),
            Feature::Categorical(categorical) => categorical.width(),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Feature::Numeric(numeric) => numeric.names(),
            Feature::Categorical(categorical) => categorical.names(),
        }
    }

    /// Calls `put` with row, index among the features of the column, and value, for values that are not 0.
    fn write(&self, table: &Table, put: &mut dyn FnMut(usize, usize, f64)) -> Result<()> {
        match self {
            Feature::Numeric(numeric) => numeric.write(table, put),
            Feature::Categorical(categorical) => categorical.write(table, put),
        }
    }
}

impl Preprocessing {
    /// Returns the features of a table, `[rows, features]`: int64 if all of them are indices of categories, float32
    /// otherwise.
    ///
    /// # Errors
    /// Returns an error if a column does not exist or has another type than in training, a number or category is
    /// missing or unknown where that is refused, a number becomes infinite in float32, or float64 would round an int64.
    /// The message names the row, and the file if the table was read from one.
    pub fn transform(&self, table: &Table) -> Result<Tensor> {
        self.check_columns(table)?;
        let indices =
            |feature: &Feature| matches!(feature, Feature::Categorical(categorical) if categorical.is_index());
        match self.features.iter().all(indices) {
            true => self.filled::<i64>(table, |value| value as i64),
            false => self.filled::<f32>(table, |value| value as f32),
        }
    }

    /// Returns the targets of a table: int64 classes, `[rows]`, or float32 numbers, `[rows, 1]`, which may be scaled.
    ///
    /// # Errors
    /// Returns an error if there is no target, its column does not exist or has another type than in training, or a
    /// target is missing, infinite, or a class that was not in the training rows.
    pub fn targets(&self, table: &Table) -> Result<Tensor> {
        self.target()?.of(table)
    }

    /// Converts predictions, or targets, to the units of the target's column: inverts
    /// [`targets`](Preprocessing::targets) for each element. Computes in float64, and returns float32, or float64 for
    /// float64, of any shape.
    ///
    /// ```
    /// use data::preprocessing::{Features, Numeric};
    /// use data::Csv;
    /// use tensor::tensor;
    ///
    /// let train = Csv::from_bytes("rooms,price\n2,200000\n3,300000\n4,400000\n", "homes.csv").read()?;
    /// let features = Features::new().numeric(["rooms"], Numeric::standardize()).target_min_max("price");
    /// let preprocessing = features.fit(&train)?;
    /// assert_eq!(preprocessing.targets(&train)?.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
    /// let prices = preprocessing.invert_targets(&tensor![[0.25], [1.5]])?;
    /// assert_eq!(prices.to_vec::<f32>()?, [250_000.0, 500_000.0]);
    /// # Ok::<(), data::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if there is no target, or it is a class.
    pub fn invert_targets(&self, targets: &Tensor) -> Result<Tensor> {
        self.target()?.invert(targets)
    }

    fn target(&self) -> Result<&FittedTarget> {
        let none = || DataError::dataset("preprocessing: no target was stated; `Features` can state one".into());
        self.target.as_ref().ok_or_else(none)
    }

    /// The features and targets of a table as a batch.
    ///
    /// # Errors
    /// Returns an error as [`transform`](Preprocessing::transform) and [`targets`](Preprocessing::targets) do.
    pub fn batch(&self, table: &Table) -> Result<Batch> {
        Batch::new(&self.transform(table)?, &self.targets(table)?)
    }

    /// The features and targets of a table as a data set.
    ///
    /// # Errors
    /// Returns an error as [`batch`](Preprocessing::batch) does.
    pub fn dataset(&self, table: &Table) -> Result<ArrayDataset> {
        ArrayDataset::from_batch(self.batch(table)?)
    }

    /// The name of each feature: that of its column, possibly followed by `=` and a category, `missing` or `unknown`.
    pub fn feature_names(&self) -> Vec<String> {
        self.features.iter().flat_map(Feature::names).collect()
    }

    /// The indices of the features of a column.
    ///
    /// # Errors
    /// Returns an error if the column has no features.
    pub fn range(&self, column: &str) -> Result<Range<usize>> {
        let mut start = 0;
        for feature in &self.features {
            let width = feature.width();
            if feature.column() == column {
                return Ok(start..start + width);
            }
            start += width;
        }
        Err(self.no_column(column))
    }

    /// The number of values of a categorical column: the vocabulary size for an `Embedding`, or the number of one-hot
    /// features.
    ///
    /// # Errors
    /// Returns an error if there is no such column, or it is numeric.
    pub fn slots(&self, column: &str) -> Result<usize> {
        match self.features.iter().find(|feature| feature.column() == column) {
            Some(Feature::Categorical(categorical)) => Ok(categorical.slots()),
            Some(Feature::Numeric(_)) => {
                Err(DataError::dataset(format!("preprocessing: column {} is numeric", escaped(column))))
            }
            None => Err(self.no_column(column)),
        }
    }

    /// The classes of the targets 0, 1, …, sorted; empty if the target is a number.
    pub fn classes(&self) -> &[String] {
        self.target.as_ref().map_or(&[], FittedTarget::classes)
    }

    /// The columns of the features and their types, for [`Csv::columns`](crate::Csv::columns): then a file is read with
    /// these types, whatever its texts look like.
    pub fn columns(&self) -> impl Iterator<Item = (String, ColumnType)> {
        self.features.iter().map(|feature| (feature.column().clone(), feature.column_type()))
    }

    /// The column of the target and its type, like [`columns`](Preprocessing::columns).
    pub fn target_column(&self) -> Option<(String, ColumnType)> {
        self.target.as_ref().map(FittedTarget::column)
    }

    fn no_column(&self, column: &str) -> Error {
        let (column, names) = (escaped(column), listed(self.column_names()));
        DataError::dataset(format!("preprocessing: no feature is made of column {column}; the columns are {names}"))
    }

    fn column_names(&self) -> impl ExactSizeIterator<Item = &String> {
        self.features.iter().map(Feature::column)
    }

    fn check_columns(&self, table: &Table) -> Result<()> {
        let missing: Vec<&String> = self.column_names().filter(|column| table.column(column).is_err()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (own, others) = (listed(self.column_names()), listed(table.names().iter()));
        Err(DataError::dataset(format!(
            "preprocessing: it was fitted on the columns {own}; the table has {others}; missing: {}",
            listed(missing.into_iter())
        )))
    }

    fn filled<T: tensor::Element + Default>(&self, table: &Table, from: impl Fn(f64) -> T) -> Result<Tensor> {
        let widths: Vec<usize> = self.features.iter().map(Feature::width).collect();
        let width: usize = widths.iter().sum();
        let mut values = vec![T::default(); table.rows() * width];
        let mut start = 0;
        for (feature, own) in self.features.iter().zip(widths) {
            feature.write(table, &mut |row, place, value| values[row * width + start + place] = from(value))?;
            start += own;
        }
        Tensor::from_vec(values, [table.rows(), width])
    }
}
