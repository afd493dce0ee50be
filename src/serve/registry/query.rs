//! The part of a search that all searches share: filter, order, page.

use super::failure::ApiError;
use super::filter;
use crate::store::{Query, Stages};

/// How many results a search gives when nobody says, and at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub default: u64,
    pub most: u64,
}

pub(super) fn query(
    filter: Option<&str>,
    order_by: &[String],
    max_results: Option<i64>,
    page_token: Option<&str>,
    limits: Limits,
) -> Result<Query, ApiError> {
    Ok(Query {
        conditions: filter::conditions(filter.unwrap_or_default())?,
        order: order_by.iter().map(|text| filter::order(text)).collect::<Result<_, _>>()?,
        stages: Stages::Active,
        offset: offset(page_token)?,
        limit: limit(max_results, limits)?,
    })
}

pub(super) fn stages(view_type: Option<&str>) -> Result<Stages, ApiError> {
    match view_type {
        None | Some("" | "ACTIVE_ONLY") => Ok(Stages::Active),
        Some("DELETED_ONLY") => Ok(Stages::Deleted),
        Some("ALL") => Ok(Stages::All),
        Some(other) => Err(ApiError::invalid(format!(
            "`{other}` is no view type: it is ACTIVE_ONLY, DELETED_ONLY or ALL"
        ))),
    }
}

/// The token of the page that starts here.
pub(super) fn token(next_offset: Option<u64>) -> Option<String> {
    next_offset.map(|offset| format!("o{offset}"))
}

fn offset(token: Option<&str>) -> Result<u64, ApiError> {
    match token {
        None | Some("") => Ok(0),
        Some(token) => token
            .strip_prefix('o')
            .and_then(|offset| offset.parse::<u64>().ok())
            .filter(|offset| i64::try_from(*offset).is_ok())
            .ok_or_else(|| ApiError::invalid(format!("`{token}` is no page token of ours"))),
    }
}

fn limit(max_results: Option<i64>, limits: Limits) -> Result<u64, ApiError> {
    let wanted = max_results.unwrap_or(limits.default as i64);
    if wanted < 1 || wanted > limits.most as i64 {
        return Err(ApiError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results' supplied: it must be from 1 to {}",
            limits.most
        )));
    }
    Ok(wanted as u64)
}
