//! `mlx.lock`: what the last training resolved, and what came of it. Committed, so that others train the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::course::{Course, Cuts, Replay};
use super::event::StopReason;
use crate::data::{ColumnKind, Source};
use crate::error::{Error, Result};
use crate::sys::files;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub format: u32,
    /// The mlx that trained.
    pub mlx: String,
    /// As in `model.kind`.
    pub kind: String,
    pub seed: u64,
    pub device: String,
    /// The processor's instruction sets: others may round otherwise.
    pub instructions: String,
    pub result: LockedResult,
    /// The kind of every column.
    pub schema: BTreeMap<String, ColumnKind>,
    /// The tables of `mlx.toml` that training reads.
    pub settings: Table,
    pub data: Vec<Source>,
    /// What was trained, in this order; a part that there was no time for is not here.
    #[serde(default)]
    pub parts: Vec<LockedPart>,
    /// What the budget cut of making one model of them, and after how many steps.
    #[serde(default, skip_serializing_if = "Cuts::is_empty")]
    pub cuts: Cuts,
}

/// Where a part ended, and by how much it counts in the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LockedPart {
    pub name: String,
    pub kind: String,
    pub seed: u64,
    pub epochs: usize,
    /// What `--locked` replays.
    pub steps: u64,
    pub best_epoch: usize,
    pub reason: StopReason,
    pub weight: f64,
}

/// Where training ended, over all parts, and the digest of the weights that must come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockedResult {
    pub epochs: usize,
    pub steps: u64,
    pub best_epoch: usize,
    pub reason: StopReason,
    pub weights_sha256: String,
}

/// What training is about to do, in the terms of a lock.
#[derive(Clone, Debug)]
pub(crate) struct Now<'a> {
    pub kind: &'a str,
    pub device: &'a str,
    pub schema: &'a BTreeMap<String, ColumnKind>,
    pub settings: &'a Table,
    pub data: &'a [Source],
}

const FILE: &str = "mlx.lock";
const FORMAT: u32 = 3;
/// Of a lock without cuts, which an older mlx replays too.
const WITHOUT_CUTS: u32 = 2;
const INTRODUCTION: &str = "# What `mlx train` resolved and what came of it. Commit this file and leave it to mlx:\n# `mlx train --locked` refuses other data or settings, and trains the same weights again.\n\n";

/// Keys that can't change a locked run: a replay ignores the clock, the device is compared as it was
/// opened, and any number of threads comes to the same weights.
const FREE: [&str; 3] =
    ["settings.train.budget", "settings.train.device", "settings.train.threads"];

/// What it stood for that an older lock lacks a key.
const UNSAID: [(&str, &str); 1] = [("settings.train.precision", "\"float32\"")];

impl Lock {
    pub(crate) fn new(
        now: &Now<'_>,
        seed: u64,
        instructions: String,
        result: LockedResult,
        parts: Vec<LockedPart>,
        cuts: Cuts,
    ) -> Self {
        Self {
            format: if cuts.is_empty() { WITHOUT_CUTS } else { FORMAT },
            mlx: env!("CARGO_PKG_VERSION").into(),
            kind: now.kind.into(),
            seed,
            device: now.device.into(),
            instructions,
            result,
            schema: now.schema.clone(),
            settings: now.settings.clone(),
            data: now.data.to_vec(),
            parts,
            cuts,
        }
    }

    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        if !path.is_file() {
            return Err(Error::user(format!("there is no {FILE} in {}", root.display()))
                .hint("`mlx train` without --locked writes one"));
        }
        let wrong = |error: toml::de::Error| {
            Error::user(format!("{} cannot be read: {}", path.display(), error.message()))
                .hint("take it from git again, or train without --locked to write a new one")
        };
        let table: Table = toml::from_str(&files::read_text(&path)?).map_err(wrong)?;
        if table.get("format").and_then(Value::as_integer).is_some_and(|n| n > i64::from(FORMAT)) {
            return Err(Error::user(format!("{} was written by a newer mlx", path.display()))
                .hint("install a newer mlx"));
        }
        table.try_into().map_err(wrong)
    }

    /// The steps to end each part with. A lock of the first format knows of one part.
    pub(crate) fn replay(&self, course: &Course) -> Replay {
        if self.parts.is_empty() {
            let only = course.parts.iter().take(1);
            return only.map(|part| (part.name.clone(), self.result.steps)).collect();
        }
        self.parts.iter().map(|part| (part.name.clone(), part.steps)).collect()
    }

    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        let text = toml::to_string(self)
            .map_err(|error| Error::bug(format!("cannot write {FILE}: {error}")))?;
        files::write_atomic(&root.join(FILE), format!("{INTRODUCTION}{text}").as_bytes())
    }

    /// An error that names everything in which `now` differs from this lock.
    pub(crate) fn check(&self, now: &Now<'_>) -> Result<()> {
        let differences = self.differences(now);
        if differences.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = differences.iter().map(|line| format!("\n  {line}")).collect();
        Err(Error::user(format!("this is not what {FILE} records:{}", list.concat()))
            .hint("undo the change, or train without --locked to write a new lock"))
    }

    /// One line a difference: the key, the lock's value, the value now.
    fn differences(&self, now: &Now<'_>) -> Vec<String> {
        let locked = leaves(&self.settings, &self.schema, &self.kind, &self.device);
        let present = leaves(now.settings, now.schema, now.kind, now.device);
        let keys: BTreeSet<&String> = locked.keys().chain(present.keys()).collect();
        let mut lines = Vec::new();
        for key in keys {
            let unsaid =
                || UNSAID.iter().find(|(unsaid, _)| unsaid == key).map(|(_, value)| *value);
            let was = locked.get(key).map(String::as_str).or_else(unsaid);
            let is = present.get(key).map(String::as_str);
            if was != is && !FREE.contains(&key.as_str()) {
                let (was, is) = (was.unwrap_or("absent"), is.unwrap_or("absent"));
                let key = key.trim_start_matches("settings.");
                lines.push(format!("{key}: {was} in {FILE}, {is} now"));
            }
        }
        lines.extend(source_differences(&self.data, now.data, FILE));
        lines
    }
}

/// One line for every file that is not what it was; `before` is where the first ones were recorded.
pub(crate) fn source_differences(was: &[Source], is: &[Source], before: &str) -> Vec<String> {
    let named = |sources: &[Source]| -> BTreeMap<String, Source> {
        sources.iter().map(|source| (source.path.clone(), source.clone())).collect()
    };
    let (was, is) = (named(was), named(is));
    let paths: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let mut lines = Vec::new();
    for path in paths {
        match (was.get(path), is.get(path)) {
            (Some(was), Some(is)) if was.sha256 != is.sha256 => lines.push(format!(
                "data {path}: {} rows, sha256 {}… in {before}, {} rows, {}… now",
                was.rows,
                short(&was.sha256),
                is.rows,
                short(&is.sha256)
            )),
            (Some(_), None) => lines.push(format!("data {path}: in {before}, not read now")),
            (None, Some(_)) => lines.push(format!("data {path}: not in {before}, read now")),
            _ => {}
        }
    }
    lines
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Every value by its dotted key, as TOML writes it.
fn leaves(
    settings: &Table,
    schema: &BTreeMap<String, ColumnKind>,
    kind: &str,
    device: &str,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten(settings, "settings", &mut found);
    for (column, kind) in schema {
        found.insert(format!("schema.{column}"), kind.name().to_owned());
    }
    found.insert("kind".into(), kind.to_owned());
    found.insert("device".into(), device.to_owned());
    found
}

fn flatten(table: &Table, prefix: &str, found: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}.{key}");
        match value {
            Value::Table(inner) => flatten(inner, &key, found),
            value => _ = found.insert(key, value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(sha256: &str) -> Source {
        Source { path: "train.csv".into(), sha256: sha256.repeat(32), size_bytes: 9, rows: 3 }
    }

    #[test]
    fn a_lock_is_read_back_and_names_what_differs() {
        let settings: Table =
            toml::from_str("[train]\nseed = 7\nbudget = \"5s\"\n[data]\ntrain = \"train.csv\"")
                .expect("TOML");
        let schema = BTreeMap::from([("age".to_owned(), ColumnKind::Numeric)]);
        let data = [source("ab")];
        let now =
            Now { kind: "mlp", device: "cpu", schema: &schema, settings: &settings, data: &data };
        let result = LockedResult {
            epochs: 3,
            steps: 21,
            best_epoch: 2,
            reason: StopReason::Patience,
            weights_sha256: "0".repeat(64),
        };
        let part = LockedPart {
            name: "mlp".into(),
            kind: "mlp".into(),
            seed: 7,
            epochs: 3,
            steps: 21,
            best_epoch: 2,
            reason: StopReason::Patience,
            weight: 1.0,
        };
        let cuts = Cuts::from([("origins".into(), 3)]);
        let lock = Lock::new(&now, 7, "x86-64".into(), result.clone(), vec![part], cuts);
        let whole = Lock::new(&now, 7, "x86-64".into(), result, vec![], Cuts::new());
        assert_eq!((lock.format, whole.format), (3, 2), "an older mlx reads what it can replay");
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Lock::read(folder.path()).is_err());
        lock.write(folder.path()).expect("written");
        assert_eq!(Lock::read(folder.path()).expect("read"), lock);
        assert!(lock.check(&now).is_ok());

        let settings: Table =
            toml::from_str("[train]\nseed = 8\n[data]\ntrain = \"train.csv\"\ntarget = \"y\"")
                .expect("TOML");
        let schema = BTreeMap::from([("age".to_owned(), ColumnKind::Categorical)]);
        let data = [source("cd")];
        let now =
            Now { kind: "mlp", device: "cpu", schema: &schema, settings: &settings, data: &data };
        insta::assert_snapshot!(lock.differences(&now).join("\n"), @r#"
        schema.age: numeric in mlx.lock, categorical now
        data.target: absent in mlx.lock, "y" now
        train.seed: 7 in mlx.lock, 8 now
        data train.csv: 3 rows, sha256 abababababab… in mlx.lock, 3 rows, cdcdcdcdcdcd… now
        "#);
    }
}
