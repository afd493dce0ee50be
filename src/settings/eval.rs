//! What `mlx eval` was asked to do.

use std::path::PathBuf;

use super::{Project, find_project, working_folder};
use crate::cli::Globals;
use crate::cli::eval::EvalArgs;
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub(crate) struct EvalSettings {
    pub model: Option<String>,
    pub data: EvalSource,
    pub project: Option<Project>,
    pub globals: Globals,
}

/// What to evaluate on.
#[derive(Clone, Debug)]
pub(crate) enum EvalSource {
    TestSplit,
    /// The file as it was typed, and where it is.
    File {
        name: String,
        path: PathBuf,
    },
}

impl EvalSettings {
    pub(crate) fn new(globals: &Globals, args: &EvalArgs) -> Result<Self> {
        let project = find_project(globals, &args.set)?;
        let data = match &args.data {
            Some(file) => EvalSource::File {
                name: file.display().to_string(),
                path: if file.as_os_str() == "-" {
                    file.clone()
                } else {
                    working_folder(globals)?.join(file)
                },
            },
            None if project.is_none() => {
                return Err(Error::user("there is no project here whose test split to evaluate on")
                    .hint("name a file: `mlx eval MODEL --data FILE`, or go to a project: `mlx -C DIR eval`"));
            }
            None => EvalSource::TestSplit,
        };
        Ok(Self { model: args.model.clone(), data, project, globals: globals.clone() })
    }
}
