//! `mlx predict`: score a file.

use std::path::Path;

use super::resolve;
use crate::data::{self, ReadOptions, Table};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::answers::answers;
use crate::outcome::predict::PredictOutcome;
use crate::settings::predict::PredictSettings;
use crate::ui::Ui;

/// `None` where the predictions themselves went to standard output.
pub(crate) async fn predict(settings: &PredictSettings, ui: &Ui) -> Result<Option<PredictOutcome>> {
    let project = settings.project.as_ref();
    let resolved =
        resolve::model(settings.model.as_deref(), project, &settings.globals, ui).await?;
    ui.note(&format!("predicting with {}", resolved.reference));

    let (data, kinds) = resolved.model.read_as();
    let mut data = data.clone();
    // The training data's own format says nothing of this file's.
    data.format.clone_from(&settings.input_format);
    let mut kinds = kinds.clone();
    if !matches!(resolved.model, Model::Forecasting(_)) {
        // What is to be predicted is not needed, and what stands in its column does not matter.
        kinds.remove(data.label());
    }
    let input = data::read(&settings.input, &ReadOptions::of_model(&data, &kinds))?;
    refuse_to_replace(&input, &settings.output)?;
    let answers = answers(&resolved.model, &input, settings.rolling.as_ref())?;
    for notice in &answers.notices {
        ui.warn(notice);
    }
    data::write(&settings.output, settings.output_format.as_deref(), &answers.table)?;
    if settings.is_stdout() {
        return Ok(None);
    }
    Ok(Some(PredictOutcome {
        model: resolved.reference,
        digest: resolved.package.digest,
        input: settings.input.clone(),
        output: settings.output.clone(),
        rows: input.rows,
        predictions: answers.table.rows,
        columns: answers.table.columns.into_iter().map(|column| column.name).collect(),
    }))
}

/// Writing the predictions may not cost the rows that they were made of.
fn refuse_to_replace(input: &Table, output: &Path) -> Result<()> {
    // What is not there yet is none of the files that were read; links and `..` are followed.
    let Ok(place) = output.canonicalize() else { return Ok(()) };
    let read =
        input.origin.files.iter().find(|(file, _)| {
            place.is_file() && file.canonicalize().is_ok_and(|file| file == place)
        });
    match read {
        None => Ok(()),
        Some(_) => Err(Error::usage(format!(
            "the predictions would replace {}, the file that they are made from",
            output.display()
        ))
        .hint("name another file with `-o`")),
    }
}
