//! The classification model: members with their fitted preprocessing, from a table to class probabilities.

mod decision;
mod member;

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Table};
use crate::error::{Error, Result};
use crate::model::Probabilities;
use crate::model::features::{Features, Inputs, Reader};
use crate::model::labels::class_indices;
use crate::model::logistic::{self, Design, Logistic};
use crate::model::member::{self as members, Blend, Member, Scorer};

pub(crate) use decision::{Conformal, Criterion, Threshold, heat};
pub(crate) use member::probabilities;

/// Rows scored at once, so that memory does not grow with the file.
pub(crate) const CHUNK: usize = 16_384;

/// What `mlx/model.json` holds of a classification model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// As in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    /// As the training data writes them, sorted.
    pub classes: Vec<String>,
    /// The positive one of two classes.
    pub positive: Option<usize>,
    /// Fitted preprocessing. Members that were fitted alike share one; baselines read the first.
    pub features: Vec<Features>,
    pub members: Vec<Member>,
    /// The baselines: the share of each class, and the columns of the logistic regression.
    pub prior: Vec<f64>,
    /// Absent in the part of a run, which is compared with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logistic: Option<Design>,
    /// By what the logarithms of probabilities are divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// From where on a row is said to be positive. Absent: the most probable class is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

impl Spec {
    /// The class that is said of each row.
    pub(crate) fn named(&self, values: &[f64]) -> Vec<usize> {
        let classes = self.classes.len();
        let rows = values.chunks_exact(classes);
        match (self.positive, self.threshold) {
            (Some(positive), Some(threshold)) => rows
                .map(|row| if row[positive] >= threshold.value { positive } else { 1 - positive })
                .collect(),
            _ => rows.map(top_of).collect(),
        }
    }
}

/// The most probable class; of equals the first.
fn top_of(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

#[derive(Clone, Debug)]
pub(crate) struct ClassificationModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    scorers: Vec<Scorer>,
    logistic: Option<Logistic>,
    conformal: Option<Conformal>,
}

impl ClassificationModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let classes = Some(spec.classes.len());
        let scorers = members::scorers(&spec.features, &spec.members, classes, &weights, device)?;
        let logistic = spec
            .logistic
            .as_ref()
            .map(|design| Logistic::from_weights(design, spec.classes.len(), &weights))
            .transpose()?;
        let conformal = Conformal::from_weights(&weights)?;
        let warm = spec.temperature.is_none_or(|t| t > 0.0 && t.is_finite());
        if !warm {
            return Err(Error::user("the model's temperature is not above zero"));
        }
        Ok(Self { spec, weights, scorers, logistic, conformal })
    }

    /// Models of one member each, by name and weight, as one; those that count for nothing are left out.
    pub(crate) fn blend(
        kind: &str,
        parts: Vec<(String, f64, Self)>,
        device: &Device,
    ) -> Result<Self> {
        let (mut blend, mut base) = (Blend::default(), None);
        for (name, weight, part) in parts.into_iter().filter(|(_, weight, _)| *weight > 0.0) {
            blend.add(name, weight, &part.spec.features, &part.spec.members, &part.weights)?;
            base.get_or_insert(part.spec);
        }
        let base = base.ok_or_else(|| Error::bug("a blend of nothing"))?;
        let Blend { features, members, weights } = blend;
        let spec = Spec { kind: kind.into(), features, members, logistic: None, ..base };
        Self::new(spec, weights, device)
    }

    /// The same, to be compared with this regression over its first features.
    pub(crate) fn with_baseline(mut self, logistic: Logistic) -> Result<Self> {
        self.weights.insert(logistic::WEIGHT.to_owned(), logistic.tensor()?);
        self.spec.logistic = Some(logistic.design.clone());
        self.logistic = Some(logistic);
        Ok(self)
    }

    /// The same, with sets of classes that these scores bound.
    pub(crate) fn with_conformal(mut self, conformal: Conformal) -> Result<Self> {
        self.weights.insert(decision::CONFORMAL.to_owned(), conformal.tensor()?);
        self.conformal = Some(conformal);
        Ok(self)
    }

    /// What bounds sets of classes; absent in models of an older mlx.
    pub(crate) fn conformal(&self) -> Option<&Conformal> {
        self.conformal.as_ref()
    }

    pub(crate) fn classes(&self) -> &[String] {
        &self.spec.classes
    }

    pub(crate) fn positive(&self) -> Option<usize> {
        self.spec.positive
    }

    pub(crate) fn predict(&self, table: &Table) -> Result<Probabilities> {
        let classes = self.spec.classes.len();
        let mut values = vec![0.0; table.rows * classes];
        for (at, features) in self.spec.features.iter().enumerate() {
            let reader = Reader::new(features, table)?;
            for rows in chunks(table.rows) {
                let sums = &mut values[rows.start * classes..rows.end * classes];
                let inputs = reader.read(rows);
                let scorers = self.spec.members.iter().zip(&self.scorers);
                for (member, scorer) in scorers.filter(|(member, _)| member.features == at) {
                    let own = member::answers(scorer, features, &inputs, classes)?;
                    sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += member.weight * own);
                }
            }
        }
        if let Some(temperature) = self.spec.temperature {
            heat(&mut values, classes, temperature);
        }
        Ok(Probabilities { classes: self.spec.classes.clone(), values })
    }

    /// The class shares and the logistic regression.
    pub(crate) fn baselines(&self, table: &Table) -> Result<Vec<(String, Probabilities)>> {
        let answer = |values| Probabilities { classes: self.spec.classes.clone(), values };
        let mut baselines = vec![("prior".into(), answer(self.spec.prior.repeat(table.rows)))];
        if let Some(regression) = &self.logistic {
            let mut values = Vec::with_capacity(table.rows * self.spec.classes.len());
            for rows in chunks(table.rows) {
                let inputs = Inputs::read(&self.spec.features[0], table, rows)?;
                values.extend(regression.probabilities(&inputs));
            }
            baselines.push(("logistic_regression".into(), answer(values)));
        }
        Ok(baselines)
    }

    /// The class index of each row's target.
    pub(crate) fn labels(&self, table: &Table) -> Result<Vec<usize>> {
        class_indices(table, &self.spec.data.target, &self.spec.classes)
    }
}

pub(crate) fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(CHUNK).map(move |start| start..(start + CHUNK).min(rows))
}
