//! What each search can be asked: its fields, what they compare with and how, and MLflow's words
//! where something else is asked.

use super::lexer::{Kind, Token};
use crate::store::{Comparison, DatasetField, Field, Value};

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Runs,
    Experiments,
    Models,
    Versions,
    LoggedModels,
}

/// The attributes of one search.
struct Attributes {
    texts: &'static [&'static str],
    numbers: &'static [&'static str],
    /// The texts that compare with a list.
    lists: &'static [&'static str],
    orders: &'static [&'static str],
}

const RUNS: Attributes = Attributes {
    texts: &[
        "Run Name",
        "Run name",
        "artifact_uri",
        "run name",
        "run_id",
        "run_name",
        "status",
        "user_id",
    ],
    numbers: &["Created", "created", "end_time", "start_time"],
    lists: &["run_id"],
    orders: &[
        "Created",
        "artifact_uri",
        "created",
        "end_time",
        "run_id",
        "run_name",
        "start_time",
        "status",
        "user_id",
    ],
};

const EXPERIMENTS: Attributes = Attributes {
    texts: &["experiment_id", "name"],
    numbers: &["creation_time", "last_update_time"],
    lists: &["experiment_id"],
    orders: &["creation_time", "experiment_id", "last_update_time", "name"],
};

const MODELS: Attributes = Attributes {
    texts: &["name"],
    numbers: &[],
    lists: &["name"],
    orders: &["creation_timestamp", "last_updated_timestamp", "name", "timestamp"],
};

const VERSIONS: Attributes = Attributes {
    texts: &["name", "run_id", "source_path"],
    numbers: &["version_number"],
    lists: &["name", "run_id"],
    orders: &["creation_timestamp", "last_updated_timestamp", "name", "version_number"],
};

const LOGGED_MODELS: Attributes = Attributes {
    texts: &["experiment_id", "model_id", "model_type", "name", "source_run_id", "status"],
    numbers: &[
        "creation_time",
        "creation_timestamp",
        "last_updated_time",
        "last_updated_timestamp",
    ],
    lists: &["experiment_id", "model_id", "model_type", "name", "source_run_id", "status"],
    orders: &[
        "creation_time",
        "creation_timestamp",
        "experiment_id",
        "last_updated_time",
        "last_updated_timestamp",
        "model_id",
        "model_type",
        "name",
        "source_run_id",
        "status",
    ],
};

const NUMERIC: &[&str] = &["!=", "<", "<=", "=", ">", ">="];
const TEXTUAL: &[&str] = &["!=", "=", "ILIKE", "LIKE"];
const TEXTUAL_OR_LIST: &[&str] = &["!=", "=", "ILIKE", "IN", "LIKE", "NOT IN"];

/// The keys of a run's datasets.
const DATASET: &[(&str, DatasetField)] = &[
    ("context", DatasetField::Context),
    ("digest", DatasetField::Digest),
    ("name", DatasetField::Name),
];

impl Search {
    fn attributes(self) -> &'static Attributes {
        match self {
            Self::Runs => &RUNS,
            Self::Experiments => &EXPERIMENTS,
            Self::Models => &MODELS,
            Self::Versions => &VERSIONS,
            Self::LoggedModels => &LOGGED_MODELS,
        }
    }

    /// The field of this name, to filter by.
    pub(super) fn field(self, text: &str) -> Result<Field, String> {
        let Attributes { texts, numbers, .. } = self.attributes();
        let mut known = [*texts, *numbers].concat();
        known.sort_unstable();
        self.named(text, &known)
    }

    /// The field of this name, to order by.
    pub(super) fn ordered(self, text: &str) -> Result<Field, String> {
        let field = self.named(text, self.attributes().orders)?;
        match (self, &field) {
            (Self::Runs, Field::Dataset(_)) => Err("Invalid identifier type 'dataset'".into()),
            (Self::Runs, _) | (_, Field::Attribute(_)) => Ok(field),
            _ => Err(format!("Invalid order_by entity: {}", kind(&field))),
        }
    }

    fn named(self, text: &str, attributes: &[&str]) -> Result<Field, String> {
        let (entity, key) = split(text);
        let key = unquoted(key);
        let Some(entity) = entity else { return attribute(&key, attributes) };
        let entity = entity.trim_matches('`');
        match (self, entity) {
            (Self::Runs, "metric" | "metrics") | (Self::LoggedModels, "metrics") => {
                Ok(Field::Metric(key))
            }
            (Self::Runs, "param" | "params" | "parameter" | "parameters")
            | (Self::LoggedModels, "params") => Ok(Field::Param(key)),
            (Self::LoggedModels, "tags") => Ok(Field::Tag(key)),
            (Self::LoggedModels, "attributes") | (Self::Runs, "attr" | "attributes" | "run") => {
                attribute(&key, attributes)
            }
            (Self::Runs, "dataset" | "datasets") => dataset(&key),
            (Self::LoggedModels, _) => Err(format!(
                "Invalid entity type: '{entity}'. Expected one of ['attributes', 'metrics', \
                 'params', 'tags']."
            )),
            (_, "tag" | "tags") => Ok(Field::Tag(key)),
            (_, "attribute") => attribute(&key, attributes),
            (Self::Runs, _) => Err(format!(
                "Invalid entity type '{entity}'. Valid values are ['metric', 'parameter', 'tag', \
                 'attribute', 'dataset']"
            )),
            _ => Err(format!(
                "Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', \
                 'tags')"
            )),
        }
    }

    /// The value that a field compares with.
    pub(super) fn value(self, field: &Field, token: &Token<'_>) -> Result<Value, String> {
        let found = token.text;
        match field {
            Field::Metric(_) | Field::MetricOn(..) => number(token)
                .map(Value::Number)
                .ok_or_else(|| format!("Expected numeric value type for metric. Found {found}")),
            Field::Attribute(name) if self.attributes().numbers.contains(&name.as_str()) => {
                // Clients put version numbers in quotes as often as not.
                let number = number(token).or_else(|| match (self, text(token)) {
                    (Self::Versions, Some(text)) => text.parse().ok(),
                    _ => None,
                });
                number.map(Value::Number).ok_or_else(|| {
                    format!(
                        "Expected numeric value type for numeric attribute: {name}. Found {found}"
                    )
                })
            }
            _ => self.text(field, token),
        }
    }

    fn text(self, field: &Field, token: &Token<'_>) -> Result<Value, String> {
        if let Some(text) = text(token) {
            return Ok(Value::Text(text));
        }
        match (&token.kind, field) {
            (Kind::List(items), Field::Dataset(_)) => list(items),
            (Kind::List(items), Field::Attribute(name)) => {
                let lists = self.attributes().lists;
                if !lists.contains(&name.as_str()) {
                    let lists: Vec<_> = lists.iter().map(|name| format!("'{name}'")).collect();
                    return Err(format!(
                        "Only [{}] attributes support comparison with a list of quoted string \
                         values.",
                        lists.join(", ")
                    ));
                }
                list(items)
            }
            (Kind::List(items), Field::Tag(_) | Field::Param(_)) if self == Self::LoggedModels => {
                list(items)
            }
            // MLflow's own example of a filter of logged models has `params.lr = 0.01`.
            (Kind::Identifier | Kind::Number, _) if self == Self::LoggedModels => {
                Ok(Value::Text(token.text.to_owned()))
            }
            (Kind::Identifier | Kind::Operation, _) => Err(format!(
                "Parameter value is either not quoted or unidentified quote types used for string \
                 value {}. Use either single or double quotes.",
                token.text
            )),
            (_, Field::Attribute(_)) if matches!(self, Self::Models | Self::Versions) => {
                Err(format!(
                    "Expected a quoted string value or a list of quoted string values for \
                     attributes. Got value {}",
                    token.text
                ))
            }
            (_, Field::Attribute(_)) => Err(format!(
                "Expected a quoted string value for attributes. Got value {}",
                token.text
            )),
            (_, Field::Dataset(_)) => Err(format!(
                "Expected a quoted string value for dataset attributes. Got value {}",
                token.text
            )),
            _ => Err(format!(
                "Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
                kind(field),
                token.text
            )),
        }
    }

    /// How a field compares, if it can so, and with such a value.
    pub(super) fn comparison(
        self,
        field: &Field,
        comparator: &str,
        value: &Value,
    ) -> Result<Comparison, String> {
        let takes_lists = match field {
            Field::Attribute(_) | Field::Dataset(_) => true,
            _ => self == Self::LoggedModels,
        };
        let known = match value {
            Value::Number(_) => NUMERIC,
            _ if takes_lists => TEXTUAL_OR_LIST,
            _ => TEXTUAL,
        };
        let is_list = matches!(value, Value::Texts(_));
        let comparison = match comparator {
            "=" if !is_list => Comparison::Equal,
            "!=" if !is_list => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "LIKE" if !is_list => Comparison::Like,
            "ILIKE" if !is_list => Comparison::ILike,
            "IN" => Comparison::In,
            "NOT IN" => Comparison::NotIn,
            _ => return Err(self.no_such_comparator(field, comparator, known)),
        };
        if known.contains(&comparator) {
            Ok(comparison)
        } else {
            Err(self.no_such_comparator(field, comparator, known))
        }
    }

    fn no_such_comparator(self, field: &Field, comparator: &str, known: &[&str]) -> String {
        let nullable = self.may_be_null(field).is_ok();
        let known = known.iter().copied().chain(
            ["IS NOT NULL", "IS NULL"].into_iter().filter(|_| nullable && self == Self::Runs),
        );
        let known: Vec<_> = known.map(|known| format!("'{known}'")).collect();
        match (self, field) {
            (Self::LoggedModels, _) => format!(
                "Invalid comparison operator for {}: '{comparator}'. Expected one of ({}).",
                plural(field),
                known.join(", ")
            ),
            (Self::Models | Self::Versions, _) | (Self::Experiments, Field::Tag(_)) => {
                format!("Invalid comparator for {}: {comparator}", kind(field))
            }
            _ => format!("Invalid comparator '{comparator}' not one of '{{{}}}'", known.join(", ")),
        }
    }

    /// Whether a field can be asked for being there.
    pub(super) fn may_be_null(self, field: &Field) -> Result<(), String> {
        match (self, field) {
            (Self::Runs, Field::Tag(_) | Field::Param(_)) | (Self::Experiments, Field::Tag(_)) => {
                Ok(())
            }
            (Self::Experiments, field) => Err(format!(
                "IS NULL / IS NOT NULL is only supported for tags, not for {} '{}'",
                kind(field),
                key(field)
            )),
            (Self::Runs, field) => Err(format!(
                "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{}'",
                kind(field),
                key(field)
            )),
            _ => Err("IS NULL / IS NOT NULL is not supported in this search".into()),
        }
    }

    pub(super) fn several_expressions(self, filter: &str) -> String {
        let filter = python_text(filter);
        match self {
            Self::LoggedModels => {
                format!("Invalid filter string: {filter}. Expected a single SQL expression.")
            }
            _ => format!(
                "Search filter contained multiple expression {filter}. Provide AND-ed expression \
                 list."
            ),
        }
    }

    /// The words on tokens that are part of no comparison.
    pub(super) fn strays(self, filter: &str, strays: &[&str]) -> String {
        match self {
            Self::LoggedModels => format!(
                "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' \
                 (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').",
                python_text(filter)
            ),
            Self::Runs => {
                let strays: Vec<_> = strays.iter().map(|stray| format!("'{stray}'")).collect();
                format!("Invalid clause(s) in filter string: {}", strays.join(", "))
            }
            _ => format!("Invalid clause(s) in filter string: {}", strays.join(", ")),
        }
    }
}

fn attribute(key: &str, known: &[&str]) -> Result<Field, String> {
    if !known.contains(&key) {
        let known: Vec<_> = known.iter().map(|name| format!("'{name}'")).collect();
        return Err(format!(
            "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
            known.join(", ")
        ));
    }
    Ok(Field::Attribute(match key {
        "created" | "Created" => "start_time".to_owned(),
        "run name" | "Run name" | "Run Name" => "run_name".to_owned(),
        key => key.to_owned(),
    }))
}

fn dataset(key: &str) -> Result<Field, String> {
    let found = DATASET.iter().find(|(name, _)| *name == key);
    found.map(|(_, field)| Field::Dataset(*field)).ok_or_else(|| {
        format!(
            "Invalid dataset key '{key}' specified. Valid keys are '{{'context', 'digest', \
             'name'}}'"
        )
    })
}

/// `tags.a.b` is `tags` and `a.b`; a name without a dot outside of quotes is an attribute.
fn split(text: &str) -> (Option<&str>, &str) {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '.') => return (Some(&text[..at]), &text[at + 1..]),
            (None, '`' | '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    (None, text)
}

/// A text without the quotes around all of it, if there are any; within them, a doubled one is one.
pub(super) fn unquoted(text: &str) -> String {
    for quote in ['\'', '"', '`'] {
        let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            let doubled: String = [quote, quote].iter().collect();
            if !inner.replace(&doubled, "").contains(quote) {
                return inner.replace(&doubled, &quote.to_string());
            }
        }
    }
    text.to_owned()
}

fn number(token: &Token<'_>) -> Option<f64> {
    if token.kind == Kind::Number { token.text.parse().ok() } else { None }
}

/// The text that a token in quotes holds.
fn text(token: &Token<'_>) -> Option<String> {
    let quoted = token.kind == Kind::Text
        || (token.kind == Kind::Identifier && token.text.starts_with('"') && token.text.len() > 1);
    quoted.then(|| unquoted(token.text))
}

fn list(items: &[Token<'_>]) -> Result<Value, String> {
    const COMMA: Token<'_> = Token { kind: Kind::Comma, text: "," };
    const START: &str =
        "While parsing a list in the query, expected a non-empty list of string values, but got";
    if items.is_empty() {
        return Err(format!("{START} empty list"));
    }
    // A comma may come last.
    let items = items.strip_suffix(&[COMMA]).unwrap_or(items);
    let mut texts = Vec::new();
    for part in items.split(|token| token.kind == Kind::Comma) {
        match part {
            [item] if item.kind == Kind::Number => {
                return Err(format!(
                    "While parsing a list in the query, expected string value, punctuation, or \
                     whitespace, but got different type in list: {}",
                    item.text
                ));
            }
            [item] => match text(item) {
                Some(text) => texts.push(text),
                None => return Err(format!("{START} ill-formed list.")),
            },
            _ => return Err(format!("{START} ill-formed list.")),
        }
    }
    Ok(Value::Texts(texts))
}

/// What MLflow calls the kind of a field.
fn kind(field: &Field) -> &'static str {
    match field {
        Field::Attribute(_) => "attribute",
        Field::Tag(_) => "tag",
        Field::Param(_) => "parameter",
        Field::Metric(_) | Field::MetricOn(..) => "metric",
        Field::Dataset(_) => "dataset",
    }
}

fn key(field: &Field) -> &str {
    match field {
        Field::Attribute(key)
        | Field::Tag(key)
        | Field::Param(key)
        | Field::Metric(key)
        | Field::MetricOn(key, _) => key,
        Field::Dataset(field) => {
            DATASET.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name)
        }
    }
}

/// A field as filters of logged models name it.
fn plural(field: &Field) -> String {
    let kind = match field {
        Field::Param(_) => "param",
        field => kind(field),
    };
    format!("{kind}s.{}", key(field))
}

/// A text as Python prints one.
fn python_text(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "\\'"))
    }
}
