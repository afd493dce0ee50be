//! svmlight and LETOR: `label qid:7 1:0.5 9:1.25 # note`, with LightGBM's `.query` file beside it.
//!
//! The columns are `label`, `qid` and `f1`, `f2`, …; a feature that a row doesn't name is zero.

use std::io::{BufRead, BufReader};
use std::path::Path;

use super::unpacked;
use crate::data::ReadOptions;
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::storage::{Input, Storage, read_failed};
use crate::data::texts::Texts;
use crate::error::{Error, Result};

pub(crate) const LABEL: &str = "label";
pub(crate) const QUERY: &str = "qid";

/// More cells than this are no table that fits in memory.
const MAX_CELLS: usize = 1 << 31;

pub(super) fn looks_like(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
    let label = words.next().is_some_and(|word| word.parse::<f64>().is_ok());
    let mut rest = words.peekable();
    label
        && rest.peek().is_some()
        && rest.all(|word| {
            word.split_once(':').is_some_and(|(index, value)| {
                (index == QUERY || index.parse::<u32>().is_ok()) && value.parse::<f64>().is_ok()
            })
        })
}

#[derive(Default)]
struct Rows {
    labels: Vec<f64>,
    queries: Option<Texts>,
    /// Row, feature, value: dense columns are made when the highest feature is known.
    entries: Vec<(u32, u32, f64)>,
    lowest: u32,
    highest: u32,
}

pub(super) fn read(input: Input, storage: &dyn Storage, options: &ReadOptions) -> Result<RawTable> {
    let (name, stream) = input.stream();
    let mut rows = Rows { lowest: 1, ..Rows::default() };
    let mut reader = BufReader::new(stream);
    let (mut line, mut number) = (String::new(), 0);
    loop {
        line.clear();
        let read = reader.read_line(&mut line).map_err(|error| read_failed(&name, &error))?;
        if read == 0 {
            break;
        }
        number += 1;
        let content = line.split('#').next().unwrap_or_default().trim();
        if !content.is_empty() {
            rows.push(content).map_err(|why| {
                Error::file("read", &name, format!("line {number} {why}")).hint(
                    "a line reads like `2 qid:7 1:0.5 9:1.25`; a file in another format needs a name that says so",
                )
            })?;
        }
    }
    if rows.queries.is_none() {
        rows.queries = query_file(&name, storage, rows.labels.len())?;
    }
    rows.table(&name, options)
}

impl Rows {
    fn push(&mut self, line: &str) -> std::result::Result<(), String> {
        let row = self.labels.len();
        let mut words = line.split_ascii_whitespace();
        let label = words.next().unwrap_or_default();
        self.labels
            .push(label.parse().map_err(|_| format!("has the label `{label}`, not a number"))?);
        let mut seen_query = false;
        for word in words {
            let (index, value) = word
                .split_once(':')
                .ok_or_else(|| format!("holds `{word}`, not `feature:value`"))?;
            if index == QUERY {
                if row > 0 && self.queries.is_none() {
                    return Err("has a qid, and the lines before have none".into());
                }
                self.queries.get_or_insert_default().push(value);
                seen_query = true;
                continue;
            }
            let feature: u32 =
                index.parse().map_err(|_| format!("names feature `{index}`, not a number"))?;
            let value: f64 =
                value.parse().ok().filter(|value: &f64| !value.is_infinite()).ok_or_else(|| {
                    format!("gives feature {feature} the value `{value}`, not a number")
                })?;
            self.lowest = self.lowest.min(feature);
            self.highest = self.highest.max(feature);
            self.entries.push((row as u32, feature, value));
        }
        if self.queries.is_some() && !seen_query {
            return Err("has no qid, and the lines before have one".into());
        }
        Ok(())
    }

    fn table(self, name: &Path, options: &ReadOptions) -> Result<RawTable> {
        let rows = self.labels.len();
        // A file read for a model has the features that the model knows, whichever it names itself.
        let known = options.kinds.keys().filter_map(|name| name.strip_prefix('f')?.parse().ok());
        let highest = known.fold(self.highest, u32::max);
        let lowest = if options.kinds.contains_key("f0") { 0 } else { self.lowest };
        let width = (highest + 1 - lowest) as usize;
        if rows.saturating_mul(width) > MAX_CELLS {
            return Err(Error::file(
                "read",
                name,
                format!("{rows} rows of {width} features are more than memory holds"),
            )
            .hint("number the features without gaps, or leave the rare ones out"));
        }
        let mut features = vec![vec![0.0; rows]; width];
        for (row, feature, value) in self.entries {
            features[(feature - lowest) as usize][row as usize] = value;
        }
        let column = |name: String, raw| RawColumn { name, raw, text: false };
        let mut columns = vec![column(LABEL.into(), Raw::Numbers(self.labels))];
        if let Some(queries) = self.queries {
            columns.push(column(QUERY.into(), Raw::Texts(queries.finish())));
        }
        columns.extend(features.into_iter().enumerate().map(|(at, values)| {
            column(format!("f{}", lowest as usize + at), Raw::Numbers(values))
        }));
        Ok(RawTable { columns, rows, decimal: None })
    }
}

/// The sizes of the queries, one a line, in the file beside: `rank.train.gz` and `rank.train.query`.
fn query_file(name: &Path, storage: &dyn Storage, rows: usize) -> Result<Option<Texts>> {
    let mut beside = unpacked(name).into_os_string();
    beside.push(".query");
    let beside = Path::new(&beside);
    if !storage.exists(beside) {
        return Ok(None);
    }
    let (_, content) = Input::open(storage, beside)?.bytes()?;
    let mut queries = Texts::default();
    for (at, line) in String::from_utf8_lossy(&content).lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let size: usize = line.trim().parse().map_err(|_| {
            Error::file("read", beside, format!("line {} is `{line}`, not a number", at + 1))
                .hint("it holds the number of rows of each query, one a line")
        })?;
        if queries.len() + size > rows {
            return Err(unlike(beside, name, rows, "more than"));
        }
        for _ in 0..size {
            queries.push_display(at);
        }
    }
    if queries.len() < rows {
        return Err(unlike(beside, name, rows, "fewer than"));
    }
    Ok(Some(queries))
}

fn unlike(beside: &Path, name: &Path, rows: usize, how: &str) -> Error {
    let what = format!("its sizes add up to {how} the {rows} rows of {}", name.display());
    Error::file("read", beside, what).hint("the two files belong to different data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_letor_is_told_from_one_of_csv() {
        assert!(looks_like(b"2 qid:7 1:0.5 9:1.25 # doc 3"));
        assert!(looks_like(b"0 10:0.89 11:0.75"));
        assert!(!looks_like(b"a,b,c"));
        assert!(!looks_like(b"5"));
        assert!(!looks_like(b"2020-01-01 12:30"));
    }
}
