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
    /// The means of `size` values each, of which the input's width must be a multiple.
    pub(crate) fn pool(&mut self, input: Value, size: usize) -> Value {
        assert!(input.width.is_multiple_of(size), "pools fill a window");
        if size == 1 {
            return input;
        }
        let output = self.value(input.width / size);
        self.step(Pool { input, output, size });
        output
    }
}

impl Step for Pool {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let share = 1.0 / self.size as f32;
        let input = arena.value(self.input, shard).chunks_exact(self.size);
        for (mean, values) in output.iter_mut().zip(input) {
            *mean = values.iter().sum::<f32>() * share;
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, add)) = arena.wanted(self.input) else { return };
        let share = 1.0 / self.size as f32;
        let slopes = arena.gradient_ref(self.output);
        for (target, slope) in target.chunks_exact_mut(self.size).zip(slopes) {
            for target in target {
                *target = slope * share + if add { *target } else { 0.0 };
            }
        }
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let shape = (plain.rows(), self.output.width, self.size);
        let means = plain.value(self.input)?.reshape(shape)?.mean(2)?;
        plain.put(self.output, means);
        Ok(())
    }
}
