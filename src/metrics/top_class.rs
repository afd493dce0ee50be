//! The class that probabilities speak for.

/// The most probable class of each row; of equals the first, as numpy's `argmax`.
/// `probabilities` is row-major `[rows, classes]`.
pub(crate) fn top_classes(probabilities: &[f64], classes: usize) -> Vec<usize> {
    probabilities.chunks_exact(classes).map(top_class).collect()
}

pub(crate) fn top_class(row: &[f64]) -> usize {
    row.iter()
        .enumerate()
        .fold(0, |best, (class, value)| if *value > row[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_first() {
        assert_eq!(top_classes(&[0.2, 0.4, 0.4, 0.5, 0.25, 0.25], 3), [1, 0]);
    }
}
