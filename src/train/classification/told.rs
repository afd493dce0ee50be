//! What `[model]` says for all classifiers: how much classes count, how sure labels are, and how answers are used.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::error::{Error, Result, closest};
use crate::model::classification::Criterion;

/// How much the rows of each class count.
pub(super) const CLASS_WEIGHT: &str = "class_weight";
/// The share of each label that training spreads over all classes.
pub(super) const LABEL_SMOOTHING: &str = "label_smoothing";
/// Whether a temperature is fitted on validation.
pub(super) const CALIBRATE: &str = "calibrate";
/// From which probability on a row is said to be positive.
pub(super) const THRESHOLD: &str = "threshold";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub class_weight: Option<ClassWeight>,
    pub smoothing: f64,
    pub calibrate: bool,
    pub threshold: Option<Criterion>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ClassWeight {
    /// As if all classes had as many rows.
    Balanced,
    /// By class.
    Given(BTreeMap<String, f64>),
}

impl Told {
    pub(super) fn read(shared: &Table) -> Result<Self> {
        Ok(Self {
            class_weight: shared.get(CLASS_WEIGHT).map(class_weight).transpose()?,
            smoothing: match shared.get(LABEL_SMOOTHING) {
                None => 0.0,
                Some(value) => number(value)
                    .filter(|share| (0.0..1.0).contains(share))
                    .ok_or_else(|| wrong(LABEL_SMOOTHING, value, "a share below 1, such as 0.1"))?,
            },
            calibrate: match shared.get(CALIBRATE) {
                None => true,
                Some(value) => {
                    value.as_bool().ok_or_else(|| wrong(CALIBRATE, value, "true or false"))?
                }
            },
            threshold: shared.get(THRESHOLD).map(criterion).transpose()?,
        })
    }

    /// By how much a row of each class counts, one on average; absent where all count the same.
    pub(super) fn weights(&self, classes: &[String], labels: &[usize]) -> Result<Option<Vec<f64>>> {
        let Some(told) = &self.class_weight else { return Ok(None) };
        let mut counts = vec![0.0_f64; classes.len()];
        for label in labels {
            counts[*label] += 1.0;
        }
        let mut weights: Vec<f64> = match told {
            ClassWeight::Balanced => counts.iter().map(|count| 1.0 / count.max(1.0)).collect(),
            ClassWeight::Given(given) => {
                if let Some(name) = given.keys().find(|name| !classes.contains(name)) {
                    let error = Error::user(format!(
                        "`model.{CLASS_WEIGHT}` names `{name}`, which is no class of the training rows"
                    ));
                    return Err(match closest(name, classes.iter().map(String::as_str)) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => error.hint(format!("the classes are: {}", classes.join(", "))),
                    });
                }
                classes.iter().map(|class| given.get(class).copied().unwrap_or(1.0)).collect()
            }
        };
        let total: f64 = counts.iter().zip(&weights).map(|(count, weight)| count * weight).sum();
        for weight in &mut weights {
            *weight *= labels.len() as f64 / total;
        }
        Ok(Some(weights))
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn wrong(key: &str, value: &Value, wanted: &str) -> Error {
    Error::user(format!("`model.{key}` is {value}")).hint(format!("it is {wanted}"))
}

fn class_weight(value: &Value) -> Result<ClassWeight> {
    let wanted =
        "\"balanced\", or a table of a number above 0 a class, such as { yes = 5, no = 1 }";
    match value {
        Value::String(name) if name == "balanced" => Ok(ClassWeight::Balanced),
        Value::Table(table) if !table.is_empty() => {
            let weights = table.iter().map(|(class, value)| {
                let weight = number(value).filter(|weight| *weight > 0.0 && weight.is_finite());
                let key = format!("{CLASS_WEIGHT}.{class}");
                Ok((class.clone(), weight.ok_or_else(|| wrong(&key, value, "a number above 0"))?))
            });
            weights.collect::<Result<_>>().map(ClassWeight::Given)
        }
        _ => Err(wrong(CLASS_WEIGHT, value, wanted)),
    }
}

fn criterion(value: &Value) -> Result<Criterion> {
    let wanted = "\"f1\", \"youden\", \"accuracy\", a probability, or what mistakes cost: \
                  { false_positive = 1, false_negative = 5 }";
    match value {
        Value::String(name) => match name.as_str() {
            "f1" => Ok(Criterion::F1),
            "youden" => Ok(Criterion::Youden),
            "accuracy" => Ok(Criterion::Accuracy),
            _ => Err(wrong(THRESHOLD, value, wanted)),
        },
        Value::Table(costs) => {
            const KEYS: [&str; 2] = ["false_positive", "false_negative"];
            let known = costs.len() == 2 && KEYS.iter().all(|key| costs.contains_key(*key));
            let cost = |key: &str| number(&costs[key]).filter(|c| *c > 0.0 && c.is_finite());
            match known.then(|| (cost(KEYS[0]), cost(KEYS[1]))) {
                Some((Some(false_positive), Some(false_negative))) => {
                    Ok(Criterion::Cost { false_positive, false_negative })
                }
                _ => Err(wrong(THRESHOLD, value, wanted)),
            }
        }
        _ => number(value)
            .filter(|threshold| *threshold > 0.0 && *threshold < 1.0)
            .map(Criterion::Fixed)
            .ok_or_else(|| wrong(THRESHOLD, value, wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Told> {
        Told::read(&toml::from_str(text).expect("TOML"))
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        assert_eq!(read("").expect("defaults").threshold, None);
        let costs = read("threshold = { false_positive = 1, false_negative = 5 }").expect("costs");
        assert_eq!(
            costs.threshold,
            Some(Criterion::Cost { false_positive: 1.0, false_negative: 5.0 })
        );
        for text in [
            "class_weight = 'balance'",
            "class_weight = { yes = 0 }",
            "class_weight = {}",
            "label_smoothing = 1",
            "label_smoothing = 'some'",
            "calibrate = 'yes'",
            "threshold = 'f2'",
            "threshold = 1.5",
            "threshold = { false_positive = 1 }",
            "threshold = { false_positive = 1, false_negative = -5 }",
        ] {
            let error = read(text).expect_err(text);
            assert!(error.hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn weights_are_one_on_average() {
        let classes = ["no".to_owned(), "yes".to_owned()];
        let labels = [0, 0, 0, 1];
        let of = |text: &str| read(text).expect("fine").weights(&classes, &labels);
        assert_eq!(of("").expect("none"), None);
        let balanced = of("class_weight = 'balanced'").expect("weights").expect("some");
        assert!((balanced[0] - 2.0 / 3.0).abs() < 1e-12 && (balanced[1] - 2.0).abs() < 1e-12);
        let given = of("class_weight = { yes = 5 }").expect("weights").expect("some");
        assert!((given[1] / given[0] - 5.0).abs() < 1e-12);
        assert!((3.0 * given[0] + given[1] - 4.0).abs() < 1e-12);
        let error = of("class_weight = { yess = 5 }").expect_err("a typo");
        assert_eq!(error.hint_text(), Some("did you mean `yes`?"));
    }
}
