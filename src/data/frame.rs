//! A table as one JSON document of `columns` and `data`: the "split" orient of pandas, and so the shape of MLflow's input examples.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::formats::{Format, check_names};
use super::print::printers;
use super::raw::{Raw, RawColumn, RawTable};
use super::read::Gathered;
use super::table::Origin;
use super::texts::Texts;

use super::{ReadOptions, Table};
use crate::error::{Error, Result};

/// The document of a table, one row a line.
pub(crate) fn to_json(table: &Table) -> String {
    let names = table.columns.iter().map(|column| column.name.as_str());
    let mut text = format!("{{\"columns\": {}, \"data\": [", names.collect::<Value>());
    let printers = printers(table);
    for row in 0..table.rows {
        text.push_str(if row > 0 { ",\n[" } else { "\n[" });
        for (at, printer) in printers.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            printer.print_json(row, &mut text);
        }
        text.push(']');
    }
    text.push_str("\n]}\n");
    text
}

#[derive(Deserialize)]
struct Document {
    columns: Vec<String>,
    data: Vec<Vec<Value>>,
}

/// The table of a document; `name` is what errors call it.
///
/// Its cells are read as a file's would be, so that a document scores as the file did.
pub(crate) fn from_json(json: &[u8], name: &Path, options: &ReadOptions) -> Result<Table> {
    let damaged = |why: String| Error::file("read", name, why);
    let document: Document =
        serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
    check_names(name, document.columns.iter().map(String::as_str))?;
    let width = document.columns.len();
    let mut cells = vec![Texts::default(); width];
    for (row, values) in document.data.iter().enumerate() {
        if values.len() != width {
            return Err(damaged(format!(
                "row {} has {} cells for {width} columns",
                row + 1,
                values.len()
            )));
        }
        for ((cells, value), column) in cells.iter_mut().zip(values).zip(&document.columns) {
            match value {
                Value::Null => cells.push(""),
                Value::String(text) => cells.push(text),
                Value::Bool(_) | Value::Number(_) => cells.push_display(value),
                Value::Array(_) | Value::Object(_) => {
                    return Err(damaged(format!(
                        "row {} column `{column}` holds {value}",
                        row + 1
                    )));
                }
            }
        }
    }
    let columns = document
        .columns
        .into_iter()
        .zip(cells)
        .map(|(name, cells)| RawColumn { name, raw: Raw::Texts(cells.finish()), text: false })
        .collect();
    let rows = document.data.len();
    let gathered = Gathered {
        raw: RawTable { columns, rows, decimal: None },
        sources: Vec::new(),
        origin: Origin { files: vec![(name.to_owned(), rows)], ..Origin::default() },
        // JSON's numbers have one way to be written, whatever the training file's.
        format: Format::JsonLines,
        kinds: options.kinds.clone(),
    };
    Ok(gathered.resolve(options)?.table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Column, ColumnKind, Values, table::MISSING_TIME};

    fn table() -> Table {
        let column = |name: &str, kind, values| Column { name: name.into(), kind, values };
        let code = |code| if code == 9 { super::super::table::MISSING } else { code };
        let names = super::super::Dictionary {
            codes: [0, 9, 1].map(code).to_vec(),
            levels: ["007", "\"a\", b"].into_iter().collect(),
        };
        let columns = vec![
            column("x", ColumnKind::Numeric, Values::Numbers(vec![0.1 + 0.2, f64::NAN, -1e-300])),
            column("who", ColumnKind::Categorical, Values::Texts(names)),
            column(
                "when",
                ColumnKind::Timestamp,
                Values::Times(vec![86_400_000_000, MISSING_TIME, 0]),
            ),
        ];
        let mut table = Table { columns, rows: 3, ..Table::default() };
        table.origin.time_formats.insert("when".into(), "%d.%m.%Y".into());
        table
    }

    #[test]
    fn a_table_comes_back_to_the_last_bit() {
        let table = table();
        let text = to_json(&table);
        assert_eq!(
            text,
            "{\"columns\": [\"x\",\"who\",\"when\"], \"data\": [\n[0.30000000000000004, \"007\", \"02.01.1970\"],\n[null, null, null],\n[-1e-300, \"\\\"a\\\", b\", \"01.01.1970\"]\n]}\n"
        );
        let options = ReadOptions { kinds: table.kinds(), ..ReadOptions::default() };
        let again = from_json(text.as_bytes(), Path::new("a.json"), &options).unwrap();
        // NaN is unlike itself, so columns are compared as they print.
        assert_eq!(format!("{:?}", again.columns), format!("{:?}", table.columns));
        assert_eq!(again.rows, 3);
    }

    #[test]
    fn what_is_no_frame_says_where() {
        for (text, why) in [
            ("{\"columns\": [\"a\"], \"data\": [[1], [1, 2]]}", "row 2 has 2 cells for 1 columns"),
            ("{\"columns\": [\"a\"], \"data\": [[[1]]]}", "row 1 column `a` holds [1]"),
            ("{\"columns\": [\"a\", \"a\"], \"data\": []}", "both named `a`"),
            ("[]", "a.json"),
        ] {
            let read = from_json(text.as_bytes(), Path::new("a.json"), &ReadOptions::default());
            let error = read.unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }
}
