//! The listwise softmax loss over queries of any length (Cao et al., Learning to Rank: From Pairwise
//! Approach to Listwise Approach, 2007, with the top-one probabilities).

use std::sync::Arc;

use candle_core::Tensor;
use candle_nn::ops::log_softmax;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes, split};
use crate::engine::simd::{exp, vectorised};
use crate::error::Result;

/// The mean over queries and members of −Σ target · ln softmax(scores). Scores are `[rows, members]`,
/// the queries' rows one after the other.
#[derive(Clone, Debug)]
pub(crate) struct ListNet {
    /// Of each query, what its rows' shares should be: they add up to one, or are all zero.
    pub targets: Vec<Arc<[f32]>>,
}

impl ListNet {
    /// The softmax of relevances, which is what a query's shares should be.
    pub(crate) fn target(relevance: &[f32]) -> Arc<[f32]> {
        let most = relevance.iter().fold(f32::NEG_INFINITY, |most, &grade| most.max(grade));
        let shares: Vec<f32> = relevance.iter().map(|grade| (grade - most).exp()).collect();
        let sum: f32 = shares.iter().sum();
        shares.into_iter().map(|share| share / sum).collect()
    }

    /// Each row's part of the query's gain, which is 2^relevance − 1: with these targets the loss bounds
    /// one less NDCG (Bruch, An Alternative Cross Entropy Loss for Learning-to-Rank, WWW 2021, with γ = 1).
    /// A query without a relevant row asks for nothing.
    pub(crate) fn gains(relevance: &[f64]) -> Arc<[f32]> {
        let gains = relevance.iter().map(|grade| grade.exp2() - 1.0);
        let sum: f64 = gains.clone().sum();
        let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        gains.map(|gain| (gain * scale) as f32).collect()
    }

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
        for target in &self.targets {
            let rows = target.len();
            let logs = log_softmax(&scores.narrow(0, start, rows)?, 0)?;
            let target = Tensor::from_slice(target, (rows, 1), scores.device())?;
            parts.push(logs.broadcast_mul(&target)?.sum_all()?);
            start += rows;
        }
        let queries = (self.targets.len() * members) as f64;
        Ok((Tensor::stack(&parts, 0)?.sum_all()? * (-1.0 / queries))?)
    }
}

impl Slopes for ListNet {
    fn name(&self) -> &'static str {
        "list-net"
    }

    fn loss(&self, scores: &[f32], slopes: &mut [f32]) -> f64 {
        let rows: usize = self.targets.iter().map(|target| target.len()).sum();
        let members = scores.len() / rows.max(1);
        let share = 1.0 / (self.targets.len() * members) as f32;
        let lengths = self.targets.iter().map(|target| target.len() * members);
        let queries: Vec<_> = split(scores, slopes, lengths).zip(&self.targets).collect();
        let losses: Vec<f64> = queries
            .into_par_iter()
            .map(|((scores, slopes), target)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let members = 0..members;
                        members.map(|member| query(target, scores, slopes, member, share)).sum()
                    },
                )
            })
            .collect();
        losses.into_iter().sum::<f64>() * f64::from(share)
    }
}

/// One member's loss of a query; its scores stand `members` apart.
#[inline(always)]
fn query(target: &[f32], scores: &[f32], slopes: &mut [f32], member: usize, share: f32) -> f64 {
    let members = scores.len() / target.len();
    let own = || scores.iter().skip(member).step_by(members);
    let most = own().fold(f32::NEG_INFINITY, |most, &score| most.max(score));
    let mut sum = 0.0;
    // What Σ target · score comes to, counted from the largest score.
    let mut pull = 0.0;
    for ((slope, score), target) in
        slopes.iter_mut().skip(member).step_by(members).zip(own()).zip(target)
    {
        *slope = exp(score - most);
        sum += *slope;
        pull += target * (score - most);
    }
    let mass: f32 = target.iter().sum();
    let scale = mass * share / sum;
    for (slope, target) in slopes.iter_mut().skip(member).step_by(members).zip(target) {
        *slope = *slope * scale - target * share;
    }
    f64::from(mass * sum.ln() - pull)
}
