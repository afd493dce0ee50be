//! Random streams: one seed, and for each purpose a generator of its own derived from it.
//!
//! A stream can be positioned, so that work that is taken up again draws the numbers it would
//! have drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream is for. The numbers are part of the format of a run: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Split = 1,
    Init = 2,
    Shuffle = 3,
    Dropout = 4,
    /// Points that tests make.
    #[cfg(test)]
    Sample = 5,
    Scaffold = 6,
    /// Which rows validate together, where each does once.
    Folds = 7,
    /// Which part of the data each row of a stream is of.
    Lots = 11,
    /// Which rows of a stream are the sample that preprocessing is fitted on.
    Draw = 12,
}

/// The generator for a purpose, at the start of its stream number `index` (an epoch, a step, a member).
///
/// ChaCha8 (Bernstein 2008) keyed by seed and purpose; `index` is its 64-bit stream number, so streams never overlap.
pub(crate) fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(index);
    generator
}

/// `bytes` random bytes from the operating system in lower-case hex: for ids, never for training.
pub(crate) fn hex_id(bytes: usize) -> String {
    use rand::TryRngCore;
    let mut buffer = vec![0; bytes];
    rand::rngs::OsRng.try_fill_bytes(&mut buffer).expect("the operating system has random bytes");
    hex::encode(buffer)
}

/// A number from 0 up to 1 from the operating system: for what must not happen in step, never for training.
pub(crate) fn chance() -> f64 {
    use rand::TryRngCore;
    let drawn = rand::rngs::OsRng.try_next_u32().expect("the operating system has random bytes");
    f64::from(drawn) / 2_f64.powi(32)
}

/// The numbers at these places of a stream, each the same whoever asks for it together with which others.
pub(crate) fn numbers(seed: u64, purpose: Purpose, first: u64, count: usize) -> Vec<u64> {
    let mut generator = stream(seed, purpose, 0);
    // A place is two words wide.
    generator.set_word_pos(2 * u128::from(first));
    (0..count).map(|_| generator.next_u64()).collect()
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_repeat_and_do_not_overlap() {
        let draw = |seed, purpose, index| stream(seed, purpose, index).random::<u64>();
        assert_eq!(draw(7, Purpose::Init, 0), draw(7, Purpose::Init, 0));
        assert_ne!(draw(7, Purpose::Init, 0), draw(8, Purpose::Init, 0));
        assert_ne!(draw(7, Purpose::Init, 0), draw(7, Purpose::Shuffle, 0));
        assert_ne!(draw(7, Purpose::Init, 0), draw(7, Purpose::Init, 1));
    }
}
