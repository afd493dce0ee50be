//! LambdaRank: pairs of a query's rows that are the wrong way round, weighed by what swapping them would change of
//! NDCG (Burges, From RankNet to LambdaRank to LambdaMART, 2010, section 4).
//!
//! As in LightGBM only pairs are taken of which one is among the first [`DEPTH`], a pair weighs less the further its
//! scores are apart, and the slopes of a query are scaled to log₂(1+S)/S of their sum S, so that long queries don't
//! drown the short.

use rayon::prelude::*;

use super::{Link, Objective, Slope, check_targets};
use crate::error::{Error, Result};

/// NDCG is brought up to this rank.
const DEPTH: usize = 30;

/// The loss that is watched is one less the mean NDCG at this rank.
const WATCHED: usize = 5;

pub(crate) struct LambdaRank {
    queries: Vec<Query>,
    rows: usize,
}

struct Query {
    /// Of each row 2^relevance - 1.
    gains: Vec<f64>,
    /// One through the DCG of the best order at [`DEPTH`], or zero.
    scale: f64,
}

impl LambdaRank {
    /// Rows of a query lie side by side; `lengths` are the queries'.
    pub(crate) fn new(relevances: &[f64], lengths: &[usize]) -> Result<Self> {
        check_targets(relevances)?;
        if lengths.iter().sum::<usize>() != relevances.len() {
            return Err(Error::user(format!(
                "the queries have {} rows, of {} that are to be ranked",
                lengths.iter().sum::<usize>(),
                relevances.len()
            )));
        }
        // Gains are powers of two: beyond this they could not be added up.
        if let Some(grade) = relevances.iter().find(|grade| !(0.0..=64.0).contains(*grade)) {
            return Err(Error::user(format!("a relevance is {grade}, not 0 to 64")));
        }
        let mut rest = relevances;
        let queries = lengths
            .iter()
            .map(|&length| {
                let (query, after) = rest.split_at(length);
                rest = after;
                Query::new(query)
            })
            .collect();
        Ok(Self { queries, rows: relevances.len() })
    }
}

impl Objective for LambdaRank {
    fn rows(&self) -> usize {
        self.rows
    }

    fn link(&self) -> Link {
        Link::Identity
    }

    fn start(&self) -> Vec<f64> {
        vec![0.0]
    }

    fn slopes(&self, mut scores: &[f64], mut slopes: &mut [Slope]) {
        let mut parts = Vec::with_capacity(self.queries.len());
        for query in &self.queries {
            let (scores_here, scores_after) = scores.split_at(query.gains.len());
            let (slopes_here, slopes_after) = slopes.split_at_mut(query.gains.len());
            parts.push((query, scores_here, slopes_here));
            (scores, slopes) = (scores_after, slopes_after);
        }
        parts.into_par_iter().for_each(|(query, scores, slopes)| query.slopes(scores, slopes));
    }

    fn loss(&self, mut scores: &[f64]) -> f64 {
        let mut sum = 0.0;
        for query in &self.queries {
            let (here, after) = scores.split_at(query.gains.len());
            sum += query.ndcg(here);
            scores = after;
        }
        1.0 - sum / self.queries.len() as f64
    }
}

impl Query {
    fn new(relevances: &[f64]) -> Self {
        let gains: Vec<f64> = relevances.iter().map(|grade| grade.exp2() - 1.0).collect();
        let ideal = ideal(&gains, DEPTH);
        Self { gains, scale: if ideal > 0.0 { 1.0 / ideal } else { 0.0 } }
    }

    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        let count = scores.len();
        // Rows of equal scores keep their order.
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let all_equal = count == 0 || scores[order[0]] == scores[order[count - 1]];
        let discounts: Vec<f64> = (0..count).map(discount).collect();

        let mut sums = vec![[0.0; 2]; count];
        let mut total = 0.0;
        for (rank, &one) in order.iter().enumerate().take(DEPTH) {
            for (other_rank, &other) in order.iter().enumerate().skip(rank + 1) {
                let gap = self.gains[one] - self.gains[other];
                if gap == 0.0 {
                    continue;
                }
                let (better, worse) = if gap > 0.0 { (one, other) } else { (other, one) };
                let lead = scores[better] - scores[worse];
                let mut weight = gap.abs() * (discounts[rank] - discounts[other_rank]) * self.scale;
                if !all_equal {
                    weight /= 0.01 + lead.abs();
                }
                // The derivatives of weight · ln(1 + e^-lead), the weight taken for a constant.
                let doubt = 1.0 / (1.0 + lead.exp());
                let (slope, curvature) = (weight * doubt, weight * doubt * (1.0 - doubt));
                sums[better] = [sums[better][0] - slope, sums[better][1] + curvature];
                sums[worse] = [sums[worse][0] + slope, sums[worse][1] + curvature];
                total += 2.0 * slope;
            }
        }
        let scale = if total > 0.0 { (1.0 + total).log2() / total } else { 1.0 };
        for (slope, sum) in slopes.iter_mut().zip(sums) {
            *slope = sum.map(|sum| (sum * scale) as f32);
        }
    }

    /// NDCG at [`WATCHED`]; of equal scores the less relevant comes first, and a query without a relevant row has 1.
    fn ndcg(&self, scores: &[f64]) -> f64 {
        let best = ideal(&self.gains, WATCHED);
        if best == 0.0 {
            return 1.0;
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| {
            scores[b].total_cmp(&scores[a]).then(self.gains[a].total_cmp(&self.gains[b]))
        });
        let reached: f64 = order
            .iter()
            .take(WATCHED)
            .enumerate()
            .map(|(rank, &row)| self.gains[row] * discount(rank))
            .sum();
        reached / best
    }
}

/// The DCG of the best order.
fn ideal(gains: &[f64], depth: usize) -> f64 {
    let mut sorted = gains.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted.iter().take(depth).enumerate().map(|(rank, gain)| gain * discount(rank)).sum()
}

fn discount(rank: usize) -> f64 {
    1.0 / (rank as f64 + 2.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loss whose weights are held at what they are at `at`, without the last scaling.
    fn frozen(query: &Query, at: &[f64], scores: &[f64]) -> (f64, f64) {
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by(|&a, &b| at[b].total_cmp(&at[a]));
        let (mut loss, mut total) = (0.0, 0.0);
        for i in 0..order.len() {
            for j in i + 1..order.len() {
                let (mut a, mut b) = (order[i], order[j]);
                if query.gains[a] < query.gains[b] {
                    (a, b) = (b, a);
                }
                let weight = (query.gains[a] - query.gains[b]) * query.scale
                    / (0.01 + (at[a] - at[b]).abs())
                    * (discount(i) - discount(j));
                loss += weight * (-(scores[a] - scores[b])).exp().ln_1p();
                total += 2.0 * weight / (1.0 + (at[a] - at[b]).exp());
            }
        }
        (loss, total)
    }

    #[test]
    fn slopes_are_the_differences_of_the_loss_at_frozen_weights() {
        let query = Query::new(&[0.0, 2.0, 1.0, 0.0, 3.0]);
        let scores = [0.5, -0.25, 0.125, 1.0, -1.5];
        let mut slopes = [[0.0; 2]; 5];
        query.slopes(&scores, &mut slopes);
        let total = frozen(&query, &scores, &scores).1;
        let scale = (1.0 + total).log2() / total;
        for at in 0..5 {
            let loss = |by: f64| {
                let mut moved = scores;
                moved[at] += by;
                frozen(&query, &scores, &moved).0 * scale
            };
            let (step, slope) = (1e-4, slopes[at].map(f64::from));
            let first = (loss(step) - loss(-step)) / (2.0 * step);
            let second = (loss(step) - 2.0 * loss(0.0) + loss(-step)) / (step * step);
            assert!((first - slope[0]).abs() < 1e-5, "{at}: {first} {slope:?}");
            assert!((second - slope[1]).abs() < 1e-5, "{at}: {second} {slope:?}");
        }
    }

    #[test]
    fn the_right_order_costs_nothing_and_ties_are_the_wrong_order() {
        let rank = LambdaRank::new(&[0.0, 1.0, 2.0, 0.0], &[3, 1]).unwrap();
        assert!(rank.loss(&[1.0, 2.0, 3.0, 0.0]).abs() < 1e-15);
        assert_eq!(rank.loss(&[0.0; 4]), rank.loss(&[3.0, 2.0, 1.0, 0.0]));
    }

    #[test]
    fn queries_without_anything_to_order_have_no_slopes() {
        let rank = LambdaRank::new(&[1.0, 1.0, 2.0], &[2, 0, 1]).unwrap();
        let mut slopes = [[9.0; 2]; 3];
        rank.slopes(&[0.0; 3], &mut slopes);
        assert_eq!(slopes, [[0.0; 2]; 3]);
        assert!(LambdaRank::new(&[1.0], &[2]).is_err());
        assert!(LambdaRank::new(&[-1.0], &[1]).is_err());
    }
}
