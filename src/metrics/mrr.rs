//! Mean reciprocal rank.

use super::mean;

/// Ranks below this count as not found.
const DEPTH: usize = 10;

/// The mean over queries of 1 / rank of the first relevant row; in [0, 1], higher is better.
///
/// Relevant is a relevance above zero; a query whose first relevant row is below rank 10 counts
/// zero, one with nothing relevant is left out. Takes what `ranked_queries` answers. Source:
/// Voorhees, TREC-8 Question Answering Track Report, 1999; the cut as in MS MARCO's MRR@10.
pub(crate) fn mrr(ranked: &[Vec<f64>]) -> Option<f64> {
    mean(ranked.iter().filter_map(|query| {
        let first = query.iter().position(|grade| *grade > 0.0)?;
        Some(if first < DEPTH { 1.0 / (first + 1) as f64 } else { 0.0 })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_below_the_tenth_count_zero() {
        let mut late = vec![0.0; 10];
        late.push(1.0);
        assert_eq!(mrr(&[late, vec![0.0, 1.0], vec![0.0]]), Some(0.25));
        assert_eq!(mrr(&[vec![0.0]]), None);
    }
}
