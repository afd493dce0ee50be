//! The files that a model learned from, as its package's lineage records them, and so whether it may
//! have seen the rows that are to test it.

use serde::Deserialize;

use super::contents::LINEAGE;
use super::{Model, Package};
use crate::data::{DataSettings, Source};
use crate::error::{Error, Result};

/// Why rows that a project holds out for testing may be among those that a model learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was trained with another split or test file.
    OtherSplit,
    /// These files changed since it was trained, and the test rows are drawn from them anew.
    OtherContent(Vec<String>),
}

/// What is read of `mlx/lineage.json`.
#[derive(Deserialize)]
struct Lineage {
    #[serde(default)]
    data: Vec<Source>,
}

impl Package {
    /// The files that its model learned from, its test file not among them. None where nothing is recorded.
    pub(crate) fn learned_from(&self, model: &Model) -> Result<Vec<Source>> {
        if !self.manifest.files.contains_key(LINEAGE) {
            return Ok(Vec::new());
        }
        let lineage: Lineage = serde_json::from_slice(&self.read(LINEAGE)?)
            .map_err(|error| Error::file("read", &self.dir.join(LINEAGE), error))?;
        let trained = model.data();
        let learned = |source: &Source| trained.test.is_none() || source.is_of(&trained.train);
        Ok(lineage.data.into_iter().filter(learned).collect())
    }

    /// Why rows that a project holds out may be among those that its model learned from; `None`
    /// where they can't be. `now` is what the project's files hold at present.
    pub(crate) fn may_have_seen(
        &self,
        model: &Model,
        settings: &DataSettings,
        now: &[Source],
    ) -> Result<Option<Seen>> {
        if model.may_have_seen(settings) {
            return Ok(Some(Seen::OtherSplit));
        }
        // A test file of its own stays what it is, whatever becomes of the training file.
        if settings.test.is_some() {
            return Ok(None);
        }
        Ok(changed(&self.learned_from(model)?, now, &settings.train).map(Seen::OtherContent))
    }
}

/// The files whose content is not what it was; `None` where all of it is, in the same order, which
/// rows are numbered by.
fn changed(then: &[Source], now: &[Source], train: &str) -> Option<Vec<String>> {
    let digests = |sources: &[Source]| -> Vec<String> {
        sources.iter().map(|source| source.sha256.clone()).collect()
    };
    let (before, after) = (digests(then), digests(now));
    if before == after {
        return None;
    }
    let new = now.iter().filter(|source| !before.contains(&source.sha256));
    let mut files: Vec<String> = new.map(|source| source.path.clone()).collect();
    if files.is_empty() {
        files.push(train.to_owned());
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        let source = |&(path, content): &(&str, &str)| Source {
            path: path.into(),
            sha256: content.into(),
            size_bytes: 1,
            rows: 1,
        };
        files.iter().map(source).collect()
    }

    #[test]
    fn content_counts_and_names_do_not() {
        let then = sources(&[("a.csv", "1"), ("b.csv", "2")]);
        let changed = |now: &[(&str, &str)]| changed(&then, &sources(now), "*.csv");
        assert_eq!(changed(&[("a.csv", "1"), ("b.csv", "2")]), None);
        assert_eq!(changed(&[("new/a.csv", "1"), ("new/b.csv", "2")]), None);
        assert_eq!(changed(&[("a.csv", "1"), ("b.csv", "3")]), Some(vec!["b.csv".into()]));
        assert_eq!(
            changed(&[("a.csv", "1"), ("b.csv", "2"), ("c.csv", "3")]),
            Some(vec!["c.csv".into()])
        );
        // The rows of a file that went, or of files that changed places, have other numbers now.
        assert_eq!(changed(&[("a.csv", "1")]), Some(vec!["*.csv".into()]));
        assert_eq!(changed(&[("a.csv", "2"), ("b.csv", "1")]), Some(vec!["*.csv".into()]));
    }
}
