//! Preprocessing: fitted statistics, results, and errors.

use data::csv::ColumnType;
use data::preprocessing::{Categorical, Features, Missing, Numeric, Preprocessing};
use data::table::{Column, Table};
use data::{Csv, DataSource, Dataset, Window};
use tensor::{DType, tensor};

fn table(text: &str) -> Table {
    Csv::from_bytes(text, "f.csv").read().unwrap()
}

fn error<T>(result: data::Result<T>) -> String {
    result.err().expect("an error").to_string()
}

fn x(numeric: Numeric) -> Features {
    Features::new().numeric(["x"], numeric)
}

fn c(categorical: Categorical) -> Features {
    Features::new().categorical(["c"], categorical)
}

/// The features of `new` after a fit on `train`.
fn features(features: Features, train: &str, new: &str) -> Vec<f32> {
    features.fit(&table(train)).unwrap().transform(&table(new)).unwrap().to_vec().unwrap()
}

#[test]
fn numbers_are_scaled_by_the_training_rows() {
    let (train, new) = ("x\n1\n3\n8\n", "x\n4\n9.25\n");
    assert_eq!(features(x(Numeric::new()), train, new), [4.0, 9.25]);
    let deviation = (26f64 / 3.0).sqrt();
    assert_eq!(features(x(Numeric::standardize()), train, new), [0.0, (5.25 / deviation) as f32]);
    assert_eq!(features(x(Numeric::min_max()), train, new), [(3.0 / 7.0) as f32, (8.25 / 7.0) as f32]);
    // The mean of equal numbers has rounding errors, which must not become a divisor.
    let equal = format!("x\n{}", "0.1\n".repeat(1000));
    assert!(features(x(Numeric::standardize()), &equal, "x\n2.5\n")[0] - 2.4 < 1e-6);
    assert_eq!(features(x(Numeric::min_max()), &equal, "x\n1.1\n"), [1.0]);
    // Neither must differences between numbers that are equal up to rounding.
    let nearly = format!("x\n{}", "0.3\n0.30000000000000004\n".repeat(500));
    for numeric in [Numeric::standardize(), Numeric::min_max()] {
        assert!((features(x(numeric), &nearly, "x\n1.3\n")[0] - 1.0).abs() < 1e-6);
    }
    // The squares of these are 0.
    assert_eq!(features(x(Numeric::standardize()), "x\n1e-170\n3e-170\n", "x\n2\n"), [2.0]);
}

#[test]
fn missing_numbers() {
    let (train, new) = ("x\n1\nNA\n2\n9\n", "x\nNA\n4\n");
    let with = |missing| x(Numeric::new().missing(missing));
    assert_eq!(features(with(Missing::Mean), train, new), [4.0, 4.0]);
    assert_eq!(features(with(Missing::Median), train, new), [2.0, 4.0]);
    assert_eq!(features(with(Missing::Median), "x\n1\n2\n5\n9\n", new), [3.5, 4.0]);
    assert_eq!(features(with(Missing::Constant(-1.5)), train, new), [-1.5, 4.0]);
    let indicator = x(Numeric::min_max().missing(Missing::Constant(5.0)).indicator());
    assert_eq!(features(indicator.clone(), train, new), [0.5, 1.0, 0.375, 0.0]);
    assert_eq!(indicator.fit(&table(train)).unwrap().feature_names(), ["x", "x missing"]);
    // Those that are missing do not count.
    assert_eq!(features(x(Numeric::standardize().missing(Missing::Mean)), "x\n1\nNA\n3\n", "x\n3\nNA\n"), [1.0, 0.0]);

    let refused = "column x: the number is missing; `Numeric::missing` can set a replacement";
    assert_eq!(error(x(Numeric::new()).fit(&table(train))), format!("f.csv: line 3, {refused}"));
    let fitted = x(Numeric::new()).fit(&table("x\n1\n")).unwrap();
    assert_eq!(error(fitted.transform(&table(new))), format!("f.csv: line 2, {refused}"));
    let none = error(with(Missing::Mean).fit(&table("x\nNA\n")));
    assert_eq!(none, "preprocessing: column x: there is no number in the training rows");
    let constant = error(with(Missing::Constant(f64::NAN)).fit(&table(train)));
    assert_eq!(constant, "preprocessing: column x: NaN cannot stand for missing numbers; it must be finite");
}

#[test]
fn numbers_must_be_finite() {
    let plain = x(Numeric::new());
    let message = error(plain.fit(&table("x\n1\ninf\n")));
    assert_eq!(message, "f.csv: line 3, column x: inf has no mean; numbers must be finite");
    let fitted = plain.fit(&table("x\n1\n")).unwrap();
    let message = error(fitted.transform(&table("x\n1e300\n")));
    assert_eq!(message, "f.csv: line 2, column x: 1e300 becomes infinite in float32");
    let message = error(x(Numeric::min_max()).fit(&table("x\n1e308\n-1e308\n")));
    assert_eq!(message, "preprocessing: column x: the numbers are too large for their mean or range to be computed");
}

#[test]
fn whole_numbers_are_not_rounded_unless_that_is_stated() {
    let message = |row: &str| {
        let right = "an identifier is a `ColumnType::Category`, and what may be rounded a `ColumnType::F64`";
        format!("{row}, column x: float64 would round 9007199254740993; {right}")
    };
    // 2⁵³ + 1 lies between two float64, 2⁵³ + 2 does not.
    let (exact, rounded) = ("x,y\n1,1\n9007199254740994,2\n", "x,y\n1,1\n9007199254740993,2\n");
    let fitted = x(Numeric::min_max()).target_number("y").fit(&table(exact)).unwrap();
    for numeric in [Numeric::new(), Numeric::standardize(), Numeric::min_max()] {
        assert_eq!(error(x(numeric).fit(&table(rounded))), message("f.csv: line 3"));
    }
    assert_eq!(error(fitted.transform(&table(rounded))), message("f.csv: line 3"));
    let target = Features::new().numeric(["y"], Numeric::new()).target_number("x");
    assert_eq!(error(target.fit(&table(rounded))), message("f.csv: line 3"));
    let tensor = |values: &[i64]| Table::new([("x", Column::Numbers(values.iter().copied().collect()))]).unwrap();
    assert_eq!(error(x(Numeric::new()).fit(&tensor(&[0, 9007199254740993]))), message("row 1"));
    // The ends of the range: the greatest is the one that float64 does not hold.
    assert!(x(Numeric::standardize()).fit(&tensor(&[i64::MIN, 1 << 62])).is_ok());
    assert!(error(x(Numeric::new()).fit(&tensor(&[i64::MAX]))).contains("would round 9223372036854775807"));

    // Stated as float64, they are rounded, and large ones keep their distances as far as that goes.
    let nanoseconds = "x\n1700000000000000001\n1700000000000001025\n1700000000000002049\n";
    let stated = Csv::from_bytes(nanoseconds, "f.csv").column("x", ColumnType::F64).read().unwrap();
    let fitted = x(Numeric::min_max()).fit(&stated).unwrap();
    assert_eq!(fitted.transform(&stated).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.5, 1.0]);
    // The same holds when a fitted preprocessing states the types of a file.
    let new = Csv::from_bytes(nanoseconds, "f.csv").columns(fitted.columns()).read().unwrap();
    assert_eq!(fitted.transform(&new).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.5, 1.0]);
    // As categories they are themselves.
    let ids = Csv::from_bytes(rounded, "f.csv").column("x", ColumnType::Category).read().unwrap();
    let slots = Features::new().categorical(["x"], Categorical::index()).fit(&ids).unwrap().slots("x").unwrap();
    assert_eq!(slots, 3);
}

#[test]
fn categories_have_slots() {
    let (train, new) = ("c,x\nb,0\na,0\nb,0\n", "c,x\na,0\nb,0\n?,0\nc,0\n");
    let one_hot = c(Categorical::one_hot());
    // No training row would fill a slot for missing values.
    assert_eq!(features(one_hot.clone(), train, new), [1., 0., 0., 1., 0., 0., 0., 0.]);
    let gaps = "c,x\nb,0\n?,0\na,0\n";
    assert_eq!(features(one_hot.clone(), gaps, new), [0., 1., 0., 0., 0., 1., 1., 0., 0., 1., 0., 0.]);
    let fitted = one_hot.numeric(["x"], Numeric::new()).fit(&table(gaps)).unwrap();
    assert_eq!(fitted.feature_names(), ["c unknown", "c=a", "c=b", "x"]);
    assert_eq!((fitted.range("c").unwrap(), fitted.range("x").unwrap()), (0..3, 3..4));
    assert_eq!(error(fitted.range("d")), "preprocessing: no feature is made of column d; the columns are c, x");
    assert_eq!(error(fitted.slots("x")), "preprocessing: column x is numeric");

    // Indices alone are int64; among others they are float32.
    let indices = c(Categorical::index()).fit(&table(train)).unwrap();
    let tensor = indices.transform(&table(new)).unwrap();
    assert_eq!((tensor.to_vec::<i64>().unwrap(), tensor.shape()), (vec![1, 2, 0, 0], &[4, 1].into()));
    assert_eq!(indices.slots("c").unwrap(), 3);
    let mixed = c(Categorical::index()).numeric(["x"], Numeric::new());
    assert_eq!(features(mixed, train, new), [1., 0., 2., 0., 0., 0., 0., 0.]);

    let strict = c(Categorical::one_hot().refuse_unknown()).fit(&table(train)).unwrap();
    assert_eq!(strict.feature_names(), ["c=a", "c=b"]);
    let refused = "is not one of the categories it was fitted on: a, b";
    assert_eq!(error(strict.transform(&table("c,x\na,0\nz,0\n"))), format!("f.csv: line 3, column c: \"z\" {refused}"));
    assert_eq!(
        error(strict.transform(&table("c,x\na,0\n?,0\n"))),
        format!("f.csv: line 3, column c: a missing value {refused}")
    );
    assert_eq!(
        error(c(Categorical::index().refuse_unknown()).fit(&table("c,x\na,0\n?,0\n"))),
        "f.csv: line 3, column c: the category is missing; without `Categorical::refuse_unknown` it has a slot"
    );
}

#[test]
fn too_many_categories_are_refused() {
    let ids = |count: usize| (0..count).map(|k| format!("id{k},{k}\n")).collect::<String>();
    let many = |count: usize| table(&format!("c,x\n{}", ids(count)));
    let one_hot = c(Categorical::one_hot());
    assert_eq!(one_hot.fit(&many(1000)).unwrap().slots("c").unwrap(), 1000);
    let wrong = |found: usize, limit: usize| {
        format!(
            "preprocessing: column c: there are {found} categories in the training rows, and {limit} at most are wanted; leave out an identifier, use `Categorical::index` with an `Embedding`, or raise `Categorical::limit`"
        )
    };
    assert_eq!(error(one_hot.fit(&many(1001))), wrong(1001, 1000));
    // Missing values are not among them.
    assert_eq!(c(Categorical::one_hot().limit(2)).fit(&table("c,x\na,0\nb,0\n?,0\n")).unwrap().slots("c").unwrap(), 3);
    assert_eq!(error(c(Categorical::one_hot().limit(2)).fit(&many(5))), wrong(5, 2));
    assert_eq!(c(Categorical::one_hot().limit(1001)).fit(&many(1001)).unwrap().slots("c").unwrap(), 1001);
    assert_eq!(c(Categorical::index()).fit(&many(5000)).unwrap().slots("c").unwrap(), 5001);
    let index = error(c(Categorical::index().limit(2)).fit(&many(3)));
    assert!(
        index.ends_with("and 2 at most are wanted; leave out an identifier, or raise `Categorical::limit`"),
        "{index}"
    );
    // Reading stops at the first chunk that has too many categories.
    let text = format!("c,x\n{}", ids(5000));
    let mut read = 0;
    let chunks = Csv::from_bytes(text, "f.csv").chunks(400).unwrap().inspect(|_| read += 1);
    assert_eq!(error(one_hot.fit_chunks(chunks)), wrong(1200, 1000));
    assert_eq!(read, 3);
    // New rows bring no slots.
    let fitted = one_hot.fit(&many(3)).unwrap();
    assert_eq!(fitted.transform(&many(2000)).unwrap().shape(), &[2000, 3]);
}

#[test]
fn targets() {
    let train = table("x,y,label\n1,2.5,yes\n2,3.5,no\n");
    let base = x(Numeric::new());
    let numbers = base.clone().target_number("y").fit(&train).unwrap();
    let targets = numbers.targets(&train).unwrap();
    assert_eq!((targets.to_vec::<f32>().unwrap(), targets.shape()), (vec![2.5, 3.5], &[2, 1].into()));
    assert!(numbers.classes().is_empty());
    let classes = base.clone().target_class("label").fit(&train).unwrap();
    let targets = classes.targets(&train).unwrap();
    assert_eq!((targets.dtype(), targets.to_vec::<i64>().unwrap()), (DType::I64, vec![1, 0]));
    assert_eq!(classes.classes(), ["no", "yes"]);

    let message = |table: &Table| error(classes.dataset(table));
    assert_eq!(
        message(&table("x,y,label\n1,2,maybe\n")),
        "f.csv: line 2, column label: \"maybe\" is not one of the categories it was fitted on: no, yes"
    );
    let hole = table("x,y,label\n1,2,yes\n1,,NA\n1,,no\n");
    let why = "is missing; `Table::drop_missing` leaves such rows out";
    assert_eq!(
        error(base.clone().target_class("label").fit(&hole)),
        format!("f.csv: line 3, column label: the class {why}")
    );
    let missing = format!("f.csv: line 3, column y: the target {why}");
    for target in [Features::target_number, Features::target_standardized, Features::target_min_max] {
        assert_eq!(error(target(base.clone(), "y").fit(&hole)), missing);
        assert_eq!(error(target(base.clone(), "y").fit(&train).unwrap().targets(&hole)), missing);
    }
    assert_eq!(classes.dataset(&hole.drop_missing(&["label"]).unwrap()).unwrap().len(), 2);
    let none = base.fit(&train).unwrap();
    assert_eq!(error(none.targets(&train)), "preprocessing: no target was stated; `Features` can state one");
}

#[test]
fn targets_are_scaled_and_predictions_are_converted_back() {
    let train = table("x,y\n1,221900\n2,538000\n3,180000.5\n4,604000\n5,510000.25\n");
    let predictions = tensor![0.5, -2.0, 1e-3];
    let scaled_and_inverted = |features: Features| {
        let fitted = features.fit(&train).unwrap();
        let targets = fitted.targets(&train).unwrap();
        assert_eq!((targets.dtype(), targets.shape()), (DType::F32, &[5, 1].into()));
        let inverted = fitted.invert_targets(&predictions).unwrap();
        assert_eq!((inverted.dtype(), inverted.shape()), (DType::F32, predictions.shape()));
        (targets.to_vec::<f32>().unwrap(), inverted.to_vec::<f32>().unwrap())
    };
    // With `y` and `p` of NumPy in float64, `p` from float32, and what comes out in float32:
    // `(y - y.mean()) / y.std()` and `p * y.std() + y.mean()`,
    let (targets, inverted) = scaled_and_inverted(x(Numeric::new()).target_standardized("y"));
    assert_eq!(targets, [-1.0822402, 0.7289407, -1.3223149, 1.1071057, 0.56850857]);
    assert_eq!(inverted, [498043.66, 61726.13, 410954.7]);
    // `(y - y.min()) / np.ptp(y)` and `p * np.ptp(y) + y.min()`.
    let (targets, inverted) = scaled_and_inverted(x(Numeric::new()).target_min_max("y"));
    assert_eq!(targets, [0.098819695, 0.84433943, 0.0, 1.0, 0.7783022]);
    assert_eq!(inverted, [392000.25, -667998.5, 180424.5]);
    let (targets, inverted) = scaled_and_inverted(x(Numeric::new()).target_number("y"));
    assert_eq!(targets, [221900.0, 538000.0, 180000.5, 604000.0, 510000.25]);
    assert_eq!(inverted, [0.5, -2.0, 1e-3]);

    // Float64 is preserved, and inverted up to rounding.
    let fitted = x(Numeric::new()).target_standardized("y").fit(&train).unwrap();
    let targets = fitted.targets(&train).unwrap();
    let inverted = fitted.invert_targets(&targets.cast(DType::F64)).unwrap();
    // A target of float32 was rounded by at most 2⁻²⁴ of 1.33 deviations.
    assert!(
        inverted
            .allclose(
                &tensor![[221900.0], [538000.0], [180000.5], [604000.0], [510000.25]].cast(DType::F64),
                0.0,
                0.014
            )
            .unwrap()
    );
    // Equal targets become 0, and are inverted.
    let equal = x(Numeric::new()).target_standardized("y").fit(&table("x,y\n1,7.5\n2,7.5\n")).unwrap();
    assert_eq!(equal.targets(&table("x,y\n1,7.5\n2,8\n")).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.5]);
    assert_eq!(equal.invert_targets(&tensor![0.0]).unwrap().to_vec::<f32>().unwrap(), [7.5]);

    // Infinite numbers have no scale; numbers too large for float32 may be in range after scaling.
    let infinite = table("x,y\n1,1\n2,-inf\n");
    let message = error(x(Numeric::new()).target_standardized("y").fit(&infinite));
    assert_eq!(message, "f.csv: line 3, column y: -inf has no mean; numbers must be finite");
    let large = table("x,y\n1,1e300\n2,3e300\n");
    let message = error(x(Numeric::new()).target_number("y").fit(&large).unwrap().targets(&large));
    assert_eq!(message, "f.csv: line 2, column y: 1e300 becomes infinite in float32");
    let scaled = x(Numeric::new()).target_min_max("y").fit(&large).unwrap();
    assert_eq!(scaled.targets(&large).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0]);

    let class = x(Numeric::new()).target_class("c").fit(&table("x,c\n1,a\n")).unwrap();
    assert_eq!(
        error(class.invert_targets(&predictions)),
        "preprocessing: the target c is a class, not a number; `Preprocessing::classes` has their texts"
    );
    let none = x(Numeric::new()).fit(&train).unwrap();
    let stated = "preprocessing: no target was stated; `Features` can state one";
    assert_eq!(error(none.invert_targets(&predictions)), stated);
}

#[test]
fn scales_of_targets_are_saved() {
    let train = table("x,y\n1,0.1\n2,0.7\n3,1e5\n");
    let path = std::env::temp_dir().join(format!("target-{}.json", std::process::id()));
    for target in [Features::target_number, Features::target_standardized, Features::target_min_max] {
        let fitted = target(x(Numeric::new()), "y").fit(&train).unwrap();
        fitted.save(&path).unwrap();
        assert_eq!(Preprocessing::load(&path).unwrap(), fitted);
    }
    let with = |target: &str| {
        let x = r#"{"numeric": {"column": "x", "center": 0.0, "scale": 1.0, "missing": null, "indicator": false}}"#;
        std::fs::write(&path, format!(r#"{{"format": "preprocessing 1", "features": [{x}], "target": {target}}}"#))
            .unwrap();
        Preprocessing::load(&path)
    };
    // Files of earlier versions have no scales.
    let plain = with(r#"{"number": {"column": "y"}}"#).unwrap();
    assert_eq!(plain, x(Numeric::new()).target_number("y").fit(&train).unwrap());
    let message = error(with(r#"{"number": {"column": "y", "scaling": {"center": 0.0, "scale": -1.0}}}"#));
    assert!(message.ends_with(": invalid preprocessing: column y: the scale must be above 0"), "{message}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn other_columns_are_refused() {
    let train = table("x,c,y\n1,a,5\n");
    let fitted = x(Numeric::new()).categorical(["c"], Categorical::one_hot()).target_number("y").fit(&train).unwrap();
    assert_eq!(
        error(fitted.transform(&table("x,age\n1,2\n"))),
        "preprocessing: it was fitted on the columns x, c; the table has x, age; missing: c"
    );
    assert_eq!(
        error(fitted.transform(&table("x,c\n1,2\n"))),
        "column c holds numbers (int64), not categories; what it is read as is stated by `Csv::column(\"c\", ColumnType::Category)`, or for a fitted preprocessing by `Csv::columns(preprocessing.columns())`"
    );
    // One text that is no number makes a column of numbers one of categories: the message says which.
    assert_eq!(
        error(fitted.transform(&table("x,c\n1,a\nNA,a\nnone,a\n"))),
        "f.csv: line 4, column x: \"none\" is not a number, so the column holds categories; `Csv::missing` states what stands for a missing number, `Csv::decimal` and `Csv::thousands` how numbers are written"
    );
    let stated = Csv::from_bytes("x,c\n1,a\nNA,a\n", "f.csv").column("x", ColumnType::Category);
    assert_eq!(error(fitted.transform(&stated.read().unwrap())), "column x holds categories, not numbers");
    assert_eq!(error(fitted.targets(&table("x,c\n1,a\n"))), "f.csv: there is no column y; the columns are x, c");
    // The type of a column does not depend on the content of the file.
    let new = Csv::from_bytes("c,x\n2,NA\n", "new.csv").columns(fitted.columns()).read().unwrap();
    assert_eq!(new.column("c").unwrap().categories().unwrap().get(0), Some("2"));
    let without = Csv::from_bytes("x\n2\n", "new.csv").columns(fitted.columns());
    assert_eq!(error(without.read()), "new.csv: line 1: there is no column c; the columns are x");

    let twice = Features::new().numeric(["x", "x"], Numeric::new());
    assert_eq!(error(twice.fit(&train)), "preprocessing: column x is used twice as a feature");
    let both = x(Numeric::new()).target_class("x");
    let kinds = "preprocessing: column x is float64 as a feature and category as the target; it can be read as one of them only, so add a copy of another name, as by `Table::with_column`";
    assert_eq!(error(both.fit(&train)), kinds);
    assert_eq!(error(Features::new().target_number("x").fit(&train)), "preprocessing: there are no features");
}

/// All kinds of columns at once, with numbers that have no short decimal form.
fn everything() -> (Features, Table) {
    let rows: String = (1..200)
        .map(|k: i32| {
            let number =
                if k % 7 == 0 { "NA".into() } else { format!("{:?}", f64::from(k).sqrt() * 1e3 + 1.0 / f64::from(k)) };
            format!(
                "{number},{number},{number},{},{},{}\n",
                ["a", "ö", "b,\"", ""][k as usize % 4],
                k % 5,
                ["no", "yes"][k as usize % 2]
            )
        })
        .map(|row| row.replace("b,\"", "\"b,\"\"\""))
        .collect();
    let train = Csv::from_bytes(format!("s,m,p,c,i,t\n{rows}"), "f.csv").column("i", ColumnType::Category);
    let features = Features::new()
        .numeric(["s"], Numeric::standardize().missing(Missing::Median).indicator())
        .numeric(["m"], Numeric::min_max().missing(Missing::Mean))
        .numeric(["p"], Numeric::new().missing(Missing::Constant(-0.0)))
        .categorical(["c"], Categorical::one_hot())
        .categorical(["i"], Categorical::index().refuse_unknown())
        .target_class("t");
    (features, train.read().unwrap())
}

#[test]
fn a_saved_preprocessing_loads_with_the_same_bits() {
    let (features, train) = everything();
    let fitted = features.fit(&train).unwrap();
    let path = std::env::temp_dir().join(format!("preprocessing-{}.json", std::process::id()));
    fitted.save(&path).unwrap();
    let loaded = Preprocessing::load(&path).unwrap();
    assert_eq!(loaded, fitted);
    let bits = |preprocessing: &Preprocessing| -> Vec<u32> {
        preprocessing.transform(&train).unwrap().to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
    };
    assert_eq!(bits(&loaded), bits(&fitted));
    // Written again it is the same text.
    let text = std::fs::read_to_string(&path).unwrap();
    loaded.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let name = path.display().to_string();
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        error(Preprocessing::load(&path)).strip_prefix(&format!("{name}: invalid preprocessing: ")).unwrap().to_string()
    };
    assert_eq!(
        broken("preprocessing 1", "preprocessing 2"),
        "the format is \"preprocessing 2\", not \"preprocessing 1\""
    );
    assert_eq!(broken("\"scale\": 1.0", "\"scale\": 0.0"), "column p: the scale must be above 0");
    assert!(broken("\"scale\": 1.0", "\"scale\": 1e999").starts_with("number out of range"));
    assert_eq!(broken("\"a\"", "\"z\""), "column c: categories must be sorted, each once, and one at least");
    let both = broken("\"column\": \"m\"", "\"column\": \"t\"");
    assert!(both.starts_with("preprocessing: column t is float64 as a feature and category as the target; "), "{both}");
    let index = broken("\"unknown\": \"refused\"", "\"unknown\": \"zeros\"");
    assert_eq!(index, "column i: an index has no zeros for what is unknown");
    assert!(broken("\"indicator\"", "\"indicate\"").starts_with("unknown field `indicate`"));
    assert!(broken("{", "").starts_with("invalid type") || broken("{", "").contains("line 1"));
    // Messages use the words of the file, not of the program.
    let of_text = |text: &str| {
        std::fs::write(&path, text).unwrap();
        error(Preprocessing::load(&path))
    };
    let all = "an object with `format`, `features` and `target`";
    assert!(of_text("3").contains(&format!("invalid type: integer `3`, expected {all}")));
    assert!(of_text("[]").contains(&format!("invalid length 0, expected {all}")));
    let features = |feature: &str| of_text(&format!("{{\"format\": \"\", \"features\": [{feature}]}}"));
    for feature in ["7", "{\"numeric\": 7}", "{\"categorical\": 7}", "{\"categorical\": {\"encoding\": 7}}"] {
        let message = features(feature);
        assert!(message.contains("expected") && !message.contains("struct") && !message.contains("enum"), "{message}");
    }
    let message = of_text("{\"target\": {\"number\": 7}}");
    assert!(message.contains("expected a target, `number` or `class`"), "{message}");
    std::fs::remove_file(&path).unwrap();
    assert!(error(Preprocessing::load(&path)).starts_with(&format!("{name}: cannot open: ")));
}

#[test]
fn chunks_and_streams_give_what_the_table_gives() {
    let path = std::env::temp_dir().join(format!("preprocessing-{}.csv", std::process::id()));
    let rows: String = (0..3000).map(|k| format!("{},{}\n", (k * 37) % 101, ["a", "b", "c"][k % 3])).collect();
    std::fs::write(&path, format!("x,c\n{rows}")).unwrap();
    let file = Csv::new(&path);
    let features = x(Numeric::standardize().missing(Missing::Median)).target_class("c");
    let whole = features.fit(&file.read().unwrap()).unwrap();
    let parts = features.fit_chunks(file.chunks(701).unwrap()).unwrap();
    let all = whole.dataset(&file.read().unwrap()).unwrap();
    // Means of parts are rounded in other places than the mean of all.
    let of_parts = parts.transform(&file.read().unwrap()).unwrap();
    assert!(of_parts.allclose(all.features(), 1e-7, 1e-7).unwrap());
    let stream = file.stream(&whole);
    for _ in 0..2 {
        let drawn = stream.cache().unwrap();
        assert_eq!(drawn.features().to_vec::<f32>().unwrap(), all.features().to_vec::<f32>().unwrap());
        assert_eq!(drawn.targets().to_vec::<i64>().unwrap(), all.targets().to_vec::<i64>().unwrap());
    }
    std::fs::write(&path, format!("x,c\n{rows}1,d\n")).unwrap();
    let message = error(stream.cache());
    let name = path.display();
    assert_eq!(
        message,
        format!("{name}: line 3002, column c: \"d\" is not one of the categories it was fitted on: a, b, c")
    );
    std::fs::remove_file(&path).unwrap();
}

/// In forecasting the past of a column predicts its future.
#[test]
fn a_column_may_be_feature_and_target() {
    let csv = Csv::from_bytes("x,c\n1,a\n2,b\n4,a\n7,a\n", "f.csv").column("c", ColumnType::Category);
    let train = csv.read().unwrap();
    let numbers = Features::new().numeric(["x"], Numeric::standardize()).target_min_max("x");
    let fitted = numbers.fit(&train).unwrap();
    // The mean is 3.5, the deviation the root of 5.25; the range is 1 to 7. Each role has its own scale.
    let expected = [-2.5, -1.5, 0.5, 3.5].map(|x: f64| (x / 5.25f64.sqrt()) as f32);
    assert_eq!(fitted.transform(&train).unwrap().to_vec::<f32>().unwrap(), expected);
    assert_eq!(fitted.targets(&train).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0 / 6.0, 0.5, 1.0]);
    assert_eq!(fitted.range("x").unwrap(), 0..1);
    let windows = fitted.dataset(&train).unwrap().window(Window::new(2).target(2)).unwrap();
    let batch = windows.range(0, 0..2).unwrap();
    assert_eq!(batch.features.to_vec::<f32>().unwrap(), [expected[0], expected[1], expected[1], expected[2]]);
    assert_eq!(batch.targets.to_vec::<f32>().unwrap(), [0.5, 1.0]);
    let streamed = csv.stream(&fitted).cache().unwrap();
    assert_eq!(streamed.targets().to_vec::<f32>().unwrap(), [0.0, 1.0 / 6.0, 0.5, 1.0]);

    let classes = Features::new().categorical(["c"], Categorical::index()).target_class("c").fit(&train).unwrap();
    assert_eq!(classes.transform(&train).unwrap().to_vec::<i64>().unwrap(), [1, 2, 1, 1]);
    assert_eq!(classes.targets(&train).unwrap().to_vec::<i64>().unwrap(), [0, 1, 0, 0]);
    let path = std::env::temp_dir().join(format!("both-{}.json", std::process::id()));
    fitted.save(&path).unwrap();
    assert_eq!(Preprocessing::load(&path).unwrap(), fitted);
    std::fs::remove_file(&path).unwrap();
}
