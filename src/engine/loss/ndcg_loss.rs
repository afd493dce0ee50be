//! NDCG-Loss2++ (Wang et al., The LambdaLoss Framework for Ranking Metric Optimization, CIKM 2018, section 5.4).

use candle_core::Tensor;

use super::query::{ByQuery, Query, WIDE, evened, plain_pairs};
use crate::engine::simd::{exp, ln_1p};
use crate::error::Result;

/// How much the bound on NDCG weighs beside LambdaRank's weights: the paper's μ.
const MU: f32 = 10.0;

/// LambdaRank's loss with weights |gain − gain| · (ρ + μδ): ρ is the difference of the discounts at both
/// rows' ranks, and δ that of the discounts at their distance and at one more, which bounds NDCG from
/// below and doesn't vanish far down the list. Made for the whole list: queries are to have no depth.
///
/// A query's weights are made to add up to one. Slopes take them for constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NdcgLoss;

/// μδ of rows that are so many ranks apart.
fn bound(distance: usize) -> f32 {
    let discount = |rank: usize| 1.0 / (rank as f64 + 1.0).log2();
    MU * (discount(distance) - discount(distance + 1)) as f32
}

impl ByQuery for NdcgLoss {
    const NAME: &'static str = "ndcg-loss-2++";

    /// By rank, where all but the scores are a function of the place: so nothing has to be looked up.
    #[inline(always)]
    fn query(
        &self,
        query: &Query,
        scores: &[f32],
        slopes: &mut [f32],
        member: usize,
        share: f32,
    ) -> f64 {
        let (rows, members) = (query.len(), scores.len() / query.len());
        let padded = query.gains.len();
        let by_gain = query.own(scores, member);
        let order: Vec<usize> = query.order(&by_gain).collect();
        let (mut own, mut gains, mut discounts) =
            (vec![0.0; padded], vec![0.0; padded], vec![0.0; padded]);
        for (rank, &at) in order.iter().enumerate() {
            own[rank] = by_gain[at];
            gains[rank] = query.gains[at] * query.scale;
            discounts[rank] = query.discounts[rank];
        }
        // One for rows, none for the padding behind them.
        let mut present = vec![1.0; rows];
        present.resize(padded, 0.0);
        // μδ of a row `padded + distance` further on; nothing of those before.
        let bounds: Vec<f32> =
            (0..2 * padded).map(|at| if at > padded { bound(at - padded) } else { 0.0 }).collect();

        let mut pulls = vec![0.0; padded];
        let (mut loss, mut weights) = (0.0, 0.0);
        for upper in 0..rows {
            let (gain, score, discount) = (gains[upper], own[upper], discounts[upper]);
            let mut sums = [[0.0_f32; WIDE]; 3];
            let start = upper / WIDE * WIDE;
            let bounds = &bounds[padded - upper + start..2 * padded - upper];
            let below = pulls[start..].chunks_exact_mut(WIDE).zip(own[start..].chunks_exact(WIDE));
            let below = below.zip(gains[start..].chunks_exact(WIDE));
            let below = below.zip(discounts[start..].chunks_exact(WIDE));
            let below = below.zip(present[start..].chunks_exact(WIDE));
            for (((((pulls, scores), gains), discounts), present), bounds) in
                below.zip(bounds.chunks_exact(WIDE))
            {
                for at in 0..WIDE {
                    let gap = (gain - gains[at]) * present[at];
                    // Rows further up, and the row itself, weigh nothing.
                    let weight = gap.abs() * ((discount - discounts[at]).max(0.0) + bounds[at]);
                    let sign = if gap < 0.0 { -1.0 } else { 1.0 };
                    let lead = (score - scores[at]) * sign;
                    let small = exp(-lead.abs());
                    let part = weight / (1.0 + small);
                    let pull = if lead > 0.0 { part * small } else { part } * sign;
                    pulls[at] += pull;
                    sums[0][at] += pull;
                    sums[1][at] += weight;
                    sums[2][at] += weight * ((-lead).max(0.0) + ln_1p(small));
                }
            }
            let [pull, weight, cost] = sums.map(|sums| sums.iter().sum::<f32>());
            pulls[upper] -= pull;
            weights += weight;
            loss += f64::from(cost);
        }
        let scale = evened(weights);
        for (pull, at) in pulls.iter().zip(order) {
            slopes[query.rows[at] as usize * members + member] = pull * scale * share;
        }
        loss * f64::from(scale)
    }

    fn plain_query(&self, query: &Query, scores: &Tensor) -> Result<Tensor> {
        let rows = query.len();
        let mut ranks = vec![0; rows];
        for (rank, at) in query.order(&scores.detach().flatten_all()?.to_vec1::<f32>()?).enumerate()
        {
            ranks[at] = rank;
        }
        let mut weights = vec![0.0; rows * rows];
        for (at, weight) in weights.iter_mut().enumerate() {
            let (better, worse) = (at / rows, at % rows);
            let gain = query.gains[better] - query.gains[worse];
            if gain > 0.0 {
                let (one, other) = (ranks[better], ranks[worse]);
                let apart = (query.discounts[one] - query.discounts[other]).abs();
                *weight = gain * query.scale * (apart + bound(one.abs_diff(other)));
            }
        }
        let scale = evened(weights.iter().sum());
        Ok((plain_pairs(scores, weights)? * f64::from(scale))?)
    }
}
