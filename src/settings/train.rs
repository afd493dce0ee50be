//! `mlx train`: flags and the project as one plan of a run.

use std::path::PathBuf;

use super::{Origin, Project, project, working_folder};
use crate::cli::Globals;
use crate::cli::train::TrainArgs;
use crate::error::Result;

/// What `mlx train` was asked to do.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub project: Project,
    pub start: Start,
    pub dry_run: bool,
    /// The folder that TensorBoard reads, absolute: the run remembers it.
    pub tensorboard: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Fresh,
    /// Fresh, and only if nothing differs from `mlx.lock`.
    Locked,
    /// The run of this id, or the latest interrupted one.
    Resume(Option<String>),
}

pub(crate) fn train(globals: &Globals, args: TrainArgs) -> Result<RunSettings> {
    let mut overrides = args.set;
    let mut flags = Vec::new();
    let mut named = |flag: &'static str, key: &str, value: Option<String>| {
        if let Some(value) = value {
            overrides.push(format!("{key}={value}"));
            flags.push((key.to_owned(), Origin::Flag(flag)));
        }
    };
    named("--device", "train.device", args.device);
    named("--seed", "train.seed", args.seed.map(|seed| seed.to_string()));
    named("--budget", "train.budget", args.budget);
    named("--threads", "train.threads", args.threads.map(|threads| threads.to_string()));
    named("--max-epochs", "train.max_epochs", args.max_epochs.map(|epochs| epochs.to_string()));
    let start = match args.resume {
        Some(id) => Start::Resume((!id.is_empty()).then_some(id)),
        None if args.locked => Start::Locked,
        None => Start::Fresh,
    };
    let mut project = project(globals, &overrides)?;
    project.origins.extend(flags);
    let here = working_folder(globals)?;
    let tensorboard = args.tensorboard.map(|dir| here.join(dir));
    Ok(RunSettings { project, start, dry_run: args.dry_run, tensorboard })
}
