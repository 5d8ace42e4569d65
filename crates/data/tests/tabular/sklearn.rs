//! The penguins data set, compared with pandas and scikit-learn: `make_sklearn.py` wrote the expected values.

use data::Csv;
use data::csv::ColumnType;
use data::preprocessing::{Categorical, Features, Missing, Numeric, Preprocessing};
use data::table::{Table, Values};
use serde_json::Value;

const NUMBERS: [&str; 4] = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];

fn expected() -> Value {
    serde_json::from_str(include_str!("sklearn.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn penguins() -> Table {
    Csv::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/penguins.csv")).read().unwrap()
}

/// The rows for fitting, and those whose features are compared.
fn train_and_shown() -> (Table, Table) {
    let (all, expected) = (penguins(), expected());
    let train: Vec<usize> = (0..all.rows()).filter(|k| k % 3 != 0).collect();
    let shown: Vec<usize> = numbers(&expected["rows"]).into_iter().map(|row| row as usize).collect();
    (all.gather(&train).unwrap(), all.gather(&shown).unwrap())
}

/// Within the rounding to float32 and one unit in the last place of float64.
fn assert_close(found: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(found.len(), expected.len());
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = relative * expected.abs().max(1e-2);
        assert!((found - expected).abs() <= bound, "{k}: {found:e} and {expected:e}");
    }
}

fn features(preprocessing: &Preprocessing, table: &Table) -> Vec<f64> {
    preprocessing.transform(table).unwrap().to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

#[test]
fn the_summary_is_that_of_pandas() {
    let (summary, expected) = (penguins().summary().unwrap(), expected());
    assert_eq!(summary.columns.len(), 8);
    for column in &summary.columns {
        let dtype = match column.column_type {
            ColumnType::Category => "str".to_string(),
            number => number.to_string(),
        };
        assert_eq!(dtype, expected["dtypes"][&column.name], "{}", column.name);
        assert_eq!(Some(column.count as u64), expected["counts"][&column.name].as_u64(), "{}", column.name);
        assert_eq!(column.count + column.missing, 344);
        if let (Values::Numbers { min, mean, max }, false) =
            (&column.values, expected["describe"][&column.name].is_null())
        {
            assert_close(&[*min, *mean, *max], &numbers(&expected["describe"][&column.name]), 1e-14);
        }
    }
    let Values::Categories(species) = &summary.columns[0].values else { panic!("{summary}") };
    let counts = |name: &str| expected["species"][name].as_u64().unwrap() as usize;
    let by_count = ["Adelie", "Gentoo", "Chinstrap"].map(|name| (name.to_string(), counts(name)));
    assert_eq!(species[..], by_count);
}

#[test]
fn scales_are_those_of_scikit_learn() {
    let ((train, shown), expected) = (train_and_shown(), expected());
    for (name, numeric) in [
        ("standard_mean", Numeric::standardize().missing(Missing::Mean)),
        ("standard_median", Numeric::standardize().missing(Missing::Median)),
        ("min_max_mean", Numeric::min_max().missing(Missing::Mean)),
    ] {
        let fitted = Features::new().numeric(NUMBERS, numeric).fit(&train).unwrap();
        assert_close(&features(&fitted, &shown), &numbers(&expected[name]), 1.2e-7);

        let path = std::env::temp_dir().join(format!("sklearn-{name}-{}.json", std::process::id()));
        fitted.save(&path).unwrap();
        let saved: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let state = |key: &str| -> Vec<f64> {
            saved["features"]
                .as_array()
                .unwrap()
                .iter()
                .map(|feature| feature["numeric"][key].as_f64().unwrap())
                .collect()
        };
        let (center, scale) = if name == "min_max_mean" { ("min", "range") } else { ("mean", "std") };
        let missing = if name == "standard_median" { "median" } else { "mean" };
        for (key, name) in [("center", center), ("scale", scale), ("missing", missing)] {
            assert_close(&state(key), &numbers(&expected[name]), 1e-14);
        }
    }
}

#[test]
fn targets_are_scaled_as_by_scikit_learn() {
    let ((train, shown), expected) = (train_and_shown(), expected());
    // Its mean ignores missing values; here a missing target is an error.
    let train = train.drop_missing(&["body_mass_g"]).unwrap();
    let rows = expected["standard_mean"].as_array().unwrap().iter().map(|row| row[3].as_f64().unwrap());
    let masses = shown.column("body_mass_g").unwrap().numbers().unwrap().to_vec::<f64>().unwrap();
    let expected: Vec<f64> = rows.zip(&masses).filter(|(_, mass)| !mass.is_nan()).map(|(scaled, _)| scaled).collect();
    let shown = shown.drop_missing(&["body_mass_g"]).unwrap();

    let fitted = Features::new().numeric(["year"], Numeric::new()).target_standardized("body_mass_g");
    let fitted = fitted.fit(&train).unwrap();
    let found = fitted.targets(&shown).unwrap();
    assert_close(&found.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect::<Vec<_>>(), &expected, 1.2e-7);
    let masses: Vec<f64> = masses.into_iter().filter(|mass| !mass.is_nan()).collect();
    let inverted = fitted.invert_targets(&found).unwrap().to_vec::<f32>().unwrap();
    assert_close(&inverted.into_iter().map(f64::from).collect::<Vec<_>>(), &masses, 1.2e-7);
}

#[test]
fn categories_are_those_of_scikit_learn() {
    let ((train, shown), expected) = (train_and_shown(), expected());
    let fit = |categorical| Features::new().categorical(["island", "sex"], categorical).fit(&train).unwrap();
    // It has no slot for missing values; here the first slot is for them.
    let found = features(&fit(Categorical::one_hot()), &shown);
    for (row, expected) in found.chunks(3 + 3).zip(expected["one_hot"].as_array().unwrap()) {
        let expected = numbers(expected);
        assert_eq!(row[..3], expected[..3]);
        // Some training rows lack it: what scikit-learn gives as zeros has a slot.
        assert_eq!(row[3..], [&[1.0 - expected[3..].iter().sum::<f64>()], &expected[3..]].concat());
    }
    let indices = fit(Categorical::index()).transform(&shown).unwrap().to_vec::<i64>().unwrap();
    let ordinal: Vec<i64> = numbers(&expected["ordinal"]).into_iter().map(|code| code as i64 + 1).collect();
    assert_eq!(indices, ordinal);

    let classes = Features::new().numeric(["year"], Numeric::new()).target_class("species").fit(&train).unwrap();
    let found = classes.targets(&shown).unwrap().to_vec::<i64>().unwrap();
    let labels: Vec<i64> = numbers(&expected["classes"]).into_iter().map(|class| class as i64).collect();
    assert_eq!(found, labels);
}
