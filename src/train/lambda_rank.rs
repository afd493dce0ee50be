//! The LambdaRank loss of one query and its slopes (Burges, From RankNet to LambdaRank to LambdaMART, 2010).

/// NDCG is weighed down to this rank.
const DEPTH: usize = 20;

/// One query's relevances, with what the loss needs of them.
pub(crate) struct Query {
    gains: Vec<f64>,
    /// The DCG of the best order.
    ideal: f64,
}

impl Query {
    pub(crate) fn new(relevance: Vec<f64>) -> Self {
        let gains: Vec<f64> = relevance.into_iter().map(|grade| grade.exp2() - 1.0).collect();
        let mut sorted = gains.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let ideal = sorted.iter().enumerate().map(|(rank, gain)| gain * discount(rank)).sum();
        Self { gains, ideal }
    }

    /// Of every pair of unequal relevance, how surely it is the wrong way round, weighed by what
    /// swapping it would change of NDCG. The slopes take the weights for constants.
    pub(crate) fn loss(&self, scores: &[f32], slopes: &mut [f64]) -> f64 {
        if self.ideal <= 0.0 {
            return 0.0;
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal scores the less relevant comes first, as in the metric.
        order.sort_by(|&a, &b| {
            scores[b].total_cmp(&scores[a]).then(self.gains[a].total_cmp(&self.gains[b]))
        });

        let (mut loss, mut weights) = (0.0, 0.0);
        for (high_rank, &one) in order.iter().enumerate() {
            for (low_rank, &other) in order.iter().enumerate().skip(high_rank + 1) {
                let gain = self.gains[one] - self.gains[other];
                if gain == 0.0 {
                    continue;
                }
                let (better, worse) = if gain > 0.0 { (one, other) } else { (other, one) };
                let weight = gain.abs() * (discount(high_rank) - discount(low_rank)) / self.ideal;
                let lead = f64::from(scores[better]) - f64::from(scores[worse]);
                loss += weight * softplus(-lead);
                weights += weight;
                let slope = weight / (1.0 + lead.exp());
                slopes[better] -= slope;
                slopes[worse] += slope;
            }
        }
        // Queries of any length and any order weigh the same.
        let scale = if weights > 0.0 { 1.0 / weights.max(0.1) } else { 0.0 };
        for slope in slopes.iter_mut() {
            *slope *= scale;
        }
        loss * scale
    }
}

fn discount(rank: usize) -> f64 {
    if rank < DEPTH { 1.0 / (rank as f64 + 2.0).log2() } else { 0.0 }
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_finite_differences() {
        let query = Query::new(vec![0.0, 2.0, 1.0, 0.0, 3.0]);
        // Far enough apart that a small change keeps the order, and so the weights.
        let scores = [0.5_f32, -0.25, 0.125, 1.0, -1.5];
        let mut slopes = vec![0.0; 5];
        query.loss(&scores, &mut slopes);
        for at in 0..5 {
            let moved = |by: f32| {
                let mut scores = scores;
                scores[at] += by;
                query.loss(&scores, &mut [0.0; 5])
            };
            let step = 1.0 / 1024.0;
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert!((difference - slopes[at]).abs() < 1e-6, "{at}: {difference} {}", slopes[at]);
        }
        assert!(slopes.iter().sum::<f64>().abs() < 1e-12);
    }

    #[test]
    fn the_right_order_costs_less() {
        let query = Query::new(vec![0.0, 1.0, 2.0]);
        let cost = |scores: [f32; 3]| query.loss(&scores, &mut [0.0; 3]);
        assert!(cost([-2.0, 0.0, 2.0]) < cost([0.0, 0.0, 0.0]));
        assert!(cost([0.0, 0.0, 0.0]) < cost([2.0, 0.0, -2.0]));
        assert!(cost([1e30, 0.0, -1e30]).is_finite());
    }
}
