//! A template: its files in memory, whoever wrote them, and the files that it becomes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::data::Task;

/// Files that become a project.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub name: String,
    /// The task that it is made for; a team's template may leave it to the command line.
    pub task: Option<Task>,
    pub variables: BTreeMap<String, Variable>,
    pub files: Vec<TemplateFile>,
}

/// What a team's template asks for: `--var NAME=VALUE`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Variable {
    pub description: Option<String>,
    /// Absent: the variable must be given.
    pub default: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplateFile {
    /// Inside the project, with `/` between names.
    pub path: String,
    pub content: Vec<u8>,
    /// Text with `{{ … }}` in it; anything else is copied as it is.
    pub rendered: bool,
    pub executable: bool,
    /// One line on why a project has this file.
    pub why: String,
}

/// A file of the project to be.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    /// Inside the project, with `/` between names.
    pub path: String,
    pub content: Content,
    pub executable: bool,
    pub why: String,
    /// Not part of the first commit, since `.gitignore` names it.
    pub ignored: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// The same bytes as this file's, which may be too many for memory.
    CopyOf(PathBuf),
}

impl ProjectFile {
    pub(crate) fn size_bytes(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::CopyOf(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Content::CopyOf(_) => None,
        }
    }
}
