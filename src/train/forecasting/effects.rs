//! What covariates add to series: a ridge regression of seasonal differences, so that neither level nor
//! season has to be modelled with it.
//!
//! A value less the mean of its like a season before and after is explained by the same difference of the
//! covariates. Whether effects add up or multiply, how strongly they are held small, which columns stay and
//! whether series have effects of their own is decided by cross-validation over blocks of time; what helps by
//! no more than noise is left out. Values at or after the ends of the histories are not looked at.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::effect_rows::{BLOCKS, FOLDS, Rows, fold};
use super::effect_terms::terms;
use super::normal::{cholesky, substitute};
use crate::data::SeriesSet;
use crate::error::Result;
use crate::model::forecasting::effects::{EFFECTS, Form};
use crate::model::forecasting::{EffectSpec, Readings};

/// Precisions of the prior of a coefficient, where an error has a variance of one.
const STRENGTHS: [f64; 6] = [0.1, 1.0, 10.0, 100.0, 1e3, 1e4];
/// The same for how far a series' coefficients lie from those of all.
const OWN_STRENGTHS: [f64; 3] = [10.0, 100.0, 1000.0];
/// The strength under which errors are weighed.
const USUAL: f64 = 10.0;
/// Rounds of weighing errors, and the size in standard deviations from which on they count less.
const ROUNDS: usize = 2;
const LARGE: f64 = 1.5;
/// Fewer differences than this teach nothing.
const LEAST_ROWS: usize = 40;
/// By how many of its standard errors a gain has to be above zero: for a column among others, and for
/// effects at all.
const COLUMN_GAIN: f64 = 0.5;
const LEAST_GAIN: f64 = 1.0;
/// Numbers that the equations of each series may take, and operations to solve them.
const OWN_NUMBERS: usize = 20_000_000;
const OWN_WORK: usize = 10_000_000_000;

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub spec: EffectSpec,
    pub weights: BTreeMap<String, Tensor>,
    /// The columns that stay, and those that don't.
    pub used: Vec<String>,
    pub left_out: Vec<String>,
}

/// The effects of the covariates on the series before their ends; none where there are none to be told
/// from noise. `lag` is the season that differences are taken over, `season` the model's.
pub(super) fn fit(
    set: &SeriesSet,
    ends: &[i64],
    readings: &Readings,
    lag: usize,
    season: usize,
) -> Result<Option<Fitted>> {
    let terms = terms(set, ends, readings);
    if terms.is_empty() {
        return Ok(None);
    }
    let rows = Rows::new(set, ends, readings, &terms, lag, season);
    if rows.len() < LEAST_ROWS {
        return Ok(None);
    }
    let mut forms = vec![Form::Sum];
    if rows.can_multiply {
        forms.push(Form::Product);
    }
    let all: Vec<usize> = (0..terms.len()).collect();
    let candidates = forms.into_iter().filter_map(|form| {
        let equations = Equations::new(&rows, form)?;
        let (strength, errors) = equations.strength(&all)?;
        Some((errors.total(), strength, equations))
    });
    let best = candidates.min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, strength, equations)) = best else { return Ok(None) };

    let columns: Vec<usize> = (0..readings.known.len()).collect();
    let of = |columns: &[usize]| -> Vec<usize> {
        (0..terms.len()).filter(|&at| columns.contains(&terms[at].column())).collect()
    };
    let Some(kept) = equations.eliminate(columns.clone(), strength, &of) else { return Ok(None) };
    let taken = of(&kept);
    let Some((strength, errors)) = equations.strength(&taken) else { return Ok(None) };
    if taken.is_empty() || gain(&equations.without(), &errors) < LEAST_GAIN {
        return Ok(None);
    }
    let Some(shared) = equations.solve(None, &taken, strength) else { return Ok(None) };
    let own = equations.own(&taken, strength, set.len(), &errors);
    let mut series = Vec::new();
    let mut coefficients = Vec::new();
    for (own, key) in own.into_iter().flatten().zip(&set.keys) {
        series.push(key.clone());
        coefficients.extend(own);
    }
    coefficients.extend(shared);
    let shape = (series.len() + 1, taken.len());
    let values: Vec<f32> = coefficients.into_iter().map(|value| value as f32).collect();
    let weights =
        BTreeMap::from([(EFFECTS.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?)]);
    let name = |&column: &usize| readings.known[column].column.clone();
    Ok(Some(Fitted {
        weights,
        used: kept.iter().map(name).collect(),
        left_out: columns.iter().filter(|column| !kept.contains(column)).map(name).collect(),
        spec: EffectSpec {
            form: equations.form,
            terms: taken.iter().map(|&at| terms[at].clone()).collect(),
            series,
            season,
            has_zeros: rows.has_zeros,
        },
    }))
}

/// Errors of rows that were not fitted on, summed up by block of time.
#[derive(Clone, Debug)]
struct Errors([f64; BLOCKS]);

impl Errors {
    fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// By how many of its standard errors the first errors are larger, blocks of time being what is drawn.
fn gain(before: &Errors, after: &Errors) -> f64 {
    let gains: Vec<f64> =
        before.0.iter().zip(&after.0).map(|(before, after)| before - after).collect();
    let total: f64 = gains.iter().sum();
    let mean = total / BLOCKS as f64;
    let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
    let error = (squares * BLOCKS as f64 / (BLOCKS - 1) as f64).sqrt();
    if error > 0.0 { total / error } else { 0.0 }
}

/// The normal equations of one form, by fold of time.
struct Equations<'a> {
    rows: &'a Rows,
    form: Form,
    /// By how much each row counts.
    weights: Vec<f64>,
    folds: Vec<Sums>,
}

/// Sums of products of all terms with each other, and with the target.
#[derive(Clone, Debug)]
struct Sums {
    gram: Vec<f64>,
    cross: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { gram: vec![0.0; width * width], cross: vec![0.0; width] }
    }

    fn push(&mut self, row: &[f64], target: f64, weight: f64) {
        let width = row.len();
        for (at, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let scaled = value * weight;
            self.cross[at] += scaled * target;
            let sums = &mut self.gram[at * width..][..width];
            sums.iter_mut().zip(row).for_each(|(sum, other)| *sum += scaled * other);
        }
    }

    fn add(&mut self, other: &Self) {
        self.gram.iter_mut().zip(&other.gram).for_each(|(sum, value)| *sum += value);
        self.cross.iter_mut().zip(&other.cross).for_each(|(sum, value)| *sum += value);
    }

    /// The coefficients of these terms that fit best, held near `prior`.
    fn solve(&self, taken: &[usize], strength: f64, prior: Option<&[f64]>) -> Option<Vec<f64>> {
        let (all, width) = (self.cross.len(), taken.len());
        let gram = |row: usize, column: usize| self.gram[taken[row] * all + taken[column]];
        let mut factor = vec![0.0; width * width];
        let mut right: Vec<f64> = taken.iter().map(|&at| self.cross[at]).collect();
        for row in 0..width {
            for column in 0..width {
                factor[row * width + column] = gram(row, column);
                if let Some(prior) = prior {
                    right[row] -= gram(row, column) * prior[column];
                }
            }
            factor[row * width + row] += strength;
        }
        cholesky(&mut factor, width)?;
        substitute(&factor, width, &mut right, 1);
        if let Some(prior) = prior {
            right.iter_mut().zip(prior).for_each(|(value, prior)| *value += prior);
        }
        right.iter().all(|value| value.is_finite()).then_some(right)
    }
}

impl<'a> Equations<'a> {
    /// None where the differences don't vary.
    fn new(rows: &'a Rows, form: Form) -> Option<Self> {
        let spreads = rows.spreads(form)?;
        let fixed: Vec<f64> = rows.series.iter().map(|&series| spreads[series].powi(-2)).collect();
        let mut equations = Self { rows, form, weights: fixed.clone(), folds: Vec::new() };
        equations.gather();
        let all: Vec<usize> = (0..rows.width).collect();
        for _ in 0..ROUNDS {
            let solved = equations.solve(None, &all, USUAL)?;
            let weigh = |(row, fixed): (usize, &f64)| {
                let said = dot(rows.terms(row), &solved);
                let size = (rows.target(form, row) - said).abs() * fixed.sqrt();
                if size > LARGE { fixed * LARGE / size } else { *fixed }
            };
            equations.weights = fixed.par_iter().enumerate().map(weigh).collect();
            equations.gather();
        }
        Some(equations)
    }

    fn gather(&mut self) {
        /// Rows that one thread adds up; their sums are added in order.
        const CHUNK: usize = 4096;
        let rows = self.rows;
        let starts: Vec<usize> = (0..rows.len()).step_by(CHUNK).collect();
        let chunk = |&start: &usize| {
            let mut folds = vec![Sums::new(rows.width); FOLDS];
            for row in start..rows.len().min(start + CHUNK) {
                let into = &mut folds[fold(rows.blocks[row])];
                into.push(rows.terms(row), rows.target(self.form, row), self.weights[row]);
            }
            folds
        };
        let parts: Vec<Vec<Sums>> = starts.par_iter().map(chunk).collect();
        let mut folds = vec![Sums::new(rows.width); FOLDS];
        for part in &parts {
            folds.iter_mut().zip(part).for_each(|(sums, part)| sums.add(part));
        }
        self.folds = folds;
    }

    /// All folds but one.
    fn but(&self, left_out: Option<usize>) -> Sums {
        let mut sums = Sums::new(self.rows.width);
        for (number, fold) in self.folds.iter().enumerate() {
            if Some(number) != left_out {
                sums.add(fold);
            }
        }
        sums
    }

    fn solve(&self, left_out: Option<usize>, taken: &[usize], strength: f64) -> Option<Vec<f64>> {
        self.but(left_out).solve(taken, strength, None)
    }

    /// The errors where every fold is forecast by coefficients of the others.
    fn errors(&self, said: impl Fn(usize) -> f64 + Sync) -> Errors {
        let errors: Vec<f64> = (0..self.rows.len())
            .into_par_iter()
            .map(|row| self.rows.error(self.form, row, said(row)))
            .collect();
        let mut blocks = [0.0; BLOCKS];
        errors.iter().zip(&self.rows.blocks).for_each(|(error, block)| blocks[*block] += error);
        Errors(blocks)
    }

    /// The errors without any effect.
    fn without(&self) -> Errors {
        self.errors(|_| 0.0)
    }

    fn validated(&self, taken: &[usize], strength: f64) -> Option<Errors> {
        let solved: Vec<Vec<f64>> = (0..FOLDS)
            .into_par_iter()
            .map(|fold| self.solve(Some(fold), taken, strength))
            .collect::<Option<_>>()?;
        Some(self.errors(|row| {
            let own = &solved[fold(self.rows.blocks[row])];
            let terms = self.rows.terms(row);
            taken.iter().zip(own).map(|(&at, weight)| terms[at] * weight).sum()
        }))
    }

    /// The strength that these terms do best with.
    fn strength(&self, taken: &[usize]) -> Option<(f64, Errors)> {
        STRENGTHS
            .iter()
            .filter_map(|&strength| Some((strength, self.validated(taken, strength)?)))
            .min_by(|a, b| a.1.total().total_cmp(&b.1.total()))
    }

    /// The columns without any of which errors grow by more than noise.
    fn eliminate(
        &self,
        mut columns: Vec<usize>,
        strength: f64,
        of: &impl Fn(&[usize]) -> Vec<usize>,
    ) -> Option<Vec<usize>> {
        let mut errors = self.validated(&of(&columns), strength)?;
        while !columns.is_empty() {
            let mut least: Option<(f64, usize, Errors)> = None;
            for at in 0..columns.len() {
                let mut fewer = columns.clone();
                fewer.remove(at);
                let other = self.validated(&of(&fewer), strength)?;
                let gain = gain(&other, &errors);
                if least.as_ref().is_none_or(|(least, ..)| gain < *least) {
                    least = Some((gain, at, other));
                }
            }
            match least {
                Some((gain, at, other)) if gain < COLUMN_GAIN => {
                    columns.remove(at);
                    errors = other;
                }
                _ => break,
            }
        }
        Some(columns)
    }

    /// Each series' own coefficients, held near those of all; none where that helps by no more than noise.
    fn own(
        &self,
        taken: &[usize],
        strength: f64,
        series: usize,
        shared: &Errors,
    ) -> Option<Vec<Vec<f64>>> {
        let width = taken.len();
        let tries = OWN_STRENGTHS.len() + 1;
        if series < 2
            || series * FOLDS * width * width > OWN_NUMBERS
            || series * FOLDS * tries * width.pow(3) / 3 > OWN_WORK
        {
            return None;
        }
        let mut by_series: Vec<Vec<usize>> = vec![Vec::new(); series];
        for (row, &series) in self.rows.series.iter().enumerate() {
            by_series[series].push(row);
        }
        let prior: Vec<Vec<f64>> = (0..FOLDS)
            .map(|fold| self.solve(Some(fold), taken, strength))
            .collect::<Option<_>>()?;
        let picked = |row: usize| {
            let terms = self.rows.terms(row);
            taken.iter().map(|&at| terms[at]).collect::<Vec<f64>>()
        };
        let sums = |rows: &[usize], left_out: Option<usize>| {
            let mut sums = Sums::new(width);
            for &row in rows.iter().filter(|&&row| Some(fold(self.rows.blocks[row])) != left_out) {
                sums.push(&picked(row), self.rows.target(self.form, row), self.weights[row]);
            }
            sums
        };
        let each: Vec<usize> = (0..width).collect();
        // What each strength says of each row, by series.
        let said: Vec<Vec<(usize, [f64; OWN_STRENGTHS.len()])>> = by_series
            .par_iter()
            .map(|rows| {
                let solved: Option<Vec<Vec<Vec<f64>>>> = (0..FOLDS)
                    .map(|fold| {
                        let sums = sums(rows, Some(fold));
                        let solve = |own: &f64| sums.solve(&each, *own, Some(&prior[fold]));
                        OWN_STRENGTHS.iter().map(solve).collect()
                    })
                    .collect();
                let solved = solved?;
                let say = |&row: &usize| {
                    let (terms, own) = (picked(row), &solved[fold(self.rows.blocks[row])]);
                    (row, std::array::from_fn(|at| dot(&terms, &own[at])))
                };
                Some(rows.iter().map(say).collect())
            })
            .collect::<Option<_>>()?;
        let mut answers = vec![[0.0; OWN_STRENGTHS.len()]; self.rows.len()];
        said.into_iter().flatten().for_each(|(row, said)| answers[row] = said);
        let best = (0..OWN_STRENGTHS.len())
            .map(|at| (at, self.errors(|row| answers[row][at])))
            .min_by(|a, b| a.1.total().total_cmp(&b.1.total()))
            .filter(|(_, errors)| gain(shared, errors) >= LEAST_GAIN)?;
        let prior = self.solve(None, taken, strength)?;
        let solve =
            |rows: &Vec<usize>| sums(rows, None).solve(&each, OWN_STRENGTHS[best.0], Some(&prior));
        by_series.par_iter().map(solve).collect()
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
