//! The order in which an epoch draws units: a function of the run's seed and the epoch, so that a run that goes on
//! draws what it would have drawn.
//!
//! In memory any unit may follow any other. Of a file, units that lie together are read together: blocks of them are
//! shuffled, and then all units of some blocks at a time, a window, which is what has to be in memory. It is the
//! shuffle buffer of streaming loaders, but for being emptied before it is filled again, so that what comes
//! next depends on nothing that came before.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::sys::random::{Purpose, stream};

/// How units lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locality {
    /// Units that are read at once.
    pub block: usize,
    /// Blocks whose units are shuffled together.
    pub window: usize,
}

/// What is left of an epoch.
pub(super) struct Order {
    units: usize,
    locality: Locality,
    random: ChaCha8Rng,
    /// The blocks to come, the next one last.
    blocks: Vec<usize>,
    /// The units of the current window, and how many of them were drawn.
    window: Vec<usize>,
    drawn: usize,
}

impl Order {
    pub(super) fn new(units: usize, locality: Option<Locality>, seed: u64, epoch: usize) -> Self {
        let mut random = stream(seed, Purpose::Shuffle, epoch as u64);
        let locality = locality.unwrap_or(Locality { block: units.max(1), window: 1 });
        let mut blocks: Vec<usize> = (0..units.div_ceil(locality.block)).collect();
        // Of one block there is nothing to shuffle, and no number is drawn for it.
        if blocks.len() > 1 {
            blocks.shuffle(&mut random);
        }
        Self { units, locality, random, blocks, window: Vec::new(), drawn: 0 }
    }

    /// The next so many units, fewer where the epoch ends, none after that.
    pub(super) fn next(&mut self, count: usize) -> Vec<usize> {
        let mut batch = Vec::with_capacity(count.min(self.units));
        while batch.len() < count {
            if self.drawn == self.window.len() && !self.fill() {
                break;
            }
            let end = self.window.len().min(self.drawn + count - batch.len());
            batch.extend_from_slice(&self.window[self.drawn..end]);
            self.drawn = end;
        }
        batch
    }

    /// The units of the next blocks; false where there are none.
    fn fill(&mut self) -> bool {
        let Locality { block, window } = self.locality;
        let left = self.blocks.len().saturating_sub(window);
        self.window.clear();
        self.drawn = 0;
        for number in self.blocks.drain(left..) {
            self.window.extend(number * block..((number + 1) * block).min(self.units));
        }
        self.window.shuffle(&mut self.random);
        !self.window.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(order: &mut Order, batch: usize) -> Vec<Vec<usize>> {
        std::iter::from_fn(|| Some(order.next(batch)).filter(|batch| !batch.is_empty())).collect()
    }

    #[test]
    fn in_memory_all_units_are_one_shuffle() {
        let mut units: Vec<usize> = (0..103).collect();
        units.shuffle(&mut stream(7, Purpose::Shuffle, 3));
        let batches: Vec<Vec<usize>> = units.chunks(10).map(<[usize]>::to_vec).collect();
        assert_eq!(all(&mut Order::new(103, None, 7, 3), 10), batches);
        assert_eq!(all(&mut Order::new(0, None, 7, 3), 10), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn every_unit_is_drawn_once_whatever_the_blocks() {
        for (units, block, window) in [(1000, 7, 5), (1000, 1000, 1), (3, 7, 5), (64, 8, 8)] {
            let order = || Order::new(units, Some(Locality { block, window }), 7, 1);
            let mut drawn = all(&mut order(), 10).concat();
            assert_eq!(drawn, all(&mut order(), 64).concat(), "the batch changes no order");
            assert_ne!(drawn, all(&mut Order::new(units, None, 7, 2), 10).concat());
            drawn.sort_unstable();
            assert_eq!(drawn, (0..units).collect::<Vec<_>>());
        }
    }

    #[test]
    fn at_any_time_few_blocks_are_needed_and_they_are_mixed() {
        let locality = Locality { block: 10, window: 6 };
        let batches = all(&mut Order::new(6000, Some(locality), 7, 1), 20);
        let blocks = |units: &[usize]| -> std::collections::BTreeSet<usize> {
            units.iter().map(|unit| unit / 10).collect()
        };
        for window in batches.chunks(3) {
            assert_eq!(blocks(&window.concat()).len(), 6);
            assert!(window.iter().all(|batch| blocks(batch).len() > 3));
        }
        // They are from all over the file, and were put together by lot.
        let first: Vec<usize> = blocks(&batches[..3].concat()).into_iter().collect();
        assert!(first[5] - first[0] > 100, "{first:?}");
    }
}
