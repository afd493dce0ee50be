//! ApproxNDCG (Qin, Liu & Li, A General Approximation Framework for Direct Optimization of Information
//! Retrieval Measures, Information Retrieval 13, 2010, section 4).

use candle_core::Tensor;
use std::f32::consts::LN_2;

use super::query::{ByQuery, Query, WIDE};
use crate::engine::simd::exp;
use crate::error::Result;

/// How sharply a difference of scores becomes one of ranks: the paper's α.
const ALPHA: f32 = 10.0;

/// One less NDCG, where a row's rank is not counted but felt: 1 + Σ σ(α · (other − score)) over the
/// query's other rows. Made for the whole list: queries are to have no depth. A query without a
/// relevant row costs nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApproxNdcg;

impl ByQuery for ApproxNdcg {
    const NAME: &'static str = "approx-ndcg";

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
        let mut own = query.own(scores, member);
        for score in &mut own[..rows] {
            *score *= ALPHA;
        }
        // So far behind that nobody's rank feels it.
        own[rows..].fill(f32::MIN);

        // How much the loss rises with the rank of each row; its gain may be none.
        let mut costs = vec![0.0; own.len()];
        let mut reached = 0.0;
        for at in 0..rows {
            // Each row is half a rank behind itself.
            let rank = 0.5 + ahead_of(&own, own[at]);
            let logarithm = (1.0 + rank).ln();
            let gain = query.gains[at] * query.scale * LN_2;
            reached += f64::from(gain / logarithm);
            costs[at] = gain / ((1.0 + rank) * logarithm * logarithm);
        }
        for at in 0..rows {
            let pull = pull(&own, &costs, own[at], costs[at]);
            slopes[query.rows[at] as usize * members + member] = pull * ALPHA * share;
        }
        if query.scale > 0.0 { 1.0 - reached } else { 0.0 }
    }

    fn plain_query(&self, query: &Query, scores: &Tensor) -> Result<Tensor> {
        let scores = (scores * f64::from(ALPHA))?;
        let rows = query.len();
        let lead = scores.broadcast_sub(&scores.t()?)?;
        // σ(−lead), in a form that doesn't overflow.
        let ahead = ((lead * -0.5)?.tanh()? * 0.5)?.affine(1.0, 0.5)?;
        let ranks = ahead.sum(1)?.affine(1.0, 1.5)?;
        let gains: Vec<f32> = query.gains[..rows].iter().map(|gain| gain * query.scale).collect();
        let gains = Tensor::from_vec(gains, rows, scores.device())?;
        let reached = (gains.broadcast_div(&ranks.log()?)? * f64::from(LN_2))?.sum_all()?;
        let best = if query.scale > 0.0 { 1.0 } else { 0.0 };
        Ok(reached.affine(-1.0, best)?)
    }
}

/// Σ σ(other − score) over all rows, this one included.
#[inline(always)]
fn ahead_of(own: &[f32], score: f32) -> f32 {
    let mut sums = [0.0_f32; WIDE];
    for others in own.chunks_exact(WIDE) {
        for at in 0..WIDE {
            let lead = score - others[at];
            let small = exp(-lead.abs());
            sums[at] += if lead > 0.0 { small } else { 1.0 } / (1.0 + small);
        }
    }
    sums.iter().sum()
}

/// Σ σ'(other − score) · (other's cost − the row's own).
#[inline(always)]
fn pull(own: &[f32], costs: &[f32], score: f32, cost: f32) -> f32 {
    let mut sums = [0.0_f32; WIDE];
    for (others, costs) in own.chunks_exact(WIDE).zip(costs.chunks_exact(WIDE)) {
        for at in 0..WIDE {
            let small = exp(-(score - others[at]).abs());
            sums[at] += small / ((1.0 + small) * (1.0 + small)) * (costs[at] - cost);
        }
    }
    sums.iter().sum()
}
