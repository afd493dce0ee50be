//! The Brier score.

use super::mean;

/// The mean squared distance of probabilities from what happened; lower is better.
///
/// For two classes the mean of (p − y)², in [0, 1]; for more the mean of its sum over the classes,
/// in [0, 2]. Source: Brier 1950; scikit-learn's `brier_score_loss` with `scale_by_half="auto"`.
pub(crate) fn brier(labels: &[usize], probabilities: &[f64], classes: usize) -> Option<f64> {
    assert_eq!(labels.len() * classes, probabilities.len());
    let halves = if classes == 2 { 0.5 } else { 1.0 };
    mean(labels.iter().zip(probabilities.chunks_exact(classes)).map(|(&label, row)| {
        let squares = row.iter().enumerate().map(|(class, probability)| {
            (probability - f64::from(u8::from(class == label))).powi(2)
        });
        halves * squares.sum::<f64>()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_count_once() {
        assert_eq!(brier(&[1], &[0.5, 0.5], 2), Some(0.25));
        assert_eq!(brier(&[1], &[0.5, 0.5, 0.0], 3), Some(0.5));
        assert_eq!(brier(&[], &[], 2), None);
        assert_eq!(brier(&[0], &[f64::NAN, 0.5], 2), None);
    }
}
