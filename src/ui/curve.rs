//! A row of numbers as a row of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values between their least and their largest, oldest first, in at most `width` characters: where
/// there are more, each stands for the mean of several that follow each other. What is no finite number is a
/// space.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    let shown = squeezed(values, width);
    let finite = || shown.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::MAX, f64::min), finite().fold(f64::MIN, f64::max));
    let block = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        // Of equal values none is high.
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        BLOCKS[((share * 8.0) as usize).min(7)]
    };
    shown.iter().map(block).collect()
}

/// The means of `width` pieces of about the same length, or the values where they are no more.
pub(super) fn squeezed(values: &[f64], width: usize) -> Vec<f64> {
    if values.len() <= width {
        return values.to_vec();
    }
    let piece = |at: usize| {
        let of = &values[at * values.len() / width..(at + 1) * values.len() / width];
        of.iter().sum::<f64>() / of.len() as f64
    };
    (0..width).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_low_and_the_largest_high() {
        assert_eq!(sparkline(&[0.0, 1.0, 0.5, f64::NAN, 0.99], 9), "▁█▅ █");
        assert_eq!(sparkline(&[3.0, 3.0], 9), "▁▁");
        assert_eq!(sparkline(&[], 9), "");
        assert_eq!(sparkline(&[f64::INFINITY], 9), " ");
    }

    #[test]
    fn more_values_than_there_is_room_for_are_averaged() {
        let values: Vec<f64> = (0..1000).rev().map(f64::from).collect();
        assert_eq!(sparkline(&values, 8), "█▇▆▅▄▃▂▁");
        assert_eq!(squeezed(&[1.0, 2.0, 3.0, 4.0, 5.0], 2), [1.5, 4.0]);
        assert_eq!(sparkline(&values, 0), "");
    }
}
