//! A project's data: read, checked against what the project says of it, and split three ways.

mod checks;
mod divide;
mod moments;
mod roles;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::checks::{check_covariates, check_test, like};
use super::cache::{About, Kept, Question};
use super::raw::RawTable;
use super::read::{Decide, Gathered, Resolved};
use super::settings::Split;
use super::storage::{Local, Storage as _};
use super::{
    ColumnKind, DataSettings, Dataset, Means, ReadOptions, Source, Table, Task, demand, stream,
};
use crate::error::{Error, Result};

pub(super) use self::checks::{check_target, unseen_class};
pub(super) use self::divide::divide;
pub(super) use self::roles::{check_settings, kinds};

/// Which data to load, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadRequest<'a> {
    pub task: Task,
    pub settings: &'a DataSettings,
    /// What `[columns]` says; the rest is inferred over the training file.
    pub columns: &'a BTreeMap<String, ColumnKind>,
    /// The folder that paths are relative to.
    pub root: &'a Path,
    pub means: &'a Means,
}

/// Read the training file and the test file, where there is one, and hold rows out.
///
/// What columns are is inferred over the training file alone; the test file is read by it.
pub(crate) fn load(request: &LoadRequest<'_>) -> Result<Dataset> {
    if request.settings.stream {
        return stream::load(request);
    }
    let files = Files::read(request)?;
    let Files { train, test, sources, mut notices } = files;
    let parts = divide(request, &train, test.is_some(), &mut notices)?;
    let held_out = match test {
        Some(test) => test,
        None => train.take(&parts.test),
    };
    Ok(Dataset {
        valid: train.take(&parts.valid),
        train: train.take(&parts.train),
        test: held_out,
        stream: None,
        sources,
        notices,
    })
}

/// The files of a project, typed and checked, before rows are held out.
#[derive(Debug)]
pub(crate) struct Files {
    pub train: Table,
    pub test: Option<Table>,
    pub sources: Vec<Source>,
    pub notices: Vec<String>,
}

impl Files {
    pub(crate) fn read(request: &LoadRequest<'_>) -> Result<Self> {
        let settings = request.settings;
        let storage = Local { root: request.root.to_owned() };
        let mut options = ReadOptions::new(settings, request.columns);
        options.strict = true;
        let files = Names::of(settings).files(&storage).unwrap_or_default();
        demand::check(&storage, &files, &options, request)?;

        let mut read = Reading { request, storage: &storage, sources: vec![], notices: vec![] };
        let train = read.train(&options)?;
        check_target(request, &train)?;
        if request.task == Task::Forecasting {
            check_covariates(settings, &train)?;
        }
        let mut test = None;
        if let Some(name) = &settings.test {
            options.kinds = train.kinds();
            let table = read.table(name, &options, None)?.table;
            let table = like(&train, table, settings, &mut read.notices)?;
            check_test(request, &train, &table, &mut read.notices)?;
            test = Some(table);
        }
        let Reading { sources, notices, .. } = read;
        Ok(Self { train, test, sources, notices })
    }
}

/// The files that settings name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub train: &'a str,
    pub test: Option<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(settings: &'a DataSettings) -> Self {
        Self { train: &settings.train, test: settings.test.as_deref() }
    }

    /// All of them, globs resolved.
    pub(super) fn files(&self, storage: &Local) -> Result<Vec<PathBuf>> {
        let mut files = storage.find(Path::new(self.train))?;
        if let Some(test) = self.test {
            files.extend(storage.find(Path::new(test))?);
        }
        Ok(files)
    }
}

/// Files on their way into tables, read or found in the cache.
struct Reading<'a> {
    request: &'a LoadRequest<'a>,
    storage: &'a Local,
    sources: Vec<Source>,
    notices: Vec<String>,
}

impl Reading<'_> {
    /// The training file, whose kinds are decided here.
    fn train(&mut self, options: &ReadOptions) -> Result<Table> {
        let request = self.request;
        let decide = |beginning: &RawTable, file: &Path| {
            let names: Vec<&str> =
                beginning.columns.iter().map(|column| column.name.as_str()).collect();
            check_settings(request, &names, file)?;
            Ok(kinds(request, beginning))
        };
        let Resolved { table, notices } =
            self.table(&request.settings.train, options, Some(&decide))?;
        // A zone is said once, of the training file.
        self.notices.extend(notices);
        // Of what is kept from another day, today's settings may ask for something else.
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let first = table.origin.files.first().map_or(Path::new(""), |(file, _)| file);
        check_settings(request, &names, first)?;
        Ok(table)
    }

    fn table(
        &mut self,
        name: &str,
        options: &ReadOptions,
        decide: Option<&Decide<'_>>,
    ) -> Result<Resolved> {
        let question = Question {
            storage: self.storage,
            files: self.storage.find(Path::new(name))?,
            how: serde_json::json!([
                format!("{options:?}"),
                decide.map(|_| (self.request.task, what_decides_kinds(self.request.settings))),
            ]),
        };
        let cache = self.request.means.cache.as_ref();
        if let Some(cache) = cache
            && let Some(Kept { mut tables, about }) = cache.find(&question, &mut self.notices)
            && let Some(table) = tables.pop()
        {
            self.sources.extend(about.sources);
            return Ok(Resolved { table, notices: about.notices });
        }
        let as_told = |_: &RawTable, _: &Path| Ok(options.kinds.clone());
        let gathered = Gathered::read_deciding(
            self.storage,
            Path::new(name),
            options,
            decide.unwrap_or(&as_told),
        )?;
        let (sources, is_text) = (gathered.sources.clone(), gathered.format.is_text());
        let Resolved { table, notices } = gathered.resolve(options)?;
        let about = About { sources, notices, more: serde_json::Value::Null };
        let mut kept = Kept { tables: vec![table], about };
        if let Some(cache) = cache.filter(|_| is_text) {
            cache.keep(&question, &kept, &mut self.notices);
        }
        self.sources.extend(kept.about.sources);
        let table = kept.tables.pop().ok_or_else(|| Error::bug("a table went missing"))?;
        Ok(Resolved { table, notices: kept.about.notices })
    }
}

/// The settings but for those that have no part in what the cells of a file become.
fn what_decides_kinds(settings: &DataSettings) -> DataSettings {
    let split = Split { time: settings.split.time.clone(), ..Split::default() };
    DataSettings {
        train: String::new(),
        test: None,
        split,
        positive: None,
        horizon: None,
        frequency: None,
        season: None,
        ..settings.clone()
    }
}
