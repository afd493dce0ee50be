//! The window before a forecast: filled where there are gaps, centred and scaled.

use serde::{Deserialize, Serialize};

use crate::data::SeriesSet;

/// What a window is divided by, so that series of every size share one net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scale {
    /// The mean change from season to season: errors count as they do in MASE.
    Change,
    /// The mean distance from the last value.
    Spread,
    /// The geometric mean of change and level: between MASE and sMAPE.
    Mixed,
    /// The standard deviation, around the mean in place of the last value (RevIN without its learned map:
    /// Kim et al., Reversible Instance Normalization, 2022).
    Deviation,
}

/// The look-back of one forecast.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    /// `(value − centre) / scale`, oldest first.
    pub inputs: Vec<f64>,
    /// The last value, or the mean.
    pub centre: f64,
    pub scale: f64,
    /// Nothing moves in this window: its scale is a stand-in, and nothing is to be learnt from it.
    pub still: bool,
}

impl Window {
    /// The window of `look_back` steps before `index`; none where the series has no observation before it.
    pub(crate) fn new(
        set: &SeriesSet,
        series: usize,
        index: i64,
        look_back: usize,
        season: usize,
        scale: Scale,
    ) -> Option<Self> {
        let values = filled(set, series, index, look_back, season)?;
        let centre = scale.centre(&values);
        let level = mean(values.iter().map(|value| value.abs()));
        let measured = scale.of(&values, centre, level, season);
        let still = measured <= 1e-9 * level.max(1e-9);
        // A stand-in far below the level: what the net adds to a still series stays invisible.
        let scale = if still { (1e-9 * level).max(1e-12) } else { measured };
        let inputs = values.iter().map(|value| (value - centre) / scale).collect();
        Some(Self { inputs, centre, scale, still })
    }

    /// What the window would be divided by in another scale.
    pub(crate) fn in_scale(&self, scale: Scale, season: usize) -> f64 {
        let values: Vec<f64> =
            self.inputs.iter().map(|input| self.centre + self.scale * input).collect();
        let level = mean(values.iter().map(|value| value.abs()));
        scale.of(&values, scale.centre(&values), level, season)
    }
}

impl Scale {
    fn centre(self, values: &[f64]) -> f64 {
        match self {
            Self::Change | Self::Spread | Self::Mixed => values[values.len() - 1],
            Self::Deviation => mean(values.iter().copied()),
        }
    }

    fn of(self, values: &[f64], centre: f64, level: f64, season: usize) -> f64 {
        let lag = if season < values.len() { season } else { 1 };
        let pairs = values.iter().skip(lag).zip(values);
        let change = mean(pairs.map(|(later, earlier)| (later - earlier).abs()));
        let spread = mean(values.iter().map(|value| (value - centre).abs()));
        // A window that repeats itself exactly, or holds one value, has no change of its own.
        let change = if change > 0.0 { change } else { spread };
        match self {
            Self::Change => change,
            Self::Spread => spread,
            Self::Mixed => (change * level).sqrt(),
            Self::Deviation => mean(values.iter().map(|value| (value - centre).powi(2))).sqrt(),
        }
    }
}

/// The `length` values before `index`, with gaps filled from the season before or the value before;
/// what lies before the first observation repeats the first season. None without any observation.
pub(crate) fn filled(
    set: &SeriesSet,
    series: usize,
    index: i64,
    length: usize,
    season: usize,
) -> Option<Vec<f64>> {
    let before = set.before(series, index);
    let last = before.iter().rposition(|value| !value.is_nan())?;
    // One season more than asked for, to fill the first one from.
    let total = length + season;
    let first_index = index - total as i64;
    let mut values: Vec<f64> = (0..total)
        .map(|step| first_index + step as i64 - set.start[series])
        .map(|offset| usize::try_from(offset).ok().and_then(|offset| before.get(offset)))
        .map(|value| value.copied().unwrap_or(f64::NAN))
        .collect();

    let Some(first) = values.iter().position(|value| !value.is_nan()) else {
        return Some(vec![before[last]; length]);
    };
    for step in first + 1..total {
        if values[step].is_nan() {
            let repeated = if step >= season { values[step - season] } else { f64::NAN };
            values[step] = if repeated.is_nan() { values[step - 1] } else { repeated };
        }
    }
    for step in (0..first).rev() {
        let repeated = values.get(step + season).copied().unwrap_or(f64::NAN);
        values[step] = if repeated.is_nan() { values[step + 1] } else { repeated };
    }
    Some(values.split_off(season))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TimeAxis;

    fn set(values: &[f64]) -> SeriesSet {
        SeriesSet {
            axis: TimeAxis::Integer { origin: 0, step: 1 },
            key_names: vec![],
            keys: vec![vec![]],
            start: vec![10],
            values: vec![values.to_vec()],
            covariates: crate::data::Covariates::default(),
        }
    }

    const GAP: f64 = f64::NAN;

    #[test]
    fn gaps_take_the_season_before_then_the_value_before() {
        let set = set(&[1.0, 2.0, 3.0, GAP, 5.0, GAP]);
        assert_eq!(filled(&set, 0, 16, 6, 3).unwrap(), [1.0, 2.0, 3.0, 1.0, 5.0, 3.0]);
        assert_eq!(filled(&set, 0, 16, 6, 7).unwrap(), [1.0, 2.0, 3.0, 3.0, 5.0, 5.0]);
    }

    #[test]
    fn a_short_history_repeats_its_first_season_backwards() {
        let set = set(&[1.0, 2.0, 3.0]);
        assert_eq!(filled(&set, 0, 13, 5, 2).unwrap(), [1.0, 2.0, 1.0, 2.0, 3.0]);
        assert_eq!(filled(&set, 0, 11, 3, 2).unwrap(), [1.0, 1.0, 1.0]);
        assert_eq!(filled(&set, 0, 10, 3, 2), None);
        assert_eq!(filled(&self::set(&[GAP, GAP]), 0, 12, 3, 2), None);
    }

    #[test]
    fn long_after_the_end_the_last_value_stays() {
        let set = set(&[1.0, 2.0]);
        assert_eq!(filled(&set, 0, 100, 3, 2).unwrap(), [2.0, 2.0, 2.0]);
    }

    #[test]
    fn a_still_window_is_told_and_divides_by_no_zero() {
        let set = set(&[4.0; 8]);
        for scale in [Scale::Change, Scale::Spread, Scale::Mixed, Scale::Deviation] {
            let window = Window::new(&set, 0, 18, 4, 1, scale).unwrap();
            assert!(window.still && window.inputs.iter().all(|input| *input == 0.0));
        }
    }

    #[test]
    fn a_window_knows_its_size_in_every_scale() {
        let set = set(&[1.0, 2.0, 4.0, 3.0, 5.0, 9.0]);
        let scales = [Scale::Change, Scale::Spread, Scale::Mixed, Scale::Deviation];
        let windows = scales.map(|scale| Window::new(&set, 0, 16, 5, 2, scale).unwrap());
        for window in &windows {
            for (scale, other) in scales.iter().zip(&windows) {
                let size = window.in_scale(*scale, 2);
                assert!((size - other.scale).abs() < 1e-12, "{scale:?}: {size} {}", other.scale);
            }
        }
        let normal = &windows[3];
        let squares: f64 = normal.inputs.iter().map(|input| input * input).sum();
        let sum: f64 = normal.inputs.iter().sum();
        assert!(sum.abs() < 1e-12 && (squares - 5.0).abs() < 1e-12 && normal.centre == 4.6);
    }
}
