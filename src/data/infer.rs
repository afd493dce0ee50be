//! What each column is, guessed from its cells; whoever knows better says so in `[columns]`.

use std::collections::HashSet;

use super::ColumnKind;
use super::cells::Missing;
use super::numbers::number;
use super::raw::{Parsed, Raw, RawColumn};
use super::read::ReadOptions;
use super::table::{Dictionary, MISSING, MISSING_TIME};
use super::texts::Levels;
use super::time::Clock;

/// A guess, and what the user should know of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guess {
    pub kind: ColumnKind,
    pub notice: Option<String>,
}

/// Where this share of the cells fits a kind, the others are taken for mistakes.
const NEARLY_ALL: f64 = 0.95;
/// Fewer rows than this prove nothing by being distinct.
const FEW_ROWS: usize = 20;
/// More distinct texts than this, for more than half of the rows, teach nothing.
const MANY_LEVELS: usize = 1000;
/// Integers with at most so many distinct values may be codes.
const FEW_CODES: usize = 20;

const PAIRS: &[[&str; 2]] =
    &[["true", "false"], ["yes", "no"], ["y", "n"], ["t", "f"], ["on", "off"]];

/// How a column is guessed.
pub(crate) struct Guessing<'a> {
    pub options: &'a ReadOptions,
    pub clock: Clock,
    pub decimal: Option<char>,
}

impl Guessing<'_> {
    /// A column from whose texts those that mean nothing was there are gone.
    pub(crate) fn guess(&self, column: &RawColumn) -> Guess {
        match &column.raw {
            Raw::Numbers(values) => numbers(&column.name, values),
            Raw::Parsed(Parsed::Numbers(values)) if self.options.missing.is_empty() => {
                numbers(&column.name, values)
            }
            Raw::Parsed(Parsed::Numbers(values)) => {
                let mut values = values.clone();
                Missing::new(&self.options.missing).drop_numbers(&mut values);
                numbers(&column.name, &values)
            }
            Raw::Times { values, .. } if values.iter().all(|&time| time == MISSING_TIME) => {
                empty(&column.name)
            }
            Raw::Parsed(Parsed::Times(times)) if times.example.is_none() => empty(&column.name),
            Raw::Times { .. } | Raw::Parsed(Parsed::Times(_)) => {
                Guess { kind: ColumnKind::Timestamp, notice: None }
            }
            Raw::Texts(texts) => self.texts(column, texts),
            // Whoever reads a file gives what is bad or mixed a kind, or reads it again.
            Raw::Parsed(Parsed::Bad(kind, _)) => Guess { kind: *kind, notice: None },
            Raw::Parsed(Parsed::Mixed) => Guess { kind: ColumnKind::Text, notice: None },
        }
    }

    fn texts(&self, column: &RawColumn, texts: &Dictionary) -> Guess {
        let name = &column.name;
        let texts = Counted::new(texts);
        let total = texts.total;
        if total == 0 {
            return empty(name);
        }
        let read = if column.text { None } else { self.read_numbers(&texts) };
        let digits = read.as_ref().map_or(0, |read| texts.count(|level| read[level].is_some()));
        if let Some(read) = read.as_ref().filter(|_| digits == total) {
            let value =
                |&code: &u32| read.get(code as usize).copied().flatten().unwrap_or(f64::NAN);
            return numbers(name, &texts.codes.iter().map(value).collect::<Vec<_>>());
        }
        let levels = texts.levels;
        let share = |count: usize| count as f64 / total as f64;
        if share(digits) >= NEARLY_ALL && self.options.strict && !self.are_codes(levels) {
            // The cells that are no numbers are errors, which reading the column will name.
            return Guess { kind: ColumnKind::Numeric, notice: None };
        }
        if let Some(kind) = self.times(&texts) {
            return Guess { kind, notice: None };
        }
        if is_boolean(levels) {
            return Guess { kind: ColumnKind::Boolean, notice: None };
        }
        let mut guess = self::texts(name, levels, total);
        if share(digits) >= 0.5 && guess.kind == ColumnKind::Categorical && guess.notice.is_none() {
            guess.notice = Some(format!("`{name}` mixes numbers and texts: read as categorical"));
        }
        guess
    }

    /// Each level as a number; a column whose first cells are none is not read to its end.
    fn read_numbers(&self, texts: &Counted<'_>) -> Option<Vec<Option<f64>>> {
        const SAMPLE: usize = 200;
        let is_number = |code: &u32| number(&texts.levels[*code as usize], self.decimal).is_some();
        let first: Vec<u32> =
            texts.codes.iter().copied().filter(|&code| code != MISSING).take(SAMPLE).collect();
        if first.len() == SAMPLE && first.iter().filter(|code| is_number(code)).count() * 2 < SAMPLE
        {
            return None;
        }
        Some(texts.levels.iter().map(|level| number(level, self.decimal)).collect())
    }

    /// A few codes of which some are digits and some are letters.
    fn are_codes(&self, levels: &Levels) -> bool {
        levels.len() <= FEW_CODES
            && levels
                .iter()
                .all(|level| number(level, self.decimal).is_none_or(|value| value.fract() == 0.0))
    }

    fn times(&self, texts: &Counted<'_>) -> Option<ColumnKind> {
        let levels = texts.levels;
        let first = levels.get(0)?;
        let turned = self.clock.is_turned(first);
        let (format, _) = match self.clock.recognise(first, false) {
            Some(found) => found,
            // The first cell may be the mistake, or show that the day comes first.
            None => {
                let present = texts.codes.iter().filter(|&&code| code != MISSING).take(FEW_ROWS);
                let mut cells = present.map(|&code| &levels[code as usize]);
                cells.find_map(|cell| self.clock.recognise(cell, false))?
            }
        };
        let fits = texts.count(|level| {
            let cell = &levels[level];
            self.clock.read(cell, format).is_some() || self.clock.recognise(cell, false).is_some()
        });
        let needed = if self.options.strict {
            // Days above 12 in the first place are half of a column or more; they shall be told of.
            if turned || texts.total > FEW_ROWS && format.pattern.contains('/') {
                0.3
            } else {
                NEARLY_ALL
            }
        } else {
            1.0
        };
        (fits as f64 / texts.total as f64 >= needed).then_some(ColumnKind::Timestamp)
    }
}

/// Texts with the number of cells of each level, so that a level is looked at once.
struct Counted<'a> {
    codes: &'a [u32],
    levels: &'a Levels,
    counts: Vec<usize>,
    /// How many cells are not missing.
    total: usize,
}

impl<'a> Counted<'a> {
    fn new(texts: &'a Dictionary) -> Self {
        let mut counts = vec![0; texts.levels.len()];
        for &code in &texts.codes {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
        }
        let total = counts.iter().sum();
        Self { codes: &texts.codes, levels: &texts.levels, counts, total }
    }

    /// How many cells have a level that fits.
    fn count(&self, fits: impl Fn(usize) -> bool) -> usize {
        self.counts.iter().enumerate().filter(|(level, _)| fits(*level)).map(|(_, n)| n).sum()
    }
}

fn empty(name: &str) -> Guess {
    Guess {
        kind: ColumnKind::Ignore,
        notice: Some(format!("`{name}` is left out: it has no value in any row")),
    }
}

fn numbers(name: &str, values: &[f64]) -> Guess {
    if values.iter().all(|value| value.is_nan()) {
        return empty(name);
    }
    match why_an_id(name, values).filter(|_| values.len() >= FEW_ROWS) {
        Some(why) => Guess {
            kind: ColumnKind::Id,
            notice: Some(format!(
                "`{name}` is taken for an id and is no feature: {why} (else `[columns] {name} = \"numeric\"`)"
            )),
        },
        None => Guess { kind: ColumnKind::Numeric, notice: None },
    }
}

/// Why these numbers name their rows. What is true of a column is true of its beginning, so that a
/// column whose beginning names no rows is none of ids.
pub(crate) fn why_an_id(name: &str, values: &[f64]) -> Option<&'static str> {
    let why = if names_an_id(name) {
        "its name and its distinct integers say so"
    } else if values.windows(2).all(|pair| pair[1] - pair[0] == 1.0) {
        "it counts the rows"
    } else {
        return None;
    };
    are_distinct_integers(values).then_some(why)
}

fn texts(name: &str, levels: &Levels, total: usize) -> Guess {
    let distinct = levels.len();
    let words: usize = levels.iter().map(|level| level.split_whitespace().count()).sum();
    let prose = words > distinct * 4;
    let near_unique = total >= FEW_ROWS && distinct * 10 >= total * 9;
    let many = distinct > MANY_LEVELS && distinct * 2 > total;
    let left_out = |kind, what: &str| Guess {
        kind,
        notice: Some(format!(
            "`{name}` is left out: {what}, with {distinct} distinct texts in {total} rows (else `[columns] {name} = \"categorical\"`)"
        )),
    };
    let single_words = words == distinct;
    if near_unique && (single_words || names_an_id(name)) {
        left_out(ColumnKind::Id, "it reads like an id")
    } else if near_unique || many || prose && total >= FEW_ROWS && distinct * 2 > total {
        left_out(ColumnKind::Text, "it reads like free text")
    } else {
        Guess { kind: ColumnKind::Categorical, notice: None }
    }
}

fn is_boolean(levels: &Levels) -> bool {
    levels.len() <= 2
        && PAIRS.iter().any(|pair| {
            levels.iter().all(|level| pair.iter().any(|word| word.eq_ignore_ascii_case(level)))
        })
}

/// `id`, `user_id`, `customerID`, `uuid`; not `paid`.
pub(crate) fn names_an_id(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["id", "uuid", "guid", "index", "rowid", "row", "key"].contains(&lower.as_str())
        || ["_id", "-id", " id", "_uuid", "_key", ".id", "_no"]
            .iter()
            .any(|end| lower.ends_with(end))
        || ["Id", "ID"].iter().any(|end| {
            name.strip_suffix(end)
                .is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_lowercase()))
        })
}

fn are_distinct_integers(values: &[f64]) -> bool {
    if values.iter().take(FEW_ROWS).any(|value| value.fract() != 0.0) {
        return false;
    }
    // What rises is distinct, and most ids rise.
    if values.iter().all(|value| value.fract() == 0.0) && values.is_sorted_by(|a, b| a < b) {
        return true;
    }
    let mut seen = HashSet::with_capacity(values.len());
    values.iter().all(|value| value.fract() == 0.0 && seen.insert(value.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::texts::Texts;

    fn guess(name: &str, cells: &[&str]) -> ColumnKind {
        guess_with(name, cells, false)
    }

    fn guess_with(name: &str, cells: &[&str], strict: bool) -> ColumnKind {
        let mut raw = Texts::default();
        for cell in cells {
            raw.push(cell);
        }
        let options = ReadOptions { strict, ..ReadOptions::default() };
        let guessing = Guessing { options: &options, clock: Clock::default(), decimal: None };
        let column = RawColumn {
            name: name.into(),
            raw: Raw::Texts(Missing::new(&[]).drop_texts(raw.finish())),
            text: false,
        };
        guessing.guess(&column).kind
    }

    fn many(cell: impl Fn(usize) -> String) -> Vec<String> {
        (0..100).map(cell).collect()
    }

    fn refs(cells: &[String]) -> Vec<&str> {
        cells.iter().map(String::as_str).collect()
    }

    #[test]
    fn plain_columns_are_what_they_look_like() {
        assert_eq!(guess("age", &["39", "50", "", "NA"]), ColumnKind::Numeric);
        assert_eq!(guess("income", &["<=50K", ">50K"]), ColumnKind::Categorical);
        assert_eq!(guess("partner", &["Yes", "No", "Yes"]), ColumnKind::Boolean);
        assert_eq!(guess("senior", &["0", "1", "0"]), ColumnKind::Numeric);
        assert_eq!(guess("month", &["1949-01", "1949-02"]), ColumnKind::Timestamp);
        assert_eq!(guess("when", &["2020-01-01T00:00:00+02:00"]), ColumnKind::Timestamp);
        assert_eq!(guess("void", &["", "NaN"]), ColumnKind::Ignore);
    }

    #[test]
    fn near_unique_columns_are_ids_or_texts() {
        let ids = many(|row| format!("C-{row}"));
        assert_eq!(guess("customer", &refs(&ids)), ColumnKind::Id);
        let notes = many(|row| format!("called {row} times about the bill"));
        assert_eq!(guess("notes", &refs(&notes)), ColumnKind::Text);
        let numbers = many(|row| (1000 + row * 7).to_string());
        assert_eq!(guess("customer_id", &refs(&numbers)), ColumnKind::Id);
        assert_eq!(guess("paid", &refs(&numbers)), ColumnKind::Numeric);
        let rows = many(|row| row.to_string());
        assert_eq!(guess("n", &refs(&rows)), ColumnKind::Id);
    }

    #[test]
    fn a_stray_text_is_a_mistake_only_where_we_are_strict() {
        let mut cells = many(|row| format!("{}.5", row % 50));
        cells[70] = "abc".into();
        assert_eq!(guess_with("age", &refs(&cells), true), ColumnKind::Numeric);
        assert_eq!(guess("age", &refs(&cells)), ColumnKind::Categorical);
        let codes = many(|row| if row == 3 { "X".into() } else { (row % 5).to_string() });
        assert_eq!(guess_with("code", &refs(&codes), true), ColumnKind::Categorical);
    }
}
