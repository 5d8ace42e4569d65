//! Files of preprocessing.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::features::check_columns;
use super::target::FittedTarget;
use super::{Feature, Preprocessing};
use crate::atomic::write_atomically;
use crate::error::{DataError, Result, shown};
use crate::open::open;

/// The format of a file.
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
    /// Writes JSON, [atomically](crate::write_atomically). Loaded numbers have the same bits.
    ///
    /// # Errors
    /// Returns an error, and leaves an existing file unchanged, if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let saved = Saved { format: FORMAT.into(), features: self.features.clone(), target: self.target.clone() };
        write_atomically(path, |file| Ok(serde_json::to_writer_pretty(file, &saved)?))
    }

    /// Reads a file of [`save`](Preprocessing::save).
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not JSON of this format, or contradicts itself.
    pub fn load(path: impl AsRef<Path>) -> Result<Preprocessing> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut text = Vec::new();
        open(path)?.read_to_end(&mut text).map_err(|source| DataError::file(&name, "cannot read", source))?;
        Preprocessing::from_json(&text)
            .map_err(|what| DataError::dataset(format!("{name}: invalid preprocessing: {what}")))
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
