//! From trained parts to one forecaster: a blend that validation decides, beside the naive forecasts.
//!
//! Where validation is few forecasts, what is fitted in closed form is fitted again before earlier origins,
//! and those forecasts are judged too. Parts that were trained in steps are judged on validation alone,
//! beside the blend of the others. In the end closed forms are fitted once more with all that there is,
//! validation included.

use std::sync::Arc;

use super::backtest::{
    Bench, Earlier, Member, View, assemble, earlier, is_closed, is_fitted_again, worth,
};
use super::calibrate;
use super::closed::Fitted;
use super::prepared::{Prepared, measure, refit, seasonal_naive};
use super::score::Points;
use super::weigh::weigh;
use super::windows::Judged;
use crate::error::{Error, Result};
use crate::model::forecasting::{Levels, MemberSpec, window};
use crate::model::member::weights_of;
use crate::model::{ForecastingModel, Model};
use crate::train::course::{Allowance, Choice, FinishRequest, Finished, Trained, chosen};

pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let members: Vec<Member> = parts.iter().map(member).collect::<Result<_>>()?;
    let FinishRequest { kind, dataset, data, shared, allowance, .. } = *request;
    let prepared = request.common.forecasting.prepared(dataset, data, shared)?;
    let bench = Bench::new(&prepared, &members);
    let began = allowance.now();
    let valid = View::new(&prepared, &members, prepared.judged.clone())?;
    let validation_seconds = allowance.now() - began;
    // Forms, look-backs and strengths were searched for when they were fitted first, and stay.
    let likely: Vec<f64> = parts.iter().map(|part| part.progress.seconds / 2.0).collect();
    let judgement = Judgement::new(&bench, &members, valid, allowance, &likely)?;
    let Judgement { weights, values, .. } = &judgement;

    let before = assemble(&prepared, kind, &members, weights)?;
    let (judged, answers) = judgement.blended();
    let worth = worth(&judged, prepared.horizon);
    let widening = calibrate::widening(&judged, &answers, prepared.horizon, worth);
    let mut last = members;
    let mut kept = Vec::new();
    if refit(shared)? {
        let ends: Vec<i64> = (0..prepared.set.len()).map(|at| prepared.observed.end(at)).collect();
        // Those first that count most.
        let mut order: Vec<usize> = (0..last.len()).collect();
        order.sort_by(|&one, &other| weights[other].total_cmp(&weights[one]));
        for at in order {
            let (spec, fitted) = &mut last[at];
            if weights[at] <= 0.0 || !is_fitted_again(&fitted.body) {
                continue;
            }
            let name = format!("{} with validation", spec.name);
            let piece = allowance.piece(&name, 1.0, validation_seconds);
            let again =
                piece.step(0, likely[at], |deadline| bench.fit_again(fitted, &ends, deadline))?;
            match again {
                Some(Some(again)) => *fitted = again,
                Some(None) => {}
                None => kept.push(spec.name.clone()),
            }
        }
    }
    let widened = |mut model: ForecastingModel| {
        model.spec.widening.clone_from(&widening);
        model
    };
    let valid = prepared.validation(&widened(before)).metrics;
    let model = widened(assemble(&prepared, kind, &last, weights)?);

    let naive = naive(&prepared, &judged).relative_to(judgement.reference, prepared.loss);
    let baselines = vec![("naive".to_owned(), naive), ("seasonal_naive".to_owned(), 1.0)];
    let metric = "error beside seasonal naive's".into();
    let value = measure(&judged, &answers, judgement.reference, prepared.loss).monitor;
    let choice = Choice { metric, value, members: chosen(&parts, weights, values), baselines };
    let mut notices: Vec<String> = prepared.of_covariates().into_iter().collect();
    let Judgement { origins, cut, .. } = judgement;
    if cut > 0 {
        notices.push(format!(
            "parts are compared at {origins} of {} origins: the budget left no time for more",
            origins + cut
        ));
    } else if origins > 1 {
        notices.push(format!("parts are compared at {origins} origins"));
    }
    if !kept.is_empty() {
        notices.push(format!(
            "not fitted once more with the steps of validation, as the budget left no time for it: {}",
            kept.join(", ")
        ));
    }
    let warning = choice.lost_to().map(|(name, best)| {
        format!(
            "the model loses to the {} forecast on validation: its error is {:.3} of seasonal naive's, the baseline's {best:.3}",
            name.replace('_', " "), choice.value
        )
    });
    let choice = Some(choice);
    Ok(Finished { model: Model::Forecasting(model), valid, choice, warning, notices })
}

/// The one member of a part.
fn member(part: &Trained) -> Result<Member> {
    let Model::Forecasting(model) = &part.model else {
        return Err(Error::bug("a part of another task"));
    };
    let [spec] = &model.spec.members[..] else {
        return Err(Error::bug("a part of several members"));
    };
    let weights = weights_of(&spec.name, &model.weights);
    let fitted = Fitted { body: spec.body.clone(), logs: spec.logs, weights };
    Ok((MemberSpec { name: part.name.clone(), ..spec.clone() }, fitted))
}

/// What members are worth beside each other.
struct Judgement {
    /// Of all members, in their order.
    weights: Vec<f64>,
    /// What each reaches alone, as a share of the seasonal naive error.
    values: Vec<f64>,
    /// Forecasts of all members on validation.
    valid: View,
    /// Forecasts of the closed forms before it, and their weights among themselves.
    earlier: Option<(View, Vec<f64>)>,
    /// What the seasonal naive forecast reaches on what is blended.
    reference: Points,
    /// How many origins parts are compared at, and how many more there was no time for.
    origins: usize,
    cut: usize,
}

impl Judgement {
    /// `valid` are forecasts of all members on validation; `likely` is how many seconds it takes to fit each again.
    fn new(
        bench: &Bench<'_>,
        members: &[Member],
        valid: View,
        allowance: &Allowance<'_>,
        likely: &[f64],
    ) -> Result<Self> {
        let prepared = bench.plain;
        let Prepared { observed: set, season, horizon, loss, .. } = prepared;
        let reference = |view: &View| seasonal_naive(set, &view.judged, *season, *horizon);
        let closed: Vec<usize> = places(members, true);
        let own: Vec<Member> = closed.iter().map(|&at| members[at].clone()).collect();
        let again = closed.iter().filter(|&&at| is_fitted_again(&members[at].1.body));
        let likely = again.map(|&at| likely[at]).sum();
        let Earlier { views, cut } = match own.is_empty() {
            true => Earlier { views: Vec::new(), cut: 0 },
            false => earlier(bench, &own, allowance, likely)?,
        };
        let origins = views.len() + 1;
        let before = views.into_iter().reduce(|mut all, view| {
            all.extend(view);
            all
        });
        let mut weights = vec![0.0; members.len()];
        let mut values = vec![0.0; members.len()];
        let mut among = Vec::new();
        if !closed.is_empty() {
            let mut all = valid.of(&closed);
            if let Some(before) = &before {
                all.extend(before.of(&(0..closed.len()).collect::<Vec<_>>()));
            }
            let (own, alone) = weigh(&all, reference(&all), *loss, *horizon)?;
            for (&at, (weight, value)) in closed.iter().zip(own.iter().zip(alone)) {
                (weights[at], values[at]) = (*weight, value);
            }
            among = own;
        }
        let trained = places(members, false);
        if !trained.is_empty() {
            // The blend of closed forms is one member beside these, where all were judged alike.
            let mut beside = valid.of(&trained);
            if !closed.is_empty() {
                let blend = valid.of(&closed);
                let levels = 0..blend.judged.len();
                let levels = levels.map(|number| blend.blended(&among, number)).collect();
                beside.answers.push(Arc::new(levels));
            }
            let (own, alone) = weigh(&beside, reference(&beside), *loss, *horizon)?;
            for (&at, (weight, value)) in trained.iter().zip(own.iter().zip(alone)) {
                (weights[at], values[at]) = (*weight, value);
            }
            let left = if closed.is_empty() { 0.0 } else { own[trained.len()] };
            for &at in &closed {
                weights[at] *= left;
            }
        }
        // The errors of the closed forms are those of the model where these are most of it.
        let most = closed.iter().map(|&at| weights[at]).sum::<f64>() >= 0.5;
        let earlier = before.filter(|_| most).map(|view| (view, among));
        let mut judged = valid.judged.clone();
        judged.extend(earlier.iter().flat_map(|(view, _)| view.judged.clone()));
        let reference = seasonal_naive(set, &judged, *season, *horizon);
        Ok(Self { weights, values, valid, earlier, reference, origins, cut })
    }

    /// The forecasts of the blend, and what came.
    fn blended(&self) -> (Vec<Judged>, Vec<Levels>) {
        let levels = |view: &View, weights: &[f64]| -> Vec<Levels> {
            (0..view.judged.len()).map(|number| view.blended(weights, number)).collect()
        };
        let (mut judged, mut answers) =
            (self.valid.judged.clone(), levels(&self.valid, &self.weights));
        if let Some((view, weights)) = &self.earlier {
            judged.extend(view.judged.clone());
            answers.extend(levels(view, weights));
        }
        (judged, answers)
    }
}

/// The places of the members that are fitted in closed form, or of the others.
fn places(members: &[Member], closed: bool) -> Vec<usize> {
    (0..members.len()).filter(|&at| is_closed(&members[at].1.body) == closed).collect()
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
