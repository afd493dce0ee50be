//! Edges between the bins of a number: quantiles over distinct values, with zero apart.
//!
//! The method is LightGBM's (Ke et al., LightGBM, NeurIPS 2017, and its `GreedyFindBin`): a value that fills a bin by
//! itself gets one, the rest are shared out evenly. Plain quantiles collapse on columns that are mostly zero.

use super::MISSING_BIN;

/// Closer to zero than this is zero, which has a bin of its own: in counts and amounts it means "none".
const ZERO: f64 = 1e-35;

/// The bin of a value: one more than the edges below it.
pub(super) fn bin(edges: &[f64], value: f64) -> u8 {
    if value.is_nan() {
        return MISSING_BIN;
    }
    edges.partition_point(|&edge| edge < value) as u8 + 1
}

/// At most `most - 1` edges, ascending and finite; a bin goes up to its edge, inclusive.
pub(super) fn edges(mut values: Vec<f64>, most: usize, min_rows: usize) -> Vec<f64> {
    values.retain(|value| !value.is_nan());
    // An edge beside an infinity would be one, and no JSON could hold it.
    for value in &mut values {
        *value = value.clamp(f64::MIN, f64::MAX);
    }
    values.sort_unstable_by(f64::total_cmp);
    let distinct: Vec<(f64, usize)> =
        values.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len())).collect();

    let below = distinct.partition_point(|(value, _)| *value < -ZERO);
    let above = distinct.partition_point(|(value, _)| *value <= ZERO);
    let (negative, zero, positive) =
        (&distinct[..below], &distinct[below..above], &distinct[above..]);
    let rows = |part: &[(f64, usize)]| part.iter().map(|(_, count)| count).sum::<usize>();
    let nonzero = (rows(negative) + rows(positive)).max(1);

    let mut edges = Vec::new();
    let mut left = most - usize::from(!zero.is_empty());
    if !negative.is_empty() {
        let share = (rows(negative) as f64 / nonzero as f64 * left as f64) as usize;
        let share = share.clamp(1, left);
        edges = shared_out(negative, share, min_rows);
        left -= edges.len() + 1;
        if !zero.is_empty() || (!positive.is_empty() && left > 0) {
            edges.push(-ZERO);
        }
    }
    if !positive.is_empty() && left > 0 {
        if !zero.is_empty() {
            edges.push(ZERO);
        }
        edges.extend(shared_out(positive, left, min_rows));
    }
    edges
}

/// Edges between at most `most` bins over ascending distinct values and their counts.
fn shared_out(distinct: &[(f64, usize)], most: usize, min_rows: usize) -> Vec<f64> {
    let mut edges = Vec::new();
    let edge = |at: usize| between(distinct[at].0, distinct[at + 1].0);
    let last = distinct.len() - 1;
    if distinct.len() <= most {
        let mut rows = 0;
        for (at, (_, count)) in distinct[..last].iter().enumerate() {
            rows += count;
            if rows >= min_rows {
                edges.push(edge(at));
                rows = 0;
            }
        }
        return edges;
    }

    let total: usize = distinct.iter().map(|(_, count)| count).sum();
    let most = most.min(total / min_rows.max(1)).max(1);
    let fills = total as f64 / most as f64;
    let is_big = |at: usize| distinct[at].1 as f64 >= fills;
    let (mut bins_left, mut rows_left) = (most, total);
    for at in (0..=last).filter(|&at| is_big(at)) {
        bins_left -= 1;
        rows_left -= distinct[at].1;
    }
    let share = |rows: usize, bins: usize| rows as f64 / bins.max(1) as f64;
    let mut even = share(rows_left, bins_left);
    let mut rows = 0;
    for (at, (_, count)) in distinct[..last].iter().enumerate() {
        if edges.len() + 1 == most {
            break;
        }
        let big = is_big(at);
        if !big {
            rows_left -= count;
        }
        rows += count;
        let full = big || rows as f64 >= even;
        if full || (is_big(at + 1) && rows as f64 >= (even / 2.0).max(1.0)) {
            edges.push(edge(at));
            rows = 0;
            if !big {
                bins_left = bins_left.saturating_sub(1);
                even = share(rows_left, bins_left);
            }
        }
    }
    edges
}

/// The middle of two values, never the upper one.
fn between(lower: f64, upper: f64) -> f64 {
    let middle = lower / 2.0 + upper / 2.0;
    if middle < upper { middle.max(lower) } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each_with_edges_in_the_middle() {
        let values = [[1.0; 3], [2.0; 3], [4.0; 3]].concat();
        assert_eq!(edges(values.clone(), 255, 3), [1.5, 3.0]);
        assert_eq!(edges(values, 255, 4), [3.0], "bins of fewer than four rows are joined");
    }

    #[test]
    fn zero_is_apart_from_what_is_a_little_more_or_less() {
        let mut values = vec![0.0; 900];
        values.extend((1..=50).map(|at| f64::from(at) * 1e-3));
        values.extend((1..=50).map(|at| -f64::from(at)));
        let edges = edges(values, 8, 3);
        assert!(edges.len() < 8 && edges.is_sorted());
        let zero = bin(&edges, 0.0);
        assert_eq!(bin(&edges, -0.0), zero);
        assert!(bin(&edges, -1.0) < zero && bin(&edges, 1e-3) > zero);
        assert!(edges.len() >= 6, "zero takes one bin, not most: {edges:?}");
    }

    #[test]
    fn many_values_are_shared_out_evenly_and_a_frequent_one_has_its_bin() {
        let mut values: Vec<f64> = (0..1000).map(|at| 1.0 + f64::from(at)).collect();
        values.extend([500.0; 1000]);
        let edges = edges(values.clone(), 16, 3);
        assert!(edges.len() <= 15);
        let mut rows = [0; 17];
        for &value in &values {
            rows[bin(&edges, value) as usize] += 1;
        }
        let frequent = bin(&edges, 500.0) as usize;
        // It may have taken in what was left over just below it.
        assert!((1001..1040).contains(&rows[frequent]), "{rows:?}");
        rows[frequent] = 70;
        let even = rows[1..=edges.len() + 1].iter().all(|count| (30..=90).contains(count));
        assert!(even, "{rows:?}");
    }

    #[test]
    fn what_has_no_values_or_one_has_one_bin() {
        assert!(edges(vec![], 255, 3).is_empty());
        assert!(edges(vec![f64::NAN; 9], 255, 3).is_empty());
        assert!(edges(vec![-3.0; 9], 255, 3).is_empty());
        assert_eq!(bin(&[], f64::NAN), MISSING_BIN);
        assert_eq!(bin(&[], 7.0), 1);
    }

    #[test]
    fn infinities_have_finite_edges_beside_them() {
        let values = [[f64::NEG_INFINITY; 5], [0.0; 5], [1.0; 5], [f64::INFINITY; 5]].concat();
        let edges = edges(values, 255, 3);
        assert!(edges.len() == 3 && edges.iter().all(|edge| edge.is_finite()), "{edges:?}");
        assert_eq!(bin(&edges, f64::INFINITY), 4);
        assert_eq!(bin(&edges, f64::NEG_INFINITY), 1);
    }

    #[test]
    fn neighbouring_floats_stay_apart() {
        let (a, b) = (1.0_f64, 1.0_f64.next_up());
        let edges = edges([[a; 3], [b; 3]].concat(), 255, 3);
        assert_ne!(bin(&edges, a), bin(&edges, b));
    }
}
