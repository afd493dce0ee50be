//! The best split of a leaf by one feature, from its histogram.
//!
//! The gain of a split is the fall of the second-order approximation of the loss when each side has its own best
//! answer, twice over: G²/(H+λ) of both sides less that of the leaf (Chen & Guestrin, XGBoost, KDD 2016, equations 5
//! to 7). The number of rows of a side is estimated from its share of the leaf's second derivatives, as LightGBM does.

use super::histogram::Sum;
use super::settings::Settings;
use super::table::Feature;
use super::tree::BinSet;

mod categories;

/// What a leaf is split into.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// Above what the settings ask for; positive.
    pub gain: f64,
    /// The feature's place in the model.
    pub feature: usize,
    /// The bins that go left.
    pub bins: BinSet,
    pub left: Sum,
    pub right: Sum,
    /// The regularisation under which the gain was found and the children answer.
    pub l2: f64,
}

/// A leaf about to be split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub sum: Sum,
    pub rows: usize,
}

/// The best split by one feature, and whether any split was allowed: if none was, none is in the leaf's children.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub best: Option<Split>,
    pub allowed: bool,
}

pub(super) fn find(
    settings: &Settings,
    feature: &Feature,
    histogram: &[Sum],
    whole: Whole,
) -> Found {
    if feature.is_category {
        categories::find(settings, feature, histogram, whole)
    } else {
        numeric(settings, feature, histogram, whole)
    }
}

/// Twice the fall of the approximated loss when a leaf of these sums answers at its best.
pub(super) fn gain([slope, curvature]: Sum, l1: f64, l2: f64) -> f64 {
    let slope = shrink(slope, l1);
    slope * slope / (curvature + l2)
}

/// The best answer of a leaf of these sums.
pub(super) fn answer([slope, curvature]: Sum, l1: f64, l2: f64) -> f64 {
    let denominator = curvature + l2;
    if denominator > 0.0 { -shrink(slope, l1) / denominator } else { 0.0 }
}

/// Towards zero by `l1`, and not beyond.
fn shrink(slope: f64, l1: f64) -> f64 {
    if l1 == 0.0 { slope } else { (slope.abs() - l1).max(0.0).copysign(slope) }
}

fn plus(a: Sum, b: Sum) -> Sum {
    [a[0] + b[0], a[1] + b[1]]
}

fn minus(a: Sum, b: Sum) -> Sum {
    [a[0] - b[0], a[1] - b[1]]
}

impl Whole {
    /// Rows for a sum of second derivatives.
    fn rows_per_curvature(&self) -> f64 {
        self.rows as f64 / self.sum[1]
    }

    /// The least second derivatives of a side that has rows enough, and has enough of them.
    fn floor(&self, settings: &Settings) -> f64 {
        let rows = settings.min_rows_per_leaf as f64 - 0.5;
        settings.min_curvature_per_leaf.max(rows / self.rows_per_curvature())
    }
}

/// The best "at most this bin". Missing values are tried on either side.
fn numeric(settings: &Settings, feature: &Feature, histogram: &[Sum], whole: Whole) -> Found {
    let (l1, l2) = (settings.l1, settings.l2);
    let floor = whole.floor(settings);
    let start = gain(whole.sum, l1, l2) + settings.min_gain;
    let last = feature.bins - 1;
    let missing = histogram[0];
    // Subtraction leaves dust, so the test is whether half a row is there.
    let is_missing = feature.has_missing && missing[1] * whole.rows_per_curvature() >= 0.5;

    let mut best = (start, 0, false, [0.0; 2]);
    let mut allowed = false;
    let mut scan = |mut left: Sum, last: usize, with_missing: bool| {
        for (bin, &sum) in histogram.iter().enumerate().take(last + 1).skip(1) {
            left = plus(left, sum);
            if left[1] < floor {
                continue;
            }
            let right = minus(whole.sum, left);
            if right[1] < floor {
                break;
            }
            allowed = true;
            let gain = gain(left, l1, l2) + gain(right, l1, l2);
            if gain > best.0 {
                best = (gain, bin, with_missing, left);
            }
        }
    };
    if is_missing {
        // The last bin too: what is missing against what is not.
        scan([0.0; 2], last, false);
        scan(missing, last - 1, true);
    } else {
        scan([0.0; 2], last - 1, false);
    }

    let (gain, bin, with_missing, left) = best;
    if bin == 0 || !gain.is_finite() {
        return Found { best: None, allowed };
    }
    let right = minus(whole.sum, left);
    // With nothing to learn from, what is missing later goes the way of the many.
    let missing_left = if is_missing { with_missing } else { left[1] > right[1] };
    let bins = BinSet::at_most(bin as u8, missing_left);
    let best = Split { gain: gain - start, feature: feature.index, bins, left, right, l2 };
    Found { best: Some(best), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn feature(bins: usize, is_category: bool, has_missing: bool) -> Feature {
        Feature { index: 3, bins, is_category, has_missing }
    }

    pub(super) fn whole(histogram: &[Sum]) -> Whole {
        let sum = histogram.iter().copied().fold([0.0; 2], plus);
        Whole { sum, rows: sum[1] as usize }
    }

    fn settings() -> Settings {
        Settings { min_rows_per_leaf: 5, ..Settings::default() }
    }

    #[test]
    fn a_number_is_split_where_the_slopes_change_sign() {
        let histogram = [[0.0, 0.0], [-9.0, 10.0], [-8.0, 10.0], [7.0, 10.0], [9.0, 10.0]];
        let found = find(&settings(), &feature(5, false, false), &histogram, whole(&histogram));
        let split = found.best.unwrap();
        assert!(found.allowed);
        assert!(split.bins.contains(2) && !split.bins.contains(3));
        assert_eq!((split.left, split.right), ([-17.0, 20.0], [16.0, 20.0]));
        let expected = 17.0 * 17.0 / 20.0 + 16.0 * 16.0 / 20.0 - 1.0 / 40.0;
        assert!((split.gain - expected).abs() < 1e-12);
        assert_eq!(answer(split.left, 0.0, 0.0), 0.85);
        assert_eq!(answer(split.left, 2.0, 5.0), 0.6);
    }

    #[test]
    fn what_is_missing_goes_where_its_slopes_are_alike() {
        for (slope, left) in [(-8.0, true), (8.0, false)] {
            let histogram = [[slope, 10.0], [-9.0, 10.0], [9.0, 10.0]];
            let found = find(&settings(), &feature(3, false, true), &histogram, whole(&histogram));
            let bins = found.best.unwrap().bins;
            assert_eq!((bins.contains(0), bins.contains(1), bins.contains(2)), (left, true, false));
        }
    }

    #[test]
    fn missing_against_all_values_is_a_split() {
        let histogram = [[-9.0, 10.0], [4.0, 10.0], [5.0, 10.0]];
        let found = find(&settings(), &feature(3, false, true), &histogram, whole(&histogram));
        let bins = found.best.unwrap().bins;
        assert_eq!([0, 1, 2].map(|bin| bins.contains(bin)), [false, true, true]);
    }

    #[test]
    fn never_missing_goes_to_the_larger_side() {
        for (rows, left) in [([30.0, 10.0], true), ([10.0, 30.0], false)] {
            let histogram = [[0.0, 0.0], [-5.0, rows[0]], [5.0, rows[1]]];
            let found = find(&settings(), &feature(3, false, false), &histogram, whole(&histogram));
            assert_eq!(found.best.unwrap().bins.contains(0), left);
        }
    }

    #[test]
    fn sides_of_too_few_rows_are_not_allowed() {
        let histogram = [[0.0, 0.0], [-4.0, 4.0], [4.0, 100.0]];
        let found = find(&settings(), &feature(3, false, false), &histogram, whole(&histogram));
        assert!(found.best.is_none() && !found.allowed);
    }

    #[test]
    fn no_gain_is_no_split() {
        let histogram = [[0.0, 0.0], [5.0, 10.0], [5.0, 10.0]];
        let found = find(&settings(), &feature(3, false, false), &histogram, whole(&histogram));
        assert!(found.best.is_none() && found.allowed);
    }
}
