//! The `[model]` table of `mlx.toml`: which estimator, and its own settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which estimator to train. Each estimator reads its own keys; a key that it does not have is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ModelSettings {
    /// The estimator: `auto` trains the sensible few and blends them on validation. Classification has `linear`, `trees`, `mlp`, `tabm`, `resnet` and `realmlp`, forecasting `naive`, `seasonal-naive`, `theta`, `ets`, `seasonal-regression`, `ridge`, `linear`, `nlinear`, `dlinear`, `nhits` and `patchtst`, ranking `mlp`, `attention`, `trees` and `linear`; docs/estimators.md says what each reads.
    pub kind: String,
    /// The settings of the estimator, under their own names.
    #[serde(flatten)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub settings: toml::Table,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { kind: "auto".into(), settings: toml::Table::new() }
    }
}
