//! The ranking learner: whole queries, a net over the features of their rows, LambdaRank.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::data::{DataSettings, Dataset, Task};
use crate::engine::loss::{LambdaRank, Query};
use crate::engine::{Mode, Parameters, StepKey};
use crate::error::{Error, Result};
use crate::metrics::{ndcg, ranked_queries};
use crate::model::features::{Features, Inputs, NumberStyle};
use crate::model::labels::{query_groups, relevance_of};
use crate::model::nets::{Mlp, MlpSettings, MlpShape, encoded, estimator};
use crate::model::ranking::{BestFeature, RankingModel, Spec, scores};
use crate::model::{Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Learner, Validation};

/// NDCG is weighed down to this rank.
const DEPTH: usize = 20;

struct RankingLearner {
    kind: &'static str,
    spec: Spec,
    net: Mlp,
    train: Inputs,
    /// Those queries that have something to tell apart, with the rows of each.
    queries: Vec<(Vec<usize>, Arc<Query>)>,
    valid: Inputs,
    valid_queries: Vec<u32>,
    valid_relevance: Vec<f64>,
}

/// A learner for the project's ranking data; everything up to the first step happens here.
pub(crate) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    let kind = estimator(model, &["mlp"])?;
    let mlp = MlpSettings::read(
        model,
        &MlpSettings { hidden: vec![64, 32], dropout: 0.2, members: 8, embedding: 16, bins: 32 },
    )?;
    let valid_queries = query_groups(&dataset.valid, settings)?;
    let valid_relevance = relevance_of(&dataset.valid, settings)?;
    if valid_relevance.iter().all(|grade| *grade == 0.0) {
        return Err(Error::user("no query with a relevant row is held out for validation")
            .hint("raise `valid` of `data.split`, or give more data"));
    }

    let names = dataset.features(settings, Task::Ranking);
    let features = Features::fit(&dataset.train, &names, NumberStyle::Normal)?;
    let train = Inputs::read(&features, &dataset.train, 0..dataset.train.rows)?;
    let valid = Inputs::read(&features, &dataset.valid, 0..dataset.valid.rows)?;

    let groups = query_groups(&dataset.train, settings)?;
    let relevance = relevance_of(&dataset.train, settings)?;
    let best_feature = best_feature(&train, features.numbers.len(), &groups, &relevance);
    let queries = gather(&groups, &relevance);
    if queries.is_empty() {
        let label = settings.label();
        return Err(Error::user(format!("`{label}` is the same for all rows of every query"))
            .hint("a query needs rows of different relevance to learn an order from"));
    }

    let shape = MlpShape::new(&features, &mlp, 1);
    let net = Mlp::init(&shape, mlp.dropout, device, &mut stream(seed, Purpose::Init, 0))?;
    let spec = Spec {
        kind: kind.into(),
        data: settings.clone(),
        kinds: dataset.kinds(),
        features,
        net: shape,
        best_feature,
    };
    Ok(Box::new(RankingLearner {
        kind,
        spec,
        net,
        train,
        queries,
        valid,
        valid_queries,
        valid_relevance,
    }))
}

impl Learner for RankingLearner {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn parameters(&self) -> &Parameters {
        self.net.parameters()
    }

    fn units(&self) -> usize {
        self.queries.len()
    }

    fn rows_of(&self, units: &[usize]) -> usize {
        units.iter().map(|&unit| self.queries[unit].0.len()).sum()
    }

    fn valid_units(&self) -> usize {
        self.valid_queries.iter().max().map_or(0, |last| *last as usize + 1)
    }

    fn defaults(&self) -> Defaults {
        let batch = (self.queries.len() / 16).next_power_of_two().clamp(4, 64);
        Defaults { batch, learning_rate: 1e-3, weight_decay: 0.1 }
    }

    /// The queries' rows go through the net together; the loss takes each query's apart again.
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let rows: Vec<usize> =
            units.iter().flat_map(|&unit| self.queries[unit].0.iter().copied()).collect();
        let batch = encoded(&self.spec.features, &self.train, &rows);
        let output = self.net.forward(batch, Mode::Train(StepKey(random.next_u64())))?;
        let queries = units.iter().map(|&unit| self.queries[unit].1.clone()).collect();
        LambdaRank { queries, even: true }.of(&output)
    }

    fn validate(&self) -> Result<Validation> {
        let answer = scores(&self.net, &self.spec.features, &self.valid)?;
        let ranked = ranked_queries(&self.valid_relevance, &answer, &self.valid_queries);
        let at = |k| ranked.as_ref().and_then(|ranked| ndcg(ranked, k));
        // NDCG@5 of a few queries jumps when two rows swap; the mean over depths jumps less.
        let depths: Vec<f64> = [3, 5, 10, 20].into_iter().filter_map(at).collect();
        let monitor = if depths.is_empty() {
            f64::INFINITY
        } else {
            -depths.iter().sum::<f64>() / depths.len() as f64
        };
        let metrics =
            [5, 10].into_iter().filter_map(|k| Some((format!("ndcg@{k}"), at(k)?))).collect();
        Ok(Validation { monitor, metrics })
    }

    fn model(&self) -> Result<Model> {
        let weights = self.parameters().snapshot()?;
        let device = self.parameters().device();
        Ok(Model::Ranking(RankingModel::new(self.spec.clone(), weights, device)?))
    }
}

/// The rows of each query whose relevances differ.
fn gather(groups: &[u32], relevance: &[f64]) -> Vec<(Vec<usize>, Arc<Query>)> {
    let mut queries: Vec<Vec<usize>> = vec![];
    for (row, &group) in groups.iter().enumerate() {
        let group = group as usize;
        if group == queries.len() {
            queries.push(vec![]);
        }
        queries[group].push(row);
    }
    queries
        .into_iter()
        .filter(|rows| rows.iter().any(|&row| relevance[row] != relevance[rows[0]]))
        .map(|rows| {
            let relevance: Vec<f64> = rows.iter().map(|&row| relevance[row]).collect();
            (rows, Arc::new(Query::new(&relevance, DEPTH)))
        })
        .collect()
}

/// The number, as it is or negated, with the best NDCG@10 on the training queries.
fn best_feature(
    train: &Inputs,
    numbers: usize,
    groups: &[u32],
    relevance: &[f64],
) -> Option<BestFeature> {
    let mut best: Option<(f64, BestFeature)> = None;
    for number in 0..numbers {
        for rising in [true, false] {
            let feature = BestFeature { number, rising };
            let scores: Vec<f64> = (0..train.rows).map(|row| feature.score(train, row)).collect();
            let value = ranked_queries(relevance, &scores, groups)
                .and_then(|ranked| ndcg(&ranked, 10))
                .unwrap_or(0.0);
            if best.as_ref().is_none_or(|(most, _)| value > *most) {
                best = Some((value, feature));
            }
        }
    }
    best.map(|(_, feature)| feature)
}
