//! What the nets over windows share: how their keys are read, how a look-back is chosen, and how they start.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use candle_core::Tensor;
use toml::Value;

use super::descent::{Descent, Pace, Start};
use super::{calibrate, choose};
use crate::engine::Parameters;
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::forecasting::{Body, LEVELS, Scale, Term, WindowNet, net};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::Request;
use crate::train::learner::Learner;
use crate::train::schedule::Schedule;

/// Keys that every net reads.
pub(super) const LOOK_BACK: &str = "look_back";
pub(super) const EPOCHS: &str = "epochs";

/// A net as its settings say, and how it learns.
pub(super) struct Recipe {
    pub net: WindowNet,
    /// What its windows are divided by, so that values are about one whatever errors count in.
    pub scale: Scale,
    pub look_back: Option<usize>,
    /// The longest look-back that is taken unasked.
    pub longest: usize,
    pub dropout: f64,
    pub epochs: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub batch: usize,
}

/// Multiplications of an epoch, backward ones included: some seconds of a core.
const EPOCH_WORK: usize = 30_000_000_000;

pub(super) fn learner(request: &Request<'_>, recipe: Recipe) -> Result<Box<dyn Learner>> {
    let kind = &request.model.kind;
    let Request { dataset, data, shared, deadline, .. } = *request;
    let plain = request.common.forecasting.prepared(dataset, data, shared)?;
    let (prepared, plain) = match plain.on_logs() {
        Some(logs) => (Arc::new(logs), Some(plain)),
        None => (plain, None),
    };
    let choice = choose::choose(&prepared, &prepared.ends, recipe.look_back, deadline)?;
    let mut notices = Vec::new();
    let look_back = recipe.look_back.unwrap_or_else(|| {
        let look_back = weightiest(&choice.terms).unwrap_or(choice.shape.look_back);
        let why = if look_back > recipe.longest {
            format!("the most that it does unasked (ridge: {look_back})")
        } else {
            "as ridge does on validation".into()
        };
        let look_back = look_back.min(recipe.longest);
        notices.push(format!("{kind} looks back on {look_back} steps, {why}"));
        look_back
    });
    let counts_in = choice.shape.scale;
    let shape = prepared.shape(look_back, recipe.scale);
    let net = recipe.net.held_to(look_back, prepared.horizon);
    let steps = net.net(look_back, prepared.horizon, recipe.dropout);
    let random = &mut stream(request.seed, Purpose::Init, 0);
    let parameters = Parameters::init(&steps, request.device, random)?;
    spread_out(&parameters, prepared.horizon)?;
    let pace = Pace {
        epoch_work: EPOCH_WORK,
        // Backward takes two products for each one forward.
        window_work: 3 * net.work(look_back, prepared.horizon),
        schedule: Schedule::Cosines { epochs: recipe.epochs },
        learning_rate: recipe.learning_rate,
        weight_decay: recipe.weight_decay,
        batch: recipe.batch,
    };
    let body = Body::Net { look_back, scale: shape.scale, net: net.clone() };
    let kind = kind.clone();
    let start = Start { kind, prepared, plain, shape, body, net, parameters, counts_in, notices };
    Ok(Box::new(Descent::new(start, pace)))
}

/// The look-back that counts most in a mixture of what was fitted; the shorter of two.
fn weightiest(terms: &[Term]) -> Option<usize> {
    let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
    for term in terms.iter().filter(|term| term.strength.is_some()) {
        *weights.entry(term.look_back).or_default() += term.weight;
    }
    let most = weights.into_iter().rev().max_by(|(_, one), (_, other)| one.total_cmp(other));
    most.map(|(look_back, _)| look_back)
}

/// Puts the levels where a normal distribution has them: all at the median, nothing would pull at the spread.
fn spread_out(parameters: &Parameters, horizon: usize) -> Result<()> {
    let mut weights = parameters.snapshot()?;
    let offsets =
        calibrate::NORMAL.iter().flat_map(|&offset| std::iter::repeat_n(offset as f32, horizon));
    let shape = (LEVELS.len() - 1, horizon);
    let offsets = Tensor::from_vec(offsets.collect::<Vec<f32>>(), shape, parameters.device())?;
    weights.insert(net::OFFSETS.into(), offsets);
    parameters.restore(&weights)
}

/// The settings of an estimator, each read with the value it has where nothing is said.
pub(super) struct Keys<'a>(pub &'a ModelSettings);

impl Keys<'_> {
    /// A whole number.
    pub(super) fn number(
        &self,
        key: &str,
        unsaid: usize,
        within: RangeInclusive<usize>,
    ) -> Result<usize> {
        let Some(value) = self.0.settings.get(key) else { return Ok(unsaid) };
        whole(value).filter(|number| within.contains(number)).ok_or_else(|| {
            wrong(
                key,
                value,
                &format!("a whole number from {} to {}", within.start(), within.end()),
            )
        })
    }

    /// A list of whole numbers, from one on.
    pub(super) fn numbers(&self, key: &str, unsaid: &[usize]) -> Result<Vec<usize>> {
        let Some(value) = self.0.settings.get(key) else { return Ok(unsaid.to_vec()) };
        let read = |list: &Vec<Value>| -> Option<Vec<usize>> {
            let each = list.iter().map(|value| whole(value).filter(|n| (1..=8192).contains(n)));
            each.collect::<Option<Vec<usize>>>().filter(|list| (1..=16).contains(&list.len()))
        };
        value.as_array().and_then(read).ok_or_else(|| {
            let shown =
                format!("a list of 1 to 16 whole numbers from 1 to 8192, such as {unsaid:?}");
            wrong(key, value, &shown)
        })
    }

    /// A share of values to leave out.
    pub(super) fn dropout(&self, unsaid: f64) -> Result<f64> {
        let Some(value) = self.0.settings.get("dropout") else { return Ok(unsaid) };
        let share = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        share
            .filter(|share| (0.0..0.95).contains(share))
            .ok_or_else(|| wrong("dropout", value, "a share from 0 to 0.95"))
    }

    pub(super) fn look_back(&self) -> Result<Option<usize>> {
        super::linear::look_back(self.0)
    }

    pub(super) fn epochs(&self, unsaid: usize) -> Result<usize> {
        self.number(EPOCHS, unsaid, 1..=10_000)
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_integer().and_then(|whole| usize::try_from(whole).ok())
}

fn wrong(key: &str, value: &Value, wanted: &str) -> Error {
    Error::user(format!("model.{key} is {value}")).hint(format!("it is {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_back_that_counts_most_is_taken_and_the_shorter_of_two() {
        let term =
            |look_back, strength, weight| Term { look_back, strength, seasonal: true, weight };
        let fitted = Some(0.1);
        let terms = [
            term(24, fitted, 0.2),
            term(48, fitted, 0.15),
            term(96, None, 0.5),
            term(48, Some(1.0), 0.15),
        ];
        assert_eq!(weightiest(&terms), Some(48));
        assert_eq!(weightiest(&[term(8, fitted, 0.5), term(4, fitted, 0.5)]), Some(4));
        assert_eq!(weightiest(&terms[2..3]), None);
    }

    #[test]
    fn values_that_cannot_be_are_told() {
        let read = |text: &str| -> ModelSettings { toml::from_str(text).expect("TOML") };
        let settings = read("dropout = 0\nhidden = [3, 4]\nlayers = 2");
        let keys = Keys(&settings);
        assert_eq!(keys.dropout(0.3).expect("a share"), 0.0);
        assert_eq!(keys.numbers("hidden", &[]).expect("a list"), [3, 4]);
        assert_eq!(keys.number("layers", 1, 1..=3).expect("a number"), 2);
        assert_eq!(keys.number("heads", 4, 1..=8).expect("unsaid"), 4);
        for text in ["dropout = 1.5", "hidden = [0]", "hidden = 3", "layers = 4", "layers = -1"] {
            let settings = read(text);
            let keys = Keys(&settings);
            let errors = [
                keys.dropout(0.0).err(),
                keys.numbers("hidden", &[1]).err(),
                keys.number("layers", 1, 1..=3).err(),
            ];
            let errors: Vec<Error> = errors.into_iter().flatten().collect();
            assert_eq!(errors.len(), 1, "{text}");
            assert!(errors[0].message().starts_with("model."), "{text}");
            assert!(errors[0].hint_text().is_some_and(|hint| hint.starts_with("it is ")), "{text}");
        }
    }
}
