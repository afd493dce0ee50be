//! The logs of all models, and what is projected from them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::events::{COLUMNS, event};
use super::super::sql::{Sql, Transaction};
use super::super::yanks::YANKED;
use super::super::{Failure, Store};
use super::{Verification, policies};
use crate::registry::history;
use crate::registry::{Event, ModelName};

pub(super) type Logs = BTreeMap<ModelName, Vec<Event>>;

impl Store {
    /// Every event's hash and place, and every alias and yanked version against what the log says.
    pub(super) async fn check_log(&self, found: &mut Verification) -> Result<(), Failure> {
        // One snapshot, so that a move made meanwhile is in both or in neither.
        let mut snapshot = self.database.snapshot().await?;
        let logs = logs(&mut snapshot, found).await?;
        for log in logs.values() {
            found.problems.extend(history::check(log));
        }
        check_aliases(&mut snapshot, &logs, found).await?;
        check_yanks(&mut snapshot, &logs, found).await?;
        policies::check(&mut snapshot, &logs, found).await?;
        snapshot.commit().await?;
        Ok(())
    }
}

async fn logs(snapshot: &mut Transaction<'_>, found: &mut Verification) -> Result<Logs, Failure> {
    let rows = Sql::new(format!("SELECT {COLUMNS} FROM events ORDER BY model, sequence"))
        .query()
        .fetch_all(&mut **snapshot)
        .await?;
    let mut logs = Logs::new();
    for row in rows {
        found.events += 1;
        match event(row) {
            Ok(event) => logs.entry(event.model.clone()).or_default().push(event),
            Err(error) => {
                found.problems.push(format!("event {} cannot be read: {error}", found.events));
            }
        }
    }
    Ok(logs)
}

async fn check_aliases(
    snapshot: &mut Transaction<'_>,
    logs: &Logs,
    found: &mut Verification,
) -> Result<(), Failure> {
    let mut expected = BTreeMap::new();
    for (model, log) in logs {
        for (environment, state) in history::environments(log) {
            if let Some(live) = state.live {
                expected.insert((model.to_string(), environment.to_string()), live.0);
            }
        }
    }
    let aliases: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT model, alias, version FROM aliases")
            .fetch_all(&mut **snapshot)
            .await?;
    for (model, alias, version) in aliases {
        found.aliases += 1;
        let says = expected.remove(&(model.clone(), alias.clone()));
        if says != Some(version as u64) {
            let says = says.map_or("nothing".to_owned(), |live| format!("version {live}"));
            found.problems.push(format!(
                "`{alias}` of `{model}` points to version {version}, and the log says {says}"
            ));
        }
    }
    for ((model, alias), version) in expected {
        found.problems.push(format!(
            "`{alias}` of `{model}` points to nothing, and the log says version {version}"
        ));
    }
    Ok(())
}

/// A version's tag says that it is yanked exactly where the log does.
async fn check_yanks(
    snapshot: &mut Transaction<'_>,
    logs: &Logs,
    found: &mut Verification,
) -> Result<(), Failure> {
    let tagged: Vec<(String, i64)> =
        sqlx::query_as("SELECT model, version FROM version_tags WHERE key = $1")
            .bind(YANKED)
            .fetch_all(&mut **snapshot)
            .await?;
    let mut tagged: BTreeSet<(String, i64)> = tagged.into_iter().collect();
    for (model, log) in logs {
        for version in history::yanked(log).into_keys() {
            if tagged.remove(&(model.to_string(), version.0 as i64)) {
                continue;
            }
            // A version that was deleted has no tags.
            let there: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM versions WHERE model = $1 AND version = $2")
                    .bind(model.as_str())
                    .bind(version.0 as i64)
                    .fetch_optional(&mut **snapshot)
                    .await?;
            if there.is_some() {
                found.problems.push(format!(
                    "{model}/{version} is not shown as yanked, and the log says that it is"
                ));
            }
        }
    }
    found.problems.extend(tagged.into_iter().map(|(model, version)| {
        format!("{model}/{version} is shown as yanked, and the log says that it isn't")
    }));
    Ok(())
}
