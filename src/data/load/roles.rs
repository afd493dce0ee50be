//! What settings say of columns: that they are there, which part each plays, and so what it has to hold.

use std::path::Path;

use super::LoadRequest;
use crate::data::numbers::number;
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::read::Kinds;
use crate::data::table::no_column;
use crate::data::{ColumnKind, DataSettings, Layout, ReadOptions, Task};
use crate::error::{Error, Result};

/// Everything that the settings name is there.
pub(in crate::data) fn check_settings(
    request: &LoadRequest<'_>,
    names: &[&str],
    file: &Path,
) -> Result<()> {
    let settings = request.settings;
    let wide = request.task == Task::Forecasting && settings.layout == Layout::Wide;
    let say = |key: &str, why: &str, example: &str| {
        Error::user(format!("`data.{key}` is not set: {why}"))
            .hint(format!("name it in mlx.toml: `[data]` `{key} = {example}`"))
    };
    if settings.label().is_empty() && !wide {
        let example = names.last().copied().unwrap_or("y");
        return Err(say("target", "the column to predict", &format!("\"{example}\"")));
    }
    match request.task {
        Task::Classification => {}
        Task::Forecasting => {
            if settings.time.is_none() {
                return Err(say("time", "a forecast needs a column of times", "\"ds\""));
            }
            if settings.horizon.is_none_or(|horizon| horizon == 0) {
                return Err(say("horizon", "how many steps to forecast", "28"));
            }
        }
        Task::Ranking => {
            if settings.query.is_none() {
                return Err(say("query", "the column that groups candidates", "\"query_id\""));
            }
        }
    }
    let mut wanted: Vec<&str> = settings.id.iter().map(String::as_str).collect();
    if !wide {
        wanted.push(settings.label());
        wanted.extend(settings.series.iter().map(String::as_str));
    }
    wanted.extend(settings.time.as_deref());
    wanted.extend(settings.query.as_deref());
    wanted.extend(settings.known_future.iter().map(String::as_str));
    wanted.extend(settings.static_columns.iter().map(String::as_str));
    wanted.extend(settings.split.group.as_deref());
    wanted.extend(settings.split.time.as_deref());
    wanted.extend(request.columns.keys().map(String::as_str));
    if request.task == Task::Forecasting {
        check_covariate_roles(settings)?;
    }
    let file = file.display().to_string();
    for name in wanted {
        if !names.contains(&name) {
            return Err(no_column(&file, name, names.iter().copied()));
        }
    }
    let shares = settings.split.test + settings.split.valid;
    let is_share = |share: f64| (0.0..1.0).contains(&share);
    if !is_share(settings.split.test) || !is_share(settings.split.valid) || shares >= 1.0 {
        return Err(Error::user(format!(
            "`data.split` holds out {} and {} of the rows, which leaves none to learn from",
            settings.split.test, settings.split.valid
        ))
        .hint("shares are between 0 and 1, such as `split = { test = 0.2, valid = 0.1 }`"));
    }
    Ok(())
}

/// A covariate plays no other part, and is named once.
fn check_covariate_roles(settings: &DataSettings) -> Result<()> {
    let named = settings.known_future.iter().chain(&settings.static_columns);
    for (at, name) in named.clone().enumerate() {
        let part = if *name == settings.target {
            "the target"
        } else if settings.time.as_ref() == Some(name) {
            "the time"
        } else if settings.series.contains(name) {
            "one of data.series"
        } else if settings.id.contains(name) {
            "one of data.id"
        } else if named.clone().take(at).any(|other| other == name) {
            "named twice"
        } else {
            continue;
        };
        let key = if at < settings.known_future.len() { "known_future" } else { "static" };
        return Err(Error::user(format!("data.{key} names `{name}`, which is {part}"))
            .hint("a covariate is a column of its own, and is in one of data.known_future and data.static"));
    }
    Ok(())
}
/// What columns are by the part they play, and by `[columns]`, which wins where both can be.
pub(in crate::data) fn kinds(request: &LoadRequest<'_>, raw: &RawTable) -> Kinds {
    let settings = request.settings;
    let mut kinds = ReadOptions::new(settings, request.columns).kinds;
    for time in settings.time.iter().chain(&settings.split.time) {
        let numeric = raw.column(time).is_some_and(|column| match &column.raw {
            Raw::Numbers(_) => true,
            Raw::Times { .. } | Raw::Parsed(_) => false,
            Raw::Texts(texts) => {
                let is_number =
                    |row| texts.get(row).is_some_and(|cell| number(cell, None).is_some());
                !column.text && (0..raw.rows.min(100)).all(is_number)
            }
        });
        let kind = if numeric { ColumnKind::Numeric } else { ColumnKind::Timestamp };
        let said = request.columns.get(time).copied();
        kinds.insert(
            time.clone(),
            said.filter(|kind| matches!(kind, ColumnKind::Numeric | ColumnKind::Timestamp))
                .unwrap_or(kind),
        );
    }
    let label = settings.label().to_owned();
    match request.task {
        Task::Classification => {
            kinds.insert(label, ColumnKind::Categorical);
        }
        Task::Ranking => {
            kinds.insert(label, ColumnKind::Numeric);
        }
        Task::Forecasting if settings.layout == Layout::Long => {
            kinds.insert(label, ColumnKind::Numeric);
        }
        Task::Forecasting => {
            let is_series = |column: &&RawColumn| !settings.known_future.contains(&column.name);
            for column in raw.columns.iter().filter(is_series) {
                kinds.entry(column.name.clone()).or_insert(ColumnKind::Numeric);
            }
        }
    }
    kinds
}
