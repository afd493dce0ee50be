//! `mlx predict`: score a file.

use std::path::{Path, PathBuf};

use super::resolve;
use crate::data::{self, ReadOptions, Table, Work, Writer};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::answers::{Asked, answers};
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
    refuse_to_replace(&settings.input, &settings.output)?;
    let options = ReadOptions::of_model(&data, &kinds);
    let scored = match &resolved.model {
        // A row's class is its own, so any number of rows can be scored at a time.
        model @ Model::Classification(_) if settings.rolling.is_none() => {
            score_in_parts(model, settings, &options)?
        }
        model => score(model, settings, &options, ui)?,
    };
    if settings.is_stdout() {
        return Ok(None);
    }
    Ok(Some(PredictOutcome {
        model: resolved.reference,
        digest: resolved.package.digest,
        input: settings.input.clone(),
        output: settings.output.clone(),
        rows: scored.rows,
        predictions: scored.predictions,
        columns: scored.columns,
    }))
}

/// What was read and written.
#[derive(Default)]
struct Scored {
    rows: usize,
    predictions: usize,
    columns: Vec<String>,
}

fn score(
    model: &Model,
    settings: &PredictSettings,
    options: &ReadOptions,
    ui: &Ui,
) -> Result<Scored> {
    let input = data::read(&settings.input, options)?;
    let answers = answers(model, &input, &asked(settings))?;
    for notice in &answers.notices {
        ui.warn(notice);
    }
    data::write(&settings.output, settings.output_format.as_deref(), &answers.table)?;
    Ok(Scored { rows: input.rows, predictions: answers.table.rows, columns: names(&answers.table) })
}

/// Rows are read, scored and printed on all cores, and written in their order.
fn score_in_parts(
    model: &Model,
    settings: &PredictSettings,
    options: &ReadOptions,
) -> Result<Scored> {
    let mut scored = Scored::default();
    // Made when there is something to write: a file that can't be read leaves no trace of one.
    let mut writer: Option<Writer> = None;
    let printing = Writer::printing_of(&settings.output, settings.output_format.as_deref())?;
    let work = |input: &Table| {
        let answers = answers(model, input, &asked(settings))?.table;
        Ok((names(&answers), answers.rows, printing.print(&answers)?))
    };
    let mut take = |(columns, rows, printed)| {
        if writer.is_none() {
            scored.columns = columns;
            writer = Some(Writer::create(&settings.output, settings.output_format.as_deref())?);
        }
        scored.predictions += rows;
        writer.as_mut().map_or(Ok(()), |writer| writer.append(printed))
    };
    let wanted = |name: &str| options.kinds.contains_key(name);
    let mut work = Work { wanted: &wanted, work: &work, take: &mut take };
    let rows = data::read_in_parts(&settings.input, options, &mut work)?;
    writer.map_or(Ok(()), Writer::finish)?;
    Ok(Scored { rows, ..scored })
}

fn asked(settings: &PredictSettings) -> Asked<'_> {
    Asked { rolling: settings.rolling.as_ref(), miss_at_most: settings.miss_at_most }
}

fn names(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

/// Writing the predictions may not cost the rows that they were made of.
fn refuse_to_replace(input: &Path, output: &Path) -> Result<()> {
    // What is not there yet is none of the files that were read; links and `..` are followed.
    let Ok(place) = output.canonicalize() else { return Ok(()) };
    let files = data::files(input)?;
    let is_read = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file == place);
    match place.is_file() && files.iter().any(is_read) {
        false => Ok(()),
        true => Err(Error::usage(format!(
            "the predictions would replace {}, the file that they are made from",
            output.display()
        ))
        .hint("name another file with `-o`")),
    }
}
