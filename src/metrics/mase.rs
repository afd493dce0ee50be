//! Mean absolute scaled error.

use super::{mae, mean};

/// The mean absolute error over `scale`, which is `mase_scale` of the series' history; from 0,
/// lower is better, 1 is the seasonal naive forecast's error within the history.
///
/// `None` where the scale is zero. Over several series, average the series' values. Source:
/// Hyndman and Koehler, Another look at measures of forecast accuracy, 2006.
pub(crate) fn mase(actual: &[f64], forecast: &[f64], scale: f64) -> Option<f64> {
    mae(actual, forecast).map(|error| error / scale).filter(|value| value.is_finite())
}

/// The mean of |xₜ − xₜ₋ₛ|, s the season, over a history, leaving out pairs with a gap (NaN).
///
/// `None` where the history has no such pair.
pub(crate) fn mase_scale(history: &[f64], season: usize) -> Option<f64> {
    let season = season.max(1);
    let later = history.get(season..).unwrap_or_default();
    let steps = later.iter().zip(history).map(|(now, before)| (now - before).abs());
    mean(steps.filter(|step| !step.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_short_histories() {
        assert_eq!(mase_scale(&[1.0, f64::NAN, 4.0, 5.0], 1), Some(1.0));
        assert_eq!(mase_scale(&[1.0, 2.0], 2), None);
        assert_eq!(mase_scale(&[1.0, 2.0], 24), None);
        assert_eq!(mase_scale(&[], 1), None);
    }

    #[test]
    fn a_history_that_never_moves_scales_nothing() {
        assert_eq!(mase(&[1.0], &[2.0], 0.0), None);
        assert_eq!(mase(&[1.0], &[1.0], 0.0), None);
        assert_eq!(mase(&[1.0], &[2.0], 2.0), Some(0.5));
    }
}
