//! What is drawn by lot: rows and features, without replacement.

use rand::RngCore;

/// `chosen` of `0..all`, ascending, each set as likely as any other (Knuth, The Art of Computer Programming, volume 2,
/// section 3.4.2, algorithm S).
pub(super) fn choose(random: &mut dyn RngCore, all: usize, chosen: usize) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(chosen);
    for at in 0..all {
        if drawn.len() == chosen {
            break;
        }
        // The high half of the product is uniform below what is left (Lemire 2019), but for a bias
        // of less than what is left in 2³².
        let left = (all - at) as u64;
        let below = (u64::from(random.next_u32()) * left) >> 32;
        if below < (chosen - drawn.len()) as u64 {
            drawn.push(at as u32);
        }
    }
    drawn
}

/// A share of a number of things, one at least.
pub(super) fn share(all: usize, fraction: f64) -> usize {
    ((all as f64 * fraction).round() as usize).clamp(1.min(all), all)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_any_other() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 10];
        for _ in 0..2000 {
            let drawn = choose(&mut random, 10, 3);
            assert!(drawn.len() == 3 && drawn.is_sorted());
            for at in drawn {
                counts[at as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
        assert_eq!(choose(&mut random, 4, 4), [0, 1, 2, 3]);
        assert_eq!((share(10, 0.01), share(0, 0.5), share(7, 1.0)), (1, 0, 7));
    }
}
