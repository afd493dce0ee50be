//! What each column is, guessed from its cells; whoever knows better says so in `[columns]`.

use std::collections::HashSet;

use super::ColumnKind;
use super::cells::{Missing, number};
use super::raw::{Cells, Raw, RawColumn};
use super::read::ReadOptions;
use super::table::MISSING_TIME;
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
    pub(crate) fn guess(&self, column: &RawColumn) -> Guess {
        match &column.raw {
            Raw::Numbers(values) => numbers(&column.name, values),
            Raw::Times { values, .. } if values.iter().all(|&time| time == MISSING_TIME) => {
                empty(&column.name)
            }
            Raw::Times { .. } => Guess { kind: ColumnKind::Timestamp, notice: None },
            Raw::Cells(cells) => self.cells(column, cells),
        }
    }

    fn cells(&self, column: &RawColumn, cells: &Cells) -> Guess {
        let name = &column.name;
        let missing = Missing::new(&self.options.missing);
        let present = || cells.iter().filter(|cell| !missing.is(cell));
        let total = present().count();
        if total == 0 {
            return empty(name);
        }
        let digits = if column.text { 0 } else { self.count_numbers(missing, cells) };
        if digits == total {
            let values: Vec<f64> =
                cells.iter().map(|cell| number(cell, self.decimal).unwrap_or(f64::NAN)).collect();
            return numbers(name, &values);
        }
        let levels: HashSet<&str> = present().collect();
        let share = |count: usize| count as f64 / total as f64;
        if share(digits) >= NEARLY_ALL && self.options.strict && !self.are_codes(&levels) {
            // The cells that are no numbers are errors, which reading the column will name.
            return Guess { kind: ColumnKind::Numeric, notice: None };
        }
        if let Some(kind) = self.times(missing, cells, total) {
            return Guess { kind, notice: None };
        }
        if is_boolean(&levels) {
            return Guess { kind: ColumnKind::Boolean, notice: None };
        }
        let mut guess = texts(name, &levels, total);
        if share(digits) >= 0.5 && guess.kind == ColumnKind::Categorical && guess.notice.is_none() {
            guess.notice = Some(format!("`{name}` mixes numbers and texts: read as categorical"));
        }
        guess
    }

    /// How many cells are numbers; a column whose first cells are none is not read to its end.
    fn count_numbers(&self, missing: Missing<'_>, cells: &Cells) -> usize {
        const SAMPLE: usize = 200;
        let (mut count, mut looked) = (0, 0);
        for cell in cells.iter().filter(|cell| !missing.is(cell)) {
            looked += 1;
            count += usize::from(number(cell, self.decimal).is_some());
            if looked == SAMPLE && count * 2 < SAMPLE {
                return 0;
            }
        }
        count
    }

    /// A few codes of which some are digits and some are letters.
    fn are_codes(&self, levels: &HashSet<&str>) -> bool {
        levels.len() <= FEW_CODES
            && levels
                .iter()
                .all(|level| number(level, self.decimal).is_none_or(|value| value.fract() == 0.0))
    }

    fn times(&self, missing: Missing<'_>, cells: &Cells, total: usize) -> Option<ColumnKind> {
        let present = || cells.iter().filter(|cell| !missing.is(cell));
        let first = present().next()?;
        let turned = self.clock.is_turned(first);
        let (format, _) = match self.clock.recognise(first, false) {
            Some(found) => found,
            // The first cell may be the mistake, or show that the day comes first.
            None => present().take(FEW_ROWS).find_map(|cell| self.clock.recognise(cell, false))?,
        };
        let fits = present()
            .filter(|cell| {
                self.clock.read(cell, format).is_some()
                    || self.clock.recognise(cell, false).is_some()
            })
            .count();
        let needed = if self.options.strict {
            // Days above 12 in the first place are half of a column or more; they shall be told of.
            if turned || total > FEW_ROWS && format.pattern.contains('/') {
                0.3
            } else {
                NEARLY_ALL
            }
        } else {
            1.0
        };
        (fits as f64 / total as f64 >= needed).then_some(ColumnKind::Timestamp)
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
    let why = if !are_distinct_integers(values) {
        None
    } else if names_an_id(name) {
        Some("its name and its distinct integers say so")
    } else if count_up(values) {
        Some("it counts the rows")
    } else {
        None
    };
    match why {
        Some(why) => Guess {
            kind: ColumnKind::Id,
            notice: Some(format!(
                "`{name}` is taken for an id and is no feature: {why} (else `[columns] {name} = \"numeric\"`)"
            )),
        },
        None => Guess { kind: ColumnKind::Numeric, notice: None },
    }
}

fn texts(name: &str, levels: &HashSet<&str>, total: usize) -> Guess {
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

fn is_boolean(levels: &HashSet<&str>) -> bool {
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
    let sample = &values[..values.len().min(FEW_ROWS)];
    if values.len() < FEW_ROWS || sample.iter().any(|value| value.fract() != 0.0) {
        return false;
    }
    let mut seen = HashSet::with_capacity(values.len());
    values.iter().all(|value| value.fract() == 0.0 && seen.insert(value.to_bits()))
}

fn count_up(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[1] - pair[0] == 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(name: &str, cells: &[&str]) -> ColumnKind {
        guess_with(name, cells, false)
    }

    fn guess_with(name: &str, cells: &[&str], strict: bool) -> ColumnKind {
        let mut raw = Cells::default();
        for cell in cells {
            raw.push(cell);
        }
        let options = ReadOptions { strict, ..ReadOptions::default() };
        let guessing = Guessing { options: &options, clock: Clock::default(), decimal: None };
        let column = RawColumn { name: name.into(), raw: Raw::Cells(raw), text: false };
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
