//! Area under the ROC curve.

use super::mean;

/// The probability that a positive row scores above a negative one, a tie counting half; in
/// [0, 1], higher is better, 0.5 is chance.
///
/// `None` unless both classes are there. Computed from midranks (Mann and Whitney 1947), which
/// equals the area that scikit-learn's `roc_auc_score` measures.
pub(crate) fn auc(positive: &[bool], scores: &[f64]) -> Option<f64> {
    assert_eq!(positive.len(), scores.len());
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Twice the wins, so that the halves of ties stay whole numbers and the sum is exact.
    let mut twice_wins = 0_u128;
    let mut negatives = 0_u128;
    let mut positives = 0_u128;
    for tied in rows.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let up = tied.iter().filter(|&&row| positive[row]).count() as u128;
        let down = tied.len() as u128 - up;
        twice_wins += up * (2 * negatives + down);
        positives += up;
        negatives += down;
    }
    let pairs = positives * negatives;
    (pairs > 0).then(|| twice_wins as f64 / (2.0 * pairs as f64))
}

/// The mean over the classes that occur (and are not all there is) of the AUC of that class
/// against the rest.
///
/// Source: scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`, over the classes for
/// which it is defined.
pub(crate) fn macro_auc(labels: &[usize], probabilities: &[f64], classes: usize) -> Option<f64> {
    assert_eq!(labels.len() * classes, probabilities.len());
    if probabilities.iter().any(|value| value.is_nan()) {
        return None;
    }
    mean((0..classes).filter_map(|class| {
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        let scores: Vec<f64> = probabilities.iter().skip(class).step_by(classes).copied().collect();
        auc(&positive, &scores)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(auc(&[true, false], &[0.5, 0.5]), Some(0.5));
        assert_eq!(auc(&[true, false, true, false], &[0.9, 0.1, 0.4, 0.4]), Some(0.875));
        // 0 and -0 are a tie as well.
        assert_eq!(auc(&[true, false], &[0.0, -0.0]), Some(0.5));
    }

    #[test]
    fn undefined_where_there_is_nothing_to_compare() {
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[true, true], &[0.1, 0.2]), None);
        assert_eq!(auc(&[true, false], &[f64::NAN, 0.2]), None);
        assert_eq!(macro_auc(&[1, 1], &[0.5, 0.5, 0.4, 0.6], 2), None);
    }
}
