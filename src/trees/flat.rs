//! A model as it is stored: a few long arrays of numbers, all features and all trees one after the other.
//!
//! How splits hang together is not written as links that could lead in circles. A tree that is grown leaf by leaf
//! is told by which leaf each split divides: its left part keeps the leaf's number and its right part gets the next
//! free one. Whatever numbers stand there, so long as each leaf exists by then, they make a tree.

use super::bins::Bins;
use super::model::{Link, Model};
use super::tree::{BinSet, Node, Tree};

/// The arrays of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flat {
    /// One number: 0 identity, 1 sigmoid, 2 softmax.
    pub link: Vec<u8>,
    /// The score of each output before any tree.
    pub start: Vec<f64>,
    /// Of each feature whether it is one of categories.
    pub categorical: Vec<u8>,
    /// Of each feature how many edges, or codes, are its own.
    pub bin_counts: Vec<u32>,
    pub edges: Vec<f64>,
    pub codes: Vec<u32>,
    /// How many leaves each tree has: one more than splits.
    pub leaf_counts: Vec<u32>,
    /// Of each split the feature, and the leaf that it divides.
    pub features: Vec<u32>,
    pub divided: Vec<u32>,
    /// What goes left: 0 at most `last`; 1 that, and what is missing; 2 the next of `sets`.
    pub rules: Vec<u8>,
    pub last: Vec<u8>,
    /// Eight words of 32 bins each, the lowest bin first.
    pub sets: Vec<u32>,
    pub gains: Vec<f32>,
    /// What each leaf answers.
    pub answers: Vec<f64>,
}

const AT_MOST: u8 = 0;
const AT_MOST_OR_MISSING: u8 = 1;
const AMONG: u8 = 2;

impl Model {
    pub(crate) fn to_flat(&self) -> Flat {
        let link = match self.link {
            Link::Identity => 0,
            Link::Sigmoid => 1,
            Link::Softmax => 2,
        };
        let mut flat = Flat { link: vec![link], start: self.start.clone(), ..Flat::default() };
        for bins in &self.bins {
            flat.categorical.push(u8::from(bins.are_categories()));
            let count = match bins {
                Bins::Numbers(edges) => {
                    flat.edges.extend(edges);
                    edges.len()
                }
                Bins::Codes(codes) => {
                    flat.codes.extend(codes);
                    codes.len()
                }
            };
            flat.bin_counts.push(count as u32);
        }
        for tree in &self.trees {
            flat.push(tree);
        }
        flat
    }

    /// The model of these arrays; in words, what doesn't fit.
    pub(crate) fn from_flat(flat: &Flat) -> Result<Self, String> {
        let link = match flat.link[..] {
            [0] => Link::Identity,
            [1] => Link::Sigmoid,
            [2] => Link::Softmax,
            _ => return Err("it isn't said how scores become answers".to_owned()),
        };
        let bins = flat.bins()?;
        let trees = flat.trees(bins.len())?;
        Self::of(link, bins, flat.start.clone(), trees)
    }
}

impl Flat {
    fn push(&mut self, tree: &Tree) {
        self.leaf_counts.push(tree.leaves.len() as u32);
        self.answers.extend(&tree.leaves);
        for node in &tree.nodes {
            self.features.push(node.feature);
            self.gains.push(node.gain);
            // The leaf's number stays with its left part, whatever becomes of that.
            let mut leaf = node.children[0];
            while let Ok(further) = usize::try_from(leaf) {
                leaf = tree.nodes[further].children[0];
            }
            self.divided.push(!leaf as u32);
            let (rule, last) = match node.left.as_at_most() {
                Some((last, false)) => (AT_MOST, last),
                Some((last, true)) => (AT_MOST_OR_MISSING, last),
                None => {
                    self.sets.extend(node.left.words());
                    (AMONG, 0)
                }
            };
            self.rules.push(rule);
            self.last.push(last);
        }
    }

    fn bins(&self) -> Result<Vec<Bins>, String> {
        if self.categorical.len() != self.bin_counts.len() {
            return Err("not every feature has bins".to_owned());
        }
        let (mut edges, mut codes) = (&self.edges[..], &self.codes[..]);
        let mut bins = Vec::with_capacity(self.categorical.len());
        for (&categorical, &count) in self.categorical.iter().zip(&self.bin_counts) {
            let count = count as usize;
            let own = match categorical {
                0 => Bins::Numbers(cut(&mut edges, count).ok_or("edges are missing")?.to_vec()),
                1 => Bins::Codes(cut(&mut codes, count).ok_or("codes are missing")?.to_vec()),
                kind => return Err(format!("a feature is of kind {kind}")),
            };
            if !own.are_in_order() {
                return Err("a feature's bins are too many or out of order".to_owned());
            }
            bins.push(own);
        }
        if !edges.is_empty() || !codes.is_empty() {
            return Err("there are edges or codes of no feature".to_owned());
        }
        Ok(bins)
    }

    fn trees(&self, features: usize) -> Result<Vec<Tree>, String> {
        let splits = self.features.len();
        let lengths = [self.divided.len(), self.rules.len(), self.last.len(), self.gains.len()];
        let (trees, leaves) = (self.leaf_counts.len(), self.answers.len());
        if lengths != [splits; 4] || leaves != splits + trees {
            return Err("the arrays of splits are not equally long".to_owned());
        }
        let (mut from, mut answers, mut sets) = (0, &self.answers[..], &self.sets[..]);
        let mut trees = Vec::with_capacity(trees);
        for &leaves in &self.leaf_counts {
            let leaves = cut(&mut answers, leaves as usize).ok_or("answers are missing")?;
            let to = from + leaves.len().checked_sub(1).ok_or("a tree has no leaf")?;
            if to > splits {
                return Err("splits are missing".to_owned());
            }
            trees.push(self.tree(from..to, leaves, &mut sets, features)?);
            from = to;
        }
        if !answers.is_empty() || !sets.is_empty() {
            return Err("there are answers or sets of no tree".to_owned());
        }
        Ok(trees)
    }

    fn tree(
        &self,
        splits: std::ops::Range<usize>,
        leaves: &[f64],
        sets: &mut &[u32],
        features: usize,
    ) -> Result<Tree, String> {
        if let Some(answer) = leaves.iter().find(|answer| !answer.is_finite()) {
            return Err(format!("a leaf answers {answer}"));
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(splits.len());
        // Of each leaf so far the split above it, and on which side it is.
        let mut above: Vec<Option<(usize, usize)>> = vec![None];
        for (node, at) in splits.enumerate() {
            let feature = self.features[at];
            if feature as usize >= features {
                return Err(format!("a tree splits by feature {feature} of {features}"));
            }
            let left = match self.rules[at] {
                AT_MOST => BinSet::at_most(self.last[at], false),
                AT_MOST_OR_MISSING => BinSet::at_most(self.last[at], true),
                AMONG => BinSet::of_words(cut(sets, 8).ok_or("a tree lacks a set")?),
                rule => return Err(format!("a split has rule {rule}")),
            };
            let leaf = self.divided[at] as usize;
            let place = above.get_mut(leaf).ok_or_else(|| {
                format!("split {node} of a tree divides leaf {leaf}, which isn't there yet")
            })?;
            if let Some((parent, side)) = place.replace((node, 0)) {
                nodes[parent].children[side] = node as i32;
            }
            let children = [!(leaf as i32), !(above.len() as i32)];
            above.push(Some((node, 1)));
            nodes.push(Node { feature, left, children, gain: self.gains[at] });
        }
        Ok(Tree { nodes, leaves: leaves.to_vec() })
    }
}

/// The first `count` of what is left.
fn cut<'a, T>(rest: &mut &'a [T], count: usize) -> Option<&'a [T]> {
    let (first, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Damage = (&'static str, fn(&mut Flat));

    fn model() -> Model {
        let among = BinSet::of([1, 70, 255]);
        let node = |feature, left, children, gain| Node { feature, left, children, gain };
        let tree = Tree {
            nodes: vec![
                node(0, BinSet::at_most(4, true), [2, 1], 2.5),
                node(1, among, [!1, !2], 0.5),
                node(0, BinSet::at_most(2, false), [!0, 3], 0.25),
                node(1, BinSet::default(), [!3, !4], 0.125),
            ],
            leaves: vec![-1.0, 0.1, 3.0, 0.0, 1e-300],
        };
        let stump = Tree { nodes: vec![], leaves: vec![7.0] };
        let bins = vec![Bins::Numbers(vec![0.5, 1.5]), Bins::Codes(vec![3, 9])];
        Model { link: Link::Sigmoid, bins, start: vec![0.5], trees: vec![tree, stump] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let flat = model().to_flat();
        assert_eq!(flat.divided, [0, 1, 0, 3]);
        assert_eq!(Model::from_flat(&flat), Ok(model()));
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let damages: [Damage; 14] = [
            ("link", |flat| flat.link[0] = 3),
            ("link", |flat| flat.link.clear()),
            ("outputs", |flat| flat.start.push(0.0)),
            ("outputs", |flat| flat.start.clear()),
            ("kinds", |flat| flat.categorical[0] = 2),
            ("counts", |flat| flat.bin_counts[1] = u32::MAX),
            ("order", |flat| flat.edges.reverse()),
            ("edges", |flat| flat.edges[0] = f64::NAN),
            ("leaves", |flat| flat.leaf_counts = vec![0, 6]),
            ("features", |flat| flat.features[2] = 2),
            ("divided", |flat| flat.divided[3] = 4),
            ("rules", |flat| flat.rules[0] = 2),
            ("sets", |flat| flat.sets.truncate(15)),
            ("answers", |flat| flat.answers[0] = f64::INFINITY),
        ];
        for (what, damage) in damages {
            let mut flat = model().to_flat();
            damage(&mut flat);
            assert!(Model::from_flat(&flat).is_err(), "{what}");
        }
    }

    /// Whatever the numbers, it is an error or a model whose rows all arrive.
    #[test]
    fn noise_is_an_error_or_a_model_that_answers() {
        use rand::{Rng as _, SeedableRng as _};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut read = 0;
        for _ in 0..2_000 {
            let mut flat = model().to_flat();
            for _ in 0..2 {
                let at = random.random_range(0..4);
                match random.random_range(0..5) {
                    0 => flat.divided[at] = random.random_range(0..5),
                    1 => flat.features[at] = random.random_range(0..3),
                    2 => flat.rules[at] = random.random_range(0..4),
                    3 => flat.leaf_counts[at % 2] = random.random_range(0..7),
                    _ => flat.last[at] = random.random(),
                }
            }
            if let Ok(model) = Model::from_flat(&flat) {
                use super::super::Column;
                let columns = [Column::Numbers(&[0.0, f64::NAN]), Column::Codes(&[3, 4])];
                assert!(model.predict(&columns).is_ok_and(|answers| answers.len() == 2));
                read += 1;
            }
        }
        assert!((100..1_900).contains(&read), "{read}");
    }
}
