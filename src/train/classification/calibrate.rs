//! What is fitted on the answers to validation rows: a temperature, and a threshold.

use crate::metrics::log_loss;
use crate::model::classification::{Criterion, Threshold, heat};

/// Temperatures are searched between these.
const COLDEST: f64 = 0.2;
const HOTTEST: f64 = 5.0;

/// Rows are divided into so many parts to see whether a temperature helps rows that it was not fitted on.
const PARTS: usize = 5;

/// The temperature that makes the rows most likely, if one that was fitted on some of the rows helps the others by more
/// than chance would: by more than the standard error of the mean gain, a row.
pub(super) fn temperature(values: &[f64], labels: &[usize], classes: usize) -> Option<f64> {
    if labels.len() < 10 * PARTS {
        return None;
    }
    let part = |which: &dyn Fn(usize) -> bool| -> (Vec<f64>, Vec<usize>) {
        let rows = values.chunks_exact(classes).zip(labels).enumerate();
        let rows: Vec<(&[f64], usize)> = rows
            .filter(|(row, _)| which(row % PARTS))
            .map(|(_, (values, &label))| (values, label))
            .collect();
        (
            rows.iter().flat_map(|(values, _)| values.iter().copied()).collect(),
            rows.into_iter().map(|(_, label)| label).collect(),
        )
    };
    let mut gains = Vec::with_capacity(labels.len());
    for held in 0..PARTS {
        let (fitted, fitted_labels) = part(&|at| at != held);
        let (mut own, own_labels) = part(&|at| at == held);
        let before = own.clone();
        heat(&mut own, classes, best(&fitted, &fitted_labels, classes));
        let chance =
            |values: &[f64], row: usize| values[row * classes + own_labels[row]].max(1e-15);
        gains.extend(
            (0..own_labels.len()).map(|row| (chance(&own, row) / chance(&before, row)).ln()),
        );
    }
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean > (variance / count).sqrt()).then(|| best(values, labels, classes))
}

/// Golden-section search over the temperature's logarithm, in which the loss of logits has one minimum.
fn best(values: &[f64], labels: &[usize], classes: usize) -> f64 {
    let loss = |place: f64| {
        let mut hot = values.to_vec();
        heat(&mut hot, classes, place.exp());
        log_loss(labels, &hot, classes).unwrap_or(f64::INFINITY)
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (COLDEST.ln(), HOTTEST.ln());
    let (mut one, mut other) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_one, mut at_other) = (loss(one), loss(other));
    for _ in 0..24 {
        if at_one < at_other {
            (high, other, at_other) = (other, one, at_one);
            one = high - golden * (high - low);
            at_one = loss(one);
        } else {
            (low, one, at_one) = (one, other, at_other);
            other = low + golden * (high - low);
            at_other = loss(other);
        }
    }
    f64::midpoint(low, high).exp()
}

/// The threshold that a criterion likes best on these rows, halfway between the scores that it parts.
pub(super) fn threshold(scores: &[f64], positive: &[bool], by: Criterion) -> Threshold {
    if let Criterion::Fixed(value) = by {
        return Threshold { value, by };
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]).then(one.cmp(other)));
    let total = positive.iter().filter(|is| **is).count() as f64;
    let rows = scores.len() as f64;
    let worth = |hits: f64, said: f64| {
        let false_positives = said - hits;
        let misses = total - hits;
        match by {
            Criterion::F1 => 2.0 * hits / (said + total).max(1.0),
            Criterion::Youden => hits / total.max(1.0) - false_positives / (rows - total).max(1.0),
            Criterion::Accuracy => -(false_positives + misses),
            Criterion::Cost { false_positive, false_negative } => {
                -(false_positive * false_positives + false_negative * misses)
            }
            Criterion::Fixed(_) => 0.0,
        }
    };
    // Nobody is positive, then one more row after the other is; equal scores part from the next together.
    let mut best =
        (worth(0.0, 0.0), scores.first().map_or(0.5, |_| f64::midpoint(scores[order[0]], 1.0)));
    let mut hits = 0.0;
    for (said, pair) in order.iter().zip(order.iter().skip(1).map(Some).chain([None])).enumerate() {
        let (&row, next) = pair;
        hits += f64::from(u8::from(positive[row]));
        let below = next.map_or(0.0, |&next| scores[next]);
        if next.is_some() && below == scores[row] {
            continue;
        }
        let value = worth(hits, (said + 1) as f64);
        if value > best.0 {
            best = (value, f64::midpoint(scores[row], below));
        }
    }
    Threshold { value: best.1, by }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers that are too sure by a known temperature, and labels as often as the cooler odds say.
    fn too_sure(rows: usize, temperature: f64) -> (Vec<f64>, Vec<usize>) {
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for row in 0..rows {
            let chance = 0.02 + 0.96 * (row % 101) as f64 / 101.0;
            labels.push(usize::from((row * 37 % 997) as f64 / 997.0 < chance));
            values.extend([1.0 - chance, chance]);
        }
        heat(&mut values, 2, 1.0 / temperature);
        (values, labels)
    }

    #[test]
    fn the_temperature_is_found_and_none_is_where_none_helps() {
        let (values, labels) = too_sure(5000, 2.0);
        let found = temperature(&values, &labels, 2).expect("it helps");
        assert!((found - 2.0).abs() < 0.15, "{found}");
        let (values, labels) = too_sure(5000, 1.0);
        assert!(temperature(&values, &labels, 2).is_none_or(|found| (found - 1.0).abs() < 0.05));
        let (values, labels) = too_sure(30, 3.0);
        assert_eq!(temperature(&values, &labels, 2), None);
    }

    #[test]
    fn each_criterion_parts_the_rows_where_it_likes_them_best() {
        let scores = [0.9, 0.8, 0.8, 0.6, 0.4, 0.2];
        let positive = [true, true, false, false, true, false];
        let at = |by| threshold(&scores, &positive, by).value;
        // All positives found for two false ones: 2·3 / (5 + 3).
        assert!((at(Criterion::F1) - 0.3).abs() < 1e-12);
        assert!((at(Criterion::Accuracy) - 0.85).abs() < 1e-12);
        let cost =
            |false_positive, false_negative| Criterion::Cost { false_positive, false_negative };
        assert!((at(cost(1.0, 10.0)) - 0.3).abs() < 1e-12);
        assert!((at(cost(10.0, 1.0)) - 0.85).abs() < 1e-12);
        assert!(at(Criterion::Fixed(0.35)) == 0.35);
        // Where every positive is a mistake, nobody is one.
        assert!(threshold(&[0.9, 0.1], &[false, false], cost(1.0, 1.0)).value > 0.9);
    }
}
