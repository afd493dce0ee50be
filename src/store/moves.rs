//! Moves of an environment's pointer: the event and the alias in one transaction.

use super::sql::{Scope, Transaction};
use super::{Failure, Store, admission, events, models, outbox, requests, versions, yanks};
use crate::registry::history::{self, NewEvent};
use crate::registry::policy::Satisfied;
use crate::registry::webhook::Change;
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

impl Store {
    /// Make the move, or say who moved first. A repeated operation id answers the first one's
    /// event. None: a plain call that changes nothing.
    pub(crate) async fn apply(&self, wanted: &Move) -> Result<Option<Event>, Failure> {
        let mut transaction = self.write(Scope::Model(&wanted.model)).await?;
        let Move { model, environment, .. } = wanted;
        if let Some(done) = events::by_operation(&mut transaction, &wanted.operation_id).await? {
            return same_move(done, wanted).map(Some);
        }
        models::exists(&mut transaction, model).await?;
        let live = events::live(&mut transaction, model, environment).await?;
        decide(&mut transaction, wanted, live).await?;
        if let Some(to) = wanted.to.filter(|to| Some(*to) != live) {
            versions::exists(&mut transaction, model, to).await?;
            yanks::refuse(&mut transaction, model, to).await?;
            if wanted.expect != Expect::Anything {
                has_files(&mut transaction, model, to).await?;
            }
        }
        if wanted.to == live {
            return Ok(None);
        }
        let admitted = admission::admit(&mut transaction, wanted, live).await?;
        let event = match &admitted.request {
            None => record(&mut transaction, wanted, live, admitted.policy).await?,
            Some(request) => {
                requests::done(&mut transaction, &request.id, &wanted.actor).await?;
                let wanted = Move { evidence: request.evidence.clone(), ..wanted.clone() };
                record(&mut transaction, &wanted, live, admitted.policy).await?
            }
        };
        transaction.commit().await?;
        Ok(Some(event))
    }
}

/// The event of a move that is allowed, and the alias that it moves.
pub(super) async fn record(
    transaction: &mut Transaction<'_>,
    wanted: &Move,
    live: Option<VersionNumber>,
    policy: Option<Satisfied>,
) -> Result<Event, Failure> {
    let Move { model, environment, .. } = wanted;
    let event = NewEvent {
        model: model.clone(),
        environment: Some(environment.clone()),
        kind: wanted.kind,
        from: live,
        to: wanted.to,
        actor: wanted.actor.clone(),
        reason: wanted.reason.clone(),
        evidence: wanted.evidence.clone(),
        policy,
        operation_id: wanted.operation_id.clone(),
        timestamp_ms: clock::now_ms(),
    }
    .after(events::last(transaction, model).await?);
    events::append(transaction, &event).await?;
    events::project(transaction, model, environment, event.to).await?;
    outbox::announce(transaction, model, Change::Moved(&event)).await?;
    Ok(event)
}

/// Whether a move may be made, by what is live and what was.
async fn decide(
    transaction: &mut Transaction<'_>,
    wanted: &Move,
    live: Option<VersionNumber>,
) -> Result<(), Failure> {
    let Expect::Exactly(expected) = wanted.expect else { return Ok(()) };
    let Move { model, environment, .. } = wanted;
    if live != expected {
        return Err(Failure::Conflict {
            message: format!(
                "{} was to be replaced in '{environment}' of model '{model}', and {} is live there",
                history::shown(expected),
                history::shown(live)
            ),
            live,
            winner: events::last_move(transaction, model, environment).await?.map(Box::new),
        });
    }
    let Some(to) = wanted.to else { return Ok(()) };
    if Some(to) == live {
        return Err(Failure::Invalid(format!(
            "version {to} of model '{model}' is live in '{environment}' already"
        )));
    }
    if wanted.kind == EventKind::Rollback {
        let log = events::of_environment(transaction, model, environment).await?;
        if !history::environment(&log, environment).was_live(to) {
            return Err(Failure::Invalid(format!(
                "version {to} of model '{model}' was never live in '{environment}', so it is no \
                 version to roll back to"
            )));
        }
    }
    Ok(())
}

/// The event of an operation that is repeated, or an error where its id was used for another move.
fn same_move(done: Event, wanted: &Move) -> Result<Event, Failure> {
    let same = done.model == wanted.model
        && done.environment.as_ref() == Some(&wanted.environment)
        && done.kind == wanted.kind
        && done.to == wanted.to;
    if same {
        return Ok(done);
    }
    Err(yanks::other_operation(&done))
}

/// An environment never points to nothing: a version whose bytes are elsewhere is not ours to promise.
pub(super) async fn has_files(
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
