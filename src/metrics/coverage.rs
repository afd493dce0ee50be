//! How often an interval holds the truth.

use super::mean;

/// The share of targets from `lower` to `upper`, both counted in; in [0, 1], best where it is the
/// interval's own level: 0.8 between the quantiles 0.1 and 0.9.
pub(crate) fn coverage(actual: &[f64], lower: &[f64], upper: &[f64]) -> Option<f64> {
    assert!(actual.len() == lower.len() && lower.len() == upper.len());
    if actual.iter().chain(lower).chain(upper).any(|value| value.is_nan()) {
        return None;
    }
    mean(
        actual.iter().zip(lower).zip(upper).map(|((actual, lower), upper)| {
            f64::from(u8::from(lower <= actual && actual <= upper))
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_count_in() {
        assert_eq!(coverage(&[1.0, 2.0, 3.0], &[1.0, 0.0, 0.0], &[5.0, 2.0, 2.0]), Some(2.0 / 3.0));
        assert_eq!(coverage(&[], &[], &[]), None);
        assert_eq!(coverage(&[1.0], &[f64::NAN], &[2.0]), None);
    }
}
