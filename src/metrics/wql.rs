//! Weighted quantile loss.

use super::mean;

/// Twice the quantile (pinball) loss summed over the targets, over the sum of |actual|, averaged
/// over the levels; from 0, lower is better.
///
/// `quantiles` has one column a level. `None` without levels, or where all targets are zero. Source:
/// Salinas et al., DeepAR, 2020; as GluonTS's `mean_wQuantileLoss`.
pub(crate) fn wql(actual: &[f64], levels: &[f64], quantiles: &[Vec<f64>]) -> Option<f64> {
    let (loss, size) = quantile_loss(actual, levels, quantiles)?;
    Some(loss / size).filter(|share| share.is_finite())
}

/// What [`wql`] divides by what, for targets that are looked at some at a time; `None` without levels.
pub(crate) fn quantile_loss(
    actual: &[f64],
    levels: &[f64],
    quantiles: &[Vec<f64>],
) -> Option<(f64, f64)> {
    assert_eq!(levels.len(), quantiles.len());
    let size: f64 = actual.iter().map(|value| value.abs()).sum();
    let loss = mean(levels.iter().zip(quantiles).map(|(&level, quantile)| {
        assert_eq!(actual.len(), quantile.len());
        let loss = actual.iter().zip(quantile).map(|(actual, quantile)| {
            let over = actual - quantile;
            // `max` would hide a NaN.
            if over < 0.0 { (level - 1.0) * over } else { level * over }
        });
        2.0 * loss.sum::<f64>()
    }))?;
    Some((loss, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_s_loss_is_the_absolute_error_s_share() {
        assert_eq!(wql(&[2.0, 2.0], &[0.5], &[vec![1.0, 3.0]]), Some(0.5));
    }

    #[test]
    fn undefined_without_levels_or_size() {
        assert_eq!(wql(&[1.0], &[], &[]), None);
        assert_eq!(wql(&[0.0], &[0.5], &[vec![1.0]]), None);
        assert_eq!(wql(&[1.0], &[0.5], &[vec![f64::NAN]]), None);
    }
}
