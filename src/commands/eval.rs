//! `mlx eval`: a model on data that it was not fitted to, beside its baselines.

use super::resolve::{self, Resolved};
use crate::data::{self, Dataset, LoadRequest, ReadOptions, Source, Table, Task};
use crate::error::{Context, Error, Result};
use crate::eval::{self, EvalData, Evaluation};
use crate::model::Seen;
use crate::outcome::eval::EvalOutcome;
use crate::settings::Project;
use crate::settings::eval::{EvalSettings, EvalSource};
use crate::ui::Ui;

pub(crate) async fn eval(settings: &EvalSettings, ui: &Ui) -> Result<EvalOutcome> {
    let project = settings.project.as_ref();
    let resolved =
        resolve::model(settings.model.as_deref(), project, &settings.globals, ui).await?;
    ui.note(&format!("evaluating {}", resolved.reference));

    let (mut evaluation, data) = match &settings.data {
        EvalSource::TestSplit => {
            let project = project.ok_or_else(|| Error::bug("a test split without a project"))?;
            on_test_split(&resolved, project, ui)?
        }
        EvalSource::File { name, path } => {
            let (data, kinds) = resolved.model.read_as();
            let (test, sources) =
                data::read_with_sources(path, &ReadOptions::of_model(data, kinds))?;
            let history = history(&resolved, project)?;
            let stride =
                project.map(|project| project.settings.eval.stride()).transpose()?.flatten();
            let mut evaluation = on_file(&resolved, &test, &history, stride)
                .context(|| format!("cannot evaluate {} on {name}", resolved.reference))?;
            let learned_from = resolved.package.learned_from(&resolved.model)?;
            for source in sources {
                let same = |other: &&Source| other.sha256 == source.sha256;
                if let Some(known) = learned_from.iter().find(same) {
                    evaluation.notices.push(format!(
                        "{} was trained on rows of {name}, which has the content of its {}: on new rows it may do worse",
                        resolved.reference, known.path
                    ));
                }
            }
            (evaluation, name.clone())
        }
    };
    if let Some(project) = project
        && project.settings.project.task == evaluation.task
    {
        evaluation.lead_with(&project.settings.eval.metrics)?;
    }
    Ok(EvalOutcome { model: resolved.reference, digest: resolved.package.digest, data, evaluation })
}

fn on_test_split(resolved: &Resolved, project: &Project, ui: &Ui) -> Result<(Evaluation, String)> {
    let data = &project.settings.data;
    let dataset = load(resolved, project)?;
    for notice in &dataset.notices {
        ui.note(notice);
    }
    let name = match &data.test {
        Some(file) => file.clone(),
        None => format!("the test split of {}", data.train),
    };
    let mut evaluation = eval::on_dataset(&resolved.model, &dataset, &project.settings.eval)
        .context(|| format!("cannot evaluate {} on {name}", resolved.reference))?;
    let otherwise = match resolved.package.may_have_seen(&resolved.model, data, &dataset.sources)? {
        None => return Ok((evaluation, name)),
        Some(Seen::OtherSplit) => "with another split".to_owned(),
        Some(Seen::OtherContent(files)) => {
            format!("on other content of {} than is there now", files.join(", "))
        }
    };
    evaluation.notices.push(format!(
        "{} was trained {otherwise}: it may have learned from the rows that test it here",
        resolved.reference
    ));
    Ok((evaluation, name))
}

fn on_file(
    resolved: &Resolved,
    test: &Table,
    history: &[Table],
    stride: Option<usize>,
) -> Result<Evaluation> {
    eval::evaluate(&resolved.model, &EvalData { history: history.iter().collect(), test, stride })
}

/// What a forecasting project knows from before the file; nothing for other tasks or outside a project.
fn history(resolved: &Resolved, project: Option<&Project>) -> Result<Vec<Table>> {
    match project {
        Some(project)
            if resolved.model.task() == Task::Forecasting
                && project.settings.project.task == Task::Forecasting =>
        {
            let dataset = load(resolved, project)?;
            Ok(vec![dataset.train, dataset.valid])
        }
        _ => Ok(Vec::new()),
    }
}

fn load(resolved: &Resolved, project: &Project) -> Result<Dataset> {
    let settings = &project.settings;
    let (ours, theirs) = (settings.project.task, resolved.model.task());
    if ours != theirs {
        return Err(Error::user(format!(
            "{} is a {} model, and this project is for {}",
            resolved.reference,
            theirs.name(),
            ours.name()
        ))
        .hint("name a file for it: `mlx eval MODEL --data FILE`"));
    }
    data::load(&LoadRequest {
        task: settings.project.task,
        settings: &settings.data,
        columns: &settings.columns,
        root: &project.root,
        means: &project.means()?,
    })
}
