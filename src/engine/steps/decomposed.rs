//! Linear layers over the trend of a window and over what is left of it (DLinear: Zeng et al., Are
//! Transformers Effective for Time Series Forecasting?, 2023).
//!
//! The trend is a moving average, which is linear too: with M as its matrix, (x − xM)·A + xM·B is
//! x·(A + M(B − A)). So a pass works out that one matrix, every shard multiplies by it alone, and the
//! gradients of A and B are made of its gradient when all shards are through.

use super::linear::add_bias;
use crate::engine::matmul::{View, multiply};
use crate::engine::net::{Init, Net, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Decomposed {
    input: Value,
    output: Value,
    rest: ParameterId,
    trend: ParameterId,
    bias: ParameterId,
    /// How many steps the moving average looks at to each side; past the ends it sees the last value.
    reach: usize,
    /// Which step of the net this is.
    place: usize,
}

impl NetBuilder {
    /// `(input − trend) × rest + trend × trend's + bias`, where the trend is the mean over `window`
    /// steps, an odd number, around each.
    pub(crate) fn decomposed(
        &mut self,
        name: &str,
        input: Value,
        width: usize,
        window: usize,
    ) -> Value {
        let init = Init::Uniform(1.0 / (input.width as f32).sqrt());
        let shape = vec![input.width, width];
        let rest = self.parameter(format!("{name}.rest.weight"), shape.clone(), init.clone());
        let trend = self.parameter(format!("{name}.trend.weight"), shape, init.clone());
        let bias = self.parameter(format!("{name}.bias"), vec![width], init);
        let output = self.value(width);
        let place = self.steps_taken();
        self.step(Decomposed { input, output, rest, trend, bias, reach: window / 2, place });
        output
    }
}

impl Decomposed {
    /// Which of the rows, numbered past the ends too, the mean around one of them looks at.
    fn around(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let last = self.input.width - 1;
        let reach = self.reach;
        (at..=at + 2 * reach).map(move |shifted| shifted.saturating_sub(reach).min(last))
    }

    fn share(&self) -> f32 {
        1.0 / (2 * self.reach + 1) as f32
    }
}

impl Step for Decomposed {
    fn prepare(&self, net: &Net, weights: &[f32], _: bool, prepared: &mut Vec<f32>) {
        let width = self.output.width;
        let (rest, trend) = (net.part(weights, self.rest), net.part(weights, self.trend));
        prepared.clear();
        prepared.extend_from_slice(rest);
        let mut difference = vec![0.0; width];
        for at in 0..self.input.width {
            let rows = trend[at * width..].iter().zip(&rest[at * width..]);
            for (difference, (trend, rest)) in difference.iter_mut().zip(rows) {
                *difference = (trend - rest) * self.share();
            }
            for row in self.around(at) {
                add(&mut prepared[row * width..][..width], &difference);
            }
        }
    }

    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let (rows, width) = (shard.rows.len(), self.output.width);
        let mut output = arena.take(self.output);
        let input =
            View::rows(arena.value(self.input, shard), rows, self.input.width, self.input.width);
        let weight = View::rows(shard.prepared(self.place), self.input.width, width, width);
        multiply(&mut output, width, false, input, weight);
        add_bias(&mut output, shard.weights(self.bias));
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let (rows, width) = (shard.rows.len(), self.output.width);
        let slope = arena.gradient(self.output);
        let adds = lane.add;
        let bias = lane.of(shard, self.bias);
        if !adds {
            bias.fill(0.0);
        }
        slope.chunks_exact(width).for_each(|slope| add(bias, slope));
        let slopes = View::rows(&slope, rows, width, width);
        let input =
            View::rows(arena.value(self.input, shard), rows, self.input.width, self.input.width);
        multiply(lane.of(shard, self.rest), width, adds, input.transposed(), slopes);
        if let Some((mut target, adds)) = arena.wanted(self.input) {
            let weight = View::rows(shard.prepared(self.place), self.input.width, width, width);
            multiply(&mut target, self.input.width, adds, slopes, weight.transposed());
            arena.put_gradient(self.input, target);
        }
        arena.put_gradient(self.output, slope);
    }

    /// Until here the gradient of `rest` is that of the one matrix.
    fn settle(&self, net: &Net, gradient: &mut [f32]) {
        let width = self.output.width;
        let (start, length) = (net.declared(self.rest).start, net.declared(self.rest).len());
        let (rest, trend) = gradient[start..start + 2 * length].split_at_mut(length);
        for (at, trend) in trend.chunks_exact_mut(width).enumerate() {
            trend.fill(0.0);
            self.around(at).for_each(|row| add(trend, &rest[row * width..][..width]));
            for value in trend {
                *value *= self.share();
            }
        }
        rest.iter_mut().zip(trend).for_each(|(rest, trend)| *rest -= *trend);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let mut mean = vec![0.0; self.input.width * self.input.width];
        for at in 0..self.input.width {
            self.around(at).for_each(|row| mean[row * self.input.width + at] += self.share());
        }
        let mean = plain.tensor(mean, (self.input.width, self.input.width))?;
        let trend = input.matmul(&mean)?;
        let rest = plain.product(&(input - &trend)?, &plain.factor(self.rest)?)?;
        let trend = plain.product(&trend, &plain.factor(self.trend)?)?;
        let output = (rest + trend)?.broadcast_add(&plain.weight(self.bias)?)?;
        plain.put(self.output, output);
        Ok(())
    }
}

fn add(values: &mut [f32], others: &[f32]) {
    values.iter_mut().zip(others).for_each(|(value, other)| *value += other);
}
