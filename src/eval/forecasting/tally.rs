//! Metrics of forecasts that are looked at some at a time: all at once would be too many to hold.

use super::{Scored, Targets};
use crate::eval::evaluation::Measures;
use crate::metrics;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub rows: usize,
    /// Forecast steps within the test data whose target is missing.
    pub missing: usize,
    mae: Mean,
    squares: Mean,
    wql: Mean,
    coverage: Mean,
    /// By place among the targets.
    series: Vec<Own>,
}

/// What was seen of a series.
#[derive(Clone, Debug, Default)]
struct Own {
    rows: usize,
    mase: Mean,
    smape: Mean,
    /// In units of the series' own deviation.
    squares: Mean,
    absolute: Mean,
}

impl Tally {
    pub(super) fn new(targets: &[Targets]) -> Self {
        Self { series: vec![Own::default(); targets.len()], ..Self::default() }
    }

    pub(super) fn add(&mut self, scored: &Scored, targets: &[Targets]) {
        self.missing += scored.missing;
        if scored.rows == 0 {
            return;
        }
        self.rows += scored.rows;
        for series in &scored.series {
            let (own, target) = (&mut self.series[series.part], &targets[series.part]);
            let (actual, point) = (&series.actual, &series.point);
            let rows = actual.len() as f64;
            own.rows += actual.len();
            own.mase.add(target.scale.and_then(|scale| metrics::mase(actual, point, scale)), rows);
            own.smape.add(metrics::smape(actual, point), rows);
            let unit = |values: &[f64], deviation: f64| -> Vec<f64> {
                values.iter().map(|value| value / deviation).collect()
            };
            let scaled = |of: fn(&[f64], &[f64]) -> Option<f64>| {
                target.deviation.and_then(|own| of(&unit(actual, own), &unit(point, own)))
            };
            own.squares.add(scaled(metrics::rmse).map(|error| error.powi(2)), rows);
            own.absolute.add(scaled(metrics::mae), rows);
        }
        let together = |column: &dyn Fn(&super::ScoredSeries) -> &[f64]| -> Vec<f64> {
            scored.series.iter().flat_map(|series| column(series).iter().copied()).collect()
        };
        let actual = together(&|series| &series.actual);
        let point = together(&|series| &series.point);
        let quantiles: Vec<Vec<f64>> = (0..scored.levels.len())
            .map(|level| together(&|series| &series.quantiles[level]))
            .collect();
        let rows = scored.rows as f64;
        self.mae.add(metrics::mae(&actual, &point), rows);
        self.squares.add(metrics::rmse(&actual, &point).map(|error| error.powi(2)), rows);
        self.wql.add_share(metrics::quantile_loss(&actual, &scored.levels, &quantiles));
        let level =
            |wanted: f64| scored.levels.iter().position(|level| (level - wanted).abs() < 1e-9);
        let covered = match (level(0.1), level(0.9)) {
            (Some(low), Some(high)) => {
                metrics::coverage(&actual, &quantiles[low], &quantiles[high])
            }
            _ => None,
        };
        self.coverage.add(covered, rows);
    }

    /// The places of the series that have a forecast.
    pub(super) fn seen(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.series.len()).filter(|&place| self.series[place].rows > 0)
    }

    /// Scale-free errors are averaged over the series, the others taken over all targets at once.
    pub(super) fn measures(&self) -> Measures {
        let series = || self.seen().map(|place| &self.series[place]);
        let averaged = |of: fn(&Own) -> &Mean| {
            let values: Vec<f64> = series().filter_map(|own| of(own).value()).collect();
            metrics::mean(values)
        };
        // Over all targets; none where a series has no unit.
        let scaled = |of: fn(&Own) -> &Mean| {
            let mut all = Mean::default();
            series().for_each(|own| all.add(of(own).value(), own.rows as f64));
            all.value()
        };
        vec![
            ("mase", averaged(|own| &own.mase)),
            ("smape", averaged(|own| &own.smape)),
            ("mae", self.mae.value()),
            ("rmse", self.squares.value().map(f64::sqrt)),
            ("mse_scaled", scaled(|own| &own.squares)),
            ("mae_scaled", scaled(|own| &own.absolute)),
            ("wql", self.wql.value()),
            ("coverage_80", self.coverage.value()),
        ]
    }
}

/// A weighted mean of means; none as soon as one of those that count is none.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    weight: f64,
    unknown: bool,
}

impl Mean {
    fn add(&mut self, value: Option<f64>, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        match value {
            Some(value) => {
                self.sum += value * weight;
                self.weight += weight;
            }
            None => self.unknown = true,
        }
    }

    /// A sum and the weight that it is divided by, which may be nothing yet.
    fn add_share(&mut self, share: Option<(f64, f64)>) {
        match share.filter(|(sum, _)| sum.is_finite()) {
            Some((sum, weight)) => {
                self.sum += sum;
                self.weight += weight;
            }
            None => self.unknown = true,
        }
    }

    fn value(&self) -> Option<f64> {
        (!self.unknown && self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_counts_once_there_is_something() {
        let mut mean = Mean::default();
        mean.add_share(metrics::quantile_loss(&[0.0, 0.0], &[0.5], &[vec![1.0, 2.0]]));
        assert_eq!(mean.value(), None);
        mean.add_share(metrics::quantile_loss(&[4.0], &[0.5], &[vec![4.0]]));
        assert_eq!(mean.value(), metrics::wql(&[0.0, 0.0, 4.0], &[0.5], &[vec![1.0, 2.0, 4.0]]));
    }
}
