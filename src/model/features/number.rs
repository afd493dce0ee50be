//! Numbers as a net likes them.

use serde::{Deserialize, Serialize};

use super::fit::Classes;
use super::target::target_edges;
use crate::engine::MISSING_POSITION;

/// How far a smoothly clipped value can get.
const CLIP: f64 = 3.0;

/// The fitted encoding of one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "encoding", rename_all = "snake_case")]
pub(crate) enum NumberEncoder {
    /// The robustly scaled value, and how many bins it has passed (for a piecewise-linear
    /// embedding; Gorishniy et al., On Embeddings for Numerical Features, 2022). A missing one
    /// is the median where training saw none.
    Bins { center: f64, scale: f64, edges: Vec<f64>, missing: bool },
    /// The normal quantile of the value's rank among the training rows, between knots linear.
    Normal { values: Vec<f64>, scores: Vec<f64>, missing: bool },
    /// The robustly scaled value (RealMLP: Holzmüller et al., Better by Default, 2024). As with the
    /// normal quantile a missing one is zero, and flagged where training saw one.
    Robust { center: f64, scale: f64, missing: bool },
}

impl NumberEncoder {
    /// From training values, NaN where missing.
    pub(crate) fn quantile_bins(values: &[f32], bins: usize) -> Self {
        let (sorted, missing) = present(values);
        Self::with_edges(&sorted, bin_edges(&sorted, bins), missing)
    }

    /// From training values, NaN where missing, and the class of each.
    pub(crate) fn target_bins(values: &[f32], classes: Classes<'_>, bins: usize) -> Self {
        let (sorted, missing) = present(values);
        Self::with_edges(&sorted, target_edges(values, classes, bins), missing)
    }

    fn with_edges(sorted: &[f64], edges: Vec<f64>, missing: bool) -> Self {
        let center = quantile(sorted, 0.5);
        Self::Bins { center, scale: spread(sorted), edges, missing }
    }

    /// From training values, NaN where missing.
    pub(crate) fn robust(values: &[f32]) -> Self {
        let (sorted, missing) = present(values);
        Self::Robust { center: quantile(&sorted, 0.5), scale: spread(&sorted), missing }
    }

    /// From training values, NaN where missing.
    pub(crate) fn normal(values: &[f32], knots: usize) -> Self {
        let (sorted, missing) = present(values);
        let ranked = mean_ranks(&sorted);
        let step = (ranked.len().max(2) - 1) as f64 / (knots - 1) as f64;
        let mut picked: Vec<usize> = if ranked.len() <= knots {
            (0..ranked.len()).collect()
        } else {
            (0..knots).map(|knot| (knot as f64 * step).round() as usize).collect()
        };
        picked.dedup();
        Self::Normal {
            values: picked.iter().map(|&at| ranked[at].0).collect(),
            scores: picked.iter().map(|&at| normal_quantile(ranked[at].1)).collect(),
            missing,
        }
    }

    /// How many dense values this number becomes.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Bins { .. } => 2,
            Self::Normal { missing, .. } | Self::Robust { missing, .. } => {
                1 + usize::from(*missing)
            }
        }
    }

    /// How many bins there are, where the number is read as a position among them.
    pub(crate) fn bins(&self) -> Option<usize> {
        match self {
            Self::Bins { edges, .. } => Some(edges.len().saturating_sub(1)),
            Self::Normal { .. } | Self::Robust { .. } => None,
        }
    }

    /// Fills what this number becomes, [`Self::width`] values.
    pub(crate) fn encode(&self, value: f32, dense: &mut [f32]) {
        let value = f64::from(value);
        match self {
            Self::Bins { missing: true, .. } if value.is_nan() => {
                dense[0] = 0.0;
                dense[1] = MISSING_POSITION;
            }
            Self::Bins { center, scale, edges, .. } => {
                let value = if value.is_nan() { *center } else { value };
                dense[0] = clipped(value, *center, *scale);
                dense[1] = position(edges, value);
            }
            Self::Normal { missing, .. } | Self::Robust { missing, .. } if value.is_nan() => {
                dense[0] = 0.0;
                if *missing {
                    dense[1] = 1.0;
                }
            }
            Self::Normal { values, scores, missing } => {
                dense[0] = interpolate(values, scores, value);
                if *missing {
                    dense[1] = 0.0;
                }
            }
            Self::Robust { center, scale, missing } => {
                dense[0] = clipped(value, *center, *scale);
                if *missing {
                    dense[1] = 0.0;
                }
            }
        }
    }
}

/// The value in spreads from the centre, bent so that it never gets further than [`CLIP`].
fn clipped(value: f64, center: f64, scale: f64) -> f32 {
    let scaled = (value - center) / scale;
    (scaled / (1.0 + (scaled / CLIP).powi(2)).sqrt()) as f32
}

/// How many bins lie below a value, with the share of the one that it is in.
fn position(edges: &[f64], value: f64) -> f32 {
    let above = edges.partition_point(|&edge| edge <= value);
    if above == 0 || above == edges.len() {
        return above.saturating_sub(1) as f32;
    }
    let (low, high) = (edges[above - 1], edges[above]);
    ((above - 1) as f64 + (value - low) / (high - low)) as f32
}

/// The values that are there, sorted, and whether any is not.
fn present(values: &[f32]) -> (Vec<f64>, bool) {
    let mut sorted: Vec<f64> =
        values.iter().filter(|value| !value.is_nan()).map(|&value| f64::from(value)).collect();
    sorted.sort_by(f64::total_cmp);
    let missing = sorted.len() < values.len();
    (sorted, missing)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// Three quarters of the distance between the quartiles; where they coincide, half the range;
/// one for a constant.
fn spread(sorted: &[f64]) -> f64 {
    let quartiles = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    let range = quantile(sorted, 1.0) - quantile(sorted, 0.0);
    if quartiles > 0.0 {
        quartiles / 1.349
    } else if range > 0.0 {
        range / 2.0
    } else {
        1.0
    }
}

/// Half of the edges are quantiles of the rows, half quantiles of the distinct values: the former
/// alone leave the values of a column that is mostly zero in one bin.
fn bin_edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    if distinct.len() < 2 {
        return vec![];
    }
    if distinct.len() <= bins + 1 {
        return distinct;
    }
    let at_half = (bins / 2).max(1);
    let mut edges: Vec<f64> = (0..=at_half)
        .flat_map(|step| {
            let share = step as f64 / at_half as f64;
            [quantile(sorted, share), quantile(&distinct, share)]
        })
        .collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// Each distinct value with its mean rank as a share in (0, 1).
fn mean_ranks(sorted: &[f64]) -> Vec<(f64, f64)> {
    let rows = sorted.len() as f64;
    let mut before = 0;
    sorted
        .chunk_by(|one, other| one == other)
        .map(|tied| {
            let rank = before as f64 + tied.len() as f64 / 2.0;
            before += tied.len();
            (tied[0], rank / rows)
        })
        .collect()
}

fn interpolate(values: &[f64], scores: &[f64], value: f64) -> f32 {
    let above = values.partition_point(|&knot| knot < value);
    let score = match (above.checked_sub(1), values.get(above)) {
        (None, None) => 0.0,
        (None, Some(_)) => scores[0],
        (Some(last), None) => scores[last],
        (Some(below), Some(&next)) => {
            let part = (value - values[below]) / (next - values[below]);
            scores[below] + (scores[above] - scores[below]) * part
        }
    };
    score as f32
}

/// The inverse of the normal distribution function, by bisection: exact to the last digits that a
/// float32 keeps, and only called when fitting.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal_share(middle) < share { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Abramowitz and Stegun 26.2.17, error under 7.5e-8.
fn normal_share(score: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * score.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-score * score / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if score < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encoder: &NumberEncoder, value: f32) -> Vec<f32> {
        let mut dense = vec![f32::NAN; encoder.width()];
        encoder.encode(value, &mut dense);
        assert!(dense.iter().all(|value| value.is_finite()), "{dense:?}");
        dense
    }

    #[test]
    fn bins_survive_a_column_that_is_mostly_zero() {
        let values: Vec<f32> =
            (0..1000).map(|row| if row < 950 { 0.0 } else { (row - 949) as f32 }).collect();
        let NumberEncoder::Bins { edges, .. } = NumberEncoder::quantile_bins(&values, 16) else {
            unreachable!()
        };
        assert!(edges.len() >= 8, "{edges:?}");
        assert!(edges.is_sorted());
    }

    #[test]
    fn a_bin_is_passed_from_its_lower_edge() {
        let encoder = NumberEncoder::quantile_bins(&[0.0, 1.0, 3.0], 8);
        let position = |value| encoded(&encoder, value)[1];
        assert_eq!(
            [-5.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0].map(position),
            [0., 0., 0.5, 1., 1.5, 2., 2.]
        );
    }

    #[test]
    fn missing_has_a_flag_where_training_saw_it_and_is_the_median_elsewhere() {
        let flagged = NumberEncoder::quantile_bins(&[1.0, f32::NAN, 3.0], 8);
        assert_eq!(encoded(&flagged, f32::NAN), [0.0, MISSING_POSITION]);
        let plain = NumberEncoder::quantile_bins(&[1.0, 2.0, 3.0], 8);
        assert_eq!(encoded(&plain, f32::NAN), encoded(&plain, 2.0));
        let robust = NumberEncoder::robust(&[1.0, f32::NAN, 3.0]);
        assert_eq!(encoded(&robust, f32::NAN), [0.0, 1.0]);
        assert_eq!(encoded(&robust, 2.0), [0.0, 0.0]);
    }

    #[test]
    fn nothing_breaks_on_constant_missing_or_huge_values() {
        for values in [vec![5.0; 4], vec![f32::NAN; 4], vec![-1e30, 0.0, 1e30], vec![]] {
            let labels: Vec<usize> = (0..values.len()).map(|row| row % 2).collect();
            let classes = Classes { labels: &labels, count: 2 };
            for encoder in [
                NumberEncoder::quantile_bins(&values, 8),
                NumberEncoder::target_bins(&values, classes, 8),
                NumberEncoder::normal(&values, 8),
                NumberEncoder::robust(&values),
            ] {
                for value in [f32::NAN, 0.0, 5.0, 1e30, -1e30] {
                    encoded(&encoder, value);
                }
            }
        }
    }

    #[test]
    fn ranks_become_normal() {
        let values: Vec<f32> = (0..1001).map(|row| (row as f32).powi(3)).collect();
        let encoder = NumberEncoder::normal(&values, 256);
        assert!(encoded(&encoder, 500.0_f32.powi(3))[0].abs() < 1e-2);
        assert!((encoded(&encoder, 841.0_f32.powi(3))[0] - 1.0).abs() < 1e-2);
        assert!(encoded(&encoder, 1e30)[0] > 3.0);
    }
}
