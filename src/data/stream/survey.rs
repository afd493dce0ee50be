//! The first pass over data that is streamed: a sample of the rows that train, the rows that validate, and the classes
//! of all.
//!
//! How many rows there are shows at the end, so the sample is drawn by lots of its own, of which the lowest are kept:
//! where more rows are kept than there is room for, the mark is halved. What is kept depends on the rows alone, not on
//! who looked at them when. So with the rows that validate; those above the mark are learned from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Lots, Role, StreamRows};
use crate::data::cache::{About, Kept};
use crate::data::cells::{self, Missing};
use crate::data::load::{LoadRequest, check_settings, kinds, unseen_class};
use crate::data::parts::{Chunk, Passed, each_chunk};
use crate::data::raw::RawTable;
use crate::data::read::{Gathered, Kinds, Reading};
use crate::data::storage::{Local, Storage as _};
use crate::data::table::{MISSING, Origin, no_column};
use crate::data::{Dictionary, ReadOptions, Source, Values};
use crate::error::{Error, Result};
use crate::sys::files;
use crate::sys::random::{Purpose, numbers};

/// How much of the rows is kept: the most rows, and the most bytes of their columns.
const SAMPLE: (usize, usize) = (500_000, 128 << 20);
const VALID: (usize, usize) = (200_000, 64 << 20);

/// However wide the rows are.
const LEAST: usize = 1000;

/// Classes beyond this are no classes.
const MOST_CLASSES: usize = 100_000;

pub(super) fn survey(
    request: &LoadRequest<'_>,
    storage: &Local,
    options: &ReadOptions,
) -> Result<Kept> {
    survey_with_room(request, storage, options, [SAMPLE, VALID])
}

pub(super) fn survey_with_room(
    request: &LoadRequest<'_>,
    storage: &Local,
    options: &ReadOptions,
    room: [(usize, usize); 2],
) -> Result<Kept> {
    let settings = request.settings;
    let split = &settings.split;
    let test = if settings.test.is_some() { 0.0 } else { split.test };
    let lots = Lots::new(split.seed, test, split.valid);
    let marks = Marks { sample: AtomicU64::new(u64::MAX), valid: AtomicU64::new(lots.valid) };
    let label = settings.label();

    // Cells are kept as they are until the sample says what columns are; the kinds that the project decides wait.
    let decided = RefCell::new(None);
    let decide = |beginning: &RawTable, file: &Path| {
        let names: Vec<&str> =
            beginning.columns.iter().map(|column| column.name.as_str()).collect();
        check_settings(request, &names, file)?;
        *decided.borrow_mut() = Some(kinds(request, beginning));
        Ok(Kinds::new())
    };
    let mut survey = Survey::new(lots, &marks, room);
    let work = |chunk: Chunk<'_>| look(&chunk, label, &lots, &marks, options);
    let mut reading = Reading::new(options, false, &decide);
    let name = Path::new(&settings.train);
    let passed = each_chunk(storage, name, &mut reading, &|_| true, &work, &mut |looked| {
        survey.add(looked)
    })?;
    let kinds = decided.into_inner().unwrap_or_default();
    let Survey { kept, classes, tested, rows, .. } = survey;
    check_classes(&classes, label, &settings.train)?;

    let mut sources = sources(storage, &passed)?;
    let (mut picked, mut roles, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for Chosen { rows, raw } in kept {
        picked.extend(rows.iter().map(|row| row.overall));
        roles.extend(rows.iter().map(|row| row.role));
        parts.push(raw);
    }
    let raw = RawTable::stack(parts).map_err(|unlike| {
        Error::user(format!(
            "files that `{}` names differ in column `{}`",
            settings.train, unlike.column
        ))
        .hint("files that one glob names have the same columns")
    })?;
    let origin = Origin {
        files: passed.iter().map(|file| (file.file.clone(), file.rows)).collect(),
        picked: Some(picked),
        ..Origin::default()
    };
    let format = passed.first().map(|file| file.format);
    let format = format.ok_or_else(|| Error::bug("a name that was found names no file"))?;
    let gathered = Gathered { raw, sources: Vec::new(), origin, format, kinds };
    let resolved = gathered.resolve(options)?;
    let of =
        |role: Role| -> Vec<usize> { (0..roles.len()).filter(|&row| roles[row] == role).collect() };
    let (train, valid) = (of(Role::Train), of(Role::Valid));
    let tables = vec![resolved.table.take(&train), resolved.table.take(&valid)];

    let mut tested = tested;
    if let Some(name) = &settings.test {
        let options = ReadOptions { kinds: tables[0].kinds(), ..options.clone() };
        let passed = look_at_test(storage, name, label, &classes, &options)?;
        tested = passed.iter().map(|file| file.rows).sum();
        sources.extend(self::sources(storage, &passed)?);
    }
    let lots = Lots { valid: marks.valid.load(Ordering::Relaxed), ..lots };
    let own_test = if settings.test.is_some() { 0 } else { tested };
    let rows =
        StreamRows { train: rows - own_test - valid.len(), valid: valid.len(), test: tested };
    let about = About {
        sources,
        notices: notices(request, resolved.notices),
        more: serde_json::json!([lots, rows]),
    };
    Ok(Kept { tables, about })
}

fn notices(request: &LoadRequest<'_>, mut notices: Vec<String>) -> Vec<String> {
    if request.settings.split.stratify {
        notices.push(
            "rows are held out by lot alone: `data.split.stratify` takes all rows at once, and \
             with this many it changes little"
                .into(),
        );
    }
    notices
}

/// Below which lots rows are kept. They only ever sink, so one that is read a little late keeps too many, never too few.
struct Marks {
    /// Of the lots that the sample is drawn by.
    sample: AtomicU64,
    /// Of the lots that say which rows validate.
    valid: AtomicU64,
}

/// A row that may be kept.
#[derive(Clone, Copy)]
struct Row {
    /// Its number over all files.
    overall: usize,
    role: Role,
    lot: u64,
    draw: u64,
    /// The first of its class, which the sample must not lack.
    first: bool,
}

impl Row {
    fn is_kept(&self, marks: &Marks) -> bool {
        match self.role {
            Role::Train => self.first || self.draw < marks.sample.load(Ordering::Relaxed),
            Role::Valid => self.lot < marks.valid.load(Ordering::Relaxed),
            Role::Test => false,
        }
    }
}

/// Rows of a chunk that are kept, as the file has them.
struct Chosen {
    rows: Vec<Row>,
    raw: RawTable,
}

impl Chosen {
    /// How many train, and how many validate.
    fn counts(&self) -> [usize; 2] {
        [Role::Train, Role::Valid]
            .map(|role| self.rows.iter().filter(|row| row.role == role).count())
    }

    fn keep(&mut self, marks: &Marks) {
        let kept: Vec<usize> =
            (0..self.rows.len()).filter(|&at| self.rows[at].is_kept(marks)).collect();
        if kept.len() < self.rows.len() {
            self.raw = self.raw.take(&kept);
            self.rows = kept.into_iter().map(|at| self.rows[at]).collect();
        }
    }
}

/// What a chunk holds.
struct Looked {
    some: Chosen,
    /// Of each class, whether its first row that surely trains is among those, and how many rows it has.
    classes: Vec<(String, Option<usize>, usize)>,
    rows: usize,
    tested: usize,
}

fn look(
    chunk: &Chunk<'_>,
    label: &str,
    lots: &Lots,
    marks: &Marks,
    options: &ReadOptions,
) -> Result<Looked> {
    let labels = labels(chunk, label, options)?;
    let count = chunk.raw.rows;
    let own_lots = lots.of(chunk.overall, count);
    let draws = numbers(lots.seed, Purpose::Draw, chunk.overall as u64, count);
    let mut classes: Vec<(String, Option<usize>, usize)> =
        labels.levels.iter().map(|level| (level.to_owned(), None, 0)).collect();
    let (mut at, mut rows, mut tested) = (Vec::new(), Vec::new(), 0);
    for row in 0..count {
        let (lot, draw) = (own_lots[row], draws[row]);
        let role = lots.role(lot);
        let mut kept = Row { overall: chunk.overall + row, role, lot, draw, first: false };
        let (_, first, count) = &mut classes[labels.codes[row] as usize];
        *count += 1;
        if role == Role::Train && first.is_none() {
            *first = Some(rows.len());
            kept.first = true;
        }
        tested += usize::from(role == Role::Test);
        if kept.is_kept(marks) {
            at.push(row);
            rows.push(kept);
        }
    }
    let some = Chosen { rows, raw: chunk.raw.take(&at) };
    Ok(Looked { some, classes, rows: count, tested })
}

/// What the rows are; one that lacks it is an error.
fn labels(chunk: &Chunk<'_>, label: &str, options: &ReadOptions) -> Result<Dictionary> {
    let column = chunk.raw.column(label).ok_or_else(|| {
        let names = chunk.raw.columns.iter().map(|column| column.name.as_str());
        no_column(&chunk.file.display().to_string(), label, names)
    })?;
    let values = cells::texts(column.raw.clone(), Missing::new(&options.missing));
    let Values::Texts(texts) = values else { return Err(Error::bug("classes that are no names")) };
    match texts.codes.iter().position(|&code| code == MISSING) {
        Some(row) => Err(Error::user(format!(
            "{} column `{label}`: the target is missing",
            chunk.origin().describe(row)
        ))
        .hint("leave out the rows that have no target")),
        None => Ok(texts),
    }
}

/// What was seen so far, in the order of the files.
struct Survey<'a> {
    lots: Lots,
    marks: &'a Marks,
    room: [(usize, usize); 2],
    kept: Vec<Chosen>,
    /// How many of the rows that are kept train and validate.
    counts: [usize; 2],
    /// Of each class, whether a row trains, and how many rows it has.
    classes: BTreeMap<String, (bool, usize)>,
    rows: usize,
    tested: usize,
}

impl<'a> Survey<'a> {
    fn new(lots: Lots, marks: &'a Marks, room: [(usize, usize); 2]) -> Self {
        let (kept, classes) = (Vec::new(), BTreeMap::new());
        Self { lots, marks, room, kept, counts: [0; 2], classes, rows: 0, tested: 0 }
    }

    fn add(&mut self, looked: Looked) -> Result<()> {
        let Looked { mut some, classes, rows, tested } = looked;
        for (class, first, count) in classes {
            let (trains, total) = self.classes.entry(class).or_default();
            // It was the first of its chunk; whether it is of all shows here.
            if let Some(at) = first {
                some.rows[at].first = !*trains;
                *trains = true;
            }
            *total += count;
        }
        if self.classes.len() > MOST_CLASSES {
            return Err(Error::user(format!("the target has more than {MOST_CLASSES} classes"))
                .hint("a class is seen many times: check `data.target`"));
        }
        self.rows += rows;
        self.tested += tested;
        some.keep(self.marks);
        let width = some.raw.columns.len().max(1);
        let more = some.counts();
        self.counts = [0, 1].map(|part| self.counts[part] + more[part]);
        self.kept.push(some);
        let room = self.room.map(|(rows, bytes)| rows.min(bytes / (8 * width)).max(LEAST));
        self.lower(0, room[0], &self.marks.sample, 0);
        self.lower(1, room[1], &self.marks.valid, self.lots.test);
        Ok(())
    }

    /// Halve what is left of a mark above `floor` until the kept rows of a part are no more than there is room for.
    fn lower(&mut self, part: usize, room: usize, mark: &AtomicU64, floor: u64) {
        while self.counts[part] > room {
            let above = mark.load(Ordering::Relaxed) - floor;
            if above == 0 {
                break;
            }
            mark.store(floor + above / 2, Ordering::Relaxed);
            let marks = self.marks;
            self.kept.par_iter_mut().for_each(|some| some.keep(marks));
            self.kept.retain(|some| !some.rows.is_empty());
            let counts: Vec<[usize; 2]> = self.kept.iter().map(Chosen::counts).collect();
            self.counts = [0, 1].map(|part| counts.iter().map(|counts| counts[part]).sum());
        }
    }
}

/// A class that no row teaches can't be said, and rows of it could not be scored.
fn check_classes(classes: &BTreeMap<String, (bool, usize)>, label: &str, file: &str) -> Result<()> {
    match classes.iter().find(|(_, (trains, _))| !trains) {
        Some((class, (_, rows))) => Err(Error::user(format!(
            "of the {rows} rows of {file} whose `{label}` is `{class}`, the lot leaves none to learn from"
        ))
        .hint("leave them out, give more of them, or draw again: `--set data.split.seed=8`")),
        None => Ok(()),
    }
}

/// The rows of a test file have a class each, and one that training knows.
fn look_at_test(
    storage: &Local,
    name: &str,
    label: &str,
    classes: &BTreeMap<String, (bool, usize)>,
    options: &ReadOptions,
) -> Result<Vec<Passed>> {
    let decide = |_: &RawTable, _: &Path| Ok(options.kinds.clone());
    let work = |chunk: Chunk<'_>| {
        let labels = labels(&chunk, label, options)?;
        let is_new = |level: &&str| !classes.contains_key(*level);
        let Some(class) = labels.levels.iter().find(is_new) else { return Ok(()) };
        let row = (0..chunk.raw.rows).find(|&row| labels.get(row) == Some(class)).unwrap_or(0);
        let place = chunk.origin().describe(row);
        Err(unseen_class(&place, label, class, classes.keys().map(String::as_str)))
    };
    let mut reading = Reading::new(options, false, &decide);
    each_chunk(storage, Path::new(name), &mut reading, &|name| name == label, &work, &mut Ok)
}

/// What was read, by its content.
fn sources(storage: &Local, passed: &[Passed]) -> Result<Vec<Source>> {
    let source = |file: &Passed| {
        let (sha256, size_bytes) = match file.format.is_text() {
            true => file.tally.finish(),
            // The others are read from where they lie, here and there.
            false => {
                let place: PathBuf = storage.place(&file.file).unwrap_or_else(|| file.file.clone());
                files::digest(&place)?
            }
        };
        let path = file.file.display().to_string();
        Ok(Source { path, sha256, size_bytes, rows: file.rows })
    };
    passed.par_iter().map(source).collect()
}
