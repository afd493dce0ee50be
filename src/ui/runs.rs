//! How `mlx runs` looks.

use std::fmt::Write as _;

use super::live::page_width;
use super::plot::{Curve, number, plot};
use super::table::Table;
use super::train::{made_of, peak_memory};
use super::{Style, Text, size};
use crate::outcome::runs::{
    RunCost, RunRow, RunsCompareOutcome, RunsListOutcome, RunsRmOutcome, RunsShowOutcome, describe,
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
        line("memory", &peak_memory(run.peak_memory_bytes));
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
        if self.plot {
            curves(&lines(None, &self.epochs), page);
        } else {
            epochs(&self.epochs, run.parts.len() > 1, page, style);
        }
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

/// What a curve is of: a part of a run.
struct Line<'a> {
    name: String,
    epochs: Vec<&'a Event>,
}

/// The parts of a run in the order in which they were trained; the run is named where there are others.
fn lines<'a>(run: Option<&str>, events: &'a [Event]) -> Vec<Line<'a>> {
    let mut parts: Vec<(&str, Vec<&Event>)> = Vec::new();
    for event in events {
        let Event::EpochEnded { part, .. } = event else { continue };
        match parts.iter_mut().find(|(known, _)| known == part) {
            Some((_, epochs)) => epochs.push(event),
            None => parts.push((part, vec![event])),
        }
    }
    let several = parts.len() > 1;
    let name = |part: &str| match run {
        Some(run) if several => format!("{} {part}", &run[..8]),
        Some(run) => run[..8].to_owned(),
        None => part.to_owned(),
    };
    parts.into_iter().map(|(part, epochs)| Line { name: name(part), epochs }).collect()
}

/// What draws the lines that share a plot, in their order, again from the first where it ends.
const MARKS: &str = "abcdefghijklmnopqrstuvwxyz";

/// A plot of the training loss, and one of each validation metric.
fn curves(lines: &[Line<'_>], page: &mut String) {
    let marks = || MARKS.chars().cycle();
    for name in plotted(lines) {
        let curves: Vec<Curve> = marks()
            .zip(lines)
            .map(|(mark, line)| Curve { mark, points: points(&line.epochs, name) })
            .collect();
        let said = match lines {
            [line] => at_best(line, &curves[0]),
            _ => {
                let legend = marks().zip(lines).map(|(mark, line)| format!("{mark} {}", line.name));
                format!(": {}", legend.collect::<Vec<_>>().join("  "))
            }
        };
        let title =
            name.map_or_else(|| "training loss".into(), |name| format!("validation {name}"));
        page.push('\n');
        plot(&format!("{title}{said}"), &curves, page_width(), page);
    }
}

/// What a curve came to at the epoch that counts.
fn at_best(line: &Line<'_>, curve: &Curve) -> String {
    let best = line.epochs.iter().rev().find_map(|event| match event {
        Event::EpochEnded { epoch, improved: true, .. } => Some(*epoch),
        _ => None,
    });
    let point = best.and_then(|best| curve.points.iter().find(|(epoch, _)| *epoch == best));
    point.map_or(String::new(), |(epoch, value)| {
        format!(", {} at the best epoch, {epoch}", number(*value))
    })
}

/// What there are curves of: the training loss (none), then validation metrics in the order they come.
fn plotted<'a>(lines: &[Line<'a>]) -> Vec<Option<&'a str>> {
    let mut names = vec![None];
    for event in lines.iter().flat_map(|line| &line.epochs) {
        let Event::EpochEnded { valid, .. } = event else { continue };
        for (name, _) in valid {
            if !names.contains(&Some(name.as_str())) {
                names.push(Some(name));
            }
        }
    }
    names
}

fn points(epochs: &[&Event], name: Option<&str>) -> Vec<(usize, f64)> {
    let point = |event: &&Event| {
        let Event::EpochEnded { epoch, train_loss, valid, .. } = event else { return None };
        let value = match name {
            None => *train_loss,
            Some(name) => valid.iter().find(|(known, _)| known == name)?.1,
        };
        Some((*epoch, value))
    };
    epochs.iter().filter_map(point).collect()
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
            let values = row.values.iter().enumerate().map(|(place, value)| match value {
                // A star, for those who see no colour; a space keeps the digits under each other.
                Some(value) if row.best.contains(&place) => style.bold(&format!("{value:.4}*")),
                Some(value) => format!("{value:.4} "),
                None => "– ".into(),
            });
            table.row(std::iter::once(row.name.clone()).chain(values));
        }
        table.write(page, style);
        page.push('\n');
        self.took(header("took"), page, style);
        if let Some(epochs) = &self.curves {
            let runs = self.runs.iter().zip(epochs);
            let lines: Vec<Line<'_>> =
                runs.flat_map(|(run, epochs)| lines(Some(run), epochs)).collect();
            curves(&lines, page);
        }
    }
}

impl RunsCompareOutcome {
    fn took(&self, header: Vec<String>, page: &mut String, style: Style) {
        let mut table = Table::with_header(header).right(1..=self.runs.len());
        let mut row = |name: &str, of: &dyn Fn(&RunCost) -> String| {
            table.row(std::iter::once(name.to_owned()).chain(self.cost.iter().map(of)));
        };
        row("status", &|cost| cost.status.to_owned());
        row("best epoch", &|cost| format!("{} of {}", cost.best_epoch, cost.epochs));
        row("steps", &|cost| cost.steps.to_string());
        row("seconds", &|cost| format!("{:.1}", cost.seconds));
        row("memory", &|cost| cost.peak_memory_bytes.map_or("–".into(), size));
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
