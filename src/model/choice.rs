//! What a model was put together from: its members, by how much each counts, and what they are worth.

use serde::{Deserialize, Serialize};

/// How the parts of a run became one model, judged on validation data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// The metric that decided: a loss, of which less is better, or `ndcg`.
    pub metric: String,
    /// What the whole model reaches.
    pub value: f64,
    /// In the order of training; those that count for nothing too.
    pub members: Vec<Chosen>,
    /// What the model is compared with, by name.
    pub baselines: Vec<(String, f64)>,
}

/// One trained part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chosen {
    pub part: String,
    /// The estimator.
    pub kind: String,
    /// Its share of the answer; all shares add up to one.
    pub weight: f64,
    /// What it reaches alone.
    pub value: f64,
}

impl Choice {
    /// The baseline that is better than the model, where there is one.
    pub(crate) fn lost_to(&self) -> Option<&(String, f64)> {
        let sign = if self.metric == "ndcg" { -1.0 } else { 1.0 };
        let better = self.baselines.iter().filter(|(_, value)| sign * value < sign * self.value);
        better.min_by(|one, other| (sign * one.1).total_cmp(&(sign * other.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_the_better_baselines_is_told() {
        let baselines = vec![("prior".to_owned(), 0.5), ("logistic_regression".to_owned(), 0.3)];
        let choice = |value| Choice {
            metric: "logloss".into(),
            value,
            members: vec![],
            baselines: baselines.clone(),
        };
        assert_eq!(choice(0.2).lost_to(), None);
        assert_eq!(choice(0.4).lost_to(), Some(&baselines[1]));
        assert_eq!(choice(0.6).lost_to(), Some(&baselines[1]));
        let higher = |value| Choice { metric: "ndcg".into(), ..choice(value) };
        assert_eq!(higher(0.6).lost_to(), None);
        assert_eq!(higher(0.2).lost_to(), Some(&baselines[0]));
    }
}
