//! A project around the user's own data: which task it is, which columns are meant, which
//! types are in doubt, and what a model has to reach to be better than guessing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ColumnNote, DataContext, GateContext};
use crate::data::{Column, ColumnKind, Layout, Table, Task, Values};
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

/// Better than guessing: ranked better than by chance, or right more often than always
/// answering the largest class.
fn class_gate(target: &Column, rows: usize) -> Result<GateContext> {
    let classes = levels(target);
    let labelled: usize = classes.values().sum();
    match classes.len() {
        0 => return Err(Error::user(format!("the column `{}` is empty", target.name))),
        1 => {
            let only = classes.keys().next().map_or("", String::as_str);
            return Err(Error::user(format!(
                "every row of `{}` says `{only}`: there is nothing to tell apart",
                target.name
            )));
        }
        2 => {
            return Ok(GateContext {
                metric: "auc",
                bound: "min",
                floor: 0.5,
                why: "what guessing reaches; raise it to what you need".into(),
            });
        }
        many if many > 200 && many * 10 > rows => {
            return Err(Error::user(format!(
                "`{}` has {many} different values in {rows} rows: that is no class",
                target.name
            ))
            .hint("classification predicts one of a few classes; to forecast a number over time give `--time` and `--horizon`"));
        }
        _ => {}
    }
    let largest = classes.values().max().copied().unwrap_or(0);
    Ok(GateContext {
        metric: "accuracy",
        bound: "min",
        floor: (largest as f64 / labelled as f64 * 1000.0).floor() / 1000.0,
        why: "what always answering the largest class reaches; raise it to what you need".into(),
    })
}

/// Closer than each series' own median: a forecast that has learned anything is.
fn forecast_gate(series: &[Vec<f64>]) -> Result<GateContext> {
    let (mut error, mut count) = (0.0, 0_usize);
    for values in series {
        let mut sorted: Vec<_> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(median) = sorted.get(sorted.len() / 2) else { continue };
        error += sorted.iter().map(|value| (value - median).abs()).sum::<f64>();
        count += sorted.len();
    }
    if count == 0 {
        return Err(Error::user("there is no number to forecast in the data"));
    }
    Ok(GateContext {
        metric: "mae",
        bound: "max",
        floor: round_up(error / count as f64),
        why: "what always answering a series' median reaches; lower it to what you need".into(),
    })
}

/// Three digits that matter, never below the value.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return value;
    }
    let unit = 10_f64.powf(value.log10().floor() - 2.0);
    let rounded = (value / unit).ceil() * unit;
    // What the multiplication left in the last bits: 0.30000000000000004.
    format!("{rounded:.12}").parse().unwrap_or(rounded)
}

fn wide_series(table: &Table, time: &str, left_out: &[String]) -> Vec<Vec<f64>> {
    table
        .columns
        .iter()
        .filter(|column| column.name != time && !left_out.contains(&column.name))
        .filter_map(|column| numbers(column).ok().map(<[f64]>::to_vec))
        .collect()
}

fn long_series(table: &Table, values: &[f64], keys: &[String]) -> Vec<Vec<f64>> {
    let keys: Vec<_> = keys.iter().filter_map(|key| table.column(key)).collect();
    let mut series = BTreeMap::<Vec<u64>, Vec<f64>>::new();
    for (row, value) in values.iter().enumerate() {
        let key = keys
            .iter()
            .map(|column| match &column.values {
                Values::Texts(texts) => u64::from(texts.codes[row]),
                Values::Numbers(values) => values[row].to_bits(),
                Values::Times(values) => values[row] as u64,
            })
            .collect();
        series.entry(key).or_default().push(*value);
    }
    series.into_values().collect()
}

/// What a shuffled order reaches on average.
fn ranking_gate(query: &Column, relevance: &Column) -> Result<GateContext> {
    const TOP: usize = 5;
    let relevance = numbers(relevance)?;
    let mut queries = BTreeMap::<String, Vec<f64>>::new();
    for (row, grade) in relevance.iter().enumerate() {
        let key = match &query.values {
            Values::Texts(texts) => texts.get(row).unwrap_or_default().to_owned(),
            Values::Numbers(values) => values[row].to_string(),
            Values::Times(values) => values[row].to_string(),
        };
        if !grade.is_nan() {
            queries.entry(key).or_default().push(grade.exp2() - 1.0);
        }
    }
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let (mut sum, mut count) = (0.0, 0);
    for gains in queries.values_mut() {
        gains.sort_by(|a, b| b.total_cmp(a));
        let top = gains.len().min(TOP);
        let best: f64 = (0..top).map(|rank| gains[rank] * discount(rank)).sum();
        if best > 0.0 {
            let mean = gains.iter().sum::<f64>() / gains.len() as f64;
            sum += mean * (0..top).map(discount).sum::<f64>() / best;
            count += 1;
        }
    }
    if count == 0 {
        return Err(Error::user("no query has a relevant row, so there is no order to learn"));
    }
    Ok(GateContext {
        metric: "ndcg@5",
        bound: "min",
        floor: (sum / f64::from(count) * 1000.0).floor() / 1000.0,
        why: "what a shuffled order reaches; raise it to what you need".into(),
    })
}

/// A column whose type could as well be another, with the type that was chosen and why.
fn doubt(column: &Column, rows: usize) -> Option<ColumnNote> {
    let note = |kind, why: String| Some(ColumnNote { name: column.name.clone(), kind, why });
    let levels = levels(column);
    let filled: usize = levels.values().sum();
    match levels.len() {
        0 => return note("ignore", "empty in every row".into()),
        1 if filled == rows => return note("ignore", "the same in every row".into()),
        _ => {}
    }
    let distinct = levels.len();
    match (&column.kind, &column.values) {
        (ColumnKind::Id, _) => note(
            "id",
            "different in every row: it names rows, and nothing is learned from it".into(),
        ),
        (ColumnKind::Text, _) => {
            note("text", "free text, left out; \"categorical\" would learn from it as it is".into())
        }
        (ColumnKind::Numeric, Values::Numbers(values)) => {
            let present = || values.iter().copied().filter(|value| !value.is_nan());
            if !present().all(|value| value.fract() == 0.0) {
                return None;
            }
            let counts_rows =
                distinct == rows && values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
            if counts_rows {
                return note("id", "counts the rows; \"numeric\" would learn from it".into());
            }
            if is_code(&column.name) {
                return if distinct == rows {
                    note("id", "whole numbers, different in every row, named like a key".into())
                } else {
                    note(
                        "categorical",
                        "digits, and the name speaks of a code rather than an amount".into(),
                    )
                };
            }
            if (3..=6).contains(&distinct) && rows > 50 {
                let list = present().fold(Vec::new(), |mut seen: Vec<f64>, value| {
                    if !seen.contains(&value) {
                        seen.push(value);
                    }
                    seen
                });
                return note(
                    "numeric",
                    format!("only {} whole numbers; \"categorical\" if they are codes", list.len()),
                );
            }
            None
        }
        (ColumnKind::Categorical, _) if distinct > 50 && distinct * 2 > rows => note(
            "categorical",
            format!("{distinct} different values in {rows} rows; \"ignore\" if they say little"),
        ),
        _ => None,
    }
}

/// Names of what is written in digits and isn't an amount.
fn is_code(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).collect();
    ["zip", "zipcode", "postcode", "postal", "plz", "code", "phone", "id", "sku", "isbn", "ean"]
        .iter()
        .any(|code| words.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dictionary;

    fn numeric(name: &str, values: &[f64]) -> Column {
        Column {
            name: name.into(),
            kind: ColumnKind::Numeric,
            values: Values::Numbers(values.to_vec()),
        }
    }

    fn texts(name: &str, cells: &[&str]) -> Column {
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

    #[test]
    fn gates_ask_for_more_than_guessing() {
        let classes = texts("y", &["a", "a", "b", "c"]);
        assert_eq!(class_gate(&classes, 4).unwrap().floor, 0.5);
        assert!(class_gate(&texts("y", &["a", "a"]), 2).is_err());
        assert_eq!(forecast_gate(&[vec![1.0, 2.0, 6.0], vec![f64::NAN]]).unwrap().floor, 1.67);

        // One relevant row of two: first half of the time.
        let query = texts("q", &["1", "1"]);
        let floor = ranking_gate(&query, &numeric("grade", &[0.0, 1.0])).unwrap().floor;
        let expected = f64::midpoint(1.0, 1.0 / 3_f64.log2());
        assert!((floor - expected).abs() < 1e-3, "{floor}");
    }

    #[test]
    fn only_doubtful_columns_are_written_down() {
        let whole: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(doubt(&numeric("row", &whole), 100).unwrap().kind, "id");
        let codes: Vec<f64> = (0..100).map(|row| f64::from(row % 40)).collect();
        assert_eq!(doubt(&numeric("zip", &codes), 100).unwrap().kind, "categorical");
        assert_eq!(doubt(&numeric("age", &codes), 100), None);
        assert_eq!(doubt(&numeric("empty", &[f64::NAN; 100]), 100).unwrap().kind, "ignore");
        assert_eq!(doubt(&texts("plan", &["a", "b"]), 2), None);
    }
}
