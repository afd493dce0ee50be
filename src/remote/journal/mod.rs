//! The log of moves on a plain MLflow server, which keeps none: appended to a model of its own,
//! `<model>.mlx-journal`, and shown in the model's aliases.
//!
//! A move is three steps: append an entry, read back whether it counts, set the alias. Whoever dies
//! between them leaves a move that the next writer finishes. What somebody else did to an alias is
//! told, and never overwritten.

mod entry;
mod reconcile;

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;

use super::failure::Failure;
use super::models::{ModelRecord, ROUTES, VersionRecord};
use super::request::{Remote, jittered};
use crate::api::mlflow::{
    AliasRequest, CreateRegisteredModel, Empty, KeyValue, ModelVersionReply, ModelVersions,
    RegisteredModelReply, VersionKeyValue, code,
};
use crate::api::mlx::{HistoryReply, MoveRequest, YankReply, YankRequest};
use crate::error::{Error, ExitCode, Result};
use crate::registry::history::{self, Last, NewEvent, shown};
use crate::registry::journal::{self, Entry, Line, Standing};
use crate::registry::{
    EnvironmentName, Event, EventKind, Journal, ModelName, VersionNumber, promotion,
};
use crate::sys::clock;

/// The tag of a journal, by which listings know it; its value is the model's name.
pub(super) const JOURNAL_TAG: &str = "mlx.journal";
/// How often an append may be beaten by moves of other environments, or meet a failing server.
const APPENDS: u32 = 12;
/// How often an alias may be found to have been set by somebody slower.
const REPAIRS: u32 = 8;
/// Entries are a few kB, with evidence some ten.
const PAGE: &str = "500";

impl Remote {
    /// Every entry of a model's journal.
    pub(super) async fn journal(&self, model: &ModelName) -> Result<Journal> {
        let mut lines: Vec<Line> = Vec::new();
        let mut page_token = None;
        loop {
            let mut query = vec![
                ("filter", format!("name='{}'", journal::name_of(model))),
                // New entries come first, so one that is appended meanwhile hides none.
                ("order_by", "version_number DESC".to_owned()),
                ("max_results", PAGE.to_owned()),
            ];
            query.extend(page_token.map(|token| ("page_token", token)));
            let page: ModelVersions =
                self.get(format!("{ROUTES}/model-versions/search"), query).await?;
            for version in &page.model_versions {
                lines.push(entry::line(model, version)?);
            }
            page_token = page.next_page_token.filter(|token| !token.is_empty());
            if page_token.is_none() {
                return Ok(Journal::fold(model, lines));
            }
        }
    }

    /// Move an environment's pointer, if what is live there is still what the request expects.
    pub(super) async fn move_by_journal(
        &self,
        model: &ModelName,
        request: &MoveRequest,
    ) -> Result<Event> {
        let environment = &request.environment;
        self.version(model, request.to).await?;
        self.warn_of_file_store().await?;
        let written = self.write(model, &request.operation_id, false, async |journal| {
            self.settle(model, environment, journal).await?;
            let live = journal.live(environment);
            if live != request.expect {
                let winner = journal.last_of(environment).map(|entry| &entry.event);
                return Err(promotion::conflict(model, environment, request.expect, live, winner));
            }
            promotion::not_yanked(model, journal.events(), request.to)?;
            Ok(Some(NewEvent {
                model: model.clone(),
                environment: Some(environment.clone()),
                kind: request.kind,
                from: live,
                to: Some(request.to),
                actor: named(request.actor.as_deref()),
                reason: request.reason.clone(),
                evidence: entry::evidence(request.evidence.clone()),
                policy: None,
                operation_id: request.operation_id.clone(),
                timestamp_ms: clock::now_ms(),
            }))
        });
        let (event, journal) =
            written.await?.ok_or_else(|| Error::bug("a move with an expectation made no event"))?;
        self.show(model, environment, journal).await.map_err(|error| {
            error.context(format!(
                "the move of {environment} is logged, and its alias does not show it yet"
            ))
        })?;
        Ok(event)
    }

    /// Append the event that `decide` makes of the journal as it is, again until it counts. None:
    /// `decide` made none.
    async fn write(
        &self,
        model: &ModelName,
        operation_id: &str,
        is_shown: bool,
        decide: impl AsyncFn(&Journal) -> Result<Option<NewEvent>>,
    ) -> Result<Option<(Event, Journal)>> {
        let mut journal = self.journal(model).await?;
        for attempt in 0..APPENDS {
            if let Some(made) = journal.of_operation(operation_id) {
                return Ok(Some((made.event.clone(), journal)));
            }
            if attempt > 0 {
                // Whoever was beaten once would be beaten again by those that were beaten with it.
                tokio::time::sleep(jittered(Duration::from_millis(20 << attempt.min(5)))).await;
                journal = self.journal(model).await?;
            }
            let Some(event) = decide(&journal).await? else { return Ok(None) };
            self.append(&event, &journal, is_shown).await?;
            journal = self.journal(model).await?;
        }
        Err(Error::conflict(format!(
            "other moves of `{model}` were always first, {APPENDS} times in a row"
        ))
        .hint("try again"))
    }

    /// Append an event after the last entry of a journal; whether it counts is read afterwards.
    ///
    /// A request whose answer was lost may have arrived, so this is no failure: one that did is
    /// found by its operation, and one that arrives later follows an entry that is the last no more.
    async fn append(&self, event: &NewEvent, journal: &Journal, is_shown: bool) -> Result<()> {
        let last = journal.last();
        if last.is_none() {
            self.make_journal(&event.model).await?;
        }
        let follows = last.map_or(0, |last| last.number);
        let event = event.clone().after(last.map(|last| Last::from(&last.event)));
        let request = entry::request(&event, follows, is_shown)?;
        let path = format!("{ROUTES}/model-versions/create");
        let sent: Result<ModelVersionReply, Failure> = self.post(path, &request).await;
        match sent {
            Ok(_) => Ok(()),
            Err(Failure::Refused(refusal)) if refusal.status.is_server_error() => Ok(()),
            Err(Failure::Other(error)) if error.code() == ExitCode::Unreachable => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn make_journal(&self, model: &ModelName) -> Result<()> {
        let body = CreateRegisteredModel {
            name: journal::name_of(model),
            tags: vec![KeyValue::new(JOURNAL_TAG, model.as_str())],
            description: Some(format!(
                "The history of {model}'s environments, one version a move. mlx keeps it here: \
                 nothing in it may be changed or deleted."
            )),
        };
        let made: Result<RegisteredModelReply, Failure> =
            self.post(format!("{ROUTES}/registered-models/create"), &body).await;
        match made {
            Err(failure) if !failure.is(code::ALREADY_EXISTS) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// Finish a move that was logged and died before its alias was set. An alias that others moved
    /// is a conflict: to move it on would bury what they did.
    async fn settle(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
        journal: &Journal,
    ) -> Result<()> {
        let alias = self.alias(model, environment).await?;
        match journal.standing(environment, alias) {
            Standing::InStep => Ok(()),
            Standing::Unfinished => self.show(model, environment, journal.clone()).await,
            Standing::Outside => {
                let told = outside(model, environment, alias, journal.live(environment));
                Err(Error::conflict(told).hint(format!(
                    "to take it into the history: `mlx registry reconcile {model} --adopt`; to put back what the history says: `mlx registry reconcile {model} --restore`"
                )))
            }
        }
    }

    /// Set an environment's alias to what the log says, and see that it stays there.
    async fn show(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
        mut journal: Journal,
    ) -> Result<()> {
        for _ in 0..REPAIRS {
            let Some(last) = journal.last_of(environment) else { return Ok(()) };
            self.set_alias(model, environment, last.event.to).await?;
            // Two winners in a row may set it in the other order: the later to set it sees both
            // entries here, and puts right what it overwrote.
            journal = self.journal(model).await?;
            let alias = self.alias(model, environment).await?;
            let standing = journal.standing(environment, alias);
            if standing == Standing::Unfinished {
                continue;
            }
            for entry in journal.not_shown(environment) {
                self.mark_shown(model, entry).await?;
            }
            if standing == Standing::Outside {
                self.tell(&outside(model, environment, alias, journal.live(environment)));
            }
            return Ok(());
        }
        Err(Error::conflict(format!(
            "the alias of {environment} is moved to and fro by others, {REPAIRS} times in a row"
        ))
        .hint(format!("look at `mlx registry reconcile {model}`")))
    }

    async fn mark_shown(&self, model: &ModelName, entry: &Entry) -> Result<()> {
        let body = VersionKeyValue {
            name: journal::name_of(model),
            version: entry.number.to_string(),
            key: entry::SHOWN_TAG.into(),
            value: "1".into(),
        };
        let path = format!("{ROUTES}/model-versions/set-tag");
        let _: Empty = self.send_json(Method::POST, path, &body, true).await?;
        Ok(())
    }

    async fn set_alias(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
        to: Option<VersionNumber>,
    ) -> Result<()> {
        let body = AliasRequest {
            name: model.to_string(),
            alias: environment.to_string(),
            version: to.map(|version| version.to_string()),
        };
        let method = if to.is_some() { Method::POST } else { Method::DELETE };
        let path = format!("{ROUTES}/registered-models/alias");
        let _: Empty = self.send_json(method, path, &body, true).await?;
        Ok(())
    }

    async fn alias(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
    ) -> Result<Option<VersionNumber>> {
        Ok(self.model(model).await?.environments.get(environment.as_str()).copied())
    }

    /// A model's moves, with what is wrong with their log told.
    pub(super) async fn events_by_journal(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<Event>> {
        let record = self.model(model).await?;
        let journal = self.journal(model).await?;
        self.tell_standings(&record, model, &journal, environment, true);
        let wanted = |event: &&Event| {
            environment.is_none_or(|name| event.environment.as_ref() == Some(name))
        };
        Ok(journal.events().filter(wanted).cloned().collect())
    }

    /// What was live where at a time. What is wrong with the log is told when its events are read.
    pub(super) async fn history_by_journal(
        &self,
        model: &ModelName,
        environment: Option<&EnvironmentName>,
        at_ms: i64,
    ) -> Result<HistoryReply> {
        let there: BTreeSet<VersionNumber> =
            self.versions(model).await?.into_iter().map(|record| record.version).collect();
        let events: Vec<Event> = self.journal(model).await?.events().cloned().collect();
        let mut standings = history::standings(&events, at_ms, |version| there.contains(&version));
        standings.retain(|standing| environment.is_none_or(|name| standing.environment == *name));
        Ok(HistoryReply { at_ms, standings })
    }

    /// Let no environment be moved to a version anymore with mlx, or take that back.
    pub(super) async fn yank_by_journal(
        &self,
        model: &ModelName,
        version: VersionNumber,
        request: &YankRequest,
    ) -> Result<YankReply> {
        let record = self.version(model, version).await?;
        let kind = if request.yank { EventKind::Yank } else { EventKind::Unyank };
        let written = self.write(model, &request.operation_id, true, async |journal| {
            if history::yanked(journal.events()).contains_key(&version) == request.yank {
                return Ok(None);
            }
            Ok(Some(NewEvent {
                model: model.clone(),
                environment: None,
                kind,
                from: None,
                to: Some(version),
                actor: named(request.actor.as_deref()),
                reason: request.reason.clone(),
                evidence: None,
                policy: None,
                operation_id: request.operation_id.clone(),
                timestamp_ms: clock::now_ms(),
            }))
        });
        let event = written.await?.map(|(event, _)| event);
        // The tag is the log's projection, as an alias is; set also where it was so already, since
        // whoever logged that may have died before.
        let body = VersionKeyValue {
            name: model.to_string(),
            version: version.to_string(),
            key: VersionRecord::YANKED.into(),
            value: request.reason.clone().unwrap_or_else(|| "no reason was given".into()),
        };
        let _: Empty = if !request.yank && record.yanked().is_some() {
            let path = format!("{ROUTES}/model-versions/delete-tag");
            self.send_json(Method::DELETE, path, &body, true).await?
        } else if request.yank && (event.is_some() || record.yanked().is_none()) {
            let path = format!("{ROUTES}/model-versions/set-tag");
            self.send_json(Method::POST, path, &body, true).await?
        } else {
            Empty {}
        };
        Ok(YankReply { event, live: record.environments })
    }

    /// Put what the log says of environments into a model's record, where only an unfinished move
    /// keeps the alias from showing it, and tell what is apart.
    pub(super) async fn correct_by_journal(
        &self,
        record: &mut ModelRecord,
        model: &ModelName,
        only: Option<&EnvironmentName>,
    ) -> Result<()> {
        let journal = self.journal(model).await?;
        self.tell_standings(record, model, &journal, only, false);
        for (environment, live) in journal.environments() {
            let alias = record.environments.get(environment.as_str()).copied();
            if journal.standing(&environment, alias) != Standing::Unfinished {
                continue;
            }
            match live {
                Some(live) => record.environments.insert(environment.to_string(), live),
                None => record.environments.remove(environment.as_str()),
            };
        }
        Ok(())
    }

    /// Tell what is wrong with a journal, and which aliases the log doesn't explain. `strangers`:
    /// also of environments that the log knows nothing of.
    fn tell_standings(
        &self,
        record: &ModelRecord,
        model: &ModelName,
        journal: &Journal,
        only: Option<&EnvironmentName>,
        strangers: bool,
    ) {
        for damage in &journal.damage {
            self.tell(&format!("the history of `{model}` is damaged: {damage}"));
        }
        for found in reconcile::standings(record, journal) {
            let asked = only.is_none_or(|only| found.environment == *only);
            if !asked || !(strangers || found.is_known) {
                continue;
            }
            match found.standing {
                Standing::InStep => {}
                Standing::Unfinished => self.tell(&format!(
                    "a move of {} to {} is logged, and its alias does not show it yet; where nobody is at it, `mlx registry reconcile {model} --restore` finishes it",
                    found.environment,
                    shown(found.logged)
                )),
                Standing::Outside => {
                    let told = outside(model, &found.environment, found.alias, found.logged);
                    self.tell(&format!("{told}; see `mlx registry reconcile {model}`"));
                }
            }
        }
    }

    /// MLflow's file store makes a version and its tags in steps, so two writers can't be told apart.
    async fn warn_of_file_store(&self) -> Result<()> {
        if self.capabilities().await?.store == "FileStore" {
            self.tell(
                "this MLflow server keeps its registry in files, where two promotions at once may both seem to win; start it with `--backend-store-uri sqlite:///…`",
            );
        }
        Ok(())
    }
}

fn named(actor: Option<&str>) -> String {
    actor.unwrap_or("anonymous").to_owned()
}

/// An alias that the log doesn't explain, as people read it.
pub(super) fn outside(
    model: &ModelName,
    environment: &EnvironmentName,
    alias: Option<VersionNumber>,
    logged: Option<VersionNumber>,
) -> String {
    let said = |version: Option<VersionNumber>| {
        version.map_or_else(|| "nothing".to_owned(), |version| format!("{model}/{version}"))
    };
    format!(
        "{environment} points to {}, and the history has {} live there: it was moved outside mlx",
        said(alias),
        said(logged)
    )
}
