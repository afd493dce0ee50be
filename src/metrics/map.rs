//! Mean average precision of rankings.

use super::mean;

/// The mean over queries of average precision; in [0, 1], higher is better.
///
/// A query's average precision is the mean, over its relevant rows (relevance above zero), of the
/// share of relevant rows among those ranked no lower. The whole ranking counts. Queries with
/// nothing relevant are left out. Takes what `ranked_queries` answers. Source: Manning,
/// Raghavan and Schütze, Introduction to Information Retrieval, 8.4.
pub(crate) fn map(ranked: &[Vec<f64>]) -> Option<f64> {
    mean(ranked.iter().filter_map(|query| {
        let relevant = query.iter().enumerate().filter(|(_, grade)| **grade > 0.0);
        mean(relevant.enumerate().map(|(above, (at, _))| (above + 1) as f64 / (at + 1) as f64))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_taken_at_each_relevant_row() {
        let value = map(&[vec![1.0, 0.0, 2.0], vec![0.0]]).expect("one query counts");
        assert!((value - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(map(&[vec![0.0]]), None);
    }
}
