//! `runs/log-inputs`, `runs/outputs` and `runs/log-model`: what a run was given and what it made.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use super::extract::{Body, given, required};
use super::failure::{Answer, ApiError};
use super::{App, key_values, limits, pairs};
use crate::api::mlflow::{
    self as wire, Dataset, Empty, LogInputs, LogModel, LogOutputs, ModelInput, RunInputs,
};
use crate::store::{DatasetInput, Inputs};

/// MLflow's limits on a dataset's name and digest, its description, and an input's tags.
const NAME: usize = 500;
const DIGEST: usize = 36;
const SCHEMA: usize = 1_048_575;
const SOURCE: usize = 65_535;
const PROFILE: usize = 16_777_215;
const TAG_KEY: usize = 255;
const TAG_VALUE: usize = 500;

/// The tag in which clients of MLflow 2 look for what a run logged.
const LOGGED_MODELS: &str = "mlflow.log-model.history";
/// What the description of a logged model must say.
const MODEL_FIELDS: [&str; 4] = ["artifact_path", "flavors", "run_id", "utc_time_created"];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/runs/log-inputs", post(log_inputs))
        .route("/runs/outputs", post(log_outputs))
        .route("/runs/log-model", post(log_model))
}

async fn log_inputs(State(app): State<App>, Body(request): Body<LogInputs>) -> Answer<Empty> {
    let LogInputs { run_id, datasets, models } = request;
    required("run_id", &run_id)?;
    let datasets = datasets.into_iter().enumerate().map(|(place, input)| dataset(place, input));
    let datasets = datasets.collect::<Result<_, _>>()?;
    let models = models.into_iter().map(|input| input.model_id).collect();
    app.store.log_inputs(&run_id, &Inputs { datasets, models }).await?;
    Ok(Json(Empty {}))
}

async fn log_outputs(State(app): State<App>, Body(request): Body<LogOutputs>) -> Answer<Empty> {
    let run_id = required("run_id", &request.run_id)?;
    let models = given("models", request.models)?.into_iter();
    let models: Vec<_> = models.map(|output| (output.model_id, output.step)).collect();
    app.store.log_outputs(run_id, &models).await?;
    Ok(Json(Empty {}))
}

async fn log_model(State(app): State<App>, Body(request): Body<LogModel>) -> Answer<Empty> {
    let run_id = required("run_id", &request.run_id)?;
    let text = required("model_json", &request.model_json)?;
    let Ok(model) = serde_json::from_str::<Value>(text) else {
        return Err(ApiError::invalid(format!(
            "Malformed model info. \n {text} \n is not a valid JSON."
        )));
    };
    let lacking: Vec<_> = MODEL_FIELDS
        .iter()
        .filter(|field| model.get(field).is_none())
        .map(|field| format!("'{field}'"))
        .collect();
    if !lacking.is_empty() {
        return Err(ApiError::invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            lacking.join(", ")
        )));
    }
    app.store.note_logged_model(run_id, LOGGED_MODELS, model).await?;
    Ok(Json(Empty {}))
}

fn dataset(place: usize, input: wire::DatasetInput) -> Result<DatasetInput, ApiError> {
    let wire::DatasetInput { tags, dataset } = input;
    let Dataset { name, digest, source_type, source, schema, profile } = dataset;
    let field = |field: &str| format!("datasets[{place}].dataset.{field}");
    required(&field("name"), &name)?;
    required(&field("digest"), &digest)?;
    required(&field("source_type"), &source_type)?;
    required(&field("source"), &source)?;
    limits::at_most("name", NAME, &name)?;
    limits::at_most("digest", DIGEST, &digest)?;
    limits::at_most("source", SOURCE, &source)?;
    limits::at_most("schema", SCHEMA, schema.as_deref().unwrap_or_default())?;
    limits::at_most("profile", PROFILE, profile.as_deref().unwrap_or_default())?;
    let tags = pairs(tags);
    for (key, value) in &tags {
        limits::at_most("key", TAG_KEY, key)?;
        limits::at_most("value", TAG_VALUE, value)?;
    }
    Ok(DatasetInput { name, digest, source_type, source, schema, profile, tags })
}

/// A run's inputs as the wire says them.
pub(super) fn wire(inputs: Inputs) -> RunInputs {
    let dataset = |input: DatasetInput| {
        let DatasetInput { name, digest, source_type, source, schema, profile, tags } = input;
        wire::DatasetInput {
            tags: key_values(tags),
            dataset: Dataset { name, digest, source_type, source, schema, profile },
        }
    };
    RunInputs {
        dataset_inputs: inputs.datasets.into_iter().map(dataset).collect(),
        model_inputs: inputs.models.into_iter().map(|model_id| ModelInput { model_id }).collect(),
    }
}
