//! A grown tree: flat arrays of splits and answers.

use serde::{Deserialize, Serialize};

use super::bins::MISSING_BIN;

/// What a split asks of a feature: whether its bin is among these, one bit each.
///
/// Numbers are asked the same way, "at most" being a set of bins: a row's way down has nothing to branch on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BinSet([u64; 4]);

impl BinSet {
    pub(super) fn of(bins: impl IntoIterator<Item = u8>) -> Self {
        let mut set = Self::default();
        for bin in bins {
            set.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
        }
        set
    }

    /// Values up to the bin, and what is missing if so asked.
    pub(super) fn at_most(bin: u8, missing: bool) -> Self {
        Self::of(u8::from(!missing)..=bin)
    }

    #[inline]
    pub(super) fn contains(&self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }

    /// The bin and whether what is missing is in, if this is the set of [`BinSet::at_most`] them.
    fn as_at_most(&self) -> Option<(u8, bool)> {
        let last = (0..=u8::MAX).rfind(|&bin| self.contains(bin))?;
        let missing = self.contains(MISSING_BIN);
        (*self == Self::at_most(last, missing)).then_some((last, missing))
    }
}

/// One split. Children below zero are leaves: `!child` is the leaf's number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub feature: u32,
    /// The bins that go to the first child.
    pub left: BinSet,
    pub children: [i32; 2],
    /// By how much the loss fell, twice over.
    pub gain: f64,
}

/// A tree; its root is node 0, or, if it has none, leaf 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub(crate) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// What each leaf answers.
    pub(super) leaves: Vec<f64>,
}

impl Tree {
    /// The leaf of a row whose bins are told by feature.
    #[inline]
    pub(super) fn leaf(&self, bin: impl Fn(usize) -> u8) -> usize {
        self.leaves_of([()], |(), feature| bin(feature))[0]
    }

    /// The leaves of several rows, which go down side by side: while one waits for memory, another is on its way.
    #[inline]
    pub(super) fn leaves_of<const N: usize, R: Copy>(
        &self,
        rows: [R; N],
        bin: impl Fn(R, usize) -> u8,
    ) -> [usize; N] {
        let mut at = [if self.nodes.is_empty() { !0 } else { 0 }; N];
        while at.iter().any(|at| *at >= 0) {
            for (at, &row) in at.iter_mut().zip(&rows) {
                // One that has arrived asks the root again, and stays.
                let node = &self.nodes[(*at).max(0) as usize];
                let is_left = node.left.contains(bin(row, node.feature as usize));
                let next = node.children[usize::from(!is_left)];
                *at = if *at < 0 { *at } else { next };
            }
        }
        at.map(|at| !at as usize)
    }
}

/// A tree as it is written: one array a field.
#[derive(Serialize, Deserialize)]
struct Flat {
    feature: Vec<u32>,
    /// The last bin that goes left, of splits by "at most".
    at_most: Vec<Option<u8>>,
    /// Whether what is missing goes left with them.
    missing: Vec<bool>,
    /// The other splits' sets, in the order of the splits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<BinSet>,
    left: Vec<i32>,
    right: Vec<i32>,
    gain: Vec<f64>,
    leaves: Vec<f64>,
}

impl From<Tree> for Flat {
    fn from(tree: Tree) -> Self {
        let nodes = &tree.nodes;
        Self {
            feature: nodes.iter().map(|node| node.feature).collect(),
            at_most: nodes.iter().map(|node| node.left.as_at_most().map(|(bin, _)| bin)).collect(),
            missing: nodes.iter().map(|node| node.left.contains(MISSING_BIN)).collect(),
            sets: nodes
                .iter()
                .map(|node| node.left)
                .filter(|set| set.as_at_most().is_none())
                .collect(),
            left: nodes.iter().map(|node| node.children[0]).collect(),
            right: nodes.iter().map(|node| node.children[1]).collect(),
            gain: nodes.iter().map(|node| node.gain).collect(),
            leaves: tree.leaves,
        }
    }
}

impl TryFrom<Flat> for Tree {
    type Error = String;

    /// Refuses what would lead a row in circles or nowhere.
    fn try_from(flat: Flat) -> Result<Self, String> {
        let count = flat.feature.len();
        let others = [flat.at_most.len(), flat.missing.len(), flat.left.len(), flat.right.len()];
        let fits = others.iter().all(|&length| length == count)
            && flat.gain.len() == count
            && flat.leaves.len() == count + 1;
        if !fits {
            return Err("a tree's arrays are not equally long".to_owned());
        }
        let mut sets = flat.sets.into_iter();
        let mut nodes = Vec::with_capacity(count);
        for at in 0..count {
            let children = [flat.left[at], flat.right[at]];
            let leads_on = |child: i32| match usize::try_from(child) {
                Ok(node) => node > at && node < count,
                Err(_) => (!child as usize) < flat.leaves.len(),
            };
            if !children.into_iter().all(leads_on) {
                return Err(format!("split {at} of a tree leads to {children:?}"));
            }
            let left = match flat.at_most[at] {
                Some(bin) => BinSet::at_most(bin, flat.missing[at]),
                None => sets.next().ok_or("a tree lacks a set")?,
            };
            nodes.push(Node { feature: flat.feature[at], left, children, gain: flat.gain[at] });
        }
        if sets.next().is_some() || flat.leaves.iter().any(|leaf| !leaf.is_finite()) {
            return Err("a tree has a set too many or an answer that is no number".to_owned());
        }
        Ok(Self { nodes, leaves: flat.leaves })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let among = BinSet::of([1, 70, 255]);
        Tree {
            nodes: vec![
                Node { feature: 0, left: BinSet::at_most(4, true), children: [1, !2], gain: 2.5 },
                Node { feature: 1, left: among, children: [!0, !1], gain: 0.1 },
            ],
            leaves: vec![-1.0, 0.1, 3.0],
        }
    }

    #[test]
    fn rows_find_their_leaves_alone_and_side_by_side() {
        let rows = [[4, 70], [0, 255], [4, 71], [5, 70]];
        let leaf = |bins: [u8; 2]| tree().leaf(|feature| bins[feature]);
        assert_eq!(rows.map(leaf), [0, 0, 1, 2]);
        assert_eq!(tree().leaves_of(rows, |bins, feature| bins[feature]), [0, 0, 1, 2]);
        let stump = Tree { nodes: vec![], leaves: vec![7.0] };
        assert_eq!(stump.leaf(|_| 0), 0);
    }

    #[test]
    fn sets_hold_at_both_ends_of_a_byte() {
        let of = |set: BinSet| [0, 1, 254, 255].map(|bin| set.contains(bin));
        assert_eq!(of(BinSet::at_most(1, true)), [true, true, false, false]);
        assert_eq!(of(BinSet::at_most(1, false)), [false, true, false, false]);
        assert_eq!(of(BinSet::at_most(255, false)), [false, true, true, true]);
        for (bin, missing) in [(1, true), (63, false), (64, true), (255, false)] {
            assert_eq!(BinSet::at_most(bin, missing).as_at_most(), Some((bin, missing)));
        }
        assert_eq!(BinSet::of([1, 3]).as_at_most(), None);
        assert_eq!(BinSet::default().as_at_most(), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = serde_json::to_string(&tree()).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), tree());
    }

    #[test]
    fn circles_and_ends_that_lead_nowhere_are_refused() {
        let text = serde_json::to_string(&tree()).unwrap();
        for (was, is) in [
            (r#""left":[1,-1]"#, r#""left":[0,-1]"#),
            (r#""left":[1,-1]"#, r#""left":[9,-1]"#),
            (r#""left":[1,-1]"#, r#""left":[1,-9]"#),
            (r#""at_most":[4,null]"#, r#""at_most":[4,3]"#),
            (r#""at_most":[4,null]"#, r#""at_most":[null,null]"#),
            (r#""gain":[2.5,0.1]"#, r#""gain":[2.5]"#),
        ] {
            assert!(text.contains(was), "{text}");
            assert!(serde_json::from_str::<Tree>(&text.replace(was, is)).is_err(), "{is}");
        }
    }
}
