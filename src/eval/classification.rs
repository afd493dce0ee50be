//! A classification model against the classes that rows turned out to be.

use super::Evaluation;
use crate::data::{Stream, Table, Task};
use crate::error::{Error, Result};
use crate::eval::evaluation::Measures;
use crate::metrics;
use crate::model::{ClassificationModel, Probabilities};

pub(crate) fn evaluate(model: &ClassificationModel, test: &Table) -> Result<Evaluation> {
    Ok(judge(model, &Answers::of(model, test)?))
}

/// The same on rows that are never in memory together; what is said of them is.
pub(crate) fn evaluate_streamed(
    model: &ClassificationModel,
    stream: &Stream,
) -> Result<Evaluation> {
    let mut all: Option<Answers> = None;
    let kinds = &model.spec.kinds;
    let wanted = |name: &str| {
        name == model.spec.data.label() || kinds.get(name).is_some_and(|kind| kind.is_feature())
    };
    let work = |table: &Table| Answers::of(model, table);
    stream.test_rows(&wanted, &work, &mut |more: Answers| {
        match &mut all {
            Some(all) => all.append(more),
            None => all = Some(more),
        }
        Ok(())
    })?;
    let all = all.ok_or_else(|| {
        Error::user("there are no rows to evaluate on")
            .hint("look at what the data holds: `mlx data check`")
    })?;
    Ok(judge(model, &all))
}

/// What rows are, and what the model and its baselines say of them.
struct Answers {
    labels: Vec<usize>,
    ours: Probabilities,
    theirs: Vec<(String, Probabilities)>,
}

impl Answers {
    fn of(model: &ClassificationModel, table: &Table) -> Result<Self> {
        let (labels, ours) = (model.labels(table)?, model.predict(table)?);
        Ok(Self { labels, ours, theirs: model.baselines(table)? })
    }

    fn append(&mut self, more: Self) {
        self.labels.extend(more.labels);
        self.ours.values.extend(more.ours.values);
        for ((_, answer), (_, more)) in self.theirs.iter_mut().zip(more.theirs) {
            answer.values.extend(more.values);
        }
    }
}

fn judge(model: &ClassificationModel, answers: &Answers) -> Evaluation {
    let Answers { labels, ours: answer, theirs } = answers;
    let positive = model.positive();
    let ours = measure(labels, answer, positive, &model.spec.named(&answer.values));
    let theirs: Vec<_> = theirs
        .iter()
        .map(|(name, answer)| {
            let top = metrics::top_classes(&answer.values, model.classes().len());
            (name.clone(), measure(labels, answer, positive, &top))
        })
        .collect();
    let mut evaluation = Evaluation::new(Task::Classification, labels.len(), ours, &theirs);
    if let (Some(threshold), Some(positive)) = (model.spec.threshold, positive) {
        evaluation.notices.push(format!(
            "a row is said to be `{}` from a probability of {:.4} on, which {} chose: accuracy and its like are of that",
            model.classes()[positive],
            threshold.value,
            threshold.by.name()
        ));
    }
    let absent: Vec<&str> = model
        .classes()
        .iter()
        .enumerate()
        .filter(|(class, _)| !labels.contains(class))
        .map(|(_, name)| name.as_str())
        .collect();
    if !absent.is_empty() {
        evaluation.notices.push(format!(
            "no row of {}: metrics that average over classes leave it out, and what compares two classes is undefined",
            absent.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    evaluation
}

/// `positive` is the class that AUC and average precision of two classes rank for, `named` what is said of each row.
fn measure(
    labels: &[usize],
    probabilities: &Probabilities,
    positive: Option<usize>,
    named: &[usize],
) -> Measures {
    let classes = probabilities.classes.len();
    let values = normalised(probabilities);
    let mut measures = Measures::new();
    match positive {
        Some(positive) => {
            let is_positive: Vec<bool> = labels.iter().map(|label| *label == positive).collect();
            let scores: Vec<f64> = values.iter().skip(positive).step_by(classes).copied().collect();
            measures.push(("auc", metrics::auc(&is_positive, &scores)));
            measures.push(("average_precision", metrics::average_precision(&is_positive, &scores)));
        }
        None => measures.push(("auc", metrics::macro_auc(labels, &values, classes))),
    }
    measures.extend([
        ("logloss", metrics::log_loss(labels, &values, classes)),
        ("accuracy", metrics::accuracy(labels, named)),
        ("balanced_accuracy", metrics::balanced_accuracy(labels, named, classes)),
        ("macro_f1", metrics::macro_f1(labels, named, classes)),
        ("brier", metrics::brier(labels, &values, classes)),
        ("ece", metrics::ece(labels, &values, classes)),
    ]);
    measures
}

/// Rows that sum to one in double precision too: a net's sum is off by some 1e-7.
fn normalised(probabilities: &Probabilities) -> Vec<f64> {
    let rows = probabilities.values.chunks_exact(probabilities.classes.len());
    rows.flat_map(|row| {
        let sum: f64 = row.iter().sum();
        row.iter().map(move |value| value / sum)
    })
    .collect()
}
