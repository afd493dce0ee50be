//! From trained parts to one ranker: the mean of those members that validation doesn't find clearly worse than the best.

use candle_core::Device;

use super::{Judged, best_feature, measured, of_queries};
use crate::error::{Error, Result};
use crate::metrics::{mean, ranked_queries};
use crate::model::choice::Choice;
use crate::model::ranking::BestFeature;
use crate::model::{Model, RankingModel};
use crate::train::blend;
use crate::train::course::folds::{learned, rounds};
use crate::train::course::{FinishRequest, Finished, Round, Trained, Turns, chosen};

/// How many standard errors of the paired difference a part is behind before it is clearly worse. One would leave out
/// parts that help: both the best and its lead are chosen by the same few queries (ADR 12).
const CLEARLY: f64 = 3.0;

/// Validation queries are few, tens or hundreds where classification has thousands of rows: weights fitted to them would
/// follow their noise. So members count alike, and only those are left out that are clearly worse than the best. The best
/// alone is taken where the mean is clearly worse than it.
///
/// Before they are added up, a part's scores are divided by how far they spread within the queries that validate it: one
/// number a part, so that a part that hardly tells a query's rows apart has little to say of them. The parts of several
/// folds are one member: each is judged by its own queries, and all answer together.
pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let rounds = rounds(parts, request)?;
    // One a round, and one of all rows where these are several.
    let count = if rounds.len() > 1 { rounds.len() + 1 } else { 1 };
    let mut features = Turns::new(request.allowance, "best feature", count);
    let mut said = Said::new(&rounds, &mut features)?;
    let alone: Vec<Vec<f64>> =
        said.members.iter().map(|scores| said.by_query(scores)).collect::<Result<_>>()?;
    let values: Vec<f64> = alone.iter().map(|values| average(values)).collect();
    let weights = weigh(&alone, |weights| said.by_query(&blend::together(&said.members, weights)))?;

    let count = rounds.len() as f64;
    let mut named = Vec::new();
    for (round, spreads) in rounds.iter().zip(&said.spreads) {
        for ((part, spread), weight) in round.parts.iter().zip(spreads).zip(&weights) {
            named.push((part.name.clone(), weight / spread / count, model_of(part)?.clone()));
        }
    }
    let mut model = RankingModel::blend(request.kind, named, &Device::Cpu)?;
    let learned = learned(&rounds, request)?;
    model.spec.best_feature = match said.only_best.take() {
        Some(only) => Some(only),
        None => {
            let judged = Judged::new(&model.spec.features[0], &learned, request.data)?;
            features.next(|goes_on| best_feature(&judged, goes_on))?
        }
    };
    let members = chosen(&rounds[0].parts, &weights, &values);
    let baseline =
        |scores: &Vec<f64>| Ok(("best_feature".to_owned(), average(&said.by_query(scores)?)));
    let baselines = said.baseline.iter().map(baseline).collect::<Result<_>>()?;
    let together = blend::together(&said.members, &weights);
    let value = average(&said.by_query(&together)?);
    let choice = Choice { metric: "ndcg".into(), value, members, baselines };
    let warning = choice.lost_to().map(|(name, value)| {
        format!(
            "the model loses to its own baseline on the validation queries: ndcg {:.4}, {name} {value:.4}",
            choice.value
        )
    });
    let valid = measured(&said.relevance, &together, &said.queries).metrics;
    let late =
        "the best single feature was looked for among some alone: the budget left no time for more";
    let notices = features.were_cut().then(|| late.to_owned()).into_iter().collect();
    let model = Model::Ranking(model);
    Ok(Finished { model, valid, choice: Some(choice), warning, notices })
}

fn model_of(part: &Trained) -> Result<&RankingModel> {
    match &part.model {
        Model::Ranking(model) => Ok(model),
        _ => Err(Error::bug("a part of another task")),
    }
}

/// What was said of validation rows by those who had not learned from them, round after round.
struct Said {
    /// Of each row, numbered over all rounds.
    queries: Vec<u32>,
    relevance: Vec<f64>,
    /// The scores of each member, in units of their spread.
    members: Vec<Vec<f64>>,
    /// Of each round, that of each of its parts.
    spreads: Vec<Vec<f64>>,
    /// The best single feature's, where there is one in every round.
    baseline: Option<Vec<f64>>,
    /// That feature, where a round is the only one, which learned from all rows that the model learned from.
    only_best: Option<BestFeature>,
}

impl Said {
    fn new(rounds: &[Round<'_>], features: &mut Turns<'_>) -> Result<Self> {
        let mut said = Self {
            queries: vec![],
            relevance: vec![],
            members: vec![vec![]; rounds[0].parts.len()],
            spreads: vec![],
            baseline: Some(vec![]),
            only_best: None,
        };
        for Round { data, parts } in rounds {
            let first = model_of(&parts[0])?;
            let before = said.queries.iter().max().map_or(0, |last| last + 1);
            let judged = |table| Judged::new(&first.spec.features[0], table, &first.spec.data);
            let Judged { queries, relevance, inputs } = judged(&data.valid)?;
            said.relevance.extend(relevance);
            let mut spreads = Vec::with_capacity(parts.len());
            for (part, answers) in parts.iter().zip(&mut said.members) {
                let scores = model_of(part)?.score(&data.valid)?;
                let spread = spread(&queries, &scores);
                answers.extend(scores.iter().map(|score| score / spread));
                spreads.push(spread);
            }
            said.spreads.push(spreads);
            let train = judged(&data.train)?;
            let best = features.next(|goes_on| best_feature(&train, goes_on))?;
            if rounds.len() == 1 {
                said.only_best.clone_from(&best);
            }
            said.baseline = said.baseline.zip(best).map(|(mut all, best)| {
                all.extend((0..inputs.rows).map(|row| best.score(&inputs, row)));
                all
            });
            said.queries.extend(queries.into_iter().map(|query| before + query));
        }
        Ok(said)
    }

    /// What scores are worth in each query that has something relevant.
    fn by_query(&self, scores: &[f64]) -> Result<Vec<f64>> {
        let ranked = ranked_queries(&self.relevance, scores, &self.queries)
            .ok_or_else(|| Error::bug("a part's scores are no numbers"))?;
        Ok(of_queries(&ranked))
    }
}

/// The standard deviation of scores from the mean of their query; one where they are all equal.
fn spread(queries: &[u32], scores: &[f64]) -> f64 {
    let count = queries.iter().max().map_or(0, |last| *last as usize + 1);
    let mut sums = vec![(0.0, 0.0); count];
    for (&query, score) in queries.iter().zip(scores) {
        let (sum, rows) = &mut sums[query as usize];
        *sum += score;
        *rows += 1.0;
    }
    let squares = queries.iter().zip(scores).map(|(&query, score)| {
        let (sum, rows) = sums[query as usize];
        (score - sum / rows).powi(2)
    });
    let variance = squares.sum::<f64>() / scores.len() as f64;
    if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { 1.0 }
}

/// The weight of each part, from what it reaches alone in each query and what blends do.
fn weigh(
    alone: &[Vec<f64>],
    mut blend: impl FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let best = (1..alone.len()).fold(0, |best, part| {
        if average(&alone[part]) > average(&alone[best]) { part } else { best }
    });
    let kept: Vec<bool> = alone.iter().map(|values| !falls_short(values, &alone[best])).collect();
    let share = 1.0 / kept.iter().filter(|kept| **kept).count() as f64;
    let even: Vec<f64> = kept.iter().map(|&kept| if kept { share } else { 0.0 }).collect();
    if !falls_short(&blend(&even)?, &alone[best]) {
        return Ok(even);
    }
    Ok((0..alone.len()).map(|part| if part == best { 1.0 } else { 0.0 }).collect())
}

/// Whether these are clearly less than those, query by query.
fn falls_short(values: &[f64], than: &[f64]) -> bool {
    let differences: Vec<f64> = than.iter().zip(values).map(|(than, value)| than - value).collect();
    let (count, mean) = (differences.len() as f64, average(&differences));
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    // Of one query nothing is known of how much queries differ: then the better one is better.
    let error = if count > 1.0 { (squares / (count - 1.0) / count).sqrt() } else { 0.0 };
    mean > CLEARLY * error
}

fn average(values: &[f64]) -> f64 {
    mean(values.iter().copied()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_about_as_good_as_the_best_count_alike() {
        let alone = [vec![0.7, 0.5, 0.6, 0.8], vec![0.6, 0.7, 0.5, 0.7], vec![0.1, 0.2, 0.1, 0.2]];
        let weights = weigh(&alone, |weights| {
            assert_eq!(weights, [0.5, 0.5, 0.0]);
            Ok(vec![0.8; 4])
        });
        assert_eq!(weights.unwrap(), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn a_mean_that_is_worse_than_the_best_is_not_taken() {
        let alone = [vec![0.6, 0.7, 0.5, 0.7], vec![0.7, 0.5, 0.6, 0.8]];
        assert_eq!(weigh(&alone, |_| Ok(vec![0.1; 4])).unwrap(), [0.0, 1.0]);
        assert_eq!(weigh(&alone[..1], |_| Ok(alone[0].clone())).unwrap(), [1.0]);
    }

    #[test]
    fn the_spread_is_within_queries_and_never_nothing() {
        let spread = |scores: &[f64]| spread(&[0, 1, 0, 1], scores);
        assert_eq!(spread(&[1.0, 10.0, 3.0, 12.0]), 1.0);
        assert_eq!(spread(&[5.0, 7.0, 5.0, 7.0]), 1.0);
        assert_eq!(spread(&[0.0, 0.0, 8.0, 8.0]), 4.0);
    }
}
