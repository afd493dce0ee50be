//! A grown tree: flat arrays of splits and answers.

use super::bins::MISSING_BIN;

/// What a split asks of a feature: whether its bin is among these, one bit each.
///
/// Numbers are asked the same way, "at most" being a set of bins: a row's way down has nothing to branch on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

    /// As words of 32 bins each.
    pub(super) fn words(self) -> impl Iterator<Item = u32> {
        self.0.into_iter().flat_map(|word| [word as u32, (word >> 32) as u32])
    }

    /// From [`BinSet::words`].
    pub(super) fn of_words(words: &[u32]) -> Self {
        let mut set = Self::default();
        for (whole, halves) in set.0.iter_mut().zip(words.chunks_exact(2)) {
            *whole = u64::from(halves[0]) | u64::from(halves[1]) << 32;
        }
        set
    }

    /// The bin and whether what is missing is in, if this is the set of [`BinSet::at_most`] them.
    pub(super) fn as_at_most(&self) -> Option<(u8, bool)> {
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
    pub gain: f32,
}

/// A tree; its root is node 0, or, if it has none, leaf 0. A split comes before those below it; the leaves left of
/// it keep the number that its own leaf had, the others got the next free one ([`super::flat`] relies on it).
#[derive(Clone, Debug, PartialEq)]
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
        let set = BinSet::of([1, 3, 64, 127, 255]);
        assert_eq!(BinSet::of_words(&set.words().collect::<Vec<_>>()), set);
        assert_eq!(BinSet::of([1, 3]).as_at_most(), None);
        assert_eq!(BinSet::default().as_at_most(), None);
    }
}
