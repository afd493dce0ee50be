//! What MLflow lacks: moves, yanks, their history, and a version's pinned files.
//!
//! A server of ours has them under `/api/mlx/1/`; for a plain MLflow server `journal` and `unpinned`
//! do what can be done from here.

use http::Method;

use super::failure::Failure;
use super::models::ModelRecord;
use super::policies::refused;
use super::request::{Remote, segment};
use crate::api::mlflow::code;
use crate::api::mlx::{
    CONFLICT, ConflictBody, EventsReply, FilesReply, GcReply, GcRequest, HistoryReply, MoveReply,
    MoveRequest, VerifyReply, VersionFile, YankReply, YankRequest,
};
use crate::error::{Error, Result};
use crate::registry::{EnvironmentName, Event, ModelName, VersionNumber, promotion};

pub(super) const ROUTES: &str = "/api/mlx/1";

impl Remote {
    /// Move an environment's pointer, if what is live there is still what the request expects.
    pub(crate) async fn move_environment(
        &self,
        model: &ModelName,
        request: &MoveRequest,
    ) -> Result<Event> {
        if self.is_plain().await? {
            return self.move_by_journal(model, request).await;
        }
        let path = format!("{ROUTES}/models/{}/moves", segment(model.as_str()));
        // Its operation id makes a repeated move the same move.
        let reply: Result<MoveReply, _> = self.send_json(Method::POST, path, request, true).await;
        match reply {
            Ok(reply) => Ok(reply.event),
            Err(Failure::Refused(refusal)) if refusal.error_code == CONFLICT => {
                let body: ConflictBody = serde_json::from_slice(&refusal.body)
                    .map_err(|error| Error::conflict(format!("{} ({error})", refusal.message)))?;
                if body.live == request.expect {
                    // Another thing than what is live changed: what the evidence compares with.
                    return Err(Error::conflict(body.message)
                        .hint("what was decided is out of date: run the command again"));
                }
                Err(promotion::conflict(
                    model,
                    &request.environment,
                    request.expect,
                    body.live,
                    body.winner.as_ref(),
                ))
            }
            Err(failure) if failure.is(code::PERMISSION_DENIED) => {
                Err(refused(failure, &request.environment))
            }
            Err(failure) => Err(self.without_extension(failure)),
        }
    }

    /// A model's log, oldest first: all of it, or the moves of one environment.
    pub(crate) async fn events(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<Event>> {
        if self.is_plain().await? {
            return self.events_by_journal(model, environment).await;
        }
        let mut events = Vec::new();
        let mut after = None;
        loop {
            let page = self.events_page(model, environment, ("after", after)).await?;
            events.extend(page.events);
            after = page.next;
            if after.is_none() {
                return Ok(events);
            }
        }
    }

    /// The last events of a model's log, oldest first; at most 1000.
    pub(crate) async fn last_events(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
        count: u64,
    ) -> Result<Vec<Event>> {
        if self.is_plain().await? {
            let mut events = self.events_by_journal(model, environment).await?;
            return Ok(events.split_off(events.len().saturating_sub(count as usize)));
        }
        Ok(self.events_page(model, environment, ("last", Some(count))).await?.events)
    }

    async fn events_page(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
        (part, number): (&'static str, Option<u64>),
    ) -> Result<EventsReply> {
        let path = format!("{ROUTES}/models/{}/events", segment(model.as_str()));
        let mut query = Vec::new();
        query.extend(environment.map(|name| ("environment", name.to_string())));
        query.extend(number.map(|number| (part, number.to_string())));
        match self.get::<EventsReply>(path, query).await {
            Ok(reply) => Ok(reply),
            Err(failure) if failure.is_absent() => Err(self.no_model(model).await),
            Err(failure) => Err(self.without_extension(failure)),
        }
    }

    /// What was live where at a time, in milliseconds since 1970.
    pub(crate) async fn history_at(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
        at_ms: i64,
    ) -> Result<HistoryReply> {
        if self.is_plain().await? {
            return self.history_by_journal(model, environment, at_ms).await;
        }
        let path = format!("{ROUTES}/models/{}/history", segment(model.as_str()));
        let mut query = vec![("at", at_ms.to_string())];
        query.extend(environment.map(|name| ("environment", name.to_string())));
        match self.get(path, query).await {
            Ok(reply) => Ok(reply),
            Err(failure) if failure.is_absent() => Err(self.no_model(model).await),
            Err(failure) => Err(self.without_extension(failure)),
        }
    }

    /// Let no environment be moved to a version anymore, or take that back.
    pub(crate) async fn yank(
        &self,
        model: &ModelName,
        version: VersionNumber,
        request: &YankRequest,
    ) -> Result<YankReply> {
        if self.is_plain().await? {
            return self.yank_by_journal(model, version, request).await;
        }
        let name = segment(model.as_str());
        let path = format!("{ROUTES}/models/{name}/versions/{version}/yank");
        match self.send_json(Method::POST, path, request, true).await {
            Ok(reply) => Ok(reply),
            Err(failure) if failure.is_absent() => Err(self.no_version(model, version).await),
            Err(failure) => Err(self.without_extension(failure)),
        }
    }

    /// A model with what is live where, as its history has it.
    ///
    /// `only`: the one environment that is asked for. On a plain MLflow server others can move
    /// aliases, and what the history doesn't explain is told.
    pub(crate) async fn model_by_history(
        &self,
        name: &ModelName,
        only: Option<&EnvironmentName>,
    ) -> Result<ModelRecord> {
        let mut record = self.model(name).await?;
        if self.is_plain().await? {
            self.correct_by_journal(&mut record, name, only).await?;
        }
        Ok(record)
    }

    /// The files that a version was created with, whatever was uploaded to its run since.
    ///
    /// A plain MLflow server pins none: there they are what the version's tags say, or for a version
    /// that mlx did not make what is there now, without digests.
    pub(crate) async fn files(
        &self,
        model: &ModelName,
        version: VersionNumber,
    ) -> Result<Vec<VersionFile>> {
        if self.is_plain().await? {
            return self.unpinned_files(model, version).await;
        }
        let path = format!("{ROUTES}/models/{}/versions/{version}/files", segment(model.as_str()));
        match self.get::<FilesReply>(path, vec![]).await {
            Ok(reply) => Ok(reply.files),
            Err(failure) if failure.is_absent() => Err(self.no_version(model, version).await),
            Err(failure) => Err(self.without_extension(failure)),
        }
    }

    pub(crate) async fn verify(&self) -> Result<VerifyReply> {
        let reply = self.get(format!("{ROUTES}/verify"), vec![]).await;
        reply.map_err(|failure| self.without_extension(failure))
    }

    /// Have the registry collect what nothing refers to.
    pub(crate) async fn collect_garbage(&self, request: &GcRequest) -> Result<GcReply> {
        let path = format!("{ROUTES}/gc");
        match self.send_json(Method::POST, path, request, false).await {
            Err(failure) if failure.is_unknown_route() => Err(Error::user(format!(
                "{} is no mlx registry that collects its own garbage",
                self.address()
            ))
            .hint("an MLflow server has `mlflow gc`, on the machine that has its database")),
            collected => Ok(collected?),
        }
    }

    /// A plain MLflow server has none of these routes, which says more than its 404 page.
    fn without_extension(&self, failure: Failure) -> Error {
        if failure.is_unknown_route() {
            return Error::user(format!(
                "{} is a plain MLflow server, which can't do this",
                self.address()
            ))
            .hint("`mlx registry serve` can; `mlx registry status` says what holds here");
        }
        failure.into()
    }
}
