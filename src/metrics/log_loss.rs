//! Log loss, or cross-entropy.

use super::mean;

/// Certainty is never taken as total, or one wrong row would make the loss infinite.
const SMALLEST: f64 = 1e-15;

/// The mean of −ln of the probability given to the true class; from 0, lower is better.
///
/// `probabilities` is row-major `[rows, classes]`; they are clipped to [1e-15, 1] and each row then
/// divided by its sum. Source: scikit-learn's `log_loss`, with the clip of its versions
/// before 1.2.
pub(crate) fn log_loss(labels: &[usize], probabilities: &[f64], classes: usize) -> Option<f64> {
    assert_eq!(labels.len() * classes, probabilities.len());
    if probabilities.iter().any(|value| value.is_nan()) {
        return None;
    }
    mean(labels.iter().zip(probabilities.chunks_exact(classes)).map(|(&label, row)| {
        let clip = |value: f64| value.clamp(SMALLEST, 1.0);
        let sum: f64 = row.iter().copied().map(clip).sum();
        -(clip(row[label]) / sum).ln()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_in_the_wrong_class_is_dear_and_finite() {
        let loss = log_loss(&[0], &[0.0, 1.0], 2).expect("defined");
        assert!((loss - 34.538_776_394_910_684).abs() < 1e-9, "{loss}");
    }

    #[test]
    fn undefined_of_nothing() {
        assert_eq!(log_loss(&[], &[], 2), None);
        assert_eq!(log_loss(&[0], &[f64::NAN, 0.5], 2), None);
    }
}
