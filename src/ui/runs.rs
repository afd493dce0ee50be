//! How `mlx runs` looks.

use std::fmt::Write as _;

use super::table::Table;
use super::train::made_of;
use super::{Style, Text};
use crate::outcome::runs::{
    RunRow, RunsCompareOutcome, RunsListOutcome, RunsRmOutcome, RunsShowOutcome, describe,
};
use crate::train::Event;

/// Epochs that `show` lists: the last ones tell how it ended.
const SHOWN_EPOCHS: usize = 10;

impl Text for RunsListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.runs.is_empty() {
            page.push_str("no runs yet: `mlx train` makes one\n");
            return;
        }
        table(&self.runs).write(page, style);
    }
}

fn table(runs: &[RunRow]) -> Table {
    let header = ["run", "status", "kind", "started", "epochs", "best", "validation"];
    let mut table = Table::new(header).right([4, 5]);
    for run in runs {
        let valid = run.valid.as_ref();
        table.row([
            run.id[..8].to_owned(),
            run.status.to_owned(),
            run.kind.clone(),
            run.started.clone(),
            run.epochs.to_string(),
            run.best_epoch.to_string(),
            valid.map_or("–".into(), |(name, value)| format!("{name} {value:.4}")),
        ]);
    }
    table
}

impl Text for RunsShowOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let run = &self.run;
        let _ = writeln!(page, "{} run {}\n", style.bold(&run.name), run.id);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(page, "{name:9} {value}");
        };
        line("status", run.status.name());
        if let Some(error) = &run.error {
            line("error", error);
        }
        line("started", &self.started);
        if let Some(ended) = &self.ended {
            line("ended", ended);
        }
        line("kind", &format!("{} ({})", run.kind, run.task.name()));
        line("device", &run.device);
        line("seed", &run.seed.to_string());
        if let Some(git) = &run.git {
            line(
                "commit",
                &format!("{}{}", git.commit, if git.dirty { ", with changes" } else { "" }),
            );
        }
        for source in &run.sources {
            line("data", &format!("{}: {}", source.path, describe(source)));
        }
        line(
            "epochs",
            &format!(
                "{}, the best is {}, {} steps, {:.1} s",
                run.epochs, run.best_epoch, run.steps, run.seconds
            ),
        );
        line("folder", &self.folder.display().to_string());
        if let Some(digest) = &run.package_digest {
            line("package", digest);
        }
        if !run.valid.is_empty() {
            page.push('\n');
            let mut metrics = Table::new(["validation", "value"]).right([1]);
            for (name, value) in &run.valid {
                metrics.row([name.clone(), format!("{value:.4}")]);
            }
            metrics.write(page, style);
        }
        if let Some(choice) = &run.choice {
            page.push('\n');
            made_of(choice, &run.parts, page, style);
        }
        for part in run.parts.iter().filter_map(|part| Some((&part.name, part.left_out.as_ref()?)))
        {
            let _ = writeln!(page, "{} is left out: {}", part.0, part.1);
        }
        epochs(&self.epochs, run.parts.len() > 1, page, style);
        page.push('\n');
        let mut settings = Table::new(["setting", "value"]);
        for (key, value) in &self.settings {
            settings.row([key, value]);
        }
        settings.write(page, style);
    }
}

fn epochs(events: &[Event], several: bool, page: &mut String, style: Style) {
    if events.is_empty() {
        return;
    }
    page.push('\n');
    let mut table = Table::new(["epoch", "loss", "validation", "best"]).right([0, 1, 3]);
    for event in &events[events.len().saturating_sub(SHOWN_EPOCHS)..] {
        if let Event::EpochEnded { part, epoch, train_loss, valid, best_epoch, .. } = event {
            let valid =
                valid.first().map_or(String::new(), |(name, value)| format!("{name} {value:.4}"));
            table.row([
                if several { format!("{part} {epoch}") } else { epoch.to_string() },
                format!("{train_loss:.4}"),
                valid,
                best_epoch.to_string(),
            ]);
        }
    }
    table.write(page, style);
}

impl Text for RunsCompareOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let header = |first: &str| {
            let ids = self.runs.iter().map(|id| id[..8].to_owned());
            std::iter::once(first.to_owned()).chain(ids).collect::<Vec<_>>()
        };
        if self.differences.is_empty() {
            page.push_str("no setting and no data differs\n");
        } else {
            let mut table = Table::with_header(header("differs"));
            for row in &self.differences {
                let values = row.values.iter().map(|v| v.clone().unwrap_or_else(|| "–".into()));
                table.row(std::iter::once(row.key.clone()).chain(values));
            }
            table.write(page, style);
        }
        page.push('\n');
        let mut table = Table::with_header(header("validation")).right(1..=self.runs.len());
        for row in &self.metrics {
            let values =
                row.values.iter().map(|v| v.map_or("–".into(), |value| format!("{value:.4}")));
            table.row(std::iter::once(row.name.clone()).chain(values));
        }
        table.write(page, style);
    }
}

impl Text for RunsRmOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.removed.is_empty() {
            page.push_str("no run to remove\n");
        } else {
            page.push_str(if self.dry_run { "would remove\n" } else { "removed\n" });
            table(&self.removed).write(page, style);
        }
        if !self.kept.is_empty() {
            page.push_str("kept, for they are running\n");
            table(&self.kept).write(page, style);
        }
    }
}
