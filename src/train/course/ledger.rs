//! What the clock has decided in a run, on disk as soon as it is decided, so that a resumed run goes on by it.
//!
//! Where parts that are trained in steps end stands in their checkpoints; this is the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::allowance::Cuts;
use crate::error::{Error, Result};
use crate::sys::files;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Parts that there was no time for.
    pub left_out: BTreeMap<String, LeftOut>,
    /// What was cut of what makes a model of the parts.
    pub finish: Cuts,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub why: String,
    /// What it took until it was cut off.
    pub seconds: f64,
}

impl Ledger {
    /// That of the run whose checkpoints are in this folder; an empty one where nothing was decided yet.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = path(folder);
        if !path.is_file() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&files::read(&path)?)
            .map_err(|error| Error::file("read", &path, error).hint("train anew: `mlx train`"))
    }

    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::bug(format!("cannot write what was decided: {error}")))?;
        files::write_atomic(&path(folder), &json)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("budget.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Ledger::load(folder.path()).expect("none"), Ledger::default());
        let ledger = Ledger {
            left_out: BTreeMap::from([(
                "ets".into(),
                LeftOut { why: "it was late".into(), seconds: 1.0 / 3.0 },
            )]),
            finish: Cuts::from([("origins".into(), 3)]),
        };
        ledger.save(folder.path()).expect("saved");
        assert_eq!(Ledger::load(folder.path()).expect("one"), ledger);
    }
}
