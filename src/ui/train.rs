//! How training looks while it goes, and what is said at its end.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::table::Table;
use super::{Style, Text, Ui};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::outcome::train::{TrainOutcome, TrainPlanOutcome};
use crate::train::Event;
use crate::train::course::{Choice, PartRecord};
use crate::train::event::StopReason;

/// A bar on a terminal, a line an epoch elsewhere, an event a line with `--json`.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    max_epochs: usize,
    bar: Option<ProgressBar>,
    /// How many parts the run has.
    parts: usize,
    /// What is said of a run before its one part.
    run: String,
    /// The part that trains, where there are several.
    part: String,
    /// What the last epoch came to, shown beside the bar of the next.
    last: String,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui, max_epochs: usize) -> Self {
        let bar = ui.live.then(|| {
            let style = ProgressStyle::with_template(
                "{prefix} {bar:24} {pos}/{len}, epoch ends in {eta}  {msg}",
            );
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            ui,
            max_epochs,
            bar,
            parts: 1,
            run: String::new(),
            part: String::new(),
            last: String::new(),
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        if self.ui.json {
            if !matches!(event, Event::StepEnded { .. }) {
                // A reader that went away does not end the training.
                let _ = self.ui.train_event(event);
            }
            return;
        }
        match event {
            Event::Started { run, model, device, parts, .. } => {
                self.parts = parts.len();
                let short = &run[..8];
                if parts.len() == 1 {
                    // Its one part says the rest.
                    self.run = format!("training {model} on {device}: run {short}, ");
                } else {
                    let parts = parts.join(", ");
                    self.ui.note(&format!(
                        "training {model} on {device}: run {short}, {parts} in turn"
                    ));
                }
            }
            Event::PartStarted {
                part,
                number,
                train_units,
                valid_units,
                parameters,
                from_epoch,
                budget_seconds,
                notices,
                ..
            } => {
                for notice in notices {
                    self.ui.note(notice);
                }
                let from = match from_epoch {
                    0 => String::new(),
                    epoch => format!(", resumed after epoch {epoch}"),
                };
                // Trees have none.
                let size = match parameters {
                    0 => String::new(),
                    count => format!(", {count} parameters"),
                };
                let what = if self.parts == 1 {
                    std::mem::take(&mut self.run)
                } else {
                    self.part = format!("{part} ");
                    let time =
                        budget_seconds.map_or(String::new(), |s| format!(" for {s:.1} s at most"));
                    format!("{part} ({number} of {}){time}: ", self.parts)
                };
                self.ui.note(&format!(
                    "{what}{train_units} to learn from, {valid_units} to validate on{size}{from}"
                ));
                self.last.clear();
            }
            Event::StepEnded { epoch, step, steps, loss } => {
                if let Some(bar) = &self.bar {
                    if *step == 1 {
                        bar.reset();
                    }
                    bar.set_length(*steps as u64);
                    bar.set_prefix(format!("{}epoch {epoch}/{}", self.part, self.max_epochs));
                    bar.set_position(*step as u64);
                    bar.set_message(format!("loss {loss:.4}{}", self.last));
                }
            }
            Event::EpochEnded {
                epoch,
                train_loss,
                valid,
                best_epoch,
                seconds,
                rows_per_second,
                ..
            } => {
                let watched = valid
                    .first()
                    .map_or(String::new(), |(name, value)| format!("  {name} {value:.4}"));
                let speed = format!("  best {best_epoch}  {rows_per_second:.0} rows/s");
                if self.bar.is_some() {
                    self.last = format!(
                        "{watched}{speed}{}",
                        rest_of_run(self.max_epochs.saturating_sub(*epoch), *seconds)
                    );
                } else {
                    self.ui.note(&format!(
                        "{}epoch {epoch}/{}  loss {train_loss:.4}{watched}{speed}  {seconds:.1} s",
                        self.part, self.max_epochs
                    ));
                }
            }
            Event::PartLeftOut { part, why } => {
                self.ui.warn(&format!("{part} is left out: {why}"));
            }
            Event::PartEnded { part, epochs, best_epoch, valid, seconds, .. } => {
                if self.parts > 1 {
                    let watched = valid
                        .first()
                        .map_or(String::new(), |(name, value)| format!(", {name} {value:.4}"));
                    self.ui.note(&format!(
                        "{part}: best epoch {best_epoch} of {epochs}{watched}, {seconds:.1} s"
                    ));
                }
            }
            // What is chosen is a part of the answer.
            Event::Chosen { .. }
            | Event::Interrupted { .. }
            | Event::Finished { .. }
            | Event::Error { .. } => {}
        }
    }

    /// Take the bar away: what follows is the answer, or why there is none.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// How long the run may still take, were every epoch to come as long as the last.
fn rest_of_run(epochs: usize, epoch_seconds: f64) -> String {
    let rest = Duration::try_from_secs_f64(epoch_seconds * epochs as f64);
    rest.map_or(String::new(), |rest| format!("  run ends in {:#} at most", HumanDuration(rest)))
}

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
        let _ = match self.parts.len() {
            1 => writeln!(
                page,
                "{name} run {short}: best epoch {} of {} ({why}), {:.1} s\n",
                self.best_epoch, self.epochs, self.seconds
            ),
            parts => {
                writeln!(page, "{name} run {short}: {parts} parts ({why}), {:.1} s\n", self.seconds)
            }
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
    for member in &choice.members {
        let part = parts.iter().find(|part| part.name == member.part);
        let epoch =
            part.map_or(String::new(), |part| format!("{} of {}", part.best_epoch, part.epochs));
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
    fn the_rest_of_a_run_is_that_of_all_its_epochs() {
        assert_eq!(rest_of_run(40, 3.0), "  run ends in 2m at most");
        assert_eq!(rest_of_run(0, 3.0), "  run ends in 0s at most");
        assert_eq!(rest_of_run(40, f64::INFINITY), "");
    }

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
