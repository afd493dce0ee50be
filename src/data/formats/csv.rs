//! CSV: the delimiter found out, quotes, ragged rows refused by number.

use std::path::Path;

use super::check_names;
use crate::data::ReadOptions;
use crate::data::raw::{Cells, Raw, RawColumn, RawTable};
use crate::data::storage::{Input, read_failed};
use crate::error::{Error, Result};

pub(super) fn read(input: Input, options: &ReadOptions) -> Result<RawTable> {
    let delimiter = match options.delimiter {
        Some(sign) => u8::try_from(sign).map_err(|_| {
            Error::user(format!("`data.delimiter` is `{sign}`, which is not one byte"))
                .hint("use one of `,` `;` `|` or a tab")
        })?,
        None => sniff(&input.head),
    };
    let (name, stream) = input.stream();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // Ragged rows are ours to report: the crate's message knows no file.
        .flexible(true)
        .has_headers(false)
        .from_reader(stream);

    let mut record = csv::ByteRecord::new();
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => read_failed(&name, &error),
        kind => Error::file("read", &name, format!("it is not CSV: {kind:?}")),
    };
    reader.read_byte_record(&mut record).map_err(failed)?;
    let header: Vec<String> = record
        .iter()
        .enumerate()
        .map(|(at, cell)| {
            text(cell).map(str::to_owned).ok_or_else(|| {
                not_utf8(&name, &format!("the name of column {} is not UTF-8 text", at + 1))
            })
        })
        .collect::<Result<_>>()?;
    check_names(&name, header.iter().map(String::as_str))?;

    let mut columns = vec![Cells::default(); header.len()];
    let mut rows = 0;
    while reader.read_byte_record(&mut record).map_err(failed)? {
        rows += 1;
        if record.len() != columns.len() {
            return Err(ragged(&name, rows, &record, columns.len()));
        }
        for (at, (cell, column)) in record.iter().zip(&mut columns).enumerate() {
            let Some(cell) = text(cell) else {
                let what = format!("row {rows} column `{}` is not UTF-8 text", header[at]);
                return Err(not_utf8(&name, &what));
            };
            column.push(cell);
        }
    }
    let decimal = options.decimal.or_else(|| decimal(&columns, delimiter));
    let columns = header
        .into_iter()
        .zip(columns)
        .map(|(name, cells)| RawColumn { name, raw: Raw::Cells(cells), text: false })
        .collect();
    Ok(RawTable { columns, rows, decimal })
}

/// A cell without the spaces around it.
fn text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok().map(str::trim)
}

fn not_utf8(name: &Path, what: &str) -> Error {
    let file = name.display();
    Error::file("read", name, what)
        .hint(format!("save it as UTF-8, such as: `iconv -f WINDOWS-1252 -t UTF-8 {file}`"))
}

fn ragged(name: &Path, row: usize, record: &csv::ByteRecord, expected: usize) -> Error {
    let line = record.position().map_or(0, csv::Position::line);
    let error = Error::file(
        "read",
        name,
        format!(
            "row {row} (line {line}) has {} cells where the header has {expected}",
            record.len()
        ),
    );
    if record.iter().any(|cell| cell.contains(&b'\n')) {
        return error.hint("a quote that opens in this row may never close");
    }
    error
        .hint("a cell that holds the delimiter needs quotes; another delimiter is `data.delimiter`")
}

/// The delimiter that cuts the first rows into equally many cells, the most of them.
fn sniff(head: &[u8]) -> u8 {
    const ROWS: usize = 50;
    let mut best = (0, b',');
    for delimiter in [b',', b';', b'\t', b'|'] {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(head);
        let mut widths: Vec<usize> =
            reader.byte_records().take(ROWS).flatten().map(|record| record.len()).collect();
        // The head may end inside its last row.
        if widths.len() > 1 && widths.len() < ROWS {
            widths.pop();
        }
        let width = widths.first().copied().unwrap_or(0);
        let alike = widths.iter().filter(|&&other| other == width).count();
        // A ragged row is for the reader to report; it shall not turn the choice.
        let fits = width > 1 && alike * 10 >= widths.len() * 9;
        let score = if fits { width * 2 } else { usize::from(width > 1) };
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// A comma, where numbers are written with one and none with a point.
fn decimal(columns: &[Cells], delimiter: u8) -> Option<char> {
    const ROWS: usize = 1000;
    if delimiter == b',' {
        return None;
    }
    let (mut commas, mut points) = (0, 0);
    for column in columns {
        for cell in column.iter().take(ROWS) {
            let digits = cell.trim_start_matches(['-', '+']);
            let Some((whole, part)) = digits.split_once([',', '.']) else { continue };
            let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !whole.is_empty() && !part.is_empty() && all_digits(whole) && all_digits(part) {
                if digits.contains(',') { commas += 1 } else { points += 1 }
            }
        }
    }
    (commas > points).then_some(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_rows_alike() {
        assert_eq!(sniff(b"a,b,c\n1,2,3\n4,5,6\n"), b',');
        assert_eq!(sniff(b"a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n"), b';');
        assert_eq!(sniff(b"a\tb\n\"x,y\"\t2\n3,3\t4\n"), b'\t');
        assert_eq!(sniff(b"a|b\n1|2\n"), b'|');
        assert_eq!(sniff(b"only\n1\n2\n"), b',');
        assert_eq!(sniff(b"a,b\n1,2\n3,4,5\n6,7\n"), b',');
    }

    #[test]
    fn a_decimal_comma_is_seen_only_where_it_cannot_be_the_delimiter() {
        let mut cells = Cells::default();
        cells.push("1,5");
        cells.push("-12,25");
        assert_eq!(decimal(&[cells.clone()], b';'), Some(','));
        assert_eq!(decimal(&[cells], b','), None);
    }
}
