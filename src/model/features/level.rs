//! Names as codes: one a level that training saw, one for all it did not see, one for the missing.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::data::Dictionary;

/// The code of a missing name.
pub(crate) const MISSING_CODE: u32 = 0;
/// The code of a name that training did not see, or not often enough.
pub(crate) const UNSEEN_CODE: u32 = 1;

/// From this many rows on, a level seen once is treated as unseen: alone it teaches only its own
/// row, together such levels teach what a new one is like.
const ROWS_FOR_RARE: usize = 200;

/// Levels in the order of their codes, which start at 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LevelEncoder {
    pub levels: Vec<String>,
    /// Booleans: `True` and `true` are one level.
    #[serde(default)]
    pub ignore_case: bool,
}

impl LevelEncoder {
    pub(crate) fn fit(texts: &Dictionary, ignore_case: bool) -> Self {
        let mut counts = HashMap::<String, usize>::new();
        for row in 0..texts.codes.len() {
            if let Some(level) = texts.get(row) {
                *counts.entry(spelled(level, ignore_case).into_owned()).or_default() += 1;
            }
        }
        let least = if texts.codes.len() >= ROWS_FOR_RARE { 2 } else { 1 };
        let mut levels: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count >= least)
            .map(|(level, _)| level)
            .collect();
        levels.sort();
        Self { levels, ignore_case }
    }

    /// How many codes there are.
    pub(crate) fn codes(&self) -> usize {
        self.levels.len() + 2
    }

    /// The codes of a column's levels, by the column's own codes.
    pub(crate) fn translate(&self, texts: &Dictionary) -> Vec<u32> {
        texts.levels.iter().map(|level| self.code(level).unwrap_or(UNSEEN_CODE)).collect()
    }

    /// The code of a level that training saw.
    pub(crate) fn code(&self, level: &str) -> Option<u32> {
        let level = spelled(level, self.ignore_case);
        let place = self.levels.binary_search_by(|known| known.as_str().cmp(&level)).ok()?;
        Some(place as u32 + 2)
    }
}

fn spelled(level: &str, ignore_case: bool) -> Cow<'_, str> {
    if ignore_case { level.to_lowercase().into() } else { level.into() }
}
