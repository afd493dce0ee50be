//! How `mlx eval` looks.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Text};
use crate::outcome::eval::{EvalOutcome, Task};

impl Text for EvalOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let evaluation = &self.evaluation;
        let _ = writeln!(page, "{} on {}, {}\n", style.bold(&self.model), self.data, self.size());

        let mut header = vec!["metric".to_owned(), "model".to_owned()];
        header.extend(evaluation.baselines.iter().cloned());
        header.push("uplift".to_owned());
        let columns = header.len();
        let mut table = Table::with_header(header).right(1..columns);
        for metric in &evaluation.metrics {
            let mut row = vec![metric.name.clone(), number(metric.value)];
            row.extend(evaluation.baselines.iter().map(|name| number(metric.baselines[name])));
            row.push(match metric.uplift {
                Some(uplift) if uplift < 0.0 => style.red(&percent(uplift)),
                Some(uplift) => style.green(&percent(uplift)),
                None => "–".to_owned(),
            });
            table.row(row);
        }
        table.write(page, style);

        page.push('\n');
        let main = evaluation.metrics.first().map_or("the main metric", |metric| &metric.name);
        let verdict = if evaluation.beats_baselines {
            style.green(&format!("better than every baseline on {main}"))
        } else {
            style.yellow(&format!("not better than every baseline on {main}"))
        };
        let _ = writeln!(page, "{verdict}");
        for notice in &evaluation.notices {
            let _ = writeln!(page, "{} {notice}", style.dim("note:"));
        }
    }
}

impl EvalOutcome {
    /// `768 rows of 50 queries`.
    fn size(&self) -> String {
        let (unit, group) = match self.evaluation.task {
            Task::Classification => ("rows", ""),
            Task::Forecasting => ("targets", "series"),
            Task::Ranking => ("rows", "queries"),
        };
        match self.evaluation.groups {
            Some(groups) => format!("{} {unit} of {groups} {group}", self.evaluation.rows),
            None => format!("{} {unit}", self.evaluation.rows),
        }
    }
}

/// Four significant digits, and a dash for what is undefined.
fn number(value: Option<f64>) -> String {
    const DIGITS: i32 = 4;
    let Some(value) = value else { return "–".to_owned() };
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (DIGITS - 1 - magnitude).clamp(0, 8) as usize;
    format!("{value:.decimals$}")
}

/// A share of the baseline. Of one that is near nothing, more digits would say no more.
fn percent(share: f64) -> String {
    const MOST: f64 = 10.0;
    match share {
        share if share > MOST => "> +1000%".to_owned(),
        share if share < -MOST => "< -1000%".to_owned(),
        share => format!("{:+.1}%", 100.0 * share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        for (value, text) in [
            (0.847_123, "0.8471"),
            (0.012_345, "0.01235"),
            (1234.6, "1235"),
            (0.0, "0.000"),
            (1.0, "1.000"),
        ] {
            assert_eq!(number(Some(value)), text);
        }
        assert_eq!(number(None), "–");
        assert_eq!(percent(-0.0312), "-3.1%");
        assert_eq!(percent(0.125), "+12.5%");
        assert_eq!(percent(-3.96), "-396.0%");
        assert_eq!(percent(-1e15), "< -1000%");
        assert_eq!(percent(42.0), "> +1000%");
    }
}
