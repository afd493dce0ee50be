//! Ranking: rows of the same query, to be put in order by their relevance.

mod attention;
mod finish;
mod linear;
mod loss;
mod mlp;
mod net;
mod trees;

use rayon::prelude::*;

use crate::data::{DataSettings, Table, Task};
use crate::error::{Error, Result};
use crate::metrics::{mean, ndcg, ranked_queries};
use crate::model::features::{Features, Inputs, NumberStyle};
use crate::model::labels::{query_groups, relevance_of, rows_by_query};
use crate::model::ranking::{BestFeature, Spec};
use crate::train::course::{Deal, ESTIMATORS, FOLDS, SEEDS, Situation};
use crate::train::estimator::{Candidate, Offer, Request};
use crate::train::learner::Validation;

pub(super) const OFFER: Offer = Offer {
    estimators: &[mlp::ESTIMATOR, attention::ESTIMATOR, trees::ESTIMATOR, linear::ESTIMATOR],
    shared: &[ESTIMATORS, SEEDS, FOLDS],
    check: |_| Ok(()),
    // Nets and trees err in different queries. A linear scorer errs where the nets do, only more often (ADR 12).
    auto: |_| vec![Candidate { kind: "trees", share: 0.3 }, Candidate { kind: "mlp", share: 0.7 }],
    folds: |situation| if is_small(situation) { 5 } else { 1 },
    finish: finish::finish,
    stand_in: None,
};

/// Whether there are so few queries that one validation set is too small to stop and to choose by, and so few rows that
/// all may well be learned from several times.
fn is_small(situation: &Situation<'_>) -> bool {
    const FEW: usize = 50_000;
    let Situation { dataset, data } = *situation;
    let rows = dataset.train.rows + dataset.valid.rows;
    rows <= FEW && dataset.valid.rows > 0 && Deal::Queries.possible(dataset, data, 5)
}

/// What every ranker has before it learns: features, the baseline, and the rows as it reads them.
struct Prepared {
    /// Without members.
    spec: Spec,
    train: Judged,
    valid: Judged,
}

/// Rows with their queries and grades.
struct Judged {
    inputs: Inputs,
    /// Each row's query, numbered in order of first appearance.
    queries: Vec<u32>,
    relevance: Vec<f64>,
}

impl Prepared {
    fn new(request: &Request<'_>, style: NumberStyle) -> Result<Self> {
        let Request { dataset, data: settings, .. } = *request;
        let names = dataset.features(settings, Task::Ranking);
        let features = Features::fit(&dataset.train, &names, style, None)?;
        let train = Judged::new(&features, &dataset.train, settings)?;
        let valid = Judged::new(&features, &dataset.valid, settings)?;
        if valid.relevance.iter().all(|grade| *grade == 0.0) {
            return Err(Error::user("no query with a relevant row is held out for validation")
                .hint("raise `valid` of `data.split`, or give more data"));
        }
        if train.to_order().is_empty() {
            let label = settings.label();
            return Err(Error::user(format!("`{label}` is the same for all rows of every query"))
                .hint("a query needs rows of different relevance to learn an order from"));
        }
        let spec = Spec {
            kind: request.model.kind.clone(),
            data: settings.clone(),
            kinds: dataset.kinds(),
            features: vec![features],
            members: vec![],
            // What it is compared with is found once, when all parts are there.
            best_feature: None,
        };
        Ok(Self { spec, train, valid })
    }
}

impl Judged {
    fn new(features: &Features, table: &Table, settings: &DataSettings) -> Result<Self> {
        Ok(Self {
            queries: query_groups(table, settings)?,
            relevance: relevance_of(table, settings)?,
            inputs: Inputs::read(features, table, 0..table.rows)?,
        })
    }

    fn count(&self) -> usize {
        self.queries.iter().max().map_or(0, |last| *last as usize + 1)
    }

    /// The rows of each query.
    fn by_query(&self) -> Vec<Vec<usize>> {
        rows_by_query(&self.queries)
    }

    /// The rows of each query in which relevances differ, so that there is something to put in order.
    fn to_order(&self) -> Vec<Vec<usize>> {
        let mut queries = self.by_query();
        queries
            .retain(|rows| rows.iter().any(|&row| self.relevance[row] != self.relevance[rows[0]]));
        queries
    }

    fn relevance_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.relevance[row]).collect()
    }
}

/// What these scores of the validation rows are worth.
fn validation(valid: &Judged, scores: &[f64]) -> Validation {
    measured(&valid.relevance, scores, &valid.queries)
}

fn measured(relevance: &[f64], scores: &[f64], queries: &[u32]) -> Validation {
    let ranked = ranked_queries(relevance, scores, queries).unwrap_or_default();
    let metrics = [5, 10]
        .into_iter()
        .filter_map(|k| Some((format!("ndcg@{k}"), ndcg(&ranked, k)?)))
        .collect();
    let monitor = mean(of_queries(&ranked)).map_or(f64::INFINITY, |value| -value);
    Validation { monitor, metrics }
}

/// What each query that has something relevant is worth: NDCG@5 of a few queries jumps when two rows swap, the mean
/// over depths jumps less.
fn of_queries(ranked: &[Vec<f64>]) -> Vec<f64> {
    let of = |query: &Vec<f64>| {
        let one = std::slice::from_ref(query);
        mean([3, 5, 10, 20].into_iter().filter_map(|k| ndcg(one, k)))
    };
    ranked.iter().filter_map(of).collect()
}

/// Features that are tried between two looks at whether there is time for more.
const TRIED_AT_ONCE: usize = 16;

/// The number, as it is or negated, with the best NDCG@10 on the training queries; of the first numbers alone where `goes_on` doesn't want
/// the others, which are looked at in pieces that it is told the number of.
fn best_feature(
    train: &Judged,
    mut goes_on: impl FnMut(usize) -> Result<bool>,
) -> Result<Option<BestFeature>> {
    let queries = train.by_query();
    let numbers: Vec<usize> = (0..train.inputs.widths().0).collect();
    let mut best: Option<(f64, BestFeature)> = None;
    for (piece, numbers) in numbers.chunks(TRIED_AT_ONCE).enumerate() {
        if !goes_on(piece)? {
            break;
        }
        let both = |&number: &usize| {
            [true, false].map(|rising| {
                let feature = BestFeature { number, rising };
                (worth(train, &queries, &feature), feature)
            })
        };
        let tried: Vec<[(f64, BestFeature); 2]> = numbers.par_iter().map(both).collect();
        for (value, feature) in tried.into_iter().flatten() {
            if best.as_ref().is_none_or(|(most, _)| value > *most) {
                best = Some((value, feature));
            }
        }
    }
    Ok(best.map(|(_, feature)| feature))
}

/// The NDCG@10 of rows in the order of a feature; ties go against it.
fn worth(train: &Judged, queries: &[Vec<usize>], feature: &BestFeature) -> f64 {
    let Judged { inputs, relevance, .. } = train;
    let scores: Vec<f64> = (0..inputs.rows).map(|row| feature.score(inputs, row)).collect();
    if scores.iter().any(|score| score.is_nan()) {
        return 0.0;
    }
    let ranked: Vec<Vec<f64>> = queries
        .iter()
        .map(|rows| {
            let mut rows = rows.clone();
            rows.sort_by(|&a, &b| {
                let by_score = scores[b].partial_cmp(&scores[a]).expect("no NaN");
                by_score.then_with(|| relevance[a].total_cmp(&relevance[b]))
            });
            rows.into_iter().map(|row| relevance[row]).collect()
        })
        .collect();
    ndcg(&ranked, 10).unwrap_or(0.0)
}
