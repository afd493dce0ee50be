//! The check of everything: bytes, manifests, the log, and what is projected from it.

use std::collections::{BTreeMap, HashMap};

use super::moves::event;
use super::sql::Dialect;
use super::{Failure, Store};
use crate::registry::history;
use crate::registry::{Event, ModelName};

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verification {
    pub models: u64,
    pub versions: u64,
    /// Files that versions pinned and runs hold.
    pub files: u64,
    /// Bytes that were read and hashed.
    pub bytes: u64,
    pub events: u64,
    pub aliases: u64,
    /// A sentence each; empty: the registry is sound.
    pub problems: Vec<String>,
}

/// A file that something refers to.
struct Referred {
    /// `version 3 of churn: model.onnx`, or a path below `mlflow-artifacts:/`.
    by: String,
    sha256: String,
    size_bytes: u64,
}

impl Store {
    /// Read everything once. It may take as long as reading all bytes; others work meanwhile.
    pub(crate) async fn verify(&self) -> Result<Verification, Failure> {
        let mut found = Verification {
            models: self.count("SELECT count(*) FROM models").await?,
            versions: self.count("SELECT count(*) FROM versions").await?,
            ..Verification::default()
        };
        self.check_database(&mut found).await?;
        self.check_log(&mut found).await?;
        self.check_files(&mut found).await?;
        Ok(found)
    }

    async fn count(&self, sql: &'static str) -> Result<u64, Failure> {
        let count: i64 = sqlx::query_scalar(sql).fetch_one(self.read()).await?;
        Ok(count as u64)
    }

    async fn check_database(&self, found: &mut Verification) -> Result<(), Failure> {
        if self.dialect() != Dialect::Sqlite {
            // A server checks its own pages and references.
            return Ok(());
        }
        let problems: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(self.read()).await?;
        found.problems.extend(
            problems
                .into_iter()
                .filter(|line| line != "ok")
                .map(|line| format!("the database is damaged: {line}")),
        );
        let orphans: Vec<(String, String)> =
            sqlx::query_as("SELECT \"table\", parent FROM pragma_foreign_key_check")
                .fetch_all(self.read())
                .await?;
        found.problems.extend(
            orphans
                .into_iter()
                .map(|(table, parent)| format!("a row of `{table}` refers to none of `{parent}`")),
        );
        Ok(())
    }

    /// Every event's hash and place, and every alias against what the log says.
    async fn check_log(&self, found: &mut Verification) -> Result<(), Failure> {
        // One statement, so that a move made meanwhile is in both or in neither.
        let mut snapshot = self.read().begin().await?;
        let rows = sqlx::query(
            "SELECT sequence, model, environment, kind, from_version, to_version, actor, reason, \
             evidence, operation_id, timestamp_ms, previous_hash, hash FROM events \
             ORDER BY model, sequence",
        )
        .fetch_all(&mut *snapshot)
        .await?;
        let aliases: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT model, alias, version FROM aliases")
                .fetch_all(&mut *snapshot)
                .await?;
        snapshot.commit().await?;

        let mut logs = BTreeMap::<ModelName, Vec<Event>>::new();
        for row in rows {
            found.events += 1;
            match event(row) {
                Ok(event) => logs.entry(event.model.clone()).or_default().push(event),
                Err(error) => {
                    found.problems.push(format!("event {} cannot be read: {error}", found.events));
                }
            }
        }
        let mut expected = BTreeMap::new();
        for (model, log) in &logs {
            found.problems.extend(history::check(log));
            for (environment, state) in history::environments(log) {
                if let Some(live) = state.live {
                    expected.insert((model.to_string(), environment.to_string()), live.0);
                }
            }
        }
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

    /// The bytes behind every pinned file and every artifact, each object read once.
    async fn check_files(&self, found: &mut Verification) -> Result<(), Failure> {
        let mut objects = BTreeMap::<String, Vec<Referred>>::new();
        for referred in self.referred().await? {
            found.files += 1;
            objects.entry(referred.sha256.clone()).or_default().push(referred);
        }
        for (sha256, referred) in objects {
            let really = self.objects.measure(&sha256).await?;
            found.bytes += really.as_ref().map_or(0, |object| object.size_bytes);
            for file in referred {
                let what = match &really {
                    None => "its bytes are gone".to_owned(),
                    Some(object) if object.sha256 != sha256 => {
                        format!("its bytes are not those of its digest {sha256}")
                    }
                    Some(object) if object.size_bytes != file.size_bytes => format!(
                        "it has {} bytes and should have {}",
                        object.size_bytes, file.size_bytes
                    ),
                    Some(_) => continue,
                };
                found.problems.push(format!("{}: {what}", file.by));
            }
        }
        Ok(())
    }

    async fn referred(&self) -> Result<Vec<Referred>, Failure> {
        let pinned: Vec<(String, i64, String, String, i64)> = sqlx::query_as(
            "SELECT model, version, path, sha256, size_bytes FROM version_files \
             ORDER BY model, version, path",
        )
        .fetch_all(self.read())
        .await?;
        let held: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT path, sha256, size_bytes FROM artifacts ORDER BY path")
                .fetch_all(self.read())
                .await?;
        let pinned = pinned.into_iter().map(|(model, version, path, sha256, size)| Referred {
            by: format!("`{path}` of {model}/{version}"),
            sha256,
            size_bytes: size as u64,
        });
        let held = held.into_iter().map(|(path, sha256, size)| Referred {
            by: format!("`{path}` of a run"),
            sha256,
            size_bytes: size as u64,
        });
        Ok(pinned.chain(held).collect())
    }

    /// The digests that anything refers to, with their sizes.
    pub(super) async fn referred_objects(&self) -> Result<HashMap<String, u64>, Failure> {
        let referred = self.referred().await?;
        Ok(referred.into_iter().map(|file| (file.sha256, file.size_bytes)).collect())
    }
}
