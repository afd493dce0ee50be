//! `mlx runs`: what was trained; list, show, compare, remove.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::cli::Globals;
use crate::cli::runs::{RunsCommand, RunsCompareArgs, RunsRmArgs, RunsShowArgs};
use crate::error::{Context as _, Error, ExitCode, Result};
use crate::metrics::Direction;
use crate::outcome::runs::{
    Compared, ComparedMetric, RunCost, RunRow, RunsCompareOutcome, RunsListOutcome, RunsRmOutcome,
    RunsShowOutcome, describe,
};
use crate::settings;
use crate::sys::clock;
use crate::train::Event;
use crate::train::run::{self, Run, Status};
use crate::ui::Ui;

pub(crate) fn runs(globals: &Globals, command: RunsCommand, ui: &Ui) -> Result<ExitCode> {
    let runs = settings::project(globals, &[])?.runs();
    match command {
        RunsCommand::List(_) => ui.answer(&list(&runs, ui)?),
        RunsCommand::Show(args) => ui.answer(&show(&runs, &args, ui)?),
        RunsCommand::Compare(args) => ui.answer(&compare(&runs, &args, ui)?),
        RunsCommand::Rm(args) => ui.answer(&remove(&runs, &args, ui)?),
    }
}

fn list(runs: &Path, ui: &Ui) -> Result<RunsListOutcome> {
    Ok(RunsListOutcome { runs: all(runs, ui)?.iter().map(row).collect() })
}

fn all(runs: &Path, ui: &Ui) -> Result<Vec<Run>> {
    run::list(runs, &|damaged| ui.warn(damaged))
}

fn row(run: &Run) -> RunRow {
    let manifest = &run.manifest;
    RunRow {
        id: manifest.id.clone(),
        status: manifest.status.name(),
        name: manifest.name.clone(),
        kind: manifest.kind.clone(),
        started: clock::format_ms(manifest.started_ms),
        seconds: manifest.seconds,
        epochs: manifest.epochs,
        best_epoch: manifest.best_epoch,
        valid: manifest.valid.first().cloned(),
    }
}

fn show(runs: &Path, args: &RunsShowArgs, ui: &Ui) -> Result<RunsShowOutcome> {
    let run = match &args.run {
        Some(id) => run::find(runs, id)?,
        None => all(runs, ui)?.into_iter().next().ok_or_else(|| no_run(runs))?,
    };
    Ok(RunsShowOutcome {
        started: clock::format_ms(run.manifest.started_ms),
        ended: run.manifest.ended_ms.map(clock::format_ms),
        folder: run.dir.clone(),
        epochs: epochs(&run)?,
        settings: leaves(&run).into_iter().collect(),
        plot: args.plot,
        run: run.manifest,
    })
}

/// The ends of a run's epochs.
fn epochs(run: &Run) -> Result<Vec<Event>> {
    let mut events = run.events()?;
    events.retain(|event| matches!(event, Event::EpochEnded { .. }));
    Ok(events)
}

fn no_run(runs: &Path) -> Error {
    Error::user(format!("no run in {}", runs.display())).hint("train one: `mlx train`")
}

fn compare(runs: &Path, args: &RunsCompareArgs, ui: &Ui) -> Result<RunsCompareOutcome> {
    let compared = if args.runs.is_empty() {
        all(runs, ui)?.into_iter().take(2).collect()
    } else {
        args.runs.iter().map(|id| run::find(runs, id)).collect::<Result<Vec<_>>>()?
    };
    if compared.len() < 2 {
        return Err(Error::user(format!("{} run to compare, and it takes two", compared.len()))
            .hint("name them: `mlx runs compare RUN RUN`"));
    }
    let settings: Vec<BTreeMap<String, String>> = compared
        .iter()
        .map(|run| {
            let mut known = leaves(run);
            known.insert("kind".into(), run.manifest.kind.clone());
            known.insert("device".into(), run.manifest.device.clone());
            let sources = &run.manifest.sources;
            known.extend(sources.iter().map(|s| (format!("data {}", s.path), describe(s))));
            known
        })
        .collect();
    let keys: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let differences = keys
        .into_iter()
        .map(|key| Compared {
            key: key.clone(),
            values: settings.iter().map(|known| known.get(key).cloned()).collect(),
        })
        .filter(|row| row.values.iter().any(|value| *value != row.values[0]))
        .collect();
    let mut metrics: Vec<ComparedMetric> = Vec::new();
    for (name, _) in compared.iter().flat_map(|run| &run.manifest.valid) {
        if metrics.iter().all(|metric| metric.name != *name) {
            let of = |run: &Run| {
                let mut valid = run.manifest.valid.iter();
                valid.find(|(known, _)| known == name).map(|(_, value)| *value)
            };
            let values: Vec<Option<f64>> = compared.iter().map(of).collect();
            metrics.push(ComparedMetric { name: name.clone(), best: best(name, &values), values });
        }
    }
    let cost = compared.iter().map(|Run { manifest, .. }| RunCost {
        status: manifest.status.name(),
        best_epoch: manifest.best_epoch,
        epochs: manifest.epochs,
        steps: manifest.steps,
        seconds: manifest.seconds,
        peak_memory_bytes: manifest.peak_memory_bytes,
    });
    let cost = cost.collect();
    let curves = args.plot.then(|| compared.iter().map(epochs).collect()).transpose()?;
    let runs = compared.into_iter().map(|run| run.manifest.id).collect();
    Ok(RunsCompareOutcome { runs, differences, metrics, cost, curves })
}

/// The places of the best of these values, which is worth saying of two or more.
fn best(metric: &str, values: &[Option<f64>]) -> Vec<usize> {
    let direction = Direction::of(metric);
    let losses: Vec<Option<f64>> =
        values.iter().map(|value| value.map(|value| direction.loss(value))).collect();
    if losses.iter().flatten().count() < 2 {
        return Vec::new();
    }
    let least = losses.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    (0..losses.len()).filter(|&place| losses[place] == Some(least)).collect()
}

/// The settings that training reads, by dotted key.
fn leaves(run: &Run) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for table in ["data", "columns", "model", "train"] {
        if let Some(value) = run.manifest.settings.get(table) {
            flatten(value, table, &mut found);
        }
    }
    found
}

fn flatten(value: &Value, key: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                flatten(value, &format!("{key}.{name}"), found);
            }
        }
        Value::Null => {}
        Value::Array(values) if values.is_empty() => {}
        value => _ = found.insert(key.to_owned(), value.to_string()),
    }
}

fn remove(runs: &Path, args: &RunsRmArgs, ui: &Ui) -> Result<RunsRmOutcome> {
    // All are found before any is removed: a typo in the second name removes nothing.
    let mut chosen: Vec<Run> =
        args.runs.iter().map(|id| run::find(runs, id)).collect::<Result<_>>()?;
    if let Some(busy) = chosen.iter().find(|run| run.manifest.status == Status::Running) {
        return Err(Error::user(format!("run {} is running", busy.short_id()))
            .hint("stop it first: Ctrl-C where it runs"));
    }
    let mut kept = Vec::new();
    if let Some(age) = &args.older_than {
        let age_ms = clock::parse_duration(age).context(|| "--older-than")?.as_millis() as i64;
        let before_ms = clock::now_ms() - age_ms;
        for run in all(runs, ui)? {
            let manifest = &run.manifest;
            if manifest.ended_ms.unwrap_or(manifest.started_ms) > before_ms {
                continue;
            }
            if manifest.status == Status::Running {
                kept.push(row(&run));
            } else {
                chosen.push(run);
            }
        }
    }
    chosen.sort_by(|a, b| a.manifest.id.cmp(&b.manifest.id));
    chosen.dedup_by(|a, b| a.manifest.id == b.manifest.id);
    if !args.dry_run {
        for run in &chosen {
            run.remove()?;
        }
    }
    Ok(RunsRmOutcome { removed: chosen.iter().map(row).collect(), kept, dry_run: args.dry_run })
}
