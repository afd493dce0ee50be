//! What is said at the end of training, or of a plan to train; and the lines of `--json`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::table::Table;
use super::{Style, Text, Ui, size};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::outcome::train::{TrainOutcome, TrainPlanOutcome};
use crate::train::Event;
use crate::train::course::{self, Choice, PartRecord};
use crate::train::event::StopReason;

/// A line of `mlx train --json`: the event, and which shape it has.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

impl Ui {
    pub(crate) fn train_event(&self, event: &Event) -> Result<(), Error> {
        self.event(&Line { schema: TrainOutcome::SCHEMA, event })
    }
}

impl Text for TrainOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let why = match self.reason {
            StopReason::Completed => "all of them were run",
            StopReason::Patience => "validation stopped improving",
            StopReason::Budget if self.locked => "as mlx.lock records",
            StopReason::Budget => "the budget ran out",
        };
        let short = &self.run[..8];
        let name = style.bold(&self.model);
        let memory = peak_memory(self.peak_memory_bytes);
        let _ = match self.parts.len() {
            1 => writeln!(
                page,
                "{name} run {short}: best epoch {} of {} ({why}), {:.1} s, {memory}\n",
                self.best_epoch, self.epochs, self.seconds
            ),
            parts => writeln!(
                page,
                "{name} run {short}: {parts} parts ({why}), {:.1} s, {memory}\n",
                self.seconds
            ),
        };
        if let Some(choice) = &self.choice {
            made_of(choice, &self.parts, page, style);
        }
        let mut table = Table::new(["validation", "value"]).right([1]);
        for (name, value) in &self.valid {
            table.row([name.clone(), format!("{value:.4}")]);
        }
        table.write(page, style);
        let _ = writeln!(page, "\npackage  {}", shown(&self.package));
        let _ = writeln!(page, "digest   {}", self.package_digest);
        let _ = writeln!(page, "next     mlx eval run:{short}");
    }
}

/// The members of a model with what each is worth, beside the whole and the baselines.
pub(super) fn made_of(choice: &Choice, parts: &[PartRecord], page: &mut String, style: Style) {
    let metric = choice.metric.as_str();
    let mut table = Table::new(["model", "share", metric, "best epoch"]).right([1, 2, 3]);
    let one = choice.members.len() == 1;
    let used = course::used(parts);
    for member in &choice.members {
        let own = || used.iter().filter(|part| part.member == member.part);
        let part = own().next().filter(|_| own().count() == 1);
        let epoch = part.map_or_else(
            || format!("{} folds", own().count()),
            |part| format!("{} of {}", part.best_epoch, part.epochs),
        );
        let share = format!("{:.0} %", 100.0 * member.weight);
        table.row([member.part.clone(), share, format!("{:.4}", member.value), epoch]);
    }
    let mut line = |name: &str, value: f64| {
        table.row([name.to_owned(), String::new(), format!("{value:.4}"), String::new()]);
    };
    if !one {
        line("together", choice.value);
    }
    for (name, value) in &choice.baselines {
        line(name, *value);
    }
    table.write(page, style);
    page.push('\n');
}

/// The memory that a run took, or that nobody knows.
pub(super) fn peak_memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "memory unknown on this system".into(),
        |bytes| format!("{} of memory at its peak", size(bytes)),
    )
}

/// A path as seen from the working folder, where it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

impl Text for TrainPlanOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let [train, valid, test] = self.rows;
        let _ = writeln!(
            page,
            "{} would train {} on {}\n",
            style.bold(&self.model),
            self.kind,
            self.device
        );
        for source in &self.sources {
            let _ = writeln!(page, "data        {}, {} rows", source.path, source.rows);
        }
        let _ = writeln!(page, "rows        {train} train, {valid} valid, {test} test");
        for part in &self.parts {
            let which = if self.parts.len() > 1 {
                format!("\n{}, {}\n", part.part, part.about)
            } else {
                String::new()
            };
            let _ = writeln!(
                page,
                "{which}units       {} train, {} valid\nparameters  {}",
                part.train_units, part.valid_units, part.parameters
            );
            let _ = writeln!(
                page,
                "steps       batches of {}, learning rate {}, weight decay {}, seed {}",
                part.batch, part.learning_rate, part.weight_decay, part.seed
            );
            if let Some(step) = part.last_step {
                let _ = writeln!(page, "end         step {step}, as mlx.lock records");
            }
        }
        if !self.locked {
            let _ = writeln!(
                page,
                "end         {} epochs at most, patience {}",
                self.max_epochs, self.patience
            );
        }
        page.push('\n');
        let mut table = Table::new(["column", "kind"]);
        for (name, kind) in &self.columns {
            table.row([name.as_str(), kind.name()]);
        }
        table.write(page, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_shape_first() {
        let event = Event::Interrupted { part: "mlp".into(), epoch: 2, step: 3 };
        let line = serde_json::to_string(&Line { schema: TrainOutcome::SCHEMA, event: &event });
        let line = line.expect("JSON");
        assert_eq!(
            line,
            r#"{"schema":"mlx.train/2","event":"interrupted","part":"mlp","epoch":2,"step":3}"#
        );
        // What is written is what a run's own lines are read as, with or without it.
        assert_eq!(serde_json::from_str::<Event>(&line).expect("an event"), event);
    }
}
