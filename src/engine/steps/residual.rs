//! The sum of two values: what a block makes, beside what it was given (He et al. 2016).

use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Residual {
    inputs: [Value; 2],
    output: Value,
}

impl NetBuilder {
    /// `one + other`.
    pub(crate) fn residual(&mut self, one: Value, other: Value) -> Value {
        assert_eq!(one.width, other.width, "a sum is of equals");
        let output = self.value(one.width);
        self.step(Residual { inputs: [one, other], output });
        output
    }
}

impl Step for Residual {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let [one, other] = self.inputs.map(|input| arena.value(input, shard));
        for ((output, one), other) in output.iter_mut().zip(one).zip(other) {
            *output = one + other;
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let slopes = arena.gradient(self.output);
        for input in self.inputs {
            let Some((mut target, adds)) = arena.wanted(input) else { continue };
            if adds {
                target.iter_mut().zip(&slopes).for_each(|(target, slope)| *target += slope);
            } else {
                target.copy_from_slice(&slopes);
            }
            arena.put_gradient(input, target);
        }
        arena.put_gradient(self.output, slopes);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let [one, other] = self.inputs;
        let sum = (plain.value(one)? + plain.value(other)?)?;
        plain.put(self.output, sum);
        Ok(())
    }
}
