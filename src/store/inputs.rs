//! What runs were given: datasets, described once an experiment, and logged models.

use std::collections::HashMap;

use sqlx::Row as _;

use super::sql::{Row, Scope, Sql, Transaction};
use super::{Failure, Pairs, Store, runs};

/// A dataset that a run was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DatasetInput {
    pub name: String,
    pub digest: String,
    pub source_type: String,
    pub source: String,
    pub schema: Option<String>,
    pub profile: Option<String>,
    pub tags: Pairs,
}

/// All that a run is told it was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    pub datasets: Vec<DatasetInput>,
    /// Ids of logged models.
    pub models: Vec<String>,
}

impl Store {
    /// Write down what a run was given. The same again changes nothing: a dataset's first
    /// description and its first tags are kept.
    pub(crate) async fn log_inputs(&self, run: &str, inputs: &Inputs) -> Result<(), Failure> {
        // Two runs may be the first to name a dataset of their experiment; the primary key decides.
        let mut transaction = self.write(Scope::Run(run)).await?;
        runs::active(&mut transaction, run).await?;
        let experiment: i64 = sqlx::query_scalar("SELECT experiment_id FROM runs WHERE id = $1")
            .bind(run)
            .fetch_one(&mut *transaction)
            .await?;
        for dataset in &inputs.datasets {
            log_dataset(&mut transaction, run, experiment, dataset).await?;
        }
        for model in &inputs.models {
            sqlx::query(
                "INSERT INTO run_model_inputs (run_id, model_id) VALUES ($1, $2) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(run)
            .bind(model)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The datasets of these runs, by run, in the order of their names.
    pub(super) async fn datasets_of(
        &self,
        runs: &[&str],
    ) -> Result<HashMap<String, Vec<DatasetInput>>, Failure> {
        let mut datasets: HashMap<String, Vec<DatasetInput>> = HashMap::new();
        if runs.is_empty() {
            return Ok(datasets);
        }
        let mut sql = Sql::new(format!(
            "SELECT r.run_id, d.name, d.digest, d.source_type, d.source, d.dataset_schema, \
             d.profile, (SELECT {} FROM run_dataset_tags t WHERE t.run_id = r.run_id \
             AND t.name = r.name AND t.digest = r.digest) \
             FROM run_datasets r JOIN datasets d ON d.experiment_id = r.experiment_id \
             AND d.name = r.name AND d.digest = r.digest WHERE r.run_id IN ",
            self.dialect().pairs("t.key", "t.value")
        ));
        sql.bind_list(runs.iter().map(|run| (*run).to_owned()));
        sql.push(" ORDER BY r.run_id, d.name, d.digest");
        let found = sql.query().try_map(|row: Row| {
            let dataset = DatasetInput {
                name: row.try_get(1)?,
                digest: row.try_get(2)?,
                source_type: row.try_get(3)?,
                source: row.try_get(4)?,
                schema: row.try_get(5)?,
                profile: row.try_get(6)?,
                tags: super::pairs(row.try_get(7)?),
            };
            Ok((row.try_get::<String, _>(0)?, dataset))
        });
        for (run, dataset) in found.fetch_all(self.read()).await? {
            datasets.entry(run).or_default().push(dataset);
        }
        Ok(datasets)
    }
}

async fn log_dataset(
    transaction: &mut Transaction<'_>,
    run: &str,
    experiment: i64,
    dataset: &DatasetInput,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO datasets \
         (experiment_id, name, digest, source_type, source, dataset_schema, profile) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(experiment)
    .bind(&dataset.name)
    .bind(&dataset.digest)
    .bind(&dataset.source_type)
    .bind(&dataset.source)
    .bind(dataset.schema.as_deref())
    .bind(dataset.profile.as_deref())
    .execute(&mut **transaction)
    .await?;
    let new = sqlx::query(
        "INSERT INTO run_datasets (run_id, experiment_id, name, digest) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(experiment)
    .bind(&dataset.name)
    .bind(&dataset.digest)
    .execute(&mut **transaction)
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    for (key, value) in &dataset.tags {
        sqlx::query(
            "INSERT INTO run_dataset_tags (run_id, name, digest, key, value) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (run_id, name, digest, key) DO UPDATE SET value = excluded.value",
        )
        .bind(run)
        .bind(&dataset.name)
        .bind(&dataset.digest)
        .bind(key)
        .bind(value)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
