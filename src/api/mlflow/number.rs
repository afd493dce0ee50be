//! Numbers as MLflow's clients write them: whole ones also as text, floats also as `"NaN"`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Real(f64),
    Text(String),
}

/// A whole number, or the text of one.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Number::deserialize(from)? {
        Number::Whole(number) => Ok(number),
        Number::Real(number) if number.fract() == 0.0 => Ok(number as i64),
        Number::Real(number) => Err(D::Error::custom(format!("{number} is not a whole number"))),
        Number::Text(text) => {
            text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a whole number")))
        }
    }
}

pub(crate) fn maybe_whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Held(#[serde(deserialize_with = "whole")] i64);
    Ok(Option::<Held>::deserialize(from)?.map(|held| held.0))
}

/// As [`real`], of a number that may be left out.
pub(crate) mod maybe_real {
    use super::{Deserialize, Deserializer, Serializer, real};

    #[derive(Deserialize)]
    struct Held(#[serde(with = "real")] f64);

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => real::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Held>::deserialize(from)?.map(|held| held.0))
    }
}

/// JSON has no NaN and no infinities; MLflow writes their names.
pub(crate) mod real {
    use super::{Deserialize, Deserializer, Error, Number, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_nan() {
            to.serialize_str("NaN")
        } else if value.is_infinite() {
            to.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            to.serialize_f64(*value)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Number::deserialize(from)? {
            Number::Whole(number) => Ok(number as f64),
            Number::Real(number) => Ok(number),
            Number::Text(text) => {
                text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number")))
            }
        }
    }
}
