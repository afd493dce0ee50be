//! Yanked versions: an event of the model's log, and a tag of the version that shows it.

use super::sql::{Scope, Transaction};
use super::{Failure, Store, events, outbox, tags, versions};
use crate::registry::history::NewEvent;
use crate::registry::webhook::Change;
use crate::registry::{Event, EventKind, ModelName, VersionNumber};
use crate::sys::clock;

/// The tag that a yanked version has, with the reason: the projection of the log, as aliases are.
pub(super) const YANKED: &str = "mlx.yanked";

/// What the tag says where no reason was given.
const NO_REASON: &str = "no reason was given";

/// A yank that somebody wants, or wants to take back.
#[derive(Clone, Debug)]
pub(crate) struct Yank {
    pub model: ModelName,
    pub version: VersionNumber,
    /// [`EventKind::Yank`] or [`EventKind::Unyank`].
    pub kind: EventKind,
    pub actor: String,
    pub reason: Option<String>,
    pub operation_id: String,
}

impl Store {
    /// Yank a version, or take that back. None: it was so already.
    pub(crate) async fn yank(&self, wanted: &Yank) -> Result<Option<Event>, Failure> {
        let Yank { model, version, kind, .. } = wanted;
        let mut transaction = self.write(Scope::Model(model)).await?;
        if let Some(done) = events::by_operation(&mut transaction, &wanted.operation_id).await? {
            let same = done.model == *model && done.kind == *kind && done.to == Some(*version);
            return if same { Ok(Some(done)) } else { Err(other_operation(&done)) };
        }
        versions::exists(&mut transaction, model, *version).await?;
        let yank = *kind == EventKind::Yank;
        if reason(&mut transaction, model, *version).await?.is_some() == yank {
            return Ok(None);
        }
        let event = NewEvent {
            model: model.clone(),
            environment: None,
            kind: *kind,
            from: None,
            to: Some(*version),
            actor: wanted.actor.clone(),
            reason: wanted.reason.clone(),
            evidence: None,
            policy: None,
            operation_id: wanted.operation_id.clone(),
            timestamp_ms: clock::now_ms(),
        }
        .after(events::last(&mut transaction, model).await?);
        events::append(&mut transaction, &event).await?;
        let owner = (model.as_str(), version.0 as i64);
        let why = wanted.reason.as_deref().unwrap_or(NO_REASON);
        if yank {
            let tag = (YANKED.to_owned(), why.to_owned());
            tags::VERSION.set(&mut transaction, owner, &[tag]).await?;
        } else {
            tags::VERSION.remove(&mut transaction, owner, YANKED).await?;
        }
        let change = Change::Yanked { event: &event, key: YANKED, value: why };
        outbox::announce(&mut transaction, model, change).await?;
        transaction.commit().await?;
        Ok(Some(event))
    }
}

/// Why a version is yanked; None: it isn't.
pub(super) async fn reason(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    version: VersionNumber,
) -> Result<Option<String>, Failure> {
    let value = sqlx::query_scalar(
        "SELECT value FROM version_tags WHERE model = $1 AND version = $2 AND key = $3",
    )
    .bind(model.as_str())
    .bind(version.0 as i64)
    .bind(YANKED)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(value)
}

/// An error where the version is yanked.
pub(super) async fn refuse(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    version: VersionNumber,
) -> Result<(), Failure> {
    match reason(transaction, model, version).await? {
        None => Ok(()),
        Some(why) => Err(Failure::Forbidden(format!(
            "version {version} of model '{model}' is yanked: {why}"
        ))),
    }
}

/// An id was used for another operation before.
pub(super) fn other_operation(done: &Event) -> Failure {
    Failure::Invalid(format!(
        "the operation id '{}' is that of another operation: event {} of model '{}'",
        done.operation_id, done.sequence, done.model
    ))
}
