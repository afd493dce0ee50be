//! The best set of categories against the rest.
//!
//! Sorted by their mean slope, the best set of two sides is a prefix (Fisher, On Grouping for Maximum Homogeneity,
//! 1958), so that as many sets as there are categories are to be tried, not 2ᵏ. Small categories have noisy means:
//! as LightGBM does, they are smoothed for the order, looked at only if they have rows enough, and their sets answer
//! under more regularisation. What is missing is a category like any other.

use super::{BinSet, Feature, Found, Settings, Split, Sum, Whole, gain, minus, plus};

pub(super) fn find(
    settings: &Settings,
    feature: &Feature,
    histogram: &[Sum],
    whole: Whole,
) -> Found {
    let histogram = &histogram[..feature.bins];
    let found = if feature.bins <= settings.categories.one_against_rest_up_to {
        one_against_rest(settings, histogram, whole)
    } else {
        sorted(settings, histogram, whole)
    };
    let Some((gain, set, left, l2)) = found.best else {
        return Found { best: None, allowed: found.allowed };
    };
    let right = minus(whole.sum, left);
    let best = Split { gain, feature: feature.index, bins: set, left, right, l2 };
    Found { best: Some(best), allowed: found.allowed }
}

#[derive(Default)]
struct BestSet {
    /// Gain, set, its sum and the regularisation.
    best: Option<(f64, BinSet, Sum, f64)>,
    allowed: bool,
}

fn one_against_rest(settings: &Settings, histogram: &[Sum], whole: Whole) -> BestSet {
    let (l1, l2) = (settings.l1, settings.l2);
    let floor = whole.floor(settings);
    let start = gain(whole.sum, l1, l2) + settings.min_gain;
    let mut found = BestSet::default();
    let mut most = start;
    for (bin, &left) in histogram.iter().enumerate() {
        let right = minus(whole.sum, left);
        if left[1] < floor || right[1] < floor {
            continue;
        }
        found.allowed = true;
        let gain = gain(left, l1, l2) + gain(right, l1, l2);
        if gain > most && gain.is_finite() {
            most = gain;
            found.best = Some((gain - start, BinSet::of([bin as u8]), left, l2));
        }
    }
    found
}

fn sorted(settings: &Settings, histogram: &[Sum], whole: Whole) -> BestSet {
    let categories = &settings.categories;
    let (l1, l2) = (settings.l1, settings.l2 + categories.l2);
    let start = gain(whole.sum, l1, settings.l2) + settings.min_gain;
    let floor = whole.floor(settings);
    let rows = whole.rows_per_curvature();

    let mut order: Vec<(f64, u8)> = histogram
        .iter()
        .enumerate()
        .filter(|(_, sum)| sum[1] * rows + 0.5 >= categories.smoothing.max(1.0))
        .map(|(bin, sum)| (sum[0] / (sum[1] + categories.smoothing), bin as u8))
        .collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let most_per_split = categories.most_per_split.min(order.len().div_ceil(2));

    let mut found = BestSet::default();
    let mut best = (start, 0, false, [0.0; 2]);
    let mut scan = |order: &mut dyn Iterator<Item = u8>, from_above: bool| {
        let (mut left, mut group) = ([0.0; 2], 0.0);
        for (taken, bin) in order.take(most_per_split).enumerate() {
            let sum = histogram[bin as usize];
            left = plus(left, sum);
            group += sum[1];
            if left[1] < floor {
                continue;
            }
            let right = minus(whole.sum, left);
            let few = categories.min_rows_per_group as f64 - 0.5;
            if right[1] < floor || right[1] * rows < few {
                break;
            }
            if group * rows < few {
                continue;
            }
            group = 0.0;
            found.allowed = true;
            let gain = gain(left, l1, l2) + gain(right, l1, l2);
            if gain > best.0 {
                best = (gain, taken + 1, from_above, left);
            }
        }
    };
    scan(&mut order.iter().map(|(_, bin)| *bin), false);
    scan(&mut order.iter().rev().map(|(_, bin)| *bin), true);

    let (gain, taken, from_above, left) = best;
    if taken > 0 && gain.is_finite() {
        let set = if from_above { &order[order.len() - taken..] } else { &order[..taken] };
        let set = BinSet::of(set.iter().map(|(_, bin)| *bin));
        found.best = Some((gain - start, set, left, l2));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{feature, whole};
    use super::*;

    #[test]
    fn alike_categories_are_found_wherever_their_codes_are() {
        let slopes = [0.0, -90.0, 80.0, -85.0, 95.0, 88.0, -91.0, 79.0];
        let mut histogram = slopes.map(|slope| [slope, 150.0]);
        histogram[0] = [0.0, 0.0];
        let found =
            find(&Settings::default(), &feature(8, true, false), &histogram, whole(&histogram));
        let split = found.best.unwrap();
        let left = [1, 2, 3, 4, 5, 6, 7].map(|bin| split.bins.contains(bin));
        assert_eq!(left, [true, false, true, false, false, true, false]);
        assert!(!split.bins.contains(0), "what was never seen is with the rest");
        assert_eq!(split.l2, 10.0);
        assert_eq!(split.left, [-266.0, 450.0]);
    }

    #[test]
    fn few_categories_are_split_one_against_the_rest() {
        let histogram = [[0.0, 0.0], [-5.0, 50.0], [30.0, 50.0], [-6.0, 50.0]];
        let found =
            find(&Settings::default(), &feature(4, true, false), &histogram, whole(&histogram));
        let split = found.best.unwrap();
        assert_eq!([1, 2, 3].map(|bin| split.bins.contains(bin)), [false, true, false]);
        assert_eq!(split.l2, 0.0);
    }

    #[test]
    fn what_is_missing_is_a_category() {
        let histogram =
            [[60.0, 150.0], [55.0, 150.0], [-50.0, 150.0], [-58.0, 150.0], [-49.0, 150.0]];
        let found =
            find(&Settings::default(), &feature(5, true, true), &histogram, whole(&histogram));
        let bins = found.best.unwrap().bins;
        assert_eq!(bins.contains(0), bins.contains(1));
        assert_ne!(bins.contains(0), bins.contains(2));
    }

    #[test]
    fn categories_of_few_rows_are_not_looked_at() {
        let mut histogram = [[0.0, 9.0]; 40];
        histogram[1] = [-9.0, 9.0];
        let found =
            find(&Settings::default(), &feature(40, true, false), &histogram, whole(&histogram));
        assert!(found.best.is_none() && !found.allowed);
    }
}
