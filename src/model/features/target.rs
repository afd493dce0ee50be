//! Bins whose edges tell the classes apart: the thresholds of a small decision tree on one number
//! (target-aware bins; Gorishniy et al., On Embeddings for Numerical Features, 2022).

use super::fit::Classes;

/// Neither side of an edge has fewer training rows: what fewer say is chance.
const LEAST_ROWS: usize = 16;

/// Thresholds that are tried for a split.
const MOST_TRIED: usize = 512;

/// The first and the last value and, between them, the thresholds of a tree with so many leaves,
/// which at every turn makes the split that gains most (in entropy). NaN is left out.
pub(super) fn target_edges(values: &[f32], classes: Classes<'_>, bins: usize) -> Vec<f64> {
    let counted = Counted::new(values, classes);
    let Some(last) = counted.values.len().checked_sub(1).filter(|&last| last > 0) else {
        return vec![];
    };
    let mut thresholds = vec![];
    let mut open: Vec<Split> = counted.best_split(0, last + 1).into_iter().collect();
    while thresholds.len() + 1 < bins {
        // The first of equals, so that the same rows give the same tree.
        let best = (0..open.len()).rev().max_by(|&a, &b| open[a].gain.total_cmp(&open[b].gain));
        let Some(best) = best else { break };
        let split = open.remove(best);
        thresholds.push(split.at);
        open.extend(counted.best_split(split.start, split.at));
        open.extend(counted.best_split(split.at, split.end));
    }
    thresholds.sort_unstable();
    let middle = |at: usize| f64::midpoint(counted.values[at - 1], counted.values[at]);
    let mut edges = vec![counted.values[0]];
    edges.extend(thresholds.into_iter().map(middle));
    edges.push(counted.values[last]);
    edges.dedup();
    edges
}

/// The distinct values in order, and how many rows of each class lie before each.
struct Counted {
    values: Vec<f64>,
    /// `(values + 1) × classes`.
    before: Vec<u32>,
    classes: usize,
}

/// Values `start..end` parted before `at`.
struct Split {
    start: usize,
    at: usize,
    end: usize,
    gain: f64,
}

impl Counted {
    fn new(values: &[f32], classes: Classes<'_>) -> Self {
        let mut rows: Vec<(f32, usize)> = values
            .iter()
            .zip(classes.labels)
            .filter(|(value, _)| !value.is_nan())
            .map(|(&value, &label)| (value, label))
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut counted = Self { values: vec![], before: vec![], classes: classes.count };
        let mut count = vec![0; classes.count];
        for same in rows.chunk_by(|a, b| a.0 == b.0) {
            counted.values.push(f64::from(same[0].0));
            counted.before.extend_from_slice(&count);
            for (_, label) in same {
                count[*label] += 1;
            }
        }
        counted.before.extend_from_slice(&count);
        counted
    }

    fn best_split(&self, start: usize, end: usize) -> Option<Split> {
        let whole = self.information(start, end)?;
        let mut best: Option<Split> = None;
        let apart = ((end - start) / MOST_TRIED).max(1);
        for at in (start + 1..end).step_by(apart) {
            let sides = self.information(start, at).zip(self.information(at, end));
            let Some((left, right)) = sides else { continue };
            let gain = whole - left - right;
            if gain > best.as_ref().map_or(1e-9, |best| best.gain) {
                best = Some(Split { start, at, end, gain });
            }
        }
        best
    }

    /// Rows times the entropy of their classes; none for too few rows.
    fn information(&self, start: usize, end: usize) -> Option<f64> {
        let (low, high) = (start * self.classes, end * self.classes);
        let counts = self.before[low..low + self.classes]
            .iter()
            .zip(&self.before[high..high + self.classes])
            .map(|(before, after)| after - before);
        let rows: u32 = counts.clone().sum();
        if (rows as usize) < LEAST_ROWS {
            return None;
        }
        let own = counts.filter(|count| *count > 0).map(|count| {
            let count = f64::from(count);
            count * count.ln()
        });
        let rows = f64::from(rows);
        Some(rows * rows.ln() - own.sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_where_the_classes_change() {
        let values: Vec<f32> = (0..1000).map(|row| (row % 100) as f32).collect();
        let labels: Vec<usize> =
            values.iter().map(|value| usize::from((30.0..70.0).contains(value))).collect();
        let classes = Classes { labels: &labels, count: 2 };
        assert_eq!(target_edges(&values, classes, 8), [0.0, 29.5, 69.5, 99.0]);
        assert_eq!(target_edges(&values, classes, 2), [0.0, 29.5, 99.0]);
        // What says nothing is one bin.
        let labels: Vec<usize> = (0..1000).map(|row| row / 100 % 2).collect();
        let classes = Classes { labels: &labels, count: 2 };
        assert_eq!(target_edges(&values, classes, 8), [0.0, 99.0]);
    }
}
