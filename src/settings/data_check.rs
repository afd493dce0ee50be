//! `mlx data check`: which data, and what is known of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Layers;
use crate::cli::Globals;
use crate::cli::data::DataCheckArgs;
use crate::data::{ColumnKind, DataSettings, Means, Task};
use crate::error::{Error, Result};

pub(crate) struct DataCheckSettings {
    /// The folder that paths are relative to.
    pub root: PathBuf,
    /// None for a file of which nobody said what it is for.
    pub task: Option<Task>,
    pub data: DataSettings,
    pub columns: BTreeMap<String, ColumnKind>,
    pub means: Means,
}

pub(crate) fn data_check(globals: &Globals, args: &DataCheckArgs) -> Result<DataCheckSettings> {
    let Some(file) = &args.file else {
        let project = super::project(globals, &args.set)?;
        let means = project.means()?;
        let settings = project.settings;
        return Ok(DataCheckSettings {
            root: project.root,
            task: Some(settings.project.task),
            data: settings.data,
            columns: settings.columns,
            means,
        });
    };
    let root = super::working_folder(globals)?;
    let named = |data: DataSettings| DataSettings {
        train: file.to_string_lossy().into_owned(),
        test: None,
        ..data
    };
    if let Some(project) = super::find_project(globals, &args.set)? {
        let means = project.means()?;
        let settings = project.settings;
        return Ok(DataCheckSettings {
            root,
            task: Some(settings.project.task),
            data: named(settings.data),
            columns: settings.columns,
            means,
        });
    }
    let Loose { data, columns } = loose(&args.set)?;
    // Without a project there is no folder to keep anything in.
    let means = super::means(None)?;
    Ok(DataCheckSettings { root, task: task(&data), data: named(data), columns, means })
}

/// What `--set` says where there is no project.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Loose {
    data: DataSettings,
    columns: BTreeMap<String, ColumnKind>,
}

fn loose(overrides: &[String]) -> Result<Loose> {
    let mut layers = Layers::default();
    layers.command_line(overrides)?;
    Loose::deserialize(layers.table)
        .map_err(|error| Error::usage(format!("--set: {}", error.to_string().trim_end())))
}

fn task(data: &DataSettings) -> Option<Task> {
    if data.query.is_some() {
        Some(Task::Ranking)
    } else if data.horizon.is_some() {
        Some(Task::Forecasting)
    } else if !data.target.is_empty() {
        Some(Task::Classification)
    } else {
        None
    }
}
