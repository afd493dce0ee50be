//! Predictions as a table: the columns that `mlx predict` writes, in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClassificationModel, ForecastingModel, Forecasts, Model, RankingModel};
use crate::data::{Column, ColumnKind, DataSettings, Dictionary, SeriesSet, Table, Values};
use crate::error::{Error, Result};

/// A table of predictions, and what its reader should know of them.
#[derive(Debug)]
pub(crate) struct Answers {
    pub table: Table,
    pub notices: Vec<String>,
}

/// Forecasts from many origins instead of from the end of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rolling {
    /// Steps from one origin to the next.
    pub every: usize,
    /// The time of the first origin's first forecast, as the file writes times. Absent: `every` steps
    /// after a series' start.
    pub from: Option<String>,
}

/// What is asked of a model besides its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Asked<'a> {
    pub rolling: Option<&'a Rolling>,
    /// Sets of classes that miss the true one for at most this share of rows.
    pub miss_at_most: Option<f64>,
}

/// What the model says of a table's rows, or of what follows its series.
pub(crate) fn answers(model: &Model, input: &Table, asked: &Asked<'_>) -> Result<Answers> {
    let Asked { rolling, miss_at_most } = *asked;
    if input.rows == 0 {
        return Err(Error::user("the input holds no rows to predict from"));
    }
    if rolling.is_some() && !matches!(model, Model::Forecasting(_)) {
        return Err(Error::usage(format!(
            "`--rolling` is for forecasting, and this model is for {}",
            model.task().name()
        ))
        .hint("leave it out"));
    }
    if miss_at_most.is_some() && !matches!(model, Model::Classification(_)) {
        return Err(Error::usage(format!(
            "`--sets` is for classification, and this model is for {}",
            model.task().name()
        ))
        .hint("leave it out"));
    }
    let mut notices = Vec::new();
    let columns = match model {
        Model::Classification(model) => classification(model, input, miss_at_most)?,
        Model::Ranking(model) => ranking(model, input)?,
        Model::Forecasting(model) => forecasting(model, input, rolling, &mut notices)?,
    };
    Ok(Answers { table: table(columns)?, notices })
}

/// The id columns, `prediction`, `prob_<class>` of each class, and `prediction_set`, the classes that are not ruled
/// out, where sets are asked for.
fn classification(
    model: &ClassificationModel,
    input: &Table,
    miss_at_most: Option<f64>,
) -> Result<Vec<Column>> {
    let probabilities = model.predict(input)?;
    let classes = &probabilities.classes;
    let mut columns = ids(input, &model.spec.data, &model.spec.kinds);
    let named = model.spec.named(&probabilities.values);
    columns.push(texts(
        "prediction",
        Dictionary {
            codes: named.into_iter().map(|class| class as u32).collect(),
            levels: classes.iter().collect(),
        },
    ));
    for (place, class) in classes.iter().enumerate() {
        let values = probabilities.values.iter().skip(place).step_by(classes.len());
        columns.push(numbers(&format!("prob_{class}"), values.copied().collect()));
    }
    if let Some(alpha) = miss_at_most {
        let conformal = model.conformal().ok_or_else(|| {
            Error::user("the model holds no scores to make sets of classes from")
                .hint("train it anew: `mlx train`")
        })?;
        let sets = conformal.sets(&probabilities, input.rows, alpha);
        let name = |set: Vec<usize>| {
            set.into_iter().map(|class| classes[class].as_str()).collect::<Vec<_>>().join("|")
        };
        let sets = sets.into_iter().map(|set| Some(name(set)));
        columns.push(texts("prediction_set", sets.collect()));
    }
    Ok(columns)
}

/// The query column, the id columns, `score`, and `rank` within the query from 1.
fn ranking(model: &RankingModel, input: &Table) -> Result<Vec<Column>> {
    let scores = model.score(input)?;
    let queries = model.queries(input)?;
    let mut columns = Vec::new();
    let query = model.spec.data.query.as_deref();
    columns.extend(query.and_then(|name| input.column(name)).cloned());
    let ids = ids(input, &model.spec.data, &model.spec.kinds);
    columns.extend(ids.into_iter().filter(|id| Some(id.name.as_str()) != query));
    let ranks = ranks(&scores, &queries);
    columns.push(numbers("score", scores));
    columns.push(numbers("rank", ranks));
    Ok(columns)
}

/// Of equal scores the earlier row comes first.
fn ranks(scores: &[f64], queries: &[u32]) -> Vec<f64> {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| queries[a].cmp(&queries[b]).then(scores[b].total_cmp(&scores[a])));
    let mut ranks = vec![0.0; scores.len()];
    for query in rows.chunk_by(|&a, &b| queries[a] == queries[b]) {
        for (above, &row) in query.iter().enumerate() {
            ranks[row] = (above + 1) as f64;
        }
    }
    ranks
}

/// The series columns, the time, with `rolling` `cutoff` and `step`, then `prediction` and `q<level>`.
fn forecasting(
    model: &ForecastingModel,
    input: &Table,
    rolling: Option<&Rolling>,
    notices: &mut Vec<String>,
) -> Result<Vec<Column>> {
    let set = model.series(&[input])?;
    let origins = match rolling {
        Some(rolling) => rolling_origins(&set, model.horizon(), rolling)?,
        None => last_origins(&set, notices),
    };
    if origins.is_empty() {
        return Err(Error::user(match rolling {
            Some(_) => format!(
                "no series is long enough for a forecast of {} steps within it",
                model.horizon()
            ),
            None => "the input holds no observed value to forecast from".to_owned(),
        }));
    }
    model.check_future(&set, &origins)?;
    let forecasts = model.forecast(&set, &origins)?;
    Ok(forecast_columns(&set, &model.spec.data, forecasts, rolling.is_some()))
}

fn forecast_columns(
    set: &SeriesSet,
    data: &DataSettings,
    forecasts: Forecasts,
    rolling: bool,
) -> Vec<Column> {
    let rows = forecasts.point.len();
    let mut columns = Vec::new();
    for (place, name) in set.key_names.iter().enumerate() {
        let keys = forecasts.series.iter().map(|&series| set.keys[series][place].as_str());
        columns.push(texts(name, dictionary(keys)));
    }
    let times =
        (0..rows).map(|row| set.axis.text(forecasts.cutoff[row] + forecasts.step[row] as i64));
    let time = data.time.as_deref().unwrap_or("time");
    columns.push(texts(time, dictionary(times)));
    if rolling {
        let cutoffs = forecasts.cutoff.iter().map(|&cutoff| set.axis.text(cutoff));
        columns.push(texts("cutoff", dictionary(cutoffs)));
        columns.push(numbers("step", forecasts.step.iter().map(|&step| step as f64).collect()));
    }
    columns.push(numbers("prediction", forecasts.point));
    for (level, quantile) in forecasts.levels.iter().zip(forecasts.quantiles) {
        columns.push(numbers(&format!("q{level}"), quantile));
    }
    columns
}

/// After the last observed value of each series that has one.
pub(super) fn last_origins(set: &SeriesSet, notices: &mut Vec<String>) -> Vec<(usize, i64)> {
    let (seen, unseen): (Vec<usize>, Vec<usize>) =
        (0..set.len()).partition(|&series| set.end(series) > set.start[series]);
    if !unseen.is_empty() {
        notices.push(format!(
            "{} of {} series hold no value to forecast from and were left out",
            unseen.len(),
            set.len()
        ));
    }
    seen.into_iter().map(|series| (series, set.end(series))).collect()
}

/// Every so many steps, as long as the whole horizon lies within what was observed.
fn rolling_origins(
    set: &SeriesSet,
    horizon: usize,
    rolling: &Rolling,
) -> Result<Vec<(usize, i64)>> {
    let from = rolling.from.as_deref().map(|time| find_time(set, time)).transpose()?;
    let mut origins = Vec::new();
    for series in 0..set.len() {
        let first = set.start[series] + 1;
        let from = from.unwrap_or(set.start[series] + rolling.every as i64);
        let last = set.end(series) - horizon as i64;
        let every = (from..=last).step_by(rolling.every);
        origins.extend(every.filter(|origin| *origin >= first).map(|origin| (series, origin)));
    }
    origins.sort_by_key(|&(series, origin)| (origin, series));
    Ok(origins)
}

/// The index of a time that is written as the file writes it.
fn find_time(set: &SeriesSet, time: &str) -> Result<i64> {
    let first = set.start.iter().copied().min().unwrap_or(0);
    let last = (0..set.len()).map(|series| set.end(series)).max().unwrap_or(0);
    (first..last).find(|&index| set.axis.text(index) == time).ok_or_else(|| {
        Error::user(format!("`{time}` is not a time of the input")).hint(format!(
            "its times go from {} to {}, written just so",
            set.axis.text(first),
            set.axis.text(last - 1)
        ))
    })
}

/// The columns that name a row: those that `data.id` names, then those that were ids in training.
fn ids(input: &Table, data: &DataSettings, kinds: &BTreeMap<String, ColumnKind>) -> Vec<Column> {
    let named = data.id.iter().filter_map(|name| input.column(name));
    let kind = input.columns.iter().filter(|column| {
        kinds.get(&column.name) == Some(&ColumnKind::Id) && !data.id.contains(&column.name)
    });
    named.chain(kind).cloned().collect()
}

fn table(columns: Vec<Column>) -> Result<Table> {
    let mut names = BTreeSet::new();
    for column in &columns {
        if !names.insert(column.name.as_str()) {
            return Err(Error::user(format!(
                "the predictions would have two columns named `{}`",
                column.name
            ))
            .hint("rename the one in your data"));
        }
    }
    let rows = columns.first().map_or(0, |column| column.values.len());
    Ok(Table { columns, rows, ..Table::default() })
}

fn numbers(name: &str, values: Vec<f64>) -> Column {
    Column { name: name.to_owned(), kind: ColumnKind::Numeric, values: Values::Numbers(values) }
}

fn texts(name: &str, dictionary: Dictionary) -> Column {
    Column {
        name: name.to_owned(),
        kind: ColumnKind::Categorical,
        values: Values::Texts(dictionary),
    }
}

fn dictionary(values: impl Iterator<Item = impl AsRef<str>>) -> Dictionary {
    values.map(Some).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_one_within_each_query() {
        assert_eq!(ranks(&[0.1, 0.9, 0.9, -1.0], &[5, 5, 5, 2]), [3.0, 1.0, 2.0, 1.0]);
    }

    fn set() -> SeriesSet {
        SeriesSet {
            axis: crate::data::TimeAxis::Integer { origin: 1, step: 1 },
            key_names: vec!["series".into()],
            keys: vec![vec!["a".into()], vec!["b".into()], vec!["c".into()]],
            start: vec![0, 2, 0],
            values: vec![vec![1.0; 8], vec![1.0, 1.0, f64::NAN], vec![f64::NAN; 2]],
            covariates: crate::data::Covariates::default(),
        }
    }

    #[test]
    fn forecasts_follow_the_last_observed_value() {
        let mut notices = Vec::new();
        assert_eq!(last_origins(&set(), &mut notices), [(0, 8), (1, 4)]);
        assert_eq!(notices, ["1 of 3 series hold no value to forecast from and were left out"]);
    }

    #[test]
    fn rolling_forecasts_end_within_the_file() {
        let rolling = |every, from: Option<&str>| {
            let rolling = Rolling { every, from: from.map(str::to_owned) };
            rolling_origins(&set(), 3, &rolling)
        };
        assert_eq!(rolling(2, None).expect("origins"), [(0, 2), (0, 4)]);
        // Index 3 is written `4` on an axis from 1.
        assert_eq!(rolling(2, Some("4")).expect("origins"), [(0, 3), (0, 5)]);
        let error = rolling(2, Some("99")).expect_err("no such time");
        assert_eq!(error.hint_text(), Some("its times go from 1 to 8, written just so"));
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let error = table(vec![numbers("score", vec![]), numbers("score", vec![])]);
        assert!(error.is_err_and(|error| error.message().contains("`score`")));
    }
}
