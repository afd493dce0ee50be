//! Which categories have a bin of their own: the most frequent, if they have rows enough.

use super::{MISSING, MISSING_BIN};

/// The bin of a code: its place among the kept ones.
pub(super) fn bin(kept: &[u32], code: u32) -> u8 {
    kept.binary_search(&code).map_or(MISSING_BIN, |at| at as u8 + 1)
}

/// At most `most` codes, ascending: the most frequent ones of `min_rows` rows or more.
pub(super) fn kept(mut codes: Vec<u32>, most: usize, min_rows: usize) -> Vec<u32> {
    codes.retain(|&code| code != MISSING);
    codes.sort_unstable();
    let mut counts: Vec<(usize, u32)> = codes
        .chunk_by(|a, b| a == b)
        .map(|equal| (equal.len(), equal[0]))
        .filter(|(count, _)| *count >= min_rows)
        .collect();
    counts.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    counts.truncate(most);
    let mut kept: Vec<u32> = counts.into_iter().map(|(_, code)| code).collect();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_codes_are_kept_and_the_rest_is_with_the_missing() {
        let codes = [vec![7; 5], vec![2; 9], vec![5; 2], vec![9; 4], vec![MISSING; 20]].concat();
        let kept = kept(codes, 2, 3);
        assert_eq!(kept, [2, 7]);
        assert_eq!([2, 7, 9, 5, 1000, MISSING].map(|code| bin(&kept, code)), [1, 2, 0, 0, 0, 0]);
    }
}
