//! Preprocessing in files.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::features::check_columns;
use super::target::FittedTarget;
use super::{Feature, Preprocessing};
use crate::atomic::write_atomically;
use crate::error::{DataError, Result, shown};
use crate::open::open;

/// What stands in a file for the form that it has.
const FORMAT: &str = "preprocessing 1";

#[derive(Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `format`, `features` and `target`, as `Preprocessing::save` writes it"
)]
struct Saved {
    format: String,
    features: Vec<Feature>,
    target: Option<FittedTarget>,
}

impl Preprocessing {
    /// Writes it as JSON, [atomically](crate::write_atomically). Numbers come back with the same bits.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; then an old one is as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let saved = Saved { format: FORMAT.into(), features: self.features.clone(), target: self.target.clone() };
        write_atomically(path, |file| Ok(serde_json::to_writer_pretty(file, &saved)?))
    }

    /// Reads what [`save`](Preprocessing::save) wrote.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not JSON of this form, or contradicts itself.
    pub fn load(path: impl AsRef<Path>) -> Result<Preprocessing> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut text = Vec::new();
        open(path)?.read_to_end(&mut text).map_err(|source| DataError::file(&name, "cannot read", source))?;
        Preprocessing::from_json(&text).map_err(|what| DataError::dataset(format!("{name}: no preprocessing: {what}")))
    }

    fn from_json(text: &[u8]) -> std::result::Result<Preprocessing, String> {
        let Saved { format, features, target } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if format != FORMAT {
            return Err(format!("the format is {}, not {FORMAT:?}", shown(&format)));
        }
        for feature in &features {
            match feature {
                Feature::Numeric(numeric) => numeric.check()?,
                Feature::Categorical(categorical) => categorical.check()?,
            }
        }
        if let Some(target) = &target {
            target.check()?;
        }
        let preprocessing = Preprocessing { features, target };
        let features = preprocessing.features.iter().map(|feature| (feature.column(), feature.column_type()));
        let target = preprocessing.target_column();
        check_columns(features, target.as_ref().map(|(column, column_type)| (column, *column_type)))?;
        Ok(preprocessing)
    }
}
