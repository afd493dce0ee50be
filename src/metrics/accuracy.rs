//! Accuracy.

use super::mean;

/// The share of rows whose class was said right; in [0, 1], higher is better.
///
/// Source: scikit-learn's `accuracy_score`.
pub(crate) fn accuracy(labels: &[usize], predicted: &[usize]) -> Option<f64> {
    assert_eq!(labels.len(), predicted.len());
    mean(
        labels
            .iter()
            .zip(predicted)
            .map(|(label, predicted)| f64::from(u8::from(label == predicted))),
    )
}
