//! The LambdaRank loss (Burges, From RankNet to LambdaRank to LambdaMART, 2010).

use candle_core::Tensor;

use super::query::{ByQuery, Query, WIDE, evened, plain_pairs};
use crate::engine::simd::{exp, ln_1p};
use crate::error::Result;

/// A query's loss is Σ weight · ln(1 + exp(worse − better)) over its pairs of unequal relevance, where
/// a pair weighs what swapping it would change of NDCG; slopes take the weights for constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LambdaRank {
    /// Whether a query's weights are made to add up to one, so that queries of any length and in any
    /// order count the same.
    pub even: bool,
}

impl LambdaRank {
    /// What the loss of a query whose weights add up to this is multiplied with.
    #[inline(always)]
    fn scale(&self, weights: f32) -> f32 {
        if self.even { evened(weights) } else { 1.0 }
    }
}

/// The discount of each row, by rising gain, where these scores put it.
fn discounts(query: &Query, scores: &[f32]) -> Vec<f32> {
    let mut discounts = vec![0.0; query.gains.len()];
    for (at, discount) in query.order(scores).zip(&query.discounts) {
        discounts[at] = *discount;
    }
    discounts
}

impl ByQuery for LambdaRank {
    const NAME: &'static str = "lambda-rank";

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
        let own = query.own(scores, member);
        let discounts = discounts(query, &own);
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

    fn plain_query(&self, query: &Query, scores: &Tensor) -> Result<Tensor> {
        let discounts = discounts(query, &scores.detach().flatten_all()?.to_vec1::<f32>()?);
        let rows = 0..query.len();
        let pairs = rows.clone().flat_map(|better| rows.clone().map(move |worse| (better, worse)));
        let weight = |(better, worse): (usize, usize)| {
            let gain = (query.gains[better] - query.gains[worse]).max(0.0);
            gain * (discounts[better] - discounts[worse]).abs() * query.scale
        };
        let weights: Vec<f32> = pairs.map(weight).collect();
        let scale = self.scale(weights.iter().sum());
        Ok((plain_pairs(scores, weights)? * f64::from(scale))?)
    }
}
