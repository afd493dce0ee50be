//! A table into a file, whole or not at all, or to standard output.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::formats::{Format, to_batch, unpacked};
use super::storage::is_stdin;
use super::table::Origin;
use super::{Column, Table, Values};
use crate::error::{Error, Result};
use crate::sys::files;

/// Write a table as its file's name says, or as `format` where it says none; `-` is standard output,
/// CSV by default.
pub(crate) fn write(path: &Path, format: Option<&str>, table: &Table) -> Result<()> {
    let format = match Format::said(path, format)? {
        Some(format) => format,
        None if is_stdin(path) => Format::Csv,
        None => Format::of_name(path).ok_or_else(|| {
            Error::file("write", path, "its name says no format")
                .hint("name it .csv, .jsonl or .parquet, or give `--output-format`")
        })?,
    };
    let content = match format {
        Format::Csv => csv(table, delimiter(path))?,
        Format::JsonLines => json_lines(table).into_bytes(),
        Format::Parquet => parquet(table)?,
        Format::Arrow => arrow(table)?,
        Format::Svmlight => {
            return Err(Error::file("write", path, "mlx reads svmlight and does not write it")
                .hint("name it .csv, .jsonl or .parquet"));
        }
    };
    if is_stdin(path) {
        return to_stdout(&content);
    }
    let content = pack(path, content)?;
    if is_special(path) {
        return std::fs::write(path, &content).map_err(|error| Error::io("write", path, &error));
    }
    files::write_atomic(path, &content)
}

/// A pipe or a device, such as `/dev/stdout`: written to, where a file would be replaced.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn delimiter(path: &Path) -> u8 {
    if unpacked(path).extension().is_some_and(|extension| extension == "tsv") {
        b'\t'
    } else {
        b','
    }
}

fn csv(table: &Table, delimiter: u8) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::bug(format!("cannot write CSV: {error}"));
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer
        .write_record(table.columns.iter().map(|column| &column.name))
        .map_err(|error| failed(&error))?;
    let printers: Vec<Printer<'_>> = printers(table);
    let mut cell = String::new();
    for row in 0..table.rows {
        for printer in &printers {
            cell.clear();
            printer.print(row, &mut cell);
            writer.write_field(&cell).map_err(|error| failed(&error))?;
        }
        writer.write_record(None::<&[u8]>).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

fn json_lines(table: &Table) -> String {
    let keys: Vec<String> = table
        .columns
        .iter()
        .map(|column| serde_json::Value::from(column.name.as_str()).to_string())
        .collect();
    let printers = printers(table);
    let (mut text, mut cell) = (String::new(), String::new());
    for row in 0..table.rows {
        text.push('{');
        for (at, (key, printer)) in keys.iter().zip(&printers).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            cell.clear();
            printer.print_json(row, &mut cell);
            let _ = write!(text, "{comma}{key}:{cell}");
        }
        text.push_str("}\n");
    }
    text
}

fn parquet(table: &Table) -> Result<Vec<u8>> {
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Compression;
    use parquet::file::properties::WriterProperties;

    let failed = |error| Error::bug(format!("cannot write Parquet: {error}"));
    let batch = to_batch(table)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut content = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut content, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(content)
}

fn arrow(table: &Table) -> Result<Vec<u8>> {
    let failed = |error| Error::bug(format!("cannot write Arrow: {error}"));
    let batch = to_batch(table)?;
    let mut writer =
        arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    writer.into_inner().map_err(failed)
}

/// How the cells of one column are printed.
pub(super) struct Printer<'a> {
    column: &'a Column,
    origin: &'a Origin,
}

pub(super) fn printers(table: &Table) -> Vec<Printer<'_>> {
    table.columns.iter().map(|column| Printer { column, origin: &table.origin }).collect()
}

impl Printer<'_> {
    fn print(&self, row: usize, cell: &mut String) {
        if self.column.values.is_missing(row) {
            return;
        }
        match &self.column.values {
            Values::Numbers(values) => number(values[row], cell),
            Values::Texts(texts) => cell.push_str(texts.get(row).unwrap_or_default()),
            Values::Times(values) => {
                cell.push_str(&self.origin.time_text(&self.column.name, values[row]));
            }
        }
    }

    /// As a JSON value.
    pub(super) fn print_json(&self, row: usize, json: &mut String) {
        match &self.column.values {
            values if values.is_missing(row) => json.push_str("null"),
            Values::Numbers(values) => number(values[row], json),
            Values::Texts(_) | Values::Times(_) => {
                let mut cell = String::new();
                self.print(row, &mut cell);
                let _ = write!(json, "{}", serde_json::Value::from(cell));
            }
        }
    }
}

/// The shortest digits that read back as the same number.
fn number(value: f64, cell: &mut String) {
    let size = value.abs();
    let _ = if size != 0.0 && !(1e-5..1e16).contains(&size) {
        write!(cell, "{value:e}")
    } else {
        write!(cell, "{value}")
    };
}

fn pack(path: &Path, content: Vec<u8>) -> Result<Vec<u8>> {
    let failed = |error| Error::file("write", path, error);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&content).and_then(|()| encoder.finish()).map_err(failed)
        }
        Some("zst") => zstd::encode_all(content.as_slice(), 0).map_err(failed),
        _ => Ok(content),
    }
}

/// A reader that has gone away ends the output quietly.
fn to_stdout(content: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::user(format!("cannot write to standard output: {error}"))
                .hint("make room where it goes, or name a file"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ReadOptions, read};

    #[test]
    fn every_format_gives_back_the_table_it_was_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let text = "when,x,y,who\n2024-01-01T10:00:00Z,0.1,1,\"a,b\"\n2024-01-02T10:00:00Z,,2,c\n2024-01-03T10:00:00Z,1e-9,3,\n";
        std::fs::write(path("in.csv"), text).expect("a file");
        let options = ReadOptions::default();
        let table = read(&path("in.csv"), &options).expect("a table");
        for name in ["a.csv", "a.csv.gz", "a.csv.zst", "a.tsv", "a.jsonl", "a.parquet", "a.arrow"] {
            write(&path(name), None, &table).expect(name);
            let again = read(&path(name), &options).expect(name);
            assert_eq!(again.rows, 3, "{name}");
            for (first, second) in table.columns.iter().zip(&again.columns) {
                assert_eq!(first.kind, second.kind, "{name} {}", first.name);
                // NaN is unlike itself, so columns are compared as they print.
                assert_eq!(format!("{:?}", first.values), format!("{:?}", second.values), "{name}");
            }
        }
        write(&path("b.csv"), None, &table).expect("written");
        let written = std::fs::read_to_string(path("b.csv")).expect("text");
        assert_eq!(written, text);
    }
}
