//! A model gets another name.
//!
//! Its log can't: events are chained under the name that they tell of, and never change. So the old
//! log ends with "nothing is live any more", the new one begins with what is and with what is yanked,
//! and each names the other. Versions keep their numbers; so a name whose numbers a log has used
//! already is no new name. An environment with a policy is not moved by a rename.

use sqlx::Row as _;

use super::sql::{Row, Scope, Transaction};
use super::yanks::YANKED;
use super::{Expect, Failure, Move, Store, events, models, moves};
use crate::registry::history::NewEvent;
use crate::registry::{EnvironmentName, EventKind, ModelName, VersionNumber};
use crate::sys::{clock, random};

/// Tables that belong to a version, and move with it. Their rows go from under the old name to
/// under the new one, parents first.
const OF_VERSIONS: &[(&str, &str)] = &[
    (
        "versions",
        "version, source, run_id, model_id, run_link, user_id, description, created_ms, updated_ms",
    ),
    ("version_tags", "version, key, value"),
    ("version_files", "version, path, sha256, size_bytes"),
    ("stages", "version, stage"),
];

impl Store {
    /// Give a model another name, with all its versions and what its environments point to.
    pub(crate) async fn rename_model(
        &self,
        from: &ModelName,
        to: &ModelName,
        actor: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(from)).await?;
        models::exists(&mut transaction, from).await?;
        if from == to {
            return Ok(());
        }
        refuse_used(&mut transaction, to).await?;
        let live = aliases(&mut transaction, from).await?;
        for (environment, _) in &live {
            refuse_policy(&mut transaction, from, environment).await?;
        }
        for (environment, version) in &live {
            let reason = format!("the model was renamed to '{to}'");
            let wanted = carried(from, environment, None, actor, reason);
            moves::record(&mut transaction, &wanted, Some(*version), None).await?;
        }
        let made = sqlx::query(
            "INSERT INTO models (name, description, created_ms, updated_ms) \
             SELECT $2, description, created_ms, $3 FROM models WHERE name = $1 \
             ON CONFLICT DO NOTHING",
        )
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(clock::now_ms())
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Err(Failure::Exists(format!("Registered Model (name={to}) already exists.")));
        }
        copy(&mut transaction, "model_tags", "key, value", from, to).await?;
        for (table, columns) in OF_VERSIONS {
            copy(&mut transaction, table, columns, from, to).await?;
        }
        // Numbers that the old log names stay given out under the old name too.
        copy(&mut transaction, "version_numbers", "last", from, to).await?;
        sqlx::query("DELETE FROM models WHERE name = $1")
            .bind(from.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM version_numbers WHERE model = $1 \
             AND NOT EXISTS (SELECT 1 FROM events e WHERE e.model = $1)",
        )
        .bind(from.as_str())
        .execute(&mut *transaction)
        .await?;
        for (environment, version) in &live {
            let reason = format!("the model was renamed from '{from}'");
            let wanted = carried(to, environment, Some(*version), actor, reason);
            moves::record(&mut transaction, &wanted, None, None).await?;
        }
        carry_yanks(&mut transaction, to, actor).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// A name that is free, and whose version numbers were never given out.
async fn refuse_used(transaction: &mut Transaction<'_>, name: &ModelName) -> Result<(), Failure> {
    let (taken, used): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM models m WHERE m.name = $1), \
         (SELECT count(*) FROM version_numbers n WHERE n.model = $1)",
    )
    .bind(name.as_str())
    .fetch_one(&mut **transaction)
    .await?;
    if taken > 0 {
        return Err(Failure::Exists(format!("Registered Model (name={name}) already exists.")));
    }
    if used > 0 {
        return Err(Failure::Forbidden(format!(
            "the name '{name}' was another model's, whose history names its versions by number: \
             choose a name that was never used"
        )));
    }
    Ok(())
}

/// Whoever may rename must not thereby move what a policy keeps.
async fn refuse_policy(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let kept: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM policies p WHERE p.environment = $1 AND p.policy IS NOT NULL \
         AND p.revision = (SELECT max(q.revision) FROM policies q \
         WHERE q.environment = p.environment AND q.models = p.models) LIMIT 1",
    )
    .bind(environment.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    if kept.is_none() {
        return Ok(());
    }
    Err(Failure::Forbidden(format!(
        "model '{model}' can't be renamed: '{environment}', which points to one of its versions, has \
         a policy. Remove the alias first."
    )))
}

/// The log under the new name says too which versions are yanked, as their tags do.
async fn carry_yanks(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    actor: &str,
) -> Result<(), Failure> {
    let yanked: Vec<(i64, String)> = sqlx::query_as(
        "SELECT version, value FROM version_tags WHERE model = $1 AND key = $2 ORDER BY version",
    )
    .bind(model.as_str())
    .bind(YANKED)
    .fetch_all(&mut **transaction)
    .await?;
    for (version, reason) in yanked {
        let event = NewEvent {
            model: model.clone(),
            environment: None,
            kind: EventKind::Yank,
            from: None,
            to: Some(VersionNumber(version as u64)),
            actor: actor.to_owned(),
            reason: Some(reason),
            evidence: None,
            policy: None,
            operation_id: random::hex_id(16),
            timestamp_ms: clock::now_ms(),
        }
        .after(events::last(transaction, model).await?);
        events::append(transaction, &event).await?;
    }
    Ok(())
}

async fn aliases(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
) -> Result<Vec<(EnvironmentName, VersionNumber)>, Failure> {
    let found = sqlx::query("SELECT alias, version FROM aliases WHERE model = $1 ORDER BY alias")
        .bind(model.as_str())
        .try_map(|row: Row| {
            let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
            let environment = row.try_get::<String, _>(0)?.parse().map_err(decode)?;
            Ok((environment, VersionNumber(row.try_get::<i64, _>(1)? as u64)))
        });
    Ok(found.fetch_all(&mut **transaction).await?)
}

fn carried(
    model: &ModelName,
    environment: &EnvironmentName,
    to: Option<VersionNumber>,
    actor: &str,
    reason: String,
) -> Move {
    Move {
        model: model.clone(),
        environment: environment.clone(),
        kind: if to.is_some() { EventKind::AliasSet } else { EventKind::AliasRemoved },
        to,
        expect: Expect::Anything,
        actor: actor.to_owned(),
        reason: Some(reason),
        evidence: None,
        operation_id: random::hex_id(16),
    }
}

/// The rows of `from` in this table again, as those of `to`.
async fn copy(
    transaction: &mut Transaction<'_>,
    table: &'static str,
    columns: &'static str,
    from: &ModelName,
    to: &ModelName,
) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO {table} (model, {columns}) SELECT $2, {columns} FROM {table} WHERE model = $1"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(from.as_str())
        .bind(to.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables with a `model` that a rename deals with otherwise, or leaves under the old name.
    const OTHERS: &[&str] =
        &["model_tags", "version_numbers", "aliases", "events", "requests", "outbox"];

    #[test]
    fn no_table_of_a_version_is_left_behind() {
        let schema = concat!(
            include_str!("schema/1.sql"),
            include_str!("schema/2.sql"),
            include_str!("schema/3.sql"),
            include_str!("schema/4.sql"),
            include_str!("schema/5.sql"),
            include_str!("schema/6.sql"),
            include_str!("schema/7.sql"),
            include_str!("schema/8.sql"),
        );
        let of_models = schema.split("CREATE TABLE ").skip(1).filter_map(|text| {
            let (name, columns) = text.split_once(" (")?;
            columns.split(';').next()?.contains("\n    model TEXT").then_some(name)
        });
        for table in of_models {
            let moved = OF_VERSIONS.iter().any(|(known, _)| *known == table);
            assert!(moved || OTHERS.contains(&table), "a rename forgets {table}");
        }
    }
}
