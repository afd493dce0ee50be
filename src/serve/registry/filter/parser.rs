//! Tokens as comparisons.

use super::Search;
use super::lexer::{Kind, Token};

/// One comparison, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause<'a> {
    pub field: &'a Token<'a>,
    /// In capitals, with single spaces: `NOT IN`.
    pub comparator: String,
    /// None: of `IS NULL` and `IS NOT NULL`.
    pub value: Option<&'a Token<'a>>,
}

/// All comparisons of a filter; an error names whatever is part of none.
pub(super) fn clauses<'a>(
    search: Search,
    filter: &str,
    tokens: &'a [Token<'a>],
) -> Result<Vec<Clause<'a>>, String> {
    let parts = tokens.split(|token| token.kind == Kind::Semicolon).count();
    let ends_there = tokens.last().is_some_and(|token| token.kind == Kind::Semicolon);
    if parts > 2 || (parts == 2 && !ends_there) {
        return Err(search.several_expressions(filter));
    }
    let mut clauses = Vec::new();
    let mut strays = Vec::new();
    let mut rest = tokens;
    while let [first, after @ ..] = rest {
        if first.is("and") {
            rest = after;
        } else if let Some((clause, after)) = clause(rest) {
            clauses.push(clause);
            rest = after;
        } else {
            strays.push(first.text);
            rest = after;
        }
    }
    if strays.is_empty() { Ok(clauses) } else { Err(search.strays(filter, &strays)) }
}

/// The comparison with which the tokens begin, and what comes after it.
fn clause<'a>(tokens: &'a [Token<'a>]) -> Option<(Clause<'a>, &'a [Token<'a>])> {
    let (field, rest) = tokens.split_first()?;
    if !matches!(field.kind, Kind::Identifier | Kind::Operation | Kind::Text | Kind::Number) {
        return None;
    }
    let is_list = |token: &Token<'_>| matches!(token.kind, Kind::List(_));
    let is_value = |token: &Token<'_>| {
        matches!(token.kind, Kind::Identifier | Kind::Operation | Kind::Text | Kind::Number)
            || is_list(token)
    };
    let like =
        |token: &Token<'_>| ["LIKE", "ILIKE", "RLIKE"].into_iter().find(|word| token.is(word));
    let clause = |comparator: &str, value, rest| {
        Some((Clause { field, comparator: comparator.to_owned(), value }, rest))
    };
    match rest {
        [operator, value, rest @ ..] if operator.kind == Kind::Operator && is_value(value) => {
            clause(operator.text, Some(value), rest)
        }
        [word, value, rest @ ..] if like(word).is_some() && is_value(value) => {
            clause(like(word)?, Some(value), rest)
        }
        [not, word, value, rest @ ..]
            if not.is("not") && like(word).is_some() && is_value(value) =>
        {
            clause(&format!("NOT {}", like(word)?), Some(value), rest)
        }
        [word, list, rest @ ..] if word.is("in") && is_list(list) => clause("IN", Some(list), rest),
        [not, word, list, rest @ ..] if not.is("not") && word.is("in") && is_list(list) => {
            clause("NOT IN", Some(list), rest)
        }
        [is, null, rest @ ..] if is.is("is") && null.is("null") => clause("IS NULL", None, rest),
        [is, not, null, rest @ ..] if is.is("is") && not.is("not") && null.is("null") => {
            clause("IS NOT NULL", None, rest)
        }
        _ => None,
    }
}
