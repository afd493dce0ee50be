//! One tree, leaf by leaf: the leaf whose split gains most is split next (Shi, Best-first Decision Tree Learning,
//! 2007; Ke et al., LightGBM, NeurIPS 2017).

use std::ops::Range;

use rayon::prelude::*;

use super::histogram::{EMPTY, Histogram, Slope, Sum, add_up, subtract};
use super::partition::partition;
use super::settings::Settings;
use super::split::{self, Split, Whole};
use super::table::{Group, Table};
use super::tree::{Node, Tree};

/// Less work than this, in additions to a histogram, is not worth waking another thread for; tests wake it for less.
const WORTH_A_THREAD: usize = if cfg!(test) { 500 } else { 40_000 };

/// What growing a tree needs room for, kept from tree to tree.
#[derive(Default)]
pub(super) struct Workspace {
    /// The tree's rows, each leaf's side by side.
    pub rows: Vec<u32>,
    scratch: Vec<u32>,
    /// The slopes of the rows of the leaf that is added up.
    slopes: Vec<Slope>,
    groups: Vec<GroupWork>,
}

/// One group's histograms, a slot for each leaf that may yet be split.
#[derive(Default)]
struct GroupWork {
    slots: Vec<Slot>,
}

struct Slot {
    histograms: Vec<Histogram>,
    /// Whether a feature is to be looked at in this leaf.
    open: Vec<bool>,
}

/// What a tree is grown on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub settings: &'a Settings,
    pub table: &'a Table,
    /// Of every row of the table.
    pub slopes: &'a [Slope],
    /// By feature of the model: whether this tree may use it.
    pub allowed: &'a [bool],
    pub in_parallel: bool,
}

/// A tree, and of each of its leaves the range of [`Workspace::rows`] that fell into it.
pub(super) struct Grown {
    pub tree: Tree,
    pub leaves: Vec<Range<usize>>,
}

struct Leaf {
    whole: Whole,
    rows: Range<usize>,
    depth: usize,
    /// What it answers, the learning rate left out.
    answer: f64,
    /// Where its histograms are, unless it cannot be split.
    slot: Option<usize>,
    best: Option<Split>,
    /// The node above it, and on which side.
    above: Option<(usize, usize)>,
}

/// Grow a tree on the rows of the workspace.
pub(super) fn grow(ground: Ground<'_>, workspace: &mut Workspace) -> Grown {
    let settings = ground.settings;
    workspace.scratch.resize(workspace.rows.len(), 0);
    workspace.groups.resize_with(ground.table.groups.len(), GroupWork::default);

    let mut tree = Tree { nodes: Vec::new(), leaves: Vec::new() };
    let mut leaves = vec![root(ground, workspace)];
    let mut slots = 1;
    let mut spare = Vec::new();
    while leaves.len() < settings.leaves {
        let Some((chosen, split)) = take_best(&mut leaves) else { break };
        let parent = &mut leaves[chosen];
        let node = tree.nodes.len();
        if let Some((above, side)) = parent.above {
            tree.nodes[above].children[side] = node as i32;
        }
        let slot = parent.slot.take().expect("a leaf with a split has histograms");
        let (mut left, mut right) = children(ground, workspace, parent, &split, node);
        let room = leaves.len() + 1 < settings.leaves;
        if room && (may_split(settings, &left) || may_split(settings, &right)) {
            let new = spare.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            look(ground, workspace, [&mut left, &mut right], [slot, new]);
        } else {
            spare.push(slot);
        }
        for leaf in [&mut left, &mut right] {
            if leaf.best.is_none() {
                spare.extend(leaf.slot.take());
            }
        }
        // The left child takes its parent's number, the right one the next.
        tree.nodes.push(Node {
            feature: split.feature as u32,
            left: split.bins,
            children: [!(chosen as i32), !(leaves.len() as i32)],
            gain: split.gain as f32,
        });
        leaves[chosen] = left;
        leaves.push(right);
    }

    tree.leaves = leaves.iter().map(|leaf| leaf.answer * settings.learning_rate).collect();
    Grown { tree, leaves: leaves.into_iter().map(|leaf| leaf.rows).collect() }
}

/// The leaf that gains most from its split; of equals the first.
fn take_best(leaves: &mut [Leaf]) -> Option<(usize, Split)> {
    let mut most = None;
    for (at, leaf) in leaves.iter().enumerate() {
        let gain = leaf.best.as_ref().map_or(0.0, |split| split.gain);
        if gain > most.map_or(0.0, |(_, gain)| gain) {
            most = Some((at, gain));
        }
    }
    let (at, _) = most?;
    leaves[at].best.take().map(|split| (at, split))
}

fn may_split(settings: &Settings, leaf: &Leaf) -> bool {
    leaf.whole.rows >= 2 * settings.min_rows_per_leaf
        && settings.depth.is_none_or(|depth| leaf.depth < depth)
        && leaf.whole.sum[1] > 0.0
}

fn root(ground: Ground<'_>, workspace: &mut Workspace) -> Leaf {
    let Ground { settings, table, slopes, .. } = ground;
    let rows = workspace.rows.len();
    let gathered = if rows == table.rows {
        slopes
    } else {
        gather(&workspace.rows, slopes, &mut workspace.slopes, ground.in_parallel);
        &workspace.slopes
    };
    each_group(ground, &mut workspace.groups, rows, |group, work| {
        work.make_room(group, 0);
        let slot = &mut work.slots[0];
        for (open, feature) in slot.open.iter_mut().zip(&group.features) {
            *open = ground.allowed[feature.index];
        }
        add_up(group, &workspace.rows, gathered, &mut slot.histograms);
    });

    let sum = match table.groups.first() {
        // Any feature's sums add up to the root's.
        Some(group) => workspace.groups[0].slots[0].histograms[0][..group.features[0].bins]
            .iter()
            .fold([0.0; 2], |all, sum| [all[0] + sum[0], all[1] + sum[1]]),
        None => [0.0; 2],
    };
    let mut leaf = Leaf::new(sum, 0..rows, 0, split::answer(sum, settings.l1, settings.l2), None);
    if may_split(settings, &leaf) {
        let found = each_group(ground, &mut workspace.groups, 0, |group, work| {
            work.find(settings, group, 0, leaf.whole)
        });
        leaf.best = best_of(found);
        leaf.slot = Some(0);
    }
    leaf
}

/// The two leaves that a split makes of one; nothing is known of their own splits yet.
fn children(
    ground: Ground<'_>,
    workspace: &mut Workspace,
    parent: &Leaf,
    split: &Split,
    node: usize,
) -> (Leaf, Leaf) {
    let (cells, stride) = ground.table.column(split.feature);
    let rows = &mut workspace.rows[parent.rows.clone()];
    let bins = split.bins;
    let lefts = partition(rows, &mut workspace.scratch, ground.in_parallel, |row| {
        bins.contains(cells[row as usize * stride])
    });
    let middle = parent.rows.start + lefts;
    let leaf = |sum: Sum, rows: Range<usize>, side: usize| {
        let answer = split::answer(sum, ground.settings.l1, split.l2);
        Leaf::new(sum, rows, parent.depth + 1, answer, Some((node, side)))
    };
    (leaf(split.left, parent.rows.start..middle, 0), leaf(split.right, middle..parent.rows.end, 1))
}

/// Find the best splits of two new leaves. Their parent's histograms are in the first slot and become the larger's,
/// the second slot is the smaller's.
fn look(ground: Ground<'_>, workspace: &mut Workspace, leaves: [&mut Leaf; 2], slots: [usize; 2]) {
    let settings = ground.settings;
    let [left, right] = leaves;
    let (small, large) =
        if left.whole.rows < right.whole.rows { (left, right) } else { (right, left) };
    let rows = &workspace.rows[small.rows.clone()];
    gather(rows, ground.slopes, &mut workspace.slopes, ground.in_parallel);
    let slopes = &workspace.slopes;

    let [of_large, of_small] = slots;
    let find = [(of_small, &*small), (of_large, &*large)]
        .map(|(slot, leaf)| (slot, may_split(settings, leaf), leaf.whole));
    let found = each_group(ground, &mut workspace.groups, rows.len(), |group, work| {
        work.make_room(group, of_small);
        if !work.inherit(of_large, of_small) {
            return [None, None];
        }
        let [large, small] = work.slots.get_disjoint_mut(slots).expect("two leaves have two slots");
        add_up(group, rows, slopes, &mut small.histograms);
        subtract(group, &mut large.histograms, &small.histograms);
        find.map(|(slot, may, whole)| {
            may.then(|| work.find(settings, group, slot, whole)).flatten()
        })
    });
    let (of_smalls, of_larges) = found.into_iter().map(|[a, b]| (a, b)).unzip();
    small.best = best_of(of_smalls);
    large.best = best_of(of_larges);
    small.slot = Some(of_small);
    large.slot = Some(of_large);
}

/// Do something for each group, on several threads if `rows` additions a feature make it worth while; the answers are
/// in the groups' order.
fn each_group<T: Send>(
    ground: Ground<'_>,
    work: &mut [GroupWork],
    rows: usize,
    act: impl Fn(&Group, &mut GroupWork) -> T + Sync,
) -> Vec<T> {
    let groups = &ground.table.groups;
    // Looking at a bin twice, for two leaves, costs as much as some ten additions.
    let cells: usize = groups
        .iter()
        .flat_map(|group| &group.features)
        .map(|feature| rows + 10 * feature.bins)
        .sum();
    if ground.in_parallel && cells > WORTH_A_THREAD {
        groups.par_iter().zip(work).with_max_len(1).map(|(group, work)| act(group, work)).collect()
    } else {
        groups.iter().zip(work).map(|(group, work)| act(group, work)).collect()
    }
}

/// The split that gains most; of equals that of the first feature.
fn best_of(splits: Vec<Option<Split>>) -> Option<Split> {
    splits
        .into_iter()
        .flatten()
        .reduce(|best, next| if next.gain > best.gain { next } else { best })
}

/// The slopes of the rows, in their order.
fn gather(rows: &[u32], slopes: &[Slope], into: &mut Vec<Slope>, in_parallel: bool) {
    into.clear();
    if in_parallel && rows.len() > WORTH_A_THREAD {
        into.par_extend(rows.par_iter().with_min_len(1 << 13).map(|&row| slopes[row as usize]));
    } else {
        into.extend(rows.iter().map(|&row| slopes[row as usize]));
    }
}

impl Leaf {
    fn new(
        sum: Sum,
        rows: Range<usize>,
        depth: usize,
        answer: f64,
        above: Option<(usize, usize)>,
    ) -> Self {
        let whole = Whole { sum, rows: rows.len() };
        Self { whole, rows, depth, answer, slot: None, best: None, above }
    }
}

impl GroupWork {
    fn make_room(&mut self, group: &Group, slot: usize) {
        let width = group.features.len();
        while self.slots.len() <= slot {
            self.slots.push(Slot { histograms: vec![EMPTY; width], open: vec![true; width] });
        }
    }

    /// A child looks at the features that its parent could have been split by; whether there are any.
    fn inherit(&mut self, parent: usize, child: usize) -> bool {
        let open = self.slots[parent].open.clone();
        let any = open.contains(&true);
        self.slots[child].open = open;
        any
    }

    /// The best split by a feature of the group.
    fn find(
        &mut self,
        settings: &Settings,
        group: &Group,
        slot: usize,
        whole: Whole,
    ) -> Option<Split> {
        let Slot { histograms, open } = &mut self.slots[slot];
        let found = group
            .features
            .iter()
            .zip(histograms)
            .zip(open)
            .filter(|(_, open)| **open)
            .map(|((feature, histogram), open)| {
                let found = split::find(settings, feature, &histogram[..feature.bins], whole);
                *open = found.allowed;
                found.best
            })
            .collect();
        best_of(found)
    }
}
