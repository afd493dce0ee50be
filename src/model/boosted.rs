//! Boosted trees over a model's features: raw numbers and codes by column, and how the trees are stored.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::error::{Error, Result, closest};
use crate::model::ModelSettings;
use crate::model::features::{Inputs, MISSING_CODE};
use crate::trees::{Column, MISSING, Model, Settings};

/// Where the trees are among a model's weights: their JSON text, a byte a value.
pub(crate) const TREES: &str = "trees";

/// Rows as trees read them: numbers as they are, then codes.
#[derive(Debug)]
pub(crate) struct Columns {
    numbers: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
}

impl Columns {
    pub(crate) fn new(inputs: &Inputs) -> Self {
        let (number_width, code_width) = inputs.widths();
        let number = |at: usize| {
            (0..inputs.rows).map(|row| f64::from(inputs.numbers(row)[at])).collect::<Vec<f64>>()
        };
        let code = |at: usize| {
            let codes = (0..inputs.rows).map(|row| inputs.codes(row)[at]);
            codes.map(|code| if code == MISSING_CODE { MISSING } else { code }).collect()
        };
        Self {
            numbers: (0..number_width).map(number).collect(),
            codes: (0..code_width).map(code).collect(),
        }
    }

    pub(crate) fn as_columns(&self) -> Vec<Column<'_>> {
        let numbers = self.numbers.iter().map(|values| Column::Numbers(values));
        numbers.chain(self.codes.iter().map(|codes| Column::Codes(codes))).collect()
    }
}

/// A class's chance a column, row by row; trees for two classes give that of the second alone.
pub(crate) fn probabilities(answers: Vec<f64>, classes: usize) -> Vec<f64> {
    if classes != 2 {
        return answers;
    }
    answers.into_iter().flat_map(|second| [1.0 - second, second]).collect()
}

pub(crate) fn to_tensor(model: &Model) -> Result<Tensor> {
    let text = serde_json::to_vec(model)
        .map_err(|error| Error::bug(format!("trees are no JSON: {error}")))?;
    let length = text.len();
    Ok(Tensor::from_vec(text, length, &Device::Cpu)?)
}

/// The trees among these weights; absent or damaged ones are an error.
pub(crate) fn from_weights(weights: &BTreeMap<String, Tensor>) -> Result<Model> {
    let tensor = weights
        .get(TREES)
        .ok_or_else(|| Error::user(format!("the model's weights lack `{TREES}`")))?;
    let text: Vec<u8> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::user(format!("the model's trees cannot be read: {error}")))
}

const KEYS: [&str; 12] = [
    "learning_rate",
    "leaves",
    "depth",
    "min_rows_per_leaf",
    "min_curvature_per_leaf",
    "min_gain",
    "l1",
    "l2",
    "feature_fraction",
    "row_fraction",
    "bins",
    "min_rows_per_bin",
];

/// The settings of `trees` under `[model]`; a key that the estimator does not have is an error.
pub(crate) fn settings(model: &ModelSettings) -> Result<Settings> {
    let known = |key: &str| KEYS.contains(&key) || key == "categories";
    if let Some(key) = model.settings.keys().find(|key| !known(key)) {
        let error = Error::user(format!("there is no setting `model.{key}`"));
        return Err(match closest(key, KEYS) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("trees have: {}, categories", KEYS.join(", "))),
        });
    }
    let settings: Settings =
        model.settings.clone().try_into().map_err(|error: toml::de::Error| {
            Error::user(format!("under [model]: {}", error.message().trim()))
                .hint("what trees can be told is in docs/estimators.md")
        })?;
    settings.check()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let read = |text: &str| settings(&toml::from_str(text).unwrap());
        assert_eq!(read("kind = 'trees'\nleaves = 15").unwrap().leaves, 15);
        assert_eq!(read("l2 = 1").unwrap().l2, 1.0);
        assert_eq!(read("categories = { smoothing = 5 }").unwrap().categories.smoothing, 5.0);
        let error = read("leafs = 15").unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `leaves`?"));
        assert!(read("leaves = 1").is_err());
        assert!(read("leaves = 'many'").is_err());
        assert!(read("categories = { smooth = 5 }").is_err());
    }
}
