//! The filters and orders of searches, as MLflow's clients write them:
//! `name = 'churn' AND tags.stage LIKE 'prod%' AND metrics.auc >= 0.8`, `metrics.auc DESC`.

use super::failure::ApiError;
use crate::store::{Comparison, Condition, Field, Order, Value};

/// Every condition of a filter. An empty filter has none.
pub(super) fn conditions(filter: &str) -> Result<Vec<Condition>, ApiError> {
    let tokens = tokens(filter)?;
    let mut rest = tokens.as_slice();
    let mut conditions = Vec::new();
    while !rest.is_empty() {
        if !conditions.is_empty() {
            match rest {
                [Token::Word(word), ..] if word.eq_ignore_ascii_case("and") => rest = &rest[1..],
                [Token::Word(word), ..] if word.eq_ignore_ascii_case("or") => {
                    return Err(bad(filter, "conditions are joined by AND only"));
                }
                _ => return Err(bad(filter, "AND is missing between two conditions")),
            }
        }
        let (field, after) = field(filter, rest)?;
        let (comparison, after) = comparison(filter, after)?;
        let (value, after) = value(filter, comparison, after)?;
        fits(filter, &field, comparison, &value)?;
        conditions.push(Condition { field, comparison, value });
        rest = after;
    }
    Ok(conditions)
}

/// One entry of `order_by`: a field, and `ASC` or `DESC`.
pub(super) fn order(text: &str) -> Result<Order, ApiError> {
    let tokens = tokens(text)?;
    let (field, rest) = field(text, &tokens)?;
    let descending = match rest {
        [] => false,
        [Token::Word(word)] if word.eq_ignore_ascii_case("asc") => false,
        [Token::Word(word)] if word.eq_ignore_ascii_case("desc") => true,
        _ => return Err(bad(text, "a field is followed by ASC or DESC")),
    };
    Ok(Order { field, descending })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Letters, digits and `_.-/:`.
    Word(String),
    /// In single quotes: a value.
    Text(String),
    /// In double quotes or backticks: part of a name, or a value.
    Quoted(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Operator(&'static str),
    Open,
    Comma,
    Close,
}

fn tokens(text: &str) -> Result<Vec<Token>, ApiError> {
    const OPERATORS: &[&str] = &["!=", "<=", ">=", "=", "<", ">"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '"' | '`' => {
                let (value, taken) = quoted(text, rest, first)?;
                let value = if first == '\'' { Token::Text(value) } else { Token::Quoted(value) };
                tokens.push(value);
                taken
            }
            '(' | ',' | ')' => {
                tokens.push(match first {
                    '(' => Token::Open,
                    ',' => Token::Comma,
                    _ => Token::Close,
                });
                1
            }
            _ => match OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
                Some(operator) => {
                    tokens.push(Token::Operator(operator));
                    operator.len()
                }
                None => {
                    let end = rest
                        .find(|c: char| !(c.is_alphanumeric() || "_.-+/:".contains(c)))
                        .unwrap_or(rest.len());
                    if end == 0 {
                        return Err(bad(text, &format!("`{first}` means nothing here")));
                    }
                    tokens.push(Token::Word(rest[..end].to_owned()));
                    end
                }
            },
        };
        rest = rest[taken..].trim_start();
    }
    Ok(tokens)
}

/// What is between quotes, and how many bytes it took with them. A doubled quote is one.
fn quoted(text: &str, rest: &str, quote: char) -> Result<(String, usize), ApiError> {
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote {
            value.push(c);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            value.push(quote);
        } else {
            return Ok((value, at + 1));
        }
    }
    Err(bad(text, "a quote is not closed"))
}

/// `name`, `tags.key`, `` tags.`a key` ``, `params.key`, `metrics.key`, `attributes.name`.
fn field<'a>(text: &str, tokens: &'a [Token]) -> Result<(Field, &'a [Token]), ApiError> {
    let [Token::Word(word), rest @ ..] = tokens else {
        return Err(bad(text, "a field is expected, such as name or tags.key"));
    };
    let Some((kind, key)) = word.split_once('.') else {
        return Ok((Field::Attribute(attribute(word)), rest));
    };
    let (key, rest) = match (key, rest) {
        ("", [Token::Quoted(key), rest @ ..]) => (key.clone(), rest),
        ("", _) => return Err(bad(text, &format!("`{word}` names no key"))),
        (key, rest) => (key.to_owned(), rest),
    };
    let field = match kind.to_ascii_lowercase().as_str() {
        "tag" | "tags" => Field::Tag(key),
        "param" | "params" | "parameter" | "parameters" => Field::Param(key),
        "metric" | "metrics" => Field::Metric(key),
        "attr" | "attribute" | "attributes" | "run" => Field::Attribute(attribute(&key)),
        _ => {
            return Err(bad(
                text,
                &format!("`{kind}` is none of attributes, tags, params and metrics"),
            ));
        }
    };
    Ok((field, rest))
}

/// The names that clients use beside the one that we search by.
fn attribute(name: &str) -> String {
    match name {
        "created" | "Created" => "start_time",
        "run_name" | "run name" | "Run name" | "Run Name" => "run_name",
        other => other,
    }
    .to_owned()
}

fn comparison<'a>(text: &str, tokens: &'a [Token]) -> Result<(Comparison, &'a [Token]), ApiError> {
    let comparison = match tokens.first() {
        Some(Token::Operator("=")) => Comparison::Equal,
        Some(Token::Operator("!=")) => Comparison::NotEqual,
        Some(Token::Operator("<")) => Comparison::Less,
        Some(Token::Operator("<=")) => Comparison::LessOrEqual,
        Some(Token::Operator(">")) => Comparison::Greater,
        Some(Token::Operator(">=")) => Comparison::GreaterOrEqual,
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("like") => Comparison::Like,
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("ilike") => Comparison::ILike,
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("in") => Comparison::In,
        _ => {
            return Err(bad(
                text,
                "a comparison is expected: =, !=, <, <=, >, >=, LIKE, ILIKE or IN",
            ));
        }
    };
    Ok((comparison, &tokens[1..]))
}

fn value<'a>(
    text: &str,
    comparison: Comparison,
    tokens: &'a [Token],
) -> Result<(Value, &'a [Token]), ApiError> {
    if comparison == Comparison::In {
        return list(text, tokens);
    }
    match tokens {
        [Token::Text(value) | Token::Quoted(value), rest @ ..] => {
            Ok((Value::Text(value.clone()), rest))
        }
        [Token::Word(word), rest @ ..] => match word.parse() {
            Ok(number) => Ok((Value::Number(number), rest)),
            Err(_) => Err(bad(text, &format!("`{word}` is neither a number nor in quotes"))),
        },
        _ => Err(bad(text, "a value is expected: a number, or a text in single quotes")),
    }
}

fn list<'a>(text: &str, tokens: &'a [Token]) -> Result<(Value, &'a [Token]), ApiError> {
    let expected = || bad(text, "IN is followed by texts in brackets: ('a', 'b')");
    let [Token::Open, rest @ ..] = tokens else { return Err(expected()) };
    let mut rest = rest;
    let mut values = Vec::new();
    loop {
        let [Token::Text(value) | Token::Quoted(value), separator, after @ ..] = rest else {
            return Err(expected());
        };
        values.push(value.clone());
        rest = after;
        match separator {
            Token::Comma => {}
            Token::Close => return Ok((Value::Texts(values), rest)),
            _ => return Err(expected()),
        }
    }
}

/// Metrics compare with numbers; tags and parameters are texts.
fn fits(text: &str, field: &Field, comparison: Comparison, value: &Value) -> Result<(), ApiError> {
    let is_number = matches!(value, Value::Number(_));
    let by_pattern = matches!(comparison, Comparison::Like | Comparison::ILike);
    match field {
        Field::Metric(key) if !is_number => {
            Err(bad(text, &format!("metric `{key}` compares with a number")))
        }
        Field::Tag(key) | Field::Param(key) if is_number => {
            Err(bad(text, &format!("the value of `{key}` is a text: put it in single quotes")))
        }
        _ if is_number && by_pattern => Err(bad(text, "LIKE takes a text in single quotes")),
        _ => Ok(()),
    }
}

fn bad(text: &str, why: &str) -> ApiError {
    ApiError::invalid(format!("Invalid filter or order '{text}': {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(field: Field, comparison: Comparison, value: Value) -> Condition {
        Condition { field, comparison, value }
    }

    #[test]
    fn filters_read_as_clients_write_them() {
        use Comparison::{Equal, GreaterOrEqual, ILike, In, Like};
        let name = |value: &str| {
            condition(Field::Attribute("name".into()), Equal, Value::Text(value.into()))
        };
        let tag = |key: &str, value: &str| {
            condition(Field::Tag(key.into()), Equal, Value::Text(value.into()))
        };
        for (filter, expected) in [
            ("", vec![]),
            ("name='churn'", vec![name("churn")]),
            ("name = \"churn\"", vec![name("churn")]),
            ("name = 'it''s'", vec![name("it's")]),
            (
                "name='churn' and tags.`mlx.package_digest` = 'ab'",
                vec![name("churn"), tag("mlx.package_digest", "ab")],
            ),
            ("tags.mlx.package_digest='ab'", vec![tag("mlx.package_digest", "ab")]),
            ("tag.\"a key\" = 'AND'", vec![tag("a key", "AND")]),
            (
                "metrics.auc >= -0.5e-3 AND attributes.run_name LIKE 'a%'",
                vec![
                    condition(Field::Metric("auc".into()), GreaterOrEqual, Value::Number(-0.5e-3)),
                    condition(Field::Attribute("run_name".into()), Like, Value::Text("a%".into())),
                ],
            ),
            (
                "run_id IN ('a','b') AND params.x ilike 'Y'",
                vec![
                    condition(
                        Field::Attribute("run_id".into()),
                        In,
                        Value::Texts(vec!["a".into(), "b".into()]),
                    ),
                    condition(Field::Param("x".into()), ILike, Value::Text("Y".into())),
                ],
            ),
        ] {
            assert_eq!(conditions(filter).ok(), Some(expected), "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in [
            "name",
            "name =",
            "= 'x'",
            "name = 'x",
            "name = x",
            "name = 'x' OR name = 'y'",
            "name = 'x' name = 'y'",
            "name = 'x' AND",
            "tags. = 'x'",
            "colours.red = 'x'",
            "metrics.auc = 'x'",
            "tags.a = 1",
            "name LIKE 1",
            "run_id IN 'a'",
            "run_id IN ('a'",
            "run_id IN ()",
            "name = 'x'; DROP TABLE runs",
            "(name = 'x')",
            "name ~ 'x'",
            "'",
            "ü💥",
        ] {
            assert!(conditions(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn orders_read_as_clients_write_them() {
        let by = |text| order(text).ok().map(|order| order.descending);
        assert_eq!(by("name"), Some(false));
        assert_eq!(by("metrics.`val auc` DESC"), Some(true));
        assert_eq!(by("attributes.start_time asc"), Some(false));
        assert_eq!(by("name sideways"), None);
        assert_eq!(by(""), None);
    }
}
