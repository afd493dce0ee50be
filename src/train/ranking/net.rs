//! A net over the features of each row, which learns from whole queries.

use candle_core::Tensor;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::loss::{Grades, RankLoss};
use super::{Judged, Prepared, validation};
use crate::engine::{Parameters, StepKey};
use crate::error::Result;
use crate::model::Model;
use crate::model::features::EncodedRows;
use crate::model::labels::side_by_side;
use crate::model::member::Body;
use crate::model::nets::{NetSettings, NetShape, TabularNet};
use crate::model::ranking::{RankingModel, Spec, check_lengths, scores};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::Request;
use crate::train::learner::{Defaults, Learner, Validation};
use crate::train::schedule::Schedule;

struct NetLearner {
    spec: Spec,
    net: TabularNet,
    schedule: Schedule,
    train: EncodedRows,
    /// Those queries that have something to put in order, with the rows of each.
    queries: Vec<(Vec<usize>, Grades)>,
    loss: RankLoss,
    valid: Judged,
    /// The validation rows query by query: which these are, what the net reads of them, where queries end.
    valid_order: Vec<usize>,
    valid_rows: EncodedRows,
    valid_ends: Vec<usize>,
    learning_rate: f64,
}

/// The decay of weights where the project says nothing.
const WEIGHT_DECAY: f64 = 0.1;

/// The learner of a net; `learning_rate` is the one to use where the project says nothing.
pub(super) fn learner(
    request: &Request<'_>,
    (loss, settings): (RankLoss, NetSettings),
    learning_rate: f64,
) -> Result<Box<dyn Learner>> {
    Ok(Box::new(NetLearner::new(request, &settings, loss, learning_rate)?))
}

impl NetLearner {
    fn new(
        request: &Request<'_>,
        settings: &NetSettings,
        loss: RankLoss,
        learning_rate: f64,
    ) -> Result<Self> {
        let Request { seed, device, .. } = *request;
        let Prepared { spec, train, valid } = Prepared::new(request, settings.style())?;
        let shape = NetShape::new(&spec.features[0], settings, 1);
        let random = &mut stream(seed, Purpose::Init, 0);
        let net = TabularNet::init(&shape, settings, device, random)?;
        if shape.body.is_listwise() {
            check_lengths(&request.dataset.train, &train.by_query())?;
            check_lengths(&request.dataset.valid, &valid.by_query())?;
        }
        let (valid_order, valid_ends) = side_by_side(&valid.by_query());
        let queries = train.to_order().into_iter();
        let queries = queries
            .map(|rows| {
                let grades = loss.grades(&train.relevance_of(&rows));
                (rows, grades)
            })
            .collect();
        Ok(Self {
            schedule: Schedule::of(settings.epochs),
            train: spec.features[0].encode(&train.inputs),
            valid_rows: spec.features[0].encode(&valid.inputs).pick(&valid_order),
            valid_order,
            valid_ends,
            spec,
            net,
            queries,
            loss,
            valid,
            learning_rate,
        })
    }
}

impl Learner for NetLearner {
    fn parameters(&self) -> &Parameters {
        self.net.parameters()
    }

    fn units(&self) -> usize {
        self.queries.len()
    }

    fn rows_of(&self, units: &[usize]) -> usize {
        units.iter().map(|&unit| self.queries[unit].0.len()).sum()
    }

    fn table_rows(&self, units: &[usize]) -> Option<Vec<usize>> {
        Some(units.iter().flat_map(|&unit| self.queries[unit].0.iter().copied()).collect())
    }

    fn valid_units(&self) -> usize {
        self.valid.count()
    }

    fn defaults(&self) -> Defaults {
        let batch = (self.queries.len() / 16).next_power_of_two().clamp(4, 64);
        Defaults { batch, learning_rate: self.learning_rate, weight_decay: WEIGHT_DECAY }
    }

    fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// The queries' rows go through the net together; the loss takes each query's apart again.
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let mut batch = self.parameters().spare_batch();
        for &unit in units {
            self.train.gather(&self.queries[unit].0, &mut batch);
            batch.ends.push(batch.rows);
        }
        let output = self.net.train(batch, StepKey(random.next_u64()))?;
        self.loss.of(units.iter().map(|&unit| &self.queries[unit].1), &output)
    }

    fn validate(&self) -> Result<Validation> {
        let scores = scores(&self.net, &self.valid_rows, &self.valid_ends)?;
        let mut answer = vec![0.0; scores.len()];
        self.valid_order.iter().zip(scores).for_each(|(&row, score)| answer[row] = score);
        Ok(validation(&self.valid, &answer))
    }

    fn model(&self) -> Result<Model> {
        let weights = self.parameters().snapshot()?;
        let body = Body::Net(self.net.shape().clone());
        let device = self.parameters().device();
        Ok(Model::Ranking(RankingModel::of_one(&self.spec, body, weights, device)?))
    }
}
