//! A project's data as read: three tables that share no row, and the digests of the files behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ColumnKind, DataSettings, Stream, Table, Task};

/// A file that was read, by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// As `mlx.toml` names it; a glob gives one source a file.
    pub path: String,
    pub sha256: String,
    pub size_bytes: u64,
    pub rows: usize,
}

impl Source {
    /// Whether this is a file that `name`, a path or a glob of `mlx.toml`, means.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.path == name
            || glob::Pattern::new(name).is_ok_and(|pattern| pattern.matches(&self.path))
    }
}

/// What a project trains on.
///
/// The three tables have the same columns of the same kinds and share no row. For
/// forecasting they follow each other in time: `train` then `valid` then `test`, and each is the
/// history of the next.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    pub train: Table,
    pub valid: Table,
    pub test: Table,
    /// Where rows are streamed, all of them: `train` is then a sample of those that train, `valid` all that
    /// validate, and `test` is empty.
    pub stream: Option<Arc<Stream>>,
    pub sources: Vec<Source>,
    /// What the reader noticed that the user should know, such as columns left out and why.
    pub notices: Vec<String>,
}

impl Dataset {
    /// How many rows train, validate and test.
    pub(crate) fn rows(&self) -> [usize; 3] {
        match &self.stream {
            Some(stream) => [stream.rows.train, stream.rows.valid, stream.rows.test],
            None => [&self.train, &self.valid, &self.test].map(|table| table.rows),
        }
    }

    /// The kind of every column, decided and inferred: what new files are read by.
    pub(crate) fn kinds(&self) -> BTreeMap<String, ColumnKind> {
        self.train.kinds()
    }

    /// The columns to learn from, in the order of the file.
    pub(crate) fn features(&self, settings: &DataSettings, task: Task) -> Vec<String> {
        features(&self.train, settings, task)
    }
}

/// Columns of numbers, names, truths and times that have no other part to play.
pub(super) fn features(table: &Table, settings: &DataSettings, task: Task) -> Vec<String> {
    let mut taken: Vec<&str> = vec![&settings.target];
    taken.extend(settings.id.iter().map(String::as_str));
    match task {
        Task::Classification => {}
        Task::Forecasting => {
            let named = settings.known_future.iter().chain(&settings.static_columns);
            return named.cloned().collect();
        }
        Task::Ranking => {
            taken.extend(settings.query.as_deref());
            taken.extend(settings.relevance.as_deref());
        }
    }
    table
        .columns
        .iter()
        .filter(|column| column.kind.is_feature() && !taken.contains(&column.name.as_str()))
        .map(|column| column.name.clone())
        .collect()
}
