//! `ridge`: one linear map of the window for all series, a mixture of ridge solutions.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::closed::{self, Fitted};
use super::linear::{look_back, net_weights};
use super::prepared::Prepared;
use super::windows::Shape;
use super::{calibrate, choose};
use crate::error::Result;
use crate::model::forecasting::{Body, Term};
use crate::train::deadline::Deadline;
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "ridge",
    about: "one linear map of the past in closed form, shared by all series",
    keys: &["look_back"],
    check: |model| look_back(model).map(drop),
    build: |request| {
        let look_back = look_back(request.model)?;
        closed::learner(request, |prepared| {
            let logs = prepared.on_logs();
            let prepared = logs.as_ref().unwrap_or(prepared);
            let (ends, deadline) = (&prepared.ends, request.deadline);
            let choice = choose::choose(prepared, ends, look_back, deadline)?;
            let fitted = fit(prepared, ends, &choice.shape, choice.terms, deadline)?;
            Ok((fitted, choice.notices))
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};

/// The map of these terms from what lies before `ends`.
pub(super) fn fit(
    prepared: &Prepared,
    ends: &[i64],
    shape: &Shape,
    terms: Vec<Term>,
    deadline: &Deadline,
) -> Result<Fitted> {
    let map = choose::map(prepared, ends, shape, &terms, deadline)?;
    let offsets = calibrate::offsets(&prepared.set, ends, shape, &map);
    let weights: BTreeMap<String, Tensor> = net_weights(shape, &map, &offsets, &Device::Cpu)?;
    let body = Body::Linear { look_back: shape.look_back, scale: shape.scale, terms };
    Ok(Fitted { body, logs: prepared.logs, weights })
}
