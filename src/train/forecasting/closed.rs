//! What is fitted in closed form, with no steps to take: a learner that is done when it is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::calibrate;
use super::prepared::Prepared;
use crate::engine::{NetBuilder, Parameters};
use crate::error::{Error, Result};
use crate::model::forecasting::{Body, LEVELS, MemberSpec, Spec, member};
use crate::model::member::named;
use crate::model::{ForecastingModel, Model};
use crate::sys::random::{Purpose, stream};
use crate::train::deadline::Deadline;
use crate::train::estimator::Request;
use crate::train::learner::{Defaults, Learner, Validation};

/// A member as it was fitted: its form, and its weights under their own names.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub body: Body,
    /// The least value that has a logarithm, where it works on these.
    pub logs: Option<f64>,
    pub weights: BTreeMap<String, Tensor>,
}

/// A fit, and what the user should know of it.
pub(super) type Fit = (Fitted, Vec<String>);

/// The learner of a fit.
pub(super) fn learner(
    request: &Request<'_>,
    fit: impl FnOnce(&Prepared) -> Result<Fit>,
) -> Result<Box<dyn Learner>> {
    let Request { dataset, data, shared, .. } = *request;
    let prepared = request.common.forecasting.prepared(dataset, data, shared)?;
    let (fitted, notices) = fit(&prepared)?;
    let model = alone(&prepared, &request.model.kind, fitted)?;
    let parameters = Parameters::init(
        &NetBuilder::new(0, 0).finish_without_output(),
        &Device::Cpu,
        &mut stream(0, Purpose::Init, 0),
    )?;
    let units = prepared.windows(model.spec.look_back());
    Ok(Box::new(ClosedForm { prepared, model, notices, parameters, units }))
}

/// A model of one member.
pub(super) fn alone(prepared: &Prepared, kind: &str, fitted: Fitted) -> Result<ForecastingModel> {
    model_of(prepared, kind, vec![(kind.to_owned(), kind.to_owned(), 1.0, fitted)])
}

/// A model of members: name, kind, weight and what was fitted.
pub(super) fn model_of(
    prepared: &Prepared,
    kind: &str,
    members: Vec<(String, String, f64, Fitted)>,
) -> Result<ForecastingModel> {
    let mut spec = Spec { kind: kind.to_owned(), ..prepared.spec.clone() };
    let effects = prepared.effects.as_ref();
    let mut weights = effects.map(|found| found.weights.clone()).unwrap_or_default();
    for (name, kind, weight, fitted) in members {
        let Fitted { body, logs, weights: own } = fitted;
        weights.extend(named(&name, own));
        spec.members.push(MemberSpec { name, kind, weight, logs, body });
    }
    ForecastingModel::new(spec, weights, &Device::Cpu)
}

/// A member that says no more than a point, with a band of what its errors before `ends` were.
pub(super) fn banded(
    prepared: &Prepared,
    ends: &[i64],
    body: Body,
    mut weights: BTreeMap<String, Tensor>,
    deadline: &Deadline,
) -> Result<Fitted> {
    let shape = (LEVELS.len() - 1, prepared.horizon);
    let band = |offsets: Vec<f32>| Tensor::from_vec(offsets, shape, &Device::Cpu);
    weights.insert(member::BAND.into(), band(vec![0.0; shape.0 * shape.1])?);
    let name = "member";
    let spec = MemberSpec {
        name: name.into(),
        kind: name.into(),
        weight: 1.0,
        // What it is asked of are logarithms already, where it works on these.
        logs: None,
        body: body.clone(),
    };
    let plain = member::Member::new(&spec, &weights, prepared.horizon, prepared.season)?;
    let reach = body.look_back(prepared.season);
    let offsets = calibrate::band(prepared, ends, &plain, reach, deadline)?;
    weights.insert(member::BAND.into(), band(offsets)?);
    Ok(Fitted { body, logs: prepared.logs, weights })
}

struct ClosedForm {
    prepared: Arc<Prepared>,
    model: ForecastingModel,
    notices: Vec<String>,
    /// What is fitted in closed form has none to descend with.
    parameters: Parameters,
    units: usize,
}

impl Learner for ClosedForm {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn units(&self) -> usize {
        self.units
    }

    fn table_rows(&self, _: &[usize]) -> Option<Vec<usize>> {
        None
    }

    fn valid_units(&self) -> usize {
        self.prepared.judged.len()
    }

    fn defaults(&self) -> Defaults {
        Defaults { batch: self.units, learning_rate: 0.0, weight_decay: 0.0 }
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        Some(0)
    }

    fn most(&self) -> Option<(usize, usize)> {
        Some((1, 1))
    }

    fn loss(&self, _: &[usize], _: &mut ChaCha8Rng) -> Result<Tensor> {
        Err(Error::bug("a step of what is fitted in closed form"))
    }

    fn validate(&self) -> Result<Validation> {
        Ok(self.prepared.validation(&self.model))
    }

    fn model(&self) -> Result<Model> {
        Ok(Model::Forecasting(self.model.clone()))
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }
}
