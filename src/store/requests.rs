//! Requested promotions and their approvals.
//!
//! The last approval that a request needs makes the promotion, in its own transaction: of two that
//! come at once one makes it, and the other is told that it is made.

use serde_json::Value;
use sqlx::Row as _;

use super::admission::{self, bytes, fits, held};
use super::events::json;
use super::policies::other_operation;
use super::sql::{Row, Scope, Sql, Transaction};
use super::{Expect, Failure, Move, Store, events, models, moves, versions, yanks};
use crate::registry::evidence::Unfit;
use crate::registry::policy::{Approval, Revision, Satisfied};
use crate::registry::request::{Answer, Closed, Status};
use crate::registry::{
    EnvironmentName, Event, EventKind, ModelName, Policy, Request, VersionNumber, history,
};
use crate::sys::{clock, random};

/// A promotion that somebody wants others to approve.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub version: VersionNumber,
    /// What must be live now, and when it is approved.
    pub expect: Option<VersionNumber>,
    pub evidence: Option<Value>,
    pub actor: String,
    pub reason: Option<String>,
    pub operation_id: String,
}

/// What somebody says to a request.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub id: String,
    pub answer: Answer,
    pub actor: String,
    pub reason: Option<String>,
    pub operation_id: String,
}

/// A request as it is now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub request: Request,
    /// How many approvals the policy asks for; 0 where there is none anymore.
    pub needed: u32,
    /// How many of those that were given count.
    pub counted: u32,
    /// The promotion, where it was made.
    pub event: Option<Event>,
}

impl Asked {
    fn of(request: Request, policy: Option<&Policy>, event: Option<Event>) -> Self {
        let counted = policy.map_or(0, |policy| request.counted(policy).len() as u32);
        Self { request, needed: policy.map_or(0, |policy| policy.approvals), counted, event }
    }
}

/// Which requests; none of a kind: all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which {
    pub status: Option<Status>,
    pub model: Option<ModelName>,
    pub environment: Option<EnvironmentName>,
}

const COLUMNS: &str = "id, model, environment, version, expected, package_digest, gate_digest, \
     evidence, author, actor, reason, asked_ms, status, closed_by, closed_reason, closed_ms";

impl Store {
    /// Ask for a promotion that the environment's policy wants approved.
    pub(crate) async fn ask(&self, wanted: &Ask) -> Result<Asked, Failure> {
        let Ask { model, environment, version, .. } = wanted;
        let mut transaction = self.write(Scope::Model(model)).await?;
        let policy = held(&mut transaction, environment, model).await?;
        if let Some(done) = by_operation(&mut transaction, &wanted.operation_id).await? {
            let same = done.model == *model
                && done.environment == *environment
                && done.version == *version;
            if !same {
                return Err(other_operation(&wanted.operation_id));
            }
            return Ok(Asked::of(done, policy.as_ref().map(|(_, policy)| policy), None));
        }
        models::exists(&mut transaction, model).await?;
        let author = author(&mut transaction, model, *version).await?;
        yanks::refuse(&mut transaction, model, *version).await?;
        let Some((revision, policy)) = policy.filter(|(_, policy)| policy.approvals > 0) else {
            return Err(Failure::Invalid(format!(
                "'{environment}' asks for no approvals of model '{model}': promote without a request"
            )));
        };
        let live = events::live(&mut transaction, model, environment).await?;
        if live != wanted.expect {
            return Err(Failure::Conflict {
                message: format!(
                    "{} was to be replaced in '{environment}' of model '{model}', and {} is live there",
                    history::shown(wanted.expect),
                    history::shown(live)
                ),
                live,
                winner: events::last_move(&mut transaction, model, environment)
                    .await?
                    .map(Box::new),
            });
        }
        if live == Some(*version) {
            return Err(Failure::Invalid(format!(
                "version {version} of model '{model}' is live in '{environment}' already"
            )));
        }
        let evidence = wanted.evidence.as_ref();
        let fit = fits(&mut transaction, &policy.gate, environment, (model, *version), evidence);
        fit.await?.map_err(|unfit| match unfit {
            Unfit::Wrong(why) => Failure::Denied(format!("{}: {why}", revision.named())),
            Unfit::Stale(message) => Failure::Conflict { message, live, winner: None },
        })?;
        if let Some(before) = open(&mut transaction, model, environment, *version).await? {
            if admission::stale(&mut transaction, &before, &policy).await?.is_none() {
                return Err(Failure::Exists(format!(
                    "{} is asked for already, by {} in request {}",
                    before.what(),
                    before.actor,
                    before.id
                )));
            }
            let why = Some("asked anew".to_owned());
            close(&mut transaction, &before.id, Status::Stale, (&wanted.actor, why), None).await?;
        }
        let request = Request {
            id: random::hex_id(8),
            model: model.clone(),
            environment: environment.clone(),
            version: *version,
            expected: live,
            package_digest: bytes(&mut transaction, model, *version).await?.digest,
            gate_digest: policy.gate.digest(),
            evidence: wanted.evidence.clone(),
            author,
            actor: wanted.actor.clone(),
            reason: wanted.reason.clone(),
            asked_ms: clock::now_ms(),
            approvals: vec![],
            status: Status::Open,
            closed: None,
        };
        insert(&mut transaction, &request, &wanted.operation_id).await?;
        transaction.commit().await?;
        Ok(Asked::of(request, Some(&policy), None))
    }

    /// Approve, reject or withdraw a request.
    pub(crate) async fn answer(&self, said: &Say) -> Result<Asked, Failure> {
        let missing = || missing(&said.id);
        let model = self.request(&said.id).await?.model;
        let mut transaction = self.write(Scope::Model(&model)).await?;
        let request = by_id(&mut transaction, &said.id).await?.ok_or_else(missing)?;
        let policy = held(&mut transaction, &request.environment, &model).await?;
        if is_repeated(&mut transaction, said).await? {
            let event = events::by_operation(&mut transaction, &said.operation_id).await?;
            return Ok(Asked::of(request, policy.as_ref().map(|(_, policy)| policy), event));
        }
        if request.status != Status::Open {
            return Err(Failure::Conflict {
                message: ended(&request),
                live: events::live(&mut transaction, &model, &request.environment).await?,
                winner: None,
            });
        }
        let by = (said.actor.as_str(), said.reason.clone());
        let operation = Some(said.operation_id.as_str());
        // Without a policy nothing needs approval, and nobody is barred from saying so.
        let Some((revision, policy)) = policy else {
            let message = format!("'{}' has no policy anymore", request.environment);
            return stale(transaction, &request, by, message).await;
        };
        if let Some(why) = request.barred_from(said.answer, &policy, &said.actor) {
            return Err(Failure::Denied(format!("{}: {why}", revision.named())));
        }
        let event = match said.answer {
            Answer::Reject => {
                close(&mut transaction, &request.id, Status::Rejected, by, operation).await?;
                None
            }
            Answer::Withdraw => {
                close(&mut transaction, &request.id, Status::Withdrawn, by, operation).await?;
                None
            }
            Answer::Approve => {
                let why = admission::stale(&mut transaction, &request, &policy).await?;
                if let Some(message) = why {
                    return stale(transaction, &request, by, message).await;
                }
                approve(&mut transaction, said).await?;
                promote_approved(&mut transaction, said, &revision, &policy).await?
            }
        };
        let request = by_id(&mut transaction, &said.id).await?.ok_or_else(missing)?;
        transaction.commit().await?;
        Ok(Asked::of(request, Some(&policy), event))
    }

    /// A request, without its approvals.
    pub(crate) async fn request(&self, id: &str) -> Result<Request, Failure> {
        let mut sql = select();
        sql.push("id = ").bind(id.to_owned());
        let found = sql.query().try_map(request).fetch_optional(self.read()).await?;
        found.ok_or_else(|| missing(id))
    }

    /// Requests, oldest first.
    pub(crate) async fn requests(&self, which: &Which) -> Result<Vec<Request>, Failure> {
        let mut sql = select();
        sql.push("true");
        if let Some(status) = which.status {
            sql.push(" AND status = ").bind(status.name());
        }
        if let Some(model) = &which.model {
            sql.push(" AND model = ").bind(model.as_str().to_owned());
        }
        if let Some(environment) = &which.environment {
            sql.push(" AND environment = ").bind(environment.as_str().to_owned());
        }
        sql.push(" ORDER BY asked_ms, id");
        let mut found = sql.query().try_map(request).fetch_all(self.read()).await?;
        for request in &mut found {
            let approvals = approvals_of(&request.id).query().try_map(approval);
            request.approvals = approvals.fetch_all(self.read()).await?;
        }
        Ok(found)
    }
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("Request '{id}' not found"))
}

/// The promotion, if the approvals are enough by now.
async fn promote_approved(
    transaction: &mut Transaction<'_>,
    said: &Say,
    revision: &Revision,
    policy: &Policy,
) -> Result<Option<Event>, Failure> {
    let Some(request) = by_id(transaction, &said.id).await? else { return Ok(None) };
    if !request.is_approved(policy) {
        return Ok(None);
    }
    yanks::refuse(transaction, &request.model, request.version).await?;
    let wanted = Move {
        model: request.model.clone(),
        environment: request.environment.clone(),
        kind: EventKind::Promote,
        to: Some(request.version),
        expect: Expect::Exactly(request.expected),
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        evidence: request.evidence.clone(),
        operation_id: said.operation_id.clone(),
    };
    let satisfied = Satisfied {
        models: revision.models.clone(),
        revision: revision.revision,
        digest: revision.digest.clone(),
        request: Some(request.id.clone()),
        approvals: request.counted(policy),
    };
    let event = moves::record(transaction, &wanted, request.expected, Some(satisfied)).await?;
    done(transaction, &request.id, &said.actor).await?;
    Ok(Some(event))
}

/// Keep that a request is stale, and say why.
async fn stale(
    mut transaction: Transaction<'static>,
    request: &Request,
    (actor, _): (&str, Option<String>),
    message: String,
) -> Result<Asked, Failure> {
    let by = (actor, Some(message.clone()));
    close(&mut transaction, &request.id, Status::Stale, by, None).await?;
    let live = events::live(&mut transaction, &request.model, &request.environment).await?;
    transaction.commit().await?;
    Err(Failure::Conflict { message, live, winner: None })
}

/// What became of a request that is not open.
fn ended(request: &Request) -> String {
    let what = request.what();
    let by = request.closed.as_ref().map_or("somebody", |closed| closed.actor.as_str());
    match request.status {
        Status::Open => format!("{what} waits"),
        Status::Done => format!("{what} is promoted: {by} gave the last approval"),
        Status::Rejected => format!("{what} was rejected by {by}"),
        Status::Withdrawn => format!("{what} was withdrawn by {by}"),
        Status::Stale => {
            let why = request.closed.as_ref().and_then(|closed| closed.reason.as_deref());
            format!("the request is stale: {}", why.unwrap_or(&what))
        }
    }
}

/// The open request of a version for an environment, of which there is one at most.
pub(super) async fn open(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
    version: VersionNumber,
) -> Result<Option<Request>, Failure> {
    let mut sql = select();
    sql.push("status = 'open' AND environment = ").bind(environment.as_str().to_owned());
    sql.push(" AND model = ").bind(model.as_str().to_owned());
    sql.push(" AND version = ").bind(version.0 as i64);
    one(transaction, sql).await
}

/// A request's promotion was made.
pub(super) async fn done(
    transaction: &mut Transaction<'_>,
    id: &str,
    actor: &str,
) -> Result<(), Failure> {
    close(transaction, id, Status::Done, (actor, None), None).await
}

fn select() -> Sql {
    Sql::new(format!("SELECT {COLUMNS} FROM requests WHERE "))
}

async fn by_id(transaction: &mut Transaction<'_>, id: &str) -> Result<Option<Request>, Failure> {
    let mut sql = select();
    sql.push("id = ").bind(id.to_owned());
    one(transaction, sql).await
}

async fn by_operation(
    transaction: &mut Transaction<'_>,
    operation_id: &str,
) -> Result<Option<Request>, Failure> {
    let mut sql = select();
    sql.push("operation_id = ").bind(operation_id.to_owned());
    one(transaction, sql).await
}

async fn one(transaction: &mut Transaction<'_>, sql: Sql) -> Result<Option<Request>, Failure> {
    let found = sql.query().try_map(request).fetch_optional(&mut **transaction).await?;
    let Some(mut request) = found else { return Ok(None) };
    let approvals = approvals_of(&request.id).query().try_map(approval);
    request.approvals = approvals.fetch_all(&mut **transaction).await?;
    Ok(Some(request))
}

fn approvals_of(id: &str) -> Sql {
    let mut sql = Sql::new("SELECT actor, reason, approved_ms FROM approvals WHERE request = ");
    sql.bind(id.to_owned()).push(" ORDER BY approved_ms, actor");
    sql
}

/// Whether this answer was given before, or its id belongs to another one.
async fn is_repeated(transaction: &mut Transaction<'_>, said: &Say) -> Result<bool, Failure> {
    let known: Option<(String, String)> = sqlx::query_as(
        "SELECT request, 'approve' FROM approvals WHERE operation_id = $1 UNION ALL \
         SELECT id, CASE status WHEN 'rejected' THEN 'reject' ELSE 'withdraw' END FROM requests \
         WHERE closing_operation_id = $1",
    )
    .bind(&said.operation_id)
    .fetch_optional(&mut **transaction)
    .await?;
    match known {
        None => Ok(false),
        Some((id, answer)) if id == said.id && answer == said.answer.name() => Ok(true),
        Some(_) => Err(other_operation(&said.operation_id)),
    }
}

/// Somebody's yes, which counts once.
async fn approve(transaction: &mut Transaction<'_>, said: &Say) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO approvals (request, actor, reason, approved_ms, operation_id) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (request, actor) DO NOTHING",
    )
    .bind(&said.id)
    .bind(&said.actor)
    .bind(&said.reason)
    .bind(clock::now_ms())
    .bind(&said.operation_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn close(
    transaction: &mut Transaction<'_>,
    id: &str,
    status: Status,
    (actor, reason): (&str, Option<String>),
    operation_id: Option<&str>,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE requests SET status = $2, closed_by = $3, closed_reason = $4, closed_ms = $5, \
         closing_operation_id = $6 WHERE id = $1",
    )
    .bind(id)
    .bind(status.name())
    .bind(actor)
    .bind(reason)
    .bind(clock::now_ms())
    .bind(operation_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn insert(
    transaction: &mut Transaction<'_>,
    request: &Request,
    operation_id: &str,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO requests (id, model, environment, version, expected, package_digest, \
         gate_digest, evidence, author, actor, reason, asked_ms, status, operation_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(&request.id)
    .bind(request.model.as_str())
    .bind(request.environment.as_str())
    .bind(request.version.0 as i64)
    .bind(request.expected.map(|version| version.0 as i64))
    .bind(&request.package_digest)
    .bind(&request.gate_digest)
    .bind(request.evidence.as_ref().map(ToString::to_string))
    .bind(&request.author)
    .bind(&request.actor)
    .bind(&request.reason)
    .bind(request.asked_ms)
    .bind(request.status.name())
    .bind(operation_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Who registered a version; an error where it is not there.
async fn author(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    version: VersionNumber,
) -> Result<String, Failure> {
    versions::exists(transaction, model, version).await?;
    let author =
        sqlx::query_scalar("SELECT user_id FROM versions WHERE model = $1 AND version = $2")
            .bind(model.as_str())
            .bind(version.0 as i64)
            .fetch_one(&mut **transaction)
            .await?;
    Ok(author)
}

fn approval(row: Row) -> Result<Approval, sqlx::Error> {
    Ok(Approval { actor: row.try_get(0)?, reason: row.try_get(1)?, approved_ms: row.try_get(2)? })
}

/// A request without its approvals.
fn request(row: Row) -> Result<Request, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    let status = row.try_get::<&str, _>(12)?;
    let Some(status) = Status::ALL.into_iter().find(|known| known.name() == status) else {
        return Err(sqlx::Error::Decode(format!("`{status}` is no state of a request").into()));
    };
    let closed = match row.try_get::<Option<String>, _>(13)? {
        None => None,
        Some(actor) => {
            Some(Closed { actor, reason: row.try_get(14)?, closed_ms: row.try_get(15)? })
        }
    };
    Ok(Request {
        id: row.try_get(0)?,
        model: row.try_get::<&str, _>(1)?.parse().map_err(decode)?,
        environment: row.try_get::<&str, _>(2)?.parse().map_err(decode)?,
        version: VersionNumber(row.try_get::<i64, _>(3)? as u64),
        expected: row.try_get::<Option<i64>, _>(4)?.map(|number| VersionNumber(number as u64)),
        package_digest: row.try_get(5)?,
        gate_digest: row.try_get(6)?,
        evidence: json(&row, 7)?,
        author: row.try_get(8)?,
        actor: row.try_get(9)?,
        reason: row.try_get(10)?,
        asked_ms: row.try_get(11)?,
        approvals: vec![],
        status,
        closed,
    })
}
