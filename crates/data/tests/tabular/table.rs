//! Tables: construction, splits, and display.

use data::Split;
use data::csv::Csv;
use data::preprocessing::{Features, Numeric};
use data::table::{Categories, Column, Table};
use tensor::{Tensor, tensor};

fn people() -> Table {
    let names = (0..12).map(|k| (k != 3).then(|| format!("person {k}")));
    Table::new([
        (
            "height",
            Column::Numbers((0..12).map(|k| if k == 1 { f64::NAN } else { 1.5 + f64::from(k) / 32.0 }).collect()),
        ),
        ("age", Column::Numbers((0..12i64).collect())),
        ("name", Column::Categories(names.collect())),
    ])
    .unwrap()
}

fn error<T>(result: data::Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn tables_print() {
    let printed = people().to_string();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], " height  age  name");
    assert_eq!(lines[2], "    NaN    1  person 1");
    assert_eq!(lines[4], "1.59375    3  NaN");
    assert_eq!(lines[11..], ["…", "12 rows, 3 columns"]);

    let summary = people().gather(&[0, 1, 2, 3, 0]).unwrap().summary().unwrap().to_string();
    let expected = "\
column  type      count  missing  min    mean     max  categories
height  float64       4        1  1.5  1.5391  1.5938
age     int64         5        0    0     1.2       3
name    category      4        1                       person 0 2, person 1 1, person 2 1
5 rows";
    assert_eq!(summary, expected);
    let long = Csv::from_bytes(format!("a\n{}\n", "x".repeat(50)), "f.csv").read().unwrap();
    assert_eq!(long.to_string(), format!("a\n{}…\n1 rows, 1 columns", "x".repeat(30)));
    let many = Csv::from_bytes(format!("a\n{}1e300\n", "x\ny\nz\nz\nv\nw\n"), "f.csv").read().unwrap();
    assert!(many.summary().unwrap().to_string().contains("z 2, 1e300 1, v 1, w 1, x 1 and 1 more"));
    let large = Csv::from_bytes("a\n1e300\n1e-20\n", "f.csv").read().unwrap();
    assert!(large.summary().unwrap().to_string().contains("1.0000e-20  5.0000e299  1.0000e300"));
}

#[test]
fn rows_are_divided_alike() {
    let text: String = (0..100).map(|k| format!("{k},{}\n", if k % 5 == 0 { "rare" } else { "common" })).collect();
    let table = Csv::from_bytes(format!("number,kind\n{text}"), "f.csv").read().unwrap();
    let (first, second) = table.split_by("kind", Split::fraction(0.7).shuffle(1)).unwrap();
    let counts = |table: &Table| -> Vec<(String, usize)> {
        let kinds = table.column("kind").unwrap().categories().unwrap().counts();
        kinds.into_iter().map(|(kind, count)| (kind.into(), count)).collect()
    };
    assert_eq!(counts(&first), [("common".into(), 56), ("rare".into(), 14)]);
    assert_eq!(counts(&second), [("common".into(), 24), ("rare".into(), 6)]);
    let numbers = |table: &Table| table.column("number").unwrap().numbers().unwrap().to_vec::<i64>().unwrap();
    let mut all = [numbers(&first), numbers(&second)].concat();
    assert!(!all.is_sorted());
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let (first, second) = table.split(0.25).unwrap();
    assert_eq!((numbers(&first), numbers(&second)), ((0..25).collect(), (25..100).collect()));

    let stratify = error(table.split(Split::fraction(0.5).stratify()));
    assert_eq!(stratify, "split: a table is stratified by a column: `split_by(column, …)`");
    let heights = "split: column height is float64; rows are divided by a category or an int64";
    assert_eq!(error(people().split_by("height", 0.5)), heights);
    assert_eq!(people().split_by("age", 0.5).unwrap().0.rows(), 6);
    assert_eq!(error(table.split(101)), "split: there are no 101 samples among 100");
}

#[test]
fn rows_and_columns_are_picked() {
    let kept = people().drop_missing(&["height", "name"]).unwrap();
    let ages = kept.column("age").unwrap().numbers().unwrap().to_vec::<i64>().unwrap();
    assert_eq!(ages, [0, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(error(people().column("size")), "there is no column size; the columns are height, age, name");
    assert_eq!(error(people().gather(&[3, 12])), "table: there is no row 12 among 12");
    assert_eq!(
        error(people().column("name").unwrap().numbers()),
        "row 0, column name: \"person 0\" is not a number, so the column holds categories; `Csv::missing` states what stands for a missing number, `Csv::decimal` and `Csv::thousands` how numbers are written"
    );
}

#[test]
fn columns_are_added_and_replaced() {
    let read = Csv::from_bytes("a,b\n1,x\n2,y\n", "f.csv").read().unwrap();
    let more = read.with_column("c", Column::Numbers(tensor![0.5, f32::NAN])).unwrap();
    let table = more.with_column("a", Column::Numbers(tensor![7, 8])).unwrap();
    assert_eq!(table.names(), ["a", "b", "c"]);
    assert_eq!(table.column("a").unwrap().numbers().unwrap().to_vec::<i64>().unwrap(), [7, 8]);
    assert_eq!(read.column("a").unwrap().numbers().unwrap().to_vec::<i64>().unwrap(), [1, 2]);
    // Messages still have the line.
    let fitted = Features::new().numeric(["c"], Numeric::new()).fit(&table);
    assert!(error(fitted).starts_with("f.csv: line 3, column c: the number is missing"));

    let one = |column| error(read.with_column("a", Column::Numbers(column)));
    assert_eq!(one(tensor![1.0]), "table: the table has 2 rows, but the column a has 1");
    assert!(one(tensor![[1.0, 2.0]]).contains("column a is float32 of shape [1, 2]"));
}

#[test]
fn columns_that_do_not_form_a_table_are_refused() {
    let numbers = |tensor: Tensor| Column::Numbers(tensor);
    let two = Table::new([("a", numbers(tensor![1.0])), ("a", numbers(tensor![2.0]))]);
    assert_eq!(error(two), "table: two columns are named a");
    let categories = Column::Categories(Categories::from_iter([Some("x"), None]));
    let lengths = Table::new([("a", numbers(tensor![1.0])), ("b", categories)]);
    assert_eq!(error(lengths), "table: column a has 1 rows and column b 2");
    let message = "numbers are float32, float64 or int64 with one axis";
    let shape = Table::new([("a", numbers(tensor![[1.0]]))]);
    assert_eq!(error(shape), format!("table: column a is float32 of shape [1, 1]; {message}"));
    let truth = Table::new([("a", numbers(tensor![true]))]);
    assert_eq!(error(truth), format!("table: column a is bool of shape [1]; {message}"));
    assert_eq!(Table::new(Vec::<(String, Column)>::new()).unwrap().rows(), 0);
}
