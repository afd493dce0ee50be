//! The course of a run: which parts it trains, one after the other, and how they become one model.
//!
//! A named estimator is a course of one part; `auto` and ensembles over seeds have several. Planning is
//! pure and cheap: every setting is looked at before the first learner is built. [`walk`] carries it out.

mod allowance;
pub(crate) mod folds;
mod ledger;
mod ready;
mod time;
pub(crate) mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::checkpoint::Progress;
use super::estimator::{AUTO, Candidate, Common, Estimator, Offer, offer, own_table, unknown};
use super::event::StopReason;
use crate::data::{DataSettings, Dataset, Task};
use crate::error::{Error, Result};
use crate::model::{Model, ModelSettings};

pub(crate) use crate::model::choice::{Choice, Chosen};
pub(crate) use allowance::{Allowance, Cuts, Turns};
pub(crate) use folds::{Deal, Fold, Round};
pub(crate) use ready::Ready;
pub(crate) use walk::{Limits, Walk};

/// What is trained in a run, in this order.
#[derive(Clone)]
pub(crate) struct Course {
    /// As in `model.kind`.
    pub kind: String,
    pub parts: Vec<Part>,
    /// Settings that all parts share.
    pub shared: Table,
    pub finish: Finish,
    /// What is trained where the budget leaves nothing else.
    pub stand_in: Option<Part>,
    /// What its parts make once for all of them.
    pub common: Arc<Common>,
}

/// One learner's way from its first step to its last.
#[derive(Clone)]
pub(crate) struct Part {
    /// Also the name of its folder of checkpoints, and of its place among a model's weights.
    pub name: String,
    pub estimator: Estimator,
    /// The estimator's own settings.
    pub model: ModelSettings,
    pub seed: u64,
    /// How much of the time that is left it gets, beside what those after it get.
    pub share: f64,
    /// The estimator and its seed, which it has in common with the parts of other folds.
    pub member: String,
    /// Absent where the validation set is the project's.
    pub fold: Option<Fold>,
}

/// What `auto` chooses candidates by.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub dataset: &'a Dataset,
    pub data: &'a DataSettings,
}

/// From trained parts to one model. Deterministic: the same parts, the same model.
pub(crate) type Finish = fn(Vec<Trained>, &FinishRequest<'_>) -> Result<Finished>;

/// A part that was trained.
#[derive(Clone, Debug)]
pub(crate) struct Trained {
    pub name: String,
    pub member: String,
    pub fold: Option<Fold>,
    pub kind: &'static str,
    /// With the weights of its best epoch.
    pub model: Model,
    pub progress: Progress,
}

#[derive(Clone, Copy)]
pub(crate) struct FinishRequest<'a> {
    /// As in `model.kind`.
    pub kind: &'a str,
    pub dataset: &'a Dataset,
    pub data: &'a DataSettings,
    pub shared: &'a Table,
    pub common: &'a Common,
    /// What there is time for.
    pub allowance: &'a Allowance<'a>,
}

/// What came of a course.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub model: Model,
    /// Validation metrics of the whole model, the most telling first.
    pub valid: Vec<(String, f64)>,
    /// Absent where there was nothing to choose and nothing to compare with.
    pub choice: Option<Choice>,
    /// That the model loses to its own baseline, where it does.
    pub warning: Option<String>,
    /// What the user should know of the choice besides.
    pub notices: Vec<String>,
}

/// A part as it ended, or stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub name: String,
    /// As the choice names it: parts of several folds are one member.
    #[serde(default)]
    pub member: String,
    pub kind: String,
    pub seed: u64,
    pub epochs: usize,
    pub steps: u64,
    pub best_epoch: usize,
    pub seconds: f64,
    pub reason: Option<StopReason>,
    /// Validation metrics of its best epoch.
    pub valid: Vec<(String, f64)>,
    /// Why it was not trained, where it wasn't.
    pub left_out: Option<String>,
}

/// Steps by part: what a locked run replays instead of the clock.
pub(crate) type Replay = BTreeMap<String, u64>;

/// The course that `[model]` asks for; a kind, key or value that can't be is an error.
pub(crate) fn plan(
    task: Task,
    model: &ModelSettings,
    seed: u64,
    situation: &Situation<'_>,
) -> Result<Course> {
    let offer = offer(task);
    let (shared, own) = offer.divide(&model.settings);
    (offer.check)(&shared)?;
    let estimators = estimators(&offer, &model.kind, &own, &shared, situation)?;
    if situation.dataset.stream.is_some()
        && let Some((all_at_once, ..)) = estimators.iter().find(|(known, ..)| !known.descends)
    {
        return Err(Error::user(format!(
            "`{}` learns from all rows at once, and `data.stream` has few of them in memory",
            all_at_once.kind
        ))
        .hint("take a net, such as `--set model.kind=mlp`, or train without `data.stream`"));
    }
    let mut parts = Vec::new();
    // Fold after fold: whenever the time is up, there are whole ones to choose by.
    for fold in folds(task, &offer, &model.kind, &shared, situation)? {
        for (estimator, model, share) in &estimators {
            for number in 0..seeds(&shared)? {
                let member = match number {
                    0 => estimator.kind.to_owned(),
                    _ => format!("{}-{}", estimator.kind, number + 1),
                };
                parts.push(Part {
                    name: match fold {
                        Some(Fold { number, .. }) => format!("{member}-fold{}", number + 1),
                        None => member.clone(),
                    },
                    member,
                    fold,
                    estimator: *estimator,
                    model: model.clone(),
                    seed: seed.wrapping_add(number),
                    share: *share,
                });
            }
        }
    }
    let stand_in = offer.stand_in.map(|kind| -> Result<Part> {
        let estimator = offer.estimator(kind)?;
        Ok(Part {
            name: kind.to_owned(),
            member: kind.to_owned(),
            fold: None,
            estimator,
            model: estimator.read("model", &Table::new(), &offer)?,
            seed,
            share: 1.0,
        })
    });
    Ok(Course {
        kind: model.kind.clone(),
        parts,
        shared,
        finish: offer.finish,
        stand_in: stand_in.transpose()?,
        common: Arc::default(),
    })
}

/// The estimators to train, with the settings and the share of time of each.
fn estimators(
    offer: &Offer,
    kind: &str,
    own: &Table,
    shared: &Table,
    situation: &Situation<'_>,
) -> Result<Vec<(Estimator, ModelSettings, f64)>> {
    let candidates = candidates(offer, kind, shared, situation)?;
    if let [(estimator, share)] = candidates[..] {
        return Ok(vec![(estimator, estimator.read("model", own, offer)?, share)]);
    }
    // Of several, each has a table of its own; tables of those that are not trained are read too.
    let is_kind = |key: &str| offer.estimators.iter().any(|estimator| estimator.kind == key);
    if let Some(key) = own.keys().find(|key| !is_kind(key)) {
        return Err(not_of_several(offer, kind, key));
    }
    for estimator in offer.estimators {
        estimator.read(
            &format!("model.{}", estimator.kind),
            &own_table(own, estimator.kind)?,
            offer,
        )?;
    }
    candidates
        .into_iter()
        .map(|(estimator, share)| {
            let table = format!("model.{}", estimator.kind);
            let model = estimator.read(&table, &own_table(own, estimator.kind)?, offer)?;
            Ok((estimator, model, share))
        })
        .collect()
}

/// A key that stands beside the tables of several estimators and is none.
fn not_of_several(offer: &Offer, kind: &str, key: &str) -> Error {
    let owner = offer.estimators.iter().find(|estimator| estimator.keys.contains(&key));
    let Some(owner) = owner else {
        let kinds = offer.estimators.iter().map(|estimator| estimator.kind);
        let keys = offer.estimators.iter().flat_map(|estimator| estimator.keys).copied();
        let known = kinds.chain(offer.shared.iter().copied()).chain(keys);
        return unknown("setting", &format!("model.{key}"), key, known);
    };
    let owner = owner.kind;
    Error::user(format!(
        "`model.{key}` is a setting of `{owner}`, and `{kind}` trains several estimators"
    ))
    .hint(format!("write it under [model.{owner}], or say kind = \"{owner}\""))
}

fn candidates(
    offer: &Offer,
    kind: &str,
    shared: &Table,
    situation: &Situation<'_>,
) -> Result<Vec<(Estimator, f64)>> {
    let named = shared.get(ESTIMATORS);
    if kind != AUTO {
        if named.is_some() {
            return Err(Error::user(format!(
                "`model.{ESTIMATORS}` is for `{AUTO}`, and `model.kind` is `{kind}`"
            ))
            .hint("leave one of them out"));
        }
        return Ok(vec![(offer.estimator(kind)?, 1.0)]);
    }
    let auto = (offer.auto)(situation);
    let share_of = |kind: &str| {
        auto.iter().find(|candidate| candidate.kind == kind).map_or(1.0, |known| known.share)
    };
    let Some(named) = named else {
        return auto
            .iter()
            .map(|&Candidate { kind, share }| Ok((offer.estimator(kind)?, share)))
            .collect();
    };
    let names: Vec<&str> = named
        .as_array()
        .and_then(|names| names.iter().map(Value::as_str).collect())
        .filter(|names: &Vec<&str>| !names.is_empty())
        .ok_or_else(|| {
            Error::user(format!("`model.{ESTIMATORS}` is {named}"))
                .hint("it is a list of estimators, such as [\"linear\", \"trees\"]")
        })?;
    if let Some((at, twice)) =
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name))
    {
        return Err(Error::user(format!(
            "`model.{ESTIMATORS}` names `{twice}` twice, at {}",
            at + 1
        ))
        .hint("name it once; `model.seeds` trains several of each"));
    }
    names.into_iter().map(|name| Ok((offer.estimator(name)?, share_of(name)))).collect()
}

/// The estimators that `auto` trains, where the project says which.
pub(crate) const ESTIMATORS: &str = "estimators";
/// How many seeds each estimator is trained with.
pub(crate) const SEEDS: &str = "seeds";

fn seeds(shared: &Table) -> Result<u64> {
    const MOST: u64 = 64;
    let Some(value) = shared.get(SEEDS) else { return Ok(1) };
    let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
    count.filter(|count| (1..=MOST).contains(count)).ok_or_else(|| {
        Error::user(format!("`model.{SEEDS}` is {value}"))
            .hint(format!("it is a whole number, 1 to {MOST}"))
    })
}

/// How many folds each estimator is trained in.
pub(crate) const FOLDS: &str = "folds";

fn folds(
    task: Task,
    offer: &Offer,
    kind: &str,
    shared: &Table,
    situation: &Situation<'_>,
) -> Result<Vec<Option<Fold>>> {
    const MOST: usize = 20;
    let deal = Deal::of(task);
    let of = match shared.get(FOLDS) {
        None if kind == AUTO => (offer.folds)(situation),
        None => 1,
        Some(value) => {
            let count = value.as_integer().and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (1..=MOST).contains(count)).ok_or_else(|| {
                Error::user(format!("`model.{FOLDS}` is {value}")).hint(format!(
                    "it is a whole number, 1 to {MOST}; 1 is the validation set alone"
                ))
            })?;
            if count > 1 && situation.dataset.stream.is_some() {
                return Err(Error::user(format!(
                    "`model.{FOLDS}` is {count}, and rows that are streamed can't be dealt out"
                ))
                .hint(format!("leave `model.{FOLDS}` out, or train without `data.stream`")));
            }
            if count > 1 && !deal.possible(situation.dataset, situation.data, count) {
                let needs = deal.needs(count);
                return Err(Error::user(format!("the rows can't be dealt out to {count} folds"))
                    .hint(format!("{needs}; lower `model.{FOLDS}`")));
            }
            count
        }
    };
    Ok(match of {
        0 | 1 => vec![None],
        of => (0..of).map(|number| Some(Fold { number, of, deal })).collect(),
    })
}

/// The record of a choice among parts that are members each: what each reaches alone beside its weight.
pub(crate) fn chosen(parts: &[Trained], weights: &[f64], values: &[f64]) -> Vec<Chosen> {
    let told = parts.iter().zip(weights.iter().zip(values));
    told.map(|(part, (&weight, &value))| Chosen {
        part: part.member.clone(),
        kind: part.kind.to_owned(),
        weight,
        value,
    })
    .collect()
}

/// The parts that a choice was among: those of folds in which as many were trained as in the first. A fold that the
/// budget cut short is of no use.
pub(crate) fn used(parts: &[PartRecord]) -> Vec<&PartRecord> {
    let fold = |part: &PartRecord| part.name.get(part.member.len()..).map(str::to_owned);
    let trained = || parts.iter().filter(|part| part.left_out.is_none());
    let size = |of: &Option<String>| trained().filter(|part| fold(part) == *of).count();
    let Some(whole) = trained().next().map(|first| size(&fold(first))) else { return Vec::new() };
    trained().filter(|part| size(&fold(part)) == whole).collect()
}

impl PartRecord {
    fn new(part: &Part, progress: &Progress) -> Self {
        Self {
            name: part.name.clone(),
            member: part.member.clone(),
            kind: part.estimator.kind.to_owned(),
            seed: part.seed,
            epochs: progress.epoch,
            steps: progress.total_steps,
            best_epoch: progress.best_epoch,
            seconds: progress.seconds,
            reason: progress.ended,
            valid: progress.best_metrics.clone(),
            left_out: None,
        }
    }

    fn left_out(part: &Part, why: String) -> Self {
        Self { left_out: Some(why), ..Self::new(part, &Progress::default()) }
    }
}
