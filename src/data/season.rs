//! How many steps one season has, where nobody says.

use super::{DataSettings, SeriesSet};

/// Series looked at; a season shows in a few of them as well as in all.
const SERIES: usize = 200;
/// The longest season looked for.
const LONGEST: usize = 400;
/// The autocorrelation from which a season counts as one.
const CLEAR: f64 = 0.3;

/// The season that the settings name; else what such times commonly have, where the series are long
/// enough to show it; else the first clear peak of their autocorrelation. 1 is none.
pub(crate) fn season(set: &SeriesSet, settings: &DataSettings) -> usize {
    if let Some(season) = settings.season {
        return season.max(1);
    }
    let longest = set.values.iter().map(Vec::len).max().unwrap_or(0);
    match set.axis.usual_season() {
        Some(season) if season * 2 <= longest => season,
        Some(_) => 1,
        None => strongest(set).unwrap_or(1),
    }
}

/// The shortest season whose autocorrelation is near that of the strongest, over the changes from
/// step to step, so that a trend is none.
fn strongest(set: &SeriesSet) -> Option<usize> {
    let stride = set.len().div_ceil(SERIES).max(1);
    let mut sums = vec![0.0; LONGEST + 1];
    let mut counts = vec![0_usize; LONGEST + 1];
    for values in set.values.iter().step_by(stride) {
        let changes: Vec<f64> = values
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .map(|change| if change.is_finite() { change } else { 0.0 })
            .collect();
        let mean = changes.iter().sum::<f64>() / changes.len().max(1) as f64;
        let centred: Vec<f64> = changes.iter().map(|change| change - mean).collect();
        let power: f64 = centred.iter().map(|change| change * change).sum();
        if power <= 0.0 {
            continue;
        }
        for lag in 1..=LONGEST.min(values.len() / 3) {
            let product: f64 = centred[lag..].iter().zip(&centred).map(|(a, b)| a * b).sum();
            sums[lag] += product / power;
            counts[lag] += 1;
        }
    }
    let mean = |lag: usize| sums[lag] / counts[lag].max(1) as f64;
    let peaks: Vec<usize> = (2..LONGEST)
        .filter(|&lag| counts[lag] * 2 >= counts[1].max(1))
        .filter(|&lag| mean(lag) > CLEAR && mean(lag) >= mean(lag - 1))
        .filter(|&lag| mean(lag) >= mean(lag + 1))
        .collect();
    let highest = peaks.iter().map(|&lag| mean(lag)).fold(0.0, f64::max);
    peaks.into_iter().find(|&lag| mean(lag) >= 0.8 * highest)
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::{long, settings};
    use super::*;

    fn set(value: impl Fn(i64) -> f64) -> SeriesSet {
        let rows: Vec<_> = (0..120).map(|t| ("a", t, value(t))).collect();
        SeriesSet::from_tables(&[&long(&rows)], &settings(), None).unwrap()
    }

    #[test]
    fn the_season_is_found_under_a_trend_said_or_absent() {
        let seasonal = set(|t| t as f64 * 3.0 + [0.0, 9.0, 4.0, 1.0, 7.0][t as usize % 5]);
        assert_eq!(season(&seasonal, &settings()), 5);
        let said = DataSettings { season: Some(12), ..settings() };
        assert_eq!(season(&seasonal, &said), 12);
        assert_eq!(season(&set(|t| t as f64), &settings()), 1);
        assert_eq!(season(&set(|t| ((t * t * t * 7919 + t * t) % 1009) as f64), &settings()), 1);
    }
}
