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
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Texts(Vec<String>),
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
    /// `FROM … WHERE` of the tags that belong to a row, ending before `key`: used in subqueries.
    pub tags: &'static str,
    pub params: Option<&'static str>,
    pub metrics: Option<&'static str>,
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
            let (pairs, key) = match &condition.field {
                Field::Attribute(name) => {
                    sql.push(self.column(name)?);
                    compare(sql, dialect, condition);
                    continue;
                }
                Field::Tag(key) => (Some(self.tags), key),
                Field::Param(key) => (self.params, key),
                Field::Metric(key) => (self.metrics, key),
            };
            let pairs = pairs.ok_or_else(|| self.has_no(&condition.field))?;
            // MLflow's client adds "is no prompt" to every search of models; what has no such tag
            // is none. Every other `!=` asks for a tag that is there.
            let absent_counts =
                key == "mlflow.prompt.is_prompt" && condition.comparison == Comparison::NotEqual;
            if absent_counts {
                sql.push("NOT ");
            }
            sql.push("EXISTS (SELECT 1 ").push(pairs).push(" AND key = ").bind(key.clone());
            sql.push(" AND value");
            if absent_counts {
                compare(
                    sql,
                    dialect,
                    &Condition { comparison: Comparison::Equal, ..condition.clone() },
                );
            } else {
                compare(sql, dialect, condition);
            }
            sql.push(")");
        }
        Ok(())
    }

    /// Add ` ORDER BY … LIMIT … OFFSET …`.
    pub(super) fn page(
        &self,
        sql: &mut Sql,
        query: &Query,
        default: &'static str,
    ) -> Result<(), Failure> {
        sql.push(" ORDER BY ");
        for order in &query.order {
            let (pairs, key) = match &order.field {
                Field::Attribute(name) => {
                    sql.push(self.column(name)?);
                    sql.push(if order.descending { " DESC, " } else { " ASC, " });
                    continue;
                }
                Field::Tag(key) => (Some(self.tags), key),
                Field::Param(key) => (self.params, key),
                Field::Metric(key) => (self.metrics, key),
            };
            let pairs = pairs.ok_or_else(|| self.has_no(&order.field))?;
            sql.push("(SELECT value ").push(pairs).push(" AND key = ").bind(key.clone());
            sql.push(if order.descending { ") DESC NULLS LAST, " } else { ") ASC NULLS LAST, " });
        }
        if query.order.is_empty() {
            sql.push(default).push(", ");
        }
        sql.push(self.tie);
        sql.push(" LIMIT ").bind(query.limit as i64 + 1);
        sql.push(" OFFSET ").bind(query.offset as i64);
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

fn compare(sql: &mut Sql, dialect: Dialect, condition: &Condition) {
    let operator = match condition.comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Like => dialect.like("").0,
        Comparison::ILike => dialect.ilike("").0,
        Comparison::In => "IN",
    };
    sql.push(" ").push(operator).push(" ");
    match &condition.value {
        Value::Text(text) if condition.comparison == Comparison::Like => {
            sql.bind(dialect.like(text).1);
        }
        Value::Text(text) if condition.comparison == Comparison::ILike => {
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
    }
}
