//! What tabular models read besides features: class labels, query groups and relevance grades.

use std::collections::HashMap;

use crate::data::{DataSettings, Table, Values};
use crate::error::{Error, Result, closest};

/// The class index of each row's target.
pub(crate) fn class_indices(table: &Table, target: &str, classes: &[String]) -> Result<Vec<usize>> {
    let Values::Texts(texts) = &table.require(target)?.values else {
        return Err(Error::bug(format!("the target `{target}` was not read as names")));
    };
    let known: Vec<Option<usize>> =
        texts.levels.iter().map(|level| classes.iter().position(|class| class == level)).collect();
    texts
        .codes
        .iter()
        .enumerate()
        .map(|(row, &code)| {
            let place = || table.describe_row(row);
            let Some(index) = known.get(code as usize) else {
                return Err(Error::user(format!("{}: `{target}` is missing", place())));
            };
            index.ok_or_else(|| {
                let level = &texts.levels[code as usize];
                let error = Error::user(format!(
                    "{}: `{target}` is `{level}`, a class that training did not see",
                    place()
                ));
                match closest(level, classes.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("the classes are: {}", shown(classes))),
                }
            })
        })
        .collect()
}

/// The distinct classes of the training rows, in the order of their names.
pub(crate) fn classes_of(table: &Table, target: &str) -> Result<Vec<String>> {
    let Values::Texts(texts) = &table.require(target)?.values else {
        return Err(Error::bug(format!("the target `{target}` was not read as names")));
    };
    let mut seen = vec![false; texts.levels.len()];
    for &code in &texts.codes {
        if let Some(seen) = seen.get_mut(code as usize) {
            *seen = true;
        }
    }
    let mut classes: Vec<String> = texts
        .levels
        .iter()
        .zip(seen)
        .filter(|(_, seen)| *seen)
        .map(|(level, _)| level.to_owned())
        .collect();
    classes.sort();
    match classes.as_slice() {
        [] => Err(Error::user(format!("the target `{target}` is missing in every training row"))),
        [only] => Err(Error::user(format!(
            "the target `{target}` is `{only}` in every training row: there is nothing to tell apart"
        ))),
        _ => Ok(classes),
    }
}

/// The positive one of two classes: the one the settings name, or the rarer.
pub(crate) fn positive_of(
    settings: &DataSettings,
    classes: &[String],
    labels: &[usize],
) -> Result<Option<usize>> {
    let Some(named) = &settings.positive else {
        let ones = labels.iter().filter(|label| **label == 1).count();
        return Ok((classes.len() == 2).then_some(usize::from(2 * ones <= labels.len())));
    };
    if classes.len() != 2 {
        return Err(Error::user(format!(
            "`data.positive` is for two classes, and `{}` has {}",
            settings.target,
            classes.len()
        )));
    }
    classes.iter().position(|class| class == named).map(Some).ok_or_else(|| {
        Error::user(format!(
            "`data.positive` is `{named}`, which is no class of `{}`",
            settings.target
        ))
        .hint(format!("the classes are: {}", shown(classes)))
    })
}

/// The group of each row by its query, numbered in order of first appearance.
pub(crate) fn query_groups(table: &Table, settings: &DataSettings) -> Result<Vec<u32>> {
    let name = settings.query.as_deref().ok_or_else(|| {
        Error::user("`data.query` is not set").hint("name the column that groups the candidates")
    })?;
    let column = table.require(name)?;
    let mut groups = HashMap::new();
    let mut group_of = |key: u64| {
        let next = groups.len() as u32;
        *groups.entry(key).or_insert(next)
    };
    let missing =
        |row: usize| Error::user(format!("{}: `{name}` is missing", table.describe_row(row)));
    match &column.values {
        Values::Texts(texts) => texts
            .codes
            .iter()
            .enumerate()
            .map(|(row, &code)| match texts.get(row) {
                Some(_) => Ok(group_of(u64::from(code))),
                None => Err(missing(row)),
            })
            .collect(),
        Values::Numbers(values) => values
            .iter()
            .enumerate()
            .map(
                |(row, value)| {
                    if value.is_nan() { Err(missing(row)) } else { Ok(group_of(value.to_bits())) }
                },
            )
            .collect(),
        Values::Times(values) => Ok(values.iter().map(|&time| group_of(time as u64)).collect()),
    }
}

/// The rows of each query of [`query_groups`].
pub(crate) fn rows_by_query(queries: &[u32]) -> Vec<Vec<usize>> {
    let count = queries.iter().max().map_or(0, |last| *last as usize + 1);
    let mut rows = vec![vec![]; count];
    for (row, &query) in queries.iter().enumerate() {
        rows[query as usize].push(row);
    }
    rows
}

/// The rows of queries one after the other, and where each query ends among them.
pub(crate) fn side_by_side(queries: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let ends = queries.iter().scan(0, |end, rows| {
        *end += rows.len();
        Some(*end)
    });
    (queries.concat(), ends.collect())
}

/// The relevance grade of each row, from 0.
pub(crate) fn relevance_of(table: &Table, settings: &DataSettings) -> Result<Vec<f64>> {
    let name = settings.label();
    let Values::Numbers(values) = &table.require(name)?.values else {
        return Err(Error::user(format!("the relevance `{name}` is not numeric"))
            .hint(format!("say it under [columns]: {name} = \"numeric\"")));
    };
    match values.iter().position(|value| !(0.0..=64.0).contains(value)) {
        None => Ok(values.clone()),
        Some(row) => Err(Error::user(format!(
            "{}: `{name}` is {}, and relevance is a grade from 0 up to 64",
            table.describe_row(row),
            if values[row].is_nan() { "missing".into() } else { values[row].to_string() }
        ))),
    }
}

fn shown(classes: &[String]) -> String {
    const MOST: usize = 12;
    let mut names: Vec<&str> = classes.iter().take(MOST + 1).map(String::as_str).collect();
    if names.len() > MOST {
        names[MOST] = "…";
    }
    names.join(", ")
}
