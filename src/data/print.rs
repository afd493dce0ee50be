//! The cells of a table as text: lines of CSV and of JSON.

use std::fmt::Write as _;

use super::table::Origin;
use super::{Column, Table, Values};
use crate::error::{Error, Result};

/// The line of column names.
pub(super) fn csv_header(table: &Table, delimiter: u8) -> Result<Vec<u8>> {
    let mut writer = csv_writer(delimiter);
    writer
        .write_record(table.columns.iter().map(|column| &column.name))
        .map_err(|error| cannot_print(&error))?;
    writer.into_inner().map_err(|error| cannot_print(&error))
}

/// A line a row.
pub(super) fn csv(table: &Table, delimiter: u8) -> Result<Vec<u8>> {
    let mut writer = csv_writer(delimiter);
    let printers = printers(table);
    let mut cell = String::new();
    for row in 0..table.rows {
        for printer in &printers {
            cell.clear();
            printer.print(row, &mut cell);
            writer.write_field(&cell).map_err(|error| cannot_print(&error))?;
        }
        writer.write_record(None::<&[u8]>).map_err(|error| cannot_print(&error))?;
    }
    writer.into_inner().map_err(|error| cannot_print(&error))
}

fn csv_writer(delimiter: u8) -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new())
}

fn cannot_print(error: &dyn std::fmt::Display) -> Error {
    Error::bug(format!("cannot write CSV: {error}"))
}

/// An object a row.
pub(super) fn json_lines(table: &Table) -> String {
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
