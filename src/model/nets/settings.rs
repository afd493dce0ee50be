//! The keys of `[model]` that the net reads.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::ModelSettings;

/// The settings of `mlp`, with sensible defaults for each task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MlpSettings {
    /// The width of each hidden layer of one member.
    pub hidden: Vec<usize>,
    /// The share of hidden values that a step leaves out.
    pub dropout: f64,
    /// How many nets are trained side by side and averaged.
    pub members: usize,
    /// The largest size of an embedding.
    pub embedding: usize,
    /// The most bins of a numeric column; without effect in ranking.
    pub bins: usize,
}

impl MlpSettings {
    pub(crate) const KEYS: &[&str] = &["hidden", "dropout", "members", "embedding", "bins"];

    /// What `mlx.toml` says over `defaults`, under [`Self::KEYS`] alone.
    pub(crate) fn read(settings: &ModelSettings, defaults: &Self) -> Result<Self> {
        let mut read = defaults.clone();
        for (key, value) in &settings.settings {
            match key.as_str() {
                "hidden" => read.hidden = parse(key, value)?,
                "dropout" => read.dropout = parse(key, value)?,
                "members" => read.members = parse(key, value)?,
                "embedding" => read.embedding = parse(key, value)?,
                _ => read.bins = parse(key, value)?,
            }
        }
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<()> {
        let within = |key: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::user(format!("`model.{key}` is {value}"))
                .hint(format!("it may be {least} to {most}")))
        };
        within("members", self.members, 1, 64)?;
        within("embedding", self.embedding, 1, 512)?;
        within("bins", self.bins, 2, 512)?;
        within("hidden` (its layers) `", self.hidden.len(), 0, 16)?;
        for &width in &self.hidden {
            within("hidden", width, 1, 8192)?;
        }
        if !(0.0..0.95).contains(&self.dropout) {
            return Err(Error::user(format!("`model.dropout` is {}", self.dropout))
                .hint("it may be 0 to 0.95"));
        }
        Ok(())
    }
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, value: &toml::Value) -> Result<T> {
    // `dropout = 0` is meant as a number like any other.
    let value = match (key, value) {
        ("dropout", toml::Value::Integer(whole)) => toml::Value::Float(*whole as f64),
        _ => value.clone(),
    };
    let shown = value.to_string();
    value.try_into().map_err(|_| {
        let wanted = match key {
            "hidden" => "a list of whole numbers, such as [128, 128]",
            "dropout" => "a share, such as 0.1",
            _ => "a whole number",
        };
        Error::user(format!("`model.{key}` is {shown}")).hint(format!("it is {wanted}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MlpSettings> {
        let defaults =
            MlpSettings { hidden: vec![8], dropout: 0.1, members: 2, embedding: 4, bins: 8 };
        MlpSettings::read(&toml::from_str(text).unwrap(), &defaults)
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(read("hidden = [4, 4]\ndropout = 0").unwrap().hidden, [4, 4]);
        assert!(read("dropout = 1.5").is_err());
        assert!(read("members = 0").is_err());
        assert!(read("hidden = \"wide\"").is_err());
        assert!(read("hidden = [-1]").is_err());
    }
}
