//! Distinct texts in one allocation, and the columns of codes that are built of them.

use std::fmt::Write as _;
use std::ops::Index;
use std::sync::Arc;

use super::table::{Dictionary, MISSING};

/// Distinct texts in a fixed order. Tables that are cut from one table share them.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Levels(Arc<Arena>);

/// Texts end to end: one costs its bytes and the place where it ends.
#[derive(Clone, Default, PartialEq)]
struct Arena {
    text: String,
    ends: Vec<usize>,
}

impl Arena {
    fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    fn bytes(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text.as_bytes()[start..self.ends[at]]
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

impl Levels {
    pub(crate) fn len(&self) -> usize {
        self.0.ends.len()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        self.0.get(at)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        (0..self.len()).map(|at| &self[at])
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.iter().any(|level| level == text)
    }

    /// All texts end to end, and where each ends.
    pub(super) fn parts(&self) -> (&str, &[usize]) {
        (&self.0.text, &self.0.ends)
    }

    /// Of texts end to end, by the length of each; `None` where the lengths are not theirs.
    pub(super) fn from_parts(text: String, lengths: &[usize]) -> Option<Self> {
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end = 0_usize;
        for length in lengths {
            end = end.checked_add(*length)?;
            if !text.is_char_boundary(end) {
                return None;
            }
            ends.push(end);
        }
        (end == text.len()).then(|| Self(Arc::new(Arena { text, ends })))
    }
}

impl Index<usize> for Levels {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        self.get(at).expect("a place among the levels")
    }
}

impl<S: AsRef<str>> FromIterator<S> for Levels {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut arena = Arena::default();
        for text in texts {
            arena.push(text.as_ref());
        }
        Self(Arc::new(arena))
    }
}

impl From<Vec<String>> for Levels {
    fn from(texts: Vec<String>) -> Self {
        texts.into_iter().collect()
    }
}

impl std::fmt::Debug for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A column of texts while it is read: each becomes the code of its level at once, in order of first
/// appearance. The empty text is missing.
#[derive(Clone, Default)]
pub(crate) struct Texts {
    codes: Vec<u32>,
    levels: Arena,
    hashes: Vec<u32>,
    slots: Vec<Slot>,
    /// What a value is written into before it is looked up.
    scratch: String,
}

/// A place of the hash table, probed linearly; the hash beside the code spares most looks at texts.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    code: u32,
}

const VACANT: Slot = Slot { hash: 0, code: MISSING };

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        let code = if text.is_empty() { MISSING } else { self.code(text, hash(text.as_bytes())) };
        self.codes.push(code);
    }

    /// False, and nothing pushed, where the bytes are not UTF-8; those of a level that is known are.
    pub(crate) fn push_bytes(&mut self, text: &[u8]) -> bool {
        if text.is_empty() {
            self.codes.push(MISSING);
            return true;
        }
        let hash = hash(text);
        let place = match self.find(text, hash) {
            Ok(code) => {
                self.codes.push(code);
                return true;
            }
            Err(place) => place,
        };
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let code = self.insert(text, hash, place);
        self.codes.push(code);
        true
    }

    pub(crate) fn push_missing(&mut self) {
        self.codes.push(MISSING);
    }

    /// What an earlier row has.
    pub(crate) fn push_as(&mut self, row: usize) {
        self.codes.push(self.codes[row]);
    }

    pub(crate) fn push_display(&mut self, value: impl std::fmt::Display) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let _ = write!(text, "{value}");
        self.push(&text);
        self.scratch = text;
    }

    /// Missing cells up to this many rows.
    pub(crate) fn pad(&mut self, rows: usize) {
        self.codes.resize(rows.max(self.codes.len()), MISSING);
    }

    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// The rows of another column below these.
    pub(crate) fn append(&mut self, other: &Self) {
        let codes: Vec<u32> = other
            .hashes
            .iter()
            .enumerate()
            .map(|(at, &hash)| self.code(other.levels.get(at).unwrap_or_default(), hash))
            .collect();
        let translated = |code: &u32| codes.get(*code as usize).copied().unwrap_or(MISSING);
        self.codes.extend(other.codes.iter().map(translated));
    }

    pub(crate) fn append_dictionary(&mut self, other: &Dictionary) {
        let codes: Vec<u32> =
            other.levels.iter().map(|text| self.code(text, hash(text.as_bytes()))).collect();
        let translated = |code: &u32| codes.get(*code as usize).copied().unwrap_or(MISSING);
        self.codes.extend(other.codes.iter().map(translated));
    }

    pub(crate) fn finish(self) -> Dictionary {
        Dictionary { codes: self.codes, levels: Levels(Arc::new(self.levels)) }
    }

    fn code(&mut self, text: &str, hash: u32) -> u32 {
        self.find(text.as_bytes(), hash).unwrap_or_else(|place| self.insert(text, hash, place))
    }

    /// The code of a known level, or the vacant slot where a new one belongs.
    #[inline]
    fn find(&mut self, text: &[u8], hash: u32) -> Result<u32, usize> {
        // A quarter stays vacant, so that a probe is short.
        if (self.hashes.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot.code == MISSING {
                return Err(place);
            }
            if slot.hash == hash && self.levels.bytes(slot.code as usize) == text {
                return Ok(slot.code);
            }
            place = (place + 1) & mask;
        }
    }

    fn insert(&mut self, text: &str, hash: u32, place: usize) -> u32 {
        let code = self.hashes.len() as u32;
        assert!(code < MISSING, "more distinct texts than a code can tell apart");
        self.slots[place] = Slot { hash, code };
        self.hashes.push(hash);
        self.levels.push(text);
        code
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots = vec![VACANT; size];
        for (code, &hash) in self.hashes.iter().enumerate() {
            let mut place = hash as usize & (size - 1);
            while self.slots[place].code != MISSING {
                place = (place + 1) & (size - 1);
            }
            self.slots[place] = Slot { hash, code: code as u32 };
        }
    }
}

/// Eight bytes at a time by folded multiplication, as wyhash has it. Codes go by first appearance, so
/// nothing that is stored depends on it.
fn hash(text: &[u8]) -> u32 {
    const FIRST: u64 = 0xa076_1d64_78bd_642f;
    const SECOND: u64 = 0xe703_7ed1_a0b4_28db;
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        wide as u64 ^ (wide >> 64) as u64
    };
    let mut state = FIRST ^ text.len() as u64;
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        state = fold(state ^ u64::from_le_bytes(*word), SECOND);
        rest = after;
    }
    let tail = rest.iter().fold(0, |tail, &byte| tail << 8 | u64::from(byte));
    let folded = fold(state ^ tail, SECOND ^ FIRST);
    (folded ^ folded >> 32) as u32
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts")
            .field("rows", &self.codes.len())
            .field("levels", &self.hashes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: impl IntoIterator<Item = impl AsRef<str>>) -> Texts {
        let mut texts = Texts::default();
        for cell in cells {
            texts.push(cell.as_ref());
        }
        texts
    }

    #[test]
    fn levels_are_in_the_order_of_first_appearance_whoever_read_them() {
        let cells: Vec<String> =
            (0..5000_u64).map(|row| format!("level {}", row * row % 977)).collect();
        let whole = column(&cells).finish();
        for cut in [0, 1, 700, 4999] {
            let mut parts = column(&cells[..cut]);
            parts.append(&column(&cells[cut..]));
            assert_eq!(parts.finish(), whole, "{cut}");
        }
        assert_eq!(whole.get(4321), Some(cells[4321].as_str()));
        let mut seen = std::collections::HashSet::new();
        assert!(whole.levels.iter().all(|level| seen.insert(level)));
    }

    #[test]
    fn an_empty_cell_is_missing_and_has_no_level() {
        let mut texts = column(["a", "", "b", "a"]);
        texts.push_missing();
        texts.pad(7);
        let dictionary = texts.finish();
        assert_eq!(dictionary.codes, [0, MISSING, 1, 0, MISSING, MISSING, MISSING]);
        assert_eq!(dictionary.levels.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn texts_of_one_hash_are_told_apart() {
        let mut texts = Texts::default();
        let codes: Vec<u32> = ["a", "b", "a", "c", "b"].map(|text| texts.code(text, 9)).to_vec();
        assert_eq!(codes, [0, 1, 0, 2, 1]);
    }
}
