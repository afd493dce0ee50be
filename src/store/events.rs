//! The log of each model as rows: read, appended to, and projected into aliases.

use sqlx::Row as _;

use super::sql::{Row, Sql, Transaction};
use super::{Failure, Store};
use crate::registry::history::Last;
use crate::registry::{EnvironmentName, Event, EventKind, ModelName, VersionNumber};

/// What [`event`] reads.
pub(super) const COLUMNS: &str = "sequence, model, environment, kind, from_version, to_version, \
     actor, reason, evidence, policy, operation_id, timestamp_ms, previous_hash, hash";

/// Which part of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    #[default]
    All,
    /// The first of those that follow this place.
    After { sequence: u64, limit: u64 },
    /// The last of all.
    Last(u64),
}

impl Store {
    /// A model's log, oldest first: of all, or of the moves of one environment.
    pub(crate) async fn events(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
        part: Part,
    ) -> Result<Vec<Event>, Failure> {
        let mut sql = select();
        sql.push("model = ").bind(model.as_str().to_owned());
        if let Some(environment) = environment {
            sql.push(" AND environment = ").bind(environment.as_str().to_owned());
        }
        match part {
            Part::All => sql.push(" ORDER BY sequence"),
            Part::After { sequence, limit } => {
                sql.push(" AND sequence > ").bind(sequence as i64);
                sql.push(" ORDER BY sequence LIMIT ").bind(limit as i64)
            }
            Part::Last(limit) => sql.push(" ORDER BY sequence DESC LIMIT ").bind(limit as i64),
        };
        let mut events = sql.query().try_map(event).fetch_all(self.read()).await?;
        if matches!(part, Part::Last(_)) {
            events.reverse();
        }
        Ok(events)
    }
}

fn select() -> Sql {
    Sql::new(format!("SELECT {COLUMNS} FROM events WHERE "))
}

pub(super) async fn by_operation(
    transaction: &mut Transaction<'_>,
    operation_id: &str,
) -> Result<Option<Event>, Failure> {
    let mut sql = select();
    sql.push("operation_id = ").bind(operation_id.to_owned());
    Ok(sql.query().try_map(event).fetch_optional(&mut **transaction).await?)
}

pub(super) async fn of_environment(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
) -> Result<Vec<Event>, Failure> {
    let mut sql = select();
    sql.push("model = ").bind(model.as_str().to_owned());
    sql.push(" AND environment = ").bind(environment.as_str().to_owned());
    sql.push(" ORDER BY sequence");
    Ok(sql.query().try_map(event).fetch_all(&mut **transaction).await?)
}

/// The last move of an environment.
pub(super) async fn last_move(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
) -> Result<Option<Event>, Failure> {
    let mut sql = select();
    sql.push("model = ").bind(model.as_str().to_owned());
    sql.push(" AND environment = ").bind(environment.as_str().to_owned());
    sql.push(" ORDER BY sequence DESC LIMIT 1");
    Ok(sql.query().try_map(event).fetch_optional(&mut **transaction).await?)
}

/// The last event of a model's log, as the next one follows it.
pub(super) async fn last(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
) -> Result<Option<Last>, Failure> {
    let last: Option<(i64, String, i64)> = sqlx::query_as(
        "SELECT sequence, hash, timestamp_ms FROM events WHERE model = $1 \
         ORDER BY sequence DESC LIMIT 1",
    )
    .bind(model.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(last.map(|(sequence, hash, timestamp_ms)| Last {
        sequence: sequence as u64,
        hash,
        timestamp_ms,
    }))
}

pub(super) async fn append(
    transaction: &mut Transaction<'_>,
    event: &Event,
) -> Result<(), Failure> {
    let evidence = event.evidence.as_ref().map(ToString::to_string);
    let policy = event.policy.as_ref().map(|policy| {
        serde_json::to_string(policy).expect("a policy's record has only string keys")
    });
    sqlx::query(
        "INSERT INTO events (model, sequence, environment, kind, from_version, to_version, actor, \
         reason, evidence, policy, operation_id, timestamp_ms, previous_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(event.model.as_str())
    .bind(event.sequence as i64)
    .bind(event.environment.as_ref().map_or("", EnvironmentName::as_str))
    .bind(kind_text(event.kind))
    .bind(event.from.map(|version| version.0 as i64))
    .bind(event.to.map(|version| version.0 as i64))
    .bind(&event.actor)
    .bind(&event.reason)
    .bind(evidence)
    .bind(policy)
    .bind(&event.operation_id)
    .bind(event.timestamp_ms)
    .bind(&event.previous_hash)
    .bind(&event.hash)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The alias of an environment says what its last move says.
pub(super) async fn project(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
    to: Option<VersionNumber>,
) -> Result<(), Failure> {
    let query = match to {
        Some(to) => sqlx::query(
            "INSERT INTO aliases VALUES ($1, $2, $3) \
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
        )
        .bind(model.as_str().to_owned())
        .bind(environment.as_str().to_owned())
        .bind(to.0 as i64),
        None => sqlx::query("DELETE FROM aliases WHERE model = $1 AND alias = $2")
            .bind(model.as_str().to_owned())
            .bind(environment.as_str().to_owned()),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// What an environment's alias points to.
pub(super) async fn live(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
) -> Result<Option<VersionNumber>, Failure> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM aliases WHERE model = $1 AND alias = $2")
            .bind(model.as_str())
            .bind(environment.as_str())
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(version.map(|version| VersionNumber(version as u64)))
}

const KINDS: &[(EventKind, &str)] = &[
    (EventKind::Promote, "promote"),
    (EventKind::Rollback, "rollback"),
    (EventKind::AliasSet, "alias_set"),
    (EventKind::AliasRemoved, "alias_removed"),
    (EventKind::Yank, "yank"),
    (EventKind::Unyank, "unyank"),
];

fn kind_text(kind: EventKind) -> &'static str {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.expect("every kind is in the table").1
}

/// A row that was tampered with may hold anything; it must come out as an error, not as a panic.
pub(super) fn event(row: Row) -> Result<Event, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    let kind = row.try_get::<&str, _>(3)?;
    let Some((kind, _)) = KINDS.iter().find(|(_, text)| *text == kind) else {
        return Err(sqlx::Error::Decode(format!("`{kind}` is no kind of event").into()));
    };
    let number = |index: usize| -> Result<Option<VersionNumber>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(index)?.map(|number| VersionNumber(number as u64)))
    };
    let environment = match row.try_get::<&str, _>(2)? {
        "" => None,
        name => Some(name.parse().map_err(decode)?),
    };
    Ok(Event {
        sequence: row.try_get::<i64, _>(0)? as u64,
        model: row.try_get::<&str, _>(1)?.parse().map_err(decode)?,
        environment,
        kind: *kind,
        from: number(4)?,
        to: number(5)?,
        actor: row.try_get(6)?,
        reason: row.try_get(7)?,
        evidence: json(&row, 8)?,
        policy: json(&row, 9)?,
        operation_id: row.try_get(10)?,
        timestamp_ms: row.try_get(11)?,
        previous_hash: row.try_get(12)?,
        hash: row.try_get(13)?,
    })
}

/// A column that holds JSON, or nothing.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row,
    index: usize,
) -> Result<Option<T>, sqlx::Error> {
    row.try_get::<Option<&str>, _>(index)?
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
