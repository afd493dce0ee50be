//! Forecasts of logarithms, for series whose seasons and errors grow with their level.
//!
//! Quantiles of logarithms are the logarithms of quantiles, so that a forecast is the exponential of what is
//! said of the logarithms and the median stays the median.

use super::member::Levels;
use crate::data::{Covariates, SeriesSet};

/// The set with logarithms for values; those below `lowest`, which is above zero, are taken as it.
pub(crate) fn logged(set: &SeriesSet, lowest: f64) -> SeriesSet {
    let mut logs = set.clone();
    logs.values.iter_mut().flatten().for_each(|value| *value = log(*value, lowest));
    logs
}

/// The same of one series, and of its last steps before `index`; of more where these hold no value.
pub(crate) fn window(
    set: &SeriesSet,
    series: usize,
    index: i64,
    steps: usize,
    lowest: f64,
) -> SeriesSet {
    let before = set.before(series, index);
    let end = set.start[series] + before.len() as i64;
    let beyond = usize::try_from(index - end).unwrap_or(0);
    let last = before.iter().rposition(|value| !value.is_nan()).unwrap_or(0);
    let from = (before.len() + beyond).saturating_sub(steps).min(last);
    SeriesSet {
        axis: set.axis.clone(),
        key_names: set.key_names.clone(),
        keys: vec![set.keys[series].clone()],
        start: vec![set.start[series] + from as i64],
        values: vec![before[from..].iter().map(|value| log(*value, lowest)).collect()],
        // Members read values alone.
        covariates: Covariates::default(),
    }
}

/// A gap stays a gap.
fn log(value: f64, lowest: f64) -> f64 {
    if value.is_nan() { value } else { value.max(lowest).ln() }
}

/// Back from logarithms, given those that were seen. A trend that is gone on with for long multiplies
/// without bound: no forecast is further out than twice the range of what was seen.
pub(crate) fn back(mut levels: Levels, seen: &[f64]) -> Levels {
    let values = || seen.iter().copied().filter(|value| !value.is_nan());
    let (low, high) =
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let room = high - low + std::f64::consts::LN_2;
    for value in levels.iter_mut().flatten() {
        *value = value.clamp(low - room, high + room).exp();
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TimeAxis;
    use crate::model::forecasting::LEVELS;

    fn set(values: &[f64]) -> SeriesSet {
        SeriesSet {
            axis: TimeAxis::Integer { origin: 0, step: 1 },
            key_names: vec!["id".into()],
            keys: vec![vec!["other".into()], vec!["own".into()]],
            start: vec![3, 10],
            values: vec![vec![9.0], values.to_vec()],
            covariates: Covariates::default(),
        }
    }

    #[test]
    fn a_window_is_what_the_whole_set_says_before_its_end() {
        let set = set(&[1.0, f64::NAN, 4.0, -2.0, 8.0, 16.0]);
        let whole = logged(&set, 0.5);
        let window = window(&set, 1, 15, 3, 0.5);
        assert_eq!((window.keys[0][0].as_str(), window.start[0]), ("own", 12));
        assert_eq!(window.values[0], [4.0_f64.ln(), 0.5_f64.ln(), 8.0_f64.ln()]);
        for index in 12..15 {
            assert_eq!(window.at(0, index).to_bits(), whole.at(1, index).to_bits());
        }
        assert!(whole.at(1, 11).is_nan());
        // Long after the last value it is still there.
        assert_eq!(super::window(&set, 1, 100, 3, 0.5).values[0], [16.0_f64.ln()]);
    }

    #[test]
    fn forecasts_are_above_zero_and_within_reason() {
        let said = vec![[0.0; LEVELS.len()], [50.0; LEVELS.len()], [-50.0; LEVELS.len()]];
        let back = back(said, &[1.0, f64::NAN, 3.0]);
        assert_eq!(back[0][0], 1.0);
        assert_eq!(back[1][0], (3.0 + 2.0 + std::f64::consts::LN_2).exp());
        assert!(back[2][0] > 0.0 && back[2][0] < 0.2);
    }
}
