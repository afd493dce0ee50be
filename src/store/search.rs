//! Searches: conditions, order and pages as values, and the SQL that they become.

use super::Failure;
use super::sql::{Dialect, Sql};

/// What a search asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// All must hold.
    pub conditions: Vec<Condition>,
    pub order: Vec<Order>,
    pub stages: Stages,
    pub offset: u64,
    pub limit: u64,
}

/// Which lifecycle stages of experiments and runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stages {
    #[default]
    Active,
    Deleted,
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub field: Field,
    pub comparison: Comparison,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Attribute(String),
    Tag(String),
    Param(String),
    Metric(String),
    /// A metric on this dataset: its name and, where it counts, its digest.
    MetricOn(String, OfDataset),
    Dataset(DatasetField),
}

/// A dataset by its name and, where it counts, its digest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfDataset {
    pub name: String,
    pub digest: Option<String>,
}

/// What a run's datasets are searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatasetField {
    Name,
    Digest,
    /// What for, such as `train`: a tag of the input.
    Context,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `%` and `_` stand for anything; the case counts.
    Like,
    /// As `Like`, whatever the case.
    ILike,
    In,
    NotIn,
    /// There is no such key.
    IsNull,
    IsNotNull,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Texts(Vec<String>),
    /// Of a comparison that takes none.
    Nothing,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub field: Field,
    pub descending: bool,
}

/// Some of what was found, and where the rest begins.
#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub next_offset: Option<u64>,
}

impl<T> Page<T> {
    /// From one row more than was asked for, by which we know that there are more.
    pub(super) fn cut(mut items: Vec<T>, query: &Query) -> Self {
        let more = items.len() as u64 > query.limit;
        items.truncate(query.limit as usize);
        Self { items, next_offset: more.then_some(query.offset + query.limit) }
    }
}

/// How the fields of one kind of thing are spelt in SQL.
pub(super) struct Searched {
    /// What is searched, for messages: `run`.
    pub noun: &'static str,
    /// The names that a client may use, and the column of each.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Of those, the numbers that are compared as text.
    pub as_text: &'static [(&'static str, &'static str)],
    /// `FROM … WHERE` of the tags that belong to a row, ending before `key`: used in subqueries.
    pub tags: &'static str,
    pub params: Option<&'static str>,
    /// With columns `value` and `is_nan`; ends with which one counts, where there are several.
    pub metrics: Option<(&'static str, &'static str)>,
    /// `FROM … WHERE` of a run's datasets, and of their tags.
    pub datasets: Option<(&'static str, &'static str)>,
    /// What decides where the order asked for doesn't; unique.
    pub tie: &'static str,
}

impl Searched {
    /// Add ` AND …` for each condition.
    pub(super) fn filter(
        &self,
        sql: &mut Sql,
        dialect: Dialect,
        conditions: &[Condition],
    ) -> Result<(), Failure> {
        for condition in conditions {
            sql.push(" AND ");
            if let Field::Attribute(name) = &condition.field {
                let as_text = self.as_text.iter().find(|(known, _)| known == name);
                sql.push(as_text.map_or_else(|| self.column(name), |(_, column)| Ok(*column))?);
                compare(sql, dialect, condition.comparison, &condition.value);
                continue;
            }
            let (wanted, comparison) = presence(condition);
            sql.push(if wanted { "EXISTS (SELECT 1 " } else { "NOT EXISTS (SELECT 1 " });
            self.push_pairs(sql, &condition.field)?;
            match condition.field {
                Field::Metric(_) | Field::MetricOn(..) => sql.push(" AND t.is_nan = 0"),
                _ => sql,
            };
            if let Some(comparison) = comparison {
                sql.push(" AND ").push(value_column(&condition.field));
                compare(sql, dialect, comparison, &condition.value);
            }
            sql.push(")");
        }
        Ok(())
    }

    /// Add ` ORDER BY … LIMIT … OFFSET …`. What has no value comes last either way, and before it
    /// what is no number.
    pub(super) fn page(
        &self,
        sql: &mut Sql,
        query: &Query,
        default: &'static str,
    ) -> Result<(), Failure> {
        sql.push(" ORDER BY ");
        for Order { field, descending } in &query.order {
            let direction = if *descending { " DESC" } else { " ASC" };
            if let Field::Attribute(name) = field {
                let column = self.column(name)?;
                sql.push(column).push(direction);
                // Of the columns that are ordered by, the one that can be without a value; the
                // others keep an order that an index has.
                sql.push(if name == "end_time" { " NULLS LAST, " } else { ", " });
                continue;
            }
            let counts = match (field, self.metrics) {
                (Field::Metric(_) | Field::MetricOn(..), Some((_, counts))) => {
                    sql.push("coalesce((SELECT t.is_nan ");
                    self.push_pairs(sql, field)?;
                    sql.push(counts).push("), 2), ");
                    counts
                }
                _ => "",
            };
            sql.push("(SELECT ").push(value_column(field)).push(" ");
            self.push_pairs(sql, field)?;
            sql.push(counts).push(")").push(direction).push(" NULLS LAST, ");
        }
        if query.order.is_empty() {
            sql.push(default).push(", ");
        }
        sql.push(self.tie);
        sql.push(" LIMIT ").bind(query.limit as i64 + 1);
        sql.push(" OFFSET ").bind(query.offset as i64);
        Ok(())
    }

    /// Add `FROM … WHERE …`: the rows of this field that belong to what is searched.
    fn push_pairs(&self, sql: &mut Sql, field: &Field) -> Result<(), Failure> {
        let metrics = self.metrics.map(|(pairs, _)| pairs);
        let (pairs, key) = match field {
            Field::Attribute(name) => {
                return Err(Failure::Invalid(format!("`{name}` is an attribute, not a key")));
            }
            Field::Tag(key) => (Some(self.tags), Some(key)),
            Field::Param(key) => (self.params, Some(key)),
            Field::Metric(key) | Field::MetricOn(key, _) => (metrics, Some(key)),
            Field::Dataset(DatasetField::Context) => (self.datasets.map(|(_, tags)| tags), None),
            Field::Dataset(_) => (self.datasets.map(|(datasets, _)| datasets), None),
        };
        sql.push(pairs.ok_or_else(|| self.has_no(field))?);
        if let Some(key) = key {
            sql.push(" AND t.key = ").bind(key.clone());
        }
        if let Field::MetricOn(_, dataset) = field {
            sql.push(" AND ");
            on_dataset(sql, dataset);
        }
        Ok(())
    }

    fn column(&self, name: &str) -> Result<&'static str, Failure> {
        self.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, column)| *column)
            .ok_or_else(|| {
                let known: Vec<_> = self.attributes.iter().map(|(name, _)| *name).collect();
                Failure::Invalid(format!(
                    "a {} has no attribute `{name}` to search by; it has {}",
                    self.noun,
                    known.join(", ")
                ))
            })
    }

    fn has_no(&self, field: &Field) -> Failure {
        let kind = match field {
            Field::Param(_) => "params",
            Field::Metric(_) => "metrics",
            _ => "such fields",
        };
        Failure::Invalid(format!("a {} has no {kind} to search by", self.noun))
    }
}

/// Whether rows must be there, and what of them must hold.
///
/// `!=` asks for a key that is there, as everywhere in MLflow. But its client adds "is no prompt"
/// to every search of models, and what has no such tag is none.
fn presence(condition: &Condition) -> (bool, Option<Comparison>) {
    let prompt = matches!(&condition.field, Field::Tag(key) if key == "mlflow.prompt.is_prompt");
    let is = |text: &str| matches!(&condition.value, Value::Text(value) if value == text);
    match condition.comparison {
        Comparison::IsNull => (false, None),
        Comparison::IsNotNull => (true, None),
        Comparison::NotEqual if prompt && is("true") => (false, Some(Comparison::Equal)),
        Comparison::Equal if prompt && is("false") => (false, Some(Comparison::NotEqual)),
        comparison => (true, Some(comparison)),
    }
}

fn value_column(field: &Field) -> &'static str {
    match field {
        Field::Dataset(DatasetField::Name) => "t.name",
        Field::Dataset(DatasetField::Digest) => "t.digest",
        _ => "t.value",
    }
}

/// Add the condition that a metric was measured on this dataset.
pub(super) fn on_dataset(sql: &mut Sql, dataset: &OfDataset) {
    sql.push("t.dataset_name = ").bind(dataset.name.clone());
    if let Some(digest) = &dataset.digest {
        sql.push(" AND t.dataset_digest = ").bind(digest.clone());
    }
}

fn compare(sql: &mut Sql, dialect: Dialect, comparison: Comparison, value: &Value) {
    let operator = match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Like => dialect.like("").0,
        Comparison::ILike => dialect.ilike("").0,
        Comparison::In => "IN",
        Comparison::NotIn => "NOT IN",
        Comparison::IsNull => "IS NULL",
        Comparison::IsNotNull => "IS NOT NULL",
    };
    sql.push(" ").push(operator).push(" ");
    match value {
        Value::Text(text) if comparison == Comparison::Like => {
            sql.bind(dialect.like(text).1);
        }
        Value::Text(text) if comparison == Comparison::ILike => {
            sql.bind(dialect.ilike(text).1);
        }
        Value::Text(text) => {
            sql.bind(text.clone());
        }
        Value::Number(number) => {
            sql.bind(*number);
        }
        Value::Texts(texts) => {
            sql.bind_list(texts.iter().cloned());
        }
        Value::Nothing => {}
    }
}
