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

/// Seasons that a season of seasons may have.
const MOST_SEASONS: usize = 14;
/// How far the autocorrelation at a season of seasons has to stand out from that of its neighbours.
const KINK: f64 = 0.02;

/// The season of seasons, such as the week of hourly data, where series are long enough to show one
/// three times: the first multiple of the season whose autocorrelation stands out clearly from that of
/// the multiples beside it.
pub(crate) fn long_season(set: &SeriesSet, season: usize) -> Option<usize> {
    if season < 2 {
        return None;
    }
    let mut sums = [0.0; MOST_SEASONS + 2];
    let mut counts = [0_usize; MOST_SEASONS + 2];
    let stride = set.len().div_ceil(SERIES).max(1);
    for values in set.values.iter().step_by(stride) {
        let Some((centred, power)) = changes(values) else { continue };
        for times in 1..=MOST_SEASONS + 1 {
            let lag = times * season;
            if 3 * lag > values.len() && 2 * lag > values.len() {
                break;
            }
            let product: f64 = centred[lag..].iter().zip(&centred).map(|(a, b)| a * b).sum();
            // Fewer pairs are left of longer lags, which makes their sums smaller.
            let share = centred.len() as f64 / (centred.len() - lag) as f64;
            sums[times] += share * product / power;
            counts[times] += 1;
        }
    }
    let mean = |times: usize| sums[times] / counts[times].max(1) as f64;
    let kink = |times: usize| mean(times) - f64::midpoint(mean(times - 1), mean(times + 1));
    let clear: Vec<usize> = (2..=MOST_SEASONS)
        .filter(|times| counts[times + 1] * 2 >= counts[1].max(1))
        .filter(|&times| kink(times) > KINK)
        .collect();
    let most = clear.iter().map(|&times| kink(times)).fold(0.0, f64::max);
    // Two weeks stand out as much as one.
    clear.into_iter().find(|&times| kink(times) > 0.5 * most).map(|times| times * season)
}

/// The changes from step to step around their mean, and their power; none where nothing moves.
fn changes(values: &[f64]) -> Option<(Vec<f64>, f64)> {
    let changes: Vec<f64> = values
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .map(|change| if change.is_finite() { change } else { 0.0 })
        .collect();
    let mean = changes.iter().sum::<f64>() / changes.len().max(1) as f64;
    let centred: Vec<f64> = changes.iter().map(|change| change - mean).collect();
    let power: f64 = centred.iter().map(|change| change * change).sum();
    (power > 0.0).then_some((centred, power))
}

/// The shortest season whose autocorrelation is near that of the strongest, over the changes from
/// step to step, so that a trend is none.
fn strongest(set: &SeriesSet) -> Option<usize> {
    let stride = set.len().div_ceil(SERIES).max(1);
    let mut sums = vec![0.0; LONGEST + 1];
    let mut counts = vec![0_usize; LONGEST + 1];
    for values in set.values.iter().step_by(stride) {
        let Some((centred, power)) = changes(values) else { continue };
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

    #[test]
    fn a_week_shows_in_days_and_nothing_shows_where_no_day_differs() {
        let day = |t: i64| [0.0, 9.0, 4.0, 1.0][t as usize % 4];
        let rest = |t: i64| if (t / 4) % 5 == 4 { 0.2 } else { 1.0 };
        assert_eq!(long_season(&set(|t| day(t) * rest(t)), 4), Some(20));
        assert_eq!(long_season(&set(day), 4), None);
        assert_eq!(long_season(&set(day), 1), None);
    }
}
