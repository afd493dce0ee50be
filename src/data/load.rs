//! A project's data: read, checked against what the project says of it, and split three ways.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::cache::{About, Kept, Question};
use super::demand;
use super::numbers::number;
use super::raw::{Raw, RawColumn, RawTable};
use super::read::{Decide, Gathered, Kinds, Resolved};
use super::settings::Split;
use super::split::{self, Parts, Shares};
use super::storage::{Local, Storage as _};
use super::stream;
use super::table::{MISSING, MISSING_TIME, no_column};
use super::texts::Levels;
use super::{
    Column, ColumnKind, DataSettings, Dataset, Dictionary, Layout, Means, ReadOptions, Source,
    SplitKind, Table, Task, Values,
};
use crate::error::{Error, Result, closest};

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

/// Everything that the settings name is there.
pub(super) fn check_settings(request: &LoadRequest<'_>, names: &[&str], file: &Path) -> Result<()> {
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

/// Covariates are numbers, names or truths.
fn check_covariates(settings: &DataSettings, train: &Table) -> Result<()> {
    let known = settings.known_future.iter().map(|name| ("known_future", name));
    let fixed = settings.static_columns.iter().map(|name| ("static", name));
    for (key, name) in known.chain(fixed) {
        let kind = train.require(name)?.kind;
        let what = match kind {
            ColumnKind::Numeric | ColumnKind::Categorical | ColumnKind::Boolean => continue,
            ColumnKind::Ignore => "is left out",
            ColumnKind::Timestamp => "holds times",
            ColumnKind::Text => "reads like free text",
            ColumnKind::Id => "reads like an id",
        };
        return Err(Error::user(format!("data.{key} names `{name}`, which {what}")).hint(format!(
            "covariates are numbers, names or booleans: say which under [columns], such as: {name} = \"categorical\", or leave it out of data.{key}"
        )));
    }
    Ok(())
}

/// What columns are by the part they play, and by `[columns]`, which wins where both can be.
pub(super) fn kinds(request: &LoadRequest<'_>, raw: &RawTable) -> Kinds {
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

pub(super) fn check_target(request: &LoadRequest<'_>, train: &Table) -> Result<()> {
    let settings = request.settings;
    let Some(column) = train.column(settings.label()) else { return Ok(()) };
    match (&column.values, request.task) {
        (Values::Texts(texts), Task::Classification) => {
            check_labels(train, column)?;
            if let (Some(only), 1) = (texts.levels.get(0), texts.levels.len()) {
                return Err(Error::user(format!(
                    "the target `{}` of {} has one class, `{only}`",
                    column.name,
                    train.origin.file()
                ))
                .hint("there is nothing to tell apart: check the file and `data.target`"));
            }
            if texts.levels.len() > 1000 && texts.levels.len() * 2 > train.rows {
                return Err(Error::user(format!(
                    "the target `{}` has {} classes in {} rows",
                    column.name,
                    texts.levels.len(),
                    train.rows
                ))
                .hint("a class is seen many times: check `data.target`"));
            }
            match &settings.positive {
                Some(positive) if !texts.levels.contains(positive) => {
                    let error = Error::user(format!(
                        "`data.positive` is `{positive}`, which is no class of `{}`",
                        column.name
                    ));
                    Err(match closest(positive, texts.levels.iter()) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => {
                            let levels: Vec<&str> = texts.levels.iter().collect();
                            error.hint(format!("its classes are: {}", levels.join(", ")))
                        }
                    })
                }
                _ => Ok(()),
            }
        }
        (Values::Numbers(values), Task::Ranking) => {
            check_labels(train, column)?;
            match values.iter().position(|&grade| grade < 0.0) {
                Some(row) => Err(Error::user(format!(
                    "{} column `{}`: the relevance {} is negative",
                    train.describe_row(row),
                    column.name,
                    values[row]
                ))
                .hint("grades go up from 0, which is not relevant")),
                None => Ok(()),
            }
        }
        (Values::Numbers(values), Task::Forecasting) if values.iter().all(|v| v.is_nan()) => {
            Err(Error::user(format!("the target `{}` has no value in any row", column.name))
                .hint("check the file and `data.target`"))
        }
        _ => Ok(()),
    }
}

/// A row without its label can neither be learned from nor scored.
fn check_labels(table: &Table, column: &Column) -> Result<()> {
    let missing = match &column.values {
        Values::Texts(texts) => texts.codes.iter().position(|&code| code == MISSING),
        Values::Numbers(values) => values.iter().position(|value| value.is_nan()),
        Values::Times(_) => None,
    };
    match missing {
        Some(row) => Err(Error::user(format!(
            "{} column `{}`: the target is missing",
            table.describe_row(row),
            column.name
        ))
        .hint("leave out the rows that have no target")),
        None => Ok(()),
    }
}

/// The columns of the test file in the order of the training file's.
fn like(
    train: &Table,
    mut test: Table,
    settings: &DataSettings,
    notices: &mut Vec<String>,
) -> Result<Table> {
    let file = test.origin.file();
    let mut columns = Vec::with_capacity(train.columns.len());
    for column in &train.columns {
        if let Some(at) = test.columns.iter().position(|other| other.name == column.name) {
            columns.push(test.columns.swap_remove(at));
            continue;
        }
        let unused = matches!(column.kind, ColumnKind::Ignore | ColumnKind::Text | ColumnKind::Id);
        let named = settings.id.iter().chain(&settings.series).chain(&settings.query);
        if !unused || named.into_iter().any(|name| *name == column.name) {
            let names: Vec<&str> = test.columns.iter().map(|other| other.name.as_str()).collect();
            let near = closest(&column.name, names);
            let error = Error::user(format!(
                "{file} has no column `{}`, which {} has",
                column.name,
                train.origin.file()
            ));
            return Err(match near {
                Some(near) => error.hint(format!("is it `{near}` there? name columns alike")),
                None => error.hint("test data has the columns of the training data"),
            });
        }
        let texts = Dictionary { codes: vec![MISSING; test.rows], levels: Levels::default() };
        columns.push(Column {
            name: column.name.clone(),
            kind: column.kind,
            values: Values::Texts(texts),
        });
    }
    if !test.columns.is_empty() {
        let names: Vec<String> =
            test.columns.iter().map(|column| format!("`{}`", column.name)).collect();
        notices
            .push(format!("{file} has columns that training doesn't know: {}", names.join(", ")));
    }
    // A zone is said once, of the training file.
    Ok(Table { columns, rows: test.rows, origin: test.origin })
}

fn check_test(
    request: &LoadRequest<'_>,
    train: &Table,
    test: &Table,
    notices: &mut Vec<String>,
) -> Result<()> {
    let label = request.settings.label();
    match request.task {
        Task::Classification => {
            let (Some(known), Some(column)) = (train.column(label), test.column(label)) else {
                return Ok(());
            };
            check_labels(test, column)?;
            check_classes(known, test, column)
        }
        Task::Ranking => test.column(label).map_or(Ok(()), |column| check_labels(test, column)),
        Task::Forecasting => check_sequel(request.settings, train, test, notices),
    }
}

fn check_classes(known: &Column, test: &Table, column: &Column) -> Result<()> {
    let (Values::Texts(known), Values::Texts(texts)) = (&known.values, &column.values) else {
        return Ok(());
    };
    let Some(code) = texts.levels.iter().position(|level| !known.levels.contains(level)) else {
        return Ok(());
    };
    let row = texts.codes.iter().position(|&other| other as usize == code).unwrap_or(0);
    let class = &texts.levels[code];
    let error = Error::user(format!(
        "{} column `{}`: the class `{class}` is in no row of the training data",
        test.describe_row(row),
        column.name
    ));
    Err(match closest(class, known.levels.iter()) {
        Some(near) => {
            error.hint(format!("did it mean `{near}`? write classes alike in both files"))
        }
        None => error.hint("a model can't say a class that it never saw: leave these rows out"),
    })
}

/// A test file goes on where the training file ends, and repeats none of its rows.
fn check_sequel(
    settings: &DataSettings,
    train: &Table,
    test: &Table,
    notices: &mut Vec<String>,
) -> Result<()> {
    let (known, new) = (Moments::of(train, settings)?, Moments::of(test, settings)?);
    known.check_distinct(train)?;
    new.check_distinct(test)?;
    let mut last: HashMap<&[String], f64> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    for row in 0..train.rows {
        let time = known.times[row];
        seen.insert((known.key(row), time.to_bits()));
        let last = last.entry(known.key(row)).or_insert(time);
        *last = last.max(time);
    }
    let (mut early, mut unknown) = (0, std::collections::BTreeSet::new());
    for row in 0..test.rows {
        let key = new.key(row);
        if seen.contains(&(key, new.times[row].to_bits())) {
            return Err(Error::user(format!(
                "{} is in {} too: {}",
                test.describe_row(row),
                train.origin.file(),
                new.describe(test, row)
            ))
            .hint("test data is never trained on: leave these rows out of one of the files"));
        }
        match last.get(key) {
            Some(&last) => early += usize::from(new.times[row] < last),
            None => _ = unknown.insert(key),
        }
    }
    if early > 0 {
        notices.push(format!(
            "{early} rows of {} are older than the end of their series in {}",
            test.origin.file(),
            train.origin.file()
        ));
    }
    if let Some(first) = unknown.first() {
        notices.push(format!(
            "{} series of {} are not in {}, such as `{}`",
            unknown.len(),
            test.origin.file(),
            train.origin.file(),
            first.join(", ")
        ));
    }
    Ok(())
}

/// The series and the time of each row.
#[derive(Debug)]
pub(crate) struct Moments {
    /// The number of each row's series, from 0.
    pub series: Vec<u32>,
    /// What each series is called; one nameless series where no column tells them apart.
    pub keys: Vec<Vec<String>>,
    /// Integers or microseconds, both exact as floats for any date.
    pub times: Vec<f64>,
    time_column: String,
}

impl Moments {
    pub(crate) fn of(table: &Table, settings: &DataSettings) -> Result<Self> {
        let name = settings.time.as_deref().unwrap_or_default();
        let times = times(table, table.require(name)?)?;
        let mut series = vec![0; table.rows];
        let mut keys = vec![Vec::new()];
        if settings.layout == Layout::Long && !settings.series.is_empty() {
            let columns: Vec<&Column> =
                settings.series.iter().map(|name| table.require(name)).collect::<Result<_>>()?;
            let key = |row: usize| -> Vec<&str> {
                columns
                    .iter()
                    .map(|column| match &column.values {
                        Values::Texts(texts) => texts.get(row).unwrap_or_default(),
                        _ => "",
                    })
                    .collect()
            };
            series = split::number_off((0..table.rows).map(key));
            let count = series.iter().max().map_or(0, |&last| last as usize + 1);
            keys = vec![Vec::new(); count];
            for (row, &of) in series.iter().enumerate() {
                let known = &mut keys[of as usize];
                if known.is_empty() {
                    *known = key(row).into_iter().map(str::to_owned).collect();
                }
            }
        }
        Ok(Self { series, keys, times, time_column: name.to_owned() })
    }

    pub(crate) fn key(&self, row: usize) -> &[String] {
        &self.keys[self.series[row] as usize]
    }

    /// `series `H1` at 2020-01-01`.
    pub(crate) fn describe(&self, table: &Table, row: usize) -> String {
        let time = self.text(table, row);
        match self.key(row) {
            [] => format!("time {time}"),
            key => format!("series `{}` at {time}", key.join(", ")),
        }
    }

    pub(crate) fn text(&self, table: &Table, row: usize) -> String {
        match table.column(&self.time_column).map(|column| &column.values) {
            Some(Values::Times(times)) => table.origin.time_text(&self.time_column, times[row]),
            _ => self.times[row].to_string(),
        }
    }

    /// No series has two rows of one time.
    pub(crate) fn check_distinct(&self, table: &Table) -> Result<()> {
        let mut seen = HashMap::with_capacity(table.rows);
        for row in 0..table.rows {
            if let Some(first) = seen.insert((self.series[row], self.times[row].to_bits()), row) {
                return Err(Error::user(format!(
                    "{} repeats {}: both are {}",
                    table.describe_row(row),
                    table.describe_row(first),
                    self.describe(table, row)
                ))
                .hint("one row a series and time: sum them up, or name what tells them apart in `data.series`"));
            }
        }
        Ok(())
    }
}

/// A column as numbers that order its rows; a missing one is an error.
fn times(table: &Table, column: &Column) -> Result<Vec<f64>> {
    let values: Vec<f64> = match &column.values {
        Values::Times(values) => values
            .iter()
            .map(|&time| if time == MISSING_TIME { f64::NAN } else { time as f64 })
            .collect(),
        Values::Numbers(values) => values.clone(),
        Values::Texts(_) => {
            return Err(Error::user(format!("`{}` holds texts, not times", column.name))
                .hint(format!("say what it is: `[columns] {} = \"timestamp\"`", column.name)));
        }
    };
    match values.iter().position(|time| time.is_nan()) {
        Some(row) => Err(Error::user(format!(
            "{} column `{}`: the time is missing",
            table.describe_row(row),
            column.name
        ))
        .hint("give the row a time, or leave it out")),
        None => Ok(values),
    }
}

/// Dense ranks: equal times are one number, later ones a higher.
pub(crate) fn ranks(times: &[f64]) -> Vec<u32> {
    let mut distinct = times.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    times.iter().map(|time| distinct.partition_point(|other| other < time) as u32).collect()
}

/// Which rows of the training file to hold out.
pub(super) fn divide(
    request: &LoadRequest<'_>,
    train: &Table,
    has_test: bool,
    notices: &mut Vec<String>,
) -> Result<Parts> {
    let settings = request.settings;
    let split = &settings.split;
    let shares = Shares { test: if has_test { 0.0 } else { split.test }, valid: split.valid };
    if request.task == Task::Forecasting && split.kind != SplitKind::Time {
        return divide_by_horizon(settings, train, has_test, notices);
    }
    let parts = match split.kind {
        SplitKind::Time => {
            let name = split.time.as_ref().or(settings.time.as_ref()).ok_or_else(|| {
                Error::user("`data.split` is by time, and no column of times is named")
                    .hint("name it: `split = { kind = \"time\", time = \"created_at\" }`")
            })?;
            split::by_time(&ranks(&times(train, train.require(name)?)?), shares)
        }
        SplitKind::Group => {
            let name = split.group.as_ref().or(settings.query.as_ref()).ok_or_else(|| {
                Error::user("`data.split` is by group, and no column of groups is named")
                    .hint("name it: `split = { kind = \"group\", group = \"customer\" }`")
            })?;
            split::by_group(&groups(train.require(name)?), shares, split.seed)
        }
        SplitKind::Random => {
            // Candidates of one query are judged together, so they are held out together.
            if let (Task::Ranking, Some(query)) = (request.task, &settings.query) {
                split::by_group(&groups(train.require(query)?), shares, split.seed)
            } else {
                let strata = match train.column(settings.label()) {
                    Some(column) if split.stratify => groups(column),
                    _ => vec![0; train.rows],
                };
                split::random(&strata, shares, split.seed)
            }
        }
    };
    check_parts(&parts, shares)?;
    Ok(parts)
}

fn check_parts(parts: &Parts, shares: Shares) -> Result<()> {
    for (rows, share, name) in [
        (&parts.train, 1.0, "training"),
        (&parts.valid, shares.valid, "validation"),
        (&parts.test, shares.test, "testing"),
    ] {
        if rows.is_empty() && share > 0.0 {
            return Err(Error::user(format!("the split leaves no row for {name}"))
                .hint("give more rows or groups, or other shares in `data.split`"));
        }
    }
    Ok(())
}

fn divide_by_horizon(
    settings: &DataSettings,
    train: &Table,
    has_test: bool,
    notices: &mut Vec<String>,
) -> Result<Parts> {
    let moments = Moments::of(train, settings)?;
    moments.check_distinct(train)?;
    let horizon = settings.horizon.unwrap_or(1);
    let ends = split::by_horizon(&moments.series, &ranks(&moments.times), horizon, !has_test);
    if ends.parts.valid.is_empty() || !has_test && ends.parts.test.is_empty() {
        let needed = if has_test { horizon } else { 2 * horizon } + 1;
        return Err(Error::user(format!(
            "no series of {} is long enough for a horizon of {horizon}: {needed} times are the least",
            train.origin.file()
        ))
        .hint("use a shorter `data.horizon`, or more history"));
    }
    let count = moments.keys.len();
    if ends.untested > 0 {
        notices.push(format!(
            "{} of {count} series are too short to test on; they are trained on",
            ends.untested
        ));
    }
    if ends.unvalidated > 0 {
        notices
            .push(format!("{} of {count} series are too short to validate on", ends.unvalidated));
    }
    Ok(ends.parts)
}

/// The number of each row's value.
fn groups(column: &Column) -> Vec<u32> {
    match &column.values {
        Values::Texts(texts) => split::number_off(texts.codes.iter()),
        Values::Numbers(values) => split::number_off(values.iter().map(|value| value.to_bits())),
        Values::Times(values) => split::number_off(values.iter()),
    }
}
