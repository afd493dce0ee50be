//! The check of everything: bytes, manifests, the log, and what is projected from it.

mod log;
mod policies;

use std::collections::{BTreeMap, HashMap};

use super::sql::Dialect;
use super::{Failure, Store, postgres};

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
        if self.dialect() == Dialect::Postgres {
            found.problems.extend(postgres::problems(self.read()).await?);
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
