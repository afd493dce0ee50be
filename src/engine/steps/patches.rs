//! Overlapping pieces of a window, side by side: the tokens of PatchTST (Nie et al., A Time Series is
//! Worth 64 Words, 2023, section 3.1).

use candle_core::{D, Tensor};

use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Patches {
    input: Value,
    output: Value,
    size: usize,
    stride: usize,
}

/// How many patches a window has. Past its end the last value goes on for a stride, so that none of the
/// window is left out.
pub(crate) fn patch_count(window: usize, size: usize, stride: usize) -> usize {
    (window + stride - size) / stride + 1
}

impl NetBuilder {
    /// `size` values every `stride` of them, [`patch_count`] times.
    pub(crate) fn patches(&mut self, input: Value, size: usize, stride: usize) -> Value {
        assert!((1..=input.width).contains(&size) && (1..=size).contains(&stride), "patches fit");
        let output = self.value(size * patch_count(input.width, size, stride));
        self.step(Patches { input, output, size, stride });
        output
    }
}

impl Patches {
    /// Which value of the window each value of the patches is.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let last = self.input.width - 1;
        (0..self.output.width)
            .map(move |at| (at / self.size * self.stride + at % self.size).min(last))
    }
}

impl Step for Patches {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let rows = arena.value(self.input, shard).chunks_exact(self.input.width);
        for (output, row) in output.chunks_exact_mut(self.output.width).zip(rows) {
            for (patch, output) in output.chunks_exact_mut(self.size).enumerate() {
                let start = patch * self.stride;
                let inside = self.size.min(row.len() - start);
                let (known, beyond) = output.split_at_mut(inside);
                known.copy_from_slice(&row[start..start + inside]);
                beyond.fill(row[row.len() - 1]);
            }
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, adds)) = arena.wanted(self.input) else { return };
        if !adds {
            target.fill(0.0);
        }
        let slopes = arena.gradient_ref(self.output).chunks_exact(self.output.width);
        for (target, slopes) in target.chunks_exact_mut(self.input.width).zip(slopes) {
            for (place, slope) in self.places().zip(slopes) {
                target[place] += slope;
            }
        }
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let places: Vec<u32> = self.places().map(|place| place as u32).collect();
        let places = Tensor::new(places, input.device())?;
        plain.put(self.output, input.index_select(&places, D::Minus1)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_reach_the_end_of_every_window() {
        // The paper's 42 and 64 patches.
        assert_eq!((patch_count(336, 16, 8), patch_count(512, 16, 8)), (42, 64));
        for window in 1..60 {
            for size in 1..=window.min(16) {
                for stride in 1..=size {
                    let last = (patch_count(window, size, stride) - 1) * stride;
                    assert!(last <= window && last + size >= window, "{window} {size} {stride}");
                }
            }
        }
    }
}
