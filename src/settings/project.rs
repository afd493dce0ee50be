//! `mlx.toml`: what a project is. Written by hand, and never by mlx once it exists.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Task};
use crate::eval::EvalSettings;
use crate::model::ModelSettings;
use crate::registry::{Gate, ModelName};
use crate::train::TrainSettings;

/// The version of the format of `mlx.toml` that this mlx writes, and the latest that it reads.
pub(crate) const SCHEMA: u32 = 1;

/// The whole of `mlx.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectSettings {
    pub project: ProjectTable,
    #[serde(default)]
    pub data: DataSettings,
    /// What a column is, where inference of types gets it wrong.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnKind>,
    #[serde(default)]
    pub model: ModelSettings,
    #[serde(default)]
    pub train: TrainSettings,
    #[serde(default)]
    pub package: PackageTable,
    #[serde(default)]
    pub eval: EvalSettings,
    /// What `mlx promote` checks, by environment.
    #[serde(default)]
    pub gates: BTreeMap<String, Gate>,
    #[serde(default)]
    pub registry: RegistryTable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectTable {
    /// The name under which the model is registered.
    #[schemars(with = "String")]
    pub name: ModelName,
    pub task: Task,
    /// Who answers for the model.
    #[serde(default)]
    pub owner: Option<String>,
    /// Tells this project from another of the same name; made by `mlx new`.
    #[serde(default)]
    pub id: Option<String>,
    /// The version of this file's format.
    #[serde(default = "newest")]
    pub schema: u32,
}

fn newest() -> u32 {
    SCHEMA
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RegistryTable {
    /// The registry's address. Absent: the embedded one.
    pub url: Option<String>,
}

/// What a run's package holds besides the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PackageTable {
    /// Keep a few rows of the training data, with what the model answers to them, for `mlx rollback`
    /// and `mlx promote` to check. `false` where rows of the data must not travel with the model.
    pub example: bool,
}

impl Default for PackageTable {
    fn default() -> Self {
        Self { example: true }
    }
}
