//! What boosting is told: how trees grow, how much each counts, what is drawn by lot.
//!
//! Defaults and meanings are those of LightGBM, under names that say what they are.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What each tree's answer is multiplied by.
    pub learning_rate: f64,
    /// The most leaves of a tree.
    pub leaves: usize,
    /// The most splits between the root and a leaf.
    pub depth: Option<usize>,
    /// The fewest rows of a leaf, as estimated from its share of its parent's curvature.
    pub min_rows_per_leaf: usize,
    /// The least sum of second derivatives of a leaf.
    pub min_curvature_per_leaf: f64,
    /// What a split has to gain.
    pub min_gain: f64,
    pub l1: f64,
    pub l2: f64,
    /// The share of features that each tree may use.
    pub feature_fraction: f64,
    /// The share of rows that each tree is grown on, drawn without replacement.
    pub row_fraction: f64,
    /// The most bins of a feature, the one for missing values apart; at most 255.
    pub bins: usize,
    /// The fewest training rows of a bin.
    pub min_rows_per_bin: usize,
    pub categories: CategorySettings,
}

/// How categories are split (LightGBM, "Optimal Split for Categorical Features").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CategorySettings {
    /// Features of at most so many bins are split one category against the rest.
    pub one_against_rest_up_to: usize,
    /// The most categories on the smaller side of a split.
    pub most_per_split: usize,
    /// Rows' worth of curvature that each category is thought to have more than it has; those of fewer rows are
    /// not looked at.
    pub smoothing: f64,
    /// Added to `l2` in splits by sets of categories.
    pub l2: f64,
    /// Between two candidate splits lie at least so many rows.
    pub min_rows_per_group: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            leaves: 31,
            depth: None,
            min_rows_per_leaf: 20,
            min_curvature_per_leaf: 1e-3,
            min_gain: 0.0,
            l1: 0.0,
            l2: 0.0,
            feature_fraction: 1.0,
            row_fraction: 1.0,
            bins: 255,
            min_rows_per_bin: 3,
            categories: CategorySettings::default(),
        }
    }
}

impl Default for CategorySettings {
    fn default() -> Self {
        Self {
            one_against_rest_up_to: 4,
            most_per_split: 32,
            smoothing: 10.0,
            l2: 10.0,
            min_rows_per_group: 100,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        let number = |name: &str, value: f64, fine: bool, range: &str| {
            if fine {
                Ok(())
            } else {
                Err(Error::user(format!(
                    "`{name}` of a tree model is {value}, which is not {range}"
                )))
            }
        };
        let rate = self.learning_rate;
        number("learning_rate", rate, rate > 0.0 && rate.is_finite(), "above 0")?;
        number("leaves", self.leaves as f64, (2..=1 << 16).contains(&self.leaves), "2 to 65536")?;
        let depth = self.depth.unwrap_or(1);
        number("depth", depth as f64, depth > 0, "1 or more")?;
        let rows = self.min_rows_per_leaf;
        number("min_rows_per_leaf", rows as f64, rows > 0, "1 or more")?;
        number("bins", self.bins as f64, (2..=255).contains(&self.bins), "2 to 255")?;
        let (features, rows) = (self.feature_fraction, self.row_fraction);
        number("feature_fraction", features, features > 0.0 && features <= 1.0, "in (0, 1]")?;
        number("row_fraction", rows, rows > 0.0 && rows <= 1.0, "in (0, 1]")?;
        for (name, value) in [
            ("min_curvature_per_leaf", self.min_curvature_per_leaf),
            ("min_gain", self.min_gain),
            ("l1", self.l1),
            ("l2", self.l2),
            ("categories.smoothing", self.categories.smoothing),
            ("categories.l2", self.categories.l2),
        ] {
            number(name, value, value >= 0.0 && value.is_finite(), "0 or more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        assert!(Settings::default().check().is_ok());
        let settings = Settings { row_fraction: 0.0, ..Settings::default() };
        let error = settings.check().unwrap_err();
        assert_eq!(error.message(), "`row_fraction` of a tree model is 0, which is not in (0, 1]");
        let settings = Settings { l2: f64::NAN, ..Settings::default() };
        assert!(settings.check().is_err());
    }
}
