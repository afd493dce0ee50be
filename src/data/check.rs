//! What data holds and what is suspicious about it. What is broken is an error of reading it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::Path;

use serde::Serialize;

use super::dataset::features;
use super::load::{Files, LoadRequest, divide, load};
use super::read::Gathered;
use super::storage::Local;
use super::suspicion::{Suspicion, suspicions};
use super::table::MISSING_TIME;
use super::{
    Column, ColumnKind, DataSettings, Dataset, Layout, ReadOptions, SeriesSet, Source, Table, Task,
    Values,
};
use crate::error::Result;

/// What `mlx data check` found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub task: Option<Task>,
    pub files: Vec<Source>,
    /// How training would divide the rows.
    pub split: Option<SplitReport>,
    pub columns: Vec<ColumnReport>,
    pub classes: Vec<ClassReport>,
    pub series: Option<SeriesReport>,
    pub queries: Option<QueryReport>,
    /// What may be wrong.
    pub warnings: Vec<Suspicion>,
    /// How the data was read.
    pub notices: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SplitReport {
    pub train: usize,
    pub valid: usize,
    pub test: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct ColumnReport {
    pub name: String,
    pub kind: ColumnKind,
    /// `target`, `id`, `time`, `series`, `known future`, `static`, `query`, `feature` or `unused`.
    pub role: &'static str,
    /// The share of rows without a value.
    pub missing: f64,
    pub distinct: usize,
    /// The range of numbers and times, the most frequent texts.
    pub values: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct ClassReport {
    pub class: String,
    pub rows: usize,
    pub share: f64,
    pub test_rows: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SeriesReport {
    pub series: usize,
    pub step: String,
    pub first: String,
    pub last: String,
    pub shortest: usize,
    pub longest: usize,
    /// Steps inside a series that have no value.
    pub gaps: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct QueryReport {
    pub queries: usize,
    pub smallest: usize,
    pub largest: usize,
}

/// Look at a project's data as training would read it.
pub(crate) fn check(request: &LoadRequest<'_>) -> Result<Report> {
    let (settings, task) = (request.settings, request.task);
    if settings.stream {
        return check_sample(request);
    }
    let Files { train, test, sources, mut notices } = Files::read(request)?;
    let parts = divide(request, &train, test.is_some(), &mut notices)?;
    let split = SplitReport {
        train: parts.train.len(),
        valid: parts.valid.len(),
        test: test.as_ref().map_or(parts.test.len(), |test| test.rows),
    };
    let wide = task == Task::Forecasting && settings.layout == Layout::Wide;
    let inputs = if wide { Vec::new() } else { features(&train, settings, task) };
    let mut warnings = suspicions(&train, test.as_ref(), settings, task, &inputs);
    let mut series = None;
    if task == Task::Forecasting {
        series = Some(series_report(&train, settings, &mut warnings)?);
    }
    Ok(Report {
        task: Some(task),
        files: sources,
        split: Some(split),
        columns: train
            .columns
            .iter()
            .map(|column| report(column, &train, role(column, settings, task, &inputs, wide)))
            .collect(),
        classes: if task == Task::Classification {
            classes(&train, test.as_ref(), settings)
        } else {
            Vec::new()
        },
        series,
        queries: (task == Task::Ranking).then(|| queries(&train, settings)).flatten(),
        warnings,
        notices,
    })
}

/// What is told of data that is streamed is told of a sample, but for how many rows there are.
fn check_sample(request: &LoadRequest<'_>) -> Result<Report> {
    let (settings, task) = (request.settings, request.task);
    let dataset = load(request)?;
    let [train, valid, test] = dataset.rows();
    let Dataset { train: sample, sources, notices, .. } = dataset;
    let inputs = features(&sample, settings, task);
    let column = |column| report(column, &sample, role(column, settings, task, &inputs, false));
    Ok(Report {
        task: Some(task),
        files: sources,
        split: Some(SplitReport { train, valid, test }),
        columns: sample.columns.iter().map(column).collect(),
        classes: classes(&sample, None, settings),
        series: None,
        queries: None,
        warnings: suspicions(&sample, None, settings, task, &inputs),
        notices,
    })
}

/// Look at a file of which nobody said what it is for.
pub(crate) fn check_file(
    root: &Path,
    settings: &DataSettings,
    kinds: ReadOptions,
) -> Result<Report> {
    let storage = Local { root: root.to_owned() };
    let options = ReadOptions { strict: true, ..kinds };
    let gathered = Gathered::read(&storage, Path::new(&settings.train), &options)?;
    let files = gathered.sources.clone();
    let resolved = gathered.resolve(&options)?;
    let table = resolved.table;
    let inputs = features(&table, settings, Task::Classification);
    Ok(Report {
        task: None,
        files,
        split: None,
        columns: table
            .columns
            .iter()
            .map(|column| {
                report(column, &table, role(column, settings, Task::Classification, &inputs, false))
            })
            .collect(),
        classes: Vec::new(),
        series: None,
        queries: None,
        warnings: suspicions(&table, None, settings, Task::Classification, &inputs),
        notices: resolved.notices,
    })
}

fn role(
    column: &Column,
    settings: &DataSettings,
    task: Task,
    inputs: &[String],
    wide: bool,
) -> &'static str {
    let name = column.name.as_str();
    let among = |names: &[String]| names.iter().any(|other| other == name);
    if settings.time.as_deref() == Some(name) && task == Task::Forecasting {
        "time"
    } else if task == Task::Forecasting && among(&settings.known_future) {
        "known future"
    } else if task == Task::Forecasting && among(&settings.static_columns) {
        "static"
    } else if wide && column.kind == ColumnKind::Numeric || !wide && settings.label() == name {
        "target"
    } else if among(&settings.series) {
        "series"
    } else if settings.query.as_deref() == Some(name) {
        "query"
    } else if among(&settings.id) {
        "id"
    } else if among(inputs) {
        "feature"
    } else {
        "unused"
    }
}

fn report(column: &Column, table: &Table, role: &'static str) -> ColumnReport {
    let (missing, distinct, values) = match &column.values {
        Values::Numbers(numbers) => {
            let present = || numbers.iter().copied().filter(|number| !number.is_nan());
            let distinct: HashSet<u64> = present().map(f64::to_bits).collect();
            let low = present().fold(f64::INFINITY, f64::min);
            let high = present().fold(f64::NEG_INFINITY, f64::max);
            let range = if distinct.is_empty() { String::new() } else { range(&low, &high) };
            (numbers.len() - present().count(), distinct.len(), range)
        }
        Values::Times(times) => {
            let present = || times.iter().copied().filter(|&time| time != MISSING_TIME);
            let distinct: HashSet<i64> = present().collect();
            let text = |time: i64| table.origin.time_text(&column.name, time);
            let range = match (present().min(), present().max()) {
                (Some(low), Some(high)) => range(&text(low), &text(high)),
                _ => String::new(),
            };
            (times.len() - present().count(), distinct.len(), range)
        }
        Values::Texts(texts) => {
            let mut counts = vec![0_usize; texts.levels.len()];
            let mut missing = 0;
            for &code in &texts.codes {
                match counts.get_mut(code as usize) {
                    Some(count) => *count += 1,
                    None => missing += 1,
                }
            }
            let mut order: Vec<usize> = (0..counts.len()).collect();
            order.sort_by_key(|&level| std::cmp::Reverse(counts[level]));
            let most: Vec<String> =
                order.iter().take(3).map(|&level| shorten(&texts.levels[level])).collect();
            let more = if order.len() > 3 { ", …" } else { "" };
            (missing, counts.iter().filter(|&&count| count > 0).count(), most.join(", ") + more)
        }
    };
    ColumnReport {
        name: column.name.clone(),
        kind: column.kind,
        role,
        missing: missing as f64 / table.rows.max(1) as f64,
        distinct,
        values,
    }
}

fn range(low: &impl std::fmt::Display, high: &impl std::fmt::Display) -> String {
    format!("{low} to {high}")
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 20;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// The classes, most frequent first.
fn classes(train: &Table, test: Option<&Table>, settings: &DataSettings) -> Vec<ClassReport> {
    let count = |table: &Table| -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        if let Some(Column { values: Values::Texts(texts), .. }) = table.column(settings.label()) {
            for row in 0..table.rows {
                if let Some(class) = texts.get(row) {
                    match counts.get_mut(class) {
                        Some(count) => *count += 1,
                        None => _ = counts.insert(class.to_owned(), 1),
                    }
                }
            }
        }
        counts
    };
    let tested = test.map(count);
    let mut classes: Vec<ClassReport> = count(train)
        .into_iter()
        .map(|(class, rows)| ClassReport {
            test_rows: tested.as_ref().map(|tested| tested.get(&class).copied().unwrap_or(0)),
            class,
            rows,
            share: rows as f64 / train.rows as f64,
        })
        .collect();
    classes.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.class.cmp(&b.class)));
    classes
}

fn queries(train: &Table, settings: &DataSettings) -> Option<QueryReport> {
    let column = train.column(settings.query.as_deref()?)?;
    let Values::Texts(texts) = &column.values else { return None };
    let mut sizes: HashMap<u32, usize> = HashMap::new();
    for &code in &texts.codes {
        *sizes.entry(code).or_default() += 1;
    }
    Some(QueryReport {
        queries: sizes.len(),
        smallest: sizes.values().copied().min()?,
        largest: sizes.values().copied().max()?,
    })
}

fn series_report(
    train: &Table,
    settings: &DataSettings,
    warnings: &mut Vec<Suspicion>,
) -> Result<SeriesReport> {
    let set = SeriesSet::from_tables(&[train], settings, None)?;
    let (mut gaps, mut gappy, mut example) = (0, 0, None);
    let lengths: Vec<usize> = (0..set.len())
        .map(|series| (set.end(series) - set.start[series]).max(0) as usize)
        .collect();
    for (series, &length) in lengths.iter().enumerate() {
        let missing = set.values[series][..length].iter().filter(|value| value.is_nan()).count();
        if missing > 0 {
            gaps += missing;
            gappy += 1;
            let first = set.values[series].iter().position(|value| value.is_nan());
            example = example.or(first.map(|at| (series, at)));
        }
    }
    if let Some((series, at)) = example {
        let time = set.axis.text(set.start[series] + at as i64);
        let name = match set.keys[series].as_slice() {
            [] => String::new(),
            key => format!(" of `{}`", key.join(", ")),
        };
        warnings.push(Suspicion {
            kind: "gap",
            column: settings.time.clone(),
            message: format!(
                "{gaps} steps in {gappy} of {} series have no value, the first at {time}{name}",
                set.len()
            ),
        });
    }
    let text = |index: Option<i64>| index.map_or_else(String::new, |index| set.axis.text(index));
    Ok(SeriesReport {
        series: set.len(),
        step: set.axis.describe(),
        first: text(set.start.iter().copied().min()),
        last: text((0..set.len()).map(|series| set.end(series) - 1).max()),
        shortest: lengths.iter().copied().min().unwrap_or(0),
        longest: lengths.iter().copied().max().unwrap_or(0),
        gaps,
    })
}

/// A hash of each row over the columns that `keep` picks, alike in any two tables.
pub(super) fn row_hashes(table: &Table, keep: impl Fn(&Column) -> bool) -> Vec<u64> {
    // Fixed keys: what is found doesn't change from run to run.
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let columns: BTreeSet<&str> = table
        .columns
        .iter()
        .filter(|column| keep(column))
        .map(|column| column.name.as_str())
        .collect();
    let mut hashes = vec![0_u64; table.rows];
    for column in columns.into_iter().filter_map(|name| table.column(name)) {
        let mix = |hash: &mut u64, value: u64| {
            // The finaliser of SplitMix64, so that columns don't cancel each other.
            let mut mixed = hash.wrapping_add(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *hash = mixed ^ (mixed >> 31);
        };
        match &column.values {
            Values::Numbers(values) => {
                for (hash, value) in hashes.iter_mut().zip(values) {
                    mix(hash, value.to_bits());
                }
            }
            Values::Times(values) => {
                for (hash, value) in hashes.iter_mut().zip(values) {
                    mix(hash, *value as u64);
                }
            }
            Values::Texts(texts) => {
                let levels: Vec<u64> =
                    texts.levels.iter().map(|level| hasher.hash_one(level)).collect();
                for (hash, code) in hashes.iter_mut().zip(&texts.codes) {
                    mix(hash, levels.get(*code as usize).copied().unwrap_or(1));
                }
            }
        }
    }
    hashes
}
