//! Rows of a ranking table as queries, in the order that scores put them.

/// Each query's relevances in the order that the scores rank its rows, best first, in order of
/// the queries' numbers.
///
/// Ties go against us: of equal scores the less relevant row comes first, so that a constant score
/// earns nothing by luck. `None` where a score or a relevance is no number.
/// The metrics `ndcg`, `map` and `mrr` take this.
pub(crate) fn ranked_queries(
    relevance: &[f64],
    scores: &[f64],
    queries: &[u32],
) -> Option<Vec<Vec<f64>>> {
    assert!(relevance.len() == scores.len() && scores.len() == queries.len());
    if relevance.iter().chain(scores).any(|value| value.is_nan()) {
        return None;
    }
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| {
        queries[a]
            .cmp(&queries[b])
            // Not `total_cmp`, for which 0 and -0 are no tie.
            .then_with(|| scores[b].partial_cmp(&scores[a]).expect("no NaN"))
            .then_with(|| relevance[a].total_cmp(&relevance[b]))
    });
    let ranked = rows
        .chunk_by(|&a, &b| queries[a] == queries[b])
        .map(|query| query.iter().map(|&row| relevance[row]).collect())
        .collect();
    Some(ranked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_may_be_scattered_and_ties_go_against_us() {
        let ranked = ranked_queries(
            &[1.0, 0.0, 2.0, 3.0, 0.0],
            &[0.5, 0.5, 0.9, 0.1, 0.0],
            &[7, 7, 3, 7, 3],
        );
        assert_eq!(ranked, Some(vec![vec![2.0, 0.0], vec![0.0, 1.0, 3.0]]));
    }

    #[test]
    fn a_score_that_is_no_number_ranks_nothing() {
        assert_eq!(ranked_queries(&[1.0], &[f64::NAN], &[0]), None);
        assert_eq!(ranked_queries(&[], &[], &[]), Some(vec![]));
    }
}
