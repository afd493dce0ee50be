//! `naive` and `seasonal-naive`: the last value, and the last season.

use std::collections::BTreeMap;

use super::closed;
use crate::model::forecasting::Body;
use crate::train::estimator::Estimator;

pub(super) const NAIVE: Estimator = Estimator {
    kind: "naive",
    about: "the last value",
    keys: &[],
    check: |_| Ok(()),
    build: |request| {
        closed::learner(request, |prepared| {
            let (ends, none) = (&prepared.ends, BTreeMap::new());
            Ok((closed::banded(prepared, ends, Body::Naive, none, request.deadline)?, vec![]))
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};

pub(super) const SEASONAL: Estimator = Estimator {
    kind: "seasonal-naive",
    about: "the last season",
    keys: &[],
    check: |_| Ok(()),
    build: |request| {
        closed::learner(request, |prepared| {
            let (ends, none) = (&prepared.ends, BTreeMap::new());
            Ok((
                closed::banded(prepared, ends, Body::SeasonalNaive, none, request.deadline)?,
                vec![],
            ))
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};
