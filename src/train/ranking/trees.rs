//! Boosted trees that put rows in order, by LambdaRank.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{Judged, Prepared, validation};
use crate::error::Result;
use crate::model::Model;
use crate::model::boosted::{self, Columns};
use crate::model::features::NumberStyle;
use crate::model::member::Body;
use crate::model::ranking::{RankingModel, Spec};
use crate::train::boosting::{Boosted, TreesLearner, check_device};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::{Learner, Validation};
use crate::trees::{LambdaRank, Objective};

struct Queries {
    spec: Spec,
    train: Grouped,
    valid: Grouped,
    judged: Judged,
}

/// The grades of rows, those of a query side by side.
struct Grouped {
    rows: Vec<usize>,
    lengths: Vec<usize>,
    relevance: Vec<f64>,
}

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "trees",
    about: "boosted trees",
    keys: boosted::KEYS,
    check: |model| boosted::settings(model).map(drop),
    build,
    descends: false,
    cpu_only: true,
    takes_steps: true,
};

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let Request { seed, device, .. } = *request;
    check_device(device)?;
    let settings = boosted::settings(request.model)?;
    let Prepared { spec, train, valid } = Prepared::new(request, NumberStyle::Robust)?;
    let queries =
        Queries { spec, train: Grouped::new(&train), valid: Grouped::new(&valid), judged: valid };
    let columns = Columns::of(&train.inputs, &queries.train.rows);
    let valid = Columns::of(&queries.judged.inputs, &queries.valid.rows);
    Ok(Box::new(TreesLearner::new(queries, settings, columns, valid, seed, device)?))
}

impl Grouped {
    fn new(judged: &Judged) -> Self {
        let queries = judged.by_query();
        let rows = queries.concat();
        Self {
            lengths: queries.iter().map(Vec::len).collect(),
            relevance: judged.relevance_of(&rows),
            rows,
        }
    }

    fn objective(&self) -> Result<Box<dyn Objective>> {
        Ok(Box::new(LambdaRank::new(&self.relevance, &self.lengths)?))
    }
}

impl Boosted for Queries {
    fn objective(&self) -> Result<Box<dyn Objective>> {
        self.train.objective()
    }

    fn valid_objective(&self) -> Result<Box<dyn Objective>> {
        self.valid.objective()
    }

    fn units(&self) -> [usize; 2] {
        [self.train.lengths.len(), self.valid.lengths.len()]
    }

    fn validation(&self, answers: Vec<f64>) -> Validation {
        let mut scores = vec![0.0; answers.len()];
        for (&row, answer) in self.valid.rows.iter().zip(answers) {
            scores[row] = answer;
        }
        validation(&self.judged, &scores)
    }

    fn model(&self, weights: BTreeMap<String, Tensor>) -> Result<Model> {
        Ok(Model::Ranking(RankingModel::of_one(&self.spec, Body::Trees, weights, &Device::Cpu)?))
    }
}
