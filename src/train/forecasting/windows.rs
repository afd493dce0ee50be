//! Which windows there are to learn from and to validate on. None is made before it is needed.

use crate::data::SeriesSet;
use crate::metrics;
use crate::model::forecasting::{Scale, Window};

/// How a window is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub look_back: usize,
    pub horizon: usize,
    pub season: usize,
    pub scale: Scale,
}

impl Shape {
    pub(super) fn window(&self, set: &SeriesSet, series: usize, origin: i64) -> Option<Window> {
        Window::new(set, series, origin, self.look_back, self.season, self.scale)
    }
}

/// The origins whose targets lie before the end of each series' training history, numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    /// `(series, first origin, windows of the series before it)`, by series.
    ranges: Vec<(usize, i64, usize)>,
    total: usize,
}

impl Origins {
    pub(super) fn new(set: &SeriesSet, ends: &[i64], shape: &Shape) -> Self {
        let (look_back, horizon) = (shape.look_back as i64, shape.horizon as i64);
        let mut ranges = Vec::with_capacity(ends.len());
        let mut total = 0;
        for (series, &end) in ends.iter().enumerate() {
            let known = set.before(series, end);
            let Some(observed) = known.iter().position(|value| !value.is_nan()) else { continue };
            let start = set.start[series] + observed as i64;
            let length = end - start;
            // A series too short for a whole window gives what it has: a window filled up at its
            // front, targets cut off at its end.
            let history = if length >= look_back + horizon {
                look_back
            } else {
                look_back.min(length / 2).max(1)
            };
            if length <= history {
                continue;
            }
            let first = start + history;
            let count = (end - horizon - first).max(0) + 1;
            ranges.push((series, first, total));
            total += count as usize;
        }
        Self { ranges, total }
    }

    pub(super) fn len(&self) -> usize {
        self.total
    }

    /// The series and origin of a number below `len`.
    pub(super) fn get(&self, number: usize) -> (usize, i64) {
        let after = self.ranges.partition_point(|(_, _, before)| *before <= number);
        let (series, first, before) = self.ranges[after - 1];
        (series, first + (number - before) as i64)
    }

    /// At most `most` of them, evenly spread.
    pub(super) fn spread(&self, most: usize) -> Vec<(usize, i64)> {
        let count = self.total.min(most);
        (0..count).map(|pick| self.get(pick * self.total / count)).collect()
    }
}

/// The targets from an origin on, NaN from the end on.
pub(super) fn targets(
    set: &SeriesSet,
    series: usize,
    origin: i64,
    end: i64,
    horizon: usize,
) -> impl Iterator<Item = f64> {
    (0..horizon as i64)
        .map(move |step| origin + step)
        .map(move |index| if index < end { set.at(series, index) } else { f64::NAN })
}

/// Forecasts to be judged: where they start and what came.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub series: usize,
    pub origin: i64,
    /// NaN where nothing was observed.
    pub actual: Vec<f64>,
    /// What MASE divides by, from the series' training history.
    pub unit: Option<f64>,
    /// The standard deviation of the series' training history.
    pub deviation: Option<f64>,
    /// Whether errors in per cent mean anything: the series' training history is above zero.
    pub percent: bool,
}

/// Steps from one judged forecast to the next: a horizon, and less where validation holds several.
pub(super) fn stride(set: &SeriesSet, ends: &[i64], horizon: usize) -> usize {
    let room = (0..set.len()).map(|series| set.end(series) - ends[series]).max().unwrap_or(0);
    if room >= 2 * horizon as i64 { (horizon / 8).max(1) } else { horizon }
}

/// What is judged between two points in time of each series, one origin every `stride` steps.
pub(super) fn judged(
    set: &SeriesSet,
    from: &[i64],
    shape: &Shape,
    stride: usize,
    most: usize,
) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (series, &from) in from.iter().enumerate() {
        let end = set.end(series);
        let history = set.before(series, from);
        if history.iter().all(|value| value.is_nan()) {
            continue;
        }
        let unit = metrics::mase_scale(history, shape.season)
            .or_else(|| metrics::mase_scale(history, 1))
            .filter(|unit| *unit > 0.0);
        let deviation = deviation(history);
        let percent = history.iter().all(|value| value.is_nan() || *value > 0.0);
        // With a stride below the horizon, only whole forecasts count: others would repeat the near steps.
        let last = if stride < shape.horizon { end - shape.horizon as i64 } else { end - 1 };
        for origin in (from..=last).step_by(stride) {
            let actual: Vec<f64> = targets(set, series, origin, end, shape.horizon).collect();
            if actual.iter().any(|value| !value.is_nan()) {
                judged.push(Judged { series, origin, actual, unit, deviation, percent });
            }
        }
    }
    let count = judged.len().min(most);
    (0..count).map(|pick| judged[pick * judged.len() / count].clone()).collect()
}

/// The standard deviation of what was observed; none where nothing moves.
pub(super) fn deviation(history: &[f64]) -> Option<f64> {
    let seen = || history.iter().copied().filter(|value| !value.is_nan());
    let mean = metrics::mean(seen())?;
    let variance = metrics::mean(seen().map(|value| (value - mean).powi(2)))?;
    Some(variance.sqrt()).filter(|deviation| *deviation > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TimeAxis;

    fn set(values: &[&[f64]]) -> SeriesSet {
        SeriesSet {
            axis: TimeAxis::Integer { origin: 0, step: 1 },
            key_names: vec!["id".into()],
            keys: (0..values.len()).map(|series| vec![series.to_string()]).collect(),
            start: vec![0; values.len()],
            values: values.iter().map(|values| values.to_vec()).collect(),
            covariates: crate::data::Covariates::default(),
        }
    }

    const SHAPE: Shape = Shape { look_back: 3, horizon: 2, season: 1, scale: Scale::Change };

    #[test]
    fn origins_leave_room_for_the_look_back_and_all_targets() {
        let set = set(&[&[1.0; 8], &[1.0; 3], &[1.0; 1], &[f64::NAN; 9]]);
        let origins = Origins::new(&set, &[7, 3, 1, 9], &SHAPE);
        let all: Vec<_> = (0..origins.len()).map(|number| origins.get(number)).collect();
        assert_eq!(all, [(0, 3), (0, 4), (0, 5), (1, 1)]);
        assert_eq!(origins.spread(2), [(0, 3), (0, 5)]);
    }

    #[test]
    fn targets_after_the_end_are_hidden() {
        let set = set(&[&[1.0, 2.0, 3.0, 4.0]]);
        let seen: Vec<f64> = targets(&set, 0, 2, 3, 2).collect();
        assert!(seen[0] == 3.0 && seen[1].is_nan());
    }
}
