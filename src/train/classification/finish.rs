//! From trained parts to one classifier: a blend that validation's log loss decides, beside its baselines.

use candle_core::Device;

use super::told::{THRESHOLD, Told};
use super::{WEIGHTED, calibrate, measured, shares, weighted_loss};
use crate::data::Table;
use crate::error::{Error, Result};
use crate::metrics::log_loss;
use crate::model::choice::Choice;
use crate::model::classification::{ClassificationModel, Conformal, Spec, Threshold, heat};
use crate::model::features::Inputs;
use crate::model::labels::class_indices;
use crate::model::logistic::{Design, Logistic};
use crate::model::{Model, Probabilities};
use crate::train::blend;
use crate::train::course::folds::{learned, rounds};
use crate::train::course::{FinishRequest, Finished, Round, Trained, Turns, chosen};
use crate::train::logistic::fit;

/// What was said of validation rows by those who had not learned from them, round after round; row-major.
struct Said {
    labels: Vec<usize>,
    /// Of each member.
    members: Vec<Vec<f64>>,
    baselines: Vec<(String, Vec<f64>)>,
    /// That of the only round, which learned from all rows that the model learned from.
    only_regression: Option<Logistic>,
}

pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let rounds = rounds(parts, request)?;
    let classes = model_of(&rounds[0].parts[0])?.classes().len();
    // One a round, and one of all rows where these are several.
    let count = if rounds.len() > 1 { rounds.len() + 1 } else { 1 };
    let mut regressions = Turns::new(request.allowance, "regression", count);
    let mut said = Said::new(&rounds, &mut regressions)?;
    let told = Told::read(request.shared)?;
    let counted = told.weights(model_of(&rounds[0].parts[0])?.classes(), &said.labels)?;
    let counts: Option<Vec<f64>> =
        counted.as_ref().map(|counted| said.labels.iter().map(|label| counted[*label]).collect());
    let loss = |answer: &[f64]| match &counted {
        Some(counted) => weighted_loss(&said.labels, answer, counted),
        None => log_loss(&said.labels, answer, classes).unwrap_or(f64::INFINITY),
    };

    let weights = blend::mixture(&said.of_labels(classes), counts.as_deref());
    let mut together = blend::together(&said.members, &weights);
    let values: Vec<f64> = said.members.iter().map(|answer| loss(answer)).collect();
    let members = chosen(&rounds[0].parts, &weights, &values);
    let baselines =
        said.baselines.iter().map(|(name, answer)| (name.clone(), loss(answer))).collect();
    let temperature = calibrate::temperature(&together, &said.labels, classes)
        .filter(|_| told.calibrate && counted.is_none());
    if let Some(temperature) = temperature {
        heat(&mut together, classes, temperature);
    }
    let metric = if counted.is_some() { WEIGHTED } else { "logloss" };
    let choice = Choice { metric: metric.into(), value: loss(&together), members, baselines };
    let warning = choice.lost_to().map(|(name, value)| {
        let own = choice.value;
        format!("the model loses to its own baseline on the validation rows: {metric} {own:.4}, {name} {value:.4}")
    });

    let count = rounds.len() as f64;
    let mut named = Vec::new();
    for round in &rounds {
        for (part, weight) in round.parts.iter().zip(&weights) {
            named.push((part.name.clone(), weight / count, model_of(part)?.clone()));
        }
    }
    let mut model = ClassificationModel::blend(request.kind, named, &Device::Cpu)?;
    model.spec.temperature = temperature;
    model.spec.threshold = threshold(&told, &model.spec, &said.labels, &together)?;
    let valid = measured(&model.spec, counted.as_deref(), &said.labels, &together).metrics;
    let conformal = Conformal::new(&together, &said.labels, classes);
    let learned = learned(&rounds, request)?;
    let logistic = match said.only_regression.take() {
        Some(only) => only,
        None => regression(&model, &learned, &mut regressions)?,
    };
    model.spec.prior =
        shares(&class_indices(&learned, &request.data.target, model.classes())?, classes);
    let model = model.with_baseline(logistic)?.with_conformal(conformal)?;
    let late =
        "the logistic regression to compare with was cut short: the budget left no time for more";
    let notices = regressions.were_cut().then(|| late.to_owned()).into_iter().collect();
    let model = Model::Classification(model);
    Ok(Finished { model, valid, choice: Some(choice), warning, notices })
}

/// The threshold that `model.threshold` asks for.
fn threshold(
    told: &Told,
    spec: &Spec,
    labels: &[usize],
    answers: &[f64],
) -> Result<Option<Threshold>> {
    let Some(by) = told.threshold else { return Ok(None) };
    let Some(positive) = spec.positive else {
        return Err(Error::user(format!(
            "`model.{THRESHOLD}` is for two classes, and `{}` has {}",
            spec.data.target,
            spec.classes.len()
        ))
        .hint("leave it out: of several classes the most probable is said"));
    };
    let scores: Vec<f64> =
        answers.chunks_exact(spec.classes.len()).map(|row| row[positive]).collect();
    let is_positive: Vec<bool> = labels.iter().map(|label| *label == positive).collect();
    Ok(Some(calibrate::threshold(&scores, &is_positive, by)))
}

fn model_of(part: &Trained) -> Result<&ClassificationModel> {
    match &part.model {
        Model::Classification(model) => Ok(model),
        _ => Err(Error::bug("a part of another task")),
    }
}

impl Said {
    fn new(rounds: &[Round<'_>], regressions: &mut Turns<'_>) -> Result<Self> {
        let mut said =
            Self { labels: vec![], members: vec![], baselines: vec![], only_regression: None };
        said.members.resize(rounds[0].parts.len(), Vec::new());
        for Round { data, parts } in rounds {
            let first = model_of(&parts[0])?;
            said.labels.extend(first.labels(&data.valid)?);
            for (part, answers) in parts.iter().zip(&mut said.members) {
                answers.extend(model_of(part)?.predict(&data.valid)?.values);
            }
            let regression = regression(first, &data.train, regressions)?;
            if rounds.len() == 1 {
                said.only_regression = Some(regression.clone());
            }
            let compared = first.clone().with_baseline(regression)?;
            for (at, (name, Probabilities { values, .. })) in
                compared.baselines(&data.valid)?.into_iter().enumerate()
            {
                if said.baselines.len() == at {
                    said.baselines.push((name, Vec::new()));
                }
                said.baselines[at].1.extend(values);
            }
        }
        Ok(said)
    }

    /// What each member gives the class that each row turned out to be.
    fn of_labels(&self, classes: usize) -> Vec<Vec<f64>> {
        let of = |answers: &Vec<f64>| {
            let rows = answers.chunks_exact(classes).zip(&self.labels);
            rows.map(|(row, &label)| row[label]).collect()
        };
        self.members.iter().map(of).collect()
    }
}

/// The regression that every classifier has to beat, fitted on these rows as far as time allows.
fn regression(
    model: &ClassificationModel,
    train: &Table,
    turns: &mut Turns<'_>,
) -> Result<Logistic> {
    let features = &model.spec.features[0];
    let classes = model.classes();
    turns.next(|goes_on| {
        let inputs = Inputs::read(features, train, 0..train.rows)?;
        let labels = class_indices(train, &model.spec.data.target, classes)?;
        let design = Design::fit(features, &inputs);
        fit(design, &inputs, &labels, classes.len(), goes_on)
    })
}
