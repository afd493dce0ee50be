//! Average precision of a two-class score.

/// The precision at each threshold, weighted by the recall that the threshold adds; in [0, 1],
/// higher is better, chance is the share of positives.
///
/// Rows of equal score pass a threshold together. `None` where there is no positive row. Source:
/// scikit-learn's `average_precision_score`.
pub(crate) fn average_precision(positive: &[bool], scores: &[f64]) -> Option<f64> {
    assert_eq!(positive.len(), scores.len());
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let positives = positive.iter().filter(|positive| **positive).count();
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut passed, mut found, mut area) = (0, 0, 0.0);
    for tied in rows.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let added = tied.iter().filter(|&&row| positive[row]).count();
        passed += tied.len();
        found += added;
        area += added as f64 * found as f64 / passed as f64;
    }
    (positives > 0).then(|| area / positives as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_rows_pass_together() {
        assert_eq!(average_precision(&[true, false, false, true], &[0.5; 4]), Some(0.5));
        assert_eq!(average_precision(&[true, false], &[0.9, 0.1]), Some(1.0));
    }

    #[test]
    fn undefined_without_a_positive() {
        assert_eq!(average_precision(&[false, false], &[0.1, 0.2]), None);
        assert_eq!(average_precision(&[], &[]), None);
        assert_eq!(average_precision(&[true], &[f64::NAN]), None);
    }
}
