//! Which rows train, which validate, which test. Pure: row numbers in, row numbers out.

use std::collections::HashMap;

use rand::seq::SliceRandom;

use crate::sys::random::{Purpose, stream};

/// Row numbers of the three parts, ascending; no row is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub train: Vec<usize>,
    pub valid: Vec<usize>,
    pub test: Vec<usize>,
}

/// The shares of rows that are held out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    pub test: f64,
    pub valid: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Valid,
    Test,
}

impl Parts {
    fn of(parts: &[Part]) -> Self {
        let rows =
            |wanted: Part| (0..parts.len()).filter(|&row| parts[row] == wanted).collect::<Vec<_>>();
        Self { train: rows(Part::Train), valid: rows(Part::Valid), test: rows(Part::Test) }
    }
}

/// Rows at random; each class (`strata` is one number a row) keeps its share in every part.
pub(crate) fn random(strata: &[u32], shares: Shares, seed: u64) -> Parts {
    let mut generator = stream(seed, Purpose::Split, 0);
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (row, &stratum) in strata.iter().enumerate() {
        let stratum = stratum as usize;
        if members.len() <= stratum {
            members.resize(stratum + 1, Vec::new());
        }
        members[stratum].push(row);
    }
    let mut parts = vec![Part::Train; strata.len()];
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let test = allot(&sizes, shares.test);
    let left: Vec<usize> = sizes.iter().zip(&test).map(|(size, test)| size - test).collect();
    // The share is of all rows that the split divides, of which the test part took some.
    let valid = allot(&left, (shares.valid / (1.0 - shares.test)).min(1.0));
    for (rows, (test, valid)) in members.iter_mut().zip(test.into_iter().zip(valid)) {
        rows.shuffle(&mut generator);
        for &row in &rows[..test] {
            parts[row] = Part::Test;
        }
        for &row in &rows[test..test + valid] {
            parts[row] = Part::Valid;
        }
    }
    Parts::of(&parts)
}

/// How many of each class to hold out: the shares add up to the share of the whole, and no class
/// is held out to its last row.
fn allot(sizes: &[usize], share: f64) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let wanted = held_out(total, share);
    let ideal = |class: usize| sizes[class] as f64 * share;
    let mut counts: Vec<usize> = (0..sizes.len())
        .map(|class| (ideal(class).floor() as usize).min(sizes[class].saturating_sub(1)))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| ideal(b).fract().total_cmp(&ideal(a).fract()).then(a.cmp(&b)));
    let mut missing = wanted.saturating_sub(counts.iter().sum());
    for class in order {
        if missing > 0 && counts[class] + 1 < sizes[class] {
            counts[class] += 1;
            missing -= 1;
        }
    }
    counts
}

/// A share of so many, rounded; where a share is asked for it isn't nothing, and never all.
fn held_out(total: usize, share: f64) -> usize {
    if share <= 0.0 || total < 2 {
        return 0;
    }
    ((total as f64 * share).round() as usize).clamp(1, total - 1)
}

/// Whole groups at random, until the held-out rows are as many as the shares say.
pub(crate) fn by_group(groups: &[u32], shares: Shares, seed: u64) -> Parts {
    let count = groups.iter().max().map_or(0, |&last| last as usize + 1);
    let mut sizes = vec![0; count];
    for &group in groups {
        sizes[group as usize] += 1;
    }
    let mut order: Vec<usize> = (0..count).filter(|&group| sizes[group] > 0).collect();
    order.shuffle(&mut stream(seed, Purpose::Split, 0));
    let mut part_of = vec![Part::Train; count];
    let mut order = order.into_iter().peekable();
    for (part, share) in [(Part::Test, shares.test), (Part::Valid, shares.valid)] {
        let wanted = held_out(groups.len(), share);
        let mut taken = 0;
        while taken < wanted {
            let Some(group) = order.next() else { break };
            if order.peek().is_none() {
                // The last group stays to be learned from.
                break;
            }
            part_of[group] = part;
            taken += sizes[group];
        }
    }
    let parts: Vec<Part> = groups.iter().map(|&group| part_of[group as usize]).collect();
    Parts::of(&parts)
}

/// The latest rows are held out, and rows of one time stay together. `times` are dense ranks.
pub(crate) fn by_time(times: &[u32], shares: Shares) -> Parts {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&row| times[row]);
    let boundary = |wanted: usize, end: usize| {
        let mut start = end.saturating_sub(wanted);
        while wanted > 0
            && start > 0
            && start < end
            && times[order[start]] == times[order[start - 1]]
        {
            start -= 1;
        }
        start
    };
    let test = boundary(held_out(times.len(), shares.test), times.len());
    let valid = boundary(held_out(times.len(), shares.valid), test);
    let mut parts = vec![Part::Train; times.len()];
    for (at, &row) in order.iter().enumerate() {
        if at >= test {
            parts[row] = Part::Test;
        } else if at >= valid {
            parts[row] = Part::Valid;
        }
    }
    Parts::of(&parts)
}

/// What the end of each series gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub parts: Parts,
    /// Series too short to test on, and to validate on.
    pub untested: usize,
    pub unvalidated: usize,
}

/// The last `horizon` times of each series are the test part, unless a test file has them, and
/// those before are the validation part. `times` are dense ranks over all series.
pub(crate) fn by_horizon(series: &[u32], times: &[u32], horizon: usize, with_test: bool) -> Ends {
    let count = series.iter().max().map_or(0, |&last| last as usize + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (row, &of) in series.iter().enumerate() {
        rows[of as usize].push(row);
    }
    // A series that keeps a horizon to learn from gives one to validate on. Where no series is that
    // long, one that keeps a single row has to do.
    let mut ends = ends(&rows, times, horizon, with_test, horizon);
    if ends.parts.valid.is_empty() {
        ends = self::ends(&rows, times, horizon, with_test, 1);
    }
    ends
}

fn ends(
    series: &[Vec<usize>],
    times: &[u32],
    horizon: usize,
    with_test: bool,
    keep: usize,
) -> Ends {
    let mut parts = vec![Part::Train; times.len()];
    let mut ends = Ends::default();
    for rows in series.iter().filter(|rows| !rows.is_empty()) {
        let last = rows.iter().map(|&row| times[row]).max().unwrap_or(0);
        let age = |row: usize| (last - times[row]) as usize;
        let kept = |held_out: usize| rows.iter().filter(|&&row| age(row) >= held_out).count();
        let mut held_out = 0;
        if with_test {
            if kept(horizon) == 0 {
                ends.untested += 1;
                ends.unvalidated += 1;
                continue;
            }
            held_out = horizon;
            for &row in rows.iter().filter(|&&row| age(row) < held_out) {
                parts[row] = Part::Test;
            }
        }
        if kept(held_out + horizon) < keep {
            ends.unvalidated += 1;
            continue;
        }
        for &row in rows.iter().filter(|&&row| (held_out..held_out + horizon).contains(&age(row))) {
            parts[row] = Part::Valid;
        }
    }
    ends.parts = Parts::of(&parts);
    ends
}

/// Numbers from 0 for equal keys, in order of first appearance.
pub(crate) fn number_off<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<u32> {
    let mut numbers = HashMap::new();
    keys.map(|key| {
        let next = numbers.len() as u32;
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares = Shares { test: 0.2, valid: 0.1 };

    fn assert_whole(parts: &Parts, rows: usize) {
        let mut all: Vec<usize> =
            [&parts.train, &parts.valid, &parts.test].into_iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..rows).collect::<Vec<_>>(), "every row once");
    }

    #[test]
    fn a_random_split_keeps_the_share_of_each_class() {
        let strata: Vec<u32> = (0..1000).map(|row| u32::from(row % 10 == 0)).collect();
        let parts = random(&strata, SHARES, 7);
        assert_whole(&parts, 1000);
        assert_eq!((parts.test.len(), parts.valid.len()), (200, 100));
        let rare = |rows: &[usize]| rows.iter().filter(|&&row| strata[row] == 1).count();
        assert_eq!((rare(&parts.test), rare(&parts.valid)), (20, 10));
        assert_eq!(parts, random(&strata, SHARES, 7));
        assert_ne!(parts, random(&strata, SHARES, 8));
    }

    #[test]
    fn a_class_of_one_row_is_learned_from() {
        let mut strata = vec![0; 50];
        strata[13] = 1;
        for seed in 0..20 {
            let parts = random(&strata, Shares { test: 0.4, valid: 0.4 }, seed);
            assert_whole(&parts, 50);
            assert!(parts.train.contains(&13));
        }
    }

    #[test]
    fn groups_stay_whole() {
        let groups: Vec<u32> = (0..300).map(|row| row / 7).collect();
        let parts = by_group(&groups, SHARES, 3);
        assert_whole(&parts, 300);
        let of = |rows: &[usize]| {
            rows.iter().map(|&row| groups[row]).collect::<std::collections::BTreeSet<_>>()
        };
        assert!(of(&parts.train).is_disjoint(&of(&parts.test)));
        assert!(of(&parts.train).is_disjoint(&of(&parts.valid)));
        assert!(of(&parts.valid).is_disjoint(&of(&parts.test)));
        assert!(parts.test.len() >= 60 && parts.test.len() < 67);
    }

    #[test]
    fn time_holds_out_the_latest_and_splits_no_moment() {
        let times: Vec<u32> = (0..100).map(|row| (99 - row) / 3).collect();
        let parts = by_time(&times, SHARES);
        assert_whole(&parts, 100);
        let range = |rows: &[usize]| {
            let of = rows.iter().map(|&row| times[row]);
            (of.clone().min().expect("rows"), of.max().expect("rows"))
        };
        assert!(range(&parts.train).1 < range(&parts.valid).0);
        assert!(range(&parts.valid).1 < range(&parts.test).0);
    }

    #[test]
    fn each_series_gives_its_last_horizon_and_a_short_one_none() {
        // Ten times of one series, five of another that ends earlier, and two of a third.
        let series: Vec<u32> = [vec![0; 10], vec![1; 5], vec![2; 2]].concat();
        let times: Vec<u32> = (0..10).chain(0..5).chain(0..2).collect();
        let split = by_horizon(&series, &times, 2, true);
        assert_whole(&split.parts, 17);
        assert_eq!(split.parts.test, [8, 9, 13, 14]);
        assert_eq!(split.parts.valid, [6, 7]);
        assert_eq!((split.untested, split.unvalidated), (1, 2));
        let split = by_horizon(&series, &times, 2, false);
        assert_eq!(split.parts.test, [0; 0]);
        assert_eq!(split.parts.valid, [8, 9, 13, 14]);
    }

    #[test]
    fn small_tables_still_hold_something_out() {
        let parts = random(&[0; 5], SHARES, 1);
        assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (3, 1, 1));
    }
}
