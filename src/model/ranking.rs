//! The ranking model: fitted preprocessing, and a net or trees, from a table to a score a row.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Table};
use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::classification::chunks;
use crate::model::features::{Features, Inputs};
use crate::model::labels::{query_groups, relevance_of};
use crate::model::nets::{Mlp, MlpShape, encoded};
use crate::trees;

/// What `mlx/model.json` holds of a ranking model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    pub features: Features,
    /// Absent where the model is trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<MlpShape>,
    /// The baseline. Absent where no feature is a number.
    pub best_feature: Option<BestFeature>,
}

/// The one number that ranks the training queries best, as it is or negated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestFeature {
    /// Among the features' numbers.
    pub number: usize,
    pub rising: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RankingModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    estimator: Estimator,
}

#[derive(Clone, Debug)]
enum Estimator {
    Net(Mlp),
    Trees(trees::Model),
}

impl RankingModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let estimator = match &spec.net {
            Some(shape) => Estimator::Net(Mlp::from_weights(shape, &weights, device)?),
            None => Estimator::Trees(boosted::from_weights(&weights)?),
        };
        Ok(Self { spec, weights, estimator })
    }

    /// A score a row; the higher of a query's comes first.
    pub(crate) fn score(&self, table: &Table) -> Result<Vec<f64>> {
        let mut answer = Vec::with_capacity(table.rows);
        for rows in chunks(table.rows) {
            let inputs = Inputs::read(&self.spec.features, table, rows)?;
            answer.extend(match &self.estimator {
                Estimator::Net(net) => scores(net, &self.spec.features, &inputs)?,
                Estimator::Trees(trees) => trees.predict(&Columns::new(&inputs).as_columns())?,
            });
        }
        Ok(answer)
    }

    /// The best single feature.
    pub(crate) fn baselines(&self, table: &Table) -> Result<Vec<(String, Vec<f64>)>> {
        let Some(best) = &self.spec.best_feature else { return Ok(vec![]) };
        let mut answer = Vec::with_capacity(table.rows);
        for rows in chunks(table.rows) {
            let inputs = Inputs::read(&self.spec.features, table, rows)?;
            answer.extend((0..inputs.rows).map(|row| best.score(&inputs, row)));
        }
        Ok(vec![("best_feature".into(), answer)])
    }

    /// The number of each row's query.
    pub(crate) fn queries(&self, table: &Table) -> Result<Vec<u32>> {
        query_groups(table, &self.spec.data)
    }

    pub(crate) fn relevance(&self, table: &Table) -> Result<Vec<f64>> {
        relevance_of(table, &self.spec.data)
    }
}

impl BestFeature {
    /// A row where the number is missing comes last.
    pub(crate) fn score(&self, inputs: &Inputs, row: usize) -> f64 {
        let value = f64::from(inputs.numbers(row)[self.number]);
        match (value.is_nan(), self.rising) {
            (true, _) => f64::from(f32::MIN),
            (false, true) => value,
            (false, false) => -value,
        }
    }
}

/// The mean of the members' scores.
pub(crate) fn scores(net: &Mlp, features: &Features, inputs: &Inputs) -> Result<Vec<f64>> {
    let mut answer = Vec::with_capacity(inputs.rows);
    for rows in chunks(inputs.rows) {
        let output = net.score(encoded(features, inputs, &rows.collect::<Vec<_>>()))?;
        let mean: Vec<f32> = output.mean(1)?.flatten_all()?.to_vec1()?;
        answer.extend(mean.into_iter().map(f64::from));
    }
    Ok(answer)
}
