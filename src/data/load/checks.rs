//! What a project's rows have to be before anything is learned from them or scored on them.

use std::collections::HashMap;

use super::LoadRequest;
use super::moments::Moments;
use crate::data::table::MISSING;
use crate::data::texts::Levels;
use crate::data::{Column, ColumnKind, DataSettings, Dictionary, Table, Task, Values};
use crate::error::{Error, Result, closest};

pub(in crate::data) fn check_target(request: &LoadRequest<'_>, train: &Table) -> Result<()> {
    let settings = request.settings;
    let Some(column) = train.column(settings.label()) else { return Ok(()) };
    match (&column.values, request.task) {
        (Values::Texts(texts), Task::Classification) => {
            check_labels(train, column)?;
            if let (Some(only), 1) = (texts.levels.get(0), texts.levels.len()) {
                return Err(Error::user(format!(
                    "the target `{}` of {} has one class, `{only}`",
                    column.name,
                    train.origin.file()
                ))
                .hint("there is nothing to tell apart: check the file and `data.target`"));
            }
            if texts.levels.len() > 1000 && texts.levels.len() * 2 > train.rows {
                return Err(Error::user(format!(
                    "the target `{}` has {} classes in {} rows",
                    column.name,
                    texts.levels.len(),
                    train.rows
                ))
                .hint("a class is seen many times: check `data.target`"));
            }
            match &settings.positive {
                Some(positive) if !texts.levels.contains(positive) => {
                    let error = Error::user(format!(
                        "`data.positive` is `{positive}`, which is no class of `{}`",
                        column.name
                    ));
                    Err(match closest(positive, texts.levels.iter()) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => {
                            let levels: Vec<&str> = texts.levels.iter().collect();
                            error.hint(format!("its classes are: {}", levels.join(", ")))
                        }
                    })
                }
                _ => Ok(()),
            }
        }
        (Values::Numbers(values), Task::Ranking) => {
            check_labels(train, column)?;
            match values.iter().position(|&grade| grade < 0.0) {
                Some(row) => Err(Error::user(format!(
                    "{} column `{}`: the relevance {} is negative",
                    train.describe_row(row),
                    column.name,
                    values[row]
                ))
                .hint("grades go up from 0, which is not relevant")),
                None => Ok(()),
            }
        }
        (Values::Numbers(values), Task::Forecasting) if values.iter().all(|v| v.is_nan()) => {
            Err(Error::user(format!("the target `{}` has no value in any row", column.name))
                .hint("check the file and `data.target`"))
        }
        _ => Ok(()),
    }
}

/// A row without its label can neither be learned from nor scored.
fn check_labels(table: &Table, column: &Column) -> Result<()> {
    let missing = match &column.values {
        Values::Texts(texts) => texts.codes.iter().position(|&code| code == MISSING),
        Values::Numbers(values) => values.iter().position(|value| value.is_nan()),
        Values::Times(_) => None,
    };
    match missing {
        Some(row) => Err(Error::user(format!(
            "{} column `{}`: the target is missing",
            table.describe_row(row),
            column.name
        ))
        .hint("leave out the rows that have no target")),
        None => Ok(()),
    }
}

/// The columns of the test file in the order of the training file's.
pub(super) fn like(
    train: &Table,
    mut test: Table,
    settings: &DataSettings,
    notices: &mut Vec<String>,
) -> Result<Table> {
    let file = test.origin.file();
    let mut columns = Vec::with_capacity(train.columns.len());
    for column in &train.columns {
        if let Some(at) = test.columns.iter().position(|other| other.name == column.name) {
            columns.push(test.columns.swap_remove(at));
            continue;
        }
        let unused = matches!(column.kind, ColumnKind::Ignore | ColumnKind::Text | ColumnKind::Id);
        let named = settings.id.iter().chain(&settings.series).chain(&settings.query);
        if !unused || named.into_iter().any(|name| *name == column.name) {
            let names: Vec<&str> = test.columns.iter().map(|other| other.name.as_str()).collect();
            let near = closest(&column.name, names);
            let error = Error::user(format!(
                "{file} has no column `{}`, which {} has",
                column.name,
                train.origin.file()
            ));
            return Err(match near {
                Some(near) => error.hint(format!("is it `{near}` there? name columns alike")),
                None => error.hint("test data has the columns of the training data"),
            });
        }
        let texts = Dictionary { codes: vec![MISSING; test.rows], levels: Levels::default() };
        columns.push(Column {
            name: column.name.clone(),
            kind: column.kind,
            values: Values::Texts(texts),
        });
    }
    if !test.columns.is_empty() {
        let names: Vec<String> =
            test.columns.iter().map(|column| format!("`{}`", column.name)).collect();
        notices
            .push(format!("{file} has columns that training doesn't know: {}", names.join(", ")));
    }
    // A zone is said once, of the training file.
    Ok(Table { columns, rows: test.rows, origin: test.origin })
}

pub(super) fn check_test(
    request: &LoadRequest<'_>,
    train: &Table,
    test: &Table,
    notices: &mut Vec<String>,
) -> Result<()> {
    let label = request.settings.label();
    match request.task {
        Task::Classification => {
            let (Some(known), Some(column)) = (train.column(label), test.column(label)) else {
                return Ok(());
            };
            check_labels(test, column)?;
            check_classes(known, test, column)
        }
        Task::Ranking => test.column(label).map_or(Ok(()), |column| check_labels(test, column)),
        Task::Forecasting => check_sequel(request.settings, train, test, notices),
    }
}

fn check_classes(known: &Column, test: &Table, column: &Column) -> Result<()> {
    let (Values::Texts(known), Values::Texts(texts)) = (&known.values, &column.values) else {
        return Ok(());
    };
    let Some(code) = texts.levels.iter().position(|level| !known.levels.contains(level)) else {
        return Ok(());
    };
    let row = texts.codes.iter().position(|&other| other as usize == code).unwrap_or(0);
    let place = test.describe_row(row);
    Err(unseen_class(&place, &column.name, &texts.levels[code], known.levels.iter()))
}

/// A class of the test data that training never saw; `place` is its row.
pub(in crate::data) fn unseen_class<'a>(
    place: &str,
    label: &str,
    class: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Error {
    let error = Error::user(format!(
        "{place} column `{label}`: the class `{class}` is in no row of the training data"
    ));
    // A number that looks like another one is no misspelling of it.
    let near = closest(class, known).filter(|_| class.parse::<f64>().is_err());
    match near {
        Some(near) => {
            error.hint(format!("did it mean `{near}`? write classes alike in both files"))
        }
        None => error.hint("a model can't say a class that it never saw: leave these rows out"),
    }
}

/// Covariates are numbers, names or truths.
pub(super) fn check_covariates(settings: &DataSettings, train: &Table) -> Result<()> {
    let known = settings.known_future.iter().map(|name| ("known_future", name));
    let fixed = settings.static_columns.iter().map(|name| ("static", name));
    for (key, name) in known.chain(fixed) {
        let kind = train.require(name)?.kind;
        let what = match kind {
            ColumnKind::Numeric | ColumnKind::Categorical | ColumnKind::Boolean => continue,
            ColumnKind::Ignore => "is left out",
            ColumnKind::Timestamp => "holds times",
            ColumnKind::Text => "reads like free text",
            ColumnKind::Id => "reads like an id",
        };
        return Err(Error::user(format!("data.{key} names `{name}`, which {what}")).hint(format!(
            "covariates are numbers, names or booleans: say which under [columns], such as: {name} = \"categorical\", or leave it out of data.{key}"
        )));
    }
    Ok(())
}
/// A test file goes on where the training file ends, and repeats none of its rows.
fn check_sequel(
    settings: &DataSettings,
    train: &Table,
    test: &Table,
    notices: &mut Vec<String>,
) -> Result<()> {
    let (known, new) = (Moments::of(train, settings)?, Moments::of(test, settings)?);
    known.check_distinct(train)?;
    new.check_distinct(test)?;
    let mut last: HashMap<&[String], f64> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    for row in 0..train.rows {
        let time = known.times[row];
        seen.insert((known.key(row), time.to_bits()));
        let last = last.entry(known.key(row)).or_insert(time);
        *last = last.max(time);
    }
    let (mut early, mut unknown) = (0, std::collections::BTreeSet::new());
    for row in 0..test.rows {
        let key = new.key(row);
        if seen.contains(&(key, new.times[row].to_bits())) {
            return Err(Error::user(format!(
                "{} is in {} too: {}",
                test.describe_row(row),
                train.origin.file(),
                new.describe(test, row)
            ))
            .hint("test data is never trained on: leave these rows out of one of the files"));
        }
        match last.get(key) {
            Some(&last) => early += usize::from(new.times[row] < last),
            None => _ = unknown.insert(key),
        }
    }
    if early > 0 {
        notices.push(format!(
            "{early} rows of {} are older than the end of their series in {}",
            test.origin.file(),
            train.origin.file()
        ));
    }
    if let Some(first) = unknown.first() {
        notices.push(format!(
            "{} series of {} are not in {}, such as `{}`",
            unknown.len(),
            test.origin.file(),
            train.origin.file(),
            first.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_may_be_misspelt_but_a_number_is_another_class() {
        let hint = |class, known: [&'static str; 2]| {
            let error = unseen_class("test.csv row 2", "grade", class, known);
            error.hint_text().map(ToOwned::to_owned)
        };
        assert_eq!(
            hint("Yes", ["yes", "no"]).as_deref(),
            Some("did it mean `yes`? write classes alike in both files")
        );
        let never = "a model can't say a class that it never saw: leave these rows out";
        assert_eq!(hint("24", ["2", "4"]).as_deref(), Some(never));
    }
}
