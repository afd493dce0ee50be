//! What was deleted through MLflow's routes, which only mark it, removed for good.
//!
//! A run that a version came from stays, and so does a logged model: they are its lineage. (Its bytes need
//! neither: the version pins them itself.) An experiment goes when nothing is left in it.

use super::Failure;
use super::artifacts::range;
use super::sql::Transaction;
use crate::registry::ArtifactPath;

/// What was removed for good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deleted {
    pub runs: Vec<String>,
    pub logged_models: Vec<String>,
    pub experiments: Vec<i64>,
    /// How many deleted runs stay, because versions came from them.
    pub kept_runs: u64,
}

/// Tables with rows of a run's own.
const OF_A_RUN: &[&str] = &[
    "latest_metrics",
    "logged_model_metrics",
    "metrics",
    "params",
    "run_datasets",
    "run_model_inputs",
    "run_outputs",
    "run_tags",
];

/// Tables with rows of an experiment's own, beside runs and logged models.
const OF_AN_EXPERIMENT: &[&str] = &["datasets", "experiment_tags"];

/// Remove what was deleted before then.
pub(super) async fn remove(
    transaction: &mut Transaction<'_>,
    before_ms: i64,
) -> Result<Deleted, Failure> {
    let mut deleted = Deleted::default();
    let runs: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT r.id, r.artifact_uri, \
         (SELECT count(*) FROM versions v WHERE v.run_id = r.id) FROM runs r \
         WHERE r.stage = 'deleted' AND coalesce(r.deleted_ms, 0) <= $1 ORDER BY r.id",
    )
    .bind(before_ms)
    .fetch_all(&mut **transaction)
    .await?;
    for (id, artifact_uri, versions) in runs {
        if versions > 0 {
            deleted.kept_runs += 1;
        } else if remove_run(transaction, &id, &artifact_uri).await? {
            deleted.runs.push(id);
        }
    }
    let experiments: Vec<i64> = sqlx::query_scalar(
        "SELECT e.id FROM experiments e WHERE e.stage = 'deleted' AND e.updated_ms <= $1 \
         AND e.id <> 0 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment_id = e.id) \
         ORDER BY e.id",
    )
    .bind(before_ms)
    .fetch_all(&mut **transaction)
    .await?;
    for id in experiments {
        remove_experiment(transaction, id, &mut deleted).await?;
    }
    Ok(deleted)
}

/// False where it was restored since we looked.
async fn remove_run(
    transaction: &mut Transaction<'_>,
    id: &str,
    artifact_uri: &str,
) -> Result<bool, Failure> {
    // Takes the row's lock where rows have locks, so that restoring it waits, and finds nothing.
    let still =
        sqlx::query("UPDATE runs SET stage = 'deleted' WHERE id = $1 AND stage = 'deleted'")
            .bind(id)
            .execute(&mut **transaction)
            .await?;
    if still.rows_affected() == 0 {
        return Ok(false);
    }
    remove_files(transaction, id, artifact_uri).await?;
    for table in OF_A_RUN {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE run_id = $1")))
            .bind(id)
            .execute(&mut **transaction)
            .await?;
    }
    sqlx::query("DELETE FROM runs WHERE id = $1").bind(id).execute(&mut **transaction).await?;
    Ok(true)
}

async fn remove_experiment(
    transaction: &mut Transaction<'_>,
    id: i64,
    deleted: &mut Deleted,
) -> Result<(), Failure> {
    let models: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT m.id, m.artifact_uri, \
         (SELECT count(*) FROM versions v WHERE v.model_id = m.id) FROM logged_models m \
         WHERE m.experiment_id = $1 ORDER BY m.id",
    )
    .bind(id)
    .fetch_all(&mut **transaction)
    .await?;
    let mut kept = false;
    for (model, artifact_uri, versions) in models {
        if versions > 0 {
            kept = true;
            continue;
        }
        remove_files(transaction, &model, &artifact_uri).await?;
        sqlx::query("DELETE FROM logged_models WHERE id = $1")
            .bind(&model)
            .execute(&mut **transaction)
            .await?;
        deleted.logged_models.push(model);
    }
    if kept {
        return Ok(());
    }
    for table in OF_AN_EXPERIMENT {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE experiment_id = $1")))
            .bind(id)
            .execute(&mut **transaction)
            .await?;
    }
    sqlx::query("DELETE FROM experiments WHERE id = $1")
        .bind(id)
        .execute(&mut **transaction)
        .await?;
    deleted.experiments.push(id);
    Ok(())
}

/// Let go of the files below an address of ours that names its owner.
async fn remove_files(
    transaction: &mut Transaction<'_>,
    owner: &str,
    artifact_uri: &str,
) -> Result<(), Failure> {
    let Some(path) = artifact_uri.strip_prefix("mlflow-artifacts:/") else { return Ok(()) };
    // An address that an experiment was given by hand may be anything; files of others are not ours.
    if !path.split('/').any(|part| part == owner) {
        return Ok(());
    }
    let Ok(folder) = path.trim_start_matches('/').parse::<ArtifactPath>() else { return Ok(()) };
    let (from, to) = range(&folder);
    sqlx::query("DELETE FROM artifacts WHERE path >= $1 AND path < $2")
        .bind(from)
        .bind(to)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::MIGRATIONS;

    /// A table that a later format brings must not keep runs from being removed.
    #[test]
    fn every_table_that_refers_to_a_run_or_an_experiment_is_known() {
        let mut seen = 0;
        for schema in MIGRATIONS {
            for statement in schema.split(';') {
                let Some((_, rest)) = statement.split_once("CREATE TABLE ") else { continue };
                let (table, columns) = rest.split_once(" (").expect("columns");
                let refers = |to: &str| {
                    columns.lines().any(|line| {
                        line.contains(&format!("REFERENCES {to} (id)"))
                            && !line.contains("ON DELETE CASCADE")
                    })
                };
                if refers("runs") {
                    assert!(OF_A_RUN.contains(&table), "{table}");
                    seen += 1;
                }
                if refers("experiments") {
                    let known = ["runs", "logged_models"];
                    assert!(OF_AN_EXPERIMENT.contains(&table) || known.contains(&table), "{table}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, OF_A_RUN.len() + OF_AN_EXPERIMENT.len() + 2);
    }
}
