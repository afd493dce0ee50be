//! Data that is larger than memory: a sample of its rows as tables, and every row again whenever it is asked for.
//!
//! Nobody holds all rows, so which part a row belongs to is read off its number alone: each has a lot, a number of a
//! random stream at the row's own place, and the shares of the split are where lots are cut. One pass over the files
//! (the [`survey`]) draws the sample that kinds, preprocessing and baselines are fitted on, and the rows to validate
//! by; later passes read typed tables of some rows at a time. The passes are over any format; CSV and Parquet are
//! never whole in memory.

mod survey;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kept, Question};
use super::load::{LoadRequest, Names, check_settings, check_target};
use super::parts::{Chunk, each_chunk};
use super::raw::RawTable;
use super::read::Reading;
use super::storage::{Local, Storage as _};
use super::{Dataset, ReadOptions, Source, SplitKind, Table, Task};
use crate::error::{Error, Result};
use crate::sys::files;
use crate::sys::random::{Purpose, numbers};

/// Rows that are read again and again, some at a time.
#[derive(Debug)]
pub(crate) struct Stream {
    storage: Local,
    train: PathBuf,
    /// Absent: lots say which rows test.
    test: Option<PathBuf>,
    /// The kind of every column is decided.
    options: ReadOptions,
    lots: Lots,
    pub rows: StreamRows,
    sources: Vec<Source>,
    stamps: Vec<Stamp>,
    cache: Option<Cache>,
}

/// How many rows each part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRows {
    pub train: usize,
    pub valid: usize,
    pub test: usize,
}

/// The part of the data that a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Train,
    Valid,
    Test,
}

/// Where lots are cut: the lowest test, those after them validate, the others train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lots {
    seed: u64,
    test: u64,
    valid: u64,
}

impl Lots {
    pub(super) fn new(seed: u64, test: f64, valid: f64) -> Self {
        let all = u64::MAX as f64;
        Self { seed, test: (test * all) as u64, valid: ((test + valid) * all) as u64 }
    }

    fn role(&self, lot: u64) -> Role {
        if lot < self.test {
            Role::Test
        } else if lot < self.valid {
            Role::Valid
        } else {
            Role::Train
        }
    }

    /// The lots of rows that follow each other, numbered over all files.
    fn of(&self, first: usize, count: usize) -> Vec<u64> {
        numbers(self.seed, Purpose::Lots, first as u64, count)
    }

    /// Those of a chunk that are of this part, counted from its first.
    fn pick(&self, chunk: &Chunk<'_>, role: Role) -> Vec<usize> {
        let lots = self.of(chunk.overall, chunk.raw.rows);
        (0..lots.len()).filter(|&row| self.role(lots[row]) == role).collect()
    }
}

/// What a file looks like from outside: enough to notice that somebody writes to it.
#[derive(Clone, Debug, PartialEq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

fn stamps(storage: &Local, names: &Names<'_>) -> Result<Vec<Stamp>> {
    let mut stamps = Vec::new();
    for file in names.files(storage)? {
        let place = storage.place(&file).ok_or_else(|| {
            Error::user(format!(
                "{} can't be read more than once, as `data.stream` does",
                file.display()
            ))
            .hint("write it to a file first")
        })?;
        let about = place.metadata().map_err(|error| Error::file("read", &file, error))?;
        stamps.push(Stamp { size: about.len(), modified: about.modified().ok() });
    }
    Ok(stamps)
}

/// An error where files are no longer what they were; `read` is the one that it names.
fn unchanged(storage: &Local, names: &Names<'_>, before: &[Stamp], read: &Path) -> Result<()> {
    if stamps(storage, names)? == before {
        return Ok(());
    }
    Err(Error::file("read", read, "it was changed while it was read")
        .hint("try again when nobody writes to it"))
}

/// The data of a project that is streamed. The tables of the answer are a sample of the rows that train and the rows
/// that validate; those that test are read when they are asked for.
pub(super) fn load(request: &LoadRequest<'_>) -> Result<Dataset> {
    check_streamable(request)?;
    let settings = request.settings;
    let storage = Local { root: request.root.to_owned() };
    let names = Names::of(settings);
    let mut options = ReadOptions::new(settings, request.columns);
    options.strict = true;

    let stamps = stamps(&storage, &names)?;
    let mut notices = Vec::new();
    let question = Question {
        storage: &storage,
        files: names.files(&storage)?,
        how: serde_json::json!(["stream", format!("{options:?}"), request.task, settings]),
    };
    let cache = request.means.cache.as_ref();
    let found = cache.and_then(|cache| cache.find(&question, &mut notices));
    let kept = match found {
        Some(kept) => kept,
        None => {
            let kept = survey::survey(request, &storage, &options)?;
            // What was seen of a file that changed meanwhile is not what its digest says.
            unchanged(&storage, &names, &stamps, Path::new(&settings.train))?;
            if let Some(cache) = cache {
                cache.keep(&question, &kept, &mut notices);
            }
            kept
        }
    };
    let Kept { tables, about } = kept;
    let [train, valid] =
        <[Table; 2]>::try_from(tables).map_err(|_| Error::bug("a survey is two tables"))?;
    let (lots, rows): (Lots, StreamRows) = serde_json::from_value(about.more)
        .map_err(|error| Error::bug(format!("a survey that says nothing: {error}")))?;
    let columns: Vec<&str> = train.columns.iter().map(|column| column.name.as_str()).collect();
    check_settings(request, &columns, Path::new(&settings.train))?;
    check_target(request, &train)?;

    notices.extend(about.notices);
    notices.push(format!(
        "streaming {} rows: preprocessing and baselines are fitted on {} of them, {} validate and {} test",
        rows.train, train.rows, rows.valid, rows.test
    ));
    options.kinds = train.kinds();
    let stream = Stream {
        storage,
        train: names.train.into(),
        test: names.test.map(Into::into),
        options,
        lots,
        rows,
        sources: about.sources.clone(),
        stamps,
        cache: cache.cloned(),
    };
    Ok(Dataset {
        train,
        valid,
        test: Table::default(),
        stream: Some(Arc::new(stream)),
        sources: about.sources,
        notices,
    })
}

/// What takes all rows at once has a way that doesn't.
fn check_streamable(request: &LoadRequest<'_>) -> Result<()> {
    let task = request.task;
    if task != Task::Classification {
        return Err(Error::user(format!(
            "`data.stream` is for classification, and this is {}",
            task.name()
        ))
        .hint("leave it out: the rows of a series or a query are needed together"));
    }
    let kind = match request.settings.split.kind {
        SplitKind::Random => return Ok(()),
        SplitKind::Time => "time",
        SplitKind::Group => "group",
    };
    Err(Error::user(format!("`data.stream` and a split by {kind} don't go together: it takes all rows at once"))
        .hint("put the rows to test on in a file of their own, `data.test`, and let the others be split at random"))
}

impl Stream {
    /// What `work` makes of the rows that train, in the order of the files, some at a time on all cores. Tables have
    /// the columns that are wanted.
    pub(crate) fn train_rows<T: Send>(
        &self,
        wanted: &(dyn Fn(&str) -> bool + Sync),
        work: &(dyn Fn(&Table) -> Result<T> + Sync),
        take: &mut (dyn FnMut(T) -> Result<()> + Send),
    ) -> Result<()> {
        self.pass(&self.train, Some(Role::Train), wanted, work, take)
    }

    /// The same with the rows that test.
    pub(crate) fn test_rows<T: Send>(
        &self,
        wanted: &(dyn Fn(&str) -> bool + Sync),
        work: &(dyn Fn(&Table) -> Result<T> + Sync),
        take: &mut (dyn FnMut(T) -> Result<()> + Send),
    ) -> Result<()> {
        match &self.test {
            Some(test) => self.pass(test, None, wanted, work, take),
            None => self.pass(&self.train, Some(Role::Test), wanted, work, take),
        }
    }

    fn pass<T: Send>(
        &self,
        name: &Path,
        role: Option<Role>,
        wanted: &(dyn Fn(&str) -> bool + Sync),
        work: &(dyn Fn(&Table) -> Result<T> + Sync),
        take: &mut (dyn FnMut(T) -> Result<()> + Send),
    ) -> Result<()> {
        let Self { options, lots, .. } = self;
        let decide = |_: &RawTable, _: &Path| Ok(options.kinds.clone());
        let work = |chunk: Chunk<'_>| -> Result<Option<T>> {
            let rows = role.map(|role| lots.pick(&chunk, role));
            if rows.as_ref().is_some_and(Vec::is_empty) {
                return Ok(None);
            }
            let table = chunk.table(&options.kinds, options)?;
            match rows {
                Some(rows) => work(&table.pick(&rows, |column| wanted(&column.name))),
                None => work(&table),
            }
            .map(Some)
        };
        let mut take = |done: Option<T>| done.map_or(Ok(()), &mut *take);
        let mut reading = Reading::new(options, false, &decide);
        each_chunk(&self.storage, name, &mut reading, wanted, &work, &mut take)?;
        let names =
            Names { train: path(&self.train)?, test: self.test.as_deref().map(path).transpose()? };
        unchanged(&self.storage, &names, &self.stamps, name)
    }

    /// Where a file of what was made of the rows in this way belongs; absent without a project's folder.
    pub(crate) fn place_of(&self, how: &serde_json::Value) -> Option<PathBuf> {
        let cache = self.cache.as_ref()?;
        let digests: Vec<&str> = self.sources.iter().map(|source| source.sha256.as_str()).collect();
        let all = serde_json::json!([digests, format!("{:?}", self.options), self.lots, how]);
        Some(cache.rows(&files::digest_bytes(all.to_string().as_bytes())))
    }

    /// Remove what was not used for longest, to make room for this file.
    pub(crate) fn make_room(&self, kept: &Path) {
        if let Some(cache) = &self.cache {
            cache.make_room(kept);
        }
    }
}

fn path(name: &Path) -> Result<&str> {
    name.to_str().ok_or_else(|| Error::bug("a name from settings is text"))
}

#[cfg(test)]
mod tests;
