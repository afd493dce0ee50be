//! Boosted trees over a model's features: raw numbers and codes by column, and how the trees are stored.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, WithDType};

use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::features::{Inputs, MISSING_CODE};
use crate::trees::{Column, Flat, MISSING, Model, Settings};

/// What the names of the trees' arrays begin with among a model's weights.
const TREES: &str = "trees";

/// Rows as trees read them: numbers as they are, then codes.
#[derive(Debug)]
pub(crate) struct Columns {
    rows: usize,
    numbers: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
}

impl Columns {
    pub(crate) fn new(inputs: &Inputs) -> Self {
        Self::of(inputs, &(0..inputs.rows).collect::<Vec<_>>())
    }

    /// Columns of numbers and of codes as trees have them, equally long.
    pub(crate) fn from_parts(numbers: Vec<Vec<f64>>, codes: Vec<Vec<u32>>) -> Self {
        let rows = numbers.first().map(Vec::len).or_else(|| codes.first().map(Vec::len));
        Self { rows: rows.unwrap_or(0), numbers, codes }
    }

    /// These rows, in this order.
    pub(crate) fn of(inputs: &Inputs, rows: &[usize]) -> Self {
        let (number_width, code_width) = inputs.widths();
        let number = |at: usize| {
            rows.iter().map(|&row| f64::from(inputs.numbers(row)[at])).collect::<Vec<f64>>()
        };
        let code = |at: usize| {
            let codes = rows.iter().map(|&row| inputs.codes(row)[at]);
            codes.map(|code| if code == MISSING_CODE { MISSING } else { code }).collect()
        };
        Self {
            rows: rows.len(),
            numbers: (0..number_width).map(number).collect(),
            codes: (0..code_width).map(code).collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
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

/// The trees as weights, a tensor an array.
pub(crate) fn to_weights(model: &Model) -> Result<BTreeMap<String, Tensor>> {
    fn tensor<T: WithDType>(values: Vec<T>) -> Result<Tensor> {
        let count = values.len();
        Ok(Tensor::from_vec(values, count, &Device::Cpu)?)
    }
    let flat = model.to_flat();
    let weights = [
        ("link", tensor(flat.link)?),
        ("start", tensor(flat.start)?),
        ("categorical", tensor(flat.categorical)?),
        ("bin_counts", tensor(flat.bin_counts)?),
        ("edges", tensor(flat.edges)?),
        ("codes", tensor(flat.codes)?),
        ("leaf_counts", tensor(flat.leaf_counts)?),
        ("features", tensor(flat.features)?),
        ("divided", tensor(flat.divided)?),
        ("rules", tensor(flat.rules)?),
        ("last", tensor(flat.last)?),
        ("sets", tensor(flat.sets)?),
        ("gains", tensor(flat.gains)?),
        ("answers", tensor(flat.answers)?),
    ];
    Ok(weights.into_iter().map(|(name, tensor)| (format!("{TREES}.{name}"), tensor)).collect())
}

/// The trees among these weights; absent or damaged ones are an error.
pub(crate) fn from_weights(weights: &BTreeMap<String, Tensor>) -> Result<Model> {
    let read = Read { weights };
    let flat = Flat {
        link: read.array("link")?,
        start: read.array("start")?,
        categorical: read.array("categorical")?,
        bin_counts: read.array("bin_counts")?,
        edges: read.array("edges")?,
        codes: read.array("codes")?,
        leaf_counts: read.array("leaf_counts")?,
        features: read.array("features")?,
        divided: read.array("divided")?,
        rules: read.array("rules")?,
        last: read.array("last")?,
        sets: read.array("sets")?,
        gains: read.array("gains")?,
        answers: read.array("answers")?,
    };
    Model::from_flat(&flat)
        .map_err(|reason| Error::user(format!("the model's trees are damaged: {reason}")))
}

struct Read<'a> {
    weights: &'a BTreeMap<String, Tensor>,
}

impl Read<'_> {
    fn array<T: WithDType>(&self, name: &str) -> Result<Vec<T>> {
        let name = format!("{TREES}.{name}");
        let tensor = self
            .weights
            .get(&name)
            .ok_or_else(|| Error::user(format!("the model's weights lack `{name}`")))?;
        if tensor.dtype() != T::DTYPE || tensor.rank() != 1 {
            return Err(Error::user(format!(
                "the model's weights hold `{name}` as {:?} {:?}, not as a row of {:?}",
                tensor.dtype(),
                tensor.dims(),
                T::DTYPE
            )));
        }
        Ok(tensor.to_device(&Device::Cpu)?.to_vec1()?)
    }
}

/// The keys of `trees` under `[model]`.
pub(crate) const KEYS: &[&str] = &[
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
    "categories",
];

/// The settings of `trees` under `[model]`, which are [`KEYS`] alone.
pub(crate) fn settings(model: &ModelSettings) -> Result<Settings> {
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
    fn trees_survive_a_file_and_damaged_ones_are_refused() {
        let random = &mut crate::sys::random::stream(1, crate::sys::random::Purpose::Init, 0);
        let numbers: Vec<f64> = (0..200).map(f64::from).collect();
        let targets: Vec<f64> = numbers.iter().map(|value| (value / 9.0).sin()).collect();
        let columns = [Column::Numbers(&numbers)];
        let objective = Box::new(crate::trees::Squared::new(&targets).unwrap());
        let mut booster =
            crate::trees::Booster::new(Settings::default(), &columns, objective, random).unwrap();
        // No categories: two of the arrays are empty.
        booster.step(random);
        let model = booster.model().clone();
        let weights = to_weights(&model).unwrap();
        let bytes = safetensors::serialize(weights, None).unwrap();
        let read = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
        let read: BTreeMap<String, Tensor> = read.into_iter().collect();
        assert_eq!(from_weights(&read).unwrap(), model);

        let mut other = read.clone();
        other.remove("trees.answers");
        assert_eq!(
            from_weights(&other).unwrap_err().message(),
            "the model's weights lack `trees.answers`"
        );
        let mut other = read.clone();
        other.insert("trees.rules".into(), Tensor::new(&[1.0_f32], &Device::Cpu).unwrap());
        let error = from_weights(&other).unwrap_err();
        assert!(error.message().contains("`trees.rules` as F32"), "{error}");
        let mut other = read;
        other.insert("trees.rules".into(), Tensor::new(&[1_u8], &Device::Cpu).unwrap());
        let error = from_weights(&other).unwrap_err();
        assert!(error.message().starts_with("the model's trees are damaged: "), "{error}");
    }

    #[test]
    fn settings_are_checked() {
        let read = |text: &str| settings(&toml::from_str(text).unwrap());
        assert_eq!(read("kind = 'trees'\nleaves = 15").unwrap().leaves, 15);
        assert_eq!(read("l2 = 1").unwrap().l2, 1.0);
        assert_eq!(read("categories = { smoothing = 5 }").unwrap().categories.smoothing, 5.0);
        assert!(read("leaves = 1").is_err());
        assert!(read("leaves = 'many'").is_err());
        assert!(read("categories = { smooth = 5 }").is_err());
    }
}
