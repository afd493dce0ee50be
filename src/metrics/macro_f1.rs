//! Macro-averaged F1.

use super::mean;

/// The mean over the classes that occur in `labels` of F1, the harmonic mean of precision and
/// recall; in [0, 1], higher is better.
///
/// A class that is never said right has F1 zero. Source: scikit-learn's
/// `f1_score(labels=those in y_true, average="macro", zero_division=0)`.
pub(crate) fn macro_f1(labels: &[usize], predicted: &[usize], classes: usize) -> Option<f64> {
    assert_eq!(labels.len(), predicted.len());
    let mut actual = vec![0_usize; classes];
    let mut said = vec![0_usize; classes];
    let mut right = vec![0_usize; classes];
    for (&label, &predicted) in labels.iter().zip(predicted) {
        actual[label] += 1;
        said[predicted] += 1;
        right[label] += usize::from(label == predicted);
    }
    let present = (0..classes).filter(|&class| actual[class] > 0);
    mean(present.map(|class| {
        // 2PR / (P + R), without the zero division where P or R is none.
        2.0 * right[class] as f64 / (actual[class] + said[class]) as f64
    }))
}
