//! However a file is cut and on however many threads, its columns are those that a plain reading gives.

use std::path::Path;

use super::*;
use crate::data::raw::Parsed;

/// Columns of every sort, with everything that makes a line break or a delimiter mean nothing.
fn nasty(rows: usize, end: &str) -> String {
    let mut state = 5_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut text = format!("n,when,city,\"no,te\",code,mixed{end}");
    for row in 0..rows {
        let number = match random(6) {
            0 => String::new(),
            1 => "NA".into(),
            2 => format!(" {} ", random(1000)),
            3 => format!("\"{}.5\"", random(1000)),
            4 => format!("-{}e-3", random(1000)),
            _ => format!("{}.{:03}", random(1000), random(1000)),
        };
        let when = match random(3) {
            0 => format!("2024-01-{:02}", 1 + random(28)),
            1 => format!("\"2024-02-{:02} 10:00\"", 1 + random(28)),
            _ => String::new(),
        };
        let city = ["Oslo", "\"Ber\"\"lin\"", "5\" pipe", "São Paulo", "\u{a0}x\u{a0}", ""]
            [random(6) as usize];
        let note = match random(5) {
            0 => format!("\"two{end}lines, {row}\""),
            1 => "\"\"".into(),
            2 => format!("\"closed\"and more {row}"),
            3 => format!("\"\"\"{row}\"\"\""),
            _ => format!("plain {row}"),
        };
        // Numbers to the last rows, far behind what columns are judged by.
        let mixed = if row + 3 == rows { "late".into() } else { format!("0{}", row * 7) };
        let blank = if random(20) == 0 { end } else { "" };
        text += &format!("{number},{when},{city},{note},{},{mixed}{end}{blank}", random(4));
    }
    text
}

fn reading<'a>(options: &'a ReadOptions, decide: &'a crate::data::read::Decide<'a>) -> Reading<'a> {
    Reading::new(options, true, decide)
}

fn read_in(text: &[u8], block: usize, reading: &mut Reading<'_>) -> Result<RawTable> {
    read_blocks(Path::new("a.csv"), Blocks::new(text, b',', block), b',', reading)
}

#[test]
fn blocks_and_threads_change_nothing() {
    let options = ReadOptions::default();
    let decide = |_: &RawTable, _: &Path| Ok(Kinds::new());
    for end in ["\n", "\r\n", "\r"] {
        let text = nasty(3000, end);
        let whole = read_in(text.as_bytes(), 1 << 30, &mut reading(&options, &decide));
        let whole = whole.expect("a table");
        assert_eq!(whole.rows, 3000);
        assert_eq!(whole.mixed(), ["mixed"]);
        assert!(matches!(whole.columns[0].raw, Raw::Parsed(Parsed::Numbers(_))));
        assert!(matches!(whole.columns[1].raw, Raw::Parsed(Parsed::Times(_))));
        // NaN is unlike itself, so tables are compared as they print.
        let whole = format!("{whole:?}");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads");
            // The first block shall hold the rows by which columns are judged.
            for block in [70_000, 70_001, 100_003, 1 << 17] {
                let table = pool
                    .install(|| read_in(text.as_bytes(), block, &mut reading(&options, &decide)));
                assert_eq!(format!("{:?}", table.expect("a table")), whole, "{block} {threads}");
            }
        }
    }
}

#[test]
fn cells_are_those_of_the_csv_crate_in_blocks_of_any_size() {
    let text = nasty(60, "\r\n");
    let options = ReadOptions::default();
    // Nothing but texts, which keep every cell as it is written.
    let names = ["n", "when", "city", "no,te", "code", "mixed"];
    let decide = |_: &RawTable, _: &Path| {
        Ok(names.iter().map(|&name| (name.to_owned(), ColumnKind::Text)).collect())
    };
    let mut reference = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reference.records().map(|row| row.expect("text")).collect();
    for block in 1..400 {
        let table = read_in(text.as_bytes(), block, &mut reading(&options, &decide));
        let table = table.expect("a table");
        assert_eq!(table.rows, rows.len(), "{block}");
        for (at, column) in table.columns.iter().enumerate() {
            let Raw::Texts(texts) = &column.raw else { panic!("texts") };
            for (row, record) in rows.iter().enumerate() {
                let cell = record[at].trim();
                assert_eq!(texts.get(row).unwrap_or_default(), cell, "{block} {row} {at}");
            }
        }
    }
}

#[test]
fn faults_are_named_by_the_row_of_the_file_whatever_the_block() {
    let good = "a,b\n".to_owned() + &"1,2\n".repeat(99);
    let options = ReadOptions::default();
    let numeric = |_: &RawTable, _: &Path| {
        Ok(["a", "b"].map(|name| (name.to_owned(), ColumnKind::Numeric)).into())
    };
    for block in [1, 7, 64, 1 << 20] {
        let fault = |tail: &[u8]| {
            let text = [good.as_bytes(), tail].concat();
            read_in(&text, block, &mut reading(&options, &numeric))
        };
        let ragged = fault(b"1,2,3\n1,2\n").expect_err("ragged");
        assert!(ragged.message().contains("row 100 (line 101) has 3 cells"), "{ragged}");
        let bytes = fault(b"\n1,\xff\n").expect_err("bytes");
        assert!(bytes.message().contains("row 100 column `b` is not UTF-8"), "{bytes}");
        let quote = fault(b"1,\"2\n3\n4,5\n").expect("a cell of three lines");
        let Raw::Parsed(Parsed::Bad(_, bad)) = &quote.columns[1].raw else { panic!("bad") };
        assert_eq!((bad.row, bad.cell.as_str()), (99, "2\n3\n4,5"));
    }
}
