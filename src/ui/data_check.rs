//! How `mlx data check` looks.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Text};
use crate::outcome::data_check::DataCheckOutcome;

/// A table of more columns than this is no reading matter.
const SHOWN: usize = 40;

impl Text for DataCheckOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let report = &self.report;
        let mut table = Table::new(["file", "rows"]).right([1]);
        for file in &report.files {
            table.row([file.path.as_str(), &file.rows.to_string()]);
        }
        table.write(page, style);
        if let Some(split) = &report.split {
            let _ = writeln!(
                page,
                "\nsplit: {} to train, {} to validate, {} to test",
                split.train, split.valid, split.test
            );
        }
        page.push('\n');
        self.columns(page, style);
        self.parts(page, style);
        if !report.warnings.is_empty() {
            page.push('\n');
        }
        for warning in &report.warnings {
            let _ = writeln!(page, "{} {}", style.yellow("warning:"), warning.message);
        }
        if !report.notices.is_empty() {
            page.push('\n');
        }
        for notice in &report.notices {
            let _ = writeln!(page, "{} {notice}", style.dim("note:"));
        }
        let verdict = match report.warnings.len() {
            0 => style.green("nothing is wrong with this data"),
            1 => "the data can be used; look at the warning first".into(),
            count => format!("the data can be used; look at the {count} warnings first"),
        };
        let _ = writeln!(page, "\n{verdict}");
    }
}

impl DataCheckOutcome {
    fn columns(&self, page: &mut String, style: Style) {
        let columns = &self.report.columns;
        let header = ["column", "kind", "role", "missing", "distinct", "values"];
        let mut table = Table::new(header).right([3, 4]);
        for column in columns.iter().take(SHOWN) {
            let missing =
                if column.missing > 0.0 { percent(column.missing) } else { "–".to_owned() };
            table.row([
                column.name.as_str(),
                column.kind.name(),
                column.role,
                &missing,
                &column.distinct.to_string(),
                &column.values,
            ]);
        }
        table.write(page, style);
        if columns.len() > SHOWN {
            let _ = writeln!(page, "… and {} more; `--json` has all", columns.len() - SHOWN);
        }
    }

    fn parts(&self, page: &mut String, style: Style) {
        let report = &self.report;
        if !report.classes.is_empty() {
            page.push('\n');
            let mut table = Table::new(["class", "rows", "share", "test rows"]).right([1, 2, 3]);
            for class in report.classes.iter().take(SHOWN) {
                let tested = class.test_rows.map_or_else(|| "–".into(), |rows| rows.to_string());
                let row = [&class.class, &class.rows.to_string(), &percent(class.share), &tested];
                table.row(row);
            }
            table.write(page, style);
        }
        if let Some(series) = &report.series {
            let _ = writeln!(
                page,
                "\n{} series, step {}, {} to {}, {} to {} steps long, {} without a value",
                series.series,
                series.step.trim_start_matches("step "),
                series.first,
                series.last,
                series.shortest,
                series.longest,
                series.gaps
            );
        }
        if let Some(queries) = &report.queries {
            let _ = writeln!(
                page,
                "\n{} queries of {} to {} candidates",
                queries.queries, queries.smallest, queries.largest
            );
        }
    }
}

fn percent(share: f64) -> String {
    // A class of a few rows in a million is not nothing.
    if share > 0.0 && share < 0.0005 { "<0.1 %".into() } else { format!("{:.1} %", share * 100.0) }
}
