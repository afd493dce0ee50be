//! Every metric against scikit-learn and the independent scoring scripts, to 1e-9.
//!
//! `tests/reference/metrics.py` made the numbers and says how to make them again.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

const TOLERANCE: f64 = 1e-9;

/// By metric, and then by who said it.
type Said = BTreeMap<String, BTreeMap<String, f64>>;

#[derive(Deserialize)]
struct References {
    classification: Vec<Classification>,
    forecasting: Vec<Forecasting>,
    ranking: Vec<Ranking>,
}

#[derive(Deserialize)]
struct Classification {
    name: String,
    classes: usize,
    positive: Option<usize>,
    labels: Vec<usize>,
    probabilities: Vec<f64>,
    said: Said,
}

#[derive(Deserialize)]
struct Forecasting {
    name: String,
    season: usize,
    levels: Vec<f64>,
    series: Vec<Series>,
    said: Said,
}

#[derive(Deserialize)]
struct Series {
    history: Vec<f64>,
    actual: Vec<f64>,
    point: Vec<f64>,
    quantiles: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Ranking {
    name: String,
    relevance: Vec<f64>,
    scores: Vec<f64>,
    queries: Vec<u32>,
    said: Said,
}

fn references() -> References {
    serde_json::from_str(include_str!("../../tests/reference/metrics.json")).expect("JSON")
}

fn compare(case: &str, said: &Said, ours: impl Fn(&str) -> Option<f64>) {
    assert!(!said.is_empty());
    for (metric, by) in said {
        let ours = ours(metric).unwrap_or_else(|| panic!("{case}: `{metric}` is undefined"));
        for (who, theirs) in by {
            assert!(
                (ours - theirs).abs() <= TOLERANCE,
                "{case}: `{metric}` is {ours}, and {theirs} by {who}"
            );
        }
    }
}

#[test]
fn classification() {
    for case in references().classification {
        let Classification { name, classes, positive, labels, probabilities, said } = case;
        let top = top_classes(&probabilities, classes);
        let is_positive: Vec<bool> = labels.iter().map(|label| Some(*label) == positive).collect();
        let scores: Vec<f64> = positive.map_or(vec![], |positive| {
            probabilities.chunks_exact(classes).map(|row| row[positive]).collect()
        });
        compare(&name, &said, |metric| match metric {
            "auc" if positive.is_some() => auc(&is_positive, &scores),
            "auc" => macro_auc(&labels, &probabilities, classes),
            "average_precision" => average_precision(&is_positive, &scores),
            "logloss" => log_loss(&labels, &probabilities, classes),
            "brier" => brier(&labels, &probabilities, classes),
            "ece" => ece(&labels, &probabilities, classes),
            "accuracy" => accuracy(&labels, &top),
            "balanced_accuracy" => balanced_accuracy(&labels, &top, classes),
            "macro_f1" => macro_f1(&labels, &top, classes),
            _ => None,
        });
    }
}

#[test]
fn forecasting() {
    for case in references().forecasting {
        let Forecasting { name, season, levels, series, said } = case;
        let all = |of: fn(&Series) -> &Vec<f64>| -> Vec<f64> {
            series.iter().flat_map(|series| of(series).clone()).collect()
        };
        let level = |at: usize| -> Vec<f64> {
            series.iter().flat_map(|series| series.quantiles[at].clone()).collect()
        };
        let (actual, point) = (all(|series| &series.actual), all(|series| &series.point));
        let quantiles: Vec<_> = (0..levels.len()).map(level).collect();
        let averaged = |of: &dyn Fn(&Series) -> Option<f64>| mean(series.iter().filter_map(of));
        compare(&name, &said, |metric| match metric {
            "mae" => mae(&actual, &point),
            "rmse" => rmse(&actual, &point),
            "smape" => averaged(&|series| smape(&series.actual, &series.point)),
            "mase" => averaged(&|series| {
                mase(&series.actual, &series.point, mase_scale(&series.history, season)?)
            }),
            "wql" => wql(&actual, &levels, &quantiles),
            "coverage_80" => coverage(&actual, &quantiles[0], &quantiles[2]),
            _ => None,
        });
    }
}

#[test]
fn ranking() {
    for case in references().ranking {
        let Ranking { name, relevance, scores, queries, said } = case;
        let ranked = ranked_queries(&relevance, &scores, &queries).expect("numbers");
        compare(&name, &said, |metric| match metric {
            "map" => map(&ranked),
            "mrr" => mrr(&ranked),
            _ => ndcg(&ranked, metric.strip_prefix("ndcg@")?.parse().ok()?),
        });
    }
}

#[test]
fn nothing_is_undefined() {
    assert_eq!(accuracy(&[], &[]), None);
    assert_eq!(balanced_accuracy(&[], &[], 2), None);
    assert_eq!(macro_f1(&[], &[], 2), None);
    assert_eq!(mae(&[], &[]), None);
    assert_eq!(rmse(&[], &[]), None);
    assert_eq!(mae(&[1.0], &[f64::NAN]), None);
    assert_eq!(rmse(&[1.0], &[f64::NAN]), None);
    assert_eq!(ndcg(&[], 1), None);
    assert_eq!(map(&[]), None);
    assert_eq!(mrr(&[]), None);
}
