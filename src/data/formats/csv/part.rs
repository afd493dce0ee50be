//! A block of rows into columns, each by what it is expected to hold.

use std::str::from_utf8;

use super::fields::Fields;
use crate::data::ColumnKind;
use crate::data::cells::{BadCell, Missing, ReadTimes};
use crate::data::numbers::{leading_number, number};
use crate::data::raw::{Parsed, Raw};
use crate::data::texts::Texts;
use crate::data::time::Clock;

/// What a column is expected to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Passed over: somebody else has read it.
    Skip,
    Texts,
    Numbers,
    /// Times; where the column is `said` to hold them, also those that nobody would take for times.
    Times {
        said: bool,
    },
}

/// How the cells of a file are read.
#[derive(Clone, Debug)]
pub(super) struct Cells<'a> {
    pub delimiter: u8,
    pub plans: Vec<Plan>,
    pub missing: Missing<'a>,
    pub decimal: Option<char>,
    pub clock: Clock,
}

/// The rows of one block.
#[derive(Debug)]
pub(super) struct Part {
    pub columns: Vec<PartColumn>,
    pub rows: usize,
    /// Line breaks, by which a later block knows its lines.
    pub lines: usize,
}

#[derive(Clone, Debug)]
pub(super) enum PartColumn {
    Skipped,
    Texts(Texts),
    Numbers(Vec<f64>),
    Times(ReadTimes),
    /// The first cell that is not what the column is expected to hold.
    Misfit(BadCell),
}

/// A row that can't be read, counted from the block's first, as are lines.
#[derive(Debug)]
pub(super) struct Fault {
    pub row: usize,
    pub line: usize,
    pub what: FaultKind,
}

#[derive(Debug)]
pub(super) enum FaultKind {
    Ragged { cells: usize, has_line_break: bool },
    NotUtf8 { column: usize },
}

impl Cells<'_> {
    pub(super) fn read(&self, block: &[u8]) -> Result<Part, Fault> {
        let mut columns: Vec<PartColumn> = self.plans.iter().map(PartColumn::planned).collect();
        let mut fields = Fields::new(block, self.delimiter);
        let mut row = 0;
        while fields.next_row() {
            let start = fields.position();
            let (mut cells, mut not_text) = (0, None);
            loop {
                let last = match columns.get_mut(cells) {
                    None => fields.next_cell().1,
                    Some(column) => {
                        self.cell(&mut fields, column, row).unwrap_or_else(|NotText { last }| {
                            not_text = not_text.or(Some(cells));
                            last
                        })
                    }
                };
                cells += 1;
                if last {
                    break;
                }
            }
            let what = if cells == columns.len() {
                not_text.map(|column| FaultKind::NotUtf8 { column })
            } else {
                let has_line_break = block[start..fields.position()].contains(&b'\n');
                Some(FaultKind::Ragged { cells, has_line_break })
            };
            if let Some(what) = what {
                return Err(Fault { row, line: line_breaks(&block[..start]), what });
            }
            row += 1;
        }
        Ok(Part { columns, rows: row, lines: line_breaks(block) })
    }

    /// The next cell into its column, and whether it was the last of its row.
    #[inline]
    fn cell(
        &self,
        fields: &mut Fields<'_>,
        column: &mut PartColumn,
        row: usize,
    ) -> Result<bool, NotText> {
        if let PartColumn::Numbers(values) = column
            && self.decimal.is_none()
            && let Some((value, length)) = leading_number(fields.ahead())
            && let Some(last) = fields.pass(length)
        {
            values.push(value);
            return Ok(last);
        }
        let (cell, last) = fields.next_cell();
        if let PartColumn::Texts(texts) = column {
            return if texts.push_bytes(trimmed(cell)) { Ok(last) } else { Err(NotText { last }) };
        }
        let cell = from_utf8(cell).map_err(|_| NotText { last })?.trim();
        let fits = match column {
            PartColumn::Numbers(values) => match number(cell, self.decimal) {
                Some(value) => {
                    values.push(value);
                    true
                }
                None if self.missing.is(cell) => {
                    values.push(f64::NAN);
                    true
                }
                None => false,
            },
            PartColumn::Times(times) => {
                if self.missing.is(cell) {
                    times.push_missing();
                    true
                } else {
                    times.push(cell, self.clock)
                }
            }
            PartColumn::Texts(_) | PartColumn::Skipped | PartColumn::Misfit(_) => true,
        };
        if !fits {
            *column = PartColumn::Misfit(BadCell { row, cell: cell.to_owned() });
        }
        Ok(last)
    }
}

/// A cell that is not UTF-8.
struct NotText {
    last: bool,
}

impl PartColumn {
    pub(super) fn planned(plan: &Plan) -> Self {
        match plan {
            Plan::Skip => Self::Skipped,
            Plan::Texts => Self::Texts(Texts::default()),
            Plan::Numbers => Self::Numbers(Vec::new()),
            Plan::Times { said } => Self::Times(ReadTimes::new(*said)),
        }
    }

    /// The rows of a later block below the `rows` of these.
    pub(super) fn append(&mut self, more: &Self, rows: usize) {
        match (&mut *self, more) {
            (Self::Skipped | Self::Misfit(_), _) | (_, Self::Skipped) => {}
            (_, Self::Misfit(bad)) => {
                *self = Self::Misfit(BadCell { row: bad.row + rows, cell: bad.cell.clone() });
            }
            (Self::Texts(texts), Self::Texts(more)) => texts.append(more),
            (Self::Numbers(values), Self::Numbers(more)) => values.extend_from_slice(more),
            (Self::Times(times), Self::Times(more)) => times.append(more),
            _ => unreachable!("blocks of one file are read by one plan"),
        }
    }

    /// `None` where it was passed over.
    pub(super) fn finish(self, decided: Option<ColumnKind>) -> Option<Raw> {
        let parsed = match self {
            Self::Skipped => return None,
            Self::Texts(texts) => return Some(Raw::Texts(texts.finish())),
            Self::Numbers(values) => Parsed::Numbers(values),
            Self::Times(times) => Parsed::Times(times),
            Self::Misfit(bad) => match decided {
                Some(kind) => Parsed::Bad(kind, bad),
                None => Parsed::Mixed,
            },
        };
        Some(Raw::Parsed(parsed))
    }
}

/// A cell without the spaces around it, of which there are mostly none.
#[inline]
fn trimmed(cell: &[u8]) -> &[u8] {
    match cell {
        [] => cell,
        [only] if only.is_ascii_graphic() => cell,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => cell,
        _ => from_utf8(cell).map_or(cell, |text| text.trim().as_bytes()),
    }
}

pub(super) fn line_breaks(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}
