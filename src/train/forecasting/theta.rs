//! `theta`: exponential smoothing with half the trend, series by series, on data without its season.

use std::collections::BTreeMap;

use super::closed;
use crate::model::forecasting::Body;
use crate::train::estimator::Estimator;

/// Seasons that are looked back on, and steps at least: older values say little of the level, and
/// the slope is that of these steps.
const SEASONS: usize = 30;
const LEAST_STEPS: usize = 120;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "theta",
    about: "exponential smoothing with half the trend, series by series",
    keys: &[],
    check: |_| Ok(()),
    build: |request| {
        closed::learner(request, |prepared| {
            let look_back = (SEASONS * prepared.season).max(LEAST_STEPS);
            let body = Body::Theta { look_back };
            let (ends, none) = (&prepared.ends, BTreeMap::new());
            Ok((closed::banded(prepared, ends, body, none, request.deadline)?, vec![]))
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};
