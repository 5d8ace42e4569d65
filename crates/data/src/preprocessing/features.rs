//! The columns that are used, and how.

use std::collections::BTreeMap;

use tensor::escaped;

use super::categorical::CategoryFitter;
use super::numeric::NumericFitter;
use super::scale::Scale;
use super::target::{Target, TargetFitter};
use super::{Categorical, Feature, Numeric, Preprocessing};
use crate::error::{DataError, Result};
use crate::table::{ColumnType, Table};

/// Which columns become features and how, and which one is the target: see [`Preprocessing`].
///
/// Features have the order in which they are added. The target may be one of their columns, as in forecasting, where
/// the past of a series predicts its future; it must then have the same type in both roles. Without a
/// [window](crate::Dataset::window), such a model would receive the number that it is to predict.
///
/// ```
/// use data::preprocessing::{Features, Numeric};
/// use data::{Csv, Dataset, Window};
///
/// let series = Csv::from_bytes("load\n1\n2\n4\n8\n", "load.csv").read()?;
/// let features = Features::new().numeric(["load"], Numeric::new()).target_number("load").fit(&series)?;
/// // Two rows predict the row after them. after them is to be predicted.
/// let windows = features.dataset(&series)?.window(Window::new(2).target(2))?;
/// let batch = windows.range(0, 0..2)?;
/// assert_eq!(batch.features.to_vec::<f32>()?, [1.0, 2.0, 2.0, 4.0]);
/// assert_eq!(batch.targets.to_vec::<f32>()?, [4.0, 8.0]);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Features {
    columns: Vec<(String, Kind)>,
    target: Option<(String, Target)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Numeric(Numeric),
    Categorical(Categorical),
}

/// Gathers the statistics of a column.
enum ColumnFitter {
    Numeric(Box<NumericFitter>),
    Categorical(Categorical, CategoryFitter),
}

impl Features {
    /// No features yet.
    pub fn new() -> Features {
        Features::default()
    }

    /// Adds columns of numbers as features.
    #[must_use]
    pub fn numeric(self, columns: impl IntoIterator<Item = impl Into<String>>, numeric: Numeric) -> Features {
        self.with(columns, Kind::Numeric(numeric))
    }

    /// Adds columns of categories as features.
    #[must_use]
    pub fn categorical(
        self,
        columns: impl IntoIterator<Item = impl Into<String>>,
        categorical: Categorical,
    ) -> Features {
        self.with(columns, Kind::Categorical(categorical))
    }

    /// Uses a column of numbers as targets, without scaling: float32, `[rows, 1]`. Large numbers such as prices are
    /// better [standardized](Features::target_standardized).
    #[must_use]
    pub fn target_number(self, column: impl Into<String>) -> Features {
        self.with_target(column, Target::Number(None))
    }

    /// Uses a column of numbers as targets, scaled as by [`Numeric::standardize`]. [`Preprocessing::invert_targets`]
    /// converts predictions to the units of the column. Like `TransformedTargetRegressor` of scikit-learn with a
    /// `StandardScaler`.
    #[must_use]
    pub fn target_standardized(self, column: impl Into<String>) -> Features {
        self.with_target(column, Target::Number(Some(Scale::Standardize)))
    }

    /// Uses a column of numbers as targets, scaled as by [`Numeric::min_max`].
    #[must_use]
    pub fn target_min_max(self, column: impl Into<String>) -> Features {
        self.with_target(column, Target::Number(Some(Scale::MinMax)))
    }

    /// Uses a column of categories as targets: the classes 0, 1, … in the order of their texts, int64, `[rows]`.
    #[must_use]
    pub fn target_class(self, column: impl Into<String>) -> Features {
        self.with_target(column, Target::Class)
    }

    fn with_target(self, column: impl Into<String>, target: Target) -> Features {
        Features { target: Some((column.into(), target)), ..self }
    }

    fn with(mut self, columns: impl IntoIterator<Item = impl Into<String>>, kind: Kind) -> Features {
        self.columns.extend(columns.into_iter().map(|column| (column.into(), kind)));
        self
    }

    /// Computes means, ranges, categories and classes of the training rows, which must be the only rows of the table.
    ///
    /// # Errors
    /// Returns an error if there are no features, a column is used twice as a feature or as both numbers and classes, a
    /// column does not exist or has another type, a number, category or target is missing where that is refused, a
    /// number is infinite or would be rounded, a column has no values, or there are more categories than the
    /// [limit](Categorical::limit).
    pub fn fit(&self, train: &Table) -> Result<Preprocessing> {
        // The columns of a table are shared, not copied.
        self.fit_chunks([Ok(train.clone())])
    }

    /// Like [`fit`](Features::fit), but from several tables, for files larger than memory.
    ///
    /// # Errors
    /// Returns an error as [`fit`](Features::fit) does, or the first error of `tables`.
    ///
    /// ```
    /// use data::preprocessing::{Features, Numeric};
    /// use data::Csv;
    ///
    /// let train = Csv::from_bytes("x,y\n1,5\n2,6\n3,7\n", "train.csv");
    /// let features = Features::new().numeric(["x"], Numeric::standardize()).target_number("y");
    /// let preprocessing = features.fit_chunks(train.chunks(1000)?)?;
    /// let samples = train.stream(&preprocessing).shuffle(1, 1000)?;
    /// # use data::DataSource;
    /// # assert_eq!(samples.cache()?.targets().sum().item()?, 18.0);
    /// # Ok::<(), data::Error>(())
    /// ```
    pub fn fit_chunks(&self, train: impl IntoIterator<Item = Result<Table>>) -> Result<Preprocessing> {
        self.check()?;
        let mut seen: Vec<ColumnFitter> = self.columns.iter().map(|(_, kind)| ColumnFitter::new(*kind)).collect();
        let mut targets = self.target.as_ref().map(|(column, target)| (TargetFitter::new(*target), column));
        for table in train {
            let table = table?;
            for (seen, (column, _)) in seen.iter_mut().zip(&self.columns) {
                seen.update(&table, column)?;
            }
            if let Some((seen, column)) = &mut targets {
                seen.update(&table, column)?;
            }
        }
        let features = seen.into_iter().zip(&self.columns).map(|(seen, (column, _))| seen.finish(column));
        let features = features.collect::<Result<_>>()?;
        let target = targets.map(|(seen, column)| seen.finish(column)).transpose()?;
        Ok(Preprocessing { features, target })
    }

    fn check(&self) -> Result<()> {
        let features = self.columns.iter().map(|(column, kind)| (column, kind.column_type()));
        let target = self.target.as_ref().map(|(column, target)| (column, target.column_type()));
        check_columns(features, target).map_err(DataError::dataset)
    }
}

/// Checks that there are features, that no column is used twice, and that the target has the same type if it is also a
/// feature.
pub(super) fn check_columns<'a>(
    features: impl Iterator<Item = (&'a String, ColumnType)>,
    target: Option<(&'a String, ColumnType)>,
) -> std::result::Result<(), String> {
    let mut seen = BTreeMap::new();
    for (column, column_type) in features {
        if seen.insert(column, column_type).is_some() {
            return Err(format!("preprocessing: column {} is used twice as a feature", escaped(column)));
        }
    }
    if seen.is_empty() {
        return Err("preprocessing: there are no features".into());
    }
    let Some((column, as_target)) = target else { return Ok(()) };
    match seen.get(column) {
        Some(&as_feature) if as_feature != as_target => Err(format!(
            "preprocessing: column {} is {as_feature} as a feature and {as_target} as the target; it can be read as one of them only, so add a copy of another name, as by `Table::with_column`",
            escaped(column)
        )),
        _ => Ok(()),
    }
}

impl Kind {
    fn column_type(self) -> ColumnType {
        match self {
            Kind::Numeric(_) => ColumnType::F64,
            Kind::Categorical(_) => ColumnType::Category,
        }
    }
}

impl ColumnFitter {
    fn new(kind: Kind) -> ColumnFitter {
        match kind {
            Kind::Numeric(numeric) => ColumnFitter::Numeric(Box::new(NumericFitter::new(numeric))),
            Kind::Categorical(categorical) => ColumnFitter::Categorical(categorical, Default::default()),
        }
    }

    fn update(&mut self, table: &Table, column: &str) -> Result<()> {
        match self {
            ColumnFitter::Numeric(seen) => seen.update(table, column),
            ColumnFitter::Categorical(categorical, seen) => categorical.update(seen, table, column),
        }
    }

    fn finish(self, column: &str) -> Result<Feature> {
        Ok(match self {
            ColumnFitter::Numeric(seen) => Feature::Numeric(seen.finish(column)?),
            ColumnFitter::Categorical(categorical, seen) => Feature::Categorical(categorical.fitted(column, seen)?),
        })
    }
}
