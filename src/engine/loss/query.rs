//! One query's relevances, with what losses of ranks need of them; and how such a loss goes query by query.

use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes, split};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// Rows that are worked out side by side. A query's arrays are padded to a multiple of it.
pub(super) const WIDE: usize = 16;

/// One query's relevances, with what the losses need of them.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The query's rows by rising gain, and these gains, padded with more than any.
    pub(super) rows: Vec<u32>,
    pub(super) gains: Vec<f32>,
    /// How many rows have less gain than this one, in the same order.
    pub(super) lower: Vec<u32>,
    /// Of each rank.
    pub(super) discounts: Vec<f32>,
    /// One over the DCG of the best order; zero where no row is relevant.
    pub(super) scale: f32,
}

impl Query {
    /// NDCG is weighed down to the rank `depth`. A gain is 2^relevance − 1.
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

    /// The rows, as numbered by rising gain, from the best score to the worst. Of equal scores the
    /// less relevant comes first, as in the metric.
    pub(super) fn order(&self, scores: &[f32]) -> impl Iterator<Item = usize> + use<> {
        let key = |(at, score): (usize, &f32)| {
            // Floats in their total order, the largest first, with the place for ties.
            let bits = score.to_bits();
            let rising = if bits >> 31 == 0 { bits | (1 << 31) } else { !bits };
            (u64::from(!rising) << 32) | at as u64
        };
        let mut order: Vec<u64> = scores[..self.len()].iter().enumerate().map(key).collect();
        order.sort_unstable();
        order.into_iter().map(|key| (key & u64::from(u32::MAX)) as usize)
    }

    /// One member's scores by rising gain, padded with zeros; they stand `members` apart.
    #[inline(always)]
    pub(super) fn own(&self, scores: &[f32], member: usize) -> Vec<f32> {
        let members = scores.len() / self.len();
        let mut own = vec![0.0; self.gains.len()];
        for (own, &row) in own.iter_mut().zip(&self.rows) {
            *own = scores[row as usize * members + member];
        }
        own
    }
}

/// What one query costs.
pub(crate) trait ByQuery: Send + Sync {
    /// Of the loss, as an operation.
    const NAME: &'static str;

    /// The loss of one member in one query. Its slopes stand `members` apart, and are multiplied with
    /// `share`. To be inlined whole.
    fn query(
        &self,
        query: &Query,
        scores: &[f32],
        slopes: &mut [f32],
        member: usize,
        share: f32,
    ) -> f64;

    /// The same of one query by candle's own operations: scores are `[rows, 1]`, by rising gain.
    fn plain_query(&self, query: &Query, scores: &Tensor) -> Result<Tensor>;
}

/// The mean of a loss over queries and members. Scores are `[rows, members]`, the queries' rows one after
/// the other.
#[derive(Clone, Debug)]
pub(crate) struct OverQueries<L> {
    pub queries: Vec<Arc<Query>>,
    pub loss: L,
}

impl<L: ByQuery + 'static> OverQueries<L> {
    pub(crate) fn of(self, scores: &Tensor) -> Result<Tensor> {
        if !scores.device().is_cpu() {
            return self.plain(scores);
        }
        Ok(LossOp::apply(self, scores)?)
    }
}

impl<L: ByQuery> OverQueries<L> {
    pub(in crate::engine) fn plain(&self, scores: &Tensor) -> Result<Tensor> {
        let members = scores.dim(1)?;
        let mut parts = vec![];
        let mut start = 0;
        for query in &self.queries {
            let rows = query.len();
            let order = Tensor::from_slice(&query.rows, rows, scores.device())?;
            let own = scores.narrow(0, start, rows)?.index_select(&order, 0)?;
            for member in 0..members {
                parts.push(self.loss.plain_query(query, &own.narrow(1, member, 1)?)?);
            }
            start += rows;
        }
        Ok(Tensor::stack(&parts, 0)?.mean_all()?)
    }
}

impl<L: ByQuery> Slopes for OverQueries<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    /// All queries on all cores, their losses added up in order.
    fn loss(&self, scores: &[f32], slopes: &mut [f32]) -> f64 {
        let Self { queries, loss } = self;
        let rows: usize = queries.iter().map(|query| query.len()).sum();
        let members = scores.len() / rows.max(1);
        let share = 1.0 / (queries.len() * members) as f32;
        let lengths = queries.iter().map(|query| query.len() * members);
        let queries: Vec<_> = split(scores, slopes, lengths).zip(queries).collect();
        let losses: Vec<f64> = queries
            .into_par_iter()
            .map(|((scores, slopes), query)| {
                vectorised(
                    #[inline(always)]
                    || {
                        (0..members)
                            .map(|member| loss.query(query, scores, slopes, member, share))
                            .sum()
                    },
                )
            })
            .collect();
        losses.into_iter().sum::<f64>() * f64::from(share)
    }
}

/// Σ weight · ln(1 + exp(worse − better)) over pairs of rows by candle's own operations. Weights are
/// `[better, worse]`, row by row.
pub(super) fn plain_pairs(scores: &Tensor, weights: Vec<f32>) -> Result<Tensor> {
    let rows = scores.dim(0)?;
    let weights = Tensor::from_vec(weights, (rows, rows), scores.device())?;
    let behind = scores.t()?.broadcast_sub(scores)?;
    let softplus = (behind.relu()? + (behind.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    Ok((softplus * weights)?.sum_all()?)
}

/// What the loss of a query whose pairs' weights add up to this is multiplied with, so that queries of
/// any length and in any order count the same.
#[inline(always)]
pub(super) fn evened(weights: f32) -> f32 {
    1.0 / weights.max(0.1)
}
