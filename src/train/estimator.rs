//! Estimators by name: what can be trained for a task, which keys each reads, and how it is built.
//!
//! An estimator is one file, `train/<task>/<kind>.rs`, with an [`Estimator`] that its task lists in its [`Offer`].

use candle_core::Device;
use toml::{Table, Value};

use super::course::{Finish, Situation};
use super::deadline::Deadline;
use super::learner::Learner;
use super::{classification, forecasting, ranking};
use crate::data::{DataSettings, Dataset, Task};
use crate::error::{Error, Result, closest};
use crate::model::ModelSettings;

/// What `auto` stands for: the name under which a task's own choice is asked for.
pub(crate) const AUTO: &str = "auto";

/// What an estimator is built from.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub dataset: &'a Dataset,
    pub data: &'a DataSettings,
    /// The estimator and its own settings.
    pub model: &'a ModelSettings,
    /// Settings under `[model]` that all of the task's estimators share.
    pub shared: &'a Table,
    pub seed: u64,
    pub device: &'a Device,
    /// By when what has no steps to take is fitted.
    pub deadline: &'a Deadline,
    pub common: &'a Common,
}

/// What the parts of a course make once for all of them: the first that needs it makes it.
#[derive(Default)]
pub(crate) struct Common {
    pub forecasting: forecasting::Common,
}

/// Something that can be trained for a task.
#[derive(Clone, Copy)]
pub(crate) struct Estimator {
    /// Its name, as in `model.kind`.
    pub kind: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its own keys under `[model]`.
    pub keys: &'static [&'static str],
    /// Whether the values of its keys can be; the keys themselves were looked at before.
    pub check: fn(&ModelSettings) -> Result<()>,
    /// The learner; the same request gives the same one.
    pub build: fn(&Request<'_>) -> Result<Box<dyn Learner>>,
    /// Whether `train.batch`, `train.learning_rate` and `train.weight_decay` mean anything to it.
    pub descends: bool,
    /// Whether it trains on the CPU alone.
    pub cpu_only: bool,
    /// Whether it is trained in steps, so that time can cut it short; else it is fitted whole or not at all.
    pub takes_steps: bool,
}

/// What a task offers: its estimators, what they share, what `auto` makes of them.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub estimators: &'static [Estimator],
    /// Keys under `[model]` that all of them read.
    pub shared: &'static [&'static str],
    /// Whether the values of these can be.
    pub check: fn(&Table) -> Result<()>,
    /// The estimators that `auto` trains, in turn.
    pub auto: fn(&Situation<'_>) -> Vec<Candidate>,
    /// How many folds `auto` trains each of them in; 1 is the validation set alone.
    pub folds: fn(&Situation<'_>) -> usize,
    /// From trained parts to one model.
    pub finish: Finish,
    /// What is trained where a budget leaves no other: soon done, and whatever the time. None where the first step of
    /// any is soon taken.
    pub stand_in: Option<&'static str>,
}

/// An estimator that `auto` trains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub kind: &'static str,
    /// How much of the time that is left it gets, beside what those after it get.
    pub share: f64,
}

/// What a task offers.
pub(crate) fn offer(task: Task) -> Offer {
    match task {
        Task::Classification => classification::OFFER,
        Task::Forecasting => forecasting::OFFER,
        Task::Ranking => ranking::OFFER,
    }
}

impl Offer {
    /// The estimator of this name; another name is an error.
    pub(crate) fn estimator(&self, kind: &str) -> Result<Estimator> {
        self.estimators.iter().find(|known| known.kind == kind).copied().ok_or_else(|| {
            let kinds = [AUTO].into_iter().chain(self.estimators.iter().map(|known| known.kind));
            unknown("estimator", kind, kind, kinds)
        })
    }

    /// Divide what `[model]` says into what all estimators share and the rest.
    pub(crate) fn divide(&self, settings: &Table) -> (Table, Table) {
        settings.clone().into_iter().partition(|(key, _)| self.shared.contains(&key.as_str()))
    }
}

impl Estimator {
    /// Whether `train.precision` means anything to it: it descends, and on whatever device there is.
    pub(crate) fn takes_precision(&self) -> bool {
        self.descends && !self.cpu_only
    }

    /// Its settings, of which each key is known and each value can be; `table` is where they stand.
    pub(crate) fn read(
        &self,
        table: &str,
        settings: &Table,
        offer: &Offer,
    ) -> Result<ModelSettings> {
        if let Some(key) = settings.keys().find(|key| !self.keys.contains(&key.as_str())) {
            let known = self.keys.iter().chain(offer.shared).copied();
            return Err(unknown("setting", &format!("{table}.{key}"), key, known));
        }
        let model = ModelSettings { kind: self.kind.into(), settings: settings.clone() };
        (self.check)(&model)?;
        Ok(model)
    }
}

/// The table of an estimator's own settings among those that `auto` is given, such as `[model.trees]`.
pub(crate) fn own_table(settings: &Table, kind: &str) -> Result<Table> {
    match settings.get(kind) {
        None => Ok(Table::new()),
        Some(Value::Table(own)) => Ok(own.clone()),
        Some(other) => Err(Error::user(format!("`model.{kind}` is {other}"))
            .hint(format!("it is a table of the settings of {kind}: `[model.{kind}]`"))),
    }
}

/// A name that is not among those known, and the one that may be meant.
pub(crate) fn unknown(
    what: &str,
    shown: &str,
    name: &str,
    known: impl Iterator<Item = &'static str> + Clone,
) -> Error {
    let error = Error::user(format!("there is no {what} `{shown}`"));
    match closest(name, known.clone()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("there are: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [Task; 3] = [Task::Classification, Task::Forecasting, Task::Ranking];

    #[test]
    fn every_estimator_is_documented_with_its_keys_and_named_in_the_schema() {
        let page = include_str!("../../docs/estimators.md");
        let schema = schemars::schema_for!(ModelSettings).to_value().to_string();
        for task in TASKS {
            let offer = offer(task);
            for key in offer.shared {
                assert!(page.contains(&format!("`{key}`")), "{key} of {}", task.name());
            }
            for estimator in offer.estimators {
                let kind = estimator.kind;
                assert!(schema.contains(&format!("`{kind}`")), "{kind} in the schema");
                let heads = page.lines().filter(|line| {
                    line.starts_with(&format!("## `{kind}`")) && line.contains(task.name())
                });
                assert_eq!(heads.count(), 1, "{kind} of {} in docs/estimators.md", task.name());
                for key in estimator.keys {
                    assert!(page.contains(&format!("`{key}`")), "{key} of {kind}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_with_the_one_that_is_meant() {
        for task in TASKS {
            let error = offer(task).estimator("atuo").map(|found| found.kind).unwrap_err();
            assert_eq!(error.hint_text(), Some("did you mean `auto`?"));
        }
        let mlp = offer(Task::Ranking).estimator("mlp").unwrap_or_else(|error| panic!("{error}"));
        let settings = toml::from_str("droput = 0.1").expect("TOML");
        let error = mlp.read("model.mlp", &settings, &offer(Task::Ranking)).unwrap_err();
        assert_eq!(error.message(), "there is no setting `model.mlp.droput`");
        assert_eq!(error.hint_text(), Some("did you mean `dropout`?"));
        assert!(own_table(&toml::from_str("trees = 3").expect("TOML"), "trees").is_err());
    }
}
