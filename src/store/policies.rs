//! What environments ask of those who move them: policies, revision by revision.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::events::json;
use super::sql::{Row, Scope, Sql, Transaction};
use super::{Failure, Store};
use crate::registry::policy::{self, Revision, Summary};
use crate::registry::{EnvironmentName, ModelName, ModelPattern, Policy};
use crate::sys::clock;

/// A policy that somebody wants to be held, or removed.
#[derive(Clone, Debug)]
pub(crate) struct NewPolicy {
    pub environment: EnvironmentName,
    pub models: ModelPattern,
    /// None: remove it.
    pub policy: Option<Policy>,
    /// The revision that it was made from; None: there is none yet.
    pub expect: Option<u64>,
    pub actor: String,
    pub reason: Option<String>,
    pub operation_id: String,
}

pub(super) const COLUMNS: &str =
    "environment, models, revision, policy, digest, actor, reason, set_ms";

/// Of each environment and models, the last.
const IS_LAST: &str = "revision = (SELECT max(revision) FROM policies q \
     WHERE q.environment = p.environment AND q.models = p.models)";

impl Store {
    /// Make the next revision of a policy, if the last one is still what it was made from.
    pub(crate) async fn set_policy(&self, wanted: &NewPolicy) -> Result<Revision, Failure> {
        let NewPolicy { environment, models, policy, .. } = wanted;
        let mut transaction = self.write(Scope::Environment(environment)).await?;
        if let Some(done) = by_operation(&mut transaction, &wanted.operation_id).await? {
            let same = done.environment == *environment
                && done.models == *models
                && done.policy == *policy;
            return if same { Ok(done) } else { Err(other_operation(&wanted.operation_id)) };
        }
        let last = last(&mut transaction, environment, models).await?;
        if last.as_ref().map(|last| last.revision) != wanted.expect {
            return Err(Failure::Conflict {
                message: match &last {
                    Some(last) => {
                        format!(
                            "{} set {} first, revision {}",
                            last.actor,
                            last.named(),
                            last.revision
                        )
                    }
                    None => format!("'{environment}' has no policy for {models} to be changed"),
                },
                live: None,
                winner: None,
            });
        }
        let held = last.as_ref().and_then(|last| last.policy.as_ref());
        if policy.is_none() && held.is_none() {
            return Err(Failure::Missing(format!("'{environment}' has no policy for {models}")));
        }
        let revision = Revision {
            environment: environment.clone(),
            models: models.clone(),
            revision: last.map_or(0, |last| last.revision) + 1,
            digest: policy.as_ref().map(Policy::digest).unwrap_or_default(),
            policy: policy.clone(),
            actor: wanted.actor.clone(),
            reason: wanted.reason.clone(),
            set_ms: clock::now_ms(),
        };
        insert(&mut transaction, &revision, &wanted.operation_id).await?;
        transaction.commit().await?;
        Ok(revision)
    }

    /// Every revision of an environment's policies, newest first.
    pub(crate) async fn revisions(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<Revision>, Failure> {
        let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM policies WHERE environment = "));
        sql.bind(environment.as_str().to_owned());
        sql.push(" ORDER BY set_ms DESC, revision DESC, models");
        Ok(sql.query().try_map(revision).fetch_all(self.read()).await?)
    }

    /// The policy that an environment holds for a model.
    pub(crate) async fn policy(
        &self,
        environment: &EnvironmentName,
        model: &ModelName,
    ) -> Result<Option<Revision>, Failure> {
        let revisions = of_environment(environment).query().try_map(revision);
        let revisions = revisions.fetch_all(self.read()).await?;
        Ok(policy::of_model(&revisions, model).map(|(revision, _)| revision.clone()))
    }

    /// Every environment where something is live, or that has a policy or an open request.
    pub(crate) async fn environments(&self) -> Result<Vec<Summary>, Failure> {
        let live: Vec<(String, i64)> =
            sqlx::query_as("SELECT alias, count(*) FROM aliases GROUP BY alias")
                .fetch_all(self.read())
                .await?;
        let open: Vec<(String, i64)> = sqlx::query_as(
            "SELECT environment, count(*) FROM requests WHERE status = 'open' GROUP BY environment",
        )
        .fetch_all(self.read())
        .await?;
        let held = Sql::new(format!(
            "SELECT {COLUMNS} FROM policies p WHERE {IS_LAST} AND policy IS NOT NULL ORDER BY models"
        ));
        let held = held.query().try_map(revision).fetch_all(self.read()).await?;

        let mut found = BTreeMap::<EnvironmentName, Summary>::new();
        for (name, count) in live {
            summary(&mut found, name.parse()?).live = count as u64;
        }
        for (name, count) in open {
            summary(&mut found, name.parse()?).open_requests = count as u64;
        }
        for revision in held {
            summary(&mut found, revision.environment.clone()).policies.push(revision);
        }
        Ok(found.into_values().collect())
    }
}

fn summary(
    found: &mut BTreeMap<EnvironmentName, Summary>,
    environment: EnvironmentName,
) -> &mut Summary {
    found.entry(environment.clone()).or_insert_with(|| Summary {
        environment,
        live: 0,
        open_requests: 0,
        policies: vec![],
    })
}

fn of_environment(environment: &EnvironmentName) -> Sql {
    let mut sql =
        Sql::new(format!("SELECT {COLUMNS} FROM policies p WHERE {IS_LAST} AND environment = "));
    sql.bind(environment.as_str().to_owned());
    sql
}

/// The policies that an environment has now, and those that were removed last.
pub(super) async fn current(
    transaction: &mut Transaction<'_>,
    environment: &EnvironmentName,
) -> Result<Vec<Revision>, Failure> {
    let revisions = of_environment(environment).query().try_map(revision);
    Ok(revisions.fetch_all(&mut **transaction).await?)
}

async fn last(
    transaction: &mut Transaction<'_>,
    environment: &EnvironmentName,
    models: &ModelPattern,
) -> Result<Option<Revision>, Failure> {
    let mut sql = of_environment(environment);
    sql.push(" AND models = ").bind(models.as_str().to_owned());
    Ok(sql.query().try_map(revision).fetch_optional(&mut **transaction).await?)
}

async fn by_operation(
    transaction: &mut Transaction<'_>,
    operation_id: &str,
) -> Result<Option<Revision>, Failure> {
    let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM policies WHERE operation_id = "));
    sql.bind(operation_id.to_owned());
    Ok(sql.query().try_map(revision).fetch_optional(&mut **transaction).await?)
}

async fn insert(
    transaction: &mut Transaction<'_>,
    revision: &Revision,
    operation_id: &str,
) -> Result<(), Failure> {
    let policy = revision
        .policy
        .as_ref()
        .map(|policy| serde_json::to_string(policy).expect("a policy has only string keys"));
    sqlx::query(
        "INSERT INTO policies (environment, models, revision, policy, digest, actor, reason, \
         set_ms, operation_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(revision.environment.as_str())
    .bind(revision.models.as_str())
    .bind(revision.revision as i64)
    .bind(policy)
    .bind(&revision.digest)
    .bind(&revision.actor)
    .bind(&revision.reason)
    .bind(revision.set_ms)
    .bind(operation_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) fn revision(row: Row) -> Result<Revision, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    Ok(Revision {
        environment: row.try_get::<&str, _>(0)?.parse().map_err(decode)?,
        models: row.try_get::<&str, _>(1)?.parse().map_err(decode)?,
        revision: row.try_get::<i64, _>(2)? as u64,
        policy: json(&row, 3)?,
        digest: row.try_get(4)?,
        actor: row.try_get(5)?,
        reason: row.try_get(6)?,
        set_ms: row.try_get(7)?,
    })
}

/// An id was used for another operation before.
pub(super) fn other_operation(operation_id: &str) -> Failure {
    Failure::Invalid(format!("the operation id '{operation_id}' is that of another operation"))
}
