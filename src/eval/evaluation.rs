//! What an evaluation found: every metric of the task beside each baseline's, and the uplift.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Task;
use crate::error::{Error, Result, closest};
use crate::metrics::Direction;

/// A model's metrics on one set of rows.
///
/// Intervals and slices will be further fields of this and of [`MetricResult`]; the digests of what
/// was evaluated belong to whoever signs the evaluation, not to the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub task: Task,
    /// Rows, or for forecasting targets, that the metrics are of.
    pub rows: usize,
    /// Queries or series that they belong to.
    pub groups: Option<usize>,
    /// Targets that are missing and so left out.
    pub skipped: usize,
    /// In the order that the model gives them.
    pub baselines: Vec<String>,
    /// The first is the main one.
    pub metrics: Vec<MetricResult>,
    /// Whether the main metric is defined, and better than every baseline's.
    pub beats_baselines: bool,
    pub notices: Vec<String>,
}

/// One metric of a model and of its baselines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricResult {
    pub name: String,
    /// `None` where the metric is undefined on these rows, such as AUC with one class.
    pub value: Option<f64>,
    pub better: Direction,
    pub baselines: BTreeMap<String, Option<f64>>,
    pub best_baseline: Option<String>,
    /// How much better than the best baseline, as a share of that baseline's value (for a metric
    /// with a target, of its distance from it); below zero it is worse.
    pub uplift: Option<f64>,
}

/// What one predictor measured: metrics by name, in the order to show them.
pub(crate) type Measures = Vec<(&'static str, Option<f64>)>;

impl Evaluation {
    pub(crate) fn new(
        task: Task,
        rows: usize,
        ours: Measures,
        theirs: &[(String, Measures)],
    ) -> Self {
        let metrics: Vec<_> =
            ours.into_iter().map(|(name, value)| MetricResult::new(name, value, theirs)).collect();
        let mut evaluation = Self {
            task,
            rows,
            groups: None,
            skipped: 0,
            baselines: theirs.iter().map(|(name, _)| name.clone()).collect(),
            beats_baselines: false,
            metrics,
            notices: Vec::new(),
        };
        evaluation.judge();
        evaluation
    }

    /// Put these metrics first, in this order; the first of them becomes the main one.
    pub(crate) fn lead_with(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            if self.metric(name).is_none() {
                let known: Vec<_> =
                    self.metrics.iter().map(|metric| metric.name.as_str()).collect();
                let error = Error::user(format!(
                    "`eval.metrics` names `{name}`, which {} does not have",
                    self.task.name()
                ));
                return Err(match closest(name, known.iter().copied()) {
                    Some(close) => error.hint(format!("did you mean `{close}`?")),
                    None => error.hint(format!("there are: {}", known.join(", "))),
                });
            }
        }
        let place = |metric: &MetricResult| {
            names.iter().position(|name| *name == metric.name).unwrap_or(names.len())
        };
        self.metrics.sort_by_key(place);
        self.judge();
        Ok(())
    }

    pub(crate) fn metric(&self, name: &str) -> Option<&MetricResult> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    fn judge(&mut self) {
        self.beats_baselines = self.metrics.first().is_some_and(MetricResult::beats_baselines);
    }
}

impl MetricResult {
    fn new(name: &str, value: Option<f64>, theirs: &[(String, Measures)]) -> Self {
        let better = Direction::of(name);
        let of = |measures: &Measures| measures.iter().find(|(known, _)| *known == name)?.1;
        let baselines: BTreeMap<_, _> =
            theirs.iter().map(|(name, measures)| (name.clone(), of(measures))).collect();
        let best = theirs
            .iter()
            .filter_map(|(name, measures)| Some((name, of(measures)?)))
            .min_by(|a, b| better.loss(a.1).total_cmp(&better.loss(b.1)));
        let uplift = match (value, best) {
            (Some(value), Some((_, best))) => {
                let gained = better.behind(best, value);
                Some(gained / better.loss(best).abs()).filter(|uplift| uplift.is_finite())
            }
            _ => None,
        };
        Self {
            name: name.to_owned(),
            value,
            better,
            best_baseline: best.map(|(name, _)| name.clone()),
            baselines,
            uplift,
        }
    }

    /// Better than each baseline for which the metric is defined.
    pub(crate) fn beats_baselines(&self) -> bool {
        self.value.is_some_and(|value| {
            let better = |theirs: &f64| self.better.loss(value) < self.better.loss(*theirs);
            self.baselines.values().flatten().all(better)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(ours: Measures, theirs: &[(&str, Measures)]) -> Evaluation {
        let theirs: Vec<_> =
            theirs.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect();
        Evaluation::new(Task::Classification, 10, ours, &theirs)
    }

    #[test]
    fn uplift_is_relative_to_the_best_baseline_and_positive_where_better() {
        let found = evaluation(
            vec![("auc", Some(0.9)), ("logloss", Some(0.5)), ("coverage_80", Some(0.7))],
            &[
                ("prior", vec![("auc", Some(0.5)), ("logloss", Some(0.6)), ("coverage_80", None)]),
                (
                    "logistic",
                    vec![("auc", Some(0.8)), ("logloss", Some(0.4)), ("coverage_80", Some(0.85))],
                ),
            ],
        );
        let uplift = |name: &str| found.metric(name).and_then(|metric| metric.uplift);
        assert!((uplift("auc").expect("defined") - 0.125).abs() < 1e-12);
        assert!((uplift("logloss").expect("defined") + 0.25).abs() < 1e-12);
        assert!((uplift("coverage_80").expect("defined") + 1.0).abs() < 1e-12);
        assert_eq!(found.metrics[0].best_baseline.as_deref(), Some("logistic"));
        assert!(found.beats_baselines);
    }

    #[test]
    fn a_main_metric_that_is_undefined_or_only_equal_beats_nothing() {
        let theirs = [("prior", vec![("auc", Some(0.5))])];
        assert!(!evaluation(vec![("auc", None)], &theirs).beats_baselines);
        assert!(!evaluation(vec![("auc", Some(0.5))], &theirs).beats_baselines);
        assert!(evaluation(vec![("auc", Some(0.51))], &theirs).beats_baselines);
    }

    #[test]
    fn the_project_says_which_metric_leads() {
        let theirs = [("prior", vec![("auc", Some(0.5)), ("logloss", Some(0.3))])];
        let mut found = evaluation(vec![("auc", Some(0.9)), ("logloss", Some(0.4))], &theirs);
        found.lead_with(&["logloss".into()]).expect("it is there");
        assert_eq!(found.metrics[0].name, "logloss");
        assert!(!found.beats_baselines);
        let error = found.lead_with(&["log_loss".into()]).expect_err("a typo");
        assert_eq!(error.hint_text(), Some("did you mean `logloss`?"));
    }
}
