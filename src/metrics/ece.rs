//! Expected calibration error.

use super::top_class::top_class;

const BINS: usize = 15;

/// How far confidence is from accuracy, averaged over 15 equal bins of the top class's
/// probability and weighted by the rows in each; in [0, 1], lower is better.
///
/// A bin holds its lower edge; 1 belongs to the last. Source: Guo et al., On Calibration of Modern
/// Neural Networks, 2017.
pub(crate) fn ece(labels: &[usize], probabilities: &[f64], classes: usize) -> Option<f64> {
    assert_eq!(labels.len() * classes, probabilities.len());
    if labels.is_empty() || probabilities.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut confidence = [0.0; BINS];
    let mut right = [0.0; BINS];
    for (&label, row) in labels.iter().zip(probabilities.chunks_exact(classes)) {
        let top = top_class(row);
        let bin = ((row[top] * BINS as f64) as usize).min(BINS - 1);
        confidence[bin] += row[top];
        right[bin] += f64::from(u8::from(top == label));
    }
    let gaps = confidence.iter().zip(&right).map(|(confidence, right)| (confidence - right).abs());
    Some(gaps.sum::<f64>() / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_that_is_deserved_costs_nothing() {
        assert_eq!(ece(&[0, 1], &[0.5, 0.5, 0.5, 0.5], 2), Some(0.0));
        assert_eq!(ece(&[0, 1], &[1.0, 0.0, 1.0, 0.0], 2), Some(0.5));
        assert_eq!(ece(&[], &[], 2), None);
        assert_eq!(ece(&[0], &[f64::NAN, 0.5], 2), None);
    }
}
