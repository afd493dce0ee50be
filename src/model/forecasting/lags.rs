//! What a seasonal regression reads: for each step of a forecast a few values and means of the past,
//! all as distances from one of them, the base.
//!
//! As distances they make the forecast move with the level and the size of a series: shifted or
//! stretched data is forecast shifted and stretched.

use serde::{Deserialize, Serialize};

/// Which values of the past are read for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lags {
    /// Steps of a season; 1 is none.
    pub season: usize,
    /// Steps of a season of seasons, such as the week of hourly data.
    pub long: Option<usize>,
}

/// Features with a long season, and without.
const WITH_LONG: usize = 10;
const WITHOUT: usize = 6;
/// Seasons that the mean of a phase is taken over, where no long season says how many.
const CYCLES: usize = 4;

/// A history with its running sums, for means in no time.
#[derive(Clone, Debug)]
pub(crate) struct History {
    values: Vec<f64>,
    sums: Vec<f64>,
}

impl History {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        let mut sums = Vec::with_capacity(values.len() + 1);
        sums.push(0.0);
        let mut sum = 0.0;
        for value in &values {
            sum += value;
            sums.push(sum);
        }
        Self { values, sums }
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The mean of the `length` values before a place.
    pub(super) fn mean(&self, before: usize, length: usize) -> f64 {
        (self.sums[before] - self.sums[before - length]) / length as f64
    }
}

impl Lags {
    /// How many features a step has.
    pub(crate) fn count(self) -> usize {
        if self.long.is_some() { WITH_LONG } else { WITHOUT }
    }

    /// How many steps before a forecast are read.
    pub(crate) fn reach(self) -> usize {
        match self.long {
            Some(long) => 2 * long,
            None if self.season == 1 => 2 * CYCLES,
            None => CYCLES * self.season,
        }
    }

    /// Writes the features of a step of the forecast that starts at `origin`, at least
    /// [`Lags::reach`] values into the history, and answers the base.
    pub(crate) fn read(
        self,
        history: &History,
        origin: usize,
        step: usize,
        features: &mut [f64],
    ) -> f64 {
        let x = &history.values;
        let season = self.season;
        let last = x[origin - 1];
        // The latest value of this step's phase.
        let phase = origin + step - season * (1 + step / season);
        let phases = |cycles: usize| {
            (0..cycles).map(|cycle| x[phase - cycle * season]).sum::<f64>() / cycles as f64
        };
        let base = match self.long {
            Some(long) => {
                let at = origin + step - long * (1 + step / long);
                features.copy_from_slice(&[
                    x[phase],
                    x[phase - season],
                    x[at - long],
                    last,
                    history.mean(origin, season),
                    history.mean(origin, long),
                    phases(long / season),
                    x[origin - 1 - season],
                    x[origin - 1 - long],
                    history.mean(origin - long, season),
                ]);
                x[at]
            }
            None if season == 1 => {
                features.copy_from_slice(&[
                    x[origin - 2],
                    x[origin - 3],
                    history.mean(origin, CYCLES),
                    history.mean(origin, 2 * CYCLES),
                    history.mean(origin - CYCLES, CYCLES),
                    x[origin - 2 * CYCLES],
                ]);
                last
            }
            None => {
                features.copy_from_slice(&[
                    x[phase - season],
                    last,
                    history.mean(origin, season),
                    phases(CYCLES),
                    x[origin - 1 - season],
                    history.mean(origin - season, season),
                ]);
                x[phase]
            }
        };
        for feature in features {
            *feature -= base;
        }
        base
    }
}

/// Steps of a forecast share coefficients in this many blocks: near steps lean on the last value,
/// far ones on the season.
pub(crate) fn blocks(horizon: usize) -> usize {
    horizon.min(4)
}

/// The block of a step.
pub(crate) fn block(step: usize, horizon: usize) -> usize {
    step * blocks(horizon) / horizon
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Lags; 3] = [
        Lags { season: 1, long: None },
        Lags { season: 3, long: None },
        Lags { season: 3, long: Some(6) },
    ];

    #[test]
    fn nothing_from_the_origin_on_or_before_the_reach_is_read() {
        for lags in ALL {
            let reach = lags.reach();
            let values: Vec<f64> = (0..reach).map(|step| ((step * 7919) % 101) as f64).collect();
            let history = History::new(values.clone());
            for step in 0..20 {
                let mut features = vec![0.0; lags.count()];
                let base = lags.read(&history, reach, step, &mut features);
                assert!(values.contains(&base) && features.iter().all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn a_series_that_repeats_itself_has_its_own_value_as_the_base() {
        let values: Vec<f64> = (0..60).map(|step| f64::from(step % 6)).collect();
        for lags in [Lags { season: 6, long: None }, Lags { season: 3, long: Some(6) }] {
            let history = History::new(values.clone());
            for step in 0..15 {
                let mut features = vec![0.0; lags.count()];
                let base = lags.read(&history, 60, step, &mut features);
                assert_eq!(base, ((60 + step) % 6) as f64);
            }
        }
    }

    #[test]
    fn blocks_part_the_horizon_evenly() {
        let parts: Vec<usize> = (0..8).map(|step| block(step, 8)).collect();
        assert_eq!(parts, [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!((0..2).map(|step| block(step, 2)).collect::<Vec<_>>(), [0, 1]);
    }
}
