//! Normalised discounted cumulative gain.

use super::mean;

/// NDCG of the first `k` ranks, averaged over the queries with something relevant; in [0, 1],
/// higher is better.
///
/// A row's gain is 2^relevance − 1, its discount 1 / log2(1 + rank); a query's sum is divided by
/// that of its best possible order. Queries with nothing relevant are left out, and `None` is what
/// is left then. Takes what `ranked_queries` answers. Source: Burges et al. 2005; the gain as in
/// LightGBM and XGBoost.
pub(crate) fn ndcg(ranked: &[Vec<f64>], k: usize) -> Option<f64> {
    mean(ranked.iter().filter_map(|query| of_query(query, k)))
}

fn of_query(query: &[f64], k: usize) -> Option<f64> {
    let mut ideal = query.to_vec();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best = dcg(&ideal, k);
    (best > 0.0).then(|| dcg(query, k) / best)
}

fn dcg(relevance: &[f64], k: usize) -> f64 {
    relevance
        .iter()
        .take(k)
        .enumerate()
        .map(|(at, grade)| (grade.exp2() - 1.0) / (at as f64 + 2.0).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_relevant_is_left_out() {
        assert_eq!(ndcg(&[vec![0.0, 0.0]], 5), None);
        assert_eq!(ndcg(&[], 5), None);
        assert_eq!(ndcg(&[vec![0.0, 0.0], vec![3.0, 1.0]], 5), Some(1.0));
    }
}
