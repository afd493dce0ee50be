//! Gates: the rules of `[gates.ENV]`, and what they say of the metrics that an evaluation saw.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules of one environment, by metric. `"auc@country"` will name a slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Gate(pub BTreeMap<String, Rule>);

/// What a metric must satisfy; every key that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// An environment whose live version this one must not fall behind on the same data.
    pub no_worse_than: Option<String>,
    /// How far behind is still no worse, in the metric's unit. Default 0.
    pub by: Option<f64>,
}
