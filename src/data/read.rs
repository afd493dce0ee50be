//! A file, or all files of a glob, into one typed table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cells::{self, BadCell, Missing};
use super::formats::Format;
use super::infer::Guessing;
use super::raw::{RawColumn, RawTable};
use super::storage::{Input, Local, Storage};
use super::table::Origin;
use super::time::Clock;
use super::{Column, ColumnKind, DataSettings, Layout, Source, Table, Values};
use crate::error::{Error, Result};

/// How files are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadOptions {
    pub format: Option<String>,
    pub delimiter: Option<char>,
    pub decimal: Option<char>,
    pub missing: Vec<String>,
    pub timezone: Option<String>,
    pub day_first: bool,
    /// Kinds that are decided; the others are inferred. A cell that doesn't fit is an error that
    /// names file, row and column.
    pub kinds: BTreeMap<String, ColumnKind>,
    /// In a column of numbers or times, the few cells that are neither are errors. Else they make
    /// it a column of texts, which is right for a column that nobody asked for.
    pub strict: bool,
    /// A trained model decides how files are read, so that no setting can mend what doesn't fit.
    pub settled: bool,
}

impl ReadOptions {
    pub(crate) fn new(settings: &DataSettings, kinds: &BTreeMap<String, ColumnKind>) -> Self {
        let mut kinds = kinds.clone();
        // In a wide table `data.series` names the columns of values themselves.
        let series = settings.series.iter().filter(|_| settings.layout == Layout::Long);
        for name in settings.id.iter().chain(series).chain(&settings.query) {
            kinds.insert(name.clone(), ColumnKind::Id);
        }
        Self {
            format: settings.format.clone(),
            delimiter: settings.delimiter,
            decimal: settings.decimal,
            missing: settings.missing.clone(),
            timezone: settings.timezone.clone(),
            day_first: settings.day_first,
            kinds,
            strict: false,
            settled: false,
        }
    }

    /// As a trained model reads files, whatever a project says by now.
    pub(crate) fn of_model(settings: &DataSettings, kinds: &BTreeMap<String, ColumnKind>) -> Self {
        Self { settled: true, ..Self::new(settings, kinds) }
    }
}

/// Read one file, or all that a glob names, or standard input for `-`.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Table> {
    Ok(read_with_sources(path, options)?.0)
}

/// The same, with the digests of the files that were read.
pub(crate) fn read_with_sources(
    path: &Path,
    options: &ReadOptions,
) -> Result<(Table, Vec<Source>)> {
    let storage = Local { root: PathBuf::new() };
    let gathered = Gathered::read(&storage, path, options)?;
    let sources = gathered.sources.clone();
    Ok((gathered.resolve(options)?.table, sources))
}

/// What files hold, before it is typed.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub raw: RawTable,
    pub sources: Vec<Source>,
    pub origin: Origin,
    pub format: Format,
}

/// A typed table, and what the user should know of how it was read.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub table: Table,
    pub notices: Vec<String>,
}

impl Gathered {
    pub(crate) fn read(storage: &dyn Storage, name: &Path, options: &ReadOptions) -> Result<Self> {
        let mut whole: Option<(RawTable, Format)> = None;
        let mut sources: Vec<Source> = Vec::new();
        let mut origin = Origin::default();
        for file in storage.find(name)? {
            let input = Input::open(storage, &file)?;
            let format = Format::detect(&input, options)?;
            let raw = format.read(input, storage, options)?;
            let (sha256, size_bytes) = storage.digest(&file)?;
            let path = file.display().to_string();
            sources.push(Source { path, sha256, size_bytes, rows: raw.rows });
            origin.files.push((file.clone(), raw.rows));
            match &mut whole {
                None => whole = Some((raw, format)),
                Some((whole, _)) => whole.append(raw).map_err(|unlike| {
                    let first = &origin.files[0].0;
                    let (with, without) =
                        if unlike.in_later { (&file, first) } else { (first, &file) };
                    Error::user(format!(
                        "{} has a column `{}`, and {} has not",
                        with.display(),
                        unlike.column,
                        without.display()
                    ))
                    .hint("files that one glob names have the same columns")
                })?,
            }
        }
        let (raw, format) =
            whole.ok_or_else(|| Error::bug("a name that was found names no file"))?;
        Ok(Self { raw, sources, origin, format })
    }

    /// Every column in its kind, decided or inferred.
    pub(crate) fn resolve(self, options: &ReadOptions) -> Result<Resolved> {
        let clock = Clock::new(options.timezone.as_deref(), options.day_first)?;
        // Only CSV writes numbers as somebody likes them.
        let decimal = match self.format {
            Format::Csv => options.decimal.or(self.raw.decimal),
            _ => None,
        };
        let guessing = Guessing { options, clock, decimal };
        let origin = Origin { offset_seconds: clock.offset(), ..self.origin };
        let mut resolver = Resolver { options, clock, decimal, origin, notices: Vec::new() };
        let mut columns = Vec::with_capacity(self.raw.columns.len());
        for raw in self.raw.columns {
            let kind = options.kinds.get(&raw.name).copied().unwrap_or_else(|| {
                let guess = guessing.guess(&raw);
                resolver.notices.extend(guess.notice);
                guess.kind
            });
            let values = resolver.values(&raw, kind)?;
            columns.push(Column { name: raw.name, kind, values });
        }
        if decimal == Some(',') && options.decimal.is_none() {
            resolver.notices.push(
                "numbers are written with a decimal comma (say otherwise by `data.decimal`)".into(),
            );
        }
        let table = Table { columns, rows: self.raw.rows, origin: resolver.origin };
        Ok(Resolved { table, notices: resolver.notices })
    }
}

struct Resolver<'a> {
    options: &'a ReadOptions,
    clock: Clock,
    decimal: Option<char>,
    origin: Origin,
    notices: Vec<String>,
}

impl Resolver<'_> {
    fn values(&mut self, column: &RawColumn, kind: ColumnKind) -> Result<Values> {
        let missing = Missing::new(&self.options.missing);
        match kind {
            ColumnKind::Numeric => cells::numbers(&column.raw, missing, self.decimal)
                .map_err(|bad| self.not_a_number(column, &bad)),
            ColumnKind::Timestamp => {
                let times = cells::times(&column.raw, missing, self.clock)
                    .map_err(|bad| self.not_a_time(column, &bad))?;
                self.say_zone(&column.name, &times);
                if let Some(pattern) = times.pattern {
                    self.origin.time_formats.insert(column.name.clone(), pattern);
                }
                Ok(Values::Times(times.values))
            }
            ColumnKind::Categorical
            | ColumnKind::Boolean
            | ColumnKind::Text
            | ColumnKind::Id
            | ColumnKind::Ignore => Ok(cells::texts(&column.raw, missing)),
        }
    }

    fn say_zone(&mut self, name: &str, times: &cells::ReadTimes) {
        let zone = self.clock.zone();
        if times.zoned {
            self.notices.push(format!(
                "times of `{name}` carry a zone: shown on the clock of {zone} (`data.timezone`)"
            ));
        } else if times.of_day {
            self.notices.push(format!(
                "times of `{name}` carry no zone: taken to be of {zone} (`data.timezone`)"
            ));
        }
    }

    fn not_a_number(&self, column: &RawColumn, bad: &BadCell) -> Error {
        let (cell, name) = (shorten(&bad.cell), &column.name);
        let error = self.bad_cell(column, bad, "not a number");
        if self.options.settled {
            return error.hint(format!("mend the cell: the model knows `{name}` as numbers"));
        }
        error.hint(format!(
            "mend the cell; or `[data] missing = [{cell:?}]` if it means missing; or `[columns] {name} = \"categorical\"` if it is a name"
        ))
    }

    fn not_a_time(&self, column: &RawColumn, bad: &BadCell) -> Error {
        let name = &column.name;
        let error = self.bad_cell(column, bad, "not a time that mlx reads");
        if self.clock.is_turned(&bad.cell) {
            let other = !self.options.day_first;
            if self.options.settled {
                return error.hint(format!(
                    "mend the cell: the model reads the {} first",
                    if other { "month" } else { "day" }
                ));
            }
            return error.hint(format!(
                "if it has the {} first, say so: `[data] day_first = {other}`",
                if other { "day" } else { "month" }
            ));
        }
        if self.options.settled {
            return error
                .hint("mend the cell: write times like 2024-05-31 or 2024-05-31T12:30:00+02:00");
        }
        error.hint(format!(
            "write times like 2024-05-31 or 2024-05-31T12:30:00+02:00; or `[columns] {name} = \"categorical\"`"
        ))
    }

    fn bad_cell(&self, column: &RawColumn, bad: &BadCell, what: &str) -> Error {
        let place = self.origin.describe(bad.row);
        Error::user(format!("{place} column `{}`: `{}` is {what}", column.name, shorten(&bad.cell)))
    }
}

/// A cell as an error shows it: a stray quote can make one of a whole file.
fn shorten(cell: &str) -> String {
    const SHOWN: usize = 40;
    if cell.chars().count() <= SHOWN {
        return cell.to_owned();
    }
    cell.chars().take(SHOWN).chain(['…']).collect()
}
