//! From trained parts to one classifier: a blend that validation's log loss decides, beside its baselines.

use crate::error::{Error, Result};
use crate::metrics::log_loss;
use crate::model::choice::Choice;
use crate::model::classification::{ClassificationModel, Spec};
use crate::model::features::Inputs;
use crate::model::labels::class_indices;
use crate::model::logistic::Design;
use crate::model::{Model, Probabilities};
use crate::train::blend;
use crate::train::course::{FinishRequest, Finished, Trained, chosen};
use crate::train::logistic::fit;

pub(super) fn finish(parts: Vec<Trained>, request: &FinishRequest<'_>) -> Result<Finished> {
    let models: Vec<&ClassificationModel> = parts
        .iter()
        .map(|part| match &part.model {
            Model::Classification(model) => Ok(model),
            _ => Err(Error::bug("a part of another task")),
        })
        .collect::<Result<_>>()?;
    let valid = &request.dataset.valid;
    let labels = models[0].labels(valid)?;
    let answers: Vec<Probabilities> =
        models.iter().map(|model| model.predict(valid)).collect::<Result<_>>()?;

    let weights = blend::mixture(&of_labels(&answers, &labels));
    let loss = |answer: &Probabilities| {
        let classes = answer.classes.len();
        log_loss(&labels, &answer.values, classes).unwrap_or(f64::INFINITY)
    };
    let values: Vec<f64> = answers.iter().map(loss).collect();
    let members = chosen(&parts, &weights, &values);

    let device = candle_core::Device::Cpu;
    let named = parts.iter().zip(&weights).zip(&models);
    let named = named.map(|((part, &weight), &model)| (part.name.clone(), weight, model.clone()));
    let model = ClassificationModel::blend(request.kind, named.collect(), &device)?;
    let model = with_baseline(model, request)?;
    let answer = model.predict(valid)?;
    let baselines =
        model.baselines(valid)?.iter().map(|(name, answer)| (name.clone(), loss(answer))).collect();
    let choice = Choice { metric: "logloss".into(), value: loss(&answer), members, baselines };
    let notices = choice
        .lost_to()
        .map(|(name, value)| {
            format!(
                "the model loses to its own baseline on the validation rows: logloss {:.4}, {name} {value:.4}",
                choice.value
            )
        })
        .into_iter()
        .collect();
    let valid = super::measured(&model.spec, &labels, &answer.values).metrics;
    Ok(Finished { model: Model::Classification(model), valid, choice: Some(choice), notices })
}

/// What each answer gives the class that each row turned out to be.
fn of_labels(answers: &[Probabilities], labels: &[usize]) -> Vec<Vec<f64>> {
    answers
        .iter()
        .map(|answer| {
            labels.iter().enumerate().map(|(row, &label)| answer.row(row)[label]).collect()
        })
        .collect()
}

/// The regression that every classifier has to beat, fitted on the training rows.
fn with_baseline(
    model: ClassificationModel,
    request: &FinishRequest<'_>,
) -> Result<ClassificationModel> {
    let Spec { features, classes, data, .. } = &model.spec;
    let train = &request.dataset.train;
    let inputs = Inputs::read(&features[0], train, 0..train.rows)?;
    let labels = class_indices(train, &data.target, classes)?;
    let logistic = fit(Design::fit(&features[0], &inputs), &inputs, &labels, classes.len());
    model.with_baseline(logistic)
}
