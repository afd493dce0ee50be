//! Mean absolute error.

use super::mean;

/// The mean of |actual − forecast|, in the target's unit; from 0, lower is better.
///
/// Source: scikit-learn's `mean_absolute_error`.
pub(crate) fn mae(actual: &[f64], forecast: &[f64]) -> Option<f64> {
    assert_eq!(actual.len(), forecast.len());
    mean(actual.iter().zip(forecast).map(|(actual, forecast)| (actual - forecast).abs()))
}
