//! A leaf's rows into those of its two children, in their order.

use rayon::prelude::*;

/// Leaves of more rows are worked on by several threads, so many rows at a time.
const CHUNK: usize = 1 << 14;

/// Bring the rows that go left to the front, and answer how many. Both sides keep their order.
pub(super) fn partition(
    rows: &mut [u32],
    scratch: &mut [u32],
    in_parallel: bool,
    goes_left: impl Fn(u32) -> bool + Sync,
) -> usize {
    let scratch = &mut scratch[..rows.len()];
    if !in_parallel || rows.len() <= CHUNK {
        let left = sift(rows, scratch, &goes_left);
        let right = rows.len() - left;
        rows[left..].copy_from_slice(&scratch[..right]);
        return left;
    }

    let lefts: Vec<usize> = rows
        .par_chunks_mut(CHUNK)
        .zip(scratch.par_chunks_mut(CHUNK))
        .map(|(rows, scratch)| sift(rows, scratch, &goes_left))
        .collect();
    let mut at = 0;
    for (chunk, &left) in lefts.iter().enumerate() {
        let start = chunk * CHUNK;
        rows.copy_within(start..start + left, at);
        at += left;
    }
    let all_left = at;
    for (scratch, &left) in scratch.chunks(CHUNK).zip(&lefts) {
        let right = scratch.len() - left;
        rows[at..at + right].copy_from_slice(&scratch[..right]);
        at += right;
    }
    all_left
}

/// The rows that go left to the front of `rows`, the others to the front of `right`.
///
/// Each row is written to both, and one of the two places moves on: there is no branch to mispredict.
fn sift(rows: &mut [u32], right: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let mut lefts = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        let left = goes_left(row);
        rows[lefts] = row;
        right[at - lefts] = row;
        lefts += usize::from(left);
    }
    lefts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_their_order_whoever_does_it() {
        for count in [0, 1, 7, CHUNK, 3 * CHUNK + 5] {
            let all: Vec<u32> =
                (0..count as u32).map(|at| at.wrapping_mul(2_654_435_761)).collect();
            let goes_left = |row: u32| row.is_multiple_of(3);
            let (left, right): (Vec<u32>, Vec<u32>) = all.iter().partition(|&&row| goes_left(row));
            for in_parallel in [false, true] {
                let (mut rows, mut scratch) = (all.clone(), all.clone());
                let at = partition(&mut rows, &mut scratch, in_parallel, goes_left);
                assert_eq!((&rows[..at], &rows[at..]), (&left[..], &right[..]));
            }
        }
    }
}
