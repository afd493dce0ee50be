//! Balanced accuracy.

use super::mean;

/// The mean over the classes that occur in `labels` of the share of their rows said right; in
/// [0, 1], higher is better.
///
/// Source: scikit-learn's `balanced_accuracy_score`.
pub(crate) fn balanced_accuracy(
    labels: &[usize],
    predicted: &[usize],
    classes: usize,
) -> Option<f64> {
    assert_eq!(labels.len(), predicted.len());
    let mut rows = vec![0_usize; classes];
    let mut right = vec![0_usize; classes];
    for (&label, &predicted) in labels.iter().zip(predicted) {
        rows[label] += 1;
        right[label] += usize::from(label == predicted);
    }
    let present = rows.iter().zip(&right).filter(|(rows, _)| **rows > 0);
    mean(present.map(|(&rows, &right)| right as f64 / rows as f64))
}
