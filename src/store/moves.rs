//! Moves of an environment's pointer: the event and the alias in one transaction.

use sqlx::Row as _;

use super::sql::{Row, Scope, Sql, Transaction};
use super::{Failure, Store, models, versions};
use crate::registry::history::{self, NewEvent};
use crate::registry::{EnvironmentName, Event, EventKind, ModelName, VersionNumber};
use crate::sys::clock;

/// A move that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub kind: EventKind,
    /// None: nothing shall be live.
    pub to: Option<VersionNumber>,
    pub expect: Expect,
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<serde_json::Value>,
    pub operation_id: String,
}

/// What must be live for a move to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A plain MLflow call: the last writer wins.
    Anything,
    Exactly(Option<VersionNumber>),
}

const SELECT: &str = "SELECT sequence, model, environment, kind, from_version, to_version, actor, \
     reason, evidence, operation_id, timestamp_ms, previous_hash, hash FROM events WHERE ";

impl Store {
    /// Make the move, or say who moved first. A repeated operation id answers the first one's
    /// event. None: a plain call that changes nothing.
    pub(crate) async fn apply(&self, wanted: &Move) -> Result<Option<Event>, Failure> {
        let mut transaction = self.write(Scope::Model(&wanted.model)).await?;
        if let Some(done) = by_operation(&mut transaction, &wanted.operation_id).await? {
            return same_move(done, wanted).map(Some);
        }
        models::exists(&mut transaction, &wanted.model).await?;
        let log = of_environment(&mut transaction, &wanted.model, &wanted.environment).await?;
        let live = history::environment(&log, &wanted.environment).live;
        decide(wanted, live, &log)?;
        if let Some(to) = wanted.to {
            versions::exists(&mut transaction, &wanted.model, to).await?;
            if wanted.expect != Expect::Anything {
                has_files(&mut transaction, &wanted.model, to).await?;
            }
        }
        if wanted.to == live {
            return Ok(None);
        }
        let event = NewEvent {
            model: wanted.model.clone(),
            environment: wanted.environment.clone(),
            kind: wanted.kind,
            from: live,
            to: wanted.to,
            actor: wanted.actor.clone(),
            reason: wanted.reason.clone(),
            evidence: wanted.evidence.clone(),
            operation_id: wanted.operation_id.clone(),
            timestamp_ms: clock::now_ms(),
        }
        .after(last(&mut transaction, &wanted.model).await?);
        append(&mut transaction, &event).await?;
        project(&mut transaction, &event).await?;
        transaction.commit().await?;
        Ok(Some(event))
    }

    /// A model's log, oldest first.
    pub(crate) async fn events(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<Event>, Failure> {
        let mut sql = Sql::new(SELECT);
        sql.push("model = ").bind(model.as_str().to_owned());
        if let Some(environment) = environment {
            sql.push(" AND environment = ").bind(environment.as_str().to_owned());
        }
        sql.push(" ORDER BY sequence");
        Ok(sql.query().try_map(event).fetch_all(self.read()).await?)
    }
}

/// Whether a move may be made, by what is live and what was.
fn decide(wanted: &Move, live: Option<VersionNumber>, log: &[Event]) -> Result<(), Failure> {
    let Expect::Exactly(expected) = wanted.expect else { return Ok(()) };
    let environment = &wanted.environment;
    if live != expected {
        return Err(Failure::Conflict {
            message: format!(
                "{} was to be replaced in '{environment}' of model '{}', and {} is live there",
                history::shown(expected),
                wanted.model,
                history::shown(live)
            ),
            live,
            winner: log.last().cloned().map(Box::new),
        });
    }
    let Some(to) = wanted.to else { return Ok(()) };
    if Some(to) == live {
        return Err(Failure::Invalid(format!(
            "version {to} of model '{}' is live in '{environment}' already",
            wanted.model
        )));
    }
    if wanted.kind == EventKind::Rollback && !history::environment(log, environment).was_live(to) {
        return Err(Failure::Invalid(format!(
            "version {to} of model '{}' was never live in '{environment}', so it is no version to \
             roll back to",
            wanted.model
        )));
    }
    Ok(())
}

/// The event of an operation that is repeated, or an error where its id was used for another move.
fn same_move(done: Event, wanted: &Move) -> Result<Event, Failure> {
    let same = done.model == wanted.model
        && done.environment == wanted.environment
        && done.kind == wanted.kind
        && done.to == wanted.to;
    if same {
        return Ok(done);
    }
    Err(Failure::Invalid(format!(
        "the operation id '{}' is that of another move: event {} of model '{}'",
        wanted.operation_id, done.sequence, done.model
    )))
}

/// An environment never points to nothing: a version whose bytes are elsewhere is not ours to promise.
async fn has_files(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    number: VersionNumber,
) -> Result<(), Failure> {
    let file: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM version_files WHERE model = $1 AND version = $2 LIMIT 1")
            .bind(model.as_str())
            .bind(number.0 as i64)
            .fetch_optional(&mut **transaction)
            .await?;
    file.map(|_| ()).ok_or_else(|| {
        Failure::Forbidden(format!("version {number} of model '{model}' has no files here"))
    })
}

async fn by_operation(
    transaction: &mut Transaction<'_>,
    operation_id: &str,
) -> Result<Option<Event>, Failure> {
    let mut sql = Sql::new(SELECT);
    sql.push("operation_id = ").bind(operation_id.to_owned());
    Ok(sql.query().try_map(event).fetch_optional(&mut **transaction).await?)
}

async fn of_environment(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
) -> Result<Vec<Event>, Failure> {
    let mut sql = Sql::new(SELECT);
    sql.push("model = ").bind(model.as_str().to_owned());
    sql.push(" AND environment = ").bind(environment.as_str().to_owned());
    sql.push(" ORDER BY sequence");
    Ok(sql.query().try_map(event).fetch_all(&mut **transaction).await?)
}

/// The number and hash of the last event of a model's log.
async fn last(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
) -> Result<Option<(u64, String)>, Failure> {
    let last: Option<(i64, String)> = sqlx::query_as(
        "SELECT sequence, hash FROM events WHERE model = $1 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(model.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(last.map(|(sequence, hash)| (sequence as u64, hash)))
}

async fn append(transaction: &mut Transaction<'_>, event: &Event) -> Result<(), Failure> {
    let evidence = event.evidence.as_ref().map(ToString::to_string);
    sqlx::query(
        "INSERT INTO events (model, sequence, environment, kind, from_version, to_version, actor, \
         reason, evidence, operation_id, timestamp_ms, previous_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(event.model.as_str())
    .bind(event.sequence as i64)
    .bind(event.environment.as_str())
    .bind(kind_text(event.kind))
    .bind(event.from.map(|version| version.0 as i64))
    .bind(event.to.map(|version| version.0 as i64))
    .bind(&event.actor)
    .bind(&event.reason)
    .bind(evidence)
    .bind(&event.operation_id)
    .bind(event.timestamp_ms)
    .bind(&event.previous_hash)
    .bind(&event.hash)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The alias says what the event says.
async fn project(transaction: &mut Transaction<'_>, event: &Event) -> Result<(), Failure> {
    let query = match event.to {
        Some(to) => sqlx::query(
            "INSERT INTO aliases VALUES ($1, $2, $3) \
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
        )
        .bind(event.model.as_str().to_owned())
        .bind(event.environment.as_str().to_owned())
        .bind(to.0 as i64),
        None => sqlx::query("DELETE FROM aliases WHERE model = $1 AND alias = $2")
            .bind(event.model.as_str().to_owned())
            .bind(event.environment.as_str().to_owned()),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}

fn kind_text(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Promote => "promote",
        EventKind::Rollback => "rollback",
        EventKind::AliasSet => "alias_set",
        EventKind::AliasRemoved => "alias_removed",
    }
}

/// A row that was tampered with may hold anything; it must come out as an error, not as a panic.
pub(super) fn event(row: Row) -> Result<Event, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    let kind = match row.try_get::<&str, _>(3)? {
        "promote" => EventKind::Promote,
        "rollback" => EventKind::Rollback,
        "alias_set" => EventKind::AliasSet,
        "alias_removed" => EventKind::AliasRemoved,
        other => return Err(sqlx::Error::Decode(format!("`{other}` is no kind of event").into())),
    };
    let number = |index: usize| -> Result<Option<VersionNumber>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(index)?.map(|number| VersionNumber(number as u64)))
    };
    let evidence = row
        .try_get::<Option<&str>, _>(8)?
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Event {
        sequence: row.try_get::<i64, _>(0)? as u64,
        model: row.try_get::<&str, _>(1)?.parse().map_err(decode)?,
        environment: row.try_get::<&str, _>(2)?.parse().map_err(decode)?,
        kind,
        from: number(4)?,
        to: number(5)?,
        actor: row.try_get(6)?,
        reason: row.try_get(7)?,
        evidence,
        operation_id: row.try_get(9)?,
        timestamp_ms: row.try_get(10)?,
        previous_hash: row.try_get(11)?,
        hash: row.try_get(12)?,
    })
}
