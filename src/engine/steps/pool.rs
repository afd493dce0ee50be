//! Means over neighbouring values: a window seen at a coarser step (N-HiTS: Challu et al. 2023).

use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Pool {
    input: Value,
    output: Value,
    /// How many values go into one.
    size: usize,
}

impl NetBuilder {
    /// The means of `size` values each, from the last back: the first may be of fewer.
    pub(crate) fn pool(&mut self, input: Value, size: usize) -> Value {
        if size == 1 {
            return input;
        }
        let output = self.value(input.width.div_ceil(size));
        self.step(Pool { input, output, size });
        output
    }
}

impl Pool {
    /// How many values go into each mean of a row, and the share of one.
    fn sizes(&self) -> impl Iterator<Item = (usize, f32)> + use<> {
        let (size, width, count) = (self.size, self.input.width, self.output.width);
        let first = width - (count - 1) * size;
        let sizes = std::iter::once(first).chain(std::iter::repeat_n(size, count - 1));
        sizes.map(|size| (size, 1.0 / size as f32))
    }
}

impl Step for Pool {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let rows = arena.value(self.input, shard).chunks_exact(self.input.width);
        for (output, mut rest) in output.chunks_exact_mut(self.output.width).zip(rows) {
            for (mean, (size, share)) in output.iter_mut().zip(self.sizes()) {
                let (values, after) = rest.split_at(size);
                *mean = values.iter().sum::<f32>() * share;
                rest = after;
            }
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, add)) = arena.wanted(self.input) else { return };
        let slopes = arena.gradient_ref(self.output).chunks_exact(self.output.width);
        for (mut rest, slopes) in target.chunks_exact_mut(self.input.width).zip(slopes) {
            for (slope, (size, share)) in slopes.iter().zip(self.sizes()) {
                let (values, after) = rest.split_at_mut(size);
                for target in values {
                    *target = slope * share + if add { *target } else { 0.0 };
                }
                rest = after;
            }
        }
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let (width, count) = (self.input.width, self.output.width);
        let mut map = vec![0.0; width * count];
        let mut place = 0;
        for (mean, (size, share)) in self.sizes().enumerate() {
            (place..place + size).for_each(|value| map[value * count + mean] = share);
            place += size;
        }
        let map = plain.tensor(map, (width, count))?;
        plain.put(self.output, plain.value(self.input)?.matmul(&map)?);
        Ok(())
    }
}
