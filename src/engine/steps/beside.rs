//! Two values side by side.

use candle_core::Tensor;

use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Beside {
    inputs: [Value; 2],
    output: Value,
}

impl NetBuilder {
    /// `[one | other]`.
    pub(crate) fn beside(&mut self, one: Value, other: Value) -> Value {
        let output = self.value(one.width + other.width);
        self.step(Beside { inputs: [one, other], output });
        output
    }
}

impl Step for Beside {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let mut start = 0;
        for input in self.inputs {
            let rows = arena.value(input, shard).chunks_exact(input.width);
            for (output, row) in output.chunks_exact_mut(self.output.width).zip(rows) {
                output[start..start + input.width].copy_from_slice(row);
            }
            start += input.width;
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let slopes = arena.gradient(self.output);
        let mut start = 0;
        for input in self.inputs {
            let own = start..start + input.width;
            start += input.width;
            let Some((mut target, adds)) = arena.wanted(input) else { continue };
            let rows = slopes.chunks_exact(self.output.width);
            for (target, slopes) in target.chunks_exact_mut(input.width).zip(rows) {
                let slopes = &slopes[own.clone()];
                if adds {
                    target.iter_mut().zip(slopes).for_each(|(target, slope)| *target += slope);
                } else {
                    target.copy_from_slice(slopes);
                }
            }
            arena.put_gradient(input, target);
        }
        arena.put_gradient(self.output, slopes);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let [one, other] = self.inputs;
        let both = Tensor::cat(&[plain.value(one)?, plain.value(other)?], 1)?;
        plain.put(self.output, both);
        Ok(())
    }
}
