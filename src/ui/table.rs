//! Tables of text: a header, columns two spaces apart, no lines. Numbers stand to the right.

use std::fmt::Write as _;

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::Style as Lines;
use tabled::settings::{Alignment, Padding};

use super::Style;

/// Rows of text under a header.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self::with_header(header.iter().map(ToString::to_string).collect())
    }

    pub(crate) fn with_header(header: Vec<String>) -> Self {
        Self { header, rows: Vec::new(), right: Vec::new() }
    }

    /// Columns that hold numbers, counted from 0.
    #[must_use]
    pub(crate) fn right(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.right.extend(columns);
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        // A cell is one line of its row, whatever a column of somebody's data is named.
        let one_line = |cell: String| cell.replace(['\n', '\r'], " ");
        self.rows.push(cells.into_iter().map(|cell| one_line(cell.into())).collect());
    }

    pub(crate) fn write(&self, page: &mut String, style: Style) {
        let mut builder = Builder::default();
        builder.push_record(self.header.iter().map(|name| style.dim(name)));
        for row in &self.rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        table.with(Lines::empty()).with(Padding::new(0, 2, 0, 0));
        for &column in &self.right {
            table.modify(Columns::one(column), Alignment::right());
        }
        // Padding of the last column would be spaces at the ends of lines.
        for line in table.to_string().lines() {
            let _ = writeln!(page, "{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_where_text_does() {
        let mut table = Table::new(["metric", "value"]).right([1]);
        table.row(["auc", "0.91"]);
        table.row(["logloss", "12.5"]);
        let mut page = String::new();
        table.write(&mut page, Style { colour: false });
        assert_eq!(page, "metric   value\nauc       0.91\nlogloss   12.5\n");
    }

    #[test]
    fn colour_takes_no_room() {
        let written = |style: Style| {
            let mut table = Table::new(["metric", "value", "verdict"]).right([1]);
            table.row(["größe".into(), "0.91".into(), style.green("pass")]);
            table.row(["字".into(), style.red("-12.5%"), style.red("fail")]);
            let mut page = String::new();
            table.write(&mut page, style);
            page
        };
        let (plain, coloured) = (written(Style { colour: false }), written(Style { colour: true }));
        assert_eq!(plain, "metric   value  verdict\ngröße     0.91  pass\n字      -12.5%  fail\n");
        assert!(coloured.contains("\u{1b}[2mmetric"), "{coloured:?}");
        let mut seen = coloured;
        for code in ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m"] {
            seen = seen.replace(code, "");
        }
        assert_eq!(seen, plain);
    }
}
