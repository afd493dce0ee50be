//! Aliases and the log held against each other, and brought together in one way or the other.

use std::collections::BTreeMap;

use super::super::models::ModelRecord;
use super::super::request::Remote;
use crate::error::Result;
use crate::registry::history::NewEvent;
use crate::registry::journal::Standing;
use crate::registry::{EnvironmentName, Event, EventKind, Journal, ModelName, VersionNumber};
use crate::sys::{clock, random};

/// Who moved an alias that mlx didn't: the server doesn't say.
const OUTSIDE: &str = "outside";

/// An environment's alias beside what the log has live there.
#[derive(Clone, Debug)]
pub(crate) struct EnvironmentStanding {
    pub environment: EnvironmentName,
    pub alias: Option<VersionNumber>,
    pub logged: Option<VersionNumber>,
    pub standing: Standing,
    /// The log tells of it at all; else it is another client's alias, which nobody moved with mlx yet.
    pub is_known: bool,
}

/// Every environment that the log or an alias tells of.
pub(super) fn standings(record: &ModelRecord, journal: &Journal) -> Vec<EnvironmentStanding> {
    let mut environments: BTreeMap<EnvironmentName, Option<VersionNumber>> = journal.environments();
    for name in record.environments.keys() {
        // Other clients may make aliases that can't be environments of ours.
        if let Ok(name) = name.parse() {
            environments.entry(name).or_insert(None);
        }
    }
    environments
        .into_iter()
        .map(|(environment, logged)| {
            let alias = record.environments.get(environment.as_str()).copied();
            let standing = journal.standing(&environment, alias);
            let is_known = journal.last_of(&environment).is_some();
            EnvironmentStanding { environment, alias, logged, standing, is_known }
        })
        .collect()
}

impl Remote {
    /// How a model's aliases stand to its log, and what is wrong with the log.
    pub(crate) async fn standings(
        &self,
        model: &ModelName,
    ) -> Result<(Vec<EnvironmentStanding>, Vec<String>)> {
        let record = self.model(model).await?;
        let journal = self.journal(model).await?;
        Ok((standings(&record, &journal), journal.damage))
    }

    /// Write into the log where an alias was moved outside it. None: the log explains it by now.
    pub(crate) async fn adopt(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
        reason: &str,
    ) -> Result<Option<Event>> {
        let operation_id = random::hex_id(16);
        let written = self.write(model, &operation_id, true, async |journal| {
            let alias = self.alias(model, environment).await?;
            if journal.standing(environment, alias) != Standing::Outside {
                return Ok(None);
            }
            Ok(Some(NewEvent {
                model: model.clone(),
                environment: Some(environment.clone()),
                kind: if alias.is_some() { EventKind::AliasSet } else { EventKind::AliasRemoved },
                from: journal.live(environment),
                to: alias,
                actor: OUTSIDE.into(),
                reason: Some(reason.to_owned()),
                evidence: None,
                policy: None,
                operation_id: operation_id.clone(),
                timestamp_ms: clock::now_ms(),
            }))
        });
        Ok(written.await?.map(|(event, _)| event))
    }

    /// Set an alias to what the log says, whoever moved it. One of which the log says nothing
    /// stays as it is.
    pub(crate) async fn restore_alias(
        &self,
        model: &ModelName,
        environment: &EnvironmentName,
    ) -> Result<()> {
        let journal = self.journal(model).await?;
        self.show(model, environment, journal).await
    }
}
