//! From trained parts to one forecaster: a blend that validation decides, beside the naive forecasts.
//!
//! Where validation is few forecasts and all parts are fitted in closed form, they are fitted again
//! before several earlier origins, and those forecasts are judged too. In the end they are fitted once
//! more with all that there is, validation included.

use super::calibrate;
use super::closed::{Fitted, model_of};
use super::prepared::{Prepared, measure, refit, seasonal_naive};
use super::score::Points;
use super::windows::{Judged, judged};
use super::{ridge, seasonal_regression};
use crate::error::{Error, Result};
use crate::model::forecasting::{Body, Levels, MEDIAN, MemberSpec, Scale, window};
use crate::model::{ForecastingModel, Model};
use crate::train::blend;
use crate::train::course::{Choice, FinishRequest, Finished, Trained, chosen};

/// Rounds of greedy selection: weights are multiples of one over it.
const ROUNDS: usize = 20;
/// Fewer forecasts than these say little of which part is better.
const FEW: usize = 24;
/// Earlier origins that parts are judged at then.
const BACKTESTS: usize = 6;

pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let members: Vec<(MemberSpec, Fitted)> = parts.iter().map(member).collect::<Result<_>>()?;
    let FinishRequest { kind, dataset, data, shared } = *request;
    let prepared = Prepared::new(dataset, data, kind, shared)?;
    let mut views = vec![View::new(&prepared, &members, prepared.judged.clone())?];
    let mut notices: Vec<String> = prepared.of_covariates().into_iter().collect();
    if members.len() > 1 && prepared.judged.len() < FEW {
        views.extend(backtests(&prepared, &members)?);
        if views.len() > 1 {
            notices.push(format!("parts are compared at {} origins", views.len()));
        }
    }
    let all = View::together(&views);
    let reference =
        seasonal_naive(&prepared.observed, &all.judged, prepared.season, prepared.horizon);
    let loss = |answers: &[Levels]| measure(&all.judged, answers, reference, prepared.loss).monitor;
    let weights = blend::greedy(members.len(), ROUNDS, |weights| {
        let points = Points::of(&all.judged, |number| all.blended(weights, number));
        Ok(points.relative_to(reference, prepared.loss))
    })?;
    let values: Vec<f64> = all.answers.iter().map(|answers| loss(answers)).collect();

    let before = assemble(&prepared, &members, &weights)?;
    let answers = prepared.answers(&before, &prepared.judged);
    let widening = calibrate::widening(&prepared.judged, &answers, prepared.horizon);
    let mut last = members;
    if refit(shared)? {
        let ends: Vec<i64> = (0..prepared.set.len()).map(|at| prepared.observed.end(at)).collect();
        for ((spec, fitted), weight) in last.iter_mut().zip(&weights) {
            if *weight > 0.0
                && let Some(again) = fit_again(&prepared, &spec.body, &ends)?
            {
                *fitted = again;
            }
        }
    }
    let widened = |mut model: ForecastingModel| {
        model.spec.widening.clone_from(&widening);
        model
    };
    let valid = prepared.validation(&widened(before)).metrics;
    let model = widened(assemble(&prepared, &last, &weights)?);

    let value = Points::of(&all.judged, |number| all.blended(&weights, number))
        .relative_to(reference, prepared.loss);
    let naive = naive(&prepared, &all.judged).relative_to(reference, prepared.loss);
    let baselines = vec![("naive".to_owned(), naive), ("seasonal_naive".to_owned(), 1.0)];
    let metric = "error beside seasonal naive's".into();
    let choice = Choice { metric, value, members: chosen(&parts, &weights, &values), baselines };
    notices.extend(choice.lost_to().map(|(name, best)| {
        format!(
            "the model loses to the {} forecast on validation: its error is {:.3} of seasonal naive's, the baseline's {best:.3}",
            name.replace('_', " "), choice.value
        )
    }));
    let choice = Some(choice);
    Ok(Finished { model: Model::Forecasting(model), valid, choice, notices })
}

/// The one member of a part.
fn member(part: &Trained) -> Result<(MemberSpec, Fitted)> {
    let Model::Forecasting(model) = &part.model else {
        return Err(Error::bug("a part of another task"));
    };
    let [spec] = &model.spec.members[..] else {
        return Err(Error::bug("a part of several members"));
    };
    let prefix = format!("{}/", spec.name);
    let own = model.weights.iter().filter_map(|(name, tensor)| {
        Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
    });
    let fitted = Fitted { body: spec.body.clone(), weights: own.collect() };
    Ok((MemberSpec { name: part.name.clone(), ..spec.clone() }, fitted))
}

fn assemble(
    prepared: &Prepared,
    members: &[(MemberSpec, Fitted)],
    weights: &[f64],
) -> Result<ForecastingModel> {
    let counted = members.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let named = counted.map(|((spec, fitted), weight)| {
        (spec.name.clone(), spec.kind.clone(), *weight, fitted.clone())
    });
    model_of(prepared, named.collect())
}

/// The same fit on what lies before other ends; none of what was trained in steps.
fn fit_again(prepared: &Prepared, body: &Body, ends: &[i64]) -> Result<Option<Fitted>> {
    Ok(match body {
        Body::Naive | Body::SeasonalNaive | Body::Theta { .. } => None,
        Body::SeasonalRegression { .. } => Some(seasonal_regression::fit(prepared, ends)?.0),
        Body::Linear { terms, .. } if terms.is_empty() => None,
        Body::Linear { look_back, scale, terms } => {
            let shape = prepared.shape(*look_back, *scale);
            Some(ridge::fit(prepared, ends, &shape, terms.clone())?)
        }
    })
}

/// Every member's forecasts of the same origins.
struct View {
    judged: Vec<Judged>,
    /// By member.
    answers: Vec<Vec<Levels>>,
}

impl View {
    fn new(
        prepared: &Prepared,
        members: &[(MemberSpec, Fitted)],
        judged: Vec<Judged>,
    ) -> Result<Self> {
        let answers = (0..members.len())
            .map(|at| {
                let weights: Vec<f64> =
                    (0..members.len()).map(|other| f64::from(u8::from(other == at))).collect();
                let model = assemble(prepared, members, &weights)?;
                Ok(prepared.answers(&model, &judged))
            })
            .collect::<Result<_>>()?;
        Ok(Self { judged, answers })
    }

    fn together(views: &[Self]) -> Self {
        let members = views.first().map_or(0, |view| view.answers.len());
        let of = |member: usize| views.iter().flat_map(move |view| view.answers[member].clone());
        Self {
            judged: views.iter().flat_map(|view| view.judged.clone()).collect(),
            answers: (0..members).map(|member| of(member).collect()).collect(),
        }
    }

    fn blended(&self, weights: &[f64], number: usize) -> Vec<f64> {
        let steps = self.judged[number].actual.len();
        let counted = || self.answers.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        (0..steps)
            .map(|step| {
                counted().map(|(answers, weight)| weight * answers[number][step][MEDIAN]).sum()
            })
            .collect()
    }
}

/// Forecasts of earlier origins by members that are fitted before each; none where a member can't be.
fn backtests(prepared: &Prepared, members: &[(MemberSpec, Fitted)]) -> Result<Vec<View>> {
    let trained = |body: &Body| matches!(body, Body::Linear { terms, .. } if terms.is_empty());
    if members.iter().any(|(spec, _)| trained(&spec.body)) {
        return Ok(Vec::new());
    }
    let Prepared { observed: set, horizon, season, .. } = prepared;
    let mut views = Vec::new();
    for back in 1..=BACKTESTS {
        let hold = (back * horizon) as i64;
        let ends: Vec<i64> = prepared.ends.iter().map(|end| end - hold).collect();
        // What is left has to be as long as what a season's pattern takes to be seen.
        let least = (2 * season + horizon) as i64;
        let enough = |series: usize| ends[series] - set.start[series] >= least;
        if !(0..set.len()).any(enough) {
            break;
        }
        let fitted = members
            .iter()
            .map(|(spec, fitted)| {
                let again = fit_again(prepared, &spec.body, &ends)?;
                Ok((spec.clone(), again.unwrap_or_else(|| fitted.clone())))
            })
            .collect::<Result<Vec<_>>>()?;
        let shape = prepared.shape(*season, Scale::Change);
        let mut judged = judged(set, &ends, &shape, *horizon, usize::MAX);
        judged.retain(|judged| judged.origin == ends[judged.series] && enough(judged.series));
        views.push(View::new(prepared, &fitted, judged)?);
    }
    Ok(views)
}

/// What the naive forecast reaches.
fn naive(prepared: &Prepared, judged: &[Judged]) -> Points {
    Points::of(judged, |number| {
        let Judged { series, origin, .. } = judged[number];
        let last = window::filled(&prepared.observed, series, origin, 1, prepared.season)
            .expect("what is judged has observations before it");
        vec![last[0]; prepared.horizon]
    })
}
