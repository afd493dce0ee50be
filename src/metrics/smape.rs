//! Symmetric mean absolute percentage error.

use super::mean;

/// The mean of 200 |actual − forecast| / (|actual| + |forecast|), in per cent; in [0, 200], lower
/// is better.
///
/// Where both are zero the error is zero. Over several series, average the series' values. Source:
/// Makridakis et al., The M4 Competition, 2020.
pub(crate) fn smape(actual: &[f64], forecast: &[f64]) -> Option<f64> {
    assert_eq!(actual.len(), forecast.len());
    mean(actual.iter().zip(forecast).map(|(actual, forecast)| {
        let size = actual.abs() + forecast.abs();
        if size == 0.0 { 0.0 } else { 200.0 * (actual - forecast).abs() / size }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_for_zero_is_no_error() {
        assert_eq!(smape(&[0.0, 1.0], &[0.0, 3.0]), Some(50.0));
        assert_eq!(smape(&[0.0], &[f64::NAN]), None);
        assert_eq!(smape(&[], &[]), None);
    }
}
