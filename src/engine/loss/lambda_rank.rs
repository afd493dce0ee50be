//! The LambdaRank loss (Burges, From RankNet to LambdaRank to LambdaMART, 2010).

use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes, split};
use crate::engine::simd::{exp, ln_1p, vectorised};
use crate::error::Result;

/// Pairs that are worked out side by side. A query's arrays are padded to a multiple of it.
const WIDE: usize = 16;

/// A query's loss is Σ weight · ln(1 + exp(worse − better)) over its pairs of unequal relevance, where
/// a pair weighs what swapping it would change of NDCG; slopes take the weights for constants. This is
/// the mean over queries and members. Scores are `[rows, members]`, the queries' rows one after the other.
#[derive(Clone, Debug)]
pub(crate) struct LambdaRank {
    pub queries: Vec<Arc<Query>>,
    /// Whether a query's weights are made to add up to one, so that queries of any length and in any
    /// order count the same.
    pub even: bool,
}

/// One query's relevances, with what the loss needs of them.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The query's rows by rising gain, and these gains, padded with more than any.
    rows: Vec<u32>,
    gains: Vec<f32>,
    /// How many rows have less gain than this one, in the same order.
    lower: Vec<u32>,
    discounts: Vec<f32>,
    /// One over the DCG of the best order; zero where no row is relevant.
    scale: f32,
}

impl Query {
    /// NDCG is weighed down to the rank `depth`.
    pub(crate) fn new(relevance: &[f64], depth: usize) -> Self {
        let gain = |row: &u32| relevance[*row as usize].exp2() - 1.0;
        let mut rows: Vec<u32> = (0..relevance.len() as u32).collect();
        rows.sort_by(|a, b| gain(a).total_cmp(&gain(b)));
        let discount =
            |rank: usize| if rank < depth { 1.0 / (rank as f64 + 2.0).log2() } else { 0.0 };
        let ideal: f64 =
            rows.iter().rev().enumerate().map(|(rank, row)| gain(row) * discount(rank)).sum();
        let mut gains: Vec<f32> = rows.iter().map(|row| gain(row) as f32).collect();
        let lower = |gain: &f32| gains.partition_point(|other| other < gain) as u32;
        let lower = gains.iter().map(lower).collect();
        gains.resize(rows.len().next_multiple_of(WIDE), f32::MAX);
        Self {
            lower,
            gains,
            discounts: (0..rows.len()).map(|rank| discount(rank) as f32).collect(),
            rows,
            scale: if ideal > 0.0 { (1.0 / ideal) as f32 } else { 0.0 },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The discount of each row, in the order of gains, where these scores put it. Of equal scores
    /// the less relevant comes first, as in the metric.
    fn discounts(&self, scores: &[f32]) -> Vec<f32> {
        let key = |(at, score): (usize, &f32)| {
            // Floats in their total order, the largest first, with the place for ties.
            let bits = score.to_bits();
            let rising = if bits >> 31 == 0 { bits | (1 << 31) } else { !bits };
            (u64::from(!rising) << 32) | at as u64
        };
        let mut order: Vec<u64> = scores[..self.len()].iter().enumerate().map(key).collect();
        order.sort_unstable();
        let mut discounts = vec![0.0; self.gains.len()];
        for (key, discount) in order.into_iter().zip(&self.discounts) {
            discounts[(key & u64::from(u32::MAX)) as usize] = *discount;
        }
        discounts
    }
}

impl LambdaRank {
    pub(crate) fn of(self, scores: &Tensor) -> Result<Tensor> {
        if !scores.device().is_cpu() {
            return self.plain(scores);
        }
        Ok(LossOp::apply(self, scores)?)
    }

    pub(in crate::engine) fn plain(&self, scores: &Tensor) -> Result<Tensor> {
        let members = scores.dim(1)?;
        let mut parts = vec![];
        let mut start = 0;
        for query in &self.queries {
            let rows = query.len();
            let order = Tensor::from_slice(&query.rows, rows, scores.device())?;
            let own = scores.narrow(0, start, rows)?.index_select(&order, 0)?;
            for member in 0..members {
                let own = own.narrow(1, member, 1)?;
                let weights = self.weights(query, &own.detach().flatten_all()?.to_vec1()?);
                let weights = Tensor::from_vec(weights, (rows, rows), scores.device())?;
                let behind = own.t()?.broadcast_sub(&own)?;
                let softplus = (behind.relu()? + (behind.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
                parts.push((softplus * weights)?.sum_all()?);
            }
            start += rows;
        }
        Ok(Tensor::stack(&parts, 0)?.mean_all()?)
    }

    /// What each pair weighs, its better row first.
    fn weights(&self, query: &Query, scores: &[f32]) -> Vec<f32> {
        let discounts = query.discounts(scores);
        let rows = 0..query.len();
        let pairs = rows.clone().flat_map(|better| rows.clone().map(move |worse| (better, worse)));
        let weight = |(better, worse): (usize, usize)| {
            let gain = (query.gains[better] - query.gains[worse]).max(0.0);
            gain * (discounts[better] - discounts[worse]).abs() * query.scale
        };
        let mut weights: Vec<f32> = pairs.map(weight).collect();
        let scale = self.scale(weights.iter().sum());
        for weight in &mut weights {
            *weight *= scale;
        }
        weights
    }

    /// What the loss of a query whose weights add up to this is multiplied with.
    fn scale(&self, weights: f32) -> f32 {
        if self.even { 1.0 / weights.max(0.1) } else { 1.0 }
    }
}

impl Slopes for LambdaRank {
    fn name(&self) -> &'static str {
        "lambda-rank"
    }

    fn loss(&self, scores: &[f32], slopes: &mut [f32]) -> f64 {
        let rows: usize = self.queries.iter().map(|query| query.len()).sum();
        let members = scores.len() / rows.max(1);
        let share = 1.0 / (self.queries.len() * members) as f32;
        let lengths = self.queries.iter().map(|query| query.len() * members);
        let queries: Vec<_> = split(scores, slopes, lengths).zip(&self.queries).collect();
        let losses: Vec<f64> = queries
            .into_par_iter()
            .map(|((scores, slopes), query)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let members = 0..members;
                        members.map(|member| self.query(query, scores, slopes, member, share)).sum()
                    },
                )
            })
            .collect();
        losses.into_iter().sum::<f64>() * f64::from(share)
    }
}

impl LambdaRank {
    /// One member's loss of a query; its scores stand `members` apart.
    #[inline(always)]
    fn query(
        &self,
        query: &Query,
        scores: &[f32],
        slopes: &mut [f32],
        member: usize,
        share: f32,
    ) -> f64 {
        let members = scores.len() / query.len();
        let mut own = vec![0.0; query.gains.len()];
        for (own, &row) in own.iter_mut().zip(&query.rows) {
            *own = scores[row as usize * members + member];
        }
        let discounts = query.discounts(&own);
        let mut pulls = vec![0.0; query.gains.len()];
        let (mut loss, mut weights) = (0.0, 0.0);
        for (better, &lower) in query.lower.iter().enumerate() {
            let (gain, score, discount) = (query.gains[better], own[better], discounts[better]);
            let mut sums = [[0.0_f32; WIDE]; 3];
            let end = (lower as usize).next_multiple_of(WIDE);
            let worse = pulls[..end].chunks_exact_mut(WIDE).zip(own[..end].chunks_exact(WIDE));
            let worse = worse.zip(query.gains[..end].chunks_exact(WIDE));
            for (((pulls, scores), gains), discounts) in
                worse.zip(discounts[..end].chunks_exact(WIDE))
            {
                for at in 0..WIDE {
                    // Rows past the last that is worse weigh nothing.
                    let gain = (gain - gains[at]).max(0.0) * query.scale;
                    let weight = gain * (discount - discounts[at]).abs();
                    let lead = score - scores[at];
                    let small = exp(-lead.abs());
                    let part = weight / (1.0 + small);
                    let pull = if lead > 0.0 { part * small } else { part };
                    pulls[at] += pull;
                    sums[0][at] += pull;
                    sums[1][at] += weight;
                    sums[2][at] += weight * ((-lead).max(0.0) + ln_1p(small));
                }
            }
            let [pull, weight, cost] = sums.map(|sums| sums.iter().sum::<f32>());
            pulls[better] -= pull;
            weights += weight;
            loss += f64::from(cost);
        }
        let scale = self.scale(weights);
        for (pull, &row) in pulls.iter().zip(&query.rows) {
            slopes[row as usize * members + member] = pull * scale * share;
        }
        loss * f64::from(scale)
    }
}
