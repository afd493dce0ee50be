//! Seasonal differences of series and of the terms of their covariates, side by side.

use rayon::prelude::*;

use crate::data::SeriesSet;
use crate::model::forecasting::Readings;
use crate::model::forecasting::effects::{EffectTerm, Form, sizes, write_terms};

/// Blocks of time that errors are summed up by, and folds that they are dealt out to.
pub(super) const BLOCKS: usize = 20;
pub(super) const FOLDS: usize = 5;
/// Numbers that all rows hold together, and rows.
const NUMBERS: usize = 4_000_000;
const MOST_ROWS: usize = 60_000;
/// What is held for the logarithm of zero: that of this share of a series' size.
const FLOOR: f64 = 0.02;

/// The fold of a block of time.
pub(super) fn fold(block: usize) -> usize {
    block % FOLDS
}

/// What a regression is fitted on, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// How many terms a row has.
    pub width: usize,
    /// Whether all values are zero or more, and effects can be factors.
    pub can_multiply: bool,
    /// Whether some values are zero.
    pub has_zeros: bool,
    pub series: Vec<usize>,
    pub blocks: Vec<usize>,
    terms: Vec<f64>,
    points: Vec<Point>,
    /// What errors of each series are divided by.
    units: Vec<f64>,
}

/// A value and what it is compared with.
#[derive(Clone, Copy, Debug)]
struct Point {
    value: f64,
    /// The series' size just before.
    size: f64,
    /// The mean of its like a season away.
    around: f64,
    log: f64,
    log_around: f64,
}

/// The rows of one series: time indices, terms and points.
type Own = (Vec<i64>, Vec<f64>, Vec<Point>);

impl Rows {
    pub(super) fn new(
        set: &SeriesSet,
        ends: &[i64],
        readings: &Readings,
        terms: &[EffectTerm],
        lag: usize,
        season: usize,
    ) -> Self {
        let total: usize =
            ends.iter().zip(&set.start).map(|(end, start)| (end - start).max(0) as usize).sum();
        let most = MOST_ROWS.min(NUMBERS / terms.len().max(1)).max(1);
        let every = total.div_ceil(most).max(1) as u64;
        let own: Vec<Own> = (0..set.len())
            .into_par_iter()
            .map(|series| own(set, series, ends[series], readings, terms, lag, season, every))
            .collect();
        let times = || own.iter().flat_map(|(times, ..)| times.iter().copied());
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let mut rows = Self { width: terms.len(), can_multiply: true, ..Self::default() };
        for (series, (times, terms, points)) in own.into_iter().enumerate() {
            let misses = points.iter().map(|point| (point.value - point.around).abs());
            let unit = misses.sum::<f64>() / points.len().max(1) as f64;
            rows.units.push(unit);
            if unit <= 0.0 {
                continue;
            }
            let block =
                |time: &i64| ((time - first) as usize * BLOCKS) / ((last - first) as usize + 1);
            rows.blocks.extend(times.iter().map(block));
            rows.series.extend(std::iter::repeat_n(series, points.len()));
            rows.can_multiply &=
                points.iter().all(|point| point.value >= 0.0 && point.around >= 0.0);
            rows.has_zeros |= points.iter().any(|point| point.value == 0.0);
            rows.terms.extend(terms);
            rows.points.extend(points);
        }
        rows
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    pub(super) fn terms(&self, row: usize) -> &[f64] {
        &self.terms[row * self.width..][..self.width]
    }

    /// What the terms have to explain.
    pub(super) fn target(&self, form: Form, row: usize) -> f64 {
        let Point { value, size, around, log, log_around } = self.points[row];
        match form {
            Form::Sum => (value - around) / size,
            Form::Product => log - log_around,
        }
    }

    /// How far a forecast is off that adds this effect to a value's like a season away, in units of
    /// the series' mean change.
    pub(super) fn error(&self, form: Form, row: usize, effect: f64) -> f64 {
        let Point { value, size, around, log_around, .. } = self.points[row];
        let said = match form {
            Form::Sum => around + size * effect,
            Form::Product => (log_around + effect.clamp(-5.0, 5.0)).exp(),
        };
        (value - said).abs() / self.units[self.series[row]]
    }

    /// Each series' spread of targets, from the median of their sizes; none where nothing varies.
    pub(super) fn spreads(&self, form: Form) -> Option<Vec<f64>> {
        let mut sizes = vec![Vec::new(); self.units.len()];
        for (row, &series) in self.series.iter().enumerate() {
            sizes[series].push(self.target(form, row).abs());
        }
        let mut all: Vec<f64> = sizes.iter().flatten().copied().collect();
        let usual = middle(&mut all).filter(|usual| *usual > 0.0).or_else(|| {
            let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
            Some(mean).filter(|mean| *mean > 0.0)
        })?;
        // Of a few values, or of a still series, the spread of all says more.
        let own = sizes.iter_mut().map(|sizes| {
            let count = sizes.len() as f64;
            let own = middle(sizes).unwrap_or(usual);
            let mixed = (count * own + 10.0 * usual) / (count + 10.0);
            mixed.max(0.1 * usual) / 0.6745
        });
        Some(own.collect())
    }
}

/// The middle value; none of none.
fn middle(values: &mut [f64]) -> Option<f64> {
    let at = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

#[expect(clippy::too_many_arguments, reason = "one series' share of what `Rows::new` is given")]
fn own(
    set: &SeriesSet,
    series: usize,
    end: i64,
    readings: &Readings,
    terms: &[EffectTerm],
    lag: usize,
    season: usize,
    every: u64,
) -> Own {
    let (start, lag) = (set.start[series], lag as i64);
    let (mut times, mut all, mut points) = Own::default();
    let sizes = sizes(set, series, start, end.max(start), season);
    let size = |index: i64| sizes[(index - start) as usize];
    let known = |index: i64| {
        let value = if (start..end).contains(&index) { set.at(series, index) } else { f64::NAN };
        (!value.is_nan()).then_some(value)
    };
    let width = terms.len();
    let (mut row, mut other) = (vec![0.0; width], vec![0.0; width]);
    for index in start + lag..end {
        if !is_picked(series, index, every) {
            continue;
        }
        let (Some(value), Some(before)) = (known(index), known(index - lag)) else { continue };
        if size(index) <= 0.0 {
            continue;
        }
        let log = |value: f64| value.max(FLOOR * size(index)).ln();
        // At the end of a history there is nothing a season after.
        let beside = match known(index + lag) {
            Some(after) => vec![(index - lag, before), (index + lag, after)],
            None if index + lag >= end => vec![(index - lag, before)],
            None => continue,
        };
        let share = 1.0 / beside.len() as f64;
        write_terms(terms, readings, set, series, index, &mut row);
        let (mut around, mut log_around) = (0.0, 0.0);
        for (index, value) in beside {
            write_terms(terms, readings, set, series, index, &mut other);
            row.iter_mut().zip(&other).for_each(|(term, other)| *term -= share * other);
            around += share * value;
            log_around += share * log(value);
        }
        times.push(index);
        all.extend_from_slice(&row);
        points.push(Point { value, size: size(index), around, log: log(value), log_around });
    }
    (times, all, points)
}

/// One step in `every`, in no rhythm that a season could have.
fn is_picked(series: usize, index: i64, every: u64) -> bool {
    let mixed =
        (index as u64).wrapping_add((series as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 33).is_multiple_of(every)
}
