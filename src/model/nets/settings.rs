//! The keys of `[model]` that nets read.

use serde::Deserialize;

use super::Body;
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::features::NumberStyle;

/// The settings of a net; every estimator has defaults of its own for each task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetSettings {
    /// What lies between numbers and answers, with its widths.
    pub body: Body,
    /// The share of hidden values that a step leaves out.
    pub dropout: f64,
    /// How many nets are averaged; each learns as if it were alone.
    pub members: usize,
    /// The largest size of an embedding.
    pub embedding: usize,
    /// The share of names that a step takes for ones it never saw.
    pub embedding_dropout: f64,
    /// How numbers are encoded.
    pub numbers: Numbers,
    /// The most bins of a number.
    pub bins: usize,
    /// The size of the vector that a number becomes.
    pub number_embedding: usize,
    /// How many cosines a periodic vector is made of.
    pub cosines: usize,
    /// How many epochs the learning rate is laid out for; none where it waits for validation.
    pub epochs: Option<usize>,
}

/// How numbers are encoded, as `model.numbers` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Numbers {
    /// A piecewise-linear vector over bins of the training rows.
    Piecewise,
    /// The same over bins that tell the classes apart.
    Target,
    /// The normal quantile of the rank.
    Quantile,
    /// Scaled by median and quartiles, and smoothly clipped.
    Robust,
    /// The same, and cosines of it.
    Periodic,
}

impl NetSettings {
    /// The keys of every net.
    pub(crate) const KEYS: &[&str] = &[
        "hidden",
        "dropout",
        "members",
        "embedding",
        "embedding_dropout",
        "numbers",
        "bins",
        "number_embedding",
        "cosines",
        "epochs",
    ];
    /// How many there are with one more.
    pub(crate) const ONE_MORE: usize = Self::KEYS.len() + 1;

    /// The keys of a net that has one of its own.
    pub(crate) const fn keys_and(own: &'static str) -> [&'static str; Self::ONE_MORE] {
        let mut keys = [own; Self::ONE_MORE];
        keys.split_at_mut(Self::KEYS.len()).0.copy_from_slice(Self::KEYS);
        keys
    }

    /// One net that leaves nothing out, over normal quantiles.
    pub(crate) fn of(body: Body) -> Self {
        Self {
            body,
            dropout: 0.0,
            members: 1,
            embedding: 16,
            embedding_dropout: 0.0,
            numbers: Numbers::Quantile,
            bins: 32,
            number_embedding: 8,
            cosines: 16,
            epochs: None,
        }
    }

    /// What `mlx.toml` says over `defaults`; the keys were looked at before.
    pub(crate) fn read(settings: &ModelSettings, defaults: Self) -> Result<Self> {
        let mut read = defaults;
        for (key, value) in &settings.settings {
            match (key.as_str(), &mut read.body) {
                ("hidden", body) => *body.hidden_mut() = parse(key, value)?,
                ("width", Body::Resnet { width, .. } | Body::Attention { width, .. }) => {
                    *width = parse(key, value)?;
                }
                ("heads", Body::Attention { heads, .. }) => *heads = parse(key, value)?,
                ("activation", Body::RealMlp { activation, .. }) => {
                    *activation = parse(key, value)?;
                }
                ("dropout", _) => read.dropout = parse(key, value)?,
                ("members", _) => read.members = parse(key, value)?,
                ("embedding", _) => read.embedding = parse(key, value)?,
                ("embedding_dropout", _) => read.embedding_dropout = parse(key, value)?,
                ("numbers", _) => read.numbers = parse(key, value)?,
                ("bins", _) => read.bins = parse(key, value)?,
                ("number_embedding", _) => read.number_embedding = parse(key, value)?,
                ("cosines", _) => read.cosines = parse(key, value)?,
                _ => read.epochs = Some(parse(key, value)?),
            }
        }
        read.check()?;
        Ok(read)
    }

    pub(crate) fn style(&self) -> NumberStyle {
        match self.numbers {
            Numbers::Piecewise => NumberStyle::Bins(self.bins),
            Numbers::Target => NumberStyle::TargetBins(self.bins),
            Numbers::Quantile => NumberStyle::Normal,
            Numbers::Robust | Numbers::Periodic => NumberStyle::Robust,
        }
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
        within("number_embedding", self.number_embedding, 2, 128)?;
        within("cosines", self.cosines, 1, 256)?;
        if let Body::Resnet { width, .. } = self.body {
            within("width", width, 1, 8192)?;
        }
        if let Body::Attention { width, heads, .. } = self.body {
            within("width", width, 1, 8192)?;
            within("heads", heads, 1, width)?;
            if !width.is_multiple_of(heads) {
                return Err(Error::user(format!(
                    "`model.width` is {width}, and `model.heads` is {heads}"
                ))
                .hint("each head has its own part of the width, so that heads have to divide it"));
            }
        }
        within("epochs", self.epochs.unwrap_or(1), 1, 10_000)?;
        within("hidden` (its layers) `", self.body.hidden().len(), 0, 16)?;
        for &width in self.body.hidden() {
            within("hidden", width, 1, 8192)?;
        }
        for (key, share) in
            [("dropout", self.dropout), ("embedding_dropout", self.embedding_dropout)]
        {
            if !(0.0..0.95).contains(&share) {
                return Err(
                    Error::user(format!("`model.{key}` is {share}")).hint("it may be 0 to 0.95")
                );
            }
        }
        Ok(())
    }
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, value: &toml::Value) -> Result<T> {
    // `dropout = 0` is meant as a number like any other.
    let value = match (key, value) {
        ("dropout" | "embedding_dropout", toml::Value::Integer(whole)) => {
            toml::Value::Float(*whole as f64)
        }
        _ => value.clone(),
    };
    let shown = value.to_string();
    value.try_into().map_err(|_| {
        let wanted = match key {
            "hidden" => "a list of whole numbers, such as [128, 128]",
            "dropout" | "embedding_dropout" => "a share, such as 0.1",
            "numbers" => "`piecewise`, `target`, `quantile`, `robust` or `periodic`",
            "activation" => "`selu`, `mish` or `silu`",
            _ => "a whole number",
        };
        Error::user(format!("`model.{key}` is {shown}")).hint(format!("it is {wanted}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NetSettings> {
        let defaults = NetSettings::of(Body::Mlp { hidden: vec![8] });
        NetSettings::read(&toml::from_str(text).unwrap(), defaults)
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(read("hidden = [4, 4]\ndropout = 0").unwrap().body.hidden(), [4, 4]);
        assert_eq!(read("numbers = 'target'").unwrap().numbers, Numbers::Target);
        let body = Body::Attention { width: 12, heads: 2, hidden: vec![8] };
        let read_list = |text: &str| {
            NetSettings::read(&toml::from_str(text).unwrap(), NetSettings::of(body.clone()))
        };
        assert!(read_list("heads = 3").is_ok());
        assert!(read_list("heads = 5").is_err() && read_list("heads = 0").is_err());
        let error = read("numbers = 'round'").unwrap_err();
        assert_eq!(
            error.hint_text(),
            Some("it is `piecewise`, `target`, `quantile`, `robust` or `periodic`")
        );
        assert!(read("dropout = 1.5").is_err());
        assert!(read("members = 0").is_err());
        assert!(read("hidden = \"wide\"").is_err());
        assert!(read("hidden = [-1]").is_err());
    }
}
