//! Every member's forecasts of the same origins: those of validation, and where these are few, of earlier
//! ones, before which members are fitted again.
//!
//! Source: Tashman, Out-of-sample tests of forecasting accuracy, 2000: rolling origins, with the models
//! recalibrated where that is cheap.

use std::ops::Range;
use std::sync::Arc;

use super::closed::{Fitted, alone, model_of};
use super::prepared::Prepared;
use super::windows::{Judged, judged};
use super::{ets, ridge, seasonal_regression, trees};
use crate::error::Result;
use crate::model::ForecastingModel;
use crate::model::forecasting::{Body, LEVELS, Levels, MEDIAN, MemberSpec, Scale};
use crate::train::course::Allowance;
use crate::train::deadline::Deadline;

/// Forecasts that are wanted to compare members by, and origins before validation at most.
const WANTED: usize = 300;
const MOST: usize = 16;
/// Steps of all series, times those that are looked back on, times origins: up to so many, members are fitted
/// anew before each origin. More data changes little from one to the next, and members are fitted before the
/// first alone.
const REFITTED: usize = 5_000_000;
/// Of the time that is left at the end of a run, what earlier origins may take; the rest is for the last fits.
const ORIGINS_SHARE: f64 = 0.5;

/// A trained part: what the model holds of it, and what it was fitted to.
pub(super) type Member = (MemberSpec, Fitted);

/// What members are fitted on: values, and their logarithms where a member works on these.
pub(super) struct Bench<'a> {
    pub plain: &'a Prepared,
    logs: Option<Prepared>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(plain: &'a Prepared, members: &[Member]) -> Self {
        let wanted = members.iter().any(|(_, fitted)| fitted.logs.is_some());
        Self { plain, logs: if wanted { plain.on_logs() } else { None } }
    }

    /// The same fit on what lies before other ends; none of what isn't fitted, or not in closed form.
    pub(super) fn fit_again(
        &self,
        fitted: &Fitted,
        ends: &[i64],
        deadline: &Deadline,
    ) -> Result<Option<Fitted>> {
        let logs = self.logs.as_ref().filter(|_| fitted.logs.is_some());
        let prepared = logs.unwrap_or(self.plain);
        Ok(match &fitted.body {
            body if !is_fitted_again(body) => None,
            Body::Naive | Body::SeasonalNaive | Body::Theta { .. } | Body::Net { .. } => None,
            Body::SeasonalRegression { .. } => {
                Some(seasonal_regression::fit(prepared, ends, deadline)?.0)
            }
            Body::Ets { forms, .. } => Some(ets::fit(prepared, ends, Some(forms), deadline)?),
            Body::Trees { reader, settings, seed, rounds } => {
                let (reader, settings) = (reader.clone(), settings.clone());
                let grown = trees::Grown { reader, settings, seed: *seed, rounds: *rounds };
                Some(trees::fit(prepared, ends, grown, deadline)?)
            }
            Body::Linear { look_back, scale, terms } => {
                let shape = prepared.shape(*look_back, *scale);
                Some(ridge::fit(prepared, ends, &shape, terms.clone(), deadline)?)
            }
        })
    }
}

/// Whether this is the same whenever it is fitted on the same data, so that it can be fitted before any origin.
pub(super) fn is_closed(body: &Body) -> bool {
    match body {
        Body::Linear { terms, .. } => !terms.is_empty(),
        // Where they stop was chosen on validation.
        body => !matches!(body, Body::Net { .. } | Body::Trees { .. }),
    }
}

/// Whether there is something in it to fit again.
pub(super) fn is_fitted_again(body: &Body) -> bool {
    match body {
        Body::Naive | Body::SeasonalNaive | Body::Theta { .. } | Body::Net { .. } => false,
        Body::Linear { terms, .. } => !terms.is_empty(),
        Body::SeasonalRegression { .. } | Body::Ets { .. } | Body::Trees { .. } => true,
    }
}

/// Forecasts of the same origins by several members.
pub(super) struct View {
    pub judged: Vec<Judged>,
    /// By member. They may be large, and are shared rather than copied.
    pub answers: Vec<Arc<Vec<Levels>>>,
}

impl View {
    pub(super) fn new(
        prepared: &Prepared,
        members: &[Member],
        judged: Vec<Judged>,
    ) -> Result<Self> {
        let answers = members
            .iter()
            .map(|(spec, fitted)| {
                let model = alone(prepared, &spec.kind, fitted.clone())?;
                Ok(Arc::new(prepared.answers(&model, &judged)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { judged, answers })
    }

    /// The origins of one after those of the other.
    pub(super) fn extend(&mut self, other: Self) {
        self.judged.extend(other.judged);
        for (own, more) in self.answers.iter_mut().zip(other.answers) {
            Arc::make_mut(own).extend(more.iter().cloned());
        }
    }

    /// These members alone.
    pub(super) fn of(&self, members: &[usize]) -> Self {
        let answers = members.iter().map(|&member| Arc::clone(&self.answers[member])).collect();
        Self { judged: self.judged.clone(), answers }
    }

    /// The weighted mean of the members at one origin.
    pub(super) fn blended(&self, weights: &[f64], number: usize) -> Levels {
        let mut mean = vec![[0.0; LEVELS.len()]; self.judged[number].actual.len()];
        for (answers, weight) in self.answers.iter().zip(weights).filter(|(_, own)| **own > 0.0) {
            for (sums, values) in mean.iter_mut().zip(&answers[number]) {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        mean
    }

    pub(super) fn medians(&self, weights: &[f64], number: usize) -> Vec<f64> {
        let mut mean = vec![0.0; self.judged[number].actual.len()];
        for (answers, weight) in self.answers.iter().zip(weights).filter(|(_, own)| **own > 0.0) {
            let rows = mean.iter_mut().zip(&answers[number]);
            rows.for_each(|(sum, row)| *sum += weight * row[MEDIAN]);
        }
        mean
    }
}

/// How many forecasts these are worth: those that overlap say much the same.
pub(super) fn worth(judged: &[Judged], horizon: usize) -> f64 {
    let mut spans: Vec<Option<Range<i64>>> = Vec::new();
    for Judged { series, origin, .. } in judged {
        spans.resize((*series + 1).max(spans.len()), None);
        let end = origin + horizon as i64;
        let span = spans[*series].get_or_insert(*origin..end);
        *span = span.start.min(*origin)..span.end.max(end);
    }
    let steps: i64 = spans.into_iter().flatten().map(|span| span.end - span.start).sum();
    (steps as f64 / horizon as f64).min(judged.len() as f64)
}

/// A model of these members, without those that count for nothing.
pub(super) fn assemble(
    prepared: &Prepared,
    kind: &str,
    members: &[Member],
    weights: &[f64],
) -> Result<ForecastingModel> {
    let counted = members.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let named = counted.map(|((spec, fitted), weight)| {
        (spec.name.clone(), spec.kind.clone(), *weight, fitted.clone())
    });
    model_of(prepared, kind, named.collect())
}

/// Forecasts of origins before validation.
pub(super) struct Earlier {
    /// The nearest first.
    pub views: Vec<View>,
    /// How many more there was no time for.
    pub cut: usize,
}

/// Forecasts of origins before validation by members that were fitted before each; all are fitted in closed form. `likely` seconds
/// are what it takes to fit all of them.
pub(super) fn earlier(
    bench: &Bench<'_>,
    members: &[Member],
    allowance: &Allowance<'_>,
    likely: f64,
) -> Result<Earlier> {
    let prepared = bench.plain;
    let Prepared { observed: set, horizon, season, .. } = prepared;
    // What is left has to be as long as what a season's pattern takes to be seen.
    let least = (2 * season + horizon) as i64;
    let length = |series: usize, hold: i64| prepared.ends[series] - hold - set.start[series];
    let longest = (0..set.len()).map(|series| length(series, 0)).max().unwrap_or(0);
    let wanted = (WANTED / prepared.judged.len().max(1)).min(MOST) as i64;
    let room = longest - least;
    if wanted == 0 || room < 1 {
        return Ok(Earlier { views: Vec::new(), cut: 0 });
    }
    let horizon_steps = *horizon as i64;
    let step = (room / wanted).clamp((horizon_steps / 4).max(1), horizon_steps);
    let count = wanted.min(room / step);
    let ends =
        |back: i64| -> Vec<i64> { prepared.ends.iter().map(|end| end - back * step).collect() };
    let again = |back: i64, deadline: &Deadline| -> Result<Vec<Member>> {
        let ends = ends(back);
        let fitted = members.iter().map(|(spec, fitted)| {
            let again = bench.fit_again(fitted, &ends, deadline)?;
            Ok((spec.clone(), again.unwrap_or_else(|| fitted.clone())))
        });
        fitted.collect()
    };
    let steps: usize = set.values.iter().map(Vec::len).sum();
    let reach = members.iter().map(|(spec, _)| spec.body.look_back(*season)).max().unwrap_or(1);
    let work = steps.saturating_mul(reach).saturating_mul(count as usize);
    let mut likely = likely;
    let once = if work > REFITTED {
        let piece = allowance.piece("fits before origins", ORIGINS_SHARE, 0.0);
        let Some(members) = piece.step(0, likely, |deadline| again(count, deadline))? else {
            return Ok(Earlier { views: Vec::new(), cut: count as usize });
        };
        likely = 0.0;
        Some(members)
    } else {
        None
    };
    let shape = prepared.shape(*season, Scale::Change);
    let piece = allowance.piece("origins", ORIGINS_SHARE, 0.0);
    let mut views = Vec::new();
    for back in 1..=count {
        let ends = ends(back);
        let mut judged = judged(set, &ends, &shape, *horizon, usize::MAX);
        judged.retain(|judged| {
            judged.origin == ends[judged.series] && length(judged.series, back * step) >= least
        });
        if judged.is_empty() {
            continue;
        }
        let began = allowance.now();
        let view = piece.step(back as u64 - 1, likely, |deadline| match &once {
            Some(members) => View::new(prepared, members, judged),
            None => View::new(prepared, &again(back, deadline)?, judged),
        })?;
        let Some(view) = view else {
            return Ok(Earlier { views, cut: (count + 1 - back) as usize });
        };
        likely = allowance.now() - began;
        views.push(view);
    }
    Ok(Earlier { views, cut: 0 })
}
