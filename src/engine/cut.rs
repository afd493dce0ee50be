//! Where a batch is cut into shards: a function of the batch alone, so that what a run computes doesn't depend on
//! how many cores compute it.

use std::ops::Range;

/// The most rows that one core takes at once, but for a longer group. Part of what a run computes: sums are added
/// shard by shard.
pub(super) const SHARD_ROWS: usize = 128;
/// From so many rows on there are two shards at least.
const ROWS_FOR_TWO: usize = 64;
/// Shards have a multiple of so many rows, but for the last: as many as a product's kernel takes together.
const ROWS_TOGETHER: usize = 8;

/// The rows of each shard: as even as can be, and an even number of shards, since a short last one would keep a core
/// waiting; too few rows for two stay together.
///
/// Where rows are in groups that steps look at together, with an end each, there are about as many shards, and each ends
/// with the group that ends nearest to where it would end without.
pub(super) fn shards(rows: usize, ends: &[usize]) -> Vec<Range<usize>> {
    let size = shard_rows(rows);
    if ends.is_empty() {
        return (0..rows).step_by(size).map(|start| start..(start + size).min(rows)).collect();
    }
    assert_eq!(ends.last(), Some(&rows), "the last group ends with the batch");
    let count = rows.div_ceil(size);
    let mut shards = Vec::with_capacity(count);
    let mut start = 0;
    for number in 1..=count {
        let wanted = rows * number / count;
        let after = ends.partition_point(|end| *end < wanted).min(ends.len() - 1);
        let before = ends[after.saturating_sub(1)];
        let end = if wanted.abs_diff(before) < wanted.abs_diff(ends[after]) {
            before
        } else {
            ends[after]
        };
        if end > start {
            shards.push(start..end);
            start = end;
        }
    }
    shards
}

/// How many rows go into each shard where rows stand alone.
fn shard_rows(rows: usize) -> usize {
    let shards = rows.div_ceil(SHARD_ROWS);
    let shards = if rows >= ROWS_FOR_TWO { shards.next_multiple_of(2) } else { 1 };
    rows.div_ceil(shards).next_multiple_of(ROWS_TOGETHER).max(ROWS_TOGETHER)
}

/// Values of all rows, `width` each, in the pieces of the shards.
pub(super) fn split_mut<'a>(
    mut values: &'a mut [f32],
    shards: &[Range<usize>],
    width: usize,
) -> Vec<&'a mut [f32]> {
    let mut pieces = Vec::with_capacity(shards.len());
    for shard in shards {
        let (piece, rest) = values.split_at_mut(shard.len() * width);
        pieces.push(piece);
        values = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_even_and_no_larger_than_they_may_be() {
        for (rows, expected) in
            [(1, 8), (60, 64), (64, 32), (128, 64), (129, 72), (448, 112), (1024, 128)]
        {
            assert_eq!(shard_rows(rows), expected, "{rows}");
        }
        for rows in 1..5_000 {
            let size = shard_rows(rows);
            assert!(size <= SHARD_ROWS, "{rows}");
            let shards = shards(rows, &[]);
            assert!(shards.iter().all(|shard| !shard.is_empty()), "{rows}: {shards:?}");
            let idle = shards.len() * size - rows;
            assert!(idle < size && idle <= shards.len() * ROWS_TOGETHER, "{rows}: {shards:?}");
        }
    }

    #[test]
    fn groups_are_never_cut_and_every_row_is_in_one_shard() {
        for lengths in [
            vec![1],
            vec![500],
            vec![3, 500, 1, 1, 90],
            (1..60).collect(),
            (0..300).map(|at| 1 + at * at % 7).collect(),
        ] {
            let ends: Vec<usize> = lengths
                .iter()
                .scan(0, |sum, length| {
                    *sum += length;
                    Some(*sum)
                })
                .collect();
            let rows = ends.last().copied().unwrap_or(0);
            let shards = shards(rows, &ends);
            let mut next = 0;
            for shard in &shards {
                assert_eq!(shard.start, next);
                assert!(ends.contains(&shard.end), "{shard:?} of {ends:?}");
                next = shard.end;
            }
            assert_eq!(next, rows);
            let longest = lengths.iter().max().copied().unwrap_or(0);
            let most = shards.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
            assert!(most <= SHARD_ROWS + longest, "{most} of {lengths:?}");
        }
        // Ten groups of fifty: as even as whole groups allow.
        let ends: Vec<usize> = (1..=10).map(|group| group * 50).collect();
        let lengths: Vec<usize> = shards(500, &ends).iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lengths, [150, 100, 150, 100]);
    }
}
