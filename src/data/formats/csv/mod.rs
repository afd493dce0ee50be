//! CSV on all cores: the delimiter found out, quotes, ragged rows refused by number.
//!
//! One thread cuts the stream into [`blocks`] of whole rows, the others read the cells of each
//! ([`fields`]) straight into columns ([`part`]) of what its first rows let expect; blocks are put
//! together in the order of the file, so that the number of threads changes nothing. A column that
//! turns out to hold something else is read again as texts, by whoever called: see
//! [`Parsed::Mixed`](crate::data::raw::Parsed::Mixed).

mod blocks;
mod fields;
mod part;
mod sniff;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use self::blocks::Blocks;
use self::fields::Fields;
use self::part::{Cells, Fault, FaultKind, Part, PartColumn, Plan, line_breaks};
use super::{Give, check_names};
use crate::data::cells::Missing;
use crate::data::infer::{Guessing, why_an_id};
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::read::{Kinds, Reading};
use crate::data::storage::{Input, read_failed};
use crate::data::table::{Dictionary, MISSING};
use crate::data::texts::Levels;
use crate::data::time::Clock;
use crate::data::{ColumnKind, ReadOptions};
use crate::error::{Error, Result};

/// Bytes of a block: small enough for a core's own cache, large enough that putting together is little.
const BLOCK: usize = 1 << 19;
/// Rows by which a column is judged.
const SAMPLE: usize = 1000;

pub(super) fn read(input: Input, reading: &mut Reading<'_>) -> Result<RawTable> {
    let delimiter = delimiter(&input.head, reading.options)?;
    let (name, stream) = input.stream();
    read_blocks(&name, Blocks::new(stream, delimiter, BLOCK), delimiter, reading)
}

/// The same rows a few blocks at a time, a table each, for whoever wants no more of them in memory.
///
/// Tables come with the number of their first row, in the order of the file. Columns that `wanted`
/// doesn't name are there without their cells.
pub(super) fn read_in_parts(
    input: Input,
    reading: &mut Reading<'_>,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    give: &mut Give<'_>,
) -> Result<()> {
    let delimiter = delimiter(&input.head, reading.options)?;
    let (name, stream) = input.stream();
    let blocks = Blocks::new(stream, delimiter, BLOCK);
    let Some(Opened { blocks, first, mut cells, kinds, mut table }) =
        open(&name, blocks, delimiter, reading)?
    else {
        return Ok(());
    };
    for (plan, name) in cells.plans.iter_mut().zip(&table.names) {
        if !wanted(name) {
            *plan = Plan::Skip;
        }
    }
    each_wave(&name, blocks, first, &mut |wave| {
        let parts: Vec<_> = wave.par_iter().map(|block| cells.read(block)).collect();
        // What comes before a row that can't be read is given first, so that of two things that are
        // wrong the earlier one is told of.
        let mut tables = Vec::with_capacity(parts.len());
        let mut fault = None;
        for part in parts {
            match part {
                Ok(part) => {
                    tables.push((table.rows, table.whole(part.columns, part.rows, &kinds, &cells)));
                    table.rows += part.rows;
                    table.lines += part.lines;
                }
                Err(found) => {
                    fault = Some(table.describe(&found));
                    break;
                }
            }
        }
        give(tables)?;
        fault.map_or(Ok(()), Err)
    })
}

/// The whole rows in the beginning of a file, all as texts, and how many bytes they are; `None` where that
/// beginning can't be read, whatever the reason.
pub(super) fn beginning(start: &[u8], options: &ReadOptions) -> Option<(usize, RawTable)> {
    let delimiter = delimiter(start, options).ok()?;
    // The last row may be cut off.
    let whole = &start[..=memchr::memrchr(b'\n', start)?];
    let mut blocks = Blocks::new(whole, delimiter, whole.len() + 1);
    let name = Path::new("");
    let Head { names, first, lines } = head(name, &mut blocks, delimiter).ok()??;
    let missing = Missing::new(&options.missing);
    let clock = Clock::new(None, false).ok()?;
    let mut cells = Cells { delimiter, plans: Vec::new(), missing, decimal: None, clock };
    let rows = Growing::new(name, names, lines).sample(&mut cells, &first).ok()?;
    // A sample is the first of these rows; they are of one length as far as anybody knows.
    let mut fields = Fields::new(&first, delimiter);
    for _ in 0..rows.rows {
        fields.next_row();
        while !fields.next_cell().1 {}
    }
    Some((fields.position(), rows))
}

fn delimiter(head: &[u8], options: &ReadOptions) -> Result<u8> {
    match options.delimiter {
        Some(sign) => u8::try_from(sign).map_err(|_| {
            Error::user(format!("`data.delimiter` is `{sign}`, which is not one byte"))
                .hint("use one of `,` `;` `|` or a tab")
        }),
        None => Ok(sniff::delimiter(head)),
    }
}

fn read_blocks<R: Read + Send>(
    name: &Path,
    blocks: Blocks<R>,
    delimiter: u8,
    reading: &mut Reading<'_>,
) -> Result<RawTable> {
    let Some(Opened { blocks, first, mut cells, kinds, mut table }) =
        open(name, blocks, delimiter, reading)?
    else {
        return Ok(RawTable::default());
    };
    table.columns = cells.plans.iter().map(PartColumn::planned).collect();
    each_wave(name, blocks, first, &mut |wave| {
        table.append(wave.par_iter().map(|block| cells.read(block)).collect())?;
        for (plan, column) in cells.plans.iter_mut().zip(&table.columns) {
            if matches!(column, PartColumn::Misfit(_)) {
                *plan = Plan::Skip;
            }
        }
        Ok(())
    })?;
    Ok(table.finish(&kinds, cells.decimal))
}

/// A file whose header is read, and how its cells are to be.
struct Opened<'file, 'options, R> {
    blocks: Blocks<R>,
    first: Vec<u8>,
    cells: Cells<'options>,
    kinds: Kinds,
    table: Growing<'file>,
}

/// `None` where there is no row.
fn open<'file, 'options, R: Read>(
    name: &'file Path,
    mut blocks: Blocks<R>,
    delimiter: u8,
    reading: &mut Reading<'options>,
) -> Result<Option<Opened<'file, 'options, R>>> {
    let Some(Head { names, first, lines }) = head(name, &mut blocks, delimiter)? else {
        return Ok(None);
    };
    let options = reading.options;
    let clock = Clock::new(options.timezone.as_deref(), options.day_first)?;
    let missing = Missing::new(&options.missing);
    let mut cells = Cells { delimiter, plans: Vec::new(), missing, decimal: None, clock };
    let table = Growing::new(name, names, lines);

    let sample = table.sample(&mut cells, &first)?;
    let kinds = reading.kinds(&sample, name)?;
    cells.decimal = options.decimal.or_else(|| sniff::decimal(&sample, delimiter));
    cells.plans = plans(&sample, &kinds, reading, &cells);
    Ok(Some(Opened { blocks, first, cells, kinds, table }))
}

/// Gives `work` the blocks of the file in order, some at a time; the next are read while it works.
fn each_wave<R: Read + Send>(
    name: &Path,
    mut blocks: Blocks<R>,
    first: Vec<u8>,
    work: &mut (dyn FnMut(&[Vec<u8>]) -> Result<()> + Send),
) -> Result<()> {
    let mut wave = vec![first];
    while !wave.is_empty() {
        let (next, worked) = rayon::join(|| next_wave(&mut blocks), || work(&wave));
        worked?;
        wave = next.map_err(|error| read_failed(name, &error))?;
    }
    Ok(())
}

/// As many blocks as keep all cores busy; none at the end.
fn next_wave<R: Read>(blocks: &mut Blocks<R>) -> std::io::Result<Vec<Vec<u8>>> {
    let mut wave = Vec::new();
    for _ in 0..4 * rayon::current_num_threads() {
        match blocks.next()? {
            Some(block) => wave.push(block),
            None => break,
        }
    }
    Ok(wave)
}

/// The beginning of a file that has rows.
struct Head {
    names: Vec<String>,
    first: Vec<u8>,
    /// Line breaks before the first rows.
    lines: usize,
}

/// `None` where there is no row.
fn head<R: Read>(name: &Path, blocks: &mut Blocks<R>, delimiter: u8) -> Result<Option<Head>> {
    let mut next = || blocks.next().map_err(|error| read_failed(name, &error));
    let mut names: Vec<String> = Vec::new();
    let mut lines = 0;
    while let Some(mut block) = next()? {
        let mut fields = Fields::new(&block, delimiter);
        if names.is_empty() && fields.next_row() {
            loop {
                let (cell, last) = fields.next_cell();
                let cell = std::str::from_utf8(cell).map_err(|_| {
                    let at = names.len() + 1;
                    not_utf8(name, &format!("the name of column {at} is not UTF-8 text"))
                })?;
                names.push(cell.trim().to_owned());
                if last {
                    break;
                }
            }
            check_names(name, names.iter().map(String::as_str))?;
        }
        let has_rows = fields.next_row();
        let start = fields.position();
        lines += line_breaks(&block[..start]);
        if has_rows {
            block.drain(..start);
            return Ok(Some(Head { names, first: block, lines }));
        }
    }
    Ok(None)
}

/// What to expect of each column, by the kind that is decided or by the first rows.
fn plans(sample: &RawTable, kinds: &Kinds, reading: &Reading<'_>, cells: &Cells<'_>) -> Vec<Plan> {
    // What isn't asked for by anybody is expected only where all of the first rows have it.
    let lenient = ReadOptions { strict: false, ..reading.options.clone() };
    let guessing = Guessing { options: &lenient, clock: cells.clock, decimal: cells.decimal };
    let plan = |column: &RawColumn| {
        if let Some(texts_of) = reading.texts_of {
            return if texts_of.contains(&column.name) { Plan::Texts } else { Plan::Skip };
        }
        match kinds.get(&column.name) {
            Some(ColumnKind::Numeric) => Plan::Numbers,
            Some(ColumnKind::Timestamp) => Plan::Times { said: true },
            Some(_) => Plan::Texts,
            None if !reading.can_read_again => Plan::Texts,
            None => match guessing.guess(column).kind {
                // Of an id the texts are wanted, however numeric they are.
                ColumnKind::Numeric if may_be_id(column, cells.decimal) => Plan::Texts,
                ColumnKind::Numeric => Plan::Numbers,
                ColumnKind::Timestamp => Plan::Times { said: false },
                _ => Plan::Texts,
            },
        }
    };
    sample.columns.iter().map(plan).collect()
}

fn may_be_id(column: &RawColumn, decimal: Option<char>) -> bool {
    let raw = column.raw.clone();
    match crate::data::cells::numbers(raw, Missing::new(&[]), decimal) {
        Ok(crate::data::Values::Numbers(values)) => why_an_id(&column.name, &values).is_some(),
        _ => true,
    }
}

/// A table to which blocks are added in the order of the file.
struct Growing<'a> {
    file: &'a Path,
    names: Vec<String>,
    columns: Vec<PartColumn>,
    rows: usize,
    lines: usize,
}

impl<'a> Growing<'a> {
    fn new(file: &'a Path, names: Vec<String>, lines: usize) -> Self {
        Self { file, names, columns: Vec::new(), rows: 0, lines }
    }

    /// The first rows, all as texts.
    fn sample(&self, cells: &mut Cells<'_>, block: &[u8]) -> Result<RawTable> {
        let mut fields = Fields::new(block, cells.delimiter);
        let mut rows = 0;
        while rows < SAMPLE && fields.next_row() {
            while !fields.next_cell().1 {}
            rows += 1;
        }
        cells.plans = vec![Plan::Texts; self.names.len()];
        let part = cells.read(&block[..fields.position()]);
        let part = part.map_err(|fault| self.describe(&fault))?;
        let column = |(name, column): (&String, PartColumn)| {
            let raw = match column.finish(None)? {
                Raw::Texts(texts) => Raw::Texts(cells.missing.drop_texts(texts)),
                other => other,
            };
            Some(RawColumn { name: name.clone(), raw, text: false })
        };
        let columns = self.names.iter().zip(part.columns).filter_map(column).collect();
        Ok(RawTable { columns, rows: part.rows, decimal: None })
    }

    fn append(&mut self, parts: Vec<Result<Part, Fault>>) -> Result<()> {
        let mut whole = Vec::with_capacity(parts.len());
        for part in parts {
            let part = part.map_err(|fault| self.describe(&fault))?;
            whole.push((self.rows, part.columns));
            self.rows += part.rows;
            self.lines += part.lines;
        }
        self.columns.par_iter_mut().enumerate().for_each(|(at, column)| {
            for (rows, part) in &whole {
                column.append(&part[at], *rows);
            }
        });
        Ok(())
    }

    /// A part as a table of its own; a column that was passed over has no cell in it.
    fn whole(
        &self,
        columns: Vec<PartColumn>,
        rows: usize,
        kinds: &Kinds,
        cells: &Cells<'_>,
    ) -> RawTable {
        let column = |(name, column): (&String, PartColumn)| {
            let raw = column.finish(kinds.get(name).copied()).unwrap_or_else(|| {
                Raw::Texts(Dictionary { codes: vec![MISSING; rows], levels: Levels::default() })
            });
            RawColumn { name: name.clone(), raw, text: false }
        };
        let columns = self.names.iter().zip(columns).map(column).collect();
        RawTable { columns, rows, decimal: cells.decimal }
    }

    fn finish(self, kinds: &Kinds, decimal: Option<char>) -> RawTable {
        let column = |(name, column): (String, PartColumn)| {
            let raw = column.finish(kinds.get(&name).copied())?;
            Some(RawColumn { name, raw, text: false })
        };
        let columns = self.names.into_iter().zip(self.columns).filter_map(column).collect();
        RawTable { columns, rows: self.rows, decimal }
    }

    /// What is wrong with a row of the block that comes next.
    fn describe(&self, fault: &Fault) -> Error {
        let row = self.rows + fault.row + 1;
        match fault.what {
            FaultKind::NotUtf8 { column } => not_utf8(
                self.file,
                &format!("row {row} column `{}` is not UTF-8 text", self.names[column]),
            ),
            FaultKind::Ragged { cells, has_line_break } => {
                let line = self.lines + fault.line + 1;
                let error = Error::file(
                    "read",
                    self.file,
                    format!(
                        "row {row} (line {line}) has {cells} cells where the header has {}",
                        self.names.len()
                    ),
                );
                error.hint(if has_line_break {
                    "a quote that opens in this row may never close"
                } else {
                    "a cell that holds the delimiter needs quotes; another delimiter is `data.delimiter`"
                })
            }
        }
    }
}

fn not_utf8(name: &Path, what: &str) -> Error {
    let file = name.display();
    Error::file("read", name, what)
        .hint(format!("save it as UTF-8, such as: `iconv -f WINDOWS-1252 -t UTF-8 {file}`"))
}
