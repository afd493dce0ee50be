//! Experiments and runs, through MLflow's routes: where a version's parameters and metrics are kept.

use http::Method;

use super::failure::Failure;
use super::request::Remote;
use crate::api::mlflow::{
    CreateExperiment, CreateRun, CreatedExperiment, Empty, ExperimentReply, KeyValue, LogBatch,
    Metric, Run, RunInfo, RunInfoReply, RunReply, Runs, SearchRuns, UpdateRun, code,
};
use crate::error::{Error, Result};

const ROUTES: &str = "/api/2.0/mlflow";
/// MLflow's limits on one batch.
const METRICS_AT_ONCE: usize = 1000;
const PARAMS_AT_ONCE: usize = 100;
/// MLflow's limit on a parameter's value, in characters.
const PARAM_LENGTH: usize = 6000;

/// A run that took place elsewhere, to be written into the registry.
#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub experiment: String,
    pub name: String,
    pub user: String,
    pub started_ms: i64,
    pub tags: Vec<KeyValue>,
}

impl Remote {
    /// The experiment of this name, made where there is none.
    async fn experiment(&self, name: &str) -> Result<String> {
        let find = || async {
            let query = vec![("experiment_name", name.to_owned())];
            self.get::<ExperimentReply>(format!("{ROUTES}/experiments/get-by-name"), query).await
        };
        let found = match find().await {
            Err(failure) if failure.is_absent() => {
                let body = CreateExperiment { name: name.to_owned(), ..Default::default() };
                let path = format!("{ROUTES}/experiments/create");
                match self.post::<CreatedExperiment>(path, &body).await {
                    Ok(created) => return Ok(created.experiment_id),
                    // Another client made it since we looked.
                    Err(failure) if failure.is(code::ALREADY_EXISTS) => find().await?,
                    Err(failure) => return Err(failure.into()),
                }
            }
            found => found?,
        };
        if found.experiment.lifecycle_stage == "deleted" {
            return Err(Error::user(format!(
                "experiment `{name}` of {} was deleted, and its name is still taken",
                self.address()
            ))
            .hint("restore it there, or register under another name: `mlx register --name NAME`"));
        }
        Ok(found.experiment.experiment_id)
    }

    /// The run that these tags name, made where there is none.
    ///
    /// A registration that died on the way left its run behind, for ever running. The next one
    /// goes on with it: what it logs and uploads is the same and goes to the same place.
    pub(crate) async fn begin_run(&self, run: &NewRun, same: &[&str]) -> Result<RunInfo> {
        let experiment = self.experiment(&run.experiment).await?;
        let filter: Vec<_> = run
            .tags
            .iter()
            .filter(|tag| same.contains(&tag.key.as_str()))
            .map(|tag| format!("tags.`{}` = '{}'", tag.key, tag.value))
            .collect();
        let search = SearchRuns {
            experiment_ids: vec![experiment.clone()],
            filter: Some(filter.join(" AND ")),
            max_results: Some(1),
            ..Default::default()
        };
        let path = format!("{ROUTES}/runs/search");
        let found: Runs = self.send_json(Method::POST, path, &search, true).await?;
        if let Some(begun) = found.runs.into_iter().next() {
            return Ok(begun.info);
        }
        let body = CreateRun {
            experiment_id: experiment,
            user_id: Some(run.user.clone()),
            run_name: Some(run.name.clone()),
            start_time: Some(run.started_ms),
            tags: run.tags.clone(),
        };
        let reply: RunReply = self.post(format!("{ROUTES}/runs/create"), &body).await?;
        Ok(reply.run.info)
    }

    pub(crate) async fn log(
        &self,
        run_id: &str,
        params: &[KeyValue],
        metrics: &[Metric],
    ) -> Result<()> {
        for params in params.chunks(PARAMS_AT_ONCE) {
            let params = params
                .iter()
                .map(|pair| KeyValue::new(&pair.key, shortened(&pair.value)))
                .collect();
            self.log_batch(LogBatch { run_id: run_id.into(), params, ..Default::default() })
                .await?;
        }
        for metrics in metrics.chunks(METRICS_AT_ONCE) {
            let metrics = metrics.iter().cloned().map(Into::into).collect();
            self.log_batch(LogBatch { run_id: run_id.into(), metrics, ..Default::default() })
                .await?;
        }
        Ok(())
    }

    async fn log_batch(&self, batch: LogBatch) -> Result<()> {
        // The same values at the same step again change nothing.
        let path = format!("{ROUTES}/runs/log-batch");
        let _: Empty = self.send_json(Method::POST, path, &batch, true).await?;
        Ok(())
    }

    pub(crate) async fn finish_run(&self, run_id: &str, ended_ms: i64) -> Result<()> {
        let body = UpdateRun {
            run_id: run_id.to_owned(),
            status: Some("FINISHED".into()),
            end_time: Some(ended_ms),
            ..Default::default()
        };
        let path = format!("{ROUTES}/runs/update");
        let _: RunInfoReply = self.send_json(Method::POST, path, &body, true).await?;
        Ok(())
    }

    /// A run of the registry, where it still has it.
    pub(crate) async fn find_run(&self, run_id: &str) -> Result<Option<Run>> {
        let query = vec![("run_id", run_id.to_owned())];
        let reply: Result<RunReply, Failure> = self.get(format!("{ROUTES}/runs/get"), query).await;
        match reply {
            Ok(reply) => Ok(Some(reply.run)),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn shortened(value: &str) -> String {
    if value.chars().count() <= PARAM_LENGTH {
        return value.to_owned();
    }
    value.chars().take(PARAM_LENGTH - 1).chain(['…']).collect()
}
