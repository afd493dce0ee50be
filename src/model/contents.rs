//! What each file of a package says.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::choice::Choice;
use super::example::Example;
use super::{ClassificationModel, Model, ModelSpec};
use crate::error::{Error, Result};

pub(super) const SPEC: &str = "mlx/model.json";
pub(super) const WEIGHTS: &str = "mlx/weights.safetensors";
/// In MLflow's place and shape.
pub(super) const EXAMPLE_INPUT: &str = "input_example.json";
pub(super) const LINEAGE: &str = "mlx/lineage.json";
pub(super) const EXAMPLE: &str = "mlx/example.json";

/// What a package says of where it came from. Nothing here may differ between two runs of one
/// lock but the run itself, and no id that a server assigned may enter.
#[derive(Clone, Debug)]
pub(crate) struct PackageContext {
    pub name: String,
    pub owner: Option<String>,
    /// `mlx/lineage.json`.
    pub lineage: serde_json::Value,
    /// What the model card says of quality: validation metrics by name.
    pub valid: Vec<(String, f64)>,
    /// What the model was put together from.
    pub choice: Option<Choice>,
    /// Rows to score again before the model goes live, unless the project keeps its rows to itself.
    pub example: Option<Example>,
}

/// A model as its package holds it.
pub(super) struct Stored {
    pub spec: Vec<u8>,
    pub weights: Vec<u8>,
}

impl Stored {
    pub(super) fn of(model: &Model) -> Result<Self> {
        let weights: BTreeMap<&str, Tensor> = model
            .weights()
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), tensor.to_device(&Device::Cpu)?)))
            .collect::<Result<_>>()?;
        let weights = safetensors::serialize(weights, None)
            .map_err(|error| Error::bug(format!("cannot lay out the weights: {error}")))?;
        Ok(Self { spec: json(&model.spec())?, weights })
    }

    pub(super) fn model(&self, device: &Device) -> Result<Model> {
        let spec: ModelSpec = serde_json::from_slice(&self.spec).map_err(|error| {
            Error::user(format!("{SPEC}: {error}")).hint("was it written by a newer mlx?")
        })?;
        let weights = candle_core::safetensors::load_buffer(&self.weights, device)
            .map_err(|error| Error::user(format!("{WEIGHTS}: {error}")))?;
        Model::from_parts(spec, weights.into_iter().collect(), device)
    }
}

/// Every file by its path, but the manifest.
pub(super) fn contents(
    model: &Model,
    context: &PackageContext,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let Stored { spec, weights } = Stored::of(model)?;
    let mut files = vec![
        ("README.md", card(model, context).into_bytes()),
        (LINEAGE, json(&context.lineage)?),
        (SPEC, spec),
        (WEIGHTS, weights),
    ];
    if let Some(example) = &context.example {
        files.push((EXAMPLE_INPUT, example.input.clone()));
        files.push((EXAMPLE, example.expected.to_json()?));
    }
    let size_bytes = files.iter().map(|(_, bytes)| bytes.len()).sum();
    files.push(("MLmodel", mlmodel(context, size_bytes).into_bytes()));
    Ok(files)
}

/// MLflow's description of the folder. The `mlx` flavor alone for now: `onnx` and `python_function`
/// join when the graph is written, and with them the signature, which is a promise of theirs.
///
/// MLflow's own also tell a time and a random id, which it does without; here they would give one
/// model two digests.
fn mlmodel(context: &PackageContext, size_bytes: usize) -> String {
    // YAML would take a bare `on` for a truth and `7` for a number; a JSON text is a text in it.
    let name = serde_json::Value::from(context.name.as_str());
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "artifact_path: model\nflavors:\n  mlx:\n    data: mlx\n    mlx_version: {version}\n    model: {name}\nmodel_size_bytes: {size_bytes}\n"
    );
    if context.example.is_some() {
        text += &format!(
            "saved_input_example_info:\n  artifact_path: {EXAMPLE_INPUT}\n  pandas_orient: split\n  type: dataframe\n"
        );
    }
    text
}

/// The model card.
fn card(model: &Model, context: &PackageContext) -> String {
    let mut card = format!(
        "# {}\n\nA {} model, trained by mlx {}.\n",
        context.name,
        model.task().name(),
        env!("CARGO_PKG_VERSION")
    );
    if let Some(owner) = &context.owner {
        card += &format!("{owner} answers for it.\n");
    }
    card += "\n## On the validation rows\n\n| metric | value |\n|---|---|\n";
    for (name, value) in &context.valid {
        card += &format!("| {name} | {value:.6} |\n");
    }
    card += "\nThese rows chose the best epoch; the test rows, which nothing was fitted on, are what `mlx eval` scores.\n";
    if let Some(choice) = &context.choice {
        card += &members(choice);
    }
    if let Model::Classification(model) = model {
        card += &decisions(model);
    }
    card += "\n## The example\n\n";
    card += &match &context.example {
        Some(_) => format!(
            "`{EXAMPLE_INPUT}` holds a few rows of the training data, as they are there: mind who may read them. `{EXAMPLE}` holds what the model answers to them, which is checked again before the model goes live. The same processor gives the same bits; others round differently, so answers that are within its `tolerance` count as the same.\n"
        ),
        None => "No rows of the data are kept here (`[package] example = false`), so what the model answers is not checked before it goes live.\n".to_owned(),
    };
    card += "\n`mlx/lineage.json` says what it was made from, `mlx/manifest.json` has the SHA-256 of every file.\n";
    card
}

/// What was fitted to the answers themselves.
fn decisions(model: &ClassificationModel) -> String {
    let mut card = String::new();
    if let Some(temperature) = model.spec.temperature {
        card += &format!(
            "\nProbabilities are calibrated on these rows by a temperature of {temperature:.4}.\n"
        );
    }
    if let (Some(threshold), Some(positive)) = (model.spec.threshold, model.positive()) {
        card += &format!(
            "\nA row is said to be `{}` from a probability of {:.6} on, which {} chose.\n",
            model.classes()[positive],
            threshold.value,
            threshold.by.name()
        );
    }
    card
}

/// What the model is made of, and what it is compared with.
fn members(choice: &Choice) -> String {
    let metric = &choice.metric;
    let mut card = format!(
        "\n## What it is made of\n\n| member | estimator | share | {metric} alone |\n|---|---|---|---|\n"
    );
    for member in &choice.members {
        card += &format!(
            "| {} | {} | {:.3} | {:.6} |\n",
            member.part, member.kind, member.weight, member.value
        );
    }
    card += &format!("\nTogether they reach {:.6} on the validation rows", choice.value);
    for (name, value) in &choice.baselines {
        card += &format!(", {name} {value:.6}");
    }
    card += ".";
    if let Some((name, _)) = choice.lost_to() {
        card += &format!(" **It loses to {name}, which is simpler: mind before you use it.**");
    }
    card + "\n"
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::bug(format!("cannot write a package's JSON: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}
