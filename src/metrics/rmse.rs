//! Root mean squared error.

use super::mean;

/// The root of the mean of (actual − forecast)², in the target's unit; from 0, lower is better.
///
/// Source: scikit-learn's `root_mean_squared_error`.
pub(crate) fn rmse(actual: &[f64], forecast: &[f64]) -> Option<f64> {
    assert_eq!(actual.len(), forecast.len());
    mean(actual.iter().zip(forecast).map(|(actual, forecast)| (actual - forecast).powi(2)))
        .map(f64::sqrt)
}
