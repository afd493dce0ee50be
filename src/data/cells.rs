//! Cells into values of a kind that is decided.

use super::numbers::number;
use super::raw::{Parsed, Raw};
use super::table::{Dictionary, MISSING, MISSING_TIME, Values};
use super::time::{Clock, TimeFormat};

/// The texts that mean nothing was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing<'a> {
    also: &'a [String],
}

impl<'a> Missing<'a> {
    pub(crate) fn new(also: &'a [String]) -> Self {
        Self { also }
    }

    pub(crate) fn is(self, cell: &str) -> bool {
        const ALWAYS: &[&str] = &["NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>"];
        // Longer cells are none of them, and most cells are compared to nothing.
        cell.is_empty()
            || cell.len() <= 4 && ALWAYS.contains(&cell)
            || !self.also.is_empty() && self.also.iter().any(|text| text == cell)
    }

    /// The numbers that mean nothing was there, such as -999, made NaN.
    pub(crate) fn drop_numbers(self, values: &mut [f64]) {
        let tokens: Vec<f64> = self.also.iter().filter_map(|text| number(text, None)).collect();
        if !tokens.is_empty() {
            for value in values {
                if tokens.contains(value) {
                    *value = f64::NAN;
                }
            }
        }
    }

    /// The same column without the levels that mean nothing was there.
    pub(crate) fn drop_texts(self, texts: Dictionary) -> Dictionary {
        if !texts.levels.iter().any(|level| self.is(level)) {
            return texts;
        }
        let mut kept = 0;
        let codes: Vec<u32> = texts
            .levels
            .iter()
            .map(|level| {
                if self.is(level) {
                    return MISSING;
                }
                kept += 1;
                kept - 1
            })
            .collect();
        Dictionary {
            codes: texts
                .codes
                .iter()
                .map(|&code| codes.get(code as usize).copied().unwrap_or(MISSING))
                .collect(),
            levels: texts.levels.iter().filter(|level| !self.is(level)).collect(),
        }
    }
}

/// A cell that is not what its column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadCell {
    pub row: usize,
    pub cell: String,
}

pub(crate) fn numbers(
    raw: Raw,
    missing: Missing<'_>,
    decimal: Option<char>,
) -> Result<Values, BadCell> {
    let mut values = match raw {
        Raw::Numbers(values) => {
            if let Some(row) = values.iter().position(|value| value.is_infinite()) {
                return Err(BadCell { row, cell: values[row].to_string() });
            }
            values
        }
        Raw::Parsed(Parsed::Numbers(values)) => values,
        Raw::Parsed(Parsed::Bad(_, bad)) => return Err(bad),
        Raw::Texts(texts) => {
            let read: Vec<Option<f64>> =
                texts.levels.iter().map(|level| number(level, decimal)).collect();
            by_level(&texts, &read, f64::NAN, |level| missing.is(level))?
        }
        other => return numbers(Raw::Texts(other.to_texts()), missing, decimal),
    };
    missing.drop_numbers(&mut values);
    Ok(Values::Numbers(values))
}

/// Each row's value by what was read of its level.
fn by_level<T: Copy>(
    texts: &Dictionary,
    read: &[Option<T>],
    absent: T,
    is_missing: impl Fn(&str) -> bool,
) -> Result<Vec<T>, BadCell> {
    let value = |(row, &code): (usize, &u32)| match read.get(code as usize) {
        None => Ok(absent),
        Some(Some(value)) => Ok(*value),
        Some(None) => {
            let level = &texts.levels[code as usize];
            if is_missing(level) {
                Ok(absent)
            } else {
                Err(BadCell { row, cell: level.to_owned() })
            }
        }
    };
    texts.codes.iter().enumerate().map(value).collect()
}

/// Times, and how they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadTimes {
    pub values: Vec<i64>,
    pub zoned: bool,
    /// The longest cell, which shows most of how times are written, and its format; none where the
    /// file has times of its own.
    pub example: Option<(TimeFormat, String)>,
    /// What read the last cell: one column mostly has one format, so it is tried first.
    latest: Option<TimeFormat>,
    /// The column is said to hold times, so digits alone are read as one.
    said: bool,
}

impl ReadTimes {
    pub(crate) fn new(said: bool) -> Self {
        Self { said, ..Self::default() }
    }

    /// The next row's time; false where the cell is none.
    pub(crate) fn push(&mut self, cell: &str, clock: Clock) -> bool {
        let found = self
            .latest
            .and_then(|format| Some((format, clock.read(cell, format)?)))
            .or_else(|| clock.recognise(cell, self.said));
        let Some((format, time)) = found else { return false };
        self.values.push(time);
        self.latest = Some(format);
        self.zoned |= format.zoned;
        if self.example.as_ref().is_none_or(|(_, text)| text.len() < cell.len()) {
            self.example = Some((format, cell.to_owned()));
        }
        true
    }

    pub(crate) fn push_missing(&mut self) {
        self.values.push(MISSING_TIME);
    }

    /// The rows of `more` below these.
    pub(crate) fn append(&mut self, more: &Self) {
        self.values.extend_from_slice(&more.values);
        self.zoned |= more.zoned;
        let length = |example: &Option<(TimeFormat, String)>| {
            example.as_ref().map_or(0, |(_, text)| text.len())
        };
        if length(&more.example) > length(&self.example) {
            self.example.clone_from(&more.example);
        }
    }

    /// These rows alone.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        Self { values: rows.iter().map(|&row| self.values[row]).collect(), ..self.clone() }
    }

    /// How they are written, in chrono's notation.
    pub(crate) fn pattern(&self, clock: Clock) -> Option<String> {
        self.example.as_ref().map(|(format, example)| clock.written(*format, example))
    }

    /// Whether they have a time of day, for which a zone matters.
    pub(crate) fn of_day(&self, clock: Clock) -> bool {
        const DAY: i64 = 86_400_000_000;
        match self.pattern(clock) {
            Some(pattern) => pattern.contains("%H"),
            None => {
                let mut there = self.values.iter().filter(|&&time| time != MISSING_TIME);
                there.any(|&time| clock.to_local(time).rem_euclid(DAY) != 0)
            }
        }
    }
}

pub(crate) fn times(raw: Raw, missing: Missing<'_>, clock: Clock) -> Result<ReadTimes, BadCell> {
    match raw {
        Raw::Texts(texts) => {
            let mut times = ReadTimes::new(true);
            let mut read = Vec::with_capacity(texts.levels.len());
            for level in texts.levels.iter() {
                let is_time = !missing.is(level) && times.push(level, clock);
                read.push(is_time.then(|| times.values[times.values.len() - 1]));
            }
            times.values = by_level(&texts, &read, MISSING_TIME, |level| missing.is(level))?;
            Ok(times)
        }
        Raw::Parsed(Parsed::Times(times)) => Ok(times),
        Raw::Parsed(Parsed::Bad(_, bad)) => Err(bad),
        Raw::Times { mut values, zoned } => {
            if !zoned {
                for time in &mut values {
                    *time = clock.to_utc(*time);
                }
            }
            Ok(ReadTimes { values, zoned, ..ReadTimes::default() })
        }
        other => times(Raw::Texts(other.to_texts()), missing, clock),
    }
}

pub(crate) fn texts(raw: Raw, missing: Missing<'_>) -> Values {
    let texts = match raw {
        Raw::Texts(texts) => texts,
        other => other.to_texts(),
    };
    Values::Texts(missing.drop_texts(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::texts::Texts;

    #[test]
    fn tokens_of_the_project_are_missing_in_every_kind() {
        let also = ["-999".to_owned(), "?".to_owned()];
        let missing = Missing::new(&also);
        let mut cells = Texts::default();
        for cell in ["1", "-999", "?", "NA", ""] {
            cells.push(cell);
        }
        let raw = Raw::Texts(cells.finish());
        let Ok(Values::Numbers(values)) = numbers(raw.clone(), missing, None) else {
            panic!("numbers")
        };
        assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 4);
        let Values::Texts(texts) = texts(raw, missing) else { panic!("texts") };
        assert_eq!(texts.levels.iter().collect::<Vec<_>>(), ["1"]);
        assert_eq!(texts.codes, [0, MISSING, MISSING, MISSING, MISSING]);
    }
}
