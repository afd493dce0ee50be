//! What a project says about its data: the `[data]` and `[columns]` tables of `mlx.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Task {
    Classification,
    Forecasting,
    Ranking,
}

impl Task {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Forecasting => "forecasting",
            Self::Ranking => "ranking",
        }
    }
}

/// What a column is. Inferred from its values, or said in `[columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnKind {
    Numeric,
    Categorical,
    Boolean,
    Timestamp,
    /// Free text: left out of the features, with a notice.
    Text,
    /// Names a row: carried to the predictions, never a feature.
    Id,
    /// Left out.
    Ignore,
}

impl ColumnKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Text => "text",
            Self::Id => "id",
            Self::Ignore => "ignore",
        }
    }

    /// Whether a column of this kind can be learned from.
    pub(crate) fn is_feature(self) -> bool {
        matches!(self, Self::Numeric | Self::Categorical | Self::Boolean | Self::Timestamp)
    }
}

/// The `[data]` table of `mlx.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DataSettings {
    /// The training file: csv, parquet, jsonl, arrow or svmlight; .gz and .zst are read; a glob may name several files.
    pub train: String,
    /// The test file. Absent: `split` holds rows of the training file out.
    pub test: Option<String>,
    /// The format, where the file's name does not say it: csv, parquet, jsonl, arrow, svmlight.
    pub format: Option<String>,
    /// Classification: read the rows again in every epoch instead of holding them in memory, for data that is larger.
    pub stream: bool,
    /// How rows are held out for validation and, without a test file, for testing.
    pub split: Split,
    /// The column to predict.
    pub target: String,
    /// Columns that name a row: carried to the predictions, never features.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub id: Vec<String>,
    /// Classification: the positive class of a two-class target. Default: the rarer.
    pub positive: Option<String>,

    /// Forecasting: the column of times, as timestamps or integers.
    pub time: Option<String>,
    /// Forecasting: the columns that name a series. Absent: the file is one series.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub series: Vec<String>,
    /// Forecasting: how many steps ahead.
    pub horizon: Option<usize>,
    /// Forecasting: the step between times, such as `D`, `h`, `15min`, `W`, `MS`. Absent: inferred.
    pub frequency: Option<String>,
    /// Forecasting: steps in one season, such as 24 for hourly data with a daily pattern. Absent: inferred.
    pub season: Option<usize>,
    /// Forecasting: `long` has one row a series and time, `wide` one column a series.
    pub layout: Layout,
    /// Forecasting: columns whose future is known when the forecast is made, such as promotions,
    /// holidays and prices: numbers, booleans or names.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub known_future: Vec<String>,
    /// Forecasting: static covariates, columns that stay the same within a series, such as the region
    /// of a shop: numbers, booleans or names.
    #[serde(rename = "static", deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub static_columns: Vec<String>,

    /// Ranking: the column that groups rows into one query's candidates.
    pub query: Option<String>,
    /// Ranking: the column of graded relevance, where it isn't `target`.
    pub relevance: Option<String>,

    /// CSV: the delimiter. Absent: the one that fits, of comma, semicolon, tab and bar.
    pub delimiter: Option<char>,
    /// CSV: the decimal sign.
    pub decimal: Option<char>,
    /// Texts that mean a missing value, besides the empty cell, `NA`, `N/A`, `NaN`, `null` and `None`.
    pub missing: Vec<String>,
    /// The zone of times written without one, as an offset such as `+02:00`; forecasts are written in it. Default: UTC.
    pub timezone: Option<String>,
    /// `03/04/2024` is the third of April. Default: March the fourth. Other ways to write a date need no help.
    pub day_first: bool,
}

impl DataSettings {
    /// The column to learn to say: the relevance of a ranking where it has a name of its own, else the target.
    pub(crate) fn label(&self) -> &str {
        self.relevance.as_deref().unwrap_or(&self.target)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    #[default]
    Long,
    Wide,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SplitKind {
    #[default]
    Random,
    /// The latest rows of `data.time` are held out.
    Time,
    /// Whole groups are held out.
    Group,
}

/// How rows are held out. Shares are of the rows that the split divides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Split {
    pub kind: SplitKind,
    /// The share held out for testing; unused where a test file is named.
    pub test: f64,
    /// The share held out for validation.
    pub valid: f64,
    /// `random`: keep the share of each class alike.
    pub stratify: bool,
    /// `group`: the column whose values stay together. Ranking: the query.
    pub group: Option<String>,
    /// `time`: the column that orders rows, where it isn't `data.time`.
    pub time: Option<String>,
    /// Which rows are drawn. Apart from `train.seed`, so that models of different seeds are tested
    /// on the same rows, which none of them has learned from.
    pub seed: u64,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            kind: SplitKind::Random,
            test: 0.2,
            valid: 0.1,
            stratify: true,
            group: None,
            time: None,
            seed: 7,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names,
    })
}
