//! A file, or all files of a glob, into one typed table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cells::{self, BadCell, Missing};
use super::formats::Format;
use super::infer::Guessing;
use super::raw::{Raw, RawColumn, RawTable};
use super::storage::{Input, Local, Storage, is_stdin};
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

/// The kinds of columns that are decided.
pub(crate) type Kinds = BTreeMap<String, ColumnKind>;

/// Decides kinds by what the beginning of a file, or all of it, holds, and refuses what won't do.
pub(crate) type Decide<'a> = dyn Fn(&RawTable, &Path) -> Result<Kinds> + 'a;

/// The files of one name on their way to one table.
pub(crate) struct Reading<'a> {
    pub options: &'a ReadOptions,
    /// The columns whose texts alone are wanted: the others were read before.
    pub texts_of: Option<&'a [String]>,
    /// Whether texts that were let go could be read again.
    pub can_read_again: bool,
    decide: &'a Decide<'a>,
    decided: Option<Kinds>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        options: &'a ReadOptions,
        can_read_again: bool,
        decide: &'a Decide<'a>,
    ) -> Self {
        Self { options, texts_of: None, can_read_again, decide, decided: None }
    }

    /// The kinds that are decided, by the first file that is looked at.
    pub(crate) fn kinds(&mut self, beginning: &RawTable, file: &Path) -> Result<Kinds> {
        if self.decided.is_none() {
            self.decided = Some((self.decide)(beginning, file)?);
        }
        Ok(self.decided.clone().unwrap_or_default())
    }
}

/// What files hold, before it is typed.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub raw: RawTable,
    pub sources: Vec<Source>,
    pub origin: Origin,
    pub format: Format,
    pub kinds: Kinds,
}

/// A typed table, and what the user should know of how it was read.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub table: Table,
    pub notices: Vec<String>,
}

impl Gathered {
    /// With the kinds of the options.
    pub(crate) fn read(storage: &dyn Storage, name: &Path, options: &ReadOptions) -> Result<Self> {
        Self::read_deciding(storage, name, options, &|_, _| Ok(options.kinds.clone()))
    }

    pub(crate) fn read_deciding(
        storage: &dyn Storage,
        name: &Path,
        options: &ReadOptions,
        decide: &Decide<'_>,
    ) -> Result<Self> {
        let files = storage.find(name)?;
        let can_read_again = files.iter().all(|file| storage.can_open_again(file));
        let mut reading = Reading::new(options, can_read_again, decide);
        let mut gathered = Self::read_files(storage, &files, &mut reading)?;
        let mixed = gathered.raw.mixed();
        if !mixed.is_empty() {
            reading.texts_of = Some(&mixed);
            let again = Self::read_files(storage, &files, &mut reading)?;
            if again.sources != gathered.sources {
                return Err(Error::file("read", name, "it was changed while it was read")
                    .hint("try again when nobody writes to it"));
            }
            gathered.raw.replace(again.raw.columns);
        }
        Ok(gathered)
    }

    fn read_files(
        storage: &dyn Storage,
        files: &[PathBuf],
        reading: &mut Reading<'_>,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(files.len());
        let mut first_format = None;
        let mut sources: Vec<Source> = Vec::new();
        let mut origin = Origin::default();
        for file in files {
            let input = Input::open(storage, file)?;
            let format = Format::detect(&input, reading.options)?;
            let tally = input.tally();
            let raw = format.read(input, storage, reading)?;
            let (sha256, size_bytes) =
                if is_stdin(file) { (String::new(), 0) } else { tally.finish() };
            let path = file.display().to_string();
            sources.push(Source { path, sha256, size_bytes, rows: raw.rows });
            origin.files.push((file.clone(), raw.rows));
            parts.push(raw);
            first_format = first_format.or(Some(format));
        }
        let format =
            first_format.ok_or_else(|| Error::bug("a name that was found names no file"))?;
        let raw = RawTable::stack(parts).map_err(|unlike| {
            let (first, later) = (&files[0], &files[unlike.part]);
            let (with, without) = if unlike.in_later { (later, first) } else { (first, later) };
            Error::user(format!(
                "{} has a column `{}`, and {} has not",
                with.display(),
                unlike.column,
                without.display()
            ))
            .hint("files that one glob names have the same columns")
        })?;
        let kinds = reading.decided.clone().unwrap_or_default();
        Ok(Self { raw, sources, origin, format, kinds })
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
        let mut resolver = Resolver { options, clock, origin, notices: Vec::new() };
        let typed: Vec<Typed> = self
            .raw
            .columns
            .into_par_iter()
            .map(|column| {
                let kind = self.kinds.get(&column.name).copied();
                guessing.typed(column, kind)
            })
            .collect();
        let mut columns = Vec::with_capacity(typed.len());
        for Typed { name, kind, notice, values } in typed {
            resolver.notices.extend(notice);
            let values = resolver.values(&name, kind, values)?;
            columns.push(Column { name, kind, values });
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

/// A column in its kind, or the first cell that is not of it.
struct Typed {
    name: String,
    kind: ColumnKind,
    notice: Option<String>,
    values: std::result::Result<ReadValues, BadCell>,
}

enum ReadValues {
    Plain(Values),
    Times(cells::ReadTimes),
}

impl Guessing<'_> {
    fn typed(&self, mut column: RawColumn, kind: Option<ColumnKind>) -> Typed {
        let missing = Missing::new(&self.options.missing);
        if let Raw::Texts(texts) = column.raw {
            column.raw = Raw::Texts(missing.drop_texts(texts));
        }
        let (kind, notice) = match kind {
            Some(kind) => (kind, None),
            None => {
                let guess = self.guess(&column);
                (guess.kind, guess.notice)
            }
        };
        let RawColumn { name, raw, .. } = column;
        let values = match kind {
            ColumnKind::Numeric => {
                cells::numbers(raw, missing, self.decimal).map(ReadValues::Plain)
            }
            ColumnKind::Timestamp => cells::times(raw, missing, self.clock).map(ReadValues::Times),
            ColumnKind::Categorical
            | ColumnKind::Boolean
            | ColumnKind::Text
            | ColumnKind::Id
            | ColumnKind::Ignore => Ok(ReadValues::Plain(cells::texts(raw, missing))),
        };
        Typed { name, kind, notice, values }
    }
}

struct Resolver<'a> {
    options: &'a ReadOptions,
    clock: Clock,
    origin: Origin,
    notices: Vec<String>,
}

impl Resolver<'_> {
    fn values(
        &mut self,
        name: &str,
        kind: ColumnKind,
        read: std::result::Result<ReadValues, BadCell>,
    ) -> Result<Values> {
        match read {
            Ok(ReadValues::Plain(values)) => Ok(values),
            Ok(ReadValues::Times(times)) => {
                self.say_zone(name, &times);
                if let Some(pattern) = times.pattern(self.clock) {
                    self.origin.time_formats.insert(name.to_owned(), pattern);
                }
                Ok(Values::Times(times.values))
            }
            Err(bad) if kind == ColumnKind::Timestamp => Err(self.not_a_time(name, &bad)),
            Err(bad) => Err(self.not_a_number(name, &bad)),
        }
    }

    fn say_zone(&mut self, name: &str, times: &cells::ReadTimes) {
        let zone = self.clock.zone();
        if times.zoned {
            self.notices.push(format!(
                "times of `{name}` carry a zone: shown on the clock of {zone} (`data.timezone`)"
            ));
        } else if times.of_day(self.clock) {
            self.notices.push(format!(
                "times of `{name}` carry no zone: taken to be of {zone} (`data.timezone`)"
            ));
        }
    }

    fn not_a_number(&self, name: &str, bad: &BadCell) -> Error {
        let cell = shorten(&bad.cell);
        let error = self.bad_cell(name, bad, "not a number");
        if self.options.settled {
            return error.hint(format!("mend the cell: the model knows `{name}` as numbers"));
        }
        error.hint(format!(
            "mend the cell; or `[data] missing = [{cell:?}]` if it means missing; or `[columns] {name} = \"categorical\"` if it is a name"
        ))
    }

    fn not_a_time(&self, name: &str, bad: &BadCell) -> Error {
        let error = self.bad_cell(name, bad, "not a time that mlx reads");
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

    fn bad_cell(&self, name: &str, bad: &BadCell, what: &str) -> Error {
        let place = self.origin.describe(bad.row);
        Error::user(format!("{place} column `{name}`: `{}` is {what}", shorten(&bad.cell)))
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
