//! A project around the user's own data: which task it is, which columns are meant, which types are in
//! doubt ([`mod@doubt`]), and what a model has to reach to be better than guessing ([`mod@gate`]).

mod doubt;
mod gate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::doubt::doubt;
use self::gate::{class_gate, forecast_gate, long_series, ranking_gate, wide_series};
use super::{ColumnNote, DataContext, GateContext};
use crate::data::{Column, Layout, Table, Task, Values};
use crate::error::{Error, Result, closest};

/// What the command line says about the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnData {
    /// Absolute; the last part may be a glob.
    pub train: PathBuf,
    pub test: Option<PathBuf>,
    pub format: Option<String>,
    /// Bring the files into the project.
    pub copy: bool,
    pub target: Option<String>,
    pub id: Vec<String>,
    pub time: Option<String>,
    pub series: Vec<String>,
    pub horizon: Option<usize>,
    pub season: Option<usize>,
    pub layout: Option<Layout>,
    pub query: Option<String>,
}

/// What was found in the data.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    pub task: Task,
    /// Paths excepted, which depend on where the project is.
    pub data: DataContext,
    pub columns: Vec<ColumnNote>,
    pub gate: GateContext,
}

/// How the svmlight reader names what has no name in the file.
const SVMLIGHT: (&str, &str) = ("label", "qid");

impl OwnData {
    /// The task that the flags and the columns speak of; `said` is one that was named.
    fn task(&self, said: Option<Task>, table: &Table) -> Result<Task> {
        let forecasting = [
            ("--horizon", self.horizon.is_some()),
            ("--time", self.time.is_some()),
            ("--series", !self.series.is_empty()),
            ("--season", self.season.is_some()),
            ("--layout", self.layout.is_some()),
        ];
        let of_forecasting = forecasting.iter().find(|(_, given)| *given).map(|(flag, _)| *flag);
        let of_ranking = self.query.as_ref().map(|_| "--query");
        let refuse = |flag: &str, its: Task, task: Task| {
            Err(Error::usage(format!(
                "`{flag}` belongs to {}, and this is to be a {} project",
                its.name(),
                task.name()
            )))
        };
        match (said, of_forecasting, of_ranking) {
            (None, Some(_), Some(_)) => Err(Error::usage(
                "`--query` belongs to ranking, and the other flags to forecasting",
            )),
            (Some(task), Some(flag), _) if task != Task::Forecasting => {
                refuse(flag, Task::Forecasting, task)
            }
            (Some(task), _, Some(flag)) if task != Task::Ranking => {
                refuse(flag, Task::Ranking, task)
            }
            (Some(task), ..) => Ok(task),
            (None, Some(_), None) => Ok(Task::Forecasting),
            (None, None, Some(_)) => Ok(Task::Ranking),
            (None, None, None) if is_svmlight(table) => Ok(Task::Ranking),
            (None, None, None) => Ok(Task::Classification),
        }
    }

    /// Every column that was named exists, every flag that the task needs was given, and
    /// what follows from the values.
    pub(crate) fn examine(&self, said: Option<Task>, table: &Table) -> Result<Findings> {
        if table.rows == 0 {
            return Err(Error::user(format!("{} has no rows", self.train.display())));
        }
        let task = self.task(said, table)?;
        let layout = self.layout.unwrap_or_default();
        let named = |flag: &str, name: &Option<String>| {
            name.as_deref().map(|name| self.column(table, flag, name)).transpose()
        };
        let target = named("--target", &self.target)?;
        let query = named("--query", &self.query)?;
        named("--time", &self.time)?;
        for (flag, names) in [("--id", &self.id), ("--series", &self.series)] {
            for name in names {
                self.column(table, flag, name)?;
            }
        }

        let mut data = DataContext {
            own: true,
            format: self.format.clone(),
            target: self.target.clone(),
            id: self.id.clone(),
            time: self.time.clone(),
            series: self.series.clone(),
            horizon: self.horizon,
            season: self.season,
            layout,
            query: self.query.clone(),
            ..DataContext::default()
        };
        let gate = match task {
            Task::Classification => {
                let target = target.ok_or_else(|| self.missing("--target", "to predict", table))?;
                class_gate(target, table.rows)?
            }
            Task::Forecasting => {
                let time = self
                    .time
                    .as_ref()
                    .ok_or_else(|| self.missing("--time", "holds the times", table))?;
                if self.horizon.is_none_or(|horizon| horizon == 0) {
                    return Err(Error::usage("say how many steps ahead to forecast")
                        .hint("`--horizon STEPS`, such as `--horizon 28` for four weeks of days"));
                }
                if layout == Layout::Wide {
                    forecast_gate(&wide_series(table, time, &self.id))?
                } else {
                    let target =
                        target.ok_or_else(|| self.missing("--target", "to forecast", table))?;
                    forecast_gate(&long_series(table, numbers(target)?, &self.series))?
                }
            }
            Task::Ranking => {
                let svmlight = is_svmlight(table);
                let by_default = |name: &'static str| table.column(name).filter(|_| svmlight);
                let query = query.or(by_default(SVMLIGHT.1)).ok_or_else(|| {
                    self.missing("--query", "groups rows into one query's candidates", table)
                })?;
                let target = target
                    .or(by_default(SVMLIGHT.0))
                    .ok_or_else(|| self.missing("--target", "holds the relevance", table))?;
                data.query = Some(query.name.clone());
                data.target = Some(target.name.clone());
                ranking_gate(query, target)?
            }
        };
        // A forecast learns from no other column, and svmlight's are numbers by definition.
        let columns = if task == Task::Forecasting || is_svmlight(table) {
            Vec::new()
        } else {
            let given = [&data.target, &data.query];
            let given = given.into_iter().flatten().chain(&data.id).collect::<Vec<_>>();
            table
                .columns
                .iter()
                .filter(|column| !given.contains(&&column.name))
                .filter_map(|column| doubt(column, table.rows))
                .collect()
        };
        Ok(Findings { task, data, columns, gate })
    }

    /// The test file has the columns that training was told of.
    pub(crate) fn examine_test(
        &self,
        findings: &Findings,
        path: &Path,
        table: &Table,
    ) -> Result<()> {
        let data = &findings.data;
        let named = [&data.target, &data.query, &data.time];
        for name in named.into_iter().flatten().chain(&data.series) {
            if table.column(name).is_none() {
                return Err(Error::user(format!(
                    "{} has no column `{name}`, and {} has",
                    path.display(),
                    self.train.display()
                ))
                .hint(format!("its columns are {}", names(table))));
            }
        }
        Ok(())
    }

    fn column<'a>(&self, table: &'a Table, flag: &str, name: &str) -> Result<&'a Column> {
        table.column(name).ok_or_else(|| {
            let error = Error::user(format!("{} has no column `{name}`", self.train.display()));
            match closest(name, table.columns.iter().map(|column| column.name.as_str())) {
                Some(meant) => error.hint(format!("did you mean `{flag} {meant}`?")),
                None => error.hint(format!("its columns are {}", names(table))),
            }
        })
    }

    fn missing(&self, flag: &str, which: &str, table: &Table) -> Error {
        Error::usage(format!("say which column {which}: `{flag} COLUMN`")).hint(format!(
            "the columns of {} are {}",
            self.train.display(),
            names(table)
        ))
    }
}

fn is_svmlight(table: &Table) -> bool {
    let has = |name| table.columns.iter().take(2).any(|column| column.name == name);
    has(SVMLIGHT.0) && has(SVMLIGHT.1)
}

fn names(table: &Table) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<_> =
        table.columns.iter().take(SHOWN).map(|column| column.name.as_str()).collect();
    let rest = table.columns.len() - names.len();
    let more = format!("{rest} more");
    if rest > 0 {
        names.push(&more);
    }
    names.join(", ")
}

/// The distinct values of a column with the rows of each, missing cells left out.
fn levels(column: &Column) -> BTreeMap<String, usize> {
    let mut levels = BTreeMap::new();
    let mut add = |level: String| *levels.entry(level).or_default() += 1;
    match &column.values {
        Values::Numbers(values) => {
            values.iter().filter(|value| !value.is_nan()).for_each(|value| add(value.to_string()));
        }
        Values::Times(values) => values
            .iter()
            .filter(|value| **value != crate::data::table::MISSING_TIME)
            .for_each(|value| add(value.to_string())),
        Values::Texts(texts) => (0..texts.codes.len())
            .filter_map(|row| texts.get(row))
            .for_each(|text| add(text.to_owned())),
    }
    levels
}

fn numbers(column: &Column) -> Result<&[f64]> {
    match &column.values {
        Values::Numbers(values) => Ok(values),
        _ => Err(Error::user(format!("the column `{}` does not hold numbers", column.name)).hint(
            "see what it holds: a single text in it is enough, such as `-` for a missing value",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ColumnKind, Dictionary};

    pub(super) fn numeric(name: &str, values: &[f64]) -> Column {
        Column {
            name: name.into(),
            kind: ColumnKind::Numeric,
            values: Values::Numbers(values.to_vec()),
        }
    }

    pub(super) fn texts(name: &str, cells: &[&str]) -> Column {
        let texts: Dictionary = cells.iter().copied().map(Some).collect();
        Column { name: name.into(), kind: ColumnKind::Categorical, values: Values::Texts(texts) }
    }

    fn table(columns: Vec<Column>) -> Table {
        let rows = columns[0].values.len();
        Table { columns, rows, ..Table::default() }
    }

    #[test]
    fn a_misspelt_target_is_suggested() {
        let own = OwnData { target: Some("chrun".into()), ..OwnData::default() };
        let error = own.examine(None, &table(vec![texts("churn", &["a", "b"])])).unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `--target churn`?"));
    }

    #[test]
    fn the_flags_say_which_task_it_is() {
        let table = table(vec![numeric("t", &[1.0, 2.0]), numeric("y", &[5.0, 7.0])]);
        let own = OwnData { target: Some("y".into()), ..OwnData::default() };
        assert_eq!(own.examine(None, &table).unwrap().task, Task::Classification);
        let own = OwnData { time: Some("t".into()), horizon: Some(1), ..own };
        assert_eq!(own.examine(None, &table).unwrap().task, Task::Forecasting);
        assert!(own.examine(Some(Task::Ranking), &table).is_err());
    }
}
