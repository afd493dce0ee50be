//! The classification model: fitted preprocessing and a net, from a table to class probabilities.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{D, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Table};
use crate::error::Result;
use crate::model::Probabilities;
use crate::model::boosted::{self, Columns};
use crate::model::features::{Features, Inputs};
use crate::model::labels::class_indices;
use crate::model::logistic::{Design, Logistic};
use crate::model::nets::{Mlp, MlpShape, encoded};
use crate::trees;

/// Rows scored at once, so that memory does not grow with the file.
const CHUNK: usize = 4096;

/// What `mlx/model.json` holds of a classification model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    /// As the training data writes them, sorted.
    pub classes: Vec<String>,
    /// The positive one of two classes.
    pub positive: Option<usize>,
    pub features: Features,
    /// Absent where the model is trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<MlpShape>,
    /// The baselines: the share of each class, and the columns of the logistic regression.
    pub prior: Vec<f64>,
    pub logistic: Design,
}

#[derive(Clone, Debug)]
pub(crate) struct ClassificationModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    estimator: Estimator,
    logistic: Logistic,
}

#[derive(Clone, Debug)]
enum Estimator {
    Net(Mlp),
    Trees(trees::Model),
}

impl ClassificationModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let estimator = match &spec.net {
            Some(shape) => Estimator::Net(Mlp::from_weights(shape, &weights, device)?),
            None => Estimator::Trees(boosted::from_weights(&weights)?),
        };
        let logistic = Logistic::from_weights(&spec.logistic, spec.classes.len(), &weights)?;
        Ok(Self { spec, weights, estimator, logistic })
    }

    pub(crate) fn classes(&self) -> &[String] {
        &self.spec.classes
    }

    pub(crate) fn positive(&self) -> Option<usize> {
        self.spec.positive
    }

    pub(crate) fn predict(&self, table: &Table) -> Result<Probabilities> {
        let mut values = Vec::with_capacity(table.rows * self.spec.classes.len());
        for rows in chunks(table.rows) {
            let inputs = Inputs::read(&self.spec.features, table, rows)?;
            values.extend(match &self.estimator {
                Estimator::Net(net) => probabilities(net, &self.spec.features, &inputs)?,
                Estimator::Trees(trees) => {
                    let answers = trees.predict(&Columns::new(&inputs).as_columns())?;
                    boosted::probabilities(answers, self.spec.classes.len())
                }
            });
        }
        Ok(Probabilities { classes: self.spec.classes.clone(), values })
    }

    /// The class shares and the logistic regression.
    pub(crate) fn baselines(&self, table: &Table) -> Result<Vec<(String, Probabilities)>> {
        let answer = |values| Probabilities { classes: self.spec.classes.clone(), values };
        let mut logistic = Vec::with_capacity(table.rows * self.spec.classes.len());
        for rows in chunks(table.rows) {
            let inputs = Inputs::read(&self.spec.features, table, rows)?;
            logistic.extend(self.logistic.probabilities(&inputs));
        }
        Ok(vec![
            ("prior".into(), answer(self.spec.prior.repeat(table.rows))),
            ("logistic_regression".into(), answer(logistic)),
        ])
    }

    /// The class index of each row's target.
    pub(crate) fn labels(&self, table: &Table) -> Result<Vec<usize>> {
        class_indices(table, &self.spec.data.target, &self.spec.classes)
    }
}

/// The mean of the members' probabilities, row-major.
pub(crate) fn probabilities(net: &Mlp, features: &Features, inputs: &Inputs) -> Result<Vec<f64>> {
    let mut answer = Vec::with_capacity(inputs.rows * net.shape().outputs);
    for rows in chunks(inputs.rows) {
        let logits = net.score(encoded(features, inputs, &rows.collect::<Vec<_>>()))?;
        let mean: Vec<f32> =
            candle_nn::ops::softmax(&logits, D::Minus1)?.mean(1)?.flatten_all()?.to_vec1()?;
        for row in mean.chunks_exact(net.shape().outputs) {
            // Divided in f64, a row sums to one as closely as f64 can.
            let sum: f64 = row.iter().map(|&share| f64::from(share)).sum();
            answer.extend(row.iter().map(|&share| f64::from(share) / sum));
        }
    }
    Ok(answer)
}

pub(crate) fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(CHUNK).map(move |start| start..(start + CHUNK).min(rows))
}
