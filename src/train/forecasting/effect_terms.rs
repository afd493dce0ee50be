//! The inputs of the regression on covariates: curves of numbers, and a term for each name but the usual one.

use std::collections::BTreeMap;

use crate::data::SeriesSet;
use crate::model::forecasting::Readings;
use crate::model::forecasting::effects::EffectTerm;

/// Names of a column that have a term of their own, the most frequent ones.
const MOST_NAMES: usize = 60;
/// Numbers with more distinct values than this are curves, not lines.
const FEW_VALUES: usize = 10;
/// Where a curve may bend.
const KNOTS: [f64; 3] = [0.25, 0.5, 0.75];
/// From this ratio between large and small values on, shares count and not differences.
const WIDE: f64 = 3.0;
/// Values that a number's terms are made from, at most.
const VALUES: usize = 200_000;

/// The terms of all columns of known future, from what is known before the ends.
pub(super) fn terms(set: &SeriesSet, ends: &[i64], readings: &Readings) -> Vec<EffectTerm> {
    let mut terms = Vec::new();
    for (column, reading) in readings.known.iter().enumerate() {
        let source = &set.covariates.known[column];
        let total: usize = source.values.iter().map(Vec::len).sum();
        let every = total.div_ceil(VALUES).max(1);
        let mut values = Vec::with_capacity(total / every + 1);
        let mut number = 0;
        for (series, &end) in ends.iter().enumerate() {
            let start = set.start[series];
            for index in start..end.min(start + source.values[series].len() as i64) {
                number += 1;
                if number % every == 0 && set.is_given(series, index) {
                    values.push(reading.read(source, set.known_at(column, series, index)));
                }
            }
        }
        if reading.names.is_some() {
            names(column, &values, &mut terms);
        } else {
            numbers(column, values, &mut terms);
        }
    }
    terms
}

fn names(column: usize, values: &[f64], terms: &mut Vec<EffectTerm>) {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(*value as u32).or_default() += 1;
    }
    let mut codes: Vec<(u32, usize)> = counts.into_iter().collect();
    // The most frequent name is what the others are told from.
    codes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let codes = codes.into_iter().skip(1).take(MOST_NAMES);
    terms.extend(codes.map(|(code, _)| EffectTerm::Name { column, code }));
}

fn numbers(column: usize, values: Vec<f64>, terms: &mut Vec<EffectTerm>) {
    let total = values.len();
    let mut seen: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    seen.sort_by(f64::total_cmp);
    if !seen.is_empty() && seen.len() < total {
        terms.push(EffectTerm::Missing { column });
    }
    let (Some(&low), Some(&high)) = (seen.first(), seen.last()) else { return };
    if low == high {
        return;
    }
    let at = |level: f64, sorted: &[f64]| sorted[(level * (sorted.len() - 1) as f64) as usize];
    let log = low > 0.0 && at(0.95, &seen) > WIDE * at(0.05, &seen);
    if log {
        for value in &mut seen {
            *value = value.ln();
        }
    }
    let count = seen.len() as f64;
    let mean = seen.iter().sum::<f64>() / count;
    let scale = (seen.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let (low, high) = (seen[0], seen[seen.len() - 1]);
    let range = [low - (high - low), high + (high - low)];
    let term = |centre: f64, is_hinge: bool| EffectTerm::Number {
        column,
        log,
        centre,
        scale,
        is_hinge,
        range,
    };
    terms.push(term(mean, false));
    let mut distinct = seen.clone();
    distinct.dedup();
    if distinct.len() > FEW_VALUES {
        let mut knots = KNOTS.map(|level| at(level, &seen)).to_vec();
        knots.dedup();
        terms.extend(
            knots
                .into_iter()
                .filter(|knot| (low..high).contains(knot))
                .map(|knot| term(knot, true)),
        );
    }
}
