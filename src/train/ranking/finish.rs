//! From trained parts to one ranker: the mean of those that validation doesn't find clearly worse than the best.

use candle_core::Device;

use super::{measured, of_queries};
use crate::error::{Error, Result};
use crate::metrics::{mean, ranked_queries};
use crate::model::choice::Choice;
use crate::model::{Model, RankingModel};
use crate::train::course::{FinishRequest, Finished, Trained, chosen};

/// How many standard errors of the paired difference a part is behind before it is clearly worse. One would leave out
/// parts that help: both the best and its lead are chosen by the same few queries (ADR 12).
const CLEARLY: f64 = 3.0;

/// Validation queries are few, tens where classification has hundreds of rows: weights fitted to them would follow
/// their noise. So parts count alike, and only those are left out that are clearly worse than the best. The best alone
/// is taken where the mean is clearly worse than it.
///
/// Before they are added up, a part's scores are divided by how far they spread within the validation queries: one
/// number a part, so that a row's score stays a function of the row, and a part that hardly tells a query's rows
/// apart has little to say of them.
pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let models: Vec<&RankingModel> = parts
        .iter()
        .map(|part| match &part.model {
            Model::Ranking(model) => Ok(model),
            _ => Err(Error::bug("a part of another task")),
        })
        .collect::<Result<_>>()?;
    let table = &request.dataset.valid;
    let valid =
        Valid { queries: models[0].queries(table)?, relevance: models[0].relevance(table)? };
    let scores: Vec<Vec<f64>> =
        models.iter().map(|model| model.score(table)).collect::<Result<_>>()?;
    let spreads: Vec<f64> = scores.iter().map(|scores| valid.spread(scores)).collect();

    let alone: Vec<Vec<f64>> =
        scores.iter().map(|scores| valid.by_query(scores)).collect::<Result<_>>()?;
    let values: Vec<f64> = alone.iter().map(|values| average(values)).collect();
    let weights = weigh(&alone, |weights| {
        let mut sums = vec![0.0; table.rows];
        for ((scores, spread), weight) in scores.iter().zip(&spreads).zip(weights) {
            sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight / spread * score);
        }
        valid.by_query(&sums)
    })?;

    let named = parts.iter().zip(&models).zip(weights.iter().zip(&spreads));
    let named = named.map(|((part, &model), (weight, spread))| {
        (part.name.clone(), weight / spread, model.clone())
    });
    let model = RankingModel::blend(request.kind, named.collect(), &Device::Cpu)?;
    let answer = model.score(table)?;
    let members = chosen(&parts, &weights, &values);
    let baselines = model.baselines(table)?.into_iter();
    let baselines = baselines
        .map(|(name, scores)| Ok((name, average(&valid.by_query(&scores)?))))
        .collect::<Result<_>>()?;
    let value = average(&valid.by_query(&answer)?);
    let choice = Choice { metric: "ndcg".into(), value, members, baselines };
    let notices = choice.lost_to().map(|(name, value)| {
        format!(
            "the model loses to its own baseline on the validation queries: ndcg {:.4}, {name} {value:.4}",
            choice.value
        )
    });
    let notices = notices.into_iter().collect();
    let valid = measured(&valid.relevance, &answer, &valid.queries).metrics;
    Ok(Finished { model: Model::Ranking(model), valid, choice: Some(choice), notices })
}

/// The validation rows' queries and grades.
struct Valid {
    queries: Vec<u32>,
    relevance: Vec<f64>,
}

impl Valid {
    /// What scores are worth in each query that has something relevant.
    fn by_query(&self, scores: &[f64]) -> Result<Vec<f64>> {
        let ranked = ranked_queries(&self.relevance, scores, &self.queries)
            .ok_or_else(|| Error::bug("a part's scores are no numbers"))?;
        Ok(of_queries(&ranked))
    }

    /// The standard deviation of scores from the mean of their query; one where they are all equal.
    fn spread(&self, scores: &[f64]) -> f64 {
        let count = self.queries.iter().max().map_or(0, |last| *last as usize + 1);
        let mut sums = vec![(0.0, 0.0); count];
        for (&query, score) in self.queries.iter().zip(scores) {
            let (sum, rows) = &mut sums[query as usize];
            *sum += score;
            *rows += 1.0;
        }
        let squares = self.queries.iter().zip(scores).map(|(&query, score)| {
            let (sum, rows) = sums[query as usize];
            (score - sum / rows).powi(2)
        });
        let variance = squares.sum::<f64>() / scores.len() as f64;
        if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { 1.0 }
    }
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
        let valid = Valid { queries: vec![0, 1, 0, 1], relevance: vec![0.0; 4] };
        assert_eq!(valid.spread(&[1.0, 10.0, 3.0, 12.0]), 1.0);
        assert_eq!(valid.spread(&[5.0, 7.0, 5.0, 7.0]), 1.0);
        assert_eq!(valid.spread(&[0.0, 0.0, 8.0, 8.0]), 4.0);
    }
}
