//! Reading of comma-separated values, and errors of invalid files.

use data::csv::{ColumnType, Csv, LONGEST_ROW, MISSING, MOST_COLUMNS};
use data::table::{Column, Table};

fn csv(text: impl AsRef<[u8]>) -> Csv {
    Csv::from_bytes(text, "f.csv")
}

/// All fields as text, missing ones as `-`.
fn fields(table: &Table, column: &str) -> Vec<String> {
    let (_, column) = table.columns().find(|(name, _)| *name == column).unwrap();
    match column {
        Column::Categories(categories) => categories.iter().map(|text| text.unwrap_or("-").to_string()).collect(),
        Column::Numbers(numbers) => {
            let numbers = numbers.cast(tensor::DType::F64).to_vec::<f64>().unwrap();
            numbers.iter().map(|x| if x.is_nan() { "-".into() } else { x.to_string() }).collect()
        }
    }
}

fn types(csv: &Csv) -> Vec<ColumnType> {
    csv.types().unwrap().into_iter().map(|(_, column_type)| column_type).collect()
}

fn error<T>(result: data::Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn types_are_inferred() {
    use ColumnType::*;
    let file = csv(
        "whole,part,gone,none,word,mixed,large\n1,1,1,,1,1,9223372036854775807\n-2,.5,NA,nan,x,2a,-9223372036854775808\n+3,1e5,3,?,,3,0\n",
    );
    assert_eq!(types(&file), [I64, F64, F64, F64, Category, Category, I64]);
    let table = file.read().unwrap();
    assert_eq!(fields(&table, "whole"), ["1", "-2", "3"]);
    assert_eq!(fields(&table, "part"), ["1", "0.5", "100000"]);
    assert_eq!(fields(&table, "gone"), ["1", "-", "3"]);
    assert_eq!(fields(&table, "none"), ["-", "-", "-"]);
    assert_eq!(fields(&table, "word"), ["1", "x", "-"]);
    // Types inferred from some rows take whole numbers for float64.
    assert_eq!(types(&file.clone().infer_from(1)), [F64, F64, F64, F64, F64, F64, Category]);
    assert_eq!(types(&file.clone().infer_from(3)), types(&file));
    assert_eq!(
        error(file.infer_from(1).read()),
        "f.csv: line 3, column word: \"x\" is not a number, as the type float64 wants"
    );
}

#[test]
fn whole_numbers_that_float64_would_round_are_categories() {
    use ColumnType::*;
    let of = |rows: &str| types(&csv(format!("x,y\n{}", rows.replace('\n', ",0\n"))))[0];
    // 2⁵³ + 1 is the smallest whole number that float64 rounds. Int64 represents it, but not in a column with missing
    // values or fractions.
    assert_eq!(of("9007199254740993\n1\n"), I64);
    assert_eq!(of("9007199254740993\nNA\n"), Category);
    assert_eq!(of("0.5\n-0009007199254740993\n"), Category);
    for exact in ["9007199254740992", "-9007199254740994", "+1152921504606846976", "00000000000000000001"] {
        assert_eq!(of(&format!("{exact}\nNA\n")), F64, "{exact}");
    }
    // Beyond int64, where float64 has 2⁶³ and 10²².
    assert_eq!(of("9223372036854775808\n10000000000000000000000\n"), F64);
    assert_eq!(of("9223372036854775809\n1\n"), Category);
    assert_eq!(of(&format!("{}\n", "9".repeat(400))), Category);
    // Numbers with a fraction or an exponent may be rounded.
    assert_eq!(of("9007199254740993.0\n9007199254740993e0\n0.12345678901234567890\n"), F64);

    // An inferred float64 does not round a later row; a stated one does.
    let late = csv("x\n1\n9007199254740993\n");
    assert_eq!(
        error(late.clone().infer_from(1).read()),
        "f.csv: line 3, column x: \"9007199254740993\" is not a float64 without rounding; state the type of the column, as category or float64"
    );
    let stated = late.infer_from(1).column("x", F64).read().unwrap();
    assert_eq!(stated.column("x").unwrap().numbers().unwrap().to_vec::<f64>().unwrap(), [1.0, 9007199254740992.0]);

    let table = csv("id,y\n9007199254740992,1\n9007199254740993,2\n,3\n").read().unwrap();
    assert_eq!(fields(&table, "id"), ["9007199254740992", "9007199254740993", "-"]);
    assert_eq!(
        error(table.column("id").unwrap().numbers()),
        "f.csv: line 3, column id: float64 would round \"9007199254740993\", so the column holds categories; `Csv::column(\"id\", ColumnType::F64)` does that"
    );
}

#[test]
fn numbers_are_written_in_several_ways() {
    use ColumnType::*;
    let comma = |text: &str| csv(text).delimiter(b';').decimal(b',');
    let text = "a;b;c;d\n1,5;2;1.5;1,5\n-,25;-3;2;x\n+1,e3;+4;3;2,5\n";
    let file = comma(text);
    assert_eq!(types(&file), [F64, I64, Category, Category]);
    let table = file.read().unwrap();
    assert_eq!(fields(&table, "a"), ["1.5", "-0.25", "1000"]);
    assert_eq!(fields(&table, "b"), ["2", "-3", "4"]);
    // Stated types heed it, in chunks too.
    let stated = file.columns(["a", "b"].map(|name| (name.into(), F32))).ignore_others();
    let chunk = stated.chunks(2).unwrap().next().unwrap().unwrap();
    assert_eq!(chunk.column("a").unwrap().numbers().unwrap().to_vec::<f32>().unwrap(), [1.5, -0.25]);
    let point = comma("a\n1,5\n1.5\n").column("a", F64);
    assert_eq!(error(point.read()), "f.csv: line 3, column a: \"1.5\" is not a number, as the type float64 wants");
    let whole = error(comma("a\n1,0\n").column("a", I64).read());
    assert!(whole.starts_with("f.csv: line 2, column a: \"1,0\" is not a whole number"), "{whole}");
    // Which text makes the column one of categories depends on it: not `1,5`. Without it, that does.
    let hint = "is not a number, so the column holds categories; `Csv::missing` states what stands for a missing number, `Csv::decimal` and `Csv::thousands` how numbers are written";
    assert_eq!(error(table.column("d").unwrap().numbers()), format!("f.csv: line 3, column d: \"x\" {hint}"));
    let gathered = table.gather(&[2, 1]).unwrap();
    assert_eq!(error(gathered.column("d").unwrap().numbers()), format!("f.csv: line 3, column d: \"x\" {hint}"));
    let point = csv(text).delimiter(b';').read().unwrap();
    assert_eq!(error(point.column("d").unwrap().numbers()), format!("f.csv: line 2, column d: \"1,5\" {hint}"));

    // Between groups of three digits.
    let file = comma("a;b;c\n1.234,5;1.000;12.05.2024\n-12.345.678;-999;0\n1234,25;+1.000.000;1\n").thousands(b'.');
    assert_eq!(types(&file), [F64, I64, Category]);
    let table = file.read().unwrap();
    assert_eq!(fields(&table, "a"), ["1234.5", "-12345678", "1234.25"]);
    assert_eq!(fields(&table, "b"), ["1000", "-999", "1000000"]);
    let quoted = csv("a,b\n\"1,234.5\",1\n\"12,345\",2\n").thousands(b',').read().unwrap();
    assert_eq!(fields(&quoted, "a"), ["1234.5", "12345"]);
    let quoted = csv("a,b\n\"-1.234,5\",1\n\"2,5e-1\",2\n").decimal(b',').thousands(b'.');
    assert_eq!(fields(&quoted.read().unwrap(), "a"), ["-1234.5", "0.25"]);
    let unquoted = csv("a,b\n1,5,2\n").decimal(b',');
    assert_eq!(error(unquoted.read()), "f.csv: line 2: the row has 3 fields; there are 2 columns: a, b");
    assert_eq!(fields(&csv("a\n1 234\n").thousands(b' ').read().unwrap(), "a"), ["1234"]);
    for no_number in
        ["12.34", "1.2345", "1234.567", ".123", "1..234", "1.234.", "1.-23", "1,234.567", "1.00e", "--1.000"]
    {
        assert_eq!(types(&comma(&format!("a\n{no_number}\n")).thousands(b'.')), [Category], "{no_number}");
    }
    // Identifiers are not rounded in any notation.
    assert_eq!(types(&comma("a\n9.007.199.254.740.993\n0,5\n").thousands(b'.')), [Category]);
}

#[test]
fn types_can_be_stated() {
    let file = csv("id,size,code\nx1,1,007\nx2,0.1,010\n");
    let file =
        file.column("id", ColumnType::Ignored).column("size", ColumnType::F32).column("code", ColumnType::Category);
    let table = file.read().unwrap();
    assert_eq!(table.names(), ["size", "code"]);
    assert_eq!(table.column("size").unwrap().numbers().unwrap().to_vec::<f32>().unwrap(), [1.0, 0.1]);
    assert_eq!(fields(&table, "code"), ["007", "010"]);
    let only = csv("a,b\n1,x\n").column("b", ColumnType::Category).ignore_others().read().unwrap();
    assert_eq!(only.names(), ["b"]);

    let one = |column_type, text: &str| error(csv(format!("a,b\n0,1\n0,{text}\n")).column("b", column_type).read());
    let float = "f.csv: line 3, column b: \"x\" is not a number, as the type float32 wants";
    assert_eq!(one(ColumnType::F32, "x"), float);
    let whole = " is not a whole number, as the type int64 wants; float64 takes fractions and missing ones";
    assert_eq!(one(ColumnType::I64, "1.0"), format!("f.csv: line 3, column b: \"1.0\"{whole}"));
    assert_eq!(one(ColumnType::I64, "NA"), format!("f.csv: line 3, column b: a missing value{whole}"));
    let long = one(ColumnType::F64, &"x".repeat(1000));
    assert_eq!(
        long,
        format!("f.csv: line 3, column b: \"{}\"… is not a number, as the type float64 wants", "x".repeat(40))
    );
    // Texts for missing numbers must be stated, in whatever spelling.
    assert!(one(ColumnType::F64, "nAn").contains("\"nAn\" is not a number"));
    assert_eq!(fields(&csv("x\n-inf\n").read().unwrap(), "x"), ["-inf"]);
}

#[test]
fn quotes_blanks_marks_and_ends_of_lines() {
    let table = csv("\u{feff}a,\"b \"\"x\"\"\"\r\n\r\n  one ,\"two,\r\n2\" \r\n\"\",é \"x\"\r\n").read().unwrap();
    assert_eq!(table.names(), ["a", "b \"x\""]);
    assert_eq!(fields(&table, "a"), ["one", "-"]);
    assert_eq!(fields(&table, "b \"x\""), ["two,\r\n2", "é \"x\""]);
    let last = csv("a;b\n1;2").delimiter(b';').read().unwrap();
    assert_eq!(fields(&last, "b"), ["2"]);
    let comments = csv("# made by hand\n#\na\n#1\n2 # not one\n").comment(b'#').read().unwrap();
    assert_eq!(fields(&comments, "a"), ["2 # not one"]);
    let old = csv("a,b\r1,2\r3,4\r").read().unwrap();
    assert_eq!(fields(&old, "b"), ["2", "4"]);
}

#[test]
fn files_without_names() {
    assert_eq!(csv("1,x\n2,y\n").no_header().read().unwrap().names(), ["0", "1"]);
    let named = csv("1,x\n2,y\n").names(["n", "c"]).read().unwrap();
    assert_eq!(fields(&named, "c"), ["x", "y"]);
    // As `to_csv` of pandas writes it.
    assert_eq!(csv(",x\n0,5\n").read().unwrap().names(), ["0", "x"]);
    let message = error(csv("1,x,3\n").names(["n", "c"]).read());
    assert_eq!(message, "f.csv: line 1: the row has 3 fields; there are 2 columns: n, c");
}

#[test]
fn missing_values_are_those_that_are_stated() {
    let table = csv("a,b\nNA,-999\nnone,2\n").missing(["none", "-999"]).read().unwrap();
    assert_eq!(fields(&table, "a"), ["NA", "-"]);
    assert_eq!(fields(&table, "b"), ["-", "2"]);
    let pandas = csv(format!("x\n1\n{}\n1.5\n", MISSING[1..].join("\n"))).read().unwrap();
    assert_eq!(fields(&pandas, "x"), [vec!["1"], vec!["-"; MISSING.len() - 1], vec!["1.5"]].concat());
    // White space around fields and missing texts is removed.
    assert_eq!(fields(&csv("x\n none \n").missing([" none "]).read().unwrap(), "x"), ["-"]);
    // An empty field is only missing if that is stated.
    assert_eq!(fields(&csv("x,y\n,1\n").missing(["NA"]).read().unwrap(), "x"), [""]);
}

#[test]
fn files_that_are_wrong() {
    let read = |text: &[u8]| error(csv(text).read());
    assert_eq!(read(b""), "f.csv: line 1: there is no row of names; the file is empty");
    assert_eq!(error(csv("\n\n").no_header().read()), "f.csv: line 1: there is no row; the file is empty");
    let ragged = "f.csv: line 5: the row has 3 fields; there are 2 columns: a, b";
    assert_eq!(read(b"a,b\n1,\"x\ny\"\n\n1,2,3\n"), ragged);
    assert_eq!(read(b"a,b\r\n1,\"x\r\ny\"\r\n\r\n1,2,3\r\n"), ragged);
    assert_eq!(read(b"a,b\n1\n"), "f.csv: line 2: the row has 1 fields; there are 2 columns: a, b");
    assert_eq!(read(b"\na,b,a\n"), "f.csv: line 2: columns 0 and 2, counted from 0, are both named a");
    assert_eq!(read(b"a\n\"x\ny\n"), "f.csv: line 2: the file ends within quotes that were opened in this row");
    assert_eq!(read(b"a\n\"x"), "f.csv: line 2: the file ends within quotes that were opened in this row");
    assert_eq!(
        read(b"a\nCaf\xe9\n"),
        "f.csv: line 2, column a: \"Caf\u{fffd}\" is not UTF-8; the file must be converted to it"
    );
    assert_eq!(read(b"\xff\xfea\0"), "f.csv: line 1: the name of column 0, counted from 0, is not UTF-8");
    let unknown = error(csv("a,b\n").column("c", ColumnType::F32).read());
    assert_eq!(unknown, "f.csv: line 1: there is no column c; the columns are a, b");
    let many: Vec<String> = (0..30).map(|k| format!("c{k}")).collect();
    let unknown = error(csv(many.join(",")).column("d", ColumnType::F32).read());
    assert!(unknown.ends_with("c18, c19 and 10 more"), "{unknown}");
    let missing = error(Csv::new("/no/such/file").read());
    assert!(missing.starts_with("/no/such/file: cannot open: "), "{missing}");
    assert!(error(Csv::new("/").read()).starts_with("/: cannot open: it is a folder"));

    let options = |csv: Csv| error(csv.read());
    assert_eq!(
        options(csv("a\n").delimiter(b'"')),
        "csv: the delimiter is '\\\"'; it must be an ASCII character, no quote or line end"
    );
    assert_eq!(
        options(csv("a\n").comment(b';').delimiter(b';')),
        "csv: the comment and the delimiter are both ';'; they must differ"
    );
    assert_eq!(
        options(csv("a\n").thousands(b'.')),
        "csv: the decimal mark and the thousands mark are both '.'; they must differ"
    );
    let right = "it must be an ASCII character, no quote, line end, letter, digit or sign";
    for (byte, shown) in [(b'e', "e"), (b'0', "0"), (b'-', "-"), (b'"', "\\\""), (0xa0, "\\xa0")] {
        assert_eq!(options(csv("a\n").decimal(byte)), format!("csv: the decimal mark is '{shown}'; {right}"));
        assert_eq!(options(csv("a\n").thousands(byte)), format!("csv: the thousands mark is '{shown}'; {right}"));
    }
    assert_eq!(error(csv("a\n").chunks(0)), "chunks: rows is 0; it must be at least 1");
}

#[test]
fn rows_have_a_bound() {
    let exact = csv(format!("a\n{}\n", "x".repeat(LONGEST_ROW)));
    assert_eq!(fields(&exact.read().unwrap(), "a")[0].len(), LONGEST_ROW);
    let long = csv(format!("a\n{}\n", "x".repeat(LONGEST_ROW + 1)));
    let message = "f.csv: line 2: the row is longer than 1048576 bytes; is a quote opened and not closed?";
    assert_eq!(error(long.read()), message);
    let open = csv(format!("a,b\n1,\"2\n{}", "3,4\n".repeat(LONGEST_ROW)));
    assert_eq!(error(open.read()), message);
    let wide = |columns: usize| (0..columns).map(|k| k.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(csv(wide(MOST_COLUMNS)).read().unwrap().names().len(), MOST_COLUMNS);
    assert_eq!(error(csv(wide(MOST_COLUMNS + 1)).read()), "f.csv: line 1: the row has more than 65536 fields");
    // Comments and empty lines take no memory, however many there are.
    let comments = format!("{}\na\n1\n", "#".repeat(3 * LONGEST_ROW));
    assert_eq!(csv(comments).comment(b'#').read().unwrap().rows(), 1);
}

#[test]
fn chunks_are_the_table_in_parts() {
    let text = format!("x,c\n{}", (0..10).map(|k| format!("{k},{}\n", ["a", "b", ""][k % 3])).collect::<String>());
    let whole = csv(&text).read().unwrap();
    let chunks: Vec<Table> = csv(&text).chunks(4).unwrap().map(Result::unwrap).collect();
    assert_eq!(chunks.iter().map(Table::rows).collect::<Vec<_>>(), [4, 4, 2]);
    for column in ["x", "c"] {
        let parts: Vec<String> = chunks.iter().flat_map(|chunk| fields(chunk, column)).collect();
        assert_eq!(parts, fields(&whole, column));
    }
    // A fifth of the requested rows: 16 MiB and the row that exceeds it.
    let long = csv(format!("a\n{}", format!("{}\n", "x".repeat(LONGEST_ROW)).repeat(20)));
    let rows: Vec<usize> = long.chunks(100).unwrap().map(|table| table.unwrap().rows()).collect();
    assert_eq!(rows, [16, 4]);
    // Fields without text count as well.
    let header: Vec<String> = (0..MOST_COLUMNS).map(|k| k.to_string()).collect();
    let empty = format!("{}\n{}", header.join(","), format!("{}\n", ",".repeat(MOST_COLUMNS - 1)).repeat(300));
    let empty = csv(empty).column("0", ColumnType::F64).ignore_others();
    let rows: Vec<usize> = empty.chunks(1000).unwrap().map(|table| table.unwrap().rows()).collect();
    assert_eq!(rows, [256, 44]);
    let mut broken = csv("a\n1\n2\nx\n").column("a", ColumnType::F64).chunks(2).unwrap();
    assert_eq!(broken.next().unwrap().unwrap().rows(), 2);
    assert!(broken.next().unwrap().is_err());
    assert!(broken.next().is_none());
    assert_eq!(csv("a,b\n").read().unwrap().rows(), 0);
    assert_eq!(csv("a,b\n").chunks(5).unwrap().count(), 0);
}
