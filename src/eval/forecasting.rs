//! A forecasting model against what came.
//!
//! Forecasts start where each series' test data does, and again every horizon (or every
//! `eval.stride` steps) while test data is left; each sees all that came before it.

mod tally;

use std::collections::HashMap;

use self::tally::Tally;
use super::{EvalData, Evaluation};
use crate::data::{SeriesSet, Task};
use crate::error::{Error, Result};
use crate::metrics;
use crate::model::{ForecastingModel, Forecasts};

/// Forecast steps that are held at once, some 300 bytes each.
const HELD: usize = 500_000;

pub(crate) fn evaluate(model: &ForecastingModel, data: &EvalData<'_>) -> Result<Evaluation> {
    let mut notices = Vec::new();
    let (set, parts) = parts(model, data, &mut notices)?;
    let stride = data.stride.unwrap_or(model.horizon());
    let origins = origins(&set, &parts, model.horizon(), stride, &mut notices)?;
    let deviations = deviations(model, data)?;
    let targets: Vec<Targets> = parts
        .iter()
        .map(|part| {
            let deviation = deviations.get(&set.keys[part.series]).copied();
            Targets::new(&set, *part, model.season(), deviation)
        })
        .collect();

    let mut ours = Tally::new(&targets);
    let mut theirs: Vec<(String, Tally)> = Vec::new();
    for origins in origins.chunks((HELD / model.horizon()).max(1)) {
        ours.add(&Scored::new(&set, &targets, &model.forecast(&set, origins)?), &targets);
        for (place, (name, said)) in model.baselines(&set, origins)?.into_iter().enumerate() {
            if theirs.len() == place {
                theirs.push((name, Tally::new(&targets)));
            }
            theirs[place].1.add(&Scored::new(&set, &targets, &said), &targets);
        }
    }
    if ours.rows == 0 {
        return Err(Error::user("the test data holds no target to evaluate on: all are missing"));
    }
    let theirs: Vec<_> = theirs.into_iter().map(|(name, tally)| (name, tally.measures())).collect();
    if ours.missing > 0 {
        notices.push(format!("{} missing targets were left out", ours.missing));
    }
    let unscaled = ours.seen().filter(|&place| targets[place].scale.is_none()).count();
    if unscaled > 0 {
        notices.push(format!(
            "MASE leaves out {unscaled} series whose history is too short for a season, or never changes"
        ));
    }
    let mut evaluation = Evaluation::new(Task::Forecasting, ours.rows, ours.measures(), &theirs);
    evaluation.groups = Some(ours.seen().count());
    evaluation.skipped = ours.missing;
    evaluation.notices = notices;
    Ok(evaluation)
}

/// A series and the time indices of its test data.
#[derive(Clone, Copy, Debug)]
struct Part {
    series: usize,
    from: i64,
    to: i64,
}

/// History and test data as one set, and where in it the test data is.
fn parts(
    model: &ForecastingModel,
    data: &EvalData<'_>,
    notices: &mut Vec<String>,
) -> Result<(SeriesSet, Vec<Part>)> {
    let test = model.series(&[data.test])?;
    if data.history.iter().all(|table| table.rows == 0) {
        let horizon = model.horizon();
        notices.push(format!(
            "without a history, the last {horizon} steps of each series are forecast"
        ));
        let parts = (0..test.len())
            .map(|series| {
                let to = test.end(series);
                Part { series, from: test.start[series].max(to - horizon as i64), to }
            })
            .collect();
        return Ok((test, parts));
    }
    let mut tables = data.history.clone();
    tables.push(data.test);
    let set = model.series(&tables)?;
    let places: HashMap<&[String], usize> =
        set.keys.iter().enumerate().map(|(place, key)| (key.as_slice(), place)).collect();
    let parts = (0..test.len())
        .map(|series| Part {
            series: places[test.keys[series].as_slice()],
            from: test.start[series],
            to: test.start[series] + test.values[series].len() as i64,
        })
        .collect();
    Ok((set, parts))
}

/// The standard deviation of each series over the rows that were learned from; none where none are
/// known, or where nothing moves.
fn deviations(model: &ForecastingModel, data: &EvalData<'_>) -> Result<HashMap<Vec<String>, f64>> {
    let Some(train) = data.history.first().filter(|table| table.rows > 0) else {
        return Ok(HashMap::new());
    };
    let set = model.series(&[train])?;
    let of = |values: &[f64]| {
        let seen = || values.iter().copied().filter(|value| !value.is_nan());
        let mean = metrics::mean(seen())?;
        let variance = metrics::mean(seen().map(|value| (value - mean).powi(2)))?;
        Some(variance.sqrt()).filter(|deviation| *deviation > 0.0)
    };
    let all = set.keys.iter().zip(&set.values);
    Ok(all.filter_map(|(key, values)| Some((key.clone(), of(values)?))).collect())
}

/// Every `stride` steps of each part, from the first of which anything was observed before. With a
/// stride below the horizon, forecasts that would reach beyond the part are left out: near steps
/// would count more often than far ones.
fn origins(
    set: &SeriesSet,
    parts: &[Part],
    horizon: usize,
    stride: usize,
    notices: &mut Vec<String>,
) -> Result<Vec<(usize, i64)>> {
    let mut origins = Vec::new();
    let mut blind = 0;
    for part in parts {
        let observed = set.values[part.series].iter().position(|value| !value.is_nan());
        let first = observed.map_or(i64::MAX, |at| set.start[part.series] + at as i64);
        blind += usize::from(first >= part.from);
        let to = if stride < horizon { part.to - horizon as i64 + 1 } else { part.to };
        let every = (part.from..to).step_by(stride.max(1));
        origins.extend(every.filter(|origin| *origin > first).map(|origin| (part.series, origin)));
    }
    if blind > 0 {
        notices.push(format!(
            "{blind} series have no history before their test data to forecast from"
        ));
    }
    // By cutoff and then series, the order in which forecasts are written.
    origins.sort_by_key(|&(series, origin)| (origin, series));
    if origins.is_empty() && stride < horizon {
        return Err(Error::user(format!(
            "no series has test data for a whole forecast of {horizon} steps, which `eval.stride` asks for"
        ))
        .hint("leave `eval.stride` out, or give more test data"));
    }
    Ok(origins)
}

/// What a series' forecasts are held against.
#[derive(Debug)]
struct Targets {
    part: Part,
    /// The error of the seasonal naive forecast over the history.
    scale: Option<f64>,
    /// The standard deviation of the rows that were learned from.
    deviation: Option<f64>,
}

impl Targets {
    fn new(set: &SeriesSet, part: Part, season: usize, deviation: Option<f64>) -> Self {
        let values = &set.values[part.series];
        let before = usize::try_from(part.from - set.start[part.series]).unwrap_or(0);
        let history = &values[..before.min(values.len())];
        Self { part, scale: metrics::mase_scale(history, season), deviation }
    }
}

/// Forecasts beside what came, series by series.
#[derive(Debug, Default)]
struct Scored {
    levels: Vec<f64>,
    series: Vec<ScoredSeries>,
    rows: usize,
    /// Forecast steps within the test data whose target is missing.
    missing: usize,
}

#[derive(Debug)]
struct ScoredSeries {
    /// Its place among the targets.
    part: usize,
    actual: Vec<f64>,
    point: Vec<f64>,
    quantiles: Vec<Vec<f64>>,
}

impl Scored {
    fn new(set: &SeriesSet, targets: &[Targets], forecasts: &Forecasts) -> Self {
        let mut scored = Self { levels: forecasts.levels.clone(), ..Self::default() };
        let mut all: Vec<ScoredSeries> = (0..targets.len())
            .map(|part| ScoredSeries {
                part,
                actual: Vec::new(),
                point: Vec::new(),
                quantiles: vec![Vec::new(); forecasts.levels.len()],
            })
            .collect();
        let places: HashMap<usize, usize> =
            targets.iter().enumerate().map(|(place, target)| (target.part.series, place)).collect();
        for row in 0..forecasts.point.len() {
            let place = places[&forecasts.series[row]];
            let at = forecasts.cutoff[row] + forecasts.step[row] as i64;
            if at >= targets[place].part.to {
                continue;
            }
            let actual = set.at(forecasts.series[row], at);
            if actual.is_nan() {
                scored.missing += 1;
                continue;
            }
            scored.rows += 1;
            let series = &mut all[place];
            series.actual.push(actual);
            series.point.push(forecasts.point[row]);
            for (column, quantile) in series.quantiles.iter_mut().zip(&forecasts.quantiles) {
                column.push(quantile[row]);
            }
        }
        all.retain(|series| !series.actual.is_empty());
        scored.series = all;
        scored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TimeAxis;

    /// Two series from index 0; the second has a gap in its test data.
    fn set() -> SeriesSet {
        let gap = f64::NAN;
        SeriesSet {
            axis: TimeAxis::Integer { origin: 0, step: 1 },
            key_names: vec!["series".into()],
            keys: vec![vec!["a".into()], vec!["b".into()]],
            start: vec![0, 2],
            values: vec![
                vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
                vec![10.0, 10.0, 10.0, gap, 20.0],
            ],
            covariates: crate::data::Covariates::default(),
        }
    }

    fn parts() -> Vec<Part> {
        vec![Part { series: 0, from: 4, to: 7 }, Part { series: 1, from: 4, to: 7 }]
    }

    /// The same number for every step of every origin, and an interval around it.
    fn constant(origins: &[(usize, i64)], horizon: usize, value: f64) -> Forecasts {
        let mut made = Forecasts { levels: vec![0.1, 0.9], ..Forecasts::default() };
        made.quantiles = vec![Vec::new(), Vec::new()];
        for &(series, origin) in origins {
            for step in 0..horizon {
                made.series.push(series);
                made.cutoff.push(origin);
                made.step.push(step);
                made.point.push(value);
                made.quantiles[0].push(value - 1.0);
                made.quantiles[1].push(value + 1.0);
            }
        }
        made
    }

    #[test]
    fn forecasts_start_with_the_test_data_and_roll_by_the_horizon() {
        let mut notices = Vec::new();
        let origins = origins(&set(), &parts(), 2, 2, &mut notices).expect("origins");
        assert_eq!(origins, [(0, 4), (1, 4), (0, 6), (1, 6)]);
        assert!(notices.is_empty());
    }

    #[test]
    fn every_window_is_forecast_that_lies_within_the_test_data() {
        let origins = origins(&set(), &parts(), 2, 1, &mut Vec::new()).expect("origins");
        assert_eq!(origins, [(0, 4), (1, 4), (0, 5), (1, 5)]);
        let error = super::origins(&set(), &parts(), 4, 1, &mut Vec::new()).unwrap_err();
        assert!(error.message().contains("for a whole forecast of 4 steps"), "{error}");
    }

    #[test]
    fn a_series_that_begins_with_its_test_data_is_forecast_once_it_has_begun() {
        let mut notices = Vec::new();
        let late = [Part { series: 1, from: 2, to: 7 }];
        let origins = origins(&set(), &late, 2, 2, &mut notices).expect("origins");
        assert_eq!(origins, [(1, 4), (1, 6)]);
        assert_eq!(notices, ["1 series have no history before their test data to forecast from"]);
    }

    #[test]
    fn missing_targets_are_counted_and_steps_past_the_end_are_not() {
        let (set, parts) = (set(), parts());
        let targets: Vec<_> =
            parts.iter().map(|part| Targets::new(&set, *part, 1, Some(2.0))).collect();
        let origins = origins(&set, &parts, 2, 2, &mut Vec::new()).expect("origins");
        let scored = Scored::new(&set, &targets, &constant(&origins, 2, 6.0));
        assert_eq!((scored.rows, scored.missing, scored.series.len()), (5, 1, 2));

        let mut tally = Tally::new(&targets);
        tally.add(&scored, &targets);
        let measures = tally.measures();
        let value = |name: &str| measures.iter().find(|(known, _)| *known == name).unwrap().1;
        // |5 6 7 − 6| of the first series, |10 20 − 6| of the second.
        assert_eq!(value("mae"), Some((1.0 + 0.0 + 1.0 + 4.0 + 14.0) / 5.0));
        assert_eq!(value("coverage_80"), Some(3.0 / 5.0));
        assert_eq!(value("mae_scaled"), Some((0.5 + 0.0 + 0.5 + 2.0 + 7.0) / 5.0));
        let squared = value("mse_scaled").expect("a value");
        assert!((squared - (0.25 + 0.0 + 0.25 + 4.0 + 49.0) / 5.0).abs() < 1e-12, "{squared}");
        // The second series never moved before: only the first has a scale, which is 1.
        assert_eq!(value("mase"), Some(2.0 / 3.0));

        // Some origins at a time come to the same.
        let mut parted = Tally::new(&targets);
        for some in origins.chunks(3) {
            parted.add(&Scored::new(&set, &targets, &constant(some, 2, 6.0)), &targets);
        }
        assert_eq!((parted.rows, parted.missing, parted.seen().count()), (5, 1, 2));
        for ((name, whole), (_, some)) in measures.iter().zip(parted.measures()) {
            let close = whole.zip(some).is_some_and(|(one, other)| (one - other).abs() < 1e-12);
            assert!(close || (whole.is_none() && some.is_none()), "{name}: {whole:?} {some:?}");
        }
    }
}
