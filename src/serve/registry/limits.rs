//! What keys and values may be. MLflow's rules, since other tools read them as paths and in filters,
//! in MLflow's words.

use std::collections::BTreeSet;

use super::failure::ApiError;
use crate::store::Pairs;

/// Of every key, in characters.
const KEY: usize = 250;
/// Of a tag or parameter of a run. MLflow cuts them at 8,000 and 6,000; we keep them whole.
const RUN_VALUE: usize = 100_000;
const EXPERIMENT_NAME: usize = 500;
const EXPERIMENT_TAG: usize = 20_000;
/// Of a tag of a model or version.
const MODEL_TAG: usize = 100_000;

/// MLflow's limits on a batch and its parts.
const METRICS_AT_ONCE: usize = 1000;
const PARAMS_AT_ONCE: usize = 100;
const TAGS_AT_ONCE: usize = 100;
const ALL_AT_ONCE: usize = 1000;

pub(super) fn experiment_name(name: &str) -> Result<(), ApiError> {
    at_most("name", EXPERIMENT_NAME, name)
}

pub(super) fn experiment_tags(tags: &Pairs) -> Result<(), ApiError> {
    tags.iter().try_for_each(|(key, value)| {
        plain("key", key)?;
        at_most("key", KEY, key)?;
        at_most("value", EXPERIMENT_TAG, value)
    })
}

/// Of a registered model or a version.
pub(super) fn model_tags(tags: &Pairs) -> Result<(), ApiError> {
    tags.iter().try_for_each(|(key, value)| {
        plain("key", key)?;
        at_most("key", KEY, key)?;
        at_most("value", MODEL_TAG, value)
    })
}

pub(super) fn run_tags(tags: &Pairs) -> Result<(), ApiError> {
    tags.iter().try_for_each(|(key, value)| {
        plain("key", key)?;
        at_most("key", KEY, key)?;
        at_most("value", RUN_VALUE, value)
    })
}

pub(super) fn params(params: &Pairs) -> Result<(), ApiError> {
    params.iter().try_for_each(|(key, value)| {
        plain("key", key)?;
        at_most("Param key", KEY, key)?;
        at_most("Param value", RUN_VALUE, value)
    })?;
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = params
        .iter()
        .filter(|(key, _)| !seen.insert(key))
        .map(|(key, _)| format!("'{key}'"))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains \
         only one param value per param key.",
        twice.join(", ")
    )))
}

pub(super) fn metric_key(key: &str) -> Result<(), ApiError> {
    plain("name", key)?;
    at_most("Metric name", KEY, key)
}

pub(super) fn batch(metrics: usize, params: usize, tags: usize) -> Result<(), ApiError> {
    for (what, count, most) in [
        ("metrics", metrics, METRICS_AT_ONCE),
        ("params", params, PARAMS_AT_ONCE),
        ("tags", tags, TAGS_AT_ONCE),
        ("metrics, params, and tags", metrics + params + tags, ALL_AT_ONCE),
    ] {
        if count > most {
            return Err(ApiError::invalid(format!(
                "A batch logging request can contain at most {most} {what}. Got {count} {what}. \
                 Please split up {what} across multiple requests and try again."
            )));
        }
    }
    Ok(())
}

pub(super) fn at_most(what: &str, most: usize, text: &str) -> Result<(), ApiError> {
    if text.chars().count() > most {
        return Err(ApiError::invalid(format!(
            "'{what}' exceeds the maximum length of {most} characters"
        )));
    }
    Ok(())
}

/// A key is the name of a file in some stores: it has the characters of one, and goes nowhere else.
fn plain(what: &str, key: &str) -> Result<(), ApiError> {
    let wrong = |why: String| {
        let shown = serde_json::Value::from(key);
        Err(ApiError::invalid(format!(
            "Invalid value {shown} for parameter '{what}' supplied: {why}"
        )))
    };
    if key.is_empty() {
        return wrong("A key name must be provided.".into());
    }
    if !key.chars().all(|c| c.is_alphanumeric() || "_-. :/".contains(c)) {
        return wrong(
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), \
             spaces ( ), colon(:) and slashes (/)."
                .into(),
        );
    }
    let resolved = resolved(key);
    if resolved != key || key == "." || key.starts_with('/') || key.starts_with("..") {
        return wrong(format!(
            "Names may be treated as files in certain cases, and must not resolve to other names \
             when treated as such. This name would resolve to '{resolved}'"
        ));
    }
    Ok(())
}

/// The path that a key is, without `.`, `//` and what `..` takes back.
fn resolved(key: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in key.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if key.starts_with('/') { "/" } else { "" };
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".into() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_paths_elsewhere_are_refused() {
        for key in ["a", "val/auc", "mlflow.data.context", "größe 1", "a:b", "a..b"] {
            assert!(metric_key(key).is_ok(), "{key}");
        }
        for key in [
            "", ".", "..", "../a", "/a", "a/../b", "a//b", "a/", "./a", "a\nb", "a\\b", "a@b",
            "a=b",
        ] {
            assert!(metric_key(key).is_err(), "{key}");
        }
        assert_eq!(resolved("a/../../b"), "../b");
        assert_eq!(resolved("a/.."), ".");
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert!(metric_key(&"ü".repeat(250)).is_ok());
        assert!(metric_key(&"ü".repeat(251)).is_err());
        let twice = vec![("a".to_owned(), "1".to_owned()); 2];
        assert!(params(&twice).is_err());
        assert!(batch(950, 50, 0).is_ok());
        assert!(batch(950, 51, 0).is_err());
    }
}
