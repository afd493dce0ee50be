//! The filters and orders of searches, as MLflow's clients write them:
//! `name = 'churn' AND tags.stage LIKE 'prod%' AND metrics.auc >= 0.8`, `metrics.auc DESC`.
//!
//! Text becomes tokens ([`lexer`]), tokens comparisons ([`parser`]), and a comparison is held against
//! what its search knows ([`rules`]). All of it is pure, and what is wrong is said in MLflow's words.
//! As in MLflow, conditions all hold; an AND between them may be missing or too many.

mod lexer;
mod parser;
mod rules;

use crate::store::{Comparison, Condition, Field, OfDataset, Order, Value};
use lexer::Kind;
use parser::Clause;
pub(super) use rules::Search;

/// Every condition of a filter. An empty filter has none.
///
/// # Errors
///
/// What is wrong with it, in MLflow's words.
pub(super) fn conditions(search: Search, filter: &str) -> Result<Vec<Condition>, String> {
    if filter.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = lexer::tokens(filter);
    if tokens.is_empty() {
        return Err(format!("Invalid filter '{filter}'. Could not be parsed."));
    }
    let clauses = parser::clauses(search, filter, &tokens)?;
    clauses.into_iter().map(|clause| condition(search, &clause)).collect()
}

/// One entry of `order_by`: a field, and `ASC` or `DESC`.
///
/// # Errors
///
/// What is wrong with it, in MLflow's words.
pub(super) fn order(search: Search, text: &str) -> Result<Order, String> {
    let unreadable = || format!("Invalid order_by clause '{text}'. Could not be parsed.");
    let tokens = lexer::tokens(text);
    let (field, direction) = match &tokens[..] {
        [field] => (field, None),
        [field, direction] => (field, Some(direction)),
        _ => return Err(unreadable()),
    };
    if field.kind != Kind::Identifier || direction.is_some_and(|token| token.kind == Kind::Other) {
        return Err(unreadable());
    }
    let descending = match direction.map(|token| token.text.to_ascii_lowercase()).as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(format!("Invalid ordering key in order_by clause '{text}'.")),
    };
    Ok(Order { field: search.ordered(field.text)?, descending })
}

/// One entry of the order of logged models, which comes in parts.
///
/// # Errors
///
/// What is wrong with it, in MLflow's words.
pub(super) fn logged_model_order(
    field: &str,
    descending: bool,
    dataset: Option<OfDataset>,
) -> Result<Order, String> {
    let field = match (field.split_once('.'), dataset) {
        (Some(("metrics", key)), None) => Field::Metric(rules::unquoted(key)),
        (Some(("metrics", key)), Some(dataset)) => Field::MetricOn(rules::unquoted(key), dataset),
        (Some(_), _) => {
            return Err(format!(
                "Invalid order by field name: {field}. Only metrics are supported."
            ));
        }
        (None, _) => Search::LoggedModels
            .ordered(field)
            .map_err(|_| format!("Invalid order by field name: {field}"))?,
    };
    Ok(Order { field, descending })
}

/// A clause as a condition, if the search knows its field, and its field such values.
fn condition(search: Search, clause: &Clause<'_>) -> Result<Condition, String> {
    if clause.field.kind != Kind::Identifier {
        return Err(format!(
            "Invalid comparison clause. Expected 'Identifier' found '{}'",
            clause.field.text
        ));
    }
    let field = search.field(clause.field.text)?;
    let Some(value) = &clause.value else {
        search.may_be_null(&field)?;
        let comparison = match clause.comparator.as_str() {
            "IS NULL" => Comparison::IsNull,
            _ => Comparison::IsNotNull,
        };
        return Ok(Condition { field, comparison, value: Value::Nothing });
    };
    let value = search.value(&field, value)?;
    let comparison = search.comparison(&field, &clause.comparator, &value)?;
    Ok(Condition { field, comparison, value })
}

#[cfg(test)]
mod tests;
