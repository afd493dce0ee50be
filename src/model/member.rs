//! Members of tabular models: what each is, which weights are its own, and how models of one member each become one.
//!
//! A member's weights are named `<member>/<weight>` among those of its model, a forecaster's too; this file alone knows it. What a member
//! says of rows is its task's.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::boosted;
use crate::model::features::Features;
use crate::model::linear::Linear;
use crate::model::nets::{NetShape, TabularNet};
use crate::trees;

/// What `mlx/model.json` holds of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The part of the run that it was; its weights are named `<name>/…`.
    pub name: String,
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// What its answers are multiplied with before those of all members are added up. A classifier's add up to one.
    #[serde(alias = "factor")]
    pub weight: f64,
    /// Which of the model's features it reads.
    pub features: usize,
    pub body: Body,
}

/// What computes a member's answers, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    Net(NetShape),
    Trees,
    /// Logistic regression, which only classifiers have.
    Linear,
}

/// A member with its weights.
#[derive(Clone, Debug)]
pub(super) enum Scorer {
    Net(TabularNet),
    Trees(trees::Model),
    Linear(Linear),
}

impl Member {
    /// The only member of a model, with the model's only features.
    pub(crate) fn only(kind: &str, body: Body) -> Self {
        Self { name: kind.to_owned(), kind: kind.to_owned(), weight: 1.0, features: 0, body }
    }

    /// Whether what it says of a row depends on the other rows of its query.
    pub(crate) fn is_listwise(&self) -> bool {
        matches!(&self.body, Body::Net(shape) if shape.body.is_listwise())
    }

    /// Its weights as its model names them.
    pub(crate) fn named(&self, weights: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
        named(&self.name, weights)
    }
}

/// The weights of a member of this name, as its model names them.
pub(crate) fn named(member: &str, weights: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    weights.into_iter().map(|(key, tensor)| (format!("{member}/{key}"), tensor)).collect()
}

/// Those of a model's weights that are a member's own, as it names them itself.
pub(crate) fn weights_of(
    member: &str,
    weights: &BTreeMap<String, Tensor>,
) -> BTreeMap<String, Tensor> {
    let own = weights.iter().filter_map(|(name, tensor)| {
        Some((name.strip_prefix(member)?.strip_prefix('/')?.to_owned(), tensor.clone()))
    });
    own.collect()
}

/// The members of a model, ready to score: from the weights of all. `classes` are a classifier's.
pub(super) fn scorers(
    features: &[Features],
    members: &[Member],
    classes: Option<usize>,
    weights: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Vec<Scorer>> {
    if members.is_empty() {
        return Err(contradiction());
    }
    let scorer = |member: &Member| -> Result<Scorer> {
        let features = features.get(member.features).ok_or_else(contradiction)?;
        // A class is a row's own.
        if !member.weight.is_finite() || classes.is_some() && member.is_listwise() {
            return Err(contradiction());
        }
        let own = weights_of(&member.name, weights);
        Ok(match (&member.body, classes) {
            (Body::Net(shape), _) => Scorer::Net(TabularNet::from_weights(shape, &own, device)?),
            (Body::Trees, _) => Scorer::Trees(boosted::from_weights(&own)?),
            (Body::Linear, Some(classes)) => {
                Scorer::Linear(Linear::from_weights(features, classes, &own)?)
            }
            (Body::Linear, None) => return Err(contradiction()),
        })
    };
    members.iter().map(scorer).collect()
}

pub(crate) fn contradiction() -> Error {
    Error::user("the model's description contradicts itself")
        .hint("its mlx/model.json was changed or cut short: `mlx models verify`")
}

/// What a blend has of the models of one member each that it is made of.
#[derive(Debug, Default)]
pub(super) struct Blend {
    pub features: Vec<Features>,
    pub members: Vec<Member>,
    pub weights: BTreeMap<String, Tensor>,
}

impl Blend {
    /// One more member, under another name and with another weight. Members whose features are equal share them.
    pub(super) fn add(
        &mut self,
        name: String,
        weight: f64,
        features: &[Features],
        members: &[Member],
        weights: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        let [member] = members else {
            return Err(Error::bug("what is blended has one member each"));
        };
        let own = &features[member.features];
        let known = self.features.iter().position(|known| known == own);
        let place = known.unwrap_or_else(|| {
            self.features.push(own.clone());
            self.features.len() - 1
        });
        let own = weights_of(&member.name, weights);
        let member = Member { name, weight, features: place, ..member.clone() };
        self.weights.extend(member.named(own));
        self.members.push(member);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_their_members_own() {
        let tensor = |value: f32| Tensor::new(value, &Device::Cpu).unwrap();
        let named = |name: &str| Member { name: name.into(), ..Member::only("trees", Body::Trees) };
        let mut weights = BTreeMap::new();
        // One name may begin as the other does, and a weight's may have a stroke of its own.
        for (at, name) in ["mlp", "mlp-2"].into_iter().enumerate() {
            let own = BTreeMap::from([("a/b".to_owned(), tensor(at as f32))]);
            weights.extend(named(name).named(own));
        }
        for (at, name) in ["mlp", "mlp-2"].into_iter().enumerate() {
            let own = weights_of(name, &weights);
            assert_eq!(own.keys().collect::<Vec<_>>(), ["a/b"]);
            assert_eq!(own["a/b"].to_scalar::<f32>().unwrap(), at as f32);
        }
        assert!(weights_of("ml", &weights).is_empty());
    }

    #[test]
    fn a_description_that_cannot_be_is_an_error() {
        let none = BTreeMap::new();
        let load = |members: &[Member]| scorers(&[], members, None, &none, &Device::Cpu);
        for members in [vec![], vec![Member::only("trees", Body::Trees)]] {
            let error = load(&members).unwrap_err();
            assert_eq!(error.message(), "the model's description contradicts itself");
        }
    }
}
