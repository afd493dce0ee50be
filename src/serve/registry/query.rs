//! The part of a search that all searches share: filter, order, page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::failure::ApiError;
use super::filter::{self, Search};
use crate::store::{Order, Query, Stages};

/// How many results a search gives when nobody says, and at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub default: u64,
    pub most: u64,
}

/// The query of a filter and a page, in the order that the search has by itself.
pub(super) fn query(
    search: Search,
    filter: Option<&str>,
    max_results: Option<i64>,
    page_token: Option<&str>,
    limits: Limits,
) -> Result<Query, ApiError> {
    let limit = limit(max_results, limits)?;
    Ok(Query {
        conditions: filter::conditions(search, filter.unwrap_or_default())
            .map_err(ApiError::invalid)?,
        order: Vec::new(),
        stages: Stages::Active,
        offset: offset(page_token)?,
        limit,
    })
}

pub(super) fn order(search: Search, order_by: &[String]) -> Result<Vec<Order>, ApiError> {
    let order = order_by.iter().map(|text| filter::order(search, text));
    order.collect::<Result<_, _>>().map_err(ApiError::invalid)
}

/// A page of what is not filtered.
pub(super) fn page(
    max_results: Option<i64>,
    page_token: Option<&str>,
    limits: Limits,
) -> Result<Query, ApiError> {
    let (offset, limit) = (offset(page_token)?, limit(max_results, limits)?);
    Ok(Query { offset, limit, ..Query::default() })
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

/// The token of the page that starts here. Clients hand it back and look into it no more than they
/// do into MLflow's.
pub(super) fn token(next_offset: Option<u64>) -> Option<String> {
    next_offset.map(|offset| URL_SAFE_NO_PAD.encode(format!("{MARK}{offset}")))
}

/// What our tokens begin with, once they are decoded.
const MARK: &str = "offset:";

fn offset(token: Option<&str>) -> Result<u64, ApiError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|decoded| String::from_utf8(decoded).ok())
        .and_then(|decoded| decoded.strip_prefix(MARK)?.parse::<u64>().ok())
        .filter(|offset| i64::try_from(*offset).is_ok())
        .ok_or_else(|| ApiError::invalid(format!("Invalid page token: '{token}'")))
}

fn limit(max_results: Option<i64>, limits: Limits) -> Result<u64, ApiError> {
    let Limits { default, most } = limits;
    let wrong = |wanted: i64, rule: String| {
        Err(ApiError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results' supplied. {rule}"
        )))
    };
    match max_results {
        None => Ok(default),
        Some(wanted) if wanted < 1 => wrong(wanted, "It must be a positive integer".into()),
        Some(wanted) if wanted as u64 > most => wrong(wanted, format!("It must be at most {most}")),
        Some(wanted) => Ok(wanted as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_page_and_garbage_nowhere() {
        for start in [0, 1, 1000, i64::MAX as u64] {
            assert_eq!(offset(token(Some(start)).as_deref()).ok(), Some(start));
        }
        assert_eq!(token(None), None);
        let beyond = URL_SAFE_NO_PAD.encode(format!("{MARK}{}", u64::MAX));
        for garbage in ["???", "o5", "5", "e30", "ü", "b2Zmc2V0Oi0x", &beyond, &"A".repeat(5000)] {
            assert!(offset(Some(garbage)).is_err(), "{garbage}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let limits = Limits { default: 7, most: 10 };
        assert_eq!(limit(None, limits).ok(), Some(7));
        assert_eq!(limit(Some(10), limits).ok(), Some(10));
        for wrong in [0, -1, 11, i64::MAX, i64::MIN] {
            assert!(limit(Some(wrong), limits).is_err(), "{wrong}");
        }
    }
}
