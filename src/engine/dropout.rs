//! Dropout whose masks are a function of seed, step, place and row, so that it doesn't matter who
//! computes which rows (Srivastava et al. 2014; the generator is counter-based after Salmon et al. 2011).

use pulp::bytemuck::cast_slice;

/// What one step draws its masks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepKey(pub u64);

/// The share of values that a layer leaves out; the rest is scaled up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropout {
    /// In 1/65536.
    threshold: u16,
    /// What the values that are kept are multiplied with.
    pub scale: f32,
}

impl Dropout {
    /// None where nothing would be left out. The share is rounded to 1/65536.
    pub(crate) fn new(share: f64) -> Option<Self> {
        let threshold = (share.clamp(0.0, 0.999) * 65536.0).round() as u16;
        let scale = 65536.0 / (65536.0 - f32::from(threshold));
        (threshold > 0).then_some(Self { threshold, scale })
    }

    /// Leaves out values, and scales up the others.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32], drawn: &[u16]) {
        for (value, &drawn) in values.iter_mut().zip(drawn) {
            *value *= if self.keeps(drawn) { self.scale } else { 0.0 };
        }
    }

    /// What rows are multiplied with, for a twin that has all of them at once.
    pub(crate) fn mask(self, key: StepKey, place: usize, rows: usize, width: usize) -> Vec<f32> {
        let mut mask = vec![1.0; rows * width];
        let mut drawn = vec![0; width];
        for (row, mask) in mask.chunks_exact_mut(width).enumerate() {
            draw(key, place, row, &mut drawn);
            self.apply(mask, &drawn);
        }
        mask
    }

    /// Whether a drawn number keeps its value.
    #[inline(always)]
    pub(crate) fn keeps(self, drawn: u16) -> bool {
        drawn >= self.threshold
    }
}

/// Words that are drawn together, four numbers each: so many that the loop is one of vectors.
const WORDS: usize = 64;
/// Fewer numbers than these are drawn word by word.
const MANY: usize = 64;

/// One number for each value of a row, independent between steps, places and rows: the words of a counter, each the
/// numbers of its sixteen bits from the lowest on.
#[inline(always)]
pub(crate) fn draw(key: StepKey, place: usize, row: usize, drawn: &mut [u16]) {
    let mut counter = mix(mix(key.0 ^ mix(place as u64)).wrapping_add(row as u64));
    for drawn in drawn.chunks_mut(4 * WORDS) {
        let word = |at: usize| mix(counter.wrapping_add(GOLDEN.wrapping_mul(at as u64 + 1)));
        if drawn.len() < MANY {
            for (at, numbers) in drawn.chunks_mut(4).enumerate() {
                let word = word(at);
                let own = numbers.iter_mut().enumerate();
                own.for_each(|(at, number)| *number = (word >> (16 * at)) as u16);
            }
            return;
        }
        let mut words = [0; WORDS];
        for (at, value) in words.iter_mut().enumerate() {
            *value = word(at).to_le();
        }
        drawn.copy_from_slice(&cast_slice(&words)[..drawn.len()]);
        counter = counter.wrapping_add(GOLDEN.wrapping_mul(WORDS as u64));
    }
}

/// 2⁶⁴ divided by the golden ratio: the step of SplitMix64 (Steele, Lea & Flood 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function, every bit of which depends on every bit of its input.
#[inline(always)]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_left_out_is_the_share_asked_for() {
        let dropout = Dropout::new(0.1).expect("a share");
        let mut drawn = vec![0; 1_003];
        let mut dropped = 0;
        for row in 0..1_000 {
            draw(StepKey(7), 2, row, &mut drawn);
            dropped += drawn.iter().filter(|&&drawn| !dropout.keeps(drawn)).count();
        }
        let share = f64::from(dropped as u32) / 1_003_000.0;
        // Three standard errors of a million draws.
        assert!((share - 0.1).abs() < 0.0009, "{share}");
        assert!(Dropout::new(0.0).is_none());
    }

    #[test]
    fn many_numbers_begin_as_few_do() {
        let mut many = [0; 1_000];
        draw(StepKey(5), 1, 9, &mut many);
        let start = mix(mix(5 ^ mix(1)).wrapping_add(9));
        for (at, number) in many.iter().enumerate() {
            let word = mix(start.wrapping_add(GOLDEN.wrapping_mul(at as u64 / 4 + 1)));
            assert_eq!(*number, (word >> (16 * (at % 4))) as u16, "{at}");
        }
        for count in [1, 3, 4, 63, 64, 65, 255, 256, 257, 300, 512] {
            let mut few = vec![0; count];
            draw(StepKey(5), 1, 9, &mut few);
            assert_eq!(few, many[..count], "{count}");
        }
    }

    #[test]
    fn neighbours_are_not_related() {
        let mask = |key, place, row| {
            let mut drawn = vec![0; 4_096];
            draw(StepKey(key), place, row, &mut drawn);
            drawn.into_iter().map(|drawn| drawn >= 32_768).collect::<Vec<_>>()
        };
        let base = mask(1, 1, 1);
        for other in [mask(2, 1, 1), mask(1, 2, 1), mask(1, 1, 2), mask(3, 0, 0)] {
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((1_850..2_250).contains(&same), "{same} of 4096 agree");
        }
    }
}
