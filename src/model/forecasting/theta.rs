//! The theta method: exponential smoothing with half the trend as its drift, on data without its season.
//!
//! Source: Assimakopoulos and Nikolopoulos, The theta model, 2000, in the form of Hyndman and Billah,
//! Unmasking the theta method, 2003. The season is taken out as in the M competitions: classical
//! decomposition, by ratio where all values are positive, where the season passes a test at 90 %.

/// Smoothing factors that are tried.
const FACTORS: usize = 40;

/// The forecast of `horizon` steps after these values, of which there is at least one.
pub(crate) fn theta(values: &[f64], season: usize, horizon: usize) -> Vec<f64> {
    let pattern = is_seasonal(values, season).then(|| Pattern::of(values, season));
    let count = values.len();
    let plain: Vec<f64> = match &pattern {
        Some(pattern) => {
            values.iter().enumerate().map(|(at, value)| pattern.without(*value, at)).collect()
        }
        None => values.to_vec(),
    };
    let (level, factor) = smooth(&plain);
    let drift = slope(&plain) / 2.0;
    // What smoothing lags behind a line of this slope.
    let lag = if factor > 0.0 { (1.0 - (1.0 - factor).powi(count as i32)) / factor } else { 0.0 };
    (0..horizon)
        .map(|step| {
            let value = level + drift * (step as f64 + lag);
            match &pattern {
                Some(pattern) => pattern.with(value, count + step),
                None => value,
            }
        })
        .collect()
}

/// Whether the autocorrelation at the season is clear of what shorter lags explain.
pub(super) fn is_seasonal(values: &[f64], season: usize) -> bool {
    if season < 2 || values.len() < 3 * season {
        return false;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let power: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if power <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let pairs = values[lag..].iter().zip(values);
        pairs.map(|(later, earlier)| (later - mean) * (earlier - mean)).sum::<f64>() / power
    };
    let before: f64 = (1..season).map(|lag| correlation(lag).powi(2)).sum();
    let limit = 1.645 * ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlation(season).abs() > limit
}

/// A season's pattern: factors where all is positive, else summands.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    ratio: bool,
    /// By place in the season, from the first value on.
    indices: Vec<f64>,
}

impl Pattern {
    pub(super) fn of(values: &[f64], season: usize) -> Self {
        let ratio = values.iter().all(|value| *value > 0.0);
        let mut sums = vec![0.0; season];
        let mut counts = vec![0_usize; season];
        let half = season / 2;
        for at in half..values.len() - half {
            let trend = centred(values, at, season);
            let part = if ratio { values[at] / trend } else { values[at] - trend };
            sums[at % season] += part;
            counts[at % season] += 1;
        }
        let mut indices: Vec<f64> =
            sums.iter().zip(&counts).map(|(sum, count)| sum / (*count).max(1) as f64).collect();
        let mean = indices.iter().sum::<f64>() / season as f64;
        for index in &mut indices {
            // A factor of zero could not be taken out again.
            *index = if ratio { (*index / mean).max(1e-3) } else { *index - mean };
        }
        Self { ratio, indices }
    }

    pub(super) fn without(&self, value: f64, at: usize) -> f64 {
        let index = self.indices[at % self.indices.len()];
        if self.ratio { value / index } else { value - index }
    }

    pub(super) fn with(&self, value: f64, at: usize) -> f64 {
        let index = self.indices[at % self.indices.len()];
        if self.ratio { value * index } else { value + index }
    }
}

/// The mean over one season around a place; of an even season the two ends count half.
fn centred(values: &[f64], at: usize, season: usize) -> f64 {
    let half = season / 2;
    let around = &values[at - half..=at + half];
    let sum: f64 = around.iter().sum();
    let ends = if season.is_multiple_of(2) { (around[0] + around[season]) / 2.0 } else { 0.0 };
    (sum - ends) / season as f64
}

/// The last level of simple exponential smoothing, and the factor with the least squared error.
fn smooth(values: &[f64]) -> (f64, f64) {
    let run = |factor: f64| {
        let mut level = values[0];
        let mut error = 0.0;
        for value in &values[1..] {
            let miss = value - level;
            error += miss * miss;
            level += factor * miss;
        }
        (error, level)
    };
    let tried = (1..=FACTORS).map(|number| number as f64 / FACTORS as f64);
    let best = tried
        .map(|factor| (factor, run(factor)))
        .min_by(|a, b| a.1.0.total_cmp(&b.1.0))
        .map(|(factor, (_, level))| (level, factor));
    best.unwrap_or((values[0], 1.0))
}

/// The slope of the line of least squares.
fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let (mut top, mut bottom) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let distance = at as f64 - middle;
        top += distance * value;
        bottom += distance * distance;
    }
    if bottom > 0.0 { top / bottom } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_around_a_trend_goes_on() {
        let value = |at: usize| 100.0 + at as f64 + [10.0, -4.0, -6.0, 0.0][at % 4];
        let values: Vec<f64> = (0..80).map(value).collect();
        for (step, said) in theta(&values, 4, 8).into_iter().enumerate() {
            let came = value(80 + step);
            // Half the trend is kept; the season is there in full.
            assert!((said - came).abs() < 6.0, "step {step}: {said} for {came}");
        }
        let forecast = theta(&values, 4, 8);
        assert!(forecast[3] - forecast[2] > 3.0 && forecast[4] - forecast[3] > 6.0);
    }

    #[test]
    fn short_still_and_negative_series_have_a_forecast() {
        assert_eq!(theta(&[5.0], 12, 2), [5.0, 5.0]);
        assert_eq!(theta(&[0.0; 40], 4, 1), [0.0]);
        let values: Vec<f64> = (0..40).map(|at| f64::from(at % 4) - 1.5).collect();
        let forecast = theta(&values, 4, 4);
        assert!(forecast.iter().zip(&values).all(|(said, came)| (said - came).abs() < 0.2));
    }

    #[test]
    fn a_straight_line_drifts_by_half_its_slope() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let forecast = theta(&values, 1, 3);
        assert!((forecast[1] - forecast[0] - 0.5).abs() < 1e-9, "{forecast:?}");
    }
}
